"""What one request of the Contember face reads, within limits: one look-up at a time, and each only once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from graphql import GraphQLError, GraphQLResolveInfo

from gateway.control.desk import Desk
from gateway.control.graphql_execution import size_of
from gateway.control.rejection import Rejection
from gateway.http1 import Reason
from gateway.keys import Identity, Key, Kind, Principal
from gateway.stores.base import StoreUnavailable
from gateway.stores.values import User

T = TypeVar("T")

_PAGE = 1_000
"""Keys that one look-up brings."""
_LOOKUPS = 1_000
"""Of one request: a page of a list of members, with what each of them is asked for."""
_VALUES = 100_000
"""Fields of list items in one answer, about a second of work: 5,000 keys with all that clients ask of them."""


def refused(reason: Reason, message: str, detail: str = "") -> GraphQLError:
    """An error in the words of Contember's server; `detail` is what the gateway has to say about it."""
    code = "ForbiddenError" if reason in {Reason.NOT_ALLOWED, Reason.INVALID_KEY} else "UserInputError"
    extensions = {"code": code, "reason": reason.value} | ({"detail": detail} if detail else {})
    return GraphQLError(message, extensions=extensions)


@dataclass(frozen=True, slots=True)
class KeyShown:
    """A key; times are milliseconds since the epoch. The calling key itself has no `created_at`: it sees no listing."""

    id: str
    identity: Identity
    name: str
    enabled: bool = True
    created_at: int | None = None
    used_at: int | None = None
    expires_at: int | None = None


@dataclass
class Reading:
    """`reasons` are those of the refusals so far, for the decision log."""

    desk: Desk
    actor: Principal
    reasons: list[Reason] = field(default_factory=list)
    _known: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    _indexed: dict[str, dict[str, KeyShown]] = field(default_factory=dict)
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    _lookups: int = 0
    _values: int = 0
    _away: StoreUnavailable | None = None

    def refuse(self, reason: Reason, message: str, detail: str = "") -> GraphQLError:
        """The error to raise, noted."""
        self.reasons.append(reason)
        return refused(reason, message, detail)

    async def asked(self, doing: Coroutine[Any, Any, T]) -> T:
        """What a use case answers. Once the store was away it is not asked again, as each time may take seconds."""
        if self._away is not None:
            doing.close()
            raise self._away
        try:
            return await doing
        except StoreUnavailable as fault:
            self._away = fault
            raise

    def listed(self, items: Sequence[T], info: GraphQLResolveInfo[Reading]) -> Sequence[T]:
        """The items of a list field, as long as what is selected of them all is not too much."""
        self.spend(len(items) * size_of(info.field_nodes, info.fragments))
        return items

    def spend(self, values: int) -> None:
        """Refuses work beyond the limit; called before the work is done."""
        self._values += values
        if self._values > _VALUES:
            raise self.refuse(Reason.INVALID_INPUT, f"an answer has up to {_VALUES} values: ask for less at a time")

    async def members(self, project: str) -> tuple[Identity, ...]:
        """Who is in a project; nobody where the caller may not see it."""
        return await self._once(("members", project), lambda: self.desk.grants.members(self.actor, project))

    async def member(self, project: str, identity: str) -> Identity | None:
        """One of them."""
        grants = self.desk.grants
        return await self._once(("member", project, identity), lambda: grants.member(self.actor, project, identity))

    async def project_keys(self, project: str) -> tuple[KeyShown, ...]:
        return await self._once(("keys", project), lambda: self._keys(kinds=(Kind.PROJECT,), project=project))

    async def global_keys(self) -> tuple[KeyShown, ...]:
        """Those of global identities, and of projects' identities that are in no project any more."""
        kinds = (Kind.PROJECT, Kind.GLOBAL)
        return await self._once(("keys",), lambda: self._keys(kinds=kinds, memberless=True))

    async def key_of(self, identity: Identity, project: str | None) -> KeyShown | None:
        """A key of an identity, a live one if there is one; with a project, out of all the keys of that."""
        if project is None:
            own = await self._once(("key", identity.id), lambda: self._keys(identity=identity.id))
            return _by_identity(own).get(identity.id)
        keys = await self.project_keys(project)
        if project not in self._indexed:
            self._indexed[project] = _by_identity(keys)
        return self._indexed[project].get(identity.id)

    async def person(self, user: str) -> User | None:
        """A user; None for one whom the caller may not see."""
        return await self._once(("person", user), lambda: self._find_person(user))

    async def _find_person(self, user: str) -> User | None:
        try:
            return (await self.desk.people.find_user(self.actor, user))[0]
        except Rejection:
            return None

    async def _keys(self, **narrowed: Any) -> tuple[KeyShown, ...]:
        """All pages."""
        found: list[KeyShown] = []
        after: tuple[int, str] | None = None
        while True:
            page = await self.desk.tokens.list_keys(self.actor, limit=_PAGE, after=after, **narrowed)
            uses = await self.desk.tokens.last_uses(page)
            found += (shown(key, uses[key.id].used_at if key.id in uses else None) for key in page)
            if len(page) < _PAGE:
                return tuple(found)
            if len(found) >= _VALUES:
                raise self.refuse(Reason.INVALID_INPUT, f"there are more than {_VALUES} keys: too many for one answer")
            after = page[-1].created_at, page[-1].id

    async def _once(self, name: tuple[Any, ...], look: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with self._one:
            if name not in self._known:
                self._lookups += 1
                if self._lookups > _LOOKUPS:
                    message = f"a request may look up {_LOOKUPS} things: ask for less at a time"
                    raise self.refuse(Reason.INVALID_INPUT, message)
                self._known[name] = await self.asked(look())
            found: T = self._known[name]
            return found


def _by_identity(keys: Sequence[KeyShown]) -> dict[str, KeyShown]:
    """The oldest live key of each identity; the newest of those that are dead where none is live."""
    found: dict[str, KeyShown] = {}
    for key in keys:
        if key.identity.id not in found or not found[key.identity.id].enabled:
            found[key.identity.id] = key
    return found


def shown(key: Key, used_at: int | None = None) -> KeyShown:
    return KeyShown(key.id, key.identity, key.name, key.revoked_at is None, key.created_at, used_at, key.expires_at)
