"""The registry, and a key by its digest, over a database that SQLAlchemy Core speaks to.

Every read is one statement, so that it sees one state; a check of the audit trail is one snapshot. A change is one
transaction that holds the database's one lock for changes from its start: nothing it has read can change before it
commits, changes happen one after the other, and the rows of `changes` are numbered in the order of the commits.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Executable, Insert, Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.keys import Digest, Identity, Key, Role
from gateway.stores import rows
from gateway.stores.base import AuditEvent, IntegrationInstance, Organization, StoreUnavailable
from gateway.stores.chain import Check, Head, Verdict, followed
from gateway.stores.faults import faults_named
from gateway.stores.journal import Record
from gateway.stores.options import StoreOptions
from gateway.stores.tables import (
    audit_chains,
    audit_events,
    changes,
    identities,
    integration_instances,
    keys,
    logins,
    members,
    organizations,
    users,
)

Values = dict[str, Any]


_PAGE = 1_000
"""Audit events that a check reads at once."""


@dataclass(frozen=True, slots=True)
class Database:
    """What the registry must know of one kind of database."""

    engine: AsyncEngine
    """Within a transaction, nothing is committed by itself."""
    reading: AsyncEngine
    """For single statements."""
    begin_change: str
    """Begins a transaction alone: waits until no other change is under way, in any process."""
    begin_snapshot: str
    """Begins a transaction whose statements all see one state."""
    check: Callable[[], None]
    """Raises StoreUnavailable when what is connected to is not the database any more."""


class SqlRegistry:
    """The registry over a database, and the lowest level of the resolver. Close it."""

    def __init__(self, database: Database, options: StoreOptions) -> None:
        self._database = database
        self._wait = options.sql_wait
        self._changing = asyncio.Lock()

    async def close(self) -> None:
        await self._database.engine.dispose()

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

    async def check_audit(self, noted: Iterable[Head] = ()) -> tuple[Verdict, ...]:
        """Whether the audit trail is what was written; see `chain`. `noted` are heads that an earlier check told."""
        check = Check({head.organization: head for head in noted})
        with faults_named():
            async with self._database.engine.connect() as connection:
                await connection.exec_driver_sql(self._database.begin_snapshot)
                last = rows.BEFORE_ALL
                while found := (await connection.execute(rows.EVENTS_AFTER, {"after": last, "page": _PAGE})).all():
                    for row in found:
                        check.take(dict(row._mapping), row.hash)  # noqa: SLF001 (its public name)
                    last = found[-1].id
                heads = (await connection.execute(select(audit_chains))).all()
        self._database.check()
        return check.end(map(rows.head, heads))

    async def _all(self, statement: Executable, values: Values | None = None) -> Sequence[Row[Any]]:
        with faults_named():
            async with self._database.reading.connect() as connection:
                found = (await connection.execute(statement, values)).all()
        self._database.check()
        return found

    @asynccontextmanager
    async def change(self) -> AsyncIterator[SqlChange]:
        """One transaction, see `Registry`. Not within another change: it would wait for that one, in vain."""
        async with self._alone():
            self._database.check()
            async with AsyncExitStack() as opened:
                with faults_named():
                    connection = await opened.enter_async_context(self._database.engine.connect())
                    await connection.exec_driver_sql(self._database.begin_change)
                yield SqlChange(connection)
                with faults_named():
                    await connection.commit()
            self._database.check()  # else it was written into a file that nobody reads

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
        row = rows.audit_row(event)
        own = audit_chains.c.organization_id == rows.chain_id(event.organization)
        found = await self._read(select(audit_chains).where(own))
        head = followed(rows.head(found[0]) if found else None, row, event.organization)
        await self._write(insert(audit_events), row | {"hash": head.hash})
        recorded = {"events": head.events, "hash": head.hash}
        if found:
            await self._write(update(audit_chains).where(own).values(recorded))
        else:
            await self._write(insert(audit_chains), {"organization_id": rows.chain_id(event.organization)} | recorded)

    async def _changed(self, digest: Digest, version: int) -> None:
        await self._write(insert(changes), {"nonce": _nonce(), "digest": digest, "version": version})

    async def _read(self, statement: Executable) -> Sequence[Row[Any]]:
        with faults_named():
            return (await self._connection.execute(statement)).all()

    async def _write(self, statement: Executable, values: Values | None = None) -> None:
        with faults_named():
            await self._connection.execute(statement, values)


def first_change() -> Insert:
    """The beginning of a database's history: a resolver has a point to stand on."""
    return insert(changes).values(nonce=_nonce(), digest=None, version=None)


def _nonce() -> int:
    return secrets.randbits(63)
