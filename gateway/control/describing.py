"""What a listing tells of a key beside the key itself: whether it works, who made it, and when it was last used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from gateway.control.tokens import TokenOptions
from gateway.control.trail import OPERATOR
from gateway.keys import Actor, Identity, Key, Kind, Operation, expired, expires_soon, reaches, suspended
from gateway.stores.base import KeyUse, Registry, User, UserStatus


class KeyState(StrEnum):
    """Of a key that was not revoked. A suspended one works again when its user may have API keys again."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Creator:
    """`user` is the user's id where a user made the key, and the actor may know of them."""

    name: str
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Description:
    key: Key
    state: KeyState
    creator: Creator
    use: KeyUse
    expires_soon: bool
    """Whether it is time to replace it."""


class Describing:
    """`now` is milliseconds since the epoch. Raises StoreUnavailable."""

    def __init__(self, registry: Registry, options: TokenOptions, now: Callable[[], int]) -> None:
        self._registry = registry
        self._switches = options.switches
        self._warn_days = options.warn_days
        self._now = now

    async def describe(self, actor: Actor, keys: Iterable[Key]) -> tuple[Description, ...]:
        """Of keys that the actor may see."""
        keys = tuple(keys)
        uses = await self._registry.key_uses([key.id for key in keys])
        makers = {identity: await self.creator(actor, identity) for identity in {key.created_by for key in keys}}
        users = {key.identity.user for key in keys if key.identity.user is not None}
        owners = {user: await self._registry.user(user) for user in users}
        return tuple(
            Description(
                key,
                _state(key, owners.get(key.identity.user or ""), self._now()),
                makers[key.created_by],
                uses.get(key.id, KeyUse()),
                self._ends_soon(key),
            )
            for key in keys
        )

    def new(self, key: Key, creator: Creator) -> Description:
        """Of a key that was made just now."""
        return Description(key, KeyState.ACTIVE, creator, KeyUse(), self._ends_soon(key))

    def _ends_soon(self, key: Key) -> bool:
        return expires_soon(key.expires_at, self._now(), self._warn_days)

    async def creator(self, actor: Actor, identity: str | None) -> Creator:
        """How an identity is told to the actor as the maker of a key; None stands for the command line."""
        if identity is None:
            return Creator(OPERATOR)
        found = await self._registry.identity(identity)
        if found is None or found.user is None:
            return Creator("unknown" if found is None else f"{found.kind} key")
        return self._named(actor, found, await self._registry.user(found.user))

    def _named(self, actor: Actor, identity: Identity, user: User | None) -> Creator:
        """Somebody of another organization, such as a platform administrator, is not told to an organization's own."""
        if user is None or user.status is UserStatus.DELETED:
            return Creator("deleted user", identity.user)
        if reaches(actor, Operation.SEE_PEOPLE, identity, self._switches):
            return Creator(user.email, user.id)
        return Creator("user of another organization")


def _state(key: Key, owner: User | None, now: int) -> KeyState:
    if expired(key.expires_at, now):
        return KeyState.EXPIRED
    if key.identity.kind is not Kind.USER:
        return KeyState.ACTIVE
    powerless = owner is None or owner.status is not UserStatus.ACTIVE or key.identity.role is None
    return KeyState.SUSPENDED if powerless or suspended(key) else KeyState.ACTIVE
