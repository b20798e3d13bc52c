"""Buckets give what came in and no more, quotas their number, and the calendar is that of UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys import CallLimits, Period, Quota, Rate, limits_of, limits_text, quota_of, rate_of
from gateway.keys.counting import Asked, Bucket, Given, from_bucket, from_quota, window

rates = st.builds(Rate, st.integers(1, 50), st.integers(1, 100))
steps = st.lists(st.tuples(st.floats(0, 20), st.integers(0, 60)), max_size=30)


@given(rates, st.lists(st.floats(0, 20), min_size=1, max_size=30))
def test_who_always_takes_all_gets_all_that_came_in(rate, pauses):
    full_at, now, calls = from_bucket(0.0, rate, Asked(rate.calls), 0.0)[0], 0.0, rate.calls
    for pause in pauses:
        now += min(pause, rate.seconds - rate.seconds / rate.calls)  # longer, and the bucket might overflow
        full_at, given_ = from_bucket(full_at, rate, Asked(1_000), now)
        calls += given_.calls
    assert rate.calls + now * rate.calls / rate.seconds - calls < 1 + 1e-6


@given(rates, steps)
def test_no_time_lets_more_through_than_a_burst_and_what_came_in(rate, steps):
    full_at, now, calls = 0.0, 0.0, 0
    for later, wanted in steps:
        now += later
        full_at, given_ = from_bucket(full_at, rate, Asked(wanted), now)
        calls += given_.calls
        assert given_.calls <= wanted
        assert 0 <= given_.left <= rate.calls
        assert calls <= rate.calls + now * rate.calls / rate.seconds + 1e-6


def test_what_comes_back_can_be_had_again():
    full_at, given_ = from_bucket(0.0, Rate(10, 60), Asked(10), 1_000.0)
    assert given_ == Given(10, 0)
    full_at, given_ = from_bucket(full_at, Rate(10, 60), Asked(0, back=4), 1_000.0)
    assert given_ == Given(0, 4)
    assert from_bucket(full_at, Rate(10, 60), Asked(10), 1_000.0)[1] == Given(4, 0)


def test_more_than_a_bucket_holds_does_not_come_back():
    assert from_bucket(0.0, Rate(10, 60), Asked(100, back=50), 1_000.0)[1] == Given(10, 0)


def test_a_clock_that_goes_back_leaves_an_empty_bucket_and_no_worse():
    full_at, _ = from_bucket(0.0, Rate(10, 60), Asked(10), 5_000.0)
    full_at, given_ = from_bucket(full_at, Rate(10, 60), Asked(1), 1_000.0)
    assert given_ == Given(0, 0)
    assert from_bucket(full_at, Rate(10, 60), Asked(1), 1_006.0)[1] == Given(1, 0)


def test_a_quota_gives_half_of_what_is_left_at_most_and_all_of_it_in_the_end():
    used, given_ = from_quota(0, Quota(100, Period.DAY), Asked(80))
    assert (used, given_) == (50, Given(50, 50))
    got = [given_.calls]
    while given_.left:
        used, given_ = from_quota(used, Quota(100, Period.DAY), Asked(80))
        got.append(given_.calls)
    assert got == [50, 25, 13, 6, 3, 2, 1]
    assert from_quota(used, Quota(100, Period.DAY), Asked(1))[1] == Given(0, 0)
    assert from_quota(used, Quota(100, Period.DAY), Asked(1, back=3)) == (98, Given(1, 2))


def test_a_quota_that_was_lowered_below_what_is_used_gives_nothing():
    assert from_quota(90, Quota(10, Period.DAY), Asked(5)) == (90, Given(0, 0))


@pytest.mark.parametrize(
    ("period", "now", "since", "until"),
    [
        (Period.DAY, "2026-11-21T19:40:00", "2026-11-21", "2026-11-22"),
        (Period.DAY, "2026-12-31T23:59:59", "2026-12-31", "2027-01-01"),
        (Period.MONTH, "2026-11-21T19:40:00", "2026-11-01", "2026-12-01"),
        (Period.MONTH, "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        (Period.MONTH, "2028-02-29T00:00:00", "2028-02-01", "2028-03-01"),
    ],
)
def test_days_and_months_are_those_of_the_calendar_in_utc(period, now, since, until):
    def at(text):
        return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)

    found = window(period, at(now))
    assert (found.since, found.until) == (at(since), at(until))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1000",
        "1000/",
        "/60",
        "0/60",
        "10/0",
        "-1/60",
        "1.5/60",
        "10/60s",
        "1000/86401",
        "1000000001/1",
        "9" * 5000 + "/1",
        "²/1",
    ],
)
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match=r"must be calls and seconds|is 1 to"):
        rate_of(text)


@pytest.mark.parametrize("text", ["", "1000", "1000/", "/day", "0/day", "10/week", "10/Day", "10/60"])
def test_what_is_no_quota_is_refused(text):
    with pytest.raises(ValueError, match=r"must be calls and `day` or `month`|a quota is 1 to"):
        quota_of(text)


def test_texts_of_limits():
    assert rate_of("1000/60") == Rate(1000, 60)
    assert quota_of("100000/month") == Quota(100_000, Period.MONTH)


@given(
    st.builds(
        CallLimits,
        st.none() | rates,
        st.none() | st.builds(Quota, st.integers(1, 10**9), st.sampled_from(Period)),
        st.none() | st.integers(1, 10**6),
    )
)
def test_limits_are_stored_and_read(limits):
    assert limits_of(limits_text(limits)) == limits
    assert bool(limits) == (limits_text(limits) is not None)


def test_own_limits_come_before_those_of_the_settings():
    fallback = CallLimits(Rate(10, 60), Quota(5, Period.DAY), 3)
    assert CallLimits().over(fallback) == fallback
    assert CallLimits(rate=Rate(20, 1)).over(fallback) == CallLimits(Rate(20, 1), Quota(5, Period.DAY), 3)


# --- call by call -------------------------------------------------------------------------------------------------


@given(rates, st.lists(st.tuples(st.integers(-5, 200), st.integers(-3, 8)), max_size=40))
def test_a_bucket_in_a_process_counts_as_the_arithmetic_says(rate, steps):
    """Also when the clock goes back, or when calls are put back. Times are eighths of a call's interval."""
    bucket, full_at, now = Bucket(rate), 0.0, 1_000.0
    for later, calls in steps:
        now += later * rate.seconds / rate.calls / 8
        there = from_bucket(full_at, rate, Asked(0), now)[1].left
        assert bucket.there(now) == there
        if calls < 0:
            taken = min(-calls, rate.calls - there)  # nobody puts back what was not taken
            bucket.put_back(taken, now)
            full_at, _ = from_bucket(full_at, rate, Asked(0, back=taken), now)
            continue
        assert bucket.take(calls, now) == (calls <= there)
        if calls <= there:
            full_at, given_ = from_bucket(full_at, rate, Asked(calls), now)
            assert given_.calls == calls


def test_a_bucket_says_when_there_will_be_as_many():
    bucket = Bucket(Rate(10, 60))
    assert bucket.until(10, 1_000.0) == 0
    assert bucket.take(10, 1_000.0)
    assert bucket.until(1, 1_000.0) == pytest.approx(6)
    assert bucket.until(5, 1_003.0) == pytest.approx(27)
    assert not bucket.take(1, 1_005.9)
    assert bucket.take(1, 1_006.0)
    assert bucket.until(1, -5_000.0) == pytest.approx(6), "the clock went back"
