"""How often an address may send a key that does not work, before its calls are refused without looking anything up.

Each address has a bucket, by the generic cell rate algorithm (ATM Forum, "Traffic Management Specification 4.0",
section 4.4.2): one number says when it is full again. A call that is answered 401 takes from it. While there is none
left, calls whose key this process knows are served as ever, so that a neighbour behind the same address pays for
nobody; all others are answered 429, which takes nothing: an address that goes on gets as many 401 as its bucket fills.

The buckets are this process's own: of several workers each counts the calls that it serves, so that N of them let N
times as many through, and a new worker begins with full buckets. Likewise each knows only the keys that it has served
itself. Who has many addresses (a /48 has 65,536 that count) has as many buckets; what they protect, Redis and SQL, is
asked by each worker with `store.lookups` at once at most, from wherever the junk comes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import LRUCache

from gateway.http1 import Reason, Refusal

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class BadKeyOptions:
    calls: int = 60
    """At once by one address, and as many again in `seconds`; 0 is no limit. An office behind one address has somebody
    with an old key every day; a client that loops with one makes 22 calls a second."""
    seconds: float = 60.0
    addresses: int = 10_000
    """Addresses remembered, about 200 bytes each; the one that called the longest ago goes first, its bucket full."""


class Buckets:
    """By address. `now` is nanoseconds from anywhere, and never runs back."""

    def __init__(self, options: BadKeyOptions) -> None:
        self._each = max(1, int(options.seconds * _SECOND) // options.calls)
        self._tolerance = self._each * (options.calls - 1)
        self._full_at: LRUCache[str, int] = LRUCache(options.addresses)

    def __len__(self) -> int:
        return len(self._full_at)

    def wait(self, address: str, now: int) -> int:
        """Nanoseconds until there is something in the bucket; 0 for at once."""
        return max(0, self._full_at.get(address, now) - now - self._tolerance)

    def take(self, address: str, now: int) -> int:
        """Takes one; the nanoseconds to wait where there is none, and then nothing is taken."""
        wait = self.wait(address, now)
        if not wait:
            self._full_at[address] = max(self._full_at.get(address, now), now) + self._each
        return wait


class BadKeys:
    """Refuses calls of addresses that sent too many bad keys; `refused` is told of each one.

    An address is as `http1.counted` makes it; None is one that cannot be told, and is not limited. `clock` is
    nanoseconds from anywhere.
    """

    def __init__(
        self,
        options: BadKeyOptions | None = None,
        *,
        refused: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        options = options or BadKeyOptions()
        self._buckets = Buckets(options) if options.calls else None
        self._refused = refused
        self._clock = clock

    def look(self, address: str | None) -> Refusal | None:
        """The answer to a call of a stranger whose address is over its limit; None for one that may be looked up."""
        if address is None or self._buckets is None:
            return None
        return self._refusal(self._buckets.wait(address, self._clock()))

    def failed(self, address: str | None) -> Refusal | None:
        """Counts a key that did not work; the answer instead of 401 where the address is over its limit by now."""
        if address is None or self._buckets is None:
            return None
        return self._refusal(self._buckets.take(address, self._clock()))

    def _refusal(self, wait: int) -> Refusal | None:
        if not wait:
            return None
        self._refused()
        return Refusal(
            Reason.RATE_LIMITED,
            "too many calls of this address had no key that works; check the keys there, and wait",
            retry_after=math.ceil(wait / _SECOND),
        )
