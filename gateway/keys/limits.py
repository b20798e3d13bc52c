"""How much a key and its organization may call.

A rate is a bucket: `calls` at once at most, and `calls` in `seconds` in the long run, as JupiterOne's documentation
describes its own limits ("JupiterOne Rate Limiting": at any given time there are a maximum of 1000 available tokens, it
takes one minute to fully replenish them). A quota is counted by the calendar, in UTC. Both count root fields of
GraphQL, and one for any other call.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any


class Period(StrEnum):
    """Of the calendar in UTC."""

    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Rate:
    calls: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Quota:
    calls: int
    period: Period


@dataclass(frozen=True, slots=True)
class CallLimits:
    """None is no limit of its own: that of the settings holds, if there is one."""

    rate: Rate | None = None
    quota: Quota | None = None
    concurrent: int | None = None
    """Calls under way at once."""

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return bool(self.rate or self.quota or self.concurrent)

    def over(self, fallback: CallLimits) -> CallLimits:
        """These, and those of `fallback` where there are none."""
        if not self:
            return fallback
        return CallLimits(
            self.rate or fallback.rate, self.quota or fallback.quota, self.concurrent or fallback.concurrent
        )


UNLIMITED_CALLS = CallLimits()

MOST_CALLS = 1_000_000_000
"""Of a rate or a quota: more than a gateway of any size carries, and exact in every client's numbers."""

DAY_SECONDS = 86_400
"""A bucket that refills in more is a quota."""

MOST_CONCURRENT = 1_000_000
"""More than a gateway of any size has connections."""


def limits_text(limits: CallLimits) -> str | None:
    """As it is stored; None where nothing is limited."""
    members: dict[str, object] = {}
    if limits.rate:
        members["rate"] = [limits.rate.calls, limits.rate.seconds]
    if limits.quota:
        members["quota"] = [limits.quota.calls, limits.quota.period]
    if limits.concurrent:
        members["concurrent"] = limits.concurrent
    return json.dumps(members) if members else None


@lru_cache(1024)  # an organization's stands with each of its keys, and what keys have of their own is of a few kinds
def limits_of(text: str | None) -> CallLimits:
    """The reverse of `limits_text`."""
    if text is None:
        return UNLIMITED_CALLS
    members = json.loads(text)
    calls, period = members.get("quota", (None, None))
    return CallLimits(
        Rate(*members["rate"]) if "rate" in members else None,
        Quota(calls, Period(period)) if period else None,
        members.get("concurrent"),
    )


def limits_refused(limits: CallLimits) -> str | None:
    """Why limits cannot be taken, None if they can."""
    rate, quota, concurrent = limits.rate, limits.quota, limits.concurrent
    if rate and not 1 <= rate.calls <= MOST_CALLS:
        return f"a rate is 1 to {MOST_CALLS} calls, not {rate.calls}"
    if rate and not 1 <= rate.seconds <= DAY_SECONDS:
        longer = "what takes longer than a day to refill is a quota"
        return f"the window of a rate is 1 to {DAY_SECONDS} seconds, not {rate.seconds}: {longer}"
    if quota and not 1 <= quota.calls <= MOST_CALLS:
        return f"a quota is 1 to {MOST_CALLS} calls, not {quota.calls}"
    if concurrent is not None and not 1 <= concurrent <= MOST_CONCURRENT:
        return f"calls under way at once are 1 to {MOST_CONCURRENT}, not {concurrent}"
    return None


def rate_of(text: str) -> Rate:
    """`1000/60`: calls and seconds. Raises ValueError that says what is wrong."""
    calls, _, seconds = text.partition("/")
    if not (_is_number(calls) and _is_number(seconds)):
        raise ValueError("must be calls and seconds, such as 1000/60")
    rate = Rate(int(calls), int(seconds))
    _check(CallLimits(rate=rate))
    return rate


def quota_of(text: str) -> Quota:
    """`100000/day`: calls and a period. Raises ValueError that says what is wrong."""
    calls, _, period = text.partition("/")
    if not (_is_number(calls) and period in set(Period)):
        raise ValueError("must be calls and `day` or `month`, such as 100000/day")
    quota = Quota(int(calls), Period(period))
    _check(CallLimits(quota=quota))
    return quota


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 16  # noqa: PLR2004 (so that any number can be read)


def _check(limits: CallLimits) -> None:
    if why := limits_refused(limits):
        raise ValueError(f"is out of range: {why}")


def limits_members(limits: CallLimits) -> dict[str, Any]:
    """As JSON tells them; null is no limit."""
    rate, quota = limits.rate, limits.quota
    return {
        "rate": rate and {"calls": rate.calls, "seconds": rate.seconds},
        "quota": quota and {"calls": quota.calls, "period": quota.period.value},
        "concurrent": limits.concurrent,
    }


def limits_words(limits: CallLimits) -> str:
    """As people read and write them, such as `rate 1000/60, quota 100000/day, concurrent 20`; `none` for none."""
    words = {
        "rate": limits.rate and f"{limits.rate.calls}/{limits.rate.seconds}",
        "quota": limits.quota and f"{limits.quota.calls}/{limits.quota.period}",
        "concurrent": limits.concurrent,
    }
    return ", ".join(f"{name} {value}" for name, value in words.items() if value) or "none"
