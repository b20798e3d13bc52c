"""Where keys live: `Resolver` (digest -> principal, in three levels) and `Registry` (transactions), opened together."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

from gateway.keys import Projects, principal
from gateway.stores import postgres, sqlite
from gateway.stores.base import (
    Absent,
    Change,
    Conflict,
    Counter,
    Found,
    Level,
    Observer,
    Outcome,
    RedisFault,
    Registry,
    Resolver,
    StoreError,
    StoreUnavailable,
    Unavailable,
)
from gateway.stores.chain import Head, Verdict
from gateway.stores.counters import Counters, ProcessCounters, RedisCounters
from gateway.stores.file import DatabaseFile
from gateway.stores.journal import History, Journal
from gateway.stores.leases import LeasedFollowers, LeasedJournal
from gateway.stores.local_keys import LocalKeys
from gateway.stores.options import StoreOptions
from gateway.stores.postgres_journal import PostgresJournal
from gateway.stores.redis import RedisLevel
from gateway.stores.redis_connection import RedisConnection
from gateway.stores.resolver import LayeredResolver
from gateway.stores.sql import Database, SqlRegistry
from gateway.stores.sqlite import create
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

__all__ = [
    "Absent",
    "Alarm",
    "AuditEvent",
    "Change",
    "Conflict",
    "Found",
    "Group",
    "Head",
    "IntegrationInstance",
    "KeyQuery",
    "KeyUse",
    "Level",
    "Member",
    "Observer",
    "Organization",
    "Outcome",
    "RedisFault",
    "Registry",
    "Resolver",
    "Store",
    "StoreError",
    "StoreOptions",
    "StoreUnavailable",
    "Unavailable",
    "User",
    "UserStatus",
    "Verdict",
    "create",
    "make_store",
    "migrate_store",
    "open_store",
]


@dataclass(frozen=True, slots=True)
class Store:
    """An open store. `health` tells of `sql` and `redis` whether they are "ok", "off", or what is wrong."""

    resolver: Resolver
    registry: Registry
    counters: Counters | ProcessCounters
    health: Callable[[], Awaitable[dict[str, str]]]


class _Nobody:
    """Observes nothing."""

    def looked_up(self, level: Level, outcome: Outcome) -> None: ...

    def counted(self, where: Counter) -> None: ...

    def redis_failed(self, fault: RedisFault) -> None: ...

    def change_acknowledged(self, seconds: float) -> None: ...


@asynccontextmanager
async def open_store(
    options: StoreOptions,
    *,
    projects: Projects = MappingProxyType({}),
    observer: Observer | None = None,
    timer: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Store]:
    """Opens what is there; the database must exist (`make_store`), Redis need not be up. Not before a fork.

    `projects` are what memberships speak of. `timer` counts seconds from anywhere, for how long absent digests and
    faults of Redis are remembered. Raises StoreError with what to do about it, and then nothing stays open.
    """
    observer = observer or _Nobody()
    async with AsyncExitStack() as opened:  # closes in reverse, one failure does not keep the others open
        journal, database, keys = await _open_database(options, opened)
        registry = SqlRegistry(database, options, observer)
        opened.push_async_callback(registry.close)
        redis = None
        alone = ProcessCounters(timer)
        counters: Counters | ProcessCounters = alone
        if options.redis_url is not None:
            connection = RedisConnection(options, options.redis_url, observer, timer)
            opened.push_async_callback(connection.close)
            redis = RedisLevel(connection, options, observer)
            counters = RedisCounters(connection, secrets.token_hex(8), alone, observer)
        resolver = LayeredResolver(
            options,
            journal=journal,
            load=registry.load if keys is None else keys.load,
            compiled=partial(principal, projects=projects),
            redis=redis,
            observer=observer,
            timer=timer,
        )
        opened.push_async_callback(resolver.close)
        yield Store(resolver, registry, counters, resolver.health)


async def _open_database(options: StoreOptions, opened: AsyncExitStack) -> tuple[History, Database, LocalKeys | None]:
    """What is followed, what is asked and changed, and a shorter way to a key where there is one."""
    if options.url is not None:
        journal = await PostgresJournal.open(options)
        database = postgres.database(options)
        database = replace(database, followers=LeasedFollowers(database.reading))
        if options.lease == 0:
            opened.push_async_callback(journal.close)
            return journal, database, None
        pool = postgres.engine(options, connections=2, ping=False)  # one to renew the lease, one to be woken by
        follower = LeasedJournal(
            journal,
            pool.execution_options(isolation_level="AUTOCOMMIT"),
            lease=options.lease,
        )
        opened.push_async_callback(follower.close)
        return follower, database, None
    file = DatabaseFile(options.path)
    local = Journal(file, options)
    opened.callback(local.close)
    return local, sqlite.database(file, options), LocalKeys(local, file)


async def make_store(options: StoreOptions) -> None:
    """Makes the database where there is none: a file, or tables in an empty database. Raises StoreError."""
    if options.url is None:
        if not options.path.exists():
            create(options.path)
    elif await postgres.is_empty(options):
        await postgres.create(options)


async def migrate_store(options: StoreOptions) -> tuple[int, int]:
    """Raises an older database to the version of this gateway; from which to which. Raises StoreError."""
    return sqlite.migrate(options.path) if options.url is None else await postgres.migrate(options)
