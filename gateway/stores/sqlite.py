"""SQLite: one file on one machine, write-ahead logging, one writer at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from gateway.stores import last_uses, versions
from gateway.stores.base import StoreError
from gateway.stores.file import DatabaseFile
from gateway.stores.options import StoreOptions
from gateway.stores.sql import Database
from gateway.stores.sql_change import first_change


def database(file: DatabaseFile, options: StoreOptions) -> Database:
    """BEGIN IMMEDIATE takes the write lock at once: nothing that a change has read can change before it commits."""
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=file.uri, query={"uri": "true"}),
        connect_args={"isolation_level": None, "timeout": options.sql_wait},
        pool_size=options.sql_connections,
        max_overflow=0,
        pool_timeout=options.sql_wait,
        hide_parameters=True,  # an error names no digest and no address
    )
    event.listen(engine.sync_engine, "connect", _prepare)
    return Database(
        engine,
        engine,
        begin_change="BEGIN IMMEDIATE",
        begin_snapshot="BEGIN",
        note_uses=text(last_uses.IN_SQLITE),
        check=file.check,
    )


def create(path: Path) -> None:
    """Makes a new database, for its owner's eyes only (mode 0600). Raises StoreError where there is one already."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        with _locked(DatabaseFile(path)) as connection:  # all tables or none, and only one process makes them
            if not versions.is_empty(connection):
                raise StoreError(f"there is a database at `{path}` already: remove it, or choose another path")
            versions.raise_version(connection)
            connection.execute(first_change())
    except OSError as fault:
        raise StoreError(f"`{path}` cannot be made: {fault.strerror}") from fault
    except DBAPIError as fault:
        raise StoreError(f"`{path}` cannot be made into a database: {fault.orig}") from fault


def migrate(path: Path) -> tuple[int, int]:
    """Raises an older database to the version of this gateway, all of it or nothing; from which to which."""
    try:
        with _locked(DatabaseFile(path)) as connection:
            return versions.migrate(connection, f"`{path}`")
    except DBAPIError as fault:
        raise StoreError(f"`{path}` cannot be migrated: {fault.orig}") from fault


@contextmanager
def _locked(file: DatabaseFile) -> Iterator[Connection]:
    """One transaction with the write lock; it commits when the block ends, and rolls back when that raises.

    Foreign keys are looked at in the end, all of them, because tables that are made anew are gone for a moment.
    """
    url = URL.create("sqlite", database=file.uri, query={"uri": "true"})
    engine = create_engine(url, connect_args={"isolation_level": None}, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "connect", _prepare)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection
        if dangling := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise StoreError(
                f"`{file.path}`: a row of `{dangling[0]}` refers to one of `{dangling[2]}` that is not there"
            )
        connection.commit()


def _prepare(connection: Any, _record: object) -> None:
    """For each new connection."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")  # an acknowledged revocation survives a loss of power
    cursor.close()
