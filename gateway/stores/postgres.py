"""PostgreSQL: one database for gateways on many machines.

**The order of `changes.seq` is the order of the commits**, which everything in `resolver` stands on. A sequence alone
does not give it: of two transactions the one with the lower number may commit later, and a resolver that has read past
that number would never see its change. So every change first takes one advisory lock of the database, and holds it
until it ends:

- The lock is taken by the transaction's first statement, before any row or number. Changes therefore happen one after
  the other, and a number is drawn only while all lower ones are committed or will never be.
- It is a lock of the transaction (`pg_advisory_xact_lock`): PostgreSQL lets go of it after the commit can be seen by
  others, or when the connection ends in whatever way. Whoever holds it therefore sees all earlier changes,
- as long as each statement has a snapshot of its own. At READ COMMITTED it has. At REPEATABLE READ the snapshot would
  be that of the first statement, from before the wait. So the level is set with the connection, whatever the server's
  default is.
- Nothing that a change has read can be changed under it by another gateway, for the same reason.

Last uses of keys are no change and take no lock, see `last_uses`.

Who writes by hand must take the same lock first: `SELECT pg_advisory_xact_lock(7453010373645639777)`.

One lock for everything costs nothing that matters: changes are made by people, and take milliseconds. Readers take no
lock. A gateway that stands still within a change, or is cut off from the server, loses it after `_ABANDONED`.

Only a primary is of use: a standby's history ends a little earlier than the truth. So no connection is made to one, and
none is kept: a primary becomes a standby by a restart, which ends them all. When the address moves to another server,
what leads to the old one is gone by then, or leads to no one who would answer. And the connections must be the server's
own: a pooler that hands a connection to others between transactions keeps no settings.

When the connection ends while a change commits, nobody can tell from here whether it was kept: that is
`StoreUnavailable` too, and the caller looks before doing it again. Old or new state, never half of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.stores import last_uses, versions
from gateway.stores.base import StoreError, StoreUnavailable
from gateway.stores.faults import faults_named
from gateway.stores.options import StoreOptions
from gateway.stores.sql import Database
from gateway.stores.sql_change import first_change

LOCK = 7453010373645639777
"""Any number, the same in every gateway."""

_ABANDONED = "60s"

WHERE = "the PostgreSQL database of `store.url`"


def engine(options: StoreOptions, *, connections: int, ping: bool = True) -> AsyncEngine:
    """asyncpg reads the address itself, so that it means what it means to every program of PostgreSQL.

    `ping`: a connection is tried before each use, so that a server that was restarted costs no call.
    """
    return create_async_engine(
        "postgresql+asyncpg://",
        connect_args={
            "dsn": options.url,
            "timeout": options.sql_wait,
            "target_session_attrs": "primary",
            "server_settings": {
                "application_name": "gateway",
                "default_transaction_isolation": "read committed",
                "plan_cache_mode": "force_generic_plan",  # a look-up costs half when it is not planned each time
                "lock_timeout": str(round(options.sql_wait * 1000)),
                "idle_in_transaction_session_timeout": _ABANDONED,
                "synchronous_commit": "on",  # an acknowledged revocation survives a loss of power
            },
        },
        pool_size=connections,
        max_overflow=0,
        pool_timeout=options.sql_wait,
        pool_pre_ping=ping,
        hide_parameters=True,
    )


def database(options: StoreOptions) -> Database:
    pool = engine(options, connections=options.sql_connections)
    return Database(
        pool,
        pool.execution_options(isolation_level="AUTOCOMMIT"),
        begin_change=f"SELECT pg_advisory_xact_lock({LOCK})",
        begin_snapshot="SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        note_uses=text(last_uses.IN_POSTGRESQL),
        check=lambda: None,  # a database that was replaced has another history, which `journal` sees
    )


async def create(options: StoreOptions) -> None:
    """Makes the tables in a database that has none. Raises StoreError where there are some already."""
    async with _locked(options) as connection:
        if not await connection.run_sync(versions.is_empty):
            raise StoreError(f"{WHERE} has tables already: choose another database")
        await connection.run_sync(versions.raise_version)
        await connection.execute(first_change())


async def is_empty(options: StoreOptions) -> bool:
    async with _locked(options) as connection:
        return await connection.run_sync(versions.is_empty)


async def migrate(options: StoreOptions) -> tuple[int, int]:
    """Raises an older database to the version of this gateway, all of it or nothing; from which to which."""
    async with _locked(options) as connection:
        return await connection.run_sync(versions.migrate, WHERE)


async def refuse_unfit(pool: AsyncEngine) -> None:
    """Raises StoreError for a database that is not ours."""
    with _opening():
        async with pool.connect() as connection:
            if refused := versions.fault(WHERE, await connection.run_sync(versions.version)):
                raise StoreError(refused)


@asynccontextmanager
async def _locked(options: StoreOptions) -> AsyncIterator[AsyncConnection]:
    """One transaction that no change runs beside; it commits when the block ends, and rolls back when that raises."""
    pool = engine(options, connections=1)
    try:
        with _opening():
            async with pool.begin() as connection:
                await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
                yield connection
    finally:
        await pool.dispose()


@contextmanager
def _opening() -> Iterator[None]:
    try:
        with faults_named():
            yield
    except StoreUnavailable as away:
        raise StoreError(f"{WHERE} cannot be used: {away}") from away
    except ValueError:  # asyncpg's, about the address, of which it may repeat a part of the password
        raise StoreError(f"{WHERE} cannot be used: its address cannot be read") from None
