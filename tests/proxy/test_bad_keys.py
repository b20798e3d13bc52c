"""The buckets, with a clock that stands still until a test moves it."""

from __future__ import annotations

from gateway import answers
from gateway.http1 import Reason
from gateway.proxy.bad_keys import BadKeyOptions, BadKeys, Buckets

SECOND = 1_000_000_000


def taken(buckets: Buckets, address: str, now: int, times: int) -> int:
    """How many of so many are taken."""
    return sum(not buckets.take(address, now) for _ in range(times))


def test_as_many_as_the_bucket_holds_are_taken_at_once_and_no_more():
    for calls in (1, 2, 3, 7, 60, 1000):
        buckets = Buckets(BadKeyOptions(calls=calls, seconds=60.0))
        assert taken(buckets, "a", 5, 2 * calls) == calls


def test_it_fills_again_evenly():
    buckets = Buckets(BadKeyOptions(calls=60, seconds=60.0))
    taken(buckets, "a", 0, 60)
    assert buckets.wait("a", 0) == SECOND
    assert buckets.wait("a", SECOND - 1) == 1
    assert taken(buckets, "a", SECOND - 1, 5) == 0
    assert taken(buckets, "a", SECOND, 5) == 1
    assert taken(buckets, "a", 31 * SECOND, 100) == 30
    assert taken(buckets, "a", 1000 * SECOND, 100) == 60


def test_over_a_long_time_the_rate_is_kept_however_often_one_tries():
    buckets = Buckets(BadKeyOptions(calls=10, seconds=60.0))
    through = sum(taken(buckets, "a", tick * SECOND // 22, 1) for tick in range(22 * 600))
    assert through == 10 + 99  # the tenth of a second after 600 s is not over yet


def test_looking_takes_nothing():
    buckets = Buckets(BadKeyOptions(calls=1))
    assert [buckets.wait("a", 0) for _ in range(10)] == [0] * 10
    assert taken(buckets, "a", 0, 10) == 1


def test_addresses_do_not_share():
    buckets = Buckets(BadKeyOptions(calls=2))
    assert taken(buckets, "a", 0, 5) == 2
    assert taken(buckets, "b", 0, 5) == 2


def test_as_many_addresses_are_remembered_as_the_setting_says():
    buckets = Buckets(BadKeyOptions(calls=1, addresses=100))
    for number in range(10_000):
        buckets.take(f"192.0.2.{number}", 0)
    assert len(buckets) == 100


def test_who_goes_on_calling_is_not_the_one_that_is_forgotten():
    buckets = Buckets(BadKeyOptions(calls=1, addresses=100))
    buckets.take("looping", 0)
    for number in range(1_000):
        buckets.take(f"address {number}", 0)
        assert buckets.wait("looping", 0) > 0


def test_more_calls_than_nanoseconds_are_no_fault():
    assert taken(Buckets(BadKeyOptions(calls=10, seconds=1e-9)), "a", 0, 5) == 5


def bad_keys(**options) -> tuple[BadKeys, list[int], list[None]]:
    now, told = [0], []
    return BadKeys(BadKeyOptions(**options), refused=lambda: told.append(None), clock=lambda: now[0]), now, told


def test_over_the_limit_the_answer_is_429_with_the_seconds_to_wait_rounded_up():
    bad, now, told = bad_keys(calls=2, seconds=5.0)
    assert [bad.failed("a"), bad.look("a"), bad.failed("a")] == [None] * 3
    for refusal in (bad.look("a"), bad.failed("a")):
        assert refusal is not None
        assert (refusal.reason, refusal.status, refusal.retry_after) == (Reason.RATE_LIMITED, 429, 3)
        assert not any(word in refusal.message.lower() for word in answers.TRIGGERS)
    assert len(told) == 2
    now[0] = 3 * SECOND
    assert bad.look("a") is None
    assert bad.look("b") is None
    assert len(told) == 2


def test_an_address_that_nobody_knows_is_not_limited():
    bad, _, told = bad_keys(calls=1)
    assert [bad.failed(None) for _ in range(10)] == [None] * 10
    assert bad.look(None) is None
    assert not told


def test_none_is_no_limit():
    bad, _, _ = bad_keys(calls=0)
    assert [bad.failed("a") for _ in range(1000)] == [None] * 1000
