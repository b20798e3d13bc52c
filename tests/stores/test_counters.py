"""The counters of limits: in a real Redis they count as the arithmetic says, and without it each process goes on."""

from __future__ import annotations

import itertools
import random
from contextlib import contextmanager

import pytest
import redis

from gateway.keys import Period, Quota, Rate
from gateway.keys.counting import Asked, Given, Window, from_bucket, from_quota

NAMES = itertools.count()
SLOW = 86_400
"""Seconds of a bucket to which nothing is added while a test runs."""
DAY = Window(0, 86_400_000)


@pytest.fixture
def name():
    return f"key:{next(NAMES)}"


@pytest.fixture
async def shared(opened, redis_server):
    """The counters of a process that shares a Redis of the test's own."""
    store = await opened(redis_url=redis_server.url, redis_timeout=5.0)
    return store.store.counters


@pytest.fixture
async def other(opened, redis_server):
    store = await opened(redis_url=redis_server.url, redis_timeout=5.0)
    return store.store.counters


def questions(seed):
    """A limit, and what is asked of it."""
    chance = random.Random(seed)
    asked = [Asked(chance.randint(0, 40), chance.choice((0, 0, 0, 1, 15))) for _ in range(20)]
    return chance.randint(1, 90), asked


# --- in Redis -----------------------------------------------------------------------------------------------------


async def test_a_bucket_counts_as_the_arithmetic_says(shared):
    for seed in range(60):
        calls, asked = questions(seed)
        rate, full_at = Rate(calls, SLOW), 0.0
        for each in asked:
            full_at, expected = from_bucket(full_at, rate, each, 1_000_000.0)
            assert await shared.bucket(f"key:{seed}", rate, each) == expected, (seed, each)


async def test_a_quota_counts_as_the_arithmetic_says(shared):
    for seed in range(60):
        calls, asked = questions(seed)
        quota, used = Quota(calls, Period.DAY), 0
        for each in asked:
            used, expected = from_quota(used, quota, each)
            assert await shared.quota(f"key:{seed}", quota, DAY, each) == expected, (seed, each)


async def test_a_bucket_fills_as_time_goes_by(shared, name, redis_server):
    rate = Rate(100, 60)
    assert await shared.bucket(name, rate, Asked(100)) == Given(100, 0)
    with redis.Redis.from_url(redis_server.url) as raw:
        (key,) = raw.keys()
        raw.set(key, float(raw.get(key)) - 30, ex=60)  # as if half a minute had gone by

    assert (await shared.bucket(name, rate, Asked(100))).calls in (50, 51, 52)


async def test_a_moment_in_the_far_future_is_an_empty_bucket(shared, name, redis_server):
    """Redis's clock went back: by an hour, or by years."""
    assert await shared.bucket(name, Rate(10, SLOW), Asked(1)) == Given(1, 9)
    with redis.Redis.from_url(redis_server.url) as raw:
        (key,) = raw.keys()
        raw.set(key, float(raw.get(key)) + 10**9, ex=60)

    assert await shared.bucket(name, Rate(10, SLOW), Asked(1)) == Given(0, 0)
    assert await shared.bucket(name, Rate(10, SLOW), Asked(1, back=1)) == Given(1, 0)


async def test_processes_share_buckets_and_quotas(shared, other, name):
    rate, quota = Rate(10, SLOW), Quota(10, Period.MONTH)

    assert await shared.bucket(name, rate, Asked(6)) == Given(6, 4)
    assert await other.bucket(name, rate, Asked(6)) == Given(4, 0)
    assert await shared.quota(name, quota, DAY, Asked(3)) == Given(3, 7)
    assert await other.quota(name, quota, DAY, Asked(3)) == Given(3, 4)


async def test_processes_share_places(shared, other, name):
    assert await shared.slots(name, 10, 0, 7) == 7
    assert await other.slots(name, 10, 0, 7) == 3
    assert await shared.slots(name, 10, 2, 2) == 2  # it needs no more
    assert await other.slots(name, 10, 3, 9) == 8
    assert await shared.slots(name, 10, 0, 0) == 0
    assert await other.slots(name, 10, 8, 10) == 10


async def test_calls_that_are_under_way_keep_their_places_when_a_limit_is_lowered(shared, other, name):
    assert await shared.slots(name, 10, 0, 7) == 7
    assert await shared.slots(name, 3, 5, 7) == 3
    assert await other.slots(name, 3, 0, 1) == 0
    assert await shared.slots(name, 3, 2, 2) == 2
    assert await other.slots(name, 3, 0, 3) == 1


async def test_processes_that_have_more_places_than_the_limit_together_both_come_down(shared, other, name):
    """As after an outage, in which each had as many as the limit says."""
    for each in (shared, other):
        await each.slots(name, 10, 5, 5)

    assert await shared.slots(name, 5, 5, 5) == 0, "none of its five ends and is followed by another"
    assert await other.slots(name, 5, 5, 5) == 0
    assert await shared.slots(name, 5, 1, 5) == 0
    assert await other.slots(name, 5, 3, 5) == 4


async def test_the_places_of_a_process_that_is_gone_are_free_again(shared, other, name, redis_server):
    assert await shared.slots(name, 10, 0, 10) == 10
    assert await other.slots(name, 10, 0, 1) == 0
    with redis.Redis.from_url(redis_server.url) as raw:
        (key,) = raw.keys()
        ((process, value),) = raw.hgetall(key).items()
        places, ends = value.split()
        raw.hset(key, process, b"%s %d" % (places, int(ends) - 10_000))  # as if ten seconds had gone by

    assert await other.slots(name, 10, 0, 4) == 4


async def test_nothing_stays_in_redis_for_ever(shared, name, redis_server):
    await shared.bucket(name, Rate(10, 60), Asked(3))
    await shared.quota(name, Quota(10, Period.DAY), DAY, Asked(3))
    await shared.slots(name, 10, 0, 3)

    with redis.Redis.from_url(redis_server.url) as raw:
        keys = sorted(raw.scan_iter())
        assert [key.startswith(f"gateway:limit:{{{name}}}:".encode()) for key in keys] == [True] * 3
        assert sorted(raw.ttl(key) // 100 for key in keys) == [0, 0, 900]


# --- without it ---------------------------------------------------------------------------------------------------


async def test_without_redis_a_process_counts_alone(opened, name):
    counters = (await opened()).store.counters

    assert await counters.bucket(name, Rate(10, SLOW), Asked(6)) == Given(6, 4)
    assert await counters.bucket(name, Rate(10, SLOW), Asked(6)) == Given(4, 0)
    assert await counters.quota(name, Quota(10, Period.DAY), DAY, Asked(3)) == Given(3, 7)
    assert await counters.slots(name, 10, 4, 20) == 10


async def test_while_redis_is_away_a_process_counts_on_from_what_it_was_told(opened, redis_server, name):
    one = await opened(redis_url=redis_server.url, redis_timeout=5.0)
    two = await opened(redis_url=redis_server.url, redis_timeout=5.0)
    rate, quota = Rate(100, SLOW), Quota(100, Period.DAY)
    for each in (one, two):
        await each.store.counters.bucket(name, rate, Asked(30))
        await each.store.counters.quota(name, quota, DAY, Asked(30))
    redis_server.kill()

    # 40 were left when the second was told, 70 when the first was: so each may be 70 too many at most
    assert await one.store.counters.bucket(name, rate, Asked(100)) == Given(70, 0)
    assert await two.store.counters.bucket(name, rate, Asked(100)) == Given(40, 0)
    assert await two.store.counters.quota(name, quota, DAY, Asked(100)) == Given(20, 20)
    assert one.seen.counted_ == {"redis": 2, "process": 1}
    assert one.seen.faults == ["unreachable"]


@contextmanager
def full(server):
    """Redis says no at once to what would need memory."""
    with redis.Redis.from_url(server.url) as raw:
        raw.config_set("maxmemory", 1)
        yield
        raw.config_set("maxmemory", 0)


async def test_what_passed_during_an_outage_is_told_to_redis_when_it_is_back(shared, other, name, redis_server):
    rate, quota = Rate(100, SLOW), Quota(100, Period.DAY)
    with full(redis_server):
        assert await shared.bucket(name, rate, Asked(30)) == Given(30, 70)
        assert await shared.bucket(name, rate, Asked(0, back=10)) == Given(0, 80)
        assert await shared.quota(name, quota, DAY, Asked(30)) == Given(30, 70)
        assert await shared.quota(name, quota, DAY, Asked(0, back=10)) == Given(0, 80)

    assert await other.bucket(name, rate, Asked(5)) == Given(5, 95), "not told yet"
    assert await other.quota(name, quota, DAY, Asked(5)) == Given(5, 95)
    for counters in (shared, shared, other):
        assert await counters.bucket(name, rate, Asked(0)) == Given(0, 75), "told once"
        assert await counters.quota(name, quota, DAY, Asked(0)) == Given(0, 75)


async def test_a_redis_that_comes_and_goes_opens_no_limit_anew(shared, name, redis_server):
    rate, quota = Rate(100, SLOW), Quota(100, Period.DAY)
    given_ = [0, 0]
    for _ in range(20):
        with full(redis_server):
            given_[0] += (await shared.bucket(name, rate, Asked(7))).calls
            given_[1] += (await shared.quota(name, quota, DAY, Asked(7))).calls
        given_[0] += (await shared.bucket(name, rate, Asked(3))).calls
        given_[1] += (await shared.quota(name, quota, DAY, Asked(3))).calls

    assert given_ == [100, 100]


async def test_what_came_in_since_an_outage_pays_for_what_passed_in_it(opened, redis_server, name):
    store = await opened(redis_url=redis_server.url, redis_timeout=5.0)
    counters, rate = store.store.counters, Rate(100, 100)
    with full(redis_server):
        assert await counters.bucket(name, rate, Asked(50)) == Given(50, 50)
        store.seen.clock += 20

    assert (await counters.bucket(name, rate, Asked(0))).left == 70


async def test_two_that_owe_more_than_there_is_leave_an_empty_bucket_and_no_worse(shared, other, name, redis_server):
    rate = Rate(100, SLOW)
    with full(redis_server):
        for counters in (shared, other):
            assert await counters.bucket(name, rate, Asked(90)) == Given(90, 10)

    assert await shared.bucket(name, rate, Asked(0)) == Given(0, 10)
    assert await other.bucket(name, rate, Asked(50)) == Given(0, 0)
    assert await other.bucket(name, rate, Asked(50, back=1)) == Given(1, 0)


async def test_an_answer_that_came_too_late_is_never_counted_less_than_once(opened, redis_server, name):
    """Redis has run the script, or not: nobody can tell."""
    store = await opened(redis_url=redis_server.url, redis_timeout=0.2)
    counters, quota = store.store.counters, Quota(100, Period.DAY)
    assert await counters.quota(name, quota, DAY, Asked(1)) == Given(1, 99)
    redis_server.stop()
    assert await counters.quota(name, quota, DAY, Asked(10)) == Given(10, 89)
    redis_server.go_on()
    with redis.Redis.from_url(redis_server.url) as raw:
        raw.ping()
        store.seen.clock += 60
        await counters.quota(name, quota, DAY, Asked(0))
        (key,) = raw.keys()
        assert int(raw.get(key)) in (11, 21)


async def test_a_redis_that_lost_its_data_is_told_what_was_used_of_a_quota(shared, other, name, redis_server):
    quota = Quota(100, Period.MONTH)
    assert await shared.quota(name, quota, DAY, Asked(30)) == Given(30, 70)
    with redis.Redis.from_url(redis_server.url) as raw:
        raw.flushall()

    assert await shared.quota(name, quota, DAY, Asked(30)) == Given(30, 40)
    assert await other.quota(name, quota, DAY, Asked(1)) == Given(1, 39)


async def test_a_redis_that_was_restarted_is_sent_the_scripts_again(opened, redis_server, name):
    store = await opened(redis_url=redis_server.url, redis_timeout=5.0, redis_cooldown=0.001)
    assert await store.store.counters.bucket(name, Rate(10, SLOW), Asked(1)) == Given(1, 9)
    redis_server.kill()
    redis_server.start()
    store.seen.clock += 1

    await store.store.counters.bucket(name, Rate(10, SLOW), Asked(1))  # finds its connection broken
    store.seen.clock += 1
    await store.store.counters.bucket(name, Rate(10, SLOW), Asked(1))
    assert store.seen.counted_["redis"] >= 2
