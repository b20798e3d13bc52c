"""How often keys and organizations may call: what a plan counts for is charged before any of it is done.

    concurrent  calls of the key, or of all keys of its organization, that are under way
    rate        a bucket; a call that the key may not make counts too, so that it cannot be tried without end
    quota       the calls of a day or a month; one that the key may not make does not count

All of it holds, or the call is refused whole and counts nowhere. What several gateways count together is in Redis, and
taken from there in shares of many calls, see `shares`; what the count is worth without Redis, see `stores.counters`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import ceil

from cachetools import LRUCache

from gateway.http1 import Headers, Reason, Refusal
from gateway.keys import UNLIMITED_CALLS, CallLimits, Principal, Quota, Rate
from gateway.keys.counting import Window, window
from gateway.proxy.shares import IDLE, Places, Share
from gateway.stores.counters import Counters, ProcessCounters


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """What keys and organizations are held to that have no limits of their own."""

    key: CallLimits = UNLIMITED_CALLS
    organization: CallLimits = UNLIMITED_CALLS
    room: int = 10_000
    """Keys and organizations of which this process may hold a share, about 1 KB each."""


@dataclass(frozen=True, slots=True)
class Charges:
    """What a call counts for."""

    rate: int
    quota: int


@dataclass(frozen=True, slots=True)
class _Counted:
    """A rate or a quota, and what this process holds of it. `seconds` are those of the bucket or of the period."""

    share: Share
    word: str
    """Whose: of a key, or of an organization."""
    reason: Reason
    seconds: int
    until: int | None = None
    """Of a quota: when its period is over; milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class _Account:
    """A key or an organization with its limits, until a period is over."""

    word: str
    counted: tuple[_Counted, ...]
    places: Places | None
    until: int


@dataclass(frozen=True, slots=True)
class _Payer:
    """What a key is charged to, as long as it is this very principal, and until a period is over."""

    principal: Principal
    rates: tuple[_Counted, ...]
    quotas: tuple[_Counted, ...]
    places: tuple[tuple[Places, str], ...]
    windows: str
    until: int


_FOR_EVER = 2**63

_TOGETHER = 16
"""Shares that are given back at once: half of the connections that Redis is given by default."""


class Charge:
    """What one call is charged: `make` it, and `leave` when the call is over."""

    __slots__ = ("_charges", "_entered", "_now", "_payer")

    def __init__(self, payer: _Payer | None, charges: Charges, now: int) -> None:
        self._payer = payer
        self._charges = charges
        self._now = now
        self._entered: list[Places] = []

    async def make(self) -> Refusal | None:
        """Charges everything, or nothing: then why not."""
        payer = self._payer
        if payer is None or self._made(payer):
            return None
        refusal = await self._enter(payer) or await self._take(payer)
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

    def _made(self, payer: _Payer) -> bool:
        """Charges everything at once if all of it is held here, which is so for nearly every call of a hot key."""
        rate, quota = self._charges.rate, self._charges.quota
        if any(places.used >= places.ours for places, _ in payer.places):
            return False
        if any(each.share.held < rate for each in payer.rates) or any(each.share.held < quota for each in payer.quotas):
            return False
        for places, _ in payer.places:
            places.enter_held()
            self._entered.append(places)
        for each in payer.rates:
            each.share.take_held(rate)
        for each in payer.quotas:
            each.share.take_held(quota)
        return True

    async def _enter(self, payer: _Payer) -> Refusal | None:
        for places, word in payer.places:
            if not await places.enter():
                many = f"{places.limit} calls of this {word} are under way, as many as may be at once"
                return Refusal(Reason.TOO_MANY_CALLS, many, 1)
            self._entered.append(places)
        return None

    async def _take(self, payer: _Payer) -> Refusal | None:
        taken: list[tuple[Share, int]] = []
        rate, quota = self._charges.rate, self._charges.quota
        for counted, calls in [*((each, rate) for each in payer.rates), *((each, quota) for each in payer.quotas)]:
            if calls > counted.share.calls or not await counted.share.take(calls):
                for share, back in taken:
                    share.put_back(back)
                return self._refusal(counted, calls)
            taken.append((counted.share, calls))
        return None

    def _refusal(self, counted: _Counted, calls: int) -> Refusal:
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


class _Accounts(LRUCache[tuple[str, CallLimits], _Account]):
    """Those that were not used for longest make room; `forget` is called then, as somebody may hold one."""

    def __init__(self, room: int, forget: Callable[[], None]) -> None:
        super().__init__(room)
        self._forget = forget

    def popitem(self) -> tuple[tuple[str, CallLimits], _Account]:
        self._forget()
        return super().popitem()


class Limiter:
    """Charges calls. `timer` is seconds from anywhere, `now` milliseconds since the epoch."""

    def __init__(
        self,
        options: LimitOptions | None = None,
        counters: Counters | None = None,
        *,
        timer: Callable[[], float] = time.monotonic,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._options = options = options or LimitOptions()
        self._counters = counters or ProcessCounters(timer, options.room)
        self._timer = timer
        self._now = now
        self._payers: LRUCache[str, _Payer] = LRUCache(options.room)
        self._accounts = _Accounts(options.room, self._payers.clear)

    def charge(self, principal: Principal, charges: Charges) -> Charge:
        """What a call would be charged; `make` does it."""
        now = self._now()
        known = self._payers.get(principal.key_id)
        if known is not None and known.principal is principal and now < known.until:
            return Charge(known, charges, now)
        own, shared = self.limits(principal)
        if not own and not shared:
            return UNCHARGED
        accounts = []
        if own:
            accounts.append(self._account("key", principal.key_id, own, now))
        if shared:
            accounts.append(self._account("organization", principal.organization, shared, now))
        payer = self._payers[principal.key_id] = _payer(principal, accounts)
        return Charge(payer, charges, now)

    def limits(self, principal: Principal) -> tuple[CallLimits, CallLimits]:
        """What a key is held to by itself, and together with all keys of its organization."""
        own = principal.limits.over(self._options.key)
        shared = principal.organization_limits.over(self._options.organization)
        return own, shared if principal.organization else UNLIMITED_CALLS

    async def tidy(self) -> None:
        """Gives back what was not used for a second, and keeps the places that are; to be done every second."""
        await self._all(lambda share: share.give_back(IDLE), Places.renew)

    async def close(self) -> None:
        """Gives everything back."""
        await self._all(lambda share: share.give_back(0), Places.renew)

    async def _all(self, share: Callable[[Share], Awaitable[None]], place: Callable[[Places], Awaitable[None]]) -> None:
        accounts = list(self._accounts.values())
        shares = [each.share for account in accounts for each in account.counted if each.share.held]
        places = [account.places for account in accounts if account.places is not None and account.places.ours]
        for first in range(0, len(shares), _TOGETHER):
            await asyncio.gather(*map(share, shares[first : first + _TOGETHER]))
        for first in range(0, len(places), _TOGETHER):
            await asyncio.gather(*map(place, places[first : first + _TOGETHER]))

    def _account(self, word: str, name: str, limits: CallLimits, now: int) -> _Account:
        key = (f"{word}:{name}", limits)
        known = self._accounts.get(key)
        if known is None or known.until <= now:
            known = self._accounts[key] = self._opened(word, key[0], limits, now, known)
        return known

    def _opened(self, word: str, name: str, limits: CallLimits, now: int, before: _Account | None) -> _Account:
        """`before` is the account of the day or month that is over; its places are used still."""
        counted = []
        until = _FOR_EVER
        if limits.rate is not None:
            counted.append(_Counted(self._bucket(name, limits.rate), word, Reason.RATE_LIMITED, limits.rate.seconds))
        if limits.quota is not None:
            within = window(limits.quota.period, now)
            until = within.until
            seconds = (until - within.since) // 1000
            share = self._quota(name, limits.quota, within)
            counted.append(_Counted(share, word, Reason.QUOTA_USED_UP, seconds, until))
        places = before.places if before is not None else self._opened_places(name, limits.concurrent)
        return _Account(word, tuple(counted), places, until)

    def _bucket(self, name: str, rate: Rate) -> Share:
        counters = self._counters
        return Share(
            rate.calls, rate.seconds / rate.calls, lambda asked: counters.bucket(name, rate, asked), self._timer
        )

    def _quota(self, name: str, quota: Quota, within: Window) -> Share:
        counters = self._counters
        return Share(quota.calls, 0, lambda asked: counters.quota(name, quota, within, asked), self._timer)

    def _opened_places(self, name: str, limit: int | None) -> Places | None:
        if limit is None:
            return None
        counters = self._counters
        return Places(limit, lambda used, wanted: counters.slots(name, limit, used, wanted), self._timer)


def _payer(principal: Principal, accounts: Sequence[_Account]) -> _Payer:
    counted = [each for account in accounts for each in account.counted]
    return _Payer(
        principal,
        rates=tuple(each for each in counted if each.until is None),
        quotas=tuple(each for each in counted if each.until is not None),
        places=tuple((account.places, account.word) for account in accounts if account.places is not None),
        windows=", ".join(f"{each.share.calls};window={each.seconds}" for each in counted),
        until=min(account.until for account in accounts),
    )
