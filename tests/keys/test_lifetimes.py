"""How long keys live. Numbers are those of the edge cases that the product was specified with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http1 import Reason, Refusal
from gateway.keys import DAY, Kind, Lifetimes, effective, expired, expiry, expiry_at, renewed, shortened

NOW = 1_700_000_000_123

times = st.integers(min_value=0, max_value=2 * NOW)
ends = st.none() | times
days = st.integers(min_value=1, max_value=10_000)
lifetimes = st.builds(Lifetimes, days, days)


def test_14_a_day_is_86400_seconds_also_where_the_clocks_are_changed():
    before_the_change = 1_774_659_600_000  # 2026-03-28T01:00Z, a day before Europe's clocks go forward
    assert expiry(Kind.ACCOUNT, before_the_change, 30, Lifetimes()) == before_the_change + 30 * 86_400 * 1000


@pytest.mark.parametrize(("wish", "taken"), [(-1, False), (0, False), (1, True), (7, True), (8, False), (10**9, False)])
@pytest.mark.parametrize("kind", Kind)
def test_15_days_are_between_one_and_the_maximum(kind, wish, taken):
    end = expiry(kind, NOW, wish, Lifetimes(5, 7))
    assert end == (NOW + wish * DAY if taken else Refusal(Reason.INVALID_INPUT, "a key can live for 1 to 7 days"))


@pytest.mark.parametrize("kind", Kind)
def test_25_94_user_and_account_keys_always_end_and_the_others_only_if_they_are_to(kind):
    end = expiry(kind, NOW, None, Lifetimes(5, 7))
    assert end == (NOW + 5 * DAY if kind in (Kind.USER, Kind.ACCOUNT) else None)


@pytest.mark.parametrize(("at", "dead"), [(NOW - 1, False), (NOW, True), (NOW + 1, True)])
def test_17_the_end_has_come_at_its_very_millisecond(at, dead):
    assert expired(NOW, at) == dead


def test_94_a_key_without_an_end_is_alive_in_ten_years():
    assert not expired(None, NOW + 3650 * DAY)


@pytest.mark.parametrize(
    ("end", "taken"),
    [(0, False), (NOW, False), (NOW + 1, True), (NOW + 7 * DAY, True), (NOW + 7 * DAY + 1, False)],
)
def test_an_end_that_is_named_has_not_come_and_is_not_too_far_away(end, taken):
    found = expiry_at(NOW, end, Lifetimes(5, 7))
    assert found == end if taken else isinstance(found, Refusal)


# --- organizations ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("organizations", "expected"),
    [
        (None, Lifetimes(365, 730)),
        (1000, Lifetimes(365, 730)),
        (400, Lifetimes(365, 400)),
        (30, Lifetimes(30, 30)),
        (1, Lifetimes(1, 1)),
    ],
)
def test_an_organizations_maximum_only_takes_away(organizations, expected):
    assert Lifetimes().within(organizations) == expected


def test_24_a_lower_maximum_ends_a_key_that_was_made_before_it():
    made, end = NOW, NOW + 365 * DAY
    assert effective(made, end, None) == end
    assert effective(made, end, 30) == made + 30 * DAY
    assert effective(made, made + DAY, 30) == made + DAY
    assert effective(made, None, 30) == made + 30 * DAY
    assert effective(made, None, None) is None


@given(times, ends, st.none() | days)
def test_24_the_maximum_never_lengthens_a_life(made, end, organizations):
    found = effective(made, end, organizations)
    assert end is None or (found is not None and found <= end)
    assert organizations is None or (found is not None and found <= made + organizations * DAY)
    assert found in (end, made + (organizations or 0) * DAY)


@given(st.sampled_from(Kind), times, st.none() | days, lifetimes, st.none() | days)
def test_a_new_key_never_lives_longer_than_the_organization_lets_it(kind, now, wish, options, organizations):
    end = expiry(kind, now, wish, options.within(organizations))
    if isinstance(end, int):
        assert now < end
        assert organizations is None or effective(now, end, organizations) == end


# --- replacing ----------------------------------------------------------------------------------------------------


def test_180_the_old_key_ends_after_the_overlap_or_when_it_was_to_end():
    hour, ten_minutes = 3_600_000, 600_000
    assert shortened(NOW, NOW + ten_minutes, 0) == NOW
    assert shortened(NOW, NOW + ten_minutes, hour) == NOW + ten_minutes
    assert shortened(NOW, NOW + DAY, hour) == NOW + hour
    assert shortened(NOW, None, hour) == NOW + hour


@given(times, ends, st.integers(min_value=0, max_value=7 * DAY))
def test_180_replacing_a_key_never_lengthens_its_life(now, end, overlap):
    found = shortened(now, end, overlap)
    assert found <= now + overlap
    assert end is None or found <= end


@given(times, st.integers(min_value=1, max_value=10_000 * DAY), times, lifetimes)
def test_a_key_that_replaces_another_lives_as_long_as_that_and_no_longer_than_is_allowed(made, life, now, options):
    end = renewed(now, made, made + life, options)
    assert end is not None
    assert end - now == min(life, options.max_days * DAY)


def test_a_key_that_replaces_one_without_an_end_has_none():
    assert renewed(NOW, 0, None, Lifetimes()) is None
