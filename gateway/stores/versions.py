"""The version of a database's tables: told, refused when it is not ours, and raised by the migrations.

Opening a database never changes it: gateways of two versions may run at once, and only an operator knows when the last
older one is gone.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect, text

from gateway.stores.base import StoreError

CURRENT = 5
"""The newest file of `migrations/versions`."""

VERSION_TABLE = "alembic_version"


def fault(where: str, found: str | None) -> str | None:
    """Why a database is not opened whose version is `found`; None where it is ours."""
    match _number(found):
        case None:
            return f"{where} is not a database of the gateway: `gateway init` makes one elsewhere"
        case number if number < CURRENT:
            return f"{where} has tables of version {number}, this gateway needs {CURRENT}: run `gateway migrate`"
        case number if number > CURRENT:
            return f"{where} has tables of version {number}, this gateway knows {CURRENT}: made by a newer gateway"
    return None


def _number(found: str | None) -> int | None:
    return int(found) if found is not None and found.isdecimal() and int(found) else None


def version(connection: Connection) -> str | None:
    """The version that a database says it has; None when it says none."""
    names = inspect(connection).get_table_names()
    if VERSION_TABLE in names:
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    elif "meta" in names:  # before there were migrations
        found = connection.scalar(text("SELECT value FROM meta WHERE name = 'schema'"))
    else:
        return None
    return None if found is None else str(found)


def is_empty(connection: Connection) -> bool:
    return not inspect(connection).get_table_names()


def raise_version(connection: Connection) -> None:
    """Makes the tables of the current version in the connection's transaction, from those that are there or none."""
    config = Config()
    scripts = str(Path(__file__).parent / "migrations").replace("%", "%%")  # a sign of its own in such a configuration
    config.set_main_option("script_location", scripts)
    config.set_main_option("version_locations", f"{scripts}/versions")
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    if VERSION_TABLE not in inspect(connection).get_table_names() and not is_empty(connection):
        command.stamp(config, "1")
    command.upgrade(config, "head")


def migrate(connection: Connection, where: str) -> tuple[int, int]:
    """Raises the version where it is older, in the connection's transaction; from which to which. Or StoreError."""
    found = version(connection)
    number = _number(found)
    if number is None or number > CURRENT:
        raise StoreError(fault(where, found))
    if number < CURRENT:
        raise_version(connection)
    return number, CURRENT
