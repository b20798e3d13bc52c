"""Limits that this process counts alone: there is nobody to ask, so each call is counted where and when it comes.

This is so without Redis for good. With Redis see `shares`, whose classes look the same to a charge.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Protocol

from gateway.keys.counting import Bucket, Tally


class Calls(Protocol):
    """Calls of one limit, wherever they are counted; `calls` is what the limit says."""

    @property
    def calls(self) -> int: ...

    def take_now(self, calls: int) -> bool:
        """Takes as many calls, or none; `take` may get some when this does not."""
        ...

    async def take(self, calls: int) -> bool:
        """Takes as many calls, or none."""
        ...

    def put_back(self, calls: int) -> None:
        """Calls that were taken and not made."""
        ...

    def remaining(self) -> int:
        """Calls that could be made now, as far as this process knows."""
        ...

    def wait(self, calls: int) -> int:
        """Whole seconds after which as many calls may be there; for a rate."""
        ...


class OwnRate:
    """A rate that this process counts alone. `timer` is seconds from anywhere."""

    __slots__ = ("_bucket", "_timer", "calls")

    def __init__(self, bucket: Bucket, timer: Callable[[], float]) -> None:
        self.calls = bucket.calls
        self._bucket = bucket
        self._timer = timer

    def take_now(self, calls: int) -> bool:
        return self._bucket.take(calls, self._timer())

    async def take(self, calls: int) -> bool:
        return self.take_now(calls)

    def put_back(self, calls: int) -> None:
        self._bucket.put_back(calls, self._timer())

    def remaining(self) -> int:
        return self._bucket.there(self._timer())

    def wait(self, calls: int) -> int:
        return max(1, ceil(self._bucket.until(calls, self._timer())))


class OwnQuota:
    """A quota that this process counts alone."""

    __slots__ = ("_tally", "calls")

    def __init__(self, calls: int, tally: Tally) -> None:
        self.calls = calls
        self._tally = tally

    def take_now(self, calls: int) -> bool:
        there = self._tally.used + calls <= self.calls
        if there:
            self._tally.used += calls
        return there

    async def take(self, calls: int) -> bool:
        return self.take_now(calls)

    def put_back(self, calls: int) -> None:
        self._tally.used -= calls

    def remaining(self) -> int:
        return max(0, self.calls - self._tally.used)

    def wait(self, calls: int) -> int:  # noqa: ARG002 (nothing is added before its period is over)
        return 1


class OwnPlaces:
    """Calls under way at once."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    async def enter(self) -> bool:
        """Takes a place, which `leave` gives back, or none."""
        free = self.is_held()
        if free:
            self.enter_held()
        return free

    def is_held(self) -> bool:
        """Whether a place is ours and free. More may be used than are ours: those under way when the limit fell."""
        return self.used < self.limit

    def enter_held(self) -> None:
        """Takes one of the places that are ours."""
        self.used += 1

    def leave(self) -> None:
        self.used -= 1

    def hold_to(self, limit: int) -> None:
        """The limit from now on; calls that are under way go on."""
        self.limit = limit
