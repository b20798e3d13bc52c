"""The control plane over a store, for the command line and for a gateway that serves."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gateway.app import options
from gateway.control import Desk, Logins, Organizations, People, Tokens, desk_over
from gateway.settings import Settings
from gateway.stores import Observer, Store, StoreError, open_store


class StartError(Exception):
    """It cannot start; the message says why and what to do. Nothing is left open."""


@dataclass(frozen=True, slots=True)
class World:
    """What a process takes from outside: the time in milliseconds since the epoch, and bytes fit for secrets."""

    now: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    randomness: Callable[[int], bytes] = secrets.token_bytes


REAL_WORLD = World()


@dataclass(frozen=True, slots=True)
class Control:
    """The use cases over an open store."""

    store: Store
    desk: Desk
    logins: Logins

    @property
    def tokens(self) -> Tokens:
        return self.desk.tokens

    @property
    def people(self) -> People:
        return self.desk.people

    @property
    def organizations(self) -> Organizations:
        return self.desk.organizations


def control_of(store: Store, settings: Settings, world: World) -> Control:
    """The use cases over a store that is open."""
    outside = (world.now, world.randomness)
    return Control(
        store,
        desk_over(store.registry, options.tokens(settings), *outside),
        Logins(store.registry, options.logins(settings), *outside),
    )


def _opened(settings: Settings, observer: Observer | None) -> AbstractAsyncContextManager[Store]:
    return open_store(options.store(settings), projects=options.projects(settings), observer=observer)


@asynccontextmanager
async def opened_control(
    settings: Settings, *, world: World = REAL_WORLD, observer: Observer | None = None
) -> AsyncIterator[Control]:
    """The control plane over the store of the settings, open while the block runs. Raises StartError."""
    async with AsyncExitStack() as opened:
        try:
            store = await opened.enter_async_context(_opened(settings, observer))
        except StoreError as fault:
            raise StartError(str(fault)) from fault
        yield control_of(store, settings, world)
