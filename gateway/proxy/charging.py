"""What one call is charged, and what it is told about that."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from gateway.http1 import Headers, Reason, Refusal
from gateway.keys import Principal
from gateway.keys.counting import Window
from gateway.proxy.shares import Places, Share


@dataclass(frozen=True, slots=True)
class Charges:
    """What a call counts for."""

    rate: int
    quota: int


@dataclass(frozen=True, slots=True)
class Counted:
    """A rate or a quota, and what this process holds of it. `seconds` are those of the bucket or of the period."""

    share: Share
    word: str
    """Whose: of a key, or of an organization."""
    reason: Reason
    seconds: int
    until: int | None = None
    """Of a quota: when its period is over; milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """A limit of calls under way. The places are the same whatever it was before, so each call says what it is now."""

    places: Places
    limit: int
    word: str
    """Whose: of a key, or of an organization."""


@dataclass(frozen=True, slots=True)
class Payer:
    """What a key is charged to, as long as it is this very principal, and `within` the periods of its quotas."""

    principal: Principal
    rates: tuple[Counted, ...]
    quotas: tuple[Counted, ...]
    places: tuple[Crowd, ...]
    windows: str
    within: Window


class Charge:
    """What one call is charged: `make` it, and `leave` when the call is over."""

    __slots__ = ("_charges", "_entered", "_now", "_payer")

    def __init__(self, payer: Payer | None, charges: Charges, now: int) -> None:
        self._payer = payer
        self._charges = charges
        self._now = now
        self._entered: list[Places] = []

    async def make(self) -> Refusal | None:
        """Charges everything, or nothing: then why not."""
        payer = self._payer
        if payer is None or self._made(payer):
            return None
        try:
            refusal = await self._enter(payer) or await self._take(payer)
        except BaseException:  # the client has left while a counter was asked
            self.leave()
            raise
        if refusal is not None:
            self.leave()
        return refusal

    def leave(self) -> None:
        while self._entered:
            self._entered.pop().leave()

    def headers(self) -> Headers:
        """`RateLimit-…` as the platform sends them: the nearest limit, and all of them with their windows.

        Source: JupiterOne's documentation of its API, "Rate Limits": `RateLimit-Limit: 1000, 1000;window=60`,
        `RateLimit-Reset` in seconds, `RateLimit-Requested`.
        """
        payer = self._payer
        if payer is None or not payer.windows:
            return ()
        found = [(each.share.remaining(), each) for each in (*payer.rates, *payer.quotas)]
        left, nearest = min(found, key=lambda each: each[0] / each[1].share.calls)
        calls = nearest.share.calls
        reset = ceil((calls - left) * nearest.seconds / calls) if nearest.until is None else self._ends(nearest.until)
        return (
            (b"ratelimit-limit", f"{calls}, {payer.windows}".encode()),
            (b"ratelimit-remaining", str(left).encode()),
            (b"ratelimit-reset", str(reset).encode()),
            (b"ratelimit-requested", str(self._charges.rate).encode()),
        )

    def _made(self, payer: Payer) -> bool:
        """Charges everything at once if all of it is held here, which is so for nearly every call of a hot key."""
        rate, quota = self._charges.rate, self._charges.quota
        for crowd in payer.places:
            crowd.places.hold_to(crowd.limit)
        if not all(crowd.places.is_held() for crowd in payer.places):
            return False
        if any(each.share.held < rate for each in payer.rates) or any(each.share.held < quota for each in payer.quotas):
            return False
        for crowd in payer.places:
            crowd.places.enter_held()
            self._entered.append(crowd.places)
        for each in payer.rates:
            each.share.take_held(rate)
        for each in payer.quotas:
            each.share.take_held(quota)
        return True

    async def _enter(self, payer: Payer) -> Refusal | None:
        for crowd in payer.places:
            if not await crowd.places.enter():
                many = f"{crowd.limit} calls of this {crowd.word} are under way, as many as may be at once"
                return Refusal(Reason.TOO_MANY_CALLS, many, 1)
            self._entered.append(crowd.places)
        return None

    async def _take(self, payer: Payer) -> Refusal | None:
        taken: list[tuple[Share, int]] = []
        rate, quota = self._charges.rate, self._charges.quota
        try:
            for counted, calls in [*((each, rate) for each in payer.rates), *((each, quota) for each in payer.quotas)]:
                if calls > counted.share.calls or not await counted.share.take(calls):
                    return self._refusal(counted, calls)
                taken.append((counted.share, calls))
            taken.clear()  # they are used
            return None
        finally:
            for share, back in taken:
                share.put_back(back)

    def _refusal(self, counted: Counted, calls: int) -> Refusal:
        many = f"this {counted.word} may make {counted.share.calls} calls in {counted.seconds} seconds"
        if calls > 1:
            many += f", and this one counts {calls}"
        if counted.until is not None:
            return Refusal(counted.reason, f"{many}; they are used up", self._ends(counted.until))
        return Refusal(counted.reason, many, counted.share.wait(calls))

    def _ends(self, until: int) -> int:
        """In how many whole seconds."""
        return max(1, ceil((until - self._now) / 1000))


UNCHARGED = Charge(None, Charges(0, 0), 0)
"""Of a call that nothing limits."""
