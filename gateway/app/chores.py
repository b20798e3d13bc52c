"""What a gateway does beside its calls, now and then: writing last uses of keys down, counting keys that end soon.

No call waits for any of it, and none fails because of it: what fails is told in the log and tried again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from gateway.app.control import World
from gateway.keys import DAY
from gateway.metrics import Metrics
from gateway.proxy import Uses, UseWriter
from gateway.settings import Settings
from gateway.stores import StoreUnavailable
from gateway.stores.base import Registry

_log = logging.getLogger(__name__)

COUNTING_SECONDS = 300.0
"""Between two counts of keys that end soon: the warning is in days, and alerts are looked at every few minutes."""


@asynccontextmanager
async def chores(
    settings: Settings, registry: Registry, noted: Uses, metrics: Metrics, world: World
) -> AsyncIterator[None]:
    """Done while the block runs; what was noted until its end is written down then."""
    writer = UseWriter(noted, registry.note_uses, metrics, world.now)
    count = partial(_count_expiring, registry, settings.keys.warn_days, metrics, world)
    try:
        async with _beside(
            _every(settings.keys.last_used_seconds, writer.round), _every(COUNTING_SECONDS, count, at_once=True)
        ):
            yield
    finally:
        await writer.last_round()


async def _count_expiring(registry: Registry, days: int, metrics: Metrics, world: World) -> None:
    now = world.now()
    metrics.keys_expiring(days, await registry.count_expiring(now, now + days * DAY))


async def _every(seconds: float, work: Callable[[], Awaitable[None]], *, at_once: bool = False) -> None:
    if at_once:
        await _guarded(work)
    while True:
        await asyncio.sleep(seconds)
        await _guarded(work)


async def _guarded(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except StoreUnavailable as fault:
        _log.warning("%s", fault)
    except Exception:  # noqa: BLE001 (it is tried again, and calls go on)
        _log.exception("work beside the calls failed")


@asynccontextmanager
async def _beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Not a TaskGroup: what the block raises must come out as it is."""
    tasks = {asyncio.get_running_loop().create_task(each) for each in work}
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
