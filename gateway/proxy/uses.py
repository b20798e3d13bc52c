"""When keys were last used, kept in memory and written down in rounds: no call ever waits for it.

A key that was let through and one that was refused are told apart. A call without a valid key notes nothing. What
cannot be written stays for the next round; what is lost with the process is at most one round.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
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

BATCH = 250
"""Keys written in one change. Other changes, a revocation say, wait for it: this takes about a tenth of a second."""

LAST_SECONDS = 5.0
"""How long the end of the process waits for the last round."""


class Uses:
    """Last uses of keys that are not written down yet. Times are milliseconds since the epoch."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._used: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self.lost = 0
        """Uses that there was no room for."""

    def note(self, trace: Trace, now: int) -> None:
        """A call that ended."""
        principal = trace.principal
        if principal is None or principal.session:
            return
        times = self._refused if _is_refused(trace) else self._used
        key = principal.key_id
        if key in times or len(times) < self._room:
            times[key] = now
        else:
            self.lost += 1

    def take(self) -> dict[str, KeyUse]:
        """All that is noted, by key; it is forgotten here."""
        used, refused = self._used, self._refused
        self._used, self._refused = {}, {}
        return {key: KeyUse(used.get(key), refused.get(key)) for key in used.keys() | refused.keys()}

    def put_back(self, uses: Mapping[str, KeyUse]) -> None:
        """What could not be written; what was noted since is newer and stays."""
        for key, use in uses.items():
            for times, at in ((self._used, use.used_at), (self._refused, use.refused_at)):
                if at is not None and len(times) < self._room:
                    times.setdefault(key, at)

    def oldest(self) -> int | None:
        """The oldest time that waits; None for nothing."""
        return min((*self._used.values(), *self._refused.values()), default=None)


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
                await self.round()

    async def round(self) -> None:
        """Writes all that is noted; what fails is kept for the next round."""
        waiting = self._uses.take()
        written = 0
        try:
            for batch in _batches(waiting, BATCH):
                await self._write(batch)
                written += len(batch)
        except StoreUnavailable as fault:
            _log.warning("last uses of %d keys wait: %s", len(waiting) - written, fault)
        finally:
            keys = list(waiting)[written:]
            self._uses.put_back({key: waiting[key] for key in keys})
            oldest = self._uses.oldest() if keys else None
            lag = 0.0 if oldest is None else max(0, self._now() - oldest) / 1000
            self._metrics.uses_written(failed=bool(keys), lag=lag, lost=self._uses.lost)
            self._uses.lost = 0


def _batches(uses: Mapping[str, KeyUse], size: int) -> Iterator[dict[str, KeyUse]]:
    names = list(uses)
    for start in range(0, len(names), size):
        yield {name: uses[name] for name in names[start : start + size]}
