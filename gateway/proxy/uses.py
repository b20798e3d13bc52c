"""When keys were last used, kept in memory and written down in rounds: no call ever waits for it.

A key that was let through and one that was refused are told apart. A call without a valid key notes nothing. What
cannot be written stays for the next round.

**How much is written** does not depend on how many calls there are. The first use of a key is written in the next
round. After that a gateway tells of the key again when half of the precision has passed, and the database writes it if
what it has is older than that, whichever gateway told it. So what it says of a key that is in use is behind by one
precision and one round at most, and it writes twice in a precision for each key at most. What waits for its half
precision, and is lost with the process, is within that too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from gateway.metrics import Metrics, Outcome
from gateway.proxy.trace import Trace
from gateway.stores.base import StoreUnavailable
from gateway.stores.values import KeyUse

_log = logging.getLogger(__name__)

Write = Callable[[Mapping[str, KeyUse]], Awaitable[None]]
"""Writes a batch down, as `Registry.note_uses`. Raises StoreUnavailable."""


ROOM = 50_000
"""Keys that wait to be written, about 300 bytes each: five times as many as a process holds by default."""

PRECISION = 300.0
"""Seconds by which what is written may be older than the last use of a key."""

BATCH = 250
"""Keys written by one statement. In SQLite changes, a revocation say, wait for it: it takes about 3 ms."""

REST = 9
"""After a batch nothing is written for so many times as long as it took: it is others' turn nine tenths of the time."""

LAST_SECONDS = 5.0
"""How long the end of the process waits for the last round."""


class _Times:
    """Of one kind: when keys were used, milliseconds since the epoch."""

    def __init__(self) -> None:
        self.noted: dict[str, int] = {}
        self._told: dict[str, int] = {}

    def take(self, step: int) -> dict[str, int]:
        """Those that are later by so much than what was told (or earlier: a clock was set); they are forgotten here."""
        told = self._told
        due = {key: at for key, at in self.noted.items() if key not in told or not 0 <= at - told[key] < step}
        self.noted = {key: at for key, at in self.noted.items() if key not in due}
        return due

    def tell(self, key: str, at: int | None, room: int) -> None:
        """Without room the key is told again sooner than it need be."""
        if at is not None and (key in self._told or len(self._told) < room):
            self._told[key] = at

    def forget(self, before: int) -> None:
        """What was told so long ago that any use is later enough."""
        self._told = {key: at for key, at in self._told.items() if at > before}


class Uses:
    """Last uses of keys that are not written down yet. Times are milliseconds since the epoch.

    `precision` is seconds.
    """

    def __init__(self, room: int = ROOM, *, precision: float = PRECISION) -> None:
        self._room = room
        self._used = _Times()
        self._refused = _Times()
        self.step = max(1, round(precision * 1000 / 2))
        """A use is worth telling again when it is later by so much than the one that was told last."""
        self.lost = 0
        """Uses that there was no room for."""

    def note(self, trace: Trace, now: int) -> None:
        """A call that ended."""
        principal = trace.principal
        if principal is None or principal.session:
            return
        times = (self._refused if _is_refused(trace) else self._used).noted
        key = principal.key_id
        if key in times or len(times) < self._room:
            times[key] = now
        else:
            self.lost += 1

    def take(self) -> dict[str, KeyUse]:
        """What is to be told now, by key; it is forgotten here. What was told lately waits."""
        used, refused = self._used.take(self.step), self._refused.take(self.step)
        return {key: KeyUse(used.get(key), refused.get(key)) for key in used.keys() | refused.keys()}

    def put_back(self, uses: Mapping[str, KeyUse]) -> None:
        """What could not be written; what was noted since is newer and stays."""
        for key, use in uses.items():
            for times, at in ((self._used.noted, use.used_at), (self._refused.noted, use.refused_at)):
                if at is not None and len(times) < self._room:
                    times.setdefault(key, at)

    def told(self, uses: Mapping[str, KeyUse]) -> None:
        """What was written, or what the database had better."""
        for key, use in uses.items():
            self._used.tell(key, use.used_at, self._room)
            self._refused.tell(key, use.refused_at, self._room)

    def forget(self, now: int) -> None:
        """What was told of keys that are used no more."""
        for times in (self._used, self._refused):
            times.forget(now - self.step)


def _is_refused(trace: Trace) -> bool:
    """A call of which something was let through was not refused."""
    if trace.elements:
        return all(element.outcome is Outcome.REFUSED for element in trace.elements)
    return trace.outcome is Outcome.REFUSED


class UseWriter:
    """Writes uses down; `now` is milliseconds since the epoch."""

    def __init__(self, uses: Uses, write: Write, metrics: Metrics, now: Callable[[], int]) -> None:
        self._uses = uses
        self._write = write
        self._metrics = metrics
        self._now = now

    async def last_round(self) -> None:
        """The round of a process that ends; it is given up when it takes too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await self.round(rest=0)

    async def round(self, *, rest: float = REST) -> None:
        """Writes what is due; what fails is kept for the next round."""
        self._uses.forget(self._now())
        waiting = self._uses.take()
        names = list(waiting)
        try:
            for start in range(0, len(names), BATCH):
                began = time.monotonic()
                batch = {name: waiting[name] for name in names[start : start + BATCH]}
                await self._write(batch)
                self._uses.told(batch)
                for name in batch:
                    del waiting[name]
                if waiting:
                    await asyncio.sleep(rest * (time.monotonic() - began))
        except StoreUnavailable as fault:
            _log.warning("last uses of %d keys wait: %s", len(waiting), fault)
        finally:
            self._uses.put_back(waiting)
            self._metrics.uses_written(failed=bool(waiting), lag=self._lag(waiting), lost=self._uses.lost)
            self._uses.lost = 0

    def _lag(self, waiting: Mapping[str, KeyUse]) -> float:
        """Seconds since the oldest use that should have been written."""
        times = [at for use in waiting.values() for at in (use.used_at, use.refused_at) if at is not None]
        return max(0, self._now() - min(times)) / 1000 if times else 0.0
