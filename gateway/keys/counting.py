"""How calls are counted: the arithmetic of buckets and quotas, in numbers that any store can hold, and both as they are
counted call by call where nobody else counts.

A bucket is kept as one moment, when it will be full again: the generic cell rate algorithm (GCRA, ATM Forum Traffic
Management Specification 4.0, section 4.4.2), which needs no timer to fill it. Of a bucket of `calls` that fills in
`seconds`, a call takes `seconds / calls`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, floor

from gateway.keys.limits import Period, Quota, Rate

_A_HAIR = 1e-9
"""Of a call: sums of fractions must not cost one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Calls that are wanted from a counter; `back` were given and not used, `owed` were made and not counted."""

    wanted: int
    back: int = 0
    owed: int = 0


@dataclass(frozen=True, slots=True)
class Given:
    """`calls` of those that were wanted, as many as there were; `left` are still there."""

    calls: int
    left: int


def _missing(full_at: float, seconds: int, now: float) -> float:
    """Seconds until a bucket is full that fills in so many.

    A moment that is further away than an empty one's stems from a clock that went back: it counts as empty.
    """
    return max(0.0, min(full_at - now, seconds))


def from_bucket(full_at: float, rate: Rate, asked: Asked, now: float) -> tuple[float, Given]:
    """When the bucket will be full after this, and what it gave. Times are seconds from anywhere."""
    each = rate.seconds / rate.calls
    missing = max(0.0, min(_missing(full_at, rate.seconds, now) + (asked.owed - asked.back) * each, rate.seconds))
    there = floor((rate.seconds - missing) / each + _A_HAIR)
    calls = min(asked.wanted, there)
    return now + missing + calls * each, Given(calls, there - calls)


class Bucket:
    """A bucket in one process: as `from_bucket`, for single calls. Times are seconds of one clock."""

    __slots__ = ("__weakref__", "_each", "_seconds", "calls", "full_at")

    def __init__(self, rate: Rate) -> None:
        self.calls = rate.calls
        self.full_at = 0.0
        self._seconds = rate.seconds
        self._each = rate.seconds / rate.calls

    def there(self, now: float) -> int:
        """Calls that are in it."""
        return int(self.calls - _missing(self.full_at, self._seconds, now) / self._each + _A_HAIR)

    def take(self, calls: int, now: float) -> bool:
        """Takes as many, or none."""
        missing = _missing(self.full_at, self._seconds, now)
        if missing + (calls - _A_HAIR) * self._each > self._seconds:
            return False
        self.full_at = now + missing + calls * self._each
        return True

    def put_back(self, calls: int, now: float) -> None:
        """Calls that were taken and not made."""
        self.full_at = now + max(0.0, _missing(self.full_at, self._seconds, now) - calls * self._each)

    def until(self, calls: int, now: float) -> float:
        """Seconds until there are as many, 0 where there are."""
        missing = _missing(self.full_at, self._seconds, now)
        return max(0.0, missing + (calls - _A_HAIR) * self._each - self._seconds)


class Tally:
    """Calls of a quota that are used, in one process."""

    __slots__ = ("__weakref__", "used")

    def __init__(self) -> None:
        self.used = 0


def until_next(full_at: float, rate: Rate, now: float) -> float:
    """Seconds until there is a call in the bucket; 0 where there is one."""
    each = rate.seconds / rate.calls
    missing = _missing(full_at, rate.seconds, now)
    return max(0.0, missing + each * (1 - _A_HAIR) - rate.seconds)


def from_quota(used: int, quota: Quota, asked: Asked) -> tuple[int, Given]:
    """How many calls are used after this, and what there was.

    Nobody gets more than half of what is left, so that the last calls do not all lie with one who has no use for them.
    """
    used = max(0, used + asked.owed - asked.back)
    there = max(0, quota.calls - used)
    calls = min(asked.wanted, ceil(there / 2))
    return used + calls, Given(calls, there - calls)


@dataclass(frozen=True, slots=True)
class Window:
    """A day or a month; milliseconds since the epoch, `until` is the first that is not in it."""

    since: int
    until: int

    def __contains__(self, now: int) -> bool:
        """Also false for a moment before it: a clock that was wrong may go back."""
        return self.since <= now < self.until


def window(period: Period, now: int) -> Window:
    """The period of the calendar, in UTC, that `now` (milliseconds since the epoch) is in."""
    day = datetime.fromtimestamp(now / 1000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period is Period.DAY:
        first, after = day, day + timedelta(days=1)
    else:
        first = day.replace(day=1)
        after = (first + timedelta(days=31)).replace(day=1)
    return Window(round(first.timestamp() * 1000), round(after.timestamp() * 1000))
