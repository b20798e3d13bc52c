"""Replacing keys, and warning of those that end soon: laws."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.keys import DAY, Lifetimes, expired, expires_soon, renewed, shortened

times = st.integers(0, 4 * 10**12)
ends = st.none() | times
lengths = st.integers(0, 400 * DAY)


@given(times, ends, lengths)
def test_180_replacing_a_key_can_only_shorten_its_life(now, end, overlap):
    after = shortened(now, end, overlap)
    assert after <= now + overlap
    if end is not None:
        assert after <= end
    assert not (expired(end, now) and not expired(after, now))


@given(times, lengths, lengths, st.integers(1, 1000), st.integers(1, 1000))
def test_180_the_new_key_lives_no_longer_than_the_old_one_was_given(created, age, life, default, longest):
    now, end = created + age, created + life
    new = renewed(now, created, end, Lifetimes(default, longest))
    assert new is not None
    assert new - now <= min(end - created, longest * DAY)
    assert renewed(now, created, None, Lifetimes(default, longest)) is None


@given(ends, times, st.integers(1, 1000))
def test_a_key_that_ends_soon_works_now_and_does_not_at_the_end_of_these_days(end, now, days):
    assert expires_soon(end, now, days) is (not expired(end, now) and expired(end, now + days * DAY))


@given(ends, times, st.integers(1, 1000), st.integers(0, 1000))
def test_more_days_warn_of_more(end, now, days, more):
    assert expires_soon(end, now, days + more) or not expires_soon(end, now, days)
