"""What a gateway does beside its calls, now and then: writing last uses of keys down, counting keys that end soon,
measuring how long a revocation takes, bringing the metrics up to date, connecting to addresses of upstreams that fail,
hearing of alarms that other gateways met, probing upstreams for what is assumed of their query language.

No call waits for any of it, and none fails because of it: what fails is told in the log and tried again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Protocol

from gateway.app import options
from gateway.app.canary import Canary
from gateway.app.control import World
from gateway.keys import DAY
from gateway.metrics import Metrics
from gateway.proxy import AddressChecks, Calibrations, ConditionProbes, Deps, UseWriter
from gateway.proxy.alarms import SECONDS as ALARM_SECONDS
from gateway.proxy.shares import IDLE
from gateway.settings import Settings
from gateway.stores import Store, StoreUnavailable
from gateway.stores.base import Registry

_log = logging.getLogger(__name__)

_ENDING_SECONDS = 5.0
"""For work that is under way when the gateway stops."""

COUNTING_SECONDS = 300.0
"""Between two counts of keys that end soon: the warning is in days, and alerts are looked at every few minutes."""


FOLDING_SECONDS = 1.0
"""Between two times at which the metrics of this worker are brought up to date for those who read another's."""


STARTING_SECONDS = 2.0
"""Within which the first round of probes begins: the workers of one machine start theirs at different times."""

CONDITION_SECONDS = 1.0
"""Between two looks for conditions of policies that were used for the first time."""


class Every(Protocol):
    """Begins to do something every so many seconds, the first time after as many, or after `first`."""

    def __call__(self, seconds: float, work: Callable[[], Awaitable[None]], *, first: float | None = None) -> None: ...


@asynccontextmanager
async def chores(
    settings: Settings, store: Store, deps: Deps, world: World, calibrations: Calibrations
) -> AsyncIterator[None]:
    """Done while the block runs; what was noted until its end is written down then."""
    write = partial(store.registry.note_uses, step=deps.uses.step)
    writer = UseWriter(deps.uses, write, deps.metrics, world.now)
    count = partial(_count_expiring, store.registry, settings.keys.warn_days, deps.metrics, world)
    canary, each = Canary(store, deps.metrics, world), settings.store.canary_seconds
    checks = options.checks(settings)
    alarms = deps.pages.alarms
    await alarms.hear()  # before the first call, which might be of a class that is refused
    try:
        async with _beside() as every:
            every(ALARM_SECONDS, alarms.hear)
            every(ALARM_SECONDS, alarms.tell)
            every(checks.seconds, AddressChecks(deps.services(), checks).round)
            every(settings.keys.last_used_seconds, writer.round)
            every(COUNTING_SECONDS, count, first=0)
            every(each, canary.round, first=canary.phase(each))
            every(IDLE, deps.limiter.tidy)
            every(FOLDING_SECONDS, partial(_fold, deps.metrics))
            if settings.calibration.on:
                every(settings.calibration.every, calibrations.round, first=_phase(STARTING_SECONDS, world))
                probes = ConditionProbes(deps, options.calibration(settings))
                every(CONDITION_SECONDS, probes.round)
            yield
    finally:
        await deps.limiter.close()
        await writer.last_round()


async def _count_expiring(registry: Registry, days: int, metrics: Metrics, world: World) -> None:
    now = world.now()
    metrics.keys_expiring(days, await registry.count_expiring(now, now + days * DAY))


def _phase(seconds: float, world: World) -> float:
    """Seconds between 0 and so many, another number in each process."""
    return seconds * int.from_bytes(world.randomness(4)) / 2**32


async def _fold(metrics: Metrics) -> None:
    metrics.fold()


async def _guarded(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except StoreUnavailable as fault:
        _log.warning("%s", fault)
    except Exception:  # noqa: BLE001 (it is tried again, and calls go on)
        _log.exception("work beside the calls failed")


@asynccontextmanager
async def _beside() -> AsyncIterator[Every]:
    """What is begun goes on while the block runs. Then work under way may end, since a query that is broken off leaves
    its connection behind; and is broken off in the end. Not a TaskGroup: what the block raises must come out as it is.
    """
    over = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    def every(seconds: float, work: Callable[[], Awaitable[None]], *, first: float | None = None) -> None:
        pause = seconds if first is None else first
        tasks.add(asyncio.get_running_loop().create_task(_repeat(seconds, work, over, pause)))

    try:
        yield every
    finally:
        over.set()
        _, late = await asyncio.wait(tasks, timeout=_ENDING_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _repeat(seconds: float, work: Callable[[], Awaitable[None]], over: asyncio.Event, pause: float) -> None:
    while not over.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await over.wait()
        if not over.is_set():
            await _guarded(work)
        pause = seconds
