"""The history of changes in PostgreSQL, as one process follows it.

A renewal of the lease asks the server for the rows since the last time, and so does each call while there is no lease
(see `leases`): one statement on a connection of its own, over an index, which as a rule answers with the one row where
the journal stands. Calls that come while it is asked share the next question: an answer serves whoever was there before
the question was sent. So there is one question under way at a time, the answers are taken in their order, and a
thousand calls at once ask twice at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.stores import postgres
from gateway.stores.base import StoreError, StoreUnavailable
from gateway.stores.faults import faults_named
from gateway.stores.journal import IS_CURRENT, Forget, Mark, Record, asked, everything, read_on
from gateway.stores.options import StoreOptions

_SINCE = text("SELECT seq, nonce, digest, organization_id FROM changes WHERE seq >= :seq ORDER BY seq LIMIT :most")
_NEWEST = text("SELECT seq, nonce FROM changes ORDER BY seq DESC LIMIT 1")
_IS_CURRENT = text(IS_CURRENT)
_LARGEST = 2**63 - 1


class PostgresJournal:
    """See `History`. Make it with `open`, and close it."""

    def __init__(self, pool: AsyncEngine, options: StoreOptions, at: Mark) -> None:
        self._pool = pool
        self._timeout = options.lookup_timeout
        self._limit = options.catch_up_rows
        self._at = at
        self._turn = asyncio.Lock()
        self._checking = asyncio.Lock()  # of the two connections, look-ups take one: renewals never wait for them
        self._next: asyncio.Task[None] | None = None  # the question that has not been sent yet
        self._asking: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, options: StoreOptions) -> PostgresJournal:
        """Raises StoreError when the database is not one that we can use."""
        engine = postgres.engine(options, connections=2, ping=False)  # one for `catch_up`, one for `is_current`
        try:
            await postgres.refuse_unfit(engine)
            pool = engine.execution_options(isolation_level="AUTOCOMMIT")
            return cls(pool, options, await _newest(pool))
        except StoreUnavailable as away:
            await engine.dispose()
            raise StoreError(f"{postgres.WHERE} cannot be used: {away}") from away
        except BaseException:
            await engine.dispose()
            raise

    @property
    def position(self) -> Mark:
        return self._at

    async def close(self) -> None:
        if self._asking:
            await asyncio.wait(self._asking)
        await self._pool.dispose()

    async def catch_up(self, forget: Forget) -> None:
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._ask(forget))
            self._asking.add(self._next)
            self._next.add_done_callback(self._asked)
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.shield(self._next)
        except TimeoutError:
            raise StoreUnavailable(f"no answer within {self._timeout} s") from None

    def catch_up_at_once(self, forget: Forget) -> bool:  # noqa: ARG002 (it takes the server to know)
        return False

    async def is_current(self, record: Record) -> bool:
        if not 0 <= record.at.seq <= _LARGEST or not 0 <= record.at.nonce <= _LARGEST:
            return False  # no row has a number that the server cannot hold
        async with self._checking:
            ((current,),) = await _read(self._pool, _IS_CURRENT, asked(record))
        return bool(current)

    async def _ask(self, forget: Forget) -> None:
        async with self._turn:
            self._next = None  # from here on a newcomer's moment may be later than the answer's
            async with asyncio.timeout(self._timeout):
                await self._advance(forget)

    async def _advance(self, forget: Forget) -> None:
        rows = await _read(self._pool, _SINCE, {"seq": self._at.seq, "most": self._limit + 1})
        told = [(row.seq, row.nonce, row.digest, row.organization_id) for row in rows]
        known = read_on(self._at, told, self._limit)
        if known is None:
            newest = await _newest(self._pool)
            known = newest, everything(newest)
        # One step, see `History`: from here on there is no `await`.
        self._at, changed = known
        forget(changed)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if not task.cancelled():
            task.exception()  # also where all who waited for it have left


async def _newest(pool: AsyncEngine) -> Mark:
    rows = await _read(pool, _NEWEST, {})
    if not rows:  # `create` writes the first one
        raise StoreUnavailable("the database is damaged: its table of changes is empty")
    return Mark(rows[0].seq, rows[0].nonce)


async def _read(pool: AsyncEngine, statement: TextClause, values: dict[str, Any]) -> Sequence[Row[Any]]:
    try:
        return await _read_once(pool, statement, values)
    except StoreUnavailable:
        # The connection may be of a server that was restarted since: a new one tells. Pinging it each time would cost
        # every call what this costs the first after a restart.
        return await _read_once(pool, statement, values)


async def _read_once(pool: AsyncEngine, statement: TextClause, values: dict[str, Any]) -> Sequence[Row[Any]]:
    with faults_named():
        async with pool.connect() as connection:
            return (await connection.execute(statement, values)).all()
