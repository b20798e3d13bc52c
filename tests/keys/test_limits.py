"""Limits as values: what can be, and how they are stored, told and read."""

from __future__ import annotations

import pytest

from gateway.keys import (
    UNLIMITED_CALLS,
    CallLimits,
    Period,
    Quota,
    Rate,
    limits_members,
    limits_of,
    limits_refused,
    limits_text,
    limits_words,
)

ALL = CallLimits(Rate(1000, 60), Quota(100_000, Period.DAY), 20)


@pytest.mark.parametrize(
    "limits",
    [
        UNLIMITED_CALLS,
        ALL,
        CallLimits(Rate(1, 1)),
        CallLimits(Rate(10**9, 86_400)),
        CallLimits(quota=Quota(1, Period.MONTH)),
        CallLimits(quota=Quota(10**9, Period.DAY)),
        CallLimits(concurrent=1),
        CallLimits(concurrent=10**6),
    ],
)
def test_what_can_be_is_taken_and_stored_as_it_is(limits):
    assert limits_refused(limits) is None
    assert limits_of(limits_text(limits)) == limits


@pytest.mark.parametrize(
    ("limits", "fault"),
    [
        (CallLimits(Rate(0, 60)), "a rate is 1 to 1000000000 calls, not 0"),
        (CallLimits(Rate(-5, 60)), "a rate is 1 to 1000000000 calls, not -5"),
        (CallLimits(Rate(10**9 + 1, 60)), "a rate is 1 to 1000000000 calls, not 1000000001"),
        (CallLimits(Rate(1, 0)), "1 to 86400 seconds, not 0"),
        (CallLimits(Rate(1, 86_401)), "not 86401: what takes longer than a day to refill is a quota"),
        (CallLimits(quota=Quota(0, Period.DAY)), "a quota is 1 to 1000000000 calls, not 0"),
        (CallLimits(quota=Quota(10**9 + 1, Period.DAY)), "a quota is 1 to 1000000000 calls"),
        (CallLimits(concurrent=0), "calls under way at once are 1 to 1000000, not 0"),
        (CallLimits(concurrent=10**6 + 1), "calls under way at once are 1 to 1000000, not 1000001"),
        (CallLimits(Rate(1, 1), Quota(1, Period.DAY), 0), "calls under way at once"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_number(limits, fault):
    assert fault in (limits_refused(limits) or "")


def test_limits_are_told_to_programs_and_to_people():
    assert limits_members(ALL) == {
        "rate": {"calls": 1000, "seconds": 60},
        "quota": {"calls": 100_000, "period": "day"},
        "concurrent": 20,
    }
    assert limits_members(UNLIMITED_CALLS) == {"rate": None, "quota": None, "concurrent": None}
    assert limits_words(ALL) == "rate 1000/60, quota 100000/day, concurrent 20"
    assert limits_words(CallLimits(concurrent=3)) == "concurrent 3"
    assert limits_words(UNLIMITED_CALLS) == "none"
