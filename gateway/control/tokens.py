"""The use cases about keys, once for all faces: create, list, replace, revoke.

Who may do what is decided by `gateway.keys.rules`; here stands how it is done, each in one change of the registry with
one audit event. Every use case may raise Rejection (nothing was changed) and StoreUnavailable.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from gateway.control.changing import Changes
from gateway.control.granting import Granting, refuse_gone, refuse_many_keys
from gateway.control.minting import Issued, Mint
from gateway.control.rejection import Rejection, accepted, existing
from gateway.control.texts import is_id, is_printable
from gateway.control.trail import key_event, name_of
from gateway.http1 import Reason
from gateway.keys import (
    DEFAULT_SWITCHES,
    UNLIMITED_CALLS,
    Actor,
    CallLimits,
    Digest,
    Extent,
    Identity,
    Key,
    Kind,
    Lifetimes,
    Membership,
    Operation,
    Operator,
    Prefix,
    Principal,
    Projects,
    Switches,
    acceptable_digest,
    digest,
    expired,
    expiry,
    expiry_at,
    is_session,
    may_create,
    may_give_roles,
    may_see,
    ranks,
    renewed,
    revocable,
    shortened,
    start,
    visible,
)
from gateway.policy import DEFAULT_OPTIONS, PolicyError, PolicyOptions, parse
from gateway.stores.base import Change, Conflict, Registry
from gateway.stores.values import KeyQuery, KeyUse


@dataclass(frozen=True, slots=True)
class TokenOptions:
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    policy: PolicyOptions = DEFAULT_OPTIONS
    switches: Switches = DEFAULT_SWITCHES
    projects: Projects = field(default_factory=dict)
    plain_secrets: bool = False
    """Whether projects' and global keys get secrets in Contember's form instead of ours."""
    max_name_characters: int = 256
    """Of a key's name and category: they stand in listings and in every line of the decision log."""
    max_memberships: int = 20
    """Of an identity in one project: each is a policy that is read when a key is compiled, and held against the
    giver's own."""
    max_overlap_hours: int = 168
    """How long a key may live on beside the one that replaces it: a week is enough to reach every place it is in."""
    warn_days: int = 14
    """How long before its end a key is said to expire soon: two weeks are enough to plan its replacement."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """What may be chosen about a new key.

    `days` or `expires_at` (milliseconds since the epoch) is its end, neither the default for its kind. `category` is a
    word for listings, `policy` the text of a policy; both are for account keys only. `digest` is the SHA-256 of a
    secret that its owner chose: then none is made. `limits` are for whoever may set them afterwards, too.
    """

    name: str
    days: int | None = None
    category: str | None = None
    policy: str | None = None
    expires_at: int | None = None
    digest: str | None = None
    limits: CallLimits = UNLIMITED_CALLS


class Tokens:
    """See the module. `now` is milliseconds since the epoch, `randomness(n)` is n bytes fit for secrets."""

    def __init__(
        self, registry: Registry, options: TokenOptions, now: Callable[[], int], randomness: Callable[[int], bytes]
    ) -> None:
        self._registry = registry
        self._options = options
        self._switches = options.switches
        self._mint = Mint(now, randomness, plain=options.plain_secrets)
        self._changes = Changes(registry, options.projects, now)
        self._granting = Granting(options.projects, options.policy, options.switches, options.max_memberships)

    def within(self, change: Change) -> Tokens:
        """The same use cases as a part of a change that is under way: what they do is kept or lost with it."""
        joined = copy.copy(self)
        joined._changes = self._changes.within(change)  # noqa: SLF001 (its own)
        return joined

    # --- creating

    async def create_account_key(self, caller: Actor, wanted: NewKey, *, organization: str | None = None) -> Issued:
        """A key of an organization (the actor's own unless named), limited by a policy; its text is kept as it is."""
        async with self._changes.by(caller) as (change, actor):
            owner = Identity(self._mint.id(), Kind.ACCOUNT, _organization(actor, organization))
            accepted(may_create(actor, owner, self._switches))
            self._refuse_policy(wanted.policy)
            return await self._add(change, actor, owner, wanted)

    async def create_organization_key(
        self, caller: Actor, wanted: NewKey, *, organization: str | None = None
    ) -> Issued:
        """A super key: it may do everything in the product data of its organization."""
        async with self._changes.by(caller) as (change, actor):
            owner = Identity(self._mint.id(), Kind.ORGANIZATION, _organization(actor, organization))
            accepted(may_create(actor, owner, self._switches))
            return await self._add(change, actor, owner, wanted)

    async def create_integration_key(self, caller: Actor, wanted: NewKey, *, instance: str) -> Issued:
        """A key that can synchronize one integration instance and do nothing else."""
        async with self._changes.by(caller) as (change, actor):
            found = await change.integration_instance(instance) if is_id(instance) else None
            organization = found.organization if found else ""
            owner = Identity(self._mint.id(), Kind.INTEGRATION, organization, integration_instance=instance)
            if found is None or may_create(actor, owner, self._switches):
                raise Rejection(Reason.NOT_ALLOWED, _NO_INSTANCE)
            return await self._add(change, actor, owner, wanted)

    async def create_user_key(
        self, caller: Actor, wanted: NewKey, *, organization: str | None = None, owner: Identity | None = None
    ) -> Issued:
        """A key that can do what its user can, in one organization: the actor's own unless another is named.

        The user is the actor, and one who names another is refused; an operator has to name one, as the store knows
        it. Only a login can choose another organization: a key of one organization does not lead into the next.
        """
        async with self._changes.by(caller) as (change, actor):
            if isinstance(actor, Principal) and owner is None:
                owner = actor.identity
            if owner is None or owner.kind is not Kind.USER or owner.user is None:
                raise Rejection(Reason.NOT_ALLOWED, "a user key stands for a user: there is none behind this request")
            if organization not in (None, owner.organization):
                free = isinstance(actor, Principal) and actor.session and is_id(organization or "")
                other = await change.identity_of(owner.user, organization or "") if free else None
                owner = existing(other, Reason.UNKNOWN_ORGANIZATION, "organization")
            owner = existing(await change.identity(owner.id), Reason.UNKNOWN_USER, "user")
            if owner.role is None:
                raise Rejection(Reason.NOT_ALLOWED, "the user is no member of this organization")
            accepted(may_create(actor, owner, self._switches))
            await refuse_gone(change, owner)
            if isinstance(actor, Principal):
                await refuse_many_keys(change, owner.user or "")
            return await self._add(change, actor, owner, wanted)

    async def create_project_key(
        self, caller: Actor, wanted: NewKey, *, project: str, memberships: Sequence[Membership]
    ) -> Issued:
        """A key of its own identity with memberships in a project; the name is the identity's description too."""
        async with self._changes.by(caller) as (change, actor):
            scope = self._granting.project(actor, project, Operation.CREATE_PROJECT_KEY)
            _refuse_digest(wanted.digest)
            owner = Identity(
                self._mint.id(),
                Kind.PROJECT,
                scope.organization,
                description=wanted.name,
                memberships=tuple(memberships),
            )
            self._granting.refuse_memberships(actor, scope, owner, memberships)
            return await self._add(change, actor, owner, wanted)

    async def create_global_key(self, caller: Actor, wanted: NewKey, *, roles: Iterable[str]) -> Issued:
        """A key of its own identity with global roles, in no organization."""
        async with self._changes.by(caller) as (change, actor):
            given = self._granting.roles(actor, roles, Operation.CREATE_GLOBAL_KEY)
            owner = Identity(self._mint.id(), Kind.GLOBAL, "", description=wanted.name, roles=given)
            accepted(may_create(actor, owner, self._switches))
            return await self._add(change, actor, owner, wanted)

    async def _add(self, change: Change, actor: Actor, owner: Identity, wanted: NewKey) -> Issued:
        self._granting.refuse_limits(actor, owner, wanted.limits)
        issued, its_digest = self._issue(actor, owner, wanted, await self._lifetimes(change, owner))
        try:
            if await change.identity(owner.id) is None:
                await change.add_identity(owner)
            await change.add_key(issued.key, its_digest)
        except Conflict:
            raise Rejection(
                Reason.INVALID_INPUT, "the digest of this secret is in use already: choose another"
            ) from None
        await change.audit(key_event(issued.key.created_at, actor, "key.create", issued.key))
        return issued

    async def _lifetimes(self, change: Change, owner: Identity) -> Lifetimes:
        if owner.kind is Kind.GLOBAL:
            return self._options.lifetimes
        organization = await change.organization(owner.organization) if is_id(owner.organization) else None
        if organization is None:
            raise Rejection(Reason.UNKNOWN_ORGANIZATION, "there is no organization of this id")
        return self._options.lifetimes.within(organization.max_key_days)

    def _issue(self, actor: Actor, owner: Identity, wanted: NewKey, lifetimes: Lifetimes) -> tuple[Issued, Digest]:
        if owner.kind is not Kind.ACCOUNT and (wanted.category is not None or wanted.policy is not None):
            raise Rejection(Reason.INVALID_INPUT, "only account keys have a category and a policy")
        self._refuse_label("name", wanted.name)
        if wanted.category is not None:
            self._refuse_label("category", wanted.category)
        _refuse_digest(wanted.digest)
        now = self._mint.now()
        if wanted.expires_at is not None:
            end: int | None = accepted(expiry_at(now, wanted.expires_at, lifetimes))
        else:
            end = accepted(expiry(owner.kind, now, wanted.days, lifetimes))
        secret = self._mint.secret(_PREFIX[owner.kind]) if wanted.digest is None else ""
        key = Key(
            id=self._mint.id(),
            identity=owner,
            name=wanted.name,
            category=wanted.category,
            policy=wanted.policy,
            start=start(secret),
            created_at=now,
            created_by=None if isinstance(actor, Operator) else actor.identity.id,
            created_via=None if isinstance(actor, Operator) else actor.key_id,
            expires_at=end,
            revoked_at=None,
            limits=wanted.limits,
        )
        return Issued(key, secret), digest(secret) if wanted.digest is None else Digest(wanted.digest)

    def _refuse_label(self, what: str, text: str) -> None:
        limit = self._options.max_name_characters
        if not text.strip() or not is_printable(text, limit):
            message = f"the {what} of a key is a text of up to {limit} characters, without control characters"
            raise Rejection(Reason.INVALID_INPUT, message)

    def _refuse_policy(self, policy: str | None) -> None:
        if policy is None:
            raise Rejection(Reason.POLICY_REQUIRED, "an account key needs a policy: what it may do")
        try:
            parse(policy, self._options.policy)
        except PolicyError as fault:
            raise Rejection(Reason.INVALID_POLICY, f"the policy is refused: {fault}") from None

    # --- ending and replacing

    async def revoke_key(self, caller: Actor, key_id: str) -> Key:
        """Ends a key for ever; the key as it is then. Doing it twice is fine and keeps the first `revoked_at`."""
        async with self._changes.by(caller) as (change, actor):
            key = await self._revocable(change, actor, key_id)
            if key.revoked_at is not None:
                return key
            now = self._mint.now()
            await change.revoke_key(key.id, at=now, by=name_of(actor))
            await change.audit(key_event(now, actor, "key.revoke", key))
        return replace(key, revoked_at=now, revoked_by=name_of(actor), version=key.version + 1)

    async def rotate_key(self, caller: Actor, key_id: str, *, overlap_seconds: int) -> Issued:
        """A new key in the place of a live one: same identity, name, policy, limits, and as long a life.

        The old one ends after the overlap, or when it was to end if that is earlier; without an overlap it is revoked.
        """
        if not 0 <= overlap_seconds <= self._options.max_overlap_hours * 3600:
            message = f"the overlap is 0 to {self._options.max_overlap_hours * 3600} seconds"
            raise Rejection(Reason.INVALID_INPUT, message)
        async with self._changes.by(caller) as (change, actor):
            old = await self._revocable(change, actor, key_id)
            self._refuse_rotation(actor, old)
            if await change.live_key(old.id) is None:  # the operator may do this for a user who is gone
                raise Rejection(Reason.INVALID_INPUT, _NOT_LIVE)
            now = self._mint.now()
            lifetimes = await self._lifetimes(change, old.identity)
            end = renewed(now, old.created_at, old.expires_at, lifetimes)
            wanted = NewKey(old.name, category=old.category, policy=old.policy, limits=old.limits)
            issued, its_digest = self._issue(actor, old.identity, wanted, lifetimes)
            issued = replace(issued, key=replace(issued.key, expires_at=end))
            await change.add_key(issued.key, its_digest)
            if overlap_seconds:
                await change.shorten_key(old.id, expires_at=shortened(now, old.expires_at, overlap_seconds * 1000))
            else:
                await change.revoke_key(old.id, at=now, by=name_of(actor))
            await change.audit(key_event(now, actor, "key.rotate", issued.key, replaces=old.id))
        return issued

    def _refuse_rotation(self, actor: Actor, old: Key) -> None:
        """Whoever gets the new secret must be somebody who could have made the key."""
        accepted(may_create(actor, old.identity, self._switches))
        if not ranks(actor, old.identity, self._switches):
            raise Rejection(Reason.NOT_ALLOWED, "you cannot replace this key; contact a platform administrator")
        if old.identity.kind is Kind.GLOBAL:
            accepted(may_give_roles(actor, old.identity.roles, Operation.CREATE_GLOBAL_KEY, self._switches))
        self._granting.refuse_more_than_own(actor, old.identity)
        if is_session(old) or old.revoked_at is not None or expired(old.expires_at, self._mint.now()):
            raise Rejection(Reason.INVALID_INPUT, _NOT_LIVE)

    async def _revocable(self, change: Change, actor: Actor, key_id: str) -> Key:
        return accepted(revocable(actor, await change.key(key_id) if is_id(key_id) else None, self._switches))

    # --- looking

    async def list_keys(  # noqa: PLR0913 (what listings are narrowed by)
        self,
        actor: Actor,
        *,
        limit: int,
        after: tuple[int, str] | None = None,
        kinds: Iterable[Kind] = tuple(Kind),
        organization: str | None = None,
        identity: str | None = None,
        instance: str | None = None,
        project: str | None = None,
        revoked: bool = True,
        memberless: bool = False,
    ) -> tuple[Key, ...]:
        """A page of the keys that the actor may see, oldest first; expired ones too, never a login session.

        `after` is (created_at, id) of the last key of the page before; `memberless` are those in no project.
        """
        seen = visible(actor, self._switches)
        chosen = {kind: _within(seen[kind], Extent(organization=organization, project=project)) for kind in kinds}
        named = (organization, identity, instance, project)
        if not all(is_id(each) for each in named if each is not None):
            return ()
        query = KeyQuery(
            chosen,
            limit,
            after=after,
            revoked=revoked,
            identity=identity,
            instance=instance,
            memberless=memberless,
        )
        return await self._registry.keys(query)

    async def find_key(self, actor: Actor, key_id: str, *, revoked: bool = True) -> Key:
        """One key that the actor may see; a session is none, and where `revoked` is False, so is a revoked key."""
        key = await self._registry.key(key_id) if is_id(key_id) else None
        if key is not None and key.revoked_at is not None and not revoked:
            key = None
        if key is None or is_session(key) or not may_see(actor, key, self._switches):
            raise Rejection(Reason.UNKNOWN_KEY, "no key of this id is yours to see; contact a platform administrator")
        return key

    async def last_uses(self, keys: Iterable[Key]) -> dict[str, KeyUse]:
        """When keys were last used, by key; what was never used is not in it."""
        return await self._registry.key_uses([key.id for key in keys])


_PREFIX = {
    Kind.USER: Prefix.USER,
    Kind.ACCOUNT: Prefix.ACCOUNT,
    Kind.ORGANIZATION: Prefix.ORGANIZATION,
    Kind.INTEGRATION: Prefix.INTEGRATION,
    Kind.PROJECT: Prefix.PROJECT,
    Kind.GLOBAL: Prefix.GLOBAL,
}
_NOT_LIVE = "only a live API key can be replaced"
_NO_INSTANCE = (
    "no integration instance of this id is yours to manage: a key is made for a configuration of an integration, which "
    "must have one; contact a platform administrator"
)


def _refuse_digest(chosen: str | None) -> None:
    if chosen is not None and not acceptable_digest(chosen):
        message = "the digest of a secret is its SHA-256 in 64 lower-case hexadecimal digits, and not that of a word"
        raise Rejection(Reason.INVALID_INPUT, message)


def _organization(actor: Actor, named: str | None) -> str:
    organization = actor.organization if named is None else named
    if not organization:
        raise Rejection(Reason.INVALID_INPUT, "name the organization of the key")
    return organization


def _within(extents: Iterable[Extent], wanted: Extent) -> tuple[Extent, ...]:
    """What of the extents is in the wanted one too."""
    return tuple(
        Extent(each.organization or wanted.organization, each.user, each.project or wanted.project)
        for each in extents
        if each.organization in (None, wanted.organization or each.organization)
        and each.project in (None, wanted.project or each.project)
    )
