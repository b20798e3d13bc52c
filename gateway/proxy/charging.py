"""What one call is charged, and what it is told about that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from gateway.http1 import Headers, Reason, Refusal
from gateway.keys import Principal
from gateway.keys.counting import Window
from gateway.proxy.alone import Calls, OwnPlaces


@dataclass(frozen=True, slots=True)
class Charges:
    """What a call counts for."""

    rate: int
    quota: int


@dataclass(frozen=True, slots=True)
class Counted:
    """A rate or a quota, and where it is counted. `seconds` are those of the bucket or of the period."""

    share: Calls
    word: str
    """Whose: of a key, or of an organization."""
    reason: Reason
    seconds: int
    until: int | None = None
    """Of a quota: when its period is over; milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """A limit of calls under way. The places are the same whatever it was before, so each call says what it is now."""

    places: OwnPlaces
    limit: int
    word: str
    """Whose: of a key, or of an organization."""


@dataclass(frozen=True, slots=True)
class Payer:
    """What a key is charged to, as long as it is this very principal, and `within` the periods of its quotas."""

    principal: Principal
    counted: tuple[Counted, ...]
    """Rates, then quotas."""
    places: tuple[Crowd, ...]
    windows: bytes
    within: Window


class Charge:
    """What one call is charged: `make` it, and `leave` when the call is over."""

    __slots__ = ("_charges", "_entered", "_now", "_payer")

    def __init__(self, payer: Payer | None, charges: Charges, now: int) -> None:
        self._payer = payer
        self._charges = charges
        self._now = now
        self._entered: list[OwnPlaces] = []

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
        nearest, left = _nearest(payer)
        calls = nearest.share.calls
        reset = ceil((calls - left) * nearest.seconds / calls) if nearest.until is None else self._ends(nearest.until)
        return (
            (b"ratelimit-limit", b"%d, %b" % (calls, payer.windows)),
            (b"ratelimit-remaining", b"%d" % left),
            (b"ratelimit-reset", b"%d" % reset),
            (b"ratelimit-requested", b"%d" % self._charges.rate),
        )

    def _made(self, payer: Payer) -> bool:
        """Charges everything at once if all of it is here, which is so for nearly every call."""
        for crowd in payer.places:  # all of them, whatever comes of it: a limit that fell is told once
            crowd.places.hold_to(crowd.limit)
        for crowd in payer.places:
            if not crowd.places.is_held():
                self.leave()
                return False
            crowd.places.enter_held()
            self._entered.append(crowd.places)
        for number, each in enumerate(payer.counted):
            if not each.share.take_now(self._calls(each)):
                self._put_back(payer.counted[:number])
                self.leave()
                return False
        return True

    def _calls(self, counted: Counted) -> int:
        return self._charges.rate if counted.until is None else self._charges.quota

    def _put_back(self, counted: Sequence[Counted]) -> None:
        for each in counted:
            each.share.put_back(self._calls(each))

    async def _enter(self, payer: Payer) -> Refusal | None:
        for crowd in payer.places:
            if not await crowd.places.enter():
                many = f"{crowd.limit} calls of this {crowd.word} are under way, as many as may be at once"
                return Refusal(Reason.TOO_MANY_CALLS, many, 1)
            self._entered.append(crowd.places)
        return None

    async def _take(self, payer: Payer) -> Refusal | None:
        taken: list[Counted] = []
        try:
            for each in payer.counted:
                calls = self._calls(each)
                if calls > each.share.calls or not await each.share.take(calls):
                    return self._refusal(each, calls)
                taken.append(each)
            taken.clear()  # they are used
            return None
        finally:
            self._put_back(taken)

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


def _nearest(payer: Payer) -> tuple[Counted, int]:
    """The limit of which the smallest part is left, and how many calls that is; of a payer that has one."""
    nearest, least, part = payer.counted[0], 0, 2.0
    for each in payer.counted:
        share = each.share
        left = share.remaining()
        if left < part * share.calls:
            nearest, least, part = each, left, left / share.calls
    return nearest, least


UNCHARGED = Charge(None, Charges(0, 0), 0)
"""Of a call that nothing limits."""
