"""The buckets of addresses, with a clock that stands still until a test moves it."""

from __future__ import annotations

from gateway import answers
from gateway.http1 import Reason
from gateway.keys import Rate
from gateway.proxy.bad_keys import BadKeyOptions, BadKeys

A_SECOND = Rate(60, 60)


def bad_keys(rate=A_SECOND, **options):
    """With a clock, and what it was told of."""
    now, told = [1_000.0], []
    options = BadKeyOptions(rate, **options)
    return BadKeys(options, refused=lambda: told.append(None), timer=lambda: now[0]), now, told


def taken(bad, address, times):
    """How many of so many are answered 401."""
    return sum(bad.failed(address) is None for _ in range(times))


def test_as_many_as_the_bucket_holds_are_taken_at_once_and_no_more():
    for calls in (1, 2, 3, 7, 60, 1000):
        bad, _, _ = bad_keys(Rate(calls, 60))
        assert taken(bad, "a", 2 * calls) == calls


def test_it_fills_again_evenly():
    bad, now, _ = bad_keys()
    taken(bad, "a", 60)
    for later, more in ((0.9, 0), (0.1, 1), (30, 30), (1_000, 60)):
        now[0] += later
        assert taken(bad, "a", 100) == more


def test_over_a_long_time_the_rate_is_kept_however_often_one_tries():
    bad, now, _ = bad_keys(Rate(10, 60))
    through = 0
    for _ in range(22 * 600):
        through += taken(bad, "a", 1)
        now[0] += 1 / 22
    assert through == 10 + 99  # the hundredth is there when 600 s are over


def test_looking_takes_nothing_and_tells_what_a_failure_would_get():
    bad, now, _ = bad_keys(Rate(1, 60))
    assert [bad.look("a") for _ in range(10)] == [None] * 10
    assert taken(bad, "a", 10) == 1
    now[0] += 59.5
    assert bad.look("a") == bad.failed("a") is not None
    now[0] += 0.5
    assert bad.look("a") is bad.failed("a") is None


def test_addresses_do_not_share():
    bad, _, _ = bad_keys(Rate(2, 60))
    assert taken(bad, "a", 5) == 2
    assert taken(bad, "b", 5) == 2


def test_as_many_addresses_are_remembered_as_the_setting_says():
    bad, _, _ = bad_keys(Rate(1, 60), addresses=100)
    for number in range(10_000):
        bad.failed(f"192.0.2.{number}")
    assert len(bad) == 100


def test_who_goes_on_calling_is_not_the_one_that_is_forgotten():
    bad, _, _ = bad_keys(Rate(1, 60), addresses=100)
    bad.failed("looping")
    for number in range(1_000):
        bad.failed(f"address {number}")
        assert bad.look("looping") is not None


def test_over_the_limit_the_answer_is_429_with_the_seconds_to_wait_rounded_up():
    bad, now, told = bad_keys(Rate(2, 5))
    assert [bad.failed("a"), bad.look("a"), bad.failed("a")] == [None] * 3
    for refusal in (bad.look("a"), bad.failed("a")):
        assert (refusal.reason, refusal.status, refusal.retry_after) == (Reason.RATE_LIMITED, 429, 3)
        assert not any(word in refusal.message.lower() for word in answers.TRIGGERS)
    assert len(told) == 2
    now[0] += 3
    assert bad.look("a") is None
    assert bad.look("b") is None
    assert len(told) == 2


def test_an_address_that_nobody_knows_is_not_limited():
    bad, _, told = bad_keys(Rate(1, 60))
    assert [bad.failed(None) for _ in range(10)] == [None] * 10
    assert bad.look(None) is None
    assert not told


def test_none_is_no_limit():
    bad, _, _ = bad_keys(None)
    assert [bad.failed("a") for _ in range(1000)] == [None] * 1000
