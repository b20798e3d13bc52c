"""The two contracts of this package: `Resolver` for the data plane, `Registry` for the control plane.

A resolver has three answers, because the absence of an answer is not an answer: an outage must never read as
"invalid key" nor as an open door. The registry raises `StoreUnavailable` instead: a change either happened or not.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from gateway.keys import (
    CallLimits,
    Digest,
    GlobalRole,
    Identity,
    Key,
    Membership,
    Principal,
    Role,
)
from gateway.stores.chain import Head, Verdict
from gateway.stores.values import (
    Alarm,
    AuditEvent,
    Group,
    IntegrationInstance,
    KeyQuery,
    KeyUse,
    Member,
    Organization,
    User,
)


@dataclass(frozen=True, slots=True)
class Absent:
    """No live key has this digest; `why` is for the decision log alone: unknown, revoked, expired."""

    why: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The store cannot tell now; `why` names the part that is away."""

    why: str


Found = Principal | Absent | Unavailable


class Resolver(Protocol):
    """Digest -> principal."""

    async def find(self, digest: Digest) -> Found:
        """Never raises: every outage is `Unavailable`. A change that was committed before the call began is seen."""
        ...

    def held(self, digest: Digest, came: float = math.inf) -> Principal | None:
        """The principal that `find` would answer with, where that can be told at once; None where `find` must tell.

        `came` is when the whole head of the call was here, seconds of `time.monotonic`; without it, it came just now.
        """
        ...

    def knows(self, digest: Digest) -> bool:
        """Whether this process has held the key of a digest lately, told without asking anybody.

        It says nothing about what the key may do now, nor whether it lives: that is what `find` is asked.
        """
        ...


Level = Literal["memory", "redis", "sql"]
Outcome = Literal["found", "absent", "miss", "stale", "unavailable"]
Counter = Literal["redis", "process"]
RedisFault = Literal["timeout", "unreachable", "credentials", "refused", "unreadable"]


class Observer(Protocol):
    """What the resolver tells about its work; the sets are closed, so that they can be labels of a metric."""

    def looked_up(self, level: Level, outcome: Outcome) -> None:
        """One level was asked. `stale`: it had an entry older than the key's last change, which was not used."""
        ...

    def counted(self, where: Counter) -> None:
        """A limit's counter was asked: in Redis, or in this process because there is no Redis or it is away."""
        ...

    def redis_failed(self, fault: RedisFault) -> None:
        """Redis did not help; SQL answered instead."""
        ...

    def change_acknowledged(self, seconds: float) -> None:
        """A change of what keys may do is over, so many seconds after all of it was written and began to commit."""
        ...


class StoreError(Exception):
    """The store cannot be opened or made; the message says what to do about it."""


class StoreUnavailable(Exception):  # noqa: N818 (a state of the store, not a fault of the caller)
    """The store cannot be reached, or did not answer in time.

    Nothing of the change was kept, unless PostgreSQL was lost in the very moment of the commit: then all or nothing.
    """


class Conflict(Exception):  # noqa: N818
    """An id, an email address or a digest is taken, now or by a revoked key; nothing of the change was kept."""


class Change(Protocol):
    """One transaction: all of it is kept or nothing. Every method may raise `StoreUnavailable` or `Conflict`.

    What it reads is locked until it ends. Whatever changes what a key may do also writes change rows, so that every
    resolver forgets what it knew.
    """

    # --- what is there

    async def organization(self, organization: str) -> Organization | None: ...

    async def user(self, user: str) -> User | None: ...

    async def user_of(self, email: str) -> User | None:
        """The user of an address, whatever its letter case."""
        ...

    async def identity(self, identity: str) -> Identity | None: ...

    async def identities_of_user(self, user: str) -> tuple[Identity, ...]:
        """In the organizations that the user is a member of."""
        ...

    async def identity_of(self, user: str, organization: str) -> Identity | None:
        """A user's identity in an organization that they are a member of."""
        ...

    async def group(self, group: str) -> Group | None: ...

    async def integration_instance(self, instance: str) -> IntegrationInstance | None:
        """None for a deleted one."""
        ...

    async def key(self, key_id: str) -> Key | None: ...

    async def live_key(self, key_id: str) -> Key | None:
        """The key, unless it is revoked or its owner's rights do not carry it; its end is the caller's to look at."""
        ...

    # --- organizations and people

    async def add_organization(self, organization: Organization) -> None:
        """With its group Everyone, which enables API keys."""
        ...

    async def set_max_key_days(self, organization: str, days: int | None) -> None:
        """Binds the keys that are there, too."""
        ...

    async def set_organization_limits(self, organization: str, limits: CallLimits) -> None:
        """How much all its keys together may call, also those that are there."""
        ...

    async def add_user(self, user: str, email: str, *, platform_admin: bool) -> None:
        """A person; email addresses are unique whatever their letter case."""
        ...

    async def change_user(self, user: User) -> None:
        """Everything but the id may be another; a user who becomes DELETED gives up the address."""
        ...

    async def add_member(self, user: str, organization: str, role: Role) -> None:
        """Makes a user a member; `role` is ORGANIZATION_ADMIN or USER, a platform administrator is one everywhere."""
        ...

    async def change_member(self, user: str, organization: str, role: Role) -> None: ...

    async def remove_member(self, user: str, organization: str) -> None:
        """From the organization, its groups and its projects, without global roles; keys that are not revoked are alive
        if they come back."""
        ...

    async def add_group(self, group: Group) -> None: ...

    async def change_group(self, group: Group) -> None:
        """Its name, description and rights."""
        ...

    async def remove_group(self, group: str) -> None: ...

    async def add_to_group(self, group: Group, user: str) -> None:
        """Does nothing for a user who is in it."""
        ...

    async def remove_from_group(self, group: Group, user: str) -> None:
        """Does nothing for a user who is not in it."""
        ...

    async def add_integration_instance(self, instance: IntegrationInstance) -> None: ...

    async def delete_integration_instance(self, instance: str, *, at: int) -> None:
        """Its id is never free again. Its keys are the caller's to revoke, see `keys_of_instance`."""
        ...

    async def keys_of_instance(self, instance: str) -> tuple[Key, ...]: ...

    async def keys_of_user(self, user: str) -> tuple[Key, ...]:
        """All keys of a user's identities that are not revoked, expired ones and sessions too."""
        ...

    # --- identities and keys

    async def add_identity(self, identity: Identity) -> None:
        """With its global roles and memberships. `role` and `groups` are not stored: they are read each time."""
        ...

    async def set_roles(self, identity: str, roles: Sequence[GlobalRole]) -> None: ...

    async def set_memberships(self, identity: str, project: str, memberships: Sequence[Membership]) -> None:
        """All memberships of the identity in one project, instead of those that are there."""
        ...

    async def add_key(self, key: Key, digest: Digest) -> None:
        """A key on an identity that exists (or was added before in this change)."""
        ...

    async def revoke_key(self, key_id: str, *, at: int, by: str) -> None:
        """Ends a live key and raises its version. Revoked stays revoked, the first `at` is kept."""
        ...

    async def shorten_key(self, key_id: str, *, expires_at: int) -> None:
        """Moves the end of a live key; never to later than it was."""
        ...

    async def set_limits(self, key_id: str, limits: CallLimits) -> None:
        """How much a live key may call; raises its version."""
        ...

    # --- canaries: keys that can do nothing, by which gateways measure how long a revocation takes

    async def add_canary(self, digest: Digest, *, at: int) -> str:
        """A key that is in no listing and no count; its id, which has a colon, so that no face takes it for one."""
        ...

    async def remove_canaries(self, *, before: int, at: int) -> None:
        """Removes every row about canaries that were revoked before a time, and revokes now, `at`, those that were made
        before it and are live: whoever made them did not live to see their end."""
        ...

    # --- alarms

    async def alarms(self) -> tuple[Alarm, ...]:
        """Those that are open, oldest first."""
        ...

    async def add_alarm(self, alarm: Alarm) -> bool:
        """Opens an alarm; False, and nothing is changed, where one of this id is open."""
        ...

    async def remove_alarm(self, alarm: str) -> None: ...

    # --- logins and the audit trail

    async def add_login(self, digest: Digest, identity: str, *, expires_at: int) -> None:
        """A one-time login for an identity; only the digest of its code is kept."""
        ...

    async def use_login(self, digest: Digest, *, now: int) -> Identity | None:
        """Uses a login up: its identity once, None for one that is unknown, used, or expired (`now >= expires_at`)."""
        ...

    async def audit(self, event: AuditEvent) -> None:
        """Writes an event to the end of its organization's chain."""
        ...


class Registry(Protocol):
    """What the control plane keeps. Every method may raise `StoreUnavailable`."""

    def change(self) -> AbstractAsyncContextManager[Change]:
        """Commits when the block ends, rolls back when it raises; a commit is seen by every resolver's next call."""
        ...

    async def key(self, key_id: str) -> Key | None:
        """The key, live, expired or revoked."""
        ...

    async def keys(self, query: KeyQuery) -> tuple[Key, ...]:
        """One page. How many other keys there are makes no difference to what it costs."""
        ...

    async def key_uses(self, keys: Sequence[str]) -> dict[str, KeyUse]:
        """By key; what was never used is not in it."""
        ...

    async def note_uses(self, uses: Mapping[str, KeyUse], *, step: int = 1) -> None:
        """Writes down the last uses of keys: those that are later than what is written by `step` milliseconds at least.
        No change: nobody is told, and no change waits for it (in SQLite some milliseconds)."""
        ...

    async def count_expiring(self, now: int, until: int) -> int:
        """Live keys, sessions and canaries apart, that end after `now` and not after `until`; counting stops at some
        thousands."""
        ...

    async def organizations(self) -> tuple[Organization, ...]:
        """All organizations by id."""
        ...

    async def identity(self, identity: str) -> Identity | None: ...

    async def identities(self, chosen: Collection[str]) -> dict[str, Identity]:
        """By id; those that there are not are not in it."""
        ...

    async def user_identity(self, email: str, organization: str) -> Identity | None:
        """A user's identity in one organization, by the address whatever its letter case."""
        ...

    async def identities_of_user(self, user: str) -> tuple[Identity, ...]:
        """In the organizations that the user is a member of, by organization."""
        ...

    async def identities_of_project(
        self, project: str, *, limit: int, after: str | None = None
    ) -> tuple[Identity, ...]:
        """A page of those that have a membership in it, by id; `after` is the id of the last one seen."""
        ...

    async def user(self, user: str) -> User | None:
        """Also one that was deleted."""
        ...

    async def users(self, chosen: Collection[str]) -> dict[str, User]:
        """By id, deleted ones too; those that there never were are not in it."""
        ...

    async def members(
        self, organization: str | None, *, limit: int, after: str | None = None, group: str | None = None
    ) -> tuple[Member, ...]:
        """A page of the members of an organization (of all for None), or of a group, by user id.

        `after` is the user id of the last one of the page before; deleted users are no members.
        """
        ...

    async def group(self, group: str) -> Group | None: ...

    async def groups(self, organization: str) -> tuple[Group, ...]:
        """All groups of an organization by name."""
        ...

    async def groups_of_user(self, user: str, organization: str) -> tuple[Group, ...]:
        """Those of an organization that a member of it is in, by name; Everyone is one of them."""
        ...

    async def integration_instances(self, organization: str) -> tuple[IntegrationInstance, ...]:
        """Those that are not deleted, by id."""
        ...

    async def alarms(self) -> tuple[Alarm, ...]:
        """Those that are open, oldest first."""
        ...

    async def alarmed(self) -> dict[str, str]:
        """The organization of each open alarm by the alarm's id: all that processes ask for again and again."""
        ...

    async def audit_events(
        self, organization: str | None, *, limit: int, before: int | None = None, actor: str | None = None
    ) -> tuple[AuditEvent, ...]:
        """The newest `limit` events of an organization (of all for None), newest first.

        `before` is the number of the last event of the page before, `actor` an identity whose events alone are wanted.
        """
        ...

    async def check_audit(self, noted: Iterable[Head] = ()) -> tuple[Verdict, ...]:
        """Whether the audit trail is what was written, by organization; see `chain`.

        `noted` are heads that an earlier check told: a trail that was made anew, or cut off, does not have them.
        """
        ...
