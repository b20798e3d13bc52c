"""What one process holds of a counter: calls that it was given and has not used, and places for calls under way.

Where nobody else counts, nothing is held, see `alone`.

A key that is called often asks its counter once for many calls: as many as it used in the last second or so. One that
is called now and then asks each time. What nobody used for a second is given back, and what is left after three: a
limit lets that much through late, as much as came in meanwhile at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import ceil

from gateway.keys.counting import Asked, Given
from gateway.proxy.alone import OwnPlaces

_MOST = 1_000
"""Calls that are asked for at once: enough for one question in a thousand, and little beside what a second brings."""

_GROWTH = 4
"""By how much more is asked for when the last share was used up within a second."""

_DRY = 1.0
"""Seconds until a counter that had too little is asked again, at most; sooner where it fills sooner."""

_REFUSED = 200
"""Calls that are refused meanwhile after which it is asked again, if it fills: what came in is passed on evenly,
and Redis is asked once in a hundred calls at most, with an organization's limit beside the key's."""

IDLE = 1.0
"""Seconds after which an unused share is given back."""

_OLD = 3.0
"""Seconds after which a share is given back that is used slowly: the bucket that it came from has filled meanwhile, and
both together would be a burst that the limit does not allow."""


class Share:
    """Calls of one limit that several gateways count together.

    `interval` is seconds in which one call is added to the counter, 0 where none is. `ask` asks the counter, `timer` is
    seconds from anywhere. Whoever shall `give_back` finds this in `holding` whenever
    it holds any, however long nobody else has known it.
    """

    def __init__(
        self,
        calls: int,
        interval: float,
        ask: Callable[[Asked], Awaitable[Given]],
        timer: Callable[[], float],
        holding: dict[Share, None],
    ) -> None:
        self.calls = calls
        self._interval = interval
        self._ask = ask
        self._timer = timer
        self._holding = holding
        self.held = 0
        self._left = calls
        self._batch = 0
        self._waiting = 0
        self._refused = 0
        self._asked_at = self._used_at = self._dry_until = timer()
        self._asking: asyncio.Task[None] | None = None

    async def take(self, calls: int) -> bool:
        """Takes as many calls, or none."""
        return self.take_now(calls) or (await self._filled(calls) and self.take_now(calls))

    def take_now(self, calls: int) -> bool:
        """Takes calls of those that are held."""
        if self.held < calls:
            return False
        self.held -= calls
        self._used_at = self._timer()
        return True

    def put_back(self, calls: int) -> None:
        """Calls that were taken and not made."""
        self._hold(calls)

    def remaining(self) -> int:
        """Calls that could be made now, as far as this process knows."""
        added = int((self._timer() - self._asked_at) / self._interval) if self._interval else 0
        return min(self.calls, self.held + self._left + added)

    def wait(self, calls: int) -> int:
        """Whole seconds after which as many calls may be there; for a counter that fills."""
        seconds = max(self._dry_until - self._timer(), (calls - self.remaining()) * self._interval)
        return max(1, ceil(seconds))

    async def give_back(self, idle: float) -> None:
        """Gives back what was not used for `idle` seconds, or not used up for longer, if there is any."""
        now = self._timer()
        unused = now - self._used_at >= idle or now - self._asked_at >= _OLD
        if self.held and self._asking is None and unused:
            held, self.held, self._batch = self.held, 0, 0
            self._holding.pop(self, None)
            self._note(await self._ask(Asked(0, held)))

    async def _filled(self, calls: int) -> bool:
        """Whether as many calls are held now; asks for what all who wait here want."""
        self._waiting += calls
        try:
            while self.held < calls:
                if self._is_dry():
                    return False
                if self._asking is None:
                    self._asking = asyncio.get_running_loop().create_task(self._refill())
                await asyncio.shield(self._asking)
            return True
        finally:
            self._waiting -= calls

    def _is_dry(self) -> bool:
        now = self._timer()
        if now >= self._dry_until:
            return False
        self._refused += 1
        return self._refused < _REFUSED or not 0 < self._interval <= now - self._asked_at

    async def _refill(self) -> None:
        try:
            lasted = self._timer() - self._asked_at
            grown = self._batch * _GROWTH if lasted < IDLE else ceil(self._batch / lasted)
            self._batch = max(1, min(grown, _MOST, self.calls // 2))
            wanted = max(self._waiting - self.held, self._batch)
            given = await self._ask(Asked(wanted))
            self._hold(given.calls)
            self._note(given)
            self._refused = 0
            self._dry_until = self._timer() + self._dry_for(wanted - given.calls, given)
        finally:
            self._asking = None

    def _hold(self, calls: int) -> None:
        self.held += calls
        if self.held:
            self._holding[self] = None

    def _dry_for(self, missing: int, given: Given) -> float:
        """Seconds for which asking again is no use."""
        if given.left or not missing:
            return 0.0
        return min(_DRY, missing * self._interval) if self._interval else _DRY

    def _note(self, given: Given) -> None:
        self._left = given.left
        self._asked_at = self._timer()


class Places(OwnPlaces):
    """Calls under way at once. `ask(limit, used, wanted)` says how many may be here; that holds for some seconds.

    Whoever shall `renew` finds this in `holding` whenever places are ours.
    """

    def __init__(
        self,
        limit: int,
        ask: Callable[[int, int, int], Awaitable[int]],
        timer: Callable[[], float],
        holding: dict[Places, None],
    ) -> None:
        super().__init__(limit)
        self._ask = ask
        self._timer = timer
        self._holding = holding
        self.ours = 0
        self._most_used = 0
        self._dry_until = timer()
        self._asking: asyncio.Task[None] | None = None

    async def enter(self) -> bool:
        while not self.is_held():
            if self._timer() < self._dry_until:
                return False
            await asyncio.shield(self._asked(self.used + 1, min(self.limit, 2 * self.used + 1)))
        self.enter_held()
        return True

    def is_held(self) -> bool:
        """Whether a place is ours and free. More may be used than are ours: those under way when the limit fell."""
        return self.used < min(self.ours, self.limit)

    def enter_held(self) -> None:
        self.used += 1
        self._most_used = max(self._most_used, self.used)

    def hold_to(self, limit: int) -> None:
        if limit != self.limit:
            self.limit = limit
            self._dry_until = self._timer()

    async def renew(self) -> None:
        """Keeps the places that were used since the last time, and gives back the others."""
        while self._asking is not None:  # what it brings must be looked at, too
            await asyncio.shield(self._asking)
        wanted, self._most_used = self._most_used, self.used
        self.ours = min(self.ours, wanted)  # from now on: what is given back may be somebody else's at once
        await asyncio.shield(self._asked(self.used, wanted))
        if not (self.ours or self.used or self._asking):
            self._holding.pop(self, None)

    async def give_back(self) -> None:
        """Keeps only the places of calls that are under way."""
        self._most_used = self.used
        await self.renew()

    def _asked(self, needed: int, wanted: int) -> asyncio.Task[None]:
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._ask_for(needed, wanted))
        return self._asking

    async def _ask_for(self, needed: int, wanted: int) -> None:
        try:
            self._holding[self] = None  # before the answer, which may be lost on its way
            self.ours = await self._ask(self.limit, self.used, wanted)
            if self.ours < needed:
                self._dry_until = self._timer() + _DRY
        finally:
            self._asking = None
