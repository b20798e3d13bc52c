"""Calls with one key on many connections to every worker while the key is revoked, and what they were answered.

A call counts as begun after the acknowledgement when it was written after the answer to the revocation had come. Calls
are written in batches, and in each batch one call has another key, which nobody revokes.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.app.chores import FOLDING_SECONDS
from gateway.control import Issued
from revocation.connections import Connection, Reply, served_by
from revocation.installation import Installation, query
from revocation.report import Report

_BATCH = 9
"""Calls with the key that are written at once, before one with another key."""

_EARLY = 4
"""Connections to each worker that were opened before the revocation; afterwards as many are opened again."""

_HITS = 10
"""Calls on each connection that prove just before that the key is in the worker's memory."""

_COUNTED_SECONDS = 30.0
"""Until all workers must have told what they counted."""

_OTHERS = 12
"""Keys that nobody revokes; no worker knows them yet, so they are looked up while the first is hammered."""

Revoke = Callable[[Connection, str, Issued], Awaitable[Reply]]


def wanted(modest: int) -> int:
    """How many calls are begun after an acknowledgement: `modest`, unless the environment names a number."""
    return int(os.environ.get("GATEWAY_REVOCATION_CALLS", modest))


@dataclass
class Hammering:
    """Make it with `hammering`. Statuses are counted; `LOST` is one of them."""

    installation: Installation
    key: Issued
    others: Sequence[Issued]
    early: dict[Connection, int]
    """Connections opened before the revocation, and the worker that serves each."""
    late: list[Connection] = field(default_factory=list)
    """Those opened after it; who serves them is found out in the end."""
    acknowledged: bool = False
    seconds: float = 0.0
    """That the revocation took, from the call to its answer."""
    before: Counter[int] = field(default_factory=Counter)
    """Answers to calls with the key that were begun before the acknowledgement, and afterwards by connection."""
    after: defaultdict[Connection, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    beside: Counter[int] = field(default_factory=Counter)
    """Answers to the other keys."""
    away: dict[bool, Counter[int]] = field(default_factory=lambda: {False: Counter(), True: Counter()})
    """Answers while the database was away, to calls that were begun before and after the acknowledgement."""
    _working: defaultdict[Connection, list[asyncio.Task[None]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self._next_other = itertools.cycle(self.others)

    def connections(self, pids: Collection[int]) -> list[Connection]:
        """Those opened early to these workers."""
        return [connection for connection, pid in self.early.items() if pid in pids]

    # --- before

    async def prove_hits(self) -> None:
        """All workers have the key in memory: they count a hit for each of these calls."""
        await self._each_calls(1)
        await asyncio.sleep(2 * FOLDING_SECONDS)  # workers tell each other that late what they have counted
        before = self._hits()
        await self._each_calls(_HITS)
        async with asyncio.timeout(_COUNTED_SECONDS):
            while self._hits() - before < _HITS * len(self.early):  # noqa: ASYNC110 (they tell nobody when)
                await asyncio.sleep(FOLDING_SECONDS)

    async def _each_calls(self, times: int) -> None:
        calls = [query(self.key.secret)] * times
        answers = await asyncio.gather(*(each.call(*calls) for each in self.early))
        assert {reply.status for replies in answers for reply in replies} == {200}

    def _hits(self) -> int:
        counted = (
            each.metric("gateway_key_lookups_total", level="memory", outcome="found")
            for each in self.installation.gateways
        )
        return sum(counted)

    # --- meanwhile

    def start(self, calls: int, connections: Collection[Connection] | None = None) -> None:
        """Each of these early connections (all for None) goes on until its share of so many calls is answered.

        Of the calls that are begun after the acknowledgement half are made on early connections, half on late ones.
        """
        for each in self.early if connections is None else connections:
            self._begin(each, self._hammer(each, calls // 2 // len(self.early)))

    async def open_late(self, calls: int) -> None:
        """As many connections again, see `start`; the kernel chooses the workers, also one that is stopped."""
        opened = [await self.installation.connect(number) for number in self._gateways()]
        self.late += opened
        for each in opened:
            self._begin(each, self._hammer(each, calls // 2 // len(opened)))

    async def revoke(self, by: Revoke, *, on: Connection) -> None:
        """Revokes the key as an administrator; everything that is written when this returns was begun afterwards."""
        since = time.perf_counter()
        await by(on, self.installation.admin, self.key)
        self.acknowledged = True
        self.seconds = time.perf_counter() - since

    async def ended(self, connections: Collection[Connection] | None = None) -> None:
        """Returns when all calls on these connections are answered; on all of them for None."""
        chosen = [*self.early, *self.late] if connections is None else connections
        await asyncio.gather(*(task for each in chosen for task in self._working[each]))

    @asynccontextmanager
    async def watching(self, connections: Collection[Connection]) -> AsyncIterator[None]:
        """Single calls while the block runs, on connections to workers whose database is away."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for each in connections:
                group.create_task(self._watch(each, over))
            yield
            over.set()

    async def try_late(self, gateway: int) -> None:
        """Calls while the database of a gateway is away, on new connections: all are begun now."""
        opened = [await self.installation.connect(gateway) for _ in self.early]
        await asyncio.gather(*(self._look(each) for each in opened))

    async def served_again(self, connections: Collection[Connection]) -> None:
        """Returns when the workers behind these connections can ask their database again."""
        for each in connections:
            while (await each.ask(query(self.others[0].secret))).status != 200:  # noqa: ASYNC110 (a server sets no event)
                await asyncio.sleep(0.05)

    def _begin(self, connection: Connection, work: Coroutine[Any, Any, None]) -> None:
        self._working[connection].append(asyncio.get_running_loop().create_task(work))

    async def _hammer(self, connection: Connection, calls: int) -> None:
        """Until at least so many calls that were begun after the acknowledgement are answered."""
        while calls > 0:
            into = self.after[connection] if self.acknowledged else self.before
            calls -= _BATCH if self.acknowledged else 0
            other = next(self._next_other)
            *mine, beside = await connection.call(*[query(self.key.secret)] * _BATCH, query(other.secret))
            into.update(reply.status for reply in mine)
            self.beside[beside.status] += 1

    async def _watch(self, connection: Connection, over: asyncio.Event) -> None:
        while not over.is_set():
            await self._look(connection)
            await asyncio.sleep(0.01)

    async def _look(self, connection: Connection) -> None:
        into = self.away[self.acknowledged]
        reply = await connection.ask(query(self.key.secret))
        into[reply.status] += 1

    def _gateways(self) -> list[int]:
        """To which gateway each early connection goes."""
        ports = [each.ports["data"] for each in self.installation.gateways]
        return [ports.index(connection.server) for connection in self.early]

    # --- afterwards

    def by_worker(self) -> Counter[int]:
        """How many calls that were begun after the acknowledgement each worker has answered."""
        served = self.early | served_by(self.late, self.installation.workers)
        counts: Counter[int] = Counter()
        for connection, statuses in self.after.items():
            counts[served[connection]] += statuses.total()
        return counts

    def refused_everywhere(self, calls: int) -> None:
        """The promise, and that the test was able to find it broken."""
        answers = sum(self.after.values(), Counter[int]())
        assert set(answers) == {401}, answers
        assert answers.total() >= calls
        assert set(self.before) <= {200, 401}, self.before  # 401 from the commit on, if not yet acknowledged
        counts = self.by_worker()
        assert set(counts) == set(self.installation.workers)
        assert min(counts.values()) >= calls // 10, counts
        assert self.beside[200] >= 0.999 * self.beside.total(), self.beside

    def told(self, report: Report, name: str) -> None:
        counts = self.by_worker()
        report(
            f"{name}: acknowledged in {self.seconds * 1000:.0f} ms under load; of {sum(counts.values()):,} calls begun "
            f"afterwards, {min(counts.values()):,} at least on each of {len(counts)} workers, all were refused; "
            f"other keys: {self.beside[200]:,} of {self.beside.total():,} calls served"
        )


async def hammering(installation: Installation) -> Hammering:
    """A new key that all workers have in memory, and connections to each of them."""
    key, *others = await installation.keys(1 + _OTHERS)
    made = Hammering(installation, key, others, await installation.connections(_EARLY))
    await made.prove_hits()
    return made
