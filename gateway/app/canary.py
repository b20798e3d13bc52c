"""How long a revocation takes, measured by revoking a key: a canary, as miners took one along.

Each process makes a round every `store.canary_seconds`:

    make     a key that can do nothing, of a digest that nobody knows a secret for
    warm     the resolver of this process finds it, and has it in memory (and in Redis) from then on
    revoke   as every revocation is made: a change of the registry; timed from before it begins until it is acknowledged
    look     the resolver must say that there is no such key: `kept`. If it still finds one: `late`, an incident

**Why this is an honest measure.** A change is acknowledged when each gateway that uses what it remembers has said that
it has read the change, or has no lease any more (see `stores.leases`); with SQLite every call reads the changes, so it
is the commit. So the time to the acknowledgement, waiting for other changes included, is an upper bound of the lag of
every process on every machine, and it is taken by one clock of one process: no clocks of two machines are compared.
What it cannot see is an acknowledgement that comes too early. The look afterwards would see one, of this process alone;
so every process makes rounds of its own.

**What it costs.** Two changes a round in each process: two commits, and each wakes all gateways of a PostgreSQL, which
then ask for what is new. With P processes that is 2 P changes and 2 P² wakings: with 8 processes at 60 seconds 16
changes and 128 wakings a minute, of about 3 ms each; with a hundred raise the setting. The rows of a round are removed
after `_KEPT`, so the tables hold those of an hour.

A round that could not be made says nothing about revocations: `failed`, a warning, and the next one tries again. A
database that can only be read shows here first, since calls go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from gateway.app.control import World
from gateway.keys import Digest, digest
from gateway.metrics import Metrics
from gateway.stores import Absent, Store, StoreUnavailable, Unavailable
from gateway.stores.clock import boot_clock

_log = logging.getLogger(__name__)

_KEPT = 3_600_000
"""Milliseconds until a round's rows are removed: a round takes seconds, clocks of two machines differ by less, and no
gateway that answers calls stands so far back in the history."""

_UNKNOWN_BYTES = 32
"""Random bytes that are digested: as many as the digest has."""


@dataclass(frozen=True, slots=True)
class Canary:
    """Makes rounds over a store; `clock` is seconds from anywhere, those included that the machine sleeps."""

    store: Store
    metrics: Metrics
    world: World
    clock: Callable[[], float] = boot_clock

    def phase(self, seconds: float) -> float:
        """Seconds until the first round, up to those between two: not all processes start theirs at once."""
        return seconds * (1 - int.from_bytes(self.world.randomness(4)) / 2**32)

    async def round(self) -> None:
        """One round. Raises StoreUnavailable where it could not be made."""
        try:
            key_id, its = await self._made()
            self.metrics.revocation_acknowledged(await self._revoked(key_id))
            kept = await self._is_absent(its)
        except Exception:
            self.metrics.canary_ended("failed")
            raise
        if not kept:
            _log.error("a revoked key was found after its revocation was acknowledged: revocations are not in effect")
        self.metrics.canary_ended("kept" if kept else "late")

    async def _made(self) -> tuple[str, Digest]:
        """A canary that this process knows; what is left of old rounds, by whomever, is removed."""
        its = digest(self.world.randomness(_UNKNOWN_BYTES).hex())
        now = self.world.now()
        async with self.store.registry.change() as change:
            await change.remove_canaries(before=now - _KEPT, at=now)
            key_id = await change.add_canary(its, at=now)
        if await self._is_absent(its):
            raise StoreUnavailable("a key that was just made is not found")
        return key_id, its

    async def _revoked(self, key_id: str) -> float:
        """Seconds from the beginning of the revocation until it was acknowledged."""
        since = self.clock()
        async with self.store.registry.change() as change:
            await change.revoke_key(key_id, at=self.world.now(), by=key_id)
        return self.clock() - since

    async def _is_absent(self, its: Digest) -> bool:
        found = await self.store.resolver.find(its)
        if isinstance(found, Unavailable):
            raise StoreUnavailable(found.why)
        return isinstance(found, Absent)
