"""How often keys and organizations may call: what a plan counts for is charged before any of it is done.

    concurrent  calls of the key, or of all keys of its organization, that are under way
    rate        a bucket; a call that the key may not make counts too, so that it cannot be tried without end
    quota       the calls of a day or a month; one that the key may not make does not count, unless an upstream had to
                be asked whether it may

All of it holds, or the call is refused whole and counts nowhere. What several gateways count together is in Redis, and
taken from there in shares of many calls, see `shares`; what a process counts alone, see `alone`; and what the count is
worth without Redis, `stores.counters`.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakValueDictionary

from cachetools import LRUCache

from gateway.http1 import Reason
from gateway.keys import UNLIMITED_CALLS, CallLimits, Principal, Quota, Rate
from gateway.keys.counting import Window, window
from gateway.proxy.alone import Calls, OwnPlaces, OwnQuota, OwnRate
from gateway.proxy.charging import UNCHARGED, Charge, Charges, Counted, Crowd, Payer
from gateway.proxy.shares import IDLE, Places, Share
from gateway.stores.counters import Counters, ProcessCounters

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """What keys and organizations are held to that have no limits of their own."""

    key: CallLimits = UNLIMITED_CALLS
    organization: CallLimits = UNLIMITED_CALLS
    room: int = 10_000
    """Keys and organizations of which this process may hold a share, about 1 KB each."""


@dataclass(frozen=True, slots=True)
class _Account:
    """A key or an organization with its limits, within the period of its quota."""

    word: str
    name: str
    limits: CallLimits
    counted: tuple[Counted, ...]
    within: Window


_EVER = Window(0, 2**63)

_TOGETHER = 16
"""Shares that are given back at once: half of the connections that Redis is given by default."""


class Limiter:
    """Charges calls. `timer` is seconds from anywhere, `now` milliseconds since the epoch."""

    def __init__(
        self,
        options: LimitOptions | None = None,
        counters: Counters | ProcessCounters | None = None,
        *,
        timer: Callable[[], float] = time.monotonic,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._options = options = options or LimitOptions()
        self._counters = counters or ProcessCounters(timer, options.room)
        self._timer = timer
        self._now = now
        self._payers: OrderedDict[str, Payer] = OrderedDict()  # the last that called at the end
        self._accounts: LRUCache[tuple[str, CallLimits], _Account] = LRUCache(options.room)
        self._places: WeakValueDictionary[str, OwnPlaces] = WeakValueDictionary()
        self._held_shares: dict[Share, None] = {}  # in the order in which they came to hold something
        self._held_places: dict[Places, None] = {}

    def charge(self, principal: Principal, charges: Charges) -> Charge:
        """What a call would be charged; `make` does it."""
        now = self._now()
        key = principal.key_id
        known = self._payers.get(key)
        if known is not None and known.principal is principal and now in known.within:
            self._payers.move_to_end(key)
            return Charge(known, charges, now)
        own, shared = self.limits(principal)
        if not own and not shared:
            return UNCHARGED
        accounts = []
        if own:
            accounts.append(self._account("key", key, own, now))
        if shared:
            accounts.append(self._account("organization", principal.organization, shared, now))
        payer = self._payers[key] = self._payer(principal, accounts)
        self._payers.move_to_end(key)
        if len(self._payers) > self._options.room:
            self._payers.popitem(last=False)
        return Charge(payer, charges, now)

    def limits(self, principal: Principal) -> tuple[CallLimits, CallLimits]:
        """What a key is held to by itself, and together with all keys of its organization."""
        own = principal.limits.over(self._options.key)
        shared = principal.organization_limits.over(self._options.organization)
        return own, shared if principal.organization else UNLIMITED_CALLS

    async def tidy(self) -> None:
        """Gives back what was not used for a second, and keeps the places that are; to be done every second."""
        await self._all(Places.renew, lambda share: share.give_back(IDLE))

    async def close(self) -> None:
        """Gives everything back."""
        await self._all(Places.give_back, lambda share: share.give_back(0))

    async def _all(self, place: Callable[[Places], Awaitable[None]], share: Callable[[Share], Awaitable[None]]) -> None:
        """Places first: they are lost when they are not renewed in time."""
        await _some_at_once(place, list(self._held_places))
        for each in [share for share in self._held_shares if not share.held]:
            del self._held_shares[each]
        await _some_at_once(share, list(self._held_shares))

    def _account(self, word: str, name: str, limits: CallLimits, now: int) -> _Account:
        key = (f"{word}:{name}", limits)
        known = self._accounts.get(key)
        if known is None or now not in known.within:
            known = self._accounts[key] = self._opened(word, key[0], limits, now)
        return known

    def _opened(self, word: str, name: str, limits: CallLimits, now: int) -> _Account:
        counted = []
        within = _EVER
        if limits.rate is not None:
            share = self._rate(name, limits.rate)
            counted.append(Counted(share, word, Reason.RATE_LIMITED, limits.rate.seconds))
        if limits.quota is not None:
            within = window(limits.quota.period, now)
            seconds = (within.until - within.since) // 1000
            share = self._quota(name, limits.quota, within)
            counted.append(Counted(share, word, Reason.QUOTA_USED_UP, seconds, within.until))
        return _Account(word, name, limits, tuple(counted), within)

    def _rate(self, name: str, rate: Rate) -> Calls:
        counters, interval = self._counters, rate.seconds / rate.calls
        if isinstance(counters, ProcessCounters):
            return OwnRate(counters.bucket_of(name, rate), self._timer)
        return Share(
            rate.calls, interval, lambda asked: counters.bucket(name, rate, asked), self._timer, self._held_shares
        )

    def _quota(self, name: str, quota: Quota, within: Window) -> Calls:
        counters = self._counters
        if isinstance(counters, ProcessCounters):
            return OwnQuota(quota.calls, counters.tally_of(name, within))
        return Share(
            quota.calls, 0, lambda asked: counters.quota(name, quota, within, asked), self._timer, self._held_shares
        )

    def _places_of(self, name: str, limit: int) -> OwnPlaces:
        """There is one of each name, whatever the limit was before, as long as anybody has it who may enter it."""
        places = self._places.get(name)
        if places is None:
            places = self._places[name] = self._new_places(name, limit)
        return places

    def _new_places(self, name: str, limit: int) -> OwnPlaces:
        counters = self._counters
        if isinstance(counters, ProcessCounters):
            return OwnPlaces(limit)
        return Places(limit, lambda *asked: counters.slots(name, *asked), self._timer, self._held_places)

    def _payer(self, principal: Principal, accounts: Sequence[_Account]) -> Payer:
        counted = [each for account in accounts for each in account.counted]
        return Payer(
            principal,
            counted=tuple(sorted(counted, key=lambda each: each.until is not None)),
            places=tuple(
                Crowd(self._places_of(account.name, account.limits.concurrent), account.limits.concurrent, account.word)
                for account in accounts
                if account.limits.concurrent is not None
            ),
            windows=", ".join(f"{each.share.calls};window={each.seconds}" for each in counted).encode(),
            within=Window(
                max(account.within.since for account in accounts), min(account.within.until for account in accounts)
            ),
        )


class Unlimited(Limiter):
    """Knows the limits and charges nothing, for administrators: whoever revokes the key that used up what an
    organization may call must not be refused for that."""

    def charge(self, principal: Principal, charges: Charges) -> Charge:  # noqa: ARG002 (nothing is asked about them)
        return UNCHARGED


async def _some_at_once(work: Callable[[T], Awaitable[None]], all_of_them: Sequence[T]) -> None:
    for first in range(0, len(all_of_them), _TOGETHER):
        await asyncio.gather(*map(work, all_of_them[first : first + _TOGETHER]))
