"""What one process charges, whoever leaves and whatever makes room: all of it or nothing, and nothing stays behind."""

from __future__ import annotations

import asyncio

import pytest

from gateway.keys import UNLIMITED_CALLS, CallLimits, Identity, Kind, Period, Principal, Quota, Rate
from gateway.policy import Policy
from gateway.proxy import Limiter, LimitOptions
from gateway.proxy.charging import Charges
from gateway.proxy.limiting import _TOGETHER
from gateway.stores.counters import ProcessCounters

SLOW = 86_400
"""Seconds of a bucket to which nothing is added while a test runs."""
ONE = Charges(1, 1)
DAY = 86_400_000


class SlowCounters:
    """Counters as those of Redis that answer when they are told to, and say what they were asked."""

    def __init__(self, timer):
        self.counters = ProcessCounters(timer)
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = []

    async def bucket(self, name, rate, asked):
        await self._answer(name, asked)
        return await self.counters.bucket(name, rate, asked)

    async def quota(self, name, quota, within, asked):
        await self._answer(name, asked)
        return await self.counters.quota(name, quota, within, asked)

    async def slots(self, name, limit, used, wanted):
        await self._answer(name, (used, wanted))
        return await self.counters.slots(name, limit, used, wanted)

    def missing(self, name, rate):
        return self.counters.missing(name, rate)

    async def _answer(self, name, asked):
        self.asked.append((name, asked))
        await self.answers.wait()


class World:
    def __init__(self, **options):
        self.seconds, self.now = 1_000.0, 1_700_000_000_000
        self.counters = SlowCounters(lambda: self.seconds)
        options = LimitOptions(**options)
        self.limiter = Limiter(options, self.counters, timer=lambda: self.seconds, now=lambda: self.now)

    async def passes(self, who, charges=ONE):
        charge = self.limiter.charge(who, charges)
        refusal = await charge.make()
        charge.leave()
        return refusal is None

    async def until_asked(self, times):
        while len(self.counters.asked) < times:  # noqa: ASYNC110
            await asyncio.sleep(0)

    async def leaving(self, who, questions):
        """A call whose client leaves while the counter is asked its last of so many questions."""
        self.counters.asked.clear()
        self.counters.answers.clear()
        making = asyncio.ensure_future(self.limiter.charge(who, ONE).make())
        for question in range(1, questions + 1):
            await self.until_asked(question)
            if question < questions:
                self.counters.answers.set()
                await asyncio.sleep(0)
                self.counters.answers.clear()
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making
        self.counters.answers.set()
        await asyncio.sleep(0.01)


def key(name="one", organization=UNLIMITED_CALLS, **limits):
    identity = Identity("identity", Kind.USER, "acme")
    own = CallLimits(**limits)
    return Principal(f"key-{name}", 1, name, identity, Policy(()), None, limits=own, organization_limits=organization)


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize("questions", [1, 2, 3, 4, 5, 6])
async def test_a_client_that_leaves_while_a_counter_is_asked_leaves_nothing_behind(world, questions):
    limits = dict(rate=Rate(2, SLOW), quota=Quota(2, Period.DAY), concurrent=1)
    who = key(organization=CallLimits(**limits), **limits)

    await world.leaving(who, questions)

    assert [await world.passes(who) for _ in range(3)] == [True, True, False]


async def test_what_made_room_for_others_is_given_back(world):
    world = World(room=2)
    busy = key(rate=Rate(1_000, SLOW), quota=Quota(1_000, Period.DAY), concurrent=5)
    passed = 0
    while passed < 200:
        passed += await world.passes(busy)
    for number in range(5):
        await world.passes(key(f"other-{number}", rate=Rate(1, SLOW)))

    world.seconds += 2
    await world.limiter.tidy()
    assert world.counters.missing("key:key-one", Rate(1_000, SLOW)) == 200
    while passed < 1_001 and await world.passes(busy):
        passed += 1
    assert passed == 1_000


async def test_a_call_under_way_keeps_its_place_whatever_makes_room(world):
    world = World(room=1)
    who = key(concurrent=1)
    under_way = world.limiter.charge(who, ONE)
    assert await under_way.make() is None
    for number in range(3):
        assert await world.passes(key(f"other-{number}", concurrent=1))
    await world.limiter.tidy()

    assert not await world.passes(who)
    under_way.leave()
    assert await world.passes(who)


async def test_a_call_that_was_about_to_enter_shares_its_places_whatever_makes_room(world):
    world = World(room=1)
    who = key(concurrent=1)
    about_to = world.limiter.charge(who, ONE)
    for number in range(3):
        world.limiter.charge(key(f"other-{number}", concurrent=1), ONE)

    assert await world.limiter.charge(who, ONE).make() is None
    assert await about_to.make() is not None


async def test_a_call_with_the_limit_of_before_does_not_bring_it_back(world):
    """A change came while its key was looked up, and its organization's other keys are known with the new limit."""
    old, new = CallLimits(concurrent=5), CallLimits(concurrent=1)
    assert await world.passes(key("one", new))
    late = world.limiter.charge(key("late", old), ONE)
    assert await late.make() is None

    assert not await world.passes(key("one", new))


async def test_what_is_held_of_a_bucket_outlasts_the_day_of_a_quota(world):
    who = key(rate=Rate(1_000, SLOW), quota=Quota(1_000, Period.DAY))
    for _ in range(200):
        assert await world.passes(who)
    world.now += DAY
    assert await world.passes(who)
    world.seconds += 2
    await world.limiter.tidy()

    assert world.counters.missing("key:key-one", Rate(1_000, SLOW)) == 201


async def test_a_clock_that_was_wrong_for_a_moment_opens_no_other_day_for_good(world):
    who = key(quota=Quota(2, Period.DAY))
    world.now += 400 * DAY
    assert [await world.passes(who) for _ in range(3)] == [True, True, False]
    world.now -= 400 * DAY
    assert [await world.passes(who) for _ in range(3)] == [True, True, False]
    world.now += DAY
    assert [await world.passes(who) for _ in range(3)] == [True, True, False]


async def test_closing_gives_everything_back(world):
    who = key(rate=Rate(1_000, SLOW), quota=Quota(1_000, Period.DAY), concurrent=100)
    charges = [world.limiter.charge(who, ONE) for _ in range(50)]
    assert await asyncio.gather(*(charge.make() for charge in charges)) == [None] * 50
    for charge in charges:
        charge.leave()
    world.counters.asked.clear()
    await world.limiter.close()

    assert world.counters.missing("key:key-one", Rate(1_000, SLOW)) == 50
    assert ("key:key-one", (0, 0)) in world.counters.asked, "no place is kept"


async def test_places_are_renewed_before_many_shares_are_given_back(world):
    """They would be somebody else's after some seconds."""
    for number in range(3 * _TOGETHER):
        who = key(f"{number}", rate=Rate(100, SLOW), concurrent=5)
        assert [await world.passes(who) for _ in range(3)] == [True] * 3
    world.seconds += 2
    world.counters.asked.clear()
    await world.limiter.tidy()

    kinds = [type(asked) for _, asked in world.counters.asked]
    assert kinds[: 3 * _TOGETHER] == [tuple] * 3 * _TOGETHER
    assert tuple not in kinds[3 * _TOGETHER :]


async def test_places_of_calls_that_are_too_many_are_renewed_too(world):
    """With a lower limit than calls are under way, another process must not take what they have left."""
    charges = [world.limiter.charge(key(concurrent=5), ONE) for _ in range(4)]
    for charge in charges:
        assert await charge.make() is None
    assert not await world.passes(key(concurrent=1))
    for _ in range(3):
        world.counters.asked.clear()
        await world.limiter.tidy()
        assert world.counters.asked == [("key:key-one", (4, 4))]


async def test_what_was_put_to_rest_is_not_looked_at_again(world):
    for number in range(10):
        assert await world.passes(key(f"{number}", rate=Rate(100, SLOW), concurrent=5))
        assert await world.passes(key(f"{number}", rate=Rate(100, SLOW), concurrent=5))
    world.seconds += 2
    for _ in range(3):
        await world.limiter.tidy()
    world.counters.asked.clear()
    await world.limiter.tidy()

    assert world.counters.asked == []
    assert not world.limiter._held_shares
    assert not world.limiter._held_places


async def test_keys_of_no_organization_share_no_limit():
    world = World(organization=CallLimits(rate=Rate(1, SLOW)))
    nobodys = [
        Principal(f"key-{name}", 1, name, Identity("identity", Kind.USER, ""), Policy(()), None) for name in ("a", "b")
    ]
    assert [await world.passes(who) for who in (*nobodys, *nobodys)] == [True] * 4


async def test_a_call_that_can_never_pass_asks_nobody(world):
    assert not await world.passes(key(rate=Rate(2, SLOW)), Charges(3, 3))
    assert world.counters.asked == []


async def test_the_nearest_limit_is_the_one_of_which_the_smallest_part_is_left(world):
    charge = world.limiter.charge(key(rate=Rate(1_000, SLOW), quota=Quota(40, Period.DAY)), Charges(950, 1))
    assert await charge.make() is None
    assert dict(charge.headers())[b"ratelimit-limit"].startswith(b"1000,")
    charge = world.limiter.charge(key("two", rate=Rate(20, SLOW), quota=Quota(1_000, Period.DAY)), Charges(1, 990))
    assert await charge.make() is None
    told = dict(charge.headers())
    assert (told[b"ratelimit-remaining"], told[b"ratelimit-limit"][:5]) == (b"10", b"1000,")
