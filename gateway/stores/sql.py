"""The database: the registry, and a key by its digest. SQLite, spoken through SQLAlchemy Core.

Every read is one statement, so that it sees one state. A change is one transaction that holds SQLite's write lock from
its start (BEGIN IMMEDIATE): nothing it has read can change before it commits.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Executable, Row, create_engine, event, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnectionInTime
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from gateway.keys import Digest, Identity, Key, Role
from gateway.stores import rows
from gateway.stores.base import (
    AuditEvent,
    Conflict,
    IntegrationInstance,
    Organization,
    StoreError,
    StoreUnavailable,
)
from gateway.stores.file import DatabaseFile
from gateway.stores.journal import Record
from gateway.stores.options import StoreOptions
from gateway.stores.tables import (
    SCHEMA_VERSION,
    audit_events,
    changes,
    identities,
    integration_instances,
    keys,
    logins,
    members,
    meta,
    metadata,
    organizations,
    users,
)

Values = dict[str, Any]


class SqlRegistry:
    """The registry over one SQLite file, and the lowest level of the resolver. Close it."""

    def __init__(self, file: DatabaseFile, options: StoreOptions) -> None:
        self._file = file
        self._wait = options.sql_wait
        self._changing = asyncio.Lock()
        self._engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=file.uri, query={"uri": "true"}),
            connect_args={"isolation_level": None, "timeout": options.sql_wait},
            pool_size=options.sql_connections,
            max_overflow=0,
            pool_timeout=options.sql_wait,
            hide_parameters=True,  # an error names no digest and no address
        )
        event.listen(self._engine.sync_engine, "connect", _prepare)

    async def close(self) -> None:
        await self._engine.dispose()

    async def load(self, digest: Digest) -> Record:
        """What the database says about a digest, and at which point of its history. Raises StoreUnavailable."""
        found = await self._all(rows.BY_DIGEST, {"digest": digest})
        if not found:  # not even the newest change, which is in every row
            raise StoreUnavailable("the database is damaged: its table of changes is empty")
        return rows.record(digest, found[0])

    async def key(self, key_id: str) -> Key | None:
        found = await self._all(rows.KEYS.where(keys.c.id == key_id))
        return rows.key(found[0]) if found else None

    async def keys(self, organization: str | None) -> tuple[Key, ...]:
        chosen = rows.KEYS.order_by(keys.c.created_at, keys.c.id)
        if organization is not None:
            chosen = chosen.where(identities.c.organization_id == organization)
        return tuple(rows.key(row) for row in await self._all(chosen))

    async def organizations(self) -> tuple[Organization, ...]:
        found = await self._all(select(organizations).order_by(organizations.c.id))
        return tuple(Organization(row.id, row.name) for row in found)

    async def user_identity(self, email: str, organization: str) -> Identity | None:
        of_user = rows.IDENTITIES.where(users.c.email_folded == email.casefold())
        found = await self._all(of_user.where(identities.c.organization_id == organization))
        return rows.identity(found[0]) if found else None

    async def audit_events(self, organization: str | None, *, limit: int) -> tuple[AuditEvent, ...]:
        newest = select(audit_events).order_by(audit_events.c.id.desc()).limit(limit)
        if organization is not None:
            newest = newest.where(audit_events.c.organization_id == organization)
        return tuple(rows.audit_event(row) for row in await self._all(newest))

    async def _all(self, statement: Executable, values: Values | None = None) -> Sequence[Row[Any]]:
        with _faults_named():
            async with self._engine.connect() as connection:
                found = (await connection.execute(statement, values)).all()
        self._file.check()
        return found

    @asynccontextmanager
    async def change(self) -> AsyncIterator[SqlChange]:
        """One transaction, see `Registry`. Not within another change: it would wait for that one, in vain."""
        async with self._alone():
            self._file.check()
            with _faults_named():
                async with self._engine.connect() as connection:
                    await connection.exec_driver_sql("BEGIN IMMEDIATE")
                    yield SqlChange(connection)
                    await connection.commit()
            self._file.check()  # else it was written into a file that nobody reads

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One change of this process at a time; the others wait here, not with a connection that look-ups need."""
        try:
            async with asyncio.timeout(self._wait):
                await self._changing.acquire()
        except TimeoutError:
            raise StoreUnavailable(f"another change did not end within {self._wait} s") from None
        try:
            yield
        finally:
            self._changing.release()


class SqlChange:
    """A transaction under way, see `Change`. What refers to a thing that is not there raises ValueError."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add_organization(self, organization: Organization) -> None:
        await self._write(insert(organizations), {"id": organization.id, "name": organization.name})

    async def add_user(self, user: str, email: str, *, platform_admin: bool) -> None:
        row = {"id": user, "email": email, "email_folded": email.casefold()}
        await self._write(insert(users), row | {"platform_admin": platform_admin, "status": "active"})

    async def add_member(self, user: str, organization: str, role: Role) -> None:
        await self._write(insert(members), {"user_id": user, "organization_id": organization, "role": role})
        # Keys that the user has already, left from an earlier membership, may come alive again.
        owned = select(keys.c.digest, keys.c.version).join(identities).where(identities.c.user_id == user)
        for key in await self._read(owned):
            await self._changed(key.digest, key.version)

    async def add_integration_instance(self, instance: IntegrationInstance) -> None:
        row = {"id": instance.id, "organization_id": instance.organization, "name": instance.name}
        await self._write(insert(integration_instances), row)

    async def add_identity(self, identity: Identity) -> None:
        row = {"id": identity.id, "kind": identity.kind, "organization_id": identity.organization}
        bound = {"user_id": identity.user, "instance_id": identity.integration_instance}
        await self._write(insert(identities), row | bound)

    async def add_key(self, key: Key, digest: Digest) -> None:
        await self._write(insert(keys), rows.key_row(key, digest))
        await self._changed(digest, key.version)

    async def key(self, key_id: str) -> Key | None:
        found = await self._read(rows.KEYS.where(keys.c.id == key_id))
        return rows.key(found[0]) if found else None

    async def revoke_key(self, key_id: str, *, at: int, by: str) -> None:
        live = (keys.c.id == key_id) & keys.c.revoked_at.is_(None)
        for key in await self._read(select(keys.c.digest, keys.c.version).where(live)):
            ended = {"revoked_at": at, "revoked_by": by, "version": key.version + 1}
            await self._write(update(keys).where(live).values(ended))
            await self._changed(key.digest, key.version + 1)

    async def integration_instance(self, instance: str) -> IntegrationInstance | None:
        found = await self._read(select(integration_instances).where(integration_instances.c.id == instance))
        return IntegrationInstance(found[0].id, found[0].organization_id, found[0].name) if found else None

    async def organization(self, organization: str) -> Organization | None:
        found = await self._read(select(organizations).where(organizations.c.id == organization))
        return Organization(found[0].id, found[0].name) if found else None

    async def add_login(self, digest: Digest, identity: str, *, expires_at: int) -> None:
        await self._write(insert(logins), {"digest": digest, "identity_id": identity, "expires_at": expires_at})

    async def use_login(self, digest: Digest, *, now: int) -> Identity | None:
        unused = (logins.c.digest == digest) & logins.c.used_at.is_(None) & (logins.c.expires_at > now)
        of_login = rows.IDENTITIES.join(logins, logins.c.identity_id == identities.c.id).where(unused)
        found = await self._read(of_login)
        if not found or rows.why_powerless(found[0]):
            return None
        await self._write(update(logins).where(logins.c.digest == digest).values(used_at=now))
        return rows.identity(found[0])

    async def audit(self, event: AuditEvent) -> None:
        await self._write(insert(audit_events), rows.audit_row(event))

    async def _changed(self, digest: Digest, version: int) -> None:
        await self._write(insert(changes), {"nonce": _nonce(), "digest": digest, "version": version})

    async def _read(self, statement: Executable) -> Sequence[Row[Any]]:
        with _faults_named():
            return (await self._connection.execute(statement)).all()

    async def _write(self, statement: Executable, values: Values | None = None) -> None:
        with _faults_named():
            await self._connection.execute(statement, values)


def create(path: Path) -> None:
    """Makes a new database, for its owner's eyes only (mode 0600). Raises StoreError where there is one already."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        url = URL.create("sqlite", database=DatabaseFile(path).uri, query={"uri": "true"})
        engine = create_engine(url, connect_args={"isolation_level": None}, poolclass=NullPool)
        event.listen(engine, "connect", _prepare)
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # all tables or none, and only one process makes them
            if connection.scalar(text("SELECT count(*) FROM sqlite_master")):
                raise StoreError(f"there is a database at `{path}` already: remove it, or choose another path")
            metadata.create_all(connection)
            connection.execute(insert(meta), {"name": "schema", "value": SCHEMA_VERSION})
            connection.execute(insert(changes), {"nonce": _nonce(), "digest": None, "version": None})
            connection.commit()
    except OSError as fault:
        raise StoreError(f"`{path}` cannot be made: {fault.strerror}") from fault
    except DBAPIError as fault:
        raise StoreError(f"`{path}` cannot be made into a database: {fault.orig}") from fault


def _prepare(connection: Any, _record: object) -> None:
    """For each new connection."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")  # an acknowledged revocation survives a loss of power
    cursor.close()


def _nonce() -> int:
    return secrets.randbits(63)


@contextmanager
def _faults_named() -> Iterator[None]:
    """Turns the faults of the database into ours, whose words are fit for a log."""
    try:
        yield
    except IntegrityError as fault:
        if "UNIQUE" in str(fault.orig):
            taken = str(fault.orig).removeprefix("UNIQUE constraint failed: ")
            raise Conflict(f"`{taken}` is taken already") from fault
        raise ValueError(f"what was to be stored contradicts the rest: {fault.orig}") from fault
    except DBAPIError as fault:
        raise StoreUnavailable(f"the database failed: {fault.orig}") from fault
    except NoConnectionInTime as fault:
        raise StoreUnavailable("the database has no connection free") from fault
