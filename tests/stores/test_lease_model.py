"""The protocol of `gateway.stores.leases` as a simulation: any order, delays, stops, losses, clocks that differ.

Time is real time, in leases of the first follower. Every participant is a generator that yields how long its next step
takes: a statement on its way to the server, its answer, a pause, or a process that is stopped. The clock of each runs
at its own speed. The model has the steps of `LeasedJournal` and `LeasedFollowers`, and no more of them.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

Steps = Generator[float, None, None]


@dataclass(frozen=True)
class Protocol:
    """What is done right; a test does one of them wrong."""

    renews_first: bool = True
    trusts_from_beginning: bool = True
    trusted: float = 0.8
    waits: bool = True
    waits_from_first_look: bool = True
    waits_for_longest: bool = True
    compares_with_first_look: bool = True
    enters_under_new_name: bool = True


WRONG = {
    "reading before renewing": Protocol(renews_first=False),
    "trusting from the end of the renewal": Protocol(trusts_from_beginning=False),
    "trusting a whole lease": Protocol(trusted=1.0),
    "not waiting for late followers": Protocol(waits=False),
    "removing rows too early, a lease after the commit": Protocol(waits_from_first_look=False),
    "removing rows too early, by their last look": Protocol(compares_with_first_look=False),
    "waiting for a lease of one's own where the server cannot tell": Protocol(waits_for_longest=False),
    "entering again under the old name": Protocol(enters_under_new_name=False),
}


@dataclass
class Row:
    seen: int
    lease: float
    renewals: int = 0


class LateAcceptError(Exception):
    """A follower trusts what was true before an acknowledged change."""


@dataclass
class World:
    protocol: Protocol
    chance: random.Random
    now: float = 0.0
    newest: int = 0
    acknowledged: int = 0
    rows: dict[object, Row] = field(default_factory=dict)
    followers: list[Follower] = field(default_factory=list)
    trusting: int = 0  # how often a follower trusted at the end of a step

    def delay(self) -> float:
        """Mostly nothing to speak of; now and then a slow network, or a process that is stopped."""
        kind = self.chance.random()
        longest = 0.02 if kind < 0.7 else 0.4 if kind < 0.85 else 3.0
        return self.chance.random() * longest

    def speed(self) -> float:
        return self.chance.choice([0.9, 1.0, 1.1, self.chance.uniform(0.9, 1.1)])

    def check(self) -> None:
        for follower in self.followers:
            if follower.clock() < follower.trusted_until:
                self.trusting += 1
                if follower.position < self.acknowledged:
                    raise LateAcceptError

    def run(self, processes: list[Steps], until: float) -> None:
        order = itertools.count()
        due = [(self.delay(), next(order), process) for process in processes]
        heapq.heapify(due)
        while due and self.now < until:
            self.now, _, process = heapq.heappop(due)
            for step in itertools.islice(process, 1):
                heapq.heappush(due, (self.now + step, next(order), process))
            self.check()


class Follower:
    def __init__(self, world: World, lease: float) -> None:
        self.world, self.lease = world, lease
        self.speed = world.speed()
        self.position = 0
        self.trusted_until = -math.inf
        self.name: object = object()

    def clock(self) -> float:
        return self.world.now * self.speed

    def run(self) -> Steps:
        while True:
            since = self.clock()
            steps = [self.tell(self.position), self.read()]
            for step in steps if self.world.protocol.renews_first else reversed(steps):
                yield from step
            trusted_from = since if self.world.protocol.trusts_from_beginning else self.clock()
            self.trusted_until = trusted_from + self.lease * self.world.protocol.trusted
            woken = self.world.chance.random() < 0.5  # the other half of the messages is lost
            yield self.world.delay() if woken else 0.2 * self.lease

    def tell(self, seen: int) -> Steps:
        yield self.world.delay()
        row = self.world.rows.get(self.name)
        if row is not None:
            row.seen, row.renewals = seen, row.renewals + 1
        yield self.world.delay()
        if row is None:
            if self.world.protocol.enters_under_new_name:
                self.name = object()
            yield self.world.delay()
            self.world.rows[self.name] = Row(seen, self.lease)
            yield self.world.delay()

    def read(self) -> Steps:
        yield self.world.delay()
        newest = self.world.newest
        yield self.world.delay()
        self.position = newest


class Changer:
    def __init__(self, world: World) -> None:
        self.world = world
        self.speed = world.speed()
        self.lost = world.chance.choice([0.0, 0.2, 0.9])

    def clock(self) -> float:
        return self.world.now * self.speed

    def run(self) -> Steps:
        while True:
            yield self.world.delay() * 3
            self.world.newest += 1
            change, longest = self.world.newest, self.longest()
            yield self.world.delay()
            late = {}
            if self.world.protocol.waits:
                late = yield from self.confirm(change, longest)
            self.world.acknowledged = max(self.world.acknowledged, change)
            yield from self.remove(late)

    def longest(self) -> float:
        if not self.world.protocol.waits_for_longest:
            return 0.5
        return max((row.lease for row in self.world.rows.values()), default=0.0)

    def confirm(self, change: int, lease: float) -> Generator[float, None, dict[object, Row]]:
        since = self.clock()
        late: dict[object, Row] | None = None
        while since + lease > self.clock():
            yield self.world.delay()
            behind = {name: replace(row) for name, row in self.world.rows.items() if row.seen < change}
            yield self.world.delay()
            if self.world.chance.random() < self.lost:
                continue
            if late is None and self.world.protocol.waits_from_first_look:
                since = self.clock()
            late = behind if late is None else {name: row for name, row in late.items() if name in behind}
            if not late:
                return {}
            lease = max(row.lease for row in late.values())
            if not self.world.protocol.compares_with_first_look:
                late = {name: behind[name] for name in late}
        return late or {}

    def remove(self, late: dict[object, Row]) -> Steps:
        for name, row in late.items():
            yield self.world.delay()
            if name in self.world.rows and self.world.rows[name].renewals == row.renewals:
                del self.world.rows[name]


def simulate(protocol: Protocol, chance: random.Random) -> World:
    """Raises LateAcceptError."""
    world = World(protocol, chance)
    leases = [1.0, chance.choice([0.5, 1.0, 2.0]), 1.0]
    world.followers = [Follower(world, lease) for lease in leases[: chance.randint(1, 3)]]
    changers = [Changer(world) for _ in range(chance.randint(1, 2))]
    world.run([each.run() for each in (*world.followers, *changers)], until=20.0)
    return world


@settings(max_examples=10 * settings().max_examples)
@given(st.builds(random.Random, st.integers(0, 2**63)))
def test_no_follower_uses_what_was_true_before_an_acknowledged_change(chance):
    simulate(Protocol(), chance)


def test_the_simulated_changes_are_acknowledged_and_trust_is_the_rule():
    """Else the law would hold of a world in which nothing happens."""
    worlds = [simulate(Protocol(), random.Random(seed)) for seed in range(200)]

    assert sum(world.acknowledged for world in worlds) > 1_500
    assert sum(world.trusting for world in worlds) > 10_000


@pytest.mark.parametrize("wrong", WRONG)
def test_a_protocol_that_is_wrong_in_one_point_accepts_late(wrong):
    with pytest.raises(LateAcceptError):
        deque((simulate(WRONG[wrong], random.Random(seed)) for seed in range(20_000)), maxlen=0)
