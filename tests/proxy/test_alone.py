"""Limits of a process beside which nobody counts: each call is counted where it comes, exactly."""

from __future__ import annotations

import pytest

from gateway.keys import UNLIMITED_CALLS, CallLimits, Identity, Kind, Period, Principal, Quota, Rate
from gateway.policy import Policy
from gateway.proxy import Limiter, LimitOptions
from gateway.proxy.charging import Charges
from gateway.stores.counters import ProcessCounters

SLOW = 86_400
ONE = Charges(1, 1)
DAY = 86_400_000


class World:
    """A limiter whose clocks stand still until a test moves them."""

    def __init__(self, **options):
        self.seconds, self.now = 1_000.0, 1_700_000_000_000
        counters = ProcessCounters(lambda: self.seconds, 1)
        self.limiter = Limiter(LimitOptions(**options), counters, timer=lambda: self.seconds, now=lambda: self.now)

    def enter(self, who, charges=ONE):
        """Without waiting for anything: the charge, and the refusal if there is one."""
        charge = self.limiter.charge(who, charges)
        try:
            charge.make().send(None)
        except StopIteration as made:
            return charge, made.value
        raise AssertionError("it waits for somebody")

    def passes(self, who, charges=ONE):
        charge, refusal = self.enter(who, charges)
        charge.leave()
        return refusal is None


def key(name="one", organization=UNLIMITED_CALLS, **limits):
    identity = Identity("identity", Kind.USER, "acme")
    own = CallLimits(**limits)
    return Principal(f"key-{name}", 1, name, identity, Policy(()), None, limits=own, organization_limits=organization)


@pytest.fixture
def world():
    return World()


def test_no_call_waits_and_nothing_is_held(world):
    who = key(CallLimits(Rate(9, 60), Quota(9, Period.DAY), 9), rate=Rate(9, 60), quota=Quota(9, Period.DAY))
    assert [world.passes(who) for _ in range(10)] == [True] * 9 + [False]
    assert not world.limiter._held_shares
    assert not world.limiter._held_places


def test_a_call_that_is_refused_counts_nowhere(world):
    """Its organization has no more, so what its key was charged comes back, and its place."""
    tight = CallLimits(rate=Rate(1, SLOW))
    first, second = (
        key(name, tight, rate=Rate(2, SLOW), quota=Quota(2, Period.DAY), concurrent=1) for name in ("one", "two")
    )
    assert world.passes(first)
    for _ in range(5):
        assert not world.passes(second)
    world.seconds += SLOW
    assert world.passes(second)
    tally = world.limiter.charge(second, ONE)
    assert dict(tally.headers())[b"ratelimit-remaining"] == b"0", "of the organization"
    assert [each.share.remaining() for each in tally._payer.counted] == [1, 0, 1]


def test_a_rate_lets_through_what_came_in_to_the_call(world):
    who = key(rate=Rate(10, 60))
    assert [world.passes(who) for _ in range(11)] == [True] * 10 + [False]
    _, refusal = world.enter(who)
    assert refusal.retry_after == 6
    world.seconds += 5.9
    assert not world.passes(who)
    world.seconds += 0.1
    assert [world.passes(who) for _ in range(2)] == [True, False]
    assert world.enter(who, Charges(5, 5))[1].retry_after == 30


def test_the_whole_of_a_quota_can_be_had_and_no_more_until_the_day_is_over(world):
    who = key(quota=Quota(100, Period.DAY))
    assert sum(world.passes(who) for _ in range(300)) == 100
    world.now += DAY
    assert sum(world.passes(who) for _ in range(300)) == 100


def test_places_are_free_as_soon_as_they_are_left(world):
    who = key(concurrent=2)
    charges = [world.enter(who) for _ in range(3)]
    assert [refusal is None for _, refusal in charges] == [True, True, False]
    charges[0][0].leave()
    assert world.passes(who)
    lower = key(concurrent=1)
    assert not world.passes(lower), "one is under way still"
    charges[1][0].leave()
    assert world.passes(lower)


def test_what_somebody_still_has_is_the_same_counter_whatever_made_room(world):
    """The counters remember one here, and the limiter all of these keys."""
    everyone = [key(f"{number}", rate=Rate(3, SLOW), quota=Quota(3, Period.DAY)) for number in range(5)]
    for _ in range(3):
        assert all(world.passes(each) for each in everyone)
    changed = [key(f"{number}", rate=Rate(3, SLOW), concurrent=7) for number in range(5)]
    assert not any(world.passes(each) for each in changed)


def test_a_changed_limit_of_another_kind_gives_no_new_bucket(world):
    assert world.passes(key(rate=Rate(1, SLOW)))
    assert not world.passes(key(rate=Rate(1, SLOW), concurrent=5))
