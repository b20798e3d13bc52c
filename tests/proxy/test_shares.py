"""Shares of a counter: how often it is asked, that nothing is lost, and that no two ask at once."""

from __future__ import annotations

import asyncio

import pytest

from gateway.keys import Period, Quota, Rate
from gateway.keys.counting import Window
from gateway.proxy.shares import Places, Share
from gateway.stores.counters import ProcessCounters


class Clock:
    """Seconds that stand still until a test moves them."""

    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


class Counter:
    """A real counter that takes a turn of the loop, and says what it was asked."""

    def __init__(self, clock, rate):
        self.rate, self.counters, self.asked = rate, ProcessCounters(clock, 10), []

    async def __call__(self, asked):
        self.asked.append(asked)
        await asyncio.sleep(0)
        return await self.counters.bucket("key", self.rate, asked)


@pytest.fixture
def clock():
    return Clock()


def share_of(clock, rate):
    counter = Counter(clock, rate)
    return Share(rate.calls, rate.seconds / rate.calls, counter, clock, {}), counter


async def test_a_hot_key_asks_once_in_hundreds_of_calls(clock):
    share, counter = share_of(clock, Rate(100_000, 10))
    for _ in range(20_000):
        clock.now += 0.0005
        assert await share.take(1)

    assert len(counter.asked) <= 30


async def test_a_key_that_is_called_now_and_then_holds_next_to_nothing(clock):
    share, counter = share_of(clock, Rate(1_000, 60))
    for _ in range(50):
        clock.now += 3
        assert await share.take(1)

    assert max(each.wanted for each in counter.asked) <= 2
    assert share.held <= 1


async def test_a_key_over_its_limit_asks_once_in_a_hundred_calls(clock):
    """A thousand calls a second, of which 16 may pass."""
    share, counter = share_of(clock, Rate(1_000, 60))
    passed = 0
    while await share.take(1):
        passed += 1
    counter.asked.clear()
    since = clock.now
    while clock.now < since + 30:
        clock.now += 0.001
        passed += await share.take(1)

    assert len(counter.asked) <= 301, "a hundredth of the calls"
    assert 1_500 - 4 <= passed <= 1_500, "the burst, and what came in; what came in last may lie there still"


async def test_a_key_over_its_limit_that_is_called_now_and_then_asks_once_a_second(clock):
    share, counter = share_of(clock, Rate(10, 60))
    while await share.take(1):
        pass
    counter.asked.clear()
    for _ in range(100):
        clock.now += 0.1
        await share.take(1)

    assert len(counter.asked) <= 11


async def test_two_processes_over_the_limit_pass_what_one_may(clock):
    rate = Rate(200, 1)
    counter = Counter(clock, rate)
    shares = [Share(rate.calls, 1 / 200, counter, clock, {}) for _ in range(2)]
    passed = [0, 0]
    for _ in range(40_000):
        clock.now += 0.0005
        for number, share in enumerate(shares):
            passed[number] += await share.take(1)

    assert abs(sum(passed) - (200 + 20 * 200)) <= 0.02 * 20 * 200
    assert min(passed) > 0.2 * sum(passed)


async def test_calls_that_wait_for_the_same_answer_ask_once(clock):
    share, counter = share_of(clock, Rate(1_000, 60))

    assert all(await asyncio.gather(*(share.take(1) for _ in range(100))))

    assert len(counter.asked) == 1


async def test_a_caller_who_leaves_takes_nothing_from_the_others(clock):
    share, counter = share_of(clock, Rate(10, 60))
    leaving = asyncio.ensure_future(share.take(1))
    staying = asyncio.ensure_future(share.take(1))
    await asyncio.sleep(0)
    leaving.cancel()

    assert await staying
    assert share.held + counter.asked[0].wanted >= 1
    assert share.remaining() == 9


async def test_what_was_not_used_for_a_second_is_given_back_and_can_be_had_elsewhere(clock):
    rate = Rate(100, 86_400)
    counter = Counter(clock, rate)
    one, two = (Share(rate.calls, 864.0, counter, clock, {}) for _ in range(2))
    for _ in range(7):
        assert await one.take(1)
    assert one.held > 5

    clock.now += 0.5
    await one.give_back(1.0)
    assert one.held > 5, "it was used half a second ago"
    clock.now += 0.6
    await one.give_back(1.0)

    assert one.held == 0
    got = 0
    while got < 200 and await two.take(1):
        got += 1
    assert got == 93


async def test_what_is_used_slowly_is_no_burst_beside_a_full_bucket(clock):
    """Else a process that took a share in a hurry and spends it now and then would have it beside the next burst."""
    rate = Rate(1_000, 60)
    one, _ = share_of(clock, rate)
    for _ in range(100):
        assert await one.take(1)
    assert one.held > 50
    passed = 0
    for _ in range(100):
        clock.now += 0.9
        passed += await one.take(1)
        await one.give_back(1.0)
    assert one.held <= 2

    while passed < 3_000 and await one.take(1):
        passed += 1
    assert passed <= 100 + 1_000 + 5


async def test_a_call_that_counts_for_many_takes_all_or_nothing(clock):
    share, _ = share_of(clock, Rate(10, 86_400))

    assert await share.take(8)
    assert not await share.take(3)
    clock.now += 1.1
    assert await share.take(2)


async def test_what_is_held_is_not_asked_for_again(clock):
    share, counter = share_of(clock, Rate(10, 86_400))
    for _ in range(2):
        assert await share.take(1)
    assert share.held == 3
    clock.now += 2

    assert await share.take(5)
    assert counter.asked[-1].wanted == 2


async def test_what_was_put_back_can_be_taken_again(clock):
    share, _ = share_of(clock, Rate(1, 60))
    assert await share.take(1)
    assert share.remaining() == 0
    share.put_back(1)

    assert share.remaining() == 1
    assert await share.take(1)


async def test_the_wait_is_until_the_call_would_pass(clock):
    share, _ = share_of(clock, Rate(10, 60))
    while await share.take(1):
        pass

    assert share.wait(1) == 6
    assert share.wait(5) == 30
    clock.now += share.wait(1)
    assert await share.take(1)


async def test_the_last_calls_of_a_quota_can_all_be_had(clock):
    counters, quota, within = ProcessCounters(clock, 10), Quota(1_000, Period.DAY), Window(0, 86_400_000)

    async def ask(asked):
        return await counters.quota("key", quota, within, asked)

    shares = [Share(quota.calls, 0, ask, clock, {}) for _ in range(3)]
    passed = 0
    for _ in range(2_000):
        clock.now += 0.01
        for share in shares:
            passed += await share.take(1)
            await share.give_back(1.0)

    assert passed == 1_000
    assert [share.remaining() for share in shares] == [0, 0, 0]


# --- places -------------------------------------------------------------------------------------------------------


def places_of(clock, limit):
    asked = []

    async def ask(limit, used, wanted):
        asked.append((used, wanted))
        await asyncio.sleep(0)
        return min(wanted, limit)

    return Places(limit, ask, clock, {}), asked


async def test_as_many_calls_as_the_limit_says_are_under_way_and_no_more(clock):
    places, _ = places_of(clock, 5)

    assert [await places.enter() for _ in range(7)] == [True] * 5 + [False] * 2
    places.leave()
    assert await places.enter()
    assert not await places.enter()


async def test_calls_that_come_together_do_not_pass_the_limit_together(clock):
    places, asked = places_of(clock, 5)

    entered = await asyncio.gather(*(places.enter() for _ in range(50)))

    assert sum(entered) == places.used == 5
    assert len(asked) <= 5


async def test_places_in_use_cost_no_question(clock):
    places, asked = places_of(clock, 100)
    for _ in range(3):
        await places.enter()
    asked.clear()
    for _ in range(1_000):
        places.leave()
        assert await places.enter()

    assert asked == []


async def test_places_that_nobody_used_since_the_last_time_go_back(clock):
    places, asked = places_of(clock, 100)
    for _ in range(10):
        await places.enter()
    for _ in range(8):
        places.leave()
    await places.renew()
    assert asked[-1] == (2, 10), "all ten were used since"
    await places.renew()
    assert (asked[-1], places.ours) == ((2, 2), 2)
    for _ in range(2):
        places.leave()
    await places.renew()
    await places.renew()

    assert places.ours == 0


async def test_a_place_that_is_going_back_is_not_entered(clock):
    """Another process may have it in the same moment."""
    places, asked = places_of(clock, 10)
    for _ in range(10):
        await places.enter()
    for _ in range(10):
        places.leave()
    await places.renew()
    renewing = asyncio.ensure_future(places.renew())
    await asyncio.sleep(0)
    entered = await places.enter()
    await renewing

    assert entered
    assert asked[-1] == (0, 1), "it was asked for anew"


async def test_a_lower_limit_holds_from_now_on_and_ends_no_call(clock):
    places, _ = places_of(clock, 5)
    assert [await places.enter() for _ in range(5)] == [True] * 5
    places.hold_to(2)

    assert not await places.enter()
    for _ in range(4):
        places.leave()
    clock.now += 1.1
    assert [await places.enter() for _ in range(2)] == [True, False]
