"""Time limits of connections, kept by one timer for all of them: setting one costs a number, not a timer.

A limit strikes late, by a beat at most; none is so short that it would matter.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

BEAT = 0.1
"""Seconds. A look at a thousand connections takes 0.2 ms, so this is a five-hundredth of the time."""


class Timed(Protocol):
    """Something with a time limit."""

    def strike(self, now: float) -> None:
        """Ends what should have ended by `now`, seconds of the loop's clock."""
        ...


class Deadlines:
    """Looks at everything that was added, every beat, as long as there is anything."""

    def __init__(self) -> None:
        self._timed: dict[Timed, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, timed: Timed) -> None:
        self._timed[timed] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BEAT, self._beat)

    def discard(self, timed: Timed) -> None:
        self._timed.pop(timed, None)
        if not self._timed and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(BEAT, self._beat)
        now = loop.time()
        for timed in tuple(self._timed):
            timed.strike(now)
