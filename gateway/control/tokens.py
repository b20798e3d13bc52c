"""The use cases about keys, once for all faces: create, list, revoke.

Who may do what is decided by `gateway.keys.rules`; here stands how it is done, each in one change of the registry with
its audit event. Every use case may raise Rejection (nothing was changed) and StoreUnavailable.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gateway.control.minting import Issued, Mint
from gateway.control.rejection import Rejection, accepted
from gateway.http1 import Reason
from gateway.keys import (
    Actor,
    Identity,
    Key,
    Kind,
    Lifetimes,
    Operator,
    Prefix,
    Role,
    expiry,
    is_session,
    may_create,
    may_see,
    revocable,
    start,
)
from gateway.policy import DEFAULT_OPTIONS, PolicyError, PolicyOptions, parse
from gateway.stores.base import AuditEvent, Change, Registry


@dataclass(frozen=True, slots=True)
class TokenOptions:
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    policy: PolicyOptions = DEFAULT_OPTIONS
    max_name_characters: int = 256
    """Of a key's name and category: they stand in listings and in every line of the decision log."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """What may be chosen about a new key; `days` None is the default for its kind.

    `category` is a word for listings, `policy` the text of a policy; both are for account keys only.
    """

    name: str
    days: int | None = None
    category: str | None = None
    policy: str | None = None


class Tokens:
    """See the module. `now` is milliseconds since the epoch, `randomness(n)` is n bytes fit for secrets."""

    def __init__(
        self, registry: Registry, options: TokenOptions, now: Callable[[], int], randomness: Callable[[int], bytes]
    ) -> None:
        self._registry = registry
        self._options = options
        self._mint = Mint(now, randomness)

    async def create_account_key(self, actor: Actor, wanted: NewKey, *, organization: str | None = None) -> Issued:
        """A key of an organization (the actor's own unless named), limited by a policy; its text is kept as it is."""
        owner = Identity(self._mint.id(), Kind.ACCOUNT, _organization(actor, organization))
        accepted(may_create(actor, owner))
        self._refuse_policy(wanted.policy)
        issued = self._issue(actor, owner, wanted)
        async with self._registry.change() as change:
            if await change.organization(owner.organization) is None:
                raise Rejection(Reason.INVALID_INPUT, "there is no organization of this id")
            await change.add_identity(owner)
            await _add(change, actor, issued)
        return issued

    async def create_integration_key(self, actor: Actor, wanted: NewKey, *, instance: str) -> Issued:
        """A key that can synchronize one integration instance and do nothing else."""
        async with self._registry.change() as change:
            found = await change.integration_instance(instance) if _ID.fullmatch(instance) else None
            organization = found.organization if found else ""
            owner = Identity(self._mint.id(), Kind.INTEGRATION, organization, integration_instance=instance)
            if found is None or may_create(actor, owner):
                raise Rejection(Reason.NOT_ALLOWED, _NO_INSTANCE)
            issued = self._issue(actor, owner, wanted)
            await change.add_identity(owner)
            await _add(change, actor, issued)
        return issued

    async def create_user_key(self, actor: Actor, wanted: NewKey, *, owner: Identity | None = None) -> Issued:
        """A key that can do what its user can. The user is the actor; an operator names one, as the store knows it."""
        if owner is None and not isinstance(actor, Operator):
            owner = actor.identity
        if owner is None or owner.kind is not Kind.USER:
            raise Rejection(Reason.NOT_ALLOWED, "a user key stands for a user, and there is none behind this request")
        accepted(may_create(actor, owner))
        issued = self._issue(actor, owner, wanted)
        async with self._registry.change() as change:
            await _add(change, actor, issued)
        return issued

    async def revoke_key(self, actor: Actor, key_id: str) -> Key:
        """Ends a key for ever; the key as it is then. Doing it twice is fine and keeps the first `revoked_at`."""
        async with self._registry.change() as change:
            key = accepted(revocable(actor, await change.key(key_id) if _ID.fullmatch(key_id) else None))
            if key.revoked_at is not None:
                return key
            now = self._mint.now()
            await change.revoke_key(key.id, at=now, by=_name(actor))
            await change.audit(_event(now, actor, "key.revoke", key))
        return replace(key, revoked_at=now, version=key.version + 1)

    async def list_keys(self, actor: Actor) -> tuple[Key, ...]:
        """The keys that the actor may see, revoked and expired ones too, oldest first; never a login session."""
        keys = await self._registry.keys(_listed_organization(actor))
        return tuple(key for key in keys if may_see(actor, key) and not is_session(key))

    def _issue(self, actor: Actor, owner: Identity, wanted: NewKey) -> Issued:
        if owner.kind is not Kind.ACCOUNT and (wanted.category is not None or wanted.policy is not None):
            raise Rejection(Reason.INVALID_INPUT, "only account keys have a category and a policy")
        self._refuse_label("name", wanted.name)
        if wanted.category is not None:
            self._refuse_label("category", wanted.category)
        now = self._mint.now()
        secret = self._mint.secret(_PREFIX[owner.kind])
        key = Key(
            id=self._mint.id(),
            identity=owner,
            name=wanted.name,
            category=wanted.category,
            policy=wanted.policy,
            start=start(secret),
            created_at=now,
            created_by=None if isinstance(actor, Operator) else actor.identity.id,
            expires_at=accepted(expiry(owner.kind, now, wanted.days, self._options.lifetimes)),
            revoked_at=None,
        )
        return Issued(key, secret)

    def _refuse_label(self, what: str, text: str) -> None:
        limit = self._options.max_name_characters
        if not text.strip() or len(text) > limit or _UNPRINTABLE.search(text):
            message = f"the {what} of a key is a text of up to {limit} characters, without control characters"
            raise Rejection(Reason.INVALID_INPUT, message)

    def _refuse_policy(self, policy: str | None) -> None:
        if policy is None:
            raise Rejection(Reason.POLICY_REQUIRED, "an account key needs a policy: what it may do")
        try:
            parse(policy, self._options.policy)
        except PolicyError as fault:
            raise Rejection(Reason.INVALID_POLICY, f"the policy is refused: {fault}") from None


OPERATOR = "operator"
"""The command line in the audit trail."""

_PREFIX = {Kind.USER: Prefix.USER, Kind.ACCOUNT: Prefix.ACCOUNT, Kind.INTEGRATION: Prefix.INTEGRATION}
_ID = re.compile(r"[\w.-]{1,128}", re.ASCII)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NO_INSTANCE = "no integration instance of this id is yours to manage; contact a platform administrator"


async def _add(change: Change, actor: Actor, issued: Issued) -> None:
    await change.add_key(issued.key, issued.digest)
    await change.audit(_event(issued.key.created_at, actor, "key.create", issued.key))


def _name(actor: Actor) -> str:
    return OPERATOR if isinstance(actor, Operator) else actor.identity.id


def _organization(actor: Actor, named: str | None) -> str:
    organization = actor.organization if named is None else named
    if organization is None:
        raise Rejection(Reason.INVALID_INPUT, "name the organization of the key")
    return organization


def _listed_organization(actor: Actor) -> str | None:
    if isinstance(actor, Operator) or actor.identity.role is not Role.PLATFORM_ADMIN:
        return actor.organization
    return None


def _event(at: int, actor: Actor, event: str, key: Key) -> AuditEvent:
    details = {"key": key.name, "kind": key.identity.kind.value, "start": key.start}
    if not isinstance(actor, Operator):
        details["via_key"] = actor.key_id
    organization = key.identity.organization
    return AuditEvent(at, _name(actor), organization, event, key.id, tuple(sorted(details.items())))
