"""How often an address may send a key that does not work, before its calls are refused without looking anything up.

Each address has a bucket, see `keys.counting`. A call that is answered 401 takes from it. While there is none left,
calls whose key this process knows are served as ever, so that a neighbour behind the same address pays for nobody; all
others are answered 429, which takes nothing: an address that goes on gets as many 401 as its bucket fills.

The buckets are this process's own: of several workers each counts the calls that it serves, so that N of them let N
times as many through, and a new worker begins with full buckets. Likewise each knows only the keys that it has served
itself. Who has many addresses (a /48 has 65,536 that count) has as many buckets; what they protect, Redis and SQL, is
asked by each worker with `store.lookups` at once at most, from wherever the junk comes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cachetools import LRUCache

from gateway.http1 import Reason, Refusal
from gateway.keys import Rate
from gateway.keys.counting import Asked, from_bucket, until_next

_FULL = -math.inf


@dataclass(frozen=True, slots=True)
class BadKeyOptions:
    rate: Rate | None = field(default_factory=lambda: Rate(60, 60))
    """Of one address; None is no limit. An office behind one address has somebody with an old key every day; a client
    that loops with one makes 22 calls a second."""
    addresses: int = 10_000
    """Addresses remembered, about 200 bytes each; the one that called the longest ago goes first, its bucket full."""


class BadKeys:
    """Refuses calls of addresses that sent too many bad keys; `refused` is told of each one.

    An address is as `http1.counted_as` makes it; None is one that cannot be told, and is not limited. `timer` is
    seconds from anywhere.
    """

    def __init__(
        self,
        options: BadKeyOptions | None = None,
        *,
        refused: Callable[[], None] = lambda: None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        options = options or BadKeyOptions()
        self._rate = options.rate
        self._full_at: LRUCache[str, float] = LRUCache(options.addresses)
        self._refused = refused
        self._timer = timer

    def __len__(self) -> int:
        return len(self._full_at)

    def look(self, address: str | None) -> Refusal | None:
        """The answer to a call of a stranger whose address is over its limit; None for one that may be looked up."""
        if address is None or self._rate is None:
            return None
        wait = until_next(self._full_at.get(address, _FULL), self._rate, self._timer())
        return self._refusal(wait) if wait else None

    def failed(self, address: str | None) -> Refusal | None:
        """Counts a key that did not work; the answer instead of 401 where the address is over its limit by now."""
        if address is None or self._rate is None:
            return None
        full_at, now = self._full_at.get(address, _FULL), self._timer()
        self._full_at[address], given = from_bucket(full_at, self._rate, Asked(1), now)
        return None if given.calls else self._refusal(until_next(full_at, self._rate, now))

    def _refusal(self, wait: float) -> Refusal:
        self._refused()
        message = "too many calls of this address had no key that works; check the keys there, and wait"
        return Refusal(Reason.RATE_LIMITED, message, retry_after=max(1, math.ceil(wait)))
