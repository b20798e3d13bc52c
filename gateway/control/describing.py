"""What a listing tells of a key beside the key itself: whether it works, who made it, and when it was last used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.control.tokens import TokenOptions
from gateway.control.trail import OPERATOR
from gateway.keys import Actor, Identity, Key, Kind, Operation, expired, expires_soon, reaches, suspended
from gateway.stores.base import Registry
from gateway.stores.values import KeyUse, User, UserStatus


class KeyState(StrEnum):
    """Revoked apart. A suspended key works again when its user does, and may have API keys again."""

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
        """Of keys that the actor may see, in three look-ups however many they are."""
        keys = tuple(keys)
        uses = await self._registry.key_uses([key.id for key in keys])
        makers = await self._registry.identities({key.created_by for key in keys if key.created_by is not None})
        people = (*(key.identity for key in keys), *makers.values())
        users = await self._registry.users({each.user for each in people if each.user is not None})
        return tuple(
            Description(
                key,
                _state(key, users.get(key.identity.user or ""), self._now()),
                self._creator(actor, key.created_by, makers, users),
                uses.get(key.id, KeyUse()),
                self._ends_soon(key),
            )
            for key in keys
        )

    def new(self, key: Key, creator: Creator) -> Description:
        """Of a key that was made just now."""
        return Description(key, KeyState.ACTIVE, creator, KeyUse(), self._ends_soon(key))

    def _ends_soon(self, key: Key) -> bool:
        return key.revoked_at is None and expires_soon(key.expires_at, self._now(), self._warn_days)

    async def creator(self, actor: Actor, identity: str | None) -> Creator:
        """How an identity is told to the actor as the maker of a key; None stands for the command line."""
        makers = await self._registry.identities([] if identity is None else [identity])
        users = await self._registry.users([each.user for each in makers.values() if each.user is not None])
        return self._creator(actor, identity, makers, users)

    def _creator(
        self, actor: Actor, identity: str | None, makers: Mapping[str, Identity], users: Mapping[str, User]
    ) -> Creator:
        if identity is None:
            return Creator(OPERATOR)
        found = makers.get(identity)
        if found is None or found.user is None:
            return Creator("unknown" if found is None else f"{found.kind} key")
        return self._named(actor, found, users.get(found.user))

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
