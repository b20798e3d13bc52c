"""The registry, and a key by its digest, over a database that SQLAlchemy Core speaks to.

Every read is one statement, so that it sees one state; a check of the audit trail is one snapshot. A change is one
transaction that holds the database's one lock for changes from its start: nothing it has read can change before it
commits, changes happen one after the other, and the rows of `changes` are numbered in the order of the commits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Executable, Row, TextClause, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.keys import Digest, Identity, Key
from gateway.stores import last_uses, rows
from gateway.stores.base import Observer, StoreUnavailable
from gateway.stores.chain import Check, Head, Verdict
from gateway.stores.clock import boot_clock
from gateway.stores.faults import faults_named
from gateway.stores.journal import Record
from gateway.stores.options import StoreOptions
from gateway.stores.sql_change import SqlChange
from gateway.stores.sql_keys import COUNTED, expiring, page_of_keys
from gateway.stores.tables import (
    audit_chains,
    audit_events,
    groups,
    identities,
    integration_instances,
    key_uses,
    keys,
    members,
    memberships,
    organizations,
    users,
)
from gateway.stores.values import (
    Alarm,
    AuditEvent,
    Group,
    IntegrationInstance,
    KeyQuery,
    KeyUse,
    Member,
    Organization,
    User,
    UserStatus,
)

Values = dict[str, Any]


_PAGE = 1_000
"""Audit events that a check reads at once."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What a change waits for."""

    seq: int
    """The newest change that it could see, its own included."""
    lease: float
    """Seconds: the longest lease of a gateway that may not have seen that; 0 when there is none."""


class Followers(Protocol):
    """The gateways that use what they remember without asking, see `leases`."""

    async def announce(self, connection: AsyncConnection, *, is_told: bool) -> Announced:
        """The last statement of a change; `is_told` wakes them when it commits."""
        ...

    async def confirmed(self, announced: Announced) -> None:
        """Returns when no gateway uses any more what was true before the change, which is committed."""
        ...


@dataclass(frozen=True, slots=True)
class Database:
    """What the registry must know of one kind of database."""

    engine: AsyncEngine
    """Within a transaction, nothing is committed by itself."""
    reading: AsyncEngine
    """For single statements, each a transaction."""
    begin_change: str
    """Begins a transaction alone: waits until no other change is under way, in any process."""
    begin_snapshot: str
    """Begins a transaction whose statements all see one state."""
    note_uses: TextClause
    """Writes last uses, see `last_uses`."""
    check: Callable[[], None]
    """Raises StoreUnavailable when what is connected to is not the database any more."""
    followers: Followers | None = None
    """Whom a change waits for; None where every call reads the history."""


class SqlRegistry:
    """The registry over a database, and the lowest level of the resolver. Close it."""

    def __init__(self, database: Database, options: StoreOptions, observer: Observer) -> None:
        self._database = database
        self._observer = observer
        self._wait = options.sql_wait
        self._changing = asyncio.Lock()
        self._looking = asyncio.Semaphore(options.sql_connections - 1)
        """First come, first served; the pool itself sends who waits to the end when another one was quicker."""

    async def close(self) -> None:
        await self._database.engine.dispose()

    async def load(self, digest: Digest) -> Record:
        """What the database says about a digest, and at which point of its history. Raises StoreUnavailable."""
        async with self._looking:
            found = await self._all(rows.BY_DIGEST, {"digest": digest})
        return rows.record_of(digest, found)

    async def key(self, key_id: str) -> Key | None:
        found = await self._all(rows.KEYS.where(keys.c.id == key_id))
        return rows.key(found[0]) if found else None

    async def keys(self, query: KeyQuery) -> tuple[Key, ...]:
        statement = page_of_keys(query)
        found = () if statement is None else await self._all(statement)
        return tuple(rows.key(row) for row in found)

    async def key_uses(self, chosen: Sequence[str]) -> dict[str, KeyUse]:
        found = await self._all(select(key_uses).where(key_uses.c.key_id.in_(chosen)))
        return {row.key_id: KeyUse(row.used_at, row.refused_at) for row in found}

    async def note_uses(self, uses: Mapping[str, KeyUse], *, step: int = 1) -> None:
        self._database.check()  # else it would be written into a file that nobody reads
        with faults_named():
            async with self._database.reading.connect() as connection:
                values = {"uses": last_uses.as_text(uses), "step": step}
                await connection.execute(self._database.note_uses, values)

    async def count_expiring(self, now: int, until: int) -> int:
        found = await self._all(expiring(now, until))
        counts: list[int] = [row.ending for row in found]
        return min(COUNTED, sum(counts))

    async def organizations(self) -> tuple[Organization, ...]:
        found = await self._all(select(organizations).order_by(organizations.c.id))
        return tuple(map(rows.organization, found))

    async def identity(self, identity: str) -> Identity | None:
        return (await self.identities([identity])).get(identity)

    async def identities(self, chosen: Collection[str]) -> dict[str, Identity]:
        found = await self._all(rows.IDENTITIES.where(identities.c.id.in_(chosen)))
        return {row.identity_id: rows.identity(row) for row in found}

    async def user_identity(self, email: str, organization: str) -> Identity | None:
        of_user = rows.IDENTITIES.where(users.c.email_folded == email.casefold())
        found = await self._all(of_user.where(identities.c.organization_id == organization))
        return rows.identity(found[0]) if found else None

    async def identities_of_user(self, user: str) -> tuple[Identity, ...]:
        of_user = rows.MEMBERS.where(identities.c.user_id == user).order_by(identities.c.organization_id)
        return tuple(rows.identity(row) for row in await self._all(of_user))

    async def identities_of_project(
        self, project: str, *, limit: int, after: str | None = None
    ) -> tuple[Identity, ...]:
        inside = select(memberships.c.identity_id).distinct().where(memberships.c.project == project)
        if after is not None:
            inside = inside.where(memberships.c.identity_id > after)
        page = inside.order_by(memberships.c.identity_id).limit(limit).subquery()
        chosen = rows.IDENTITIES.where(identities.c.id.in_(select(page.c.identity_id))).order_by(identities.c.id)
        return tuple(rows.identity(row) for row in await self._all(chosen))

    async def user(self, user: str) -> User | None:
        return (await self.users([user])).get(user)

    async def users(self, chosen: Collection[str]) -> dict[str, User]:
        found = await self._all(rows.USERS.where(users.c.id.in_(chosen)))
        return {row.user_id: rows.user(row) for row in found}

    async def members(
        self, organization: str | None, *, limit: int, after: str | None = None, group: str | None = None
    ) -> tuple[Member, ...]:
        chosen = rows.MEMBERS.where(users.c.status != UserStatus.DELETED)
        if organization is not None:
            chosen = chosen.where(members.c.organization_id == organization)
        if after is not None:
            chosen = chosen.where(users.c.id > after)
        if group is not None:
            same = (groups.c.id == group) & (groups.c.organization_id == members.c.organization_id)
            chosen = chosen.where(exists().where(same, rows.IN_GROUP).correlate(members))
        found = await self._all(chosen.order_by(users.c.id, members.c.organization_id).limit(limit))
        return tuple(map(rows.member, found))

    async def group(self, group: str) -> Group | None:
        found = await self._all(select(groups).where(groups.c.id == group))
        return rows.group(found[0]) if found else None

    async def groups(self, organization: str) -> tuple[Group, ...]:
        chosen = select(groups).where(groups.c.organization_id == organization).order_by(groups.c.name)
        return tuple(map(rows.group, await self._all(chosen)))

    async def groups_of_user(self, user: str, organization: str) -> tuple[Group, ...]:
        of_member = select(groups).join(members, members.c.organization_id == groups.c.organization_id)
        chosen = of_member.where(members.c.user_id == user, members.c.organization_id == organization, rows.IN_GROUP)
        return tuple(map(rows.group, await self._all(chosen.order_by(groups.c.name))))

    async def integration_instances(self, organization: str) -> tuple[IntegrationInstance, ...]:
        own = integration_instances.c.organization_id == organization
        chosen = select(integration_instances).where(own, integration_instances.c.deleted_at.is_(None))
        return tuple(map(rows.instance, await self._all(chosen.order_by(integration_instances.c.id))))

    async def alarms(self) -> tuple[Alarm, ...]:
        return tuple(map(rows.alarm, await self._all(rows.ALARMS)))

    async def alarmed(self) -> dict[str, str]:
        return {row.id: row.organization_id for row in await self._all(rows.ALARMED)}

    async def audit_events(
        self, organization: str | None, *, limit: int, before: int | None = None, actor: str | None = None
    ) -> tuple[AuditEvent, ...]:
        newest = select(audit_events).order_by(audit_events.c.id.desc()).limit(limit)
        if organization is not None:
            newest = newest.where(audit_events.c.organization_id == organization)
        if before is not None:
            newest = newest.where(audit_events.c.id < before)
        if actor is not None:
            newest = newest.where(audit_events.c.actor == actor)
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
        followers = self._database.followers
        async with self._alone():
            self._database.check()
            async with AsyncExitStack() as opened:
                with faults_named():
                    connection = await opened.enter_async_context(self._database.engine.connect())
                    await connection.exec_driver_sql(self._database.begin_change)
                change = SqlChange(connection)
                yield change
                since = boot_clock()
                with faults_named():
                    if followers is not None:
                        announced = await followers.announce(connection, is_told=change.is_told)
                    await connection.commit()
            self._database.check()  # else it was written into a file that nobody reads
        if followers is not None:  # also when nothing was changed: what it saw may not be confirmed yet
            await followers.confirmed(announced)
        if change.is_told:
            self._observer.change_acknowledged(boot_clock() - since)

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
