"""Checks of upstreams' addresses: those that fail are connected to now and then, so that no call has to find out that
they still do. Nothing is sent, so that a check never shows up among the calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from gateway.proxy.addresses import Address, Addresses
from gateway.proxy.service import Service
from gateway.proxy.upstream import reachable

Reach = Callable[[str], Awaitable[str | None]]
"""Why an address cannot be connected to, or None."""


@dataclass(frozen=True, slots=True)
class CheckOptions:
    seconds: float = 2.0
    """Between two rounds; shorter than an address is left out, so that no call tries one that a check knows is away."""
    check_all: bool = False
    """Whether addresses that work are checked as well, so that one without calls is known to be away before the first;
    each process does it."""


class AddressChecks:
    """Rounds of checks."""

    def __init__(
        self, services: Iterable[Service], options: CheckOptions | None = None, *, reach: Reach = reachable
    ) -> None:
        self._services = tuple(service.addresses for service in services)
        self._options = options or CheckOptions()
        self._reach = reach

    async def round(self) -> None:
        """Checks what is to be checked, all at once."""
        await asyncio.gather(*(self._check(service, each) for service in self._services for each in self._of(service)))

    def _of(self, service: Addresses) -> tuple[Address, ...]:
        return service.all if self._options.check_all else service.failing()

    async def _check(self, service: Addresses, address: Address) -> None:
        since = time.monotonic()
        fault = await self._reach(address.url)
        service.checked(address, since, time.monotonic(), up=fault is None)


async def any_reachable(urls: Sequence[str], *, reach: Reach = reachable) -> str | None:
    """Why no address of an upstream can be connected to, or None when one can: it is up as long as one is."""
    faults = await asyncio.gather(*map(reach, urls))
    return None if None in faults else faults[0]
