"""A change by somebody: what they may do is looked at under the lock of the change, not as it was when they called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.control.rejection import Rejection
from gateway.http1 import Reason
from gateway.keys import Actor, Operator, Projects, expired, principal
from gateway.stores.base import Change


class Changing(Protocol):
    """What makes changes, such as a registry."""

    def change(self) -> AbstractAsyncContextManager[Change]: ...


@dataclass(frozen=True, slots=True)
class _Joined:
    """A change that somebody else ends: what is done in it is kept or lost with all the rest of it."""

    joined: Change

    @asynccontextmanager
    async def change(self) -> AsyncIterator[Change]:
        yield self.joined


@dataclass(frozen=True, slots=True)
class Changes:
    """`now` is milliseconds since the epoch."""

    registry: Changing
    projects: Projects
    now: Callable[[], int]

    @asynccontextmanager
    async def by(self, actor: Actor) -> AsyncIterator[tuple[Change, Actor]]:
        """One change, and the actor with the rights of this moment. Rejects one whose key has ended meanwhile."""
        async with self.registry.change() as change:
            yield change, await self._current(change, actor)

    def within(self, change: Change) -> Changes:
        """Changes that are all a part of one that is under way."""
        return replace(self, registry=_Joined(change))

    async def _current(self, change: Change, actor: Actor) -> Actor:
        if isinstance(actor, Operator):
            return actor
        key = await change.live_key(actor.key_id)
        if key is None or expired(key.expires_at, self.now()):
            raise Rejection(Reason.INVALID_KEY, "the API key is not valid")
        return principal(key, self.projects)
