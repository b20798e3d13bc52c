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

DAY_SECONDS = 86_400


def rate_of(text: str) -> Rate:
    """`1000/60`: calls and seconds. Raises ValueError that says what is wrong."""
    calls, _, seconds = text.partition("/")
    if not (calls.isdecimal() and seconds.isdecimal() and int(calls) and int(seconds)):
        raise ValueError("must be calls and seconds, such as 1000/60")
    if int(seconds) > DAY_SECONDS:
        raise ValueError(f"must fill within a day ({DAY_SECONDS} seconds); for longer there are quotas")
    return Rate(int(calls), int(seconds))


def quota_of(text: str) -> Quota:
    """`100000/day`: calls and a period. Raises ValueError that says what is wrong."""
    calls, _, period = text.partition("/")
    if not (calls.isdecimal() and int(calls) and period in set(Period)):
        raise ValueError("must be calls and `day` or `month`, such as 100000/day")
    return Quota(int(calls), Period(period))


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
