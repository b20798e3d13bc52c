"""Leases: how a gateway may trust what it remembers without asking the server at each call, and a change still be over
when it says so.

    follower                                   who makes a change
    1  renew: my row says what I have seen     a  commit the change, number S; the commit wakes the followers
    2  read what was changed, forget it        b  look at the rows: whose says less than S?
    3  trust what is left until                c  wait until none of these says less, or a lease has passed
       `_TRUSTED` of a lease after step 1      d  the change is acknowledged
       began; go on from 1 in time

**The promise.** When a change was acknowledged, no follower uses what was true before it. A change that finds nothing
left to do is acknowledged in the same way, after all that it has seen: who tries again gets no earlier answer.

**Why it holds.** Let k be the moment when the first look at the rows (b) is over, which is after the commit. Of a
follower that trusts something after (d):

- *Its row said S or more.* It had read S, and forgotten what S changed, before it wrote that. The row names the nonce
  of what it has seen as well: a number of another history, from before a backup was restored, counts as less.
- *Its last step 1 was not in (b), or was committed after k.* Then its step 2 read after the commit of S, and so read S.
- *Its last step 1 was in (b), and its row says less than S.* It trusts until less than a lease after that step began,
  so until less than a lease after k; and (c) waits a lease from k by its own clock. Nothing it trusts reaches past (d).
- *There was no (b), because the server went away after (a).* The change has read the longest lease of all rows in its
  transaction. Rows are entered before a change or after it, never beside it (`LOCK`), so all others have read S; and
  (c) waits that lease from the commit.

**Why a row may be removed.** It is removed when it was not renewed for its own lease since k. Then its follower trusts
nothing, and will not before it has found that its row is gone, has entered another one, and has read. The new row has a
new name: who waits for the old one cannot take it for that.

No clock is compared with another one. What is asked of clocks is that they run at the same speed to within a tenth, and
that they run on while a machine sleeps or a process is stopped (`CLOCK_BOOTTIME`). A virtual machine's may stand still
while its host stops it; a tenth of a lease is left for that.

**What goes wrong, and what happens then.**

| what | then |
|---|---|
| the message that wakes is lost | the next renewal reads the change; the acknowledgement waits for it |
| a follower is stopped, or cut off | its lease ends; the acknowledgement waits for that, a lease at most |
| a follower is killed | as above, once: whoever has waited in vain removes its row |
| its row was removed though it lives | its renewal finds no row, makes a new one, and reads: step 2 |
| the server is away | leases end, calls ask the server in vain: 503. Known keys are served for one lease at most |
| the server goes away after (a) | (d) comes a lease later: whoever remembers anything has no lease any more |
| a standby takes over that has all changes | it has the rows as well |
| one that lacks some | its history is another one, by its nonces: all followers forget everything within a lease |
| a backup is restored | the same. Rows may be lost as well: the promise begins anew a lease later, wait for that |

A lease is no cache time: what is remembered stays remembered, and is right as long as the lease is renewed.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.stores.base import StoreUnavailable
from gateway.stores.clock import boot_clock
from gateway.stores.faults import faults_named
from gateway.stores.journal import Forget, Mark, Record
from gateway.stores.postgres import LOCK
from gateway.stores.sql import Announced

if TYPE_CHECKING:
    from gateway.stores.postgres_journal import PostgresJournal

_log = logging.getLogger(__name__)

CHANNEL = "gateway_changes"

_TRUSTED = 0.8
"""Of a lease: the rest is for clocks that run at different speed."""

_RENEWED = 0.2
"""Of a lease, between two renewals: some may fail before it ends."""

_PAUSES = (0.002, 0.003, 0.005, 0.01, 0.02)
"""Seconds between two looks at the rows, the last for all further ones; a follower answers in about 3 ms."""

_RECONNECT = 1.0
"""Seconds until a lost connection for messages is made anew."""

_SHORTEST = 0.05
"""Seconds between two renewals at least, however short the lease is."""

_RENEW = text("UPDATE followers SET seen = :seen, nonce = :nonce, renewals = renewals + 1 WHERE id = :id")
_ENTER = text(
    "INSERT INTO followers (id, seen, nonce, renewals, lease) "
    "SELECT CAST(:id AS text), CAST(:seen AS bigint), CAST(:nonce AS bigint), 0, CAST(:lease AS integer) "
    "FROM (SELECT pg_advisory_xact_lock_shared(CAST(:lock AS bigint))) AS between_changes"
)
_LEAVE = text("DELETE FROM followers WHERE id = :id")
_STANDING = "SELECT max(seq) AS newest, (SELECT max(lease) FROM followers) AS longest{} FROM changes"
_SEEN = text(_STANDING.format(""))
_TOLD = text(_STANDING.format(f", pg_notify('{CHANNEL}', '')"))
_BEHIND = text(
    "SELECT id, renewals, lease FROM followers WHERE seen < :seen "
    "OR NOT EXISTS (SELECT 1 FROM changes WHERE changes.seq = followers.seen AND changes.nonce = followers.nonce)"
)
_REMOVE = text("DELETE FROM followers WHERE id = :id AND renewals = :renewals")


class LeasedJournal:
    """The history in PostgreSQL, asked at renewals alone while the lease holds; see `History`. Close it.

    `lease` is seconds, `clock` seconds from anywhere.
    """

    def __init__(
        self,
        journal: PostgresJournal,
        pool: AsyncEngine,
        *,
        lease: float,
        clock: Callable[[], float] = boot_clock,
    ) -> None:
        self._journal = journal
        self._pool = pool
        self._lease = lease
        self._row = secrets.token_hex(16)
        """The name of our row, which no other row ever had."""
        self._clock = clock
        self._trusted_until = clock()
        self._failing = False
        self._woken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def position(self) -> Mark:
        return self._journal.position

    async def catch_up(self, forget: Forget) -> None:
        """Does nothing, and does not suspend, while the lease holds."""
        if self.catch_up_at_once(forget):
            return
        if not self._tasks:
            loop = asyncio.get_running_loop()
            self._tasks = [loop.create_task(self._follow(forget)), loop.create_task(self._listen())]
        await self._journal.catch_up(forget)

    def catch_up_at_once(self, forget: Forget) -> bool:  # noqa: ARG002 (there is nothing to tell)
        """Whether the lease holds: then what was acknowledged is forgotten already."""
        return self._clock() < self._trusted_until

    async def is_current(self, record: Record) -> bool:
        return await self._journal.is_current(record)

    async def close(self) -> None:
        self._trusted_until = self._clock()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._tasks:
            with suppress(StoreUnavailable):  # then somebody waits a lease for us, once
                await self._tell(_LEAVE, {"id": self._row})
        await self._journal.close()
        await self._pool.dispose()

    async def _follow(self, forget: Forget) -> None:
        """Renews the lease in time, and at once when there is something to confirm."""
        while True:
            try:
                said_all = await self._renew(forget)
                self._note(None)
            except StoreUnavailable as away:
                self._note(away)
                said_all = True
            except Exception:  # noqa: BLE001 (a fault of ours must not end the renewals: every call would ask)
                _log.exception("renewing the lease failed")
                said_all = True
            if said_all:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause):
                        await self._woken.wait()
            if self._woken.is_set():
                self._woken.clear()
                with suppress(StoreUnavailable):  # the renewal tells
                    await self._journal.catch_up(forget)

    @property
    def _pause(self) -> float:
        """Seconds to the next renewal: after a failure no more than to the next connection, however long the lease is,
        since a change that is made meanwhile waits for it."""
        pause = max(_SHORTEST, self._lease * _RENEWED)
        return min(pause, _RECONNECT) if self._failing else pause

    def _note(self, fault: StoreUnavailable | None) -> None:
        """Logs when renewals begin to fail and when they succeed again, not each of them."""
        if fault is not None and not self._failing:
            _log.warning("the lease is not renewed, so that every call must ask the database: %s", fault)
        if fault is None and self._failing:
            _log.warning("the lease is renewed again")
        self._failing = fault is not None

    async def _renew(self, forget: Forget) -> bool:
        """Steps 1 to 3; whether the row says all that was read."""
        since, told = self._clock(), self._journal.position
        seen = {"seen": told.seq, "nonce": told.nonce}
        if not await self._tell(_RENEW, {"id": self._row} | seen):
            self._row = secrets.token_hex(16)
            entry = {"id": self._row, "lease": math.ceil(self._lease * 1000), "lock": LOCK}
            await self._tell(_ENTER, entry | seen)
        await self._journal.catch_up(forget)
        self._trusted_until = since + self._lease * _TRUSTED
        return told == self._journal.position

    async def _tell(self, statement: Any, values: dict[str, Any]) -> bool:
        with faults_named():
            async with asyncio.timeout(max(_SHORTEST, self._lease)), self._pool.connect() as connection:
                result = await connection.execute(statement, values)
                return bool(result.rowcount)

    async def _listen(self) -> None:
        """Wakes the follower when somebody has changed something. Nothing but time depends on it."""
        while True:
            lost = asyncio.Event()
            try:
                with faults_named():
                    async with self._listening(lost):
                        self._woken.set()  # for what was said before we listened
                        await lost.wait()
            except StoreUnavailable as away:
                _log.debug("nobody can wake the follower: %s", away)
            await asyncio.sleep(_RECONNECT)

    @asynccontextmanager
    async def _listening(self, lost: asyncio.Event) -> AsyncIterator[None]:
        """On a connection whose end sets `lost`. It is thrown away then: the pool does not see that it is dead, since
        nothing was asked over it, and would give it out again and again."""
        async with self._pool.connect() as connection:
            try:
                raw = (await connection.get_raw_connection()).driver_connection
                assert raw is not None  # noqa: S101 (a connection that is open has one)
                raw.add_termination_listener(lambda *_: lost.set())
                await raw.add_listener(CHANNEL, lambda *_: self._woken.set())
                yield
            finally:
                await connection.invalidate()


@dataclass(frozen=True, slots=True)
class _Row:
    renewals: int
    lease: float
    """Its own: gateways of different settings may share a database."""


class LeasedFollowers:
    """Steps (a) to (d), see `Followers`. `pool` commits each statement, `clock` is seconds from anywhere."""

    def __init__(self, pool: AsyncEngine, *, clock: Callable[[], float] = boot_clock) -> None:
        self._pool = pool
        self._clock = clock

    async def announce(self, connection: AsyncConnection, *, is_told: bool) -> Announced:
        found = (await connection.execute(_TOLD if is_told else _SEEN)).one()
        return Announced(found.newest or 0, (found.longest or 0) / 1000)

    async def confirmed(self, announced: Announced) -> None:
        since, lease, pauses = self._clock(), announced.lease, iter(_PAUSES)
        late: dict[str, _Row] | None = None
        while (left := since + lease - self._clock()) > 0:
            behind = await self._behind(announced.seq, left)
            if behind is not None:
                if late is None:
                    since, late = self._clock(), behind
                # Who came later than the first look has read the change.
                late = {name: row for name, row in late.items() if name in behind}
                if not late:
                    return
                lease = max(row.lease for row in late.values())
            await asyncio.sleep(next(pauses, _PAUSES[-1]))
        if late:
            await self._remove(late, max(_SHORTEST, lease))

    async def _behind(self, seen: int, seconds: float) -> dict[str, _Row] | None:
        """The followers whose rows say less; None if the server cannot tell in time."""
        try:
            with faults_named():
                async with asyncio.timeout(max(_SHORTEST, seconds)), self._pool.connect() as connection:
                    found = (await connection.execute(_BEHIND, {"seen": seen})).all()
        except StoreUnavailable:
            return None
        return {row.id: _Row(row.renewals, row.lease / 1000) for row in found}

    async def _remove(self, late: dict[str, _Row], seconds: float) -> None:
        """Removes the rows of those that have not renewed since, so that nobody waits for them again."""
        with suppress(StoreUnavailable), faults_named():
            async with asyncio.timeout(seconds), self._pool.connect() as connection:
                for name, row in late.items():
                    await connection.execute(_REMOVE, {"id": name, "renewals": row.renewals})
