"""Limits as a simulation: several processes, any order, clients that leave, limits and days that change, lost answers.

The limiters and their counters are the real ones. Redis is a model of its three scripts (`stores.test_counters` holds
these to the same arithmetic), reached over a wire on which questions and answers take any number of turns of the loop,
or get lost. Chance comes from a seed, and the loop does nothing else, so a seed is always the same run.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.keys import CallLimits, Identity, Kind, Period, Principal, Quota, Rate
from gateway.keys.counting import Asked, from_bucket, from_quota
from gateway.policy import Policy
from gateway.proxy import Limiter, LimitOptions
from gateway.proxy.charging import Charges
from gateway.stores.counters import ProcessCounters, RedisCounters

DAY = 86_400_000
SLOW = 86_400
"""Seconds of a bucket to which nothing is added while a simulation runs."""
LATE = 5.0
"""Seconds that calls may be used late: a share is old after three, and looked at every second or two."""


class Redis:
    """What the scripts do, in one step each."""

    def __init__(self, world):
        self.world = world
        self.full_at, self.used, self.places = {}, {}, {}

    async def execute_command(self, _command, _script, _keys, key, *values):
        kind = key.split("}:")[1].split(":")[0]
        return getattr(self, kind)(key, *values)

    def rate(self, key, calls, seconds, wanted, back, owed):
        full_at, asked = self.full_at.get(key, 0.0), Asked(wanted, back, owed)
        self.full_at[key], given_ = from_bucket(full_at, Rate(calls, seconds), asked, self.world.seconds)
        return [given_.calls, given_.left]

    def quota(self, key, calls, wanted, back, owed, known, _kept):
        used = self.used.get(key, known - owed)
        self.used[key], given_ = from_quota(used, Quota(calls, Period.DAY), Asked(wanted, back, owed))
        return [given_.calls, given_.left]

    def slots(self, key, who, limit, used, wanted, seconds):
        places = self.places.setdefault(key, {})
        now = self.world.seconds
        others = sum(count for name, (count, until) in places.items() if name != who and until > now)
        ours = max(0, min(wanted, limit - others))
        places[who] = (max(ours, used), now + seconds)
        return ours


class Wire:
    """A connection to Redis; `fault` None, or `away`: nothing arrives, or `mute`: answers are lost."""

    def __init__(self, world):
        self.world = world
        self.fault = None

    async def ask(self, command):
        await self.world.turns()
        if self.fault == "away":
            return None
        answer = await command(self.world.redis)
        await self.world.turns()
        return None if self.fault == "mute" else answer


class Nobody:
    def counted(self, where): ...


class World:
    """Some processes; `passed` are calls by counter, `under_way` those that have entered and not left."""

    def __init__(self, chance, limits, *, processes, faults=False, room=10):
        self.chance = chance
        self.seconds, self.now = 1_000_000.0, 1_700_000_000_000
        self.started, self.day = self.seconds, 0
        self.redis = Redis(self)
        self.wires = [Wire(self) for _ in range(processes)]
        self.limiters = [self._limiter(f"process {number}", wire, room) for number, wire in enumerate(self.wires)]
        self.keys = [self._key(f"{number}", limits) for number in range(3)]
        self.limits, self.faults = limits, faults
        self.passed, self.times, self.refused = Counter(), [], 0
        self.making, self.under_way, self.chores = {}, [], []

    def _limiter(self, name, wire, room):
        def timer():
            return self.seconds

        counters = RedisCounters(wire, name, ProcessCounters(timer), Nobody())
        return Limiter(LimitOptions(room=room), counters, timer=timer, now=lambda: self.now)

    def _key(self, name, limits):
        identity = Identity("identity", Kind.USER, "acme")
        return Principal(f"key-{name}", 1, name, identity, Policy(()), None, limits=limits, organization_limits=limits)

    async def turns(self):
        for _ in range(self.chance.choice([0, 1, 1, 2, 5])):
            await asyncio.sleep(0)

    # --- calls

    async def call(self, limiter, key, calls):
        charge = limiter.charge(key, Charges(calls, calls))
        if await charge.make() is not None:
            self.refused += 1
            return
        self.under_way.append((charge, key))
        self.passed["organization:acme"] += calls
        self.passed[f"key:{key.key_id}"] += calls
        self.times.append((self.seconds, key, calls))

    def begin(self):
        limiter, key = self.chance.choice(self.limiters), self.chance.choice(self.keys)
        task = asyncio.ensure_future(self.call(limiter, key, self.chance.choice([1, 1, 1, 2, 5])))
        self.making[task] = None
        task.add_done_callback(self.making.pop)

    def leave(self):
        if self.under_way:
            charge, _ = self.under_way.pop(self.chance.randrange(len(self.under_way)))
            charge.leave()

    def break_off(self):
        if self.making:
            self.chance.choice(list(self.making)).cancel()

    # --- what happens beside them

    def later(self):
        before = int(self.seconds)
        self.seconds += self.chance.choice([0.01, 0.1, 0.4])
        if int(self.seconds) > before and all(task.done() for task in self.chores):
            self.chores = [asyncio.ensure_future(limiter.tidy()) for limiter in self.limiters]

    def fail(self):
        if self.faults:
            self.chance.choice(self.wires).fault = self.chance.choice([None, "away", "mute"])

    async def run(self, steps):
        """As many things happen, each perhaps while others are under way."""
        acts = [self.begin] * 8 + [self.leave] * 4 + [self.break_off, self.later, self.later, self.fail]
        for _ in range(steps):
            self.chance.choice(acts)()
            await self.turns()

    async def settle(self):
        """Faults end, and what is under way in the gateway itself; calls go on."""
        for wire in self.wires:
            wire.fault = None
        await asyncio.gather(*self.making, *self.chores, return_exceptions=True)
        for _ in range(3):
            self.seconds += 1.0
            for limiter in self.limiters:
                await limiter.tidy()

    async def end(self):
        await self.settle()
        while self.under_way:
            self.leave()
        for limiter in self.limiters:
            await limiter.close()

    # --- what Redis knows

    def counted(self, name):
        """Calls of a rate, and of a quota, that are missing in Redis."""
        rate = next((at for key, at in self.redis.full_at.items() if f"{{{name}}}" in key), 0.0)
        limit = self.limits.rate
        missing = round(max(0.0, rate - self.seconds) * limit.calls / limit.seconds)
        return missing, sum(used for key, used in self.redis.used.items() if f"{{{name}}}" in key)


def run(coroutine):
    return asyncio.run(coroutine)


chances = st.builds(random.Random, st.integers(0, 2**63))
limits_of_a_run = st.builds(
    CallLimits,
    st.builds(Rate, st.integers(1, 120), st.just(SLOW)),
    st.none() | st.builds(Quota, st.integers(1, 120), st.just(Period.DAY)),
    st.none() | st.integers(1, 8),
)


@given(chances, limits_of_a_run, st.integers(1, 3))
def test_never_more_passes_than_the_limits_say_and_in_the_end_nothing_is_lost(chance, limits, processes):
    async def simulation():
        world = World(chance, limits, processes=processes, room=chance.choice([1, 2, 10]))
        await world.run(300)
        await world.end()
        for name, passed in world.passed.items():
            assert passed <= limits.rate.calls
            assert not limits.quota or passed <= limits.quota.calls
            missing, used = world.counted(name)
            assert abs(missing - passed) <= 0.01, (name, "nothing is lost of the rate")
            assert not limits.quota or used == passed, (name, "nor of the quota")
        assert all(not any(count for count, _ in places.values()) for places in world.redis.places.values())

    run(simulation())


@given(chances, st.builds(Rate, st.integers(4, 60), st.integers(2, 20)), st.integers(1, 3))
def test_in_no_time_does_more_pass_than_a_burst_and_what_came_in(chance, rate, processes):
    async def simulation():
        world = World(chance, CallLimits(rate=rate), processes=processes)
        await world.run(500)
        of_organization = [(at, calls) for at, _, calls in world.times]
        each = rate.calls / rate.seconds
        assert sum(calls for _, calls in of_organization) <= rate.calls + (world.seconds - world.started) * each + 1e-6
        for number, (since, _) in enumerate(of_organization):
            total = 0
            for at, calls in of_organization[number:]:
                total += calls
                assert total <= rate.calls + (at - since + LATE) * each + 1e-6

    run(simulation())


@given(chances, limits_of_a_run, st.integers(1, 3))
def test_each_process_lets_no_more_through_than_the_limits_say_however_often_redis_fails(chance, limits, processes):
    async def simulation():
        world = World(chance, limits, processes=processes, faults=True)
        await world.run(400)
        for passed in world.passed.values():
            assert passed <= processes * limits.rate.calls
            assert not limits.quota or passed <= processes * limits.quota.calls
        await world.end()

    run(simulation())


@given(chances, st.integers(1, 8), st.integers(1, 8), st.integers(2, 3), st.booleans())
def test_after_outages_and_lower_limits_no_more_calls_are_under_way_than_may_be(chance, first, then, processes, faults):
    async def simulation():
        world = World(chance, CallLimits(concurrent=first), processes=processes, faults=faults)
        await world.run(200)
        world.keys = [world._key(f"{number}", CallLimits(concurrent=then)) for number in range(3)]
        world.faults = False
        await world.settle()
        for limiter in world.limiters:
            for key in world.keys:
                await world.call(limiter, key, 1)  # it learns of the change
        await world.settle()
        most = {key.key_id: max(then, sum(k.key_id == key.key_id for _, k in world.under_way)) for key in world.keys}
        everyone = max(then, len(world.under_way))
        for _ in range(200):
            await world.run(1)
            assert len(world.under_way) <= everyone
            everyone = max(then, len(world.under_way))
            for key_id, number in most.items():
                assert sum(key.key_id == key_id for _, key in world.under_way) <= number
        await world.end()

    run(simulation())


def test_the_simulated_calls_pass_are_refused_and_are_broken_off():
    """Else the laws would hold of worlds in which nothing happens."""
    seen = Counter()
    for seed in range(50):
        chance = random.Random(seed)

        async def simulation(chance=chance):
            limits = CallLimits(Rate(60, SLOW), Quota(50, Period.DAY), 4)
            world = World(chance, limits, processes=2)
            await world.run(300)
            seen.update(passed=world.passed["organization:acme"], refused=world.refused)
            seen["all of it"] += world.passed["organization:acme"] == 50
            await world.end()

        run(simulation())
    assert seen["passed"] > 50 * 40
    assert seen["refused"] > 50 * 20
    assert seen["all of it"] > 10
