"""The two contracts of this package: `Resolver` for the data plane, `Registry` for the control plane.

A resolver has three answers, because the absence of an answer is not an answer: an outage must never read as
"invalid key" nor as an open door. The registry raises `StoreUnavailable` instead: a change either happened or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from gateway.keys import Digest, Identity, Key, Principal, Role
from gateway.stores.chain import Head, Verdict


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


Level = Literal["memory", "redis", "sql"]
Outcome = Literal["found", "absent", "miss", "stale", "unavailable"]
RedisFault = Literal["timeout", "unreachable", "credentials", "refused", "unreadable"]


class Observer(Protocol):
    """What the resolver tells about its work; the sets are closed, so that they can be labels of a metric."""

    def looked_up(self, level: Level, outcome: Outcome) -> None:
        """One level was asked. `stale`: it had an entry older than the key's last change, which was not used."""
        ...

    def redis_failed(self, fault: RedisFault) -> None:
        """Redis did not help; SQL answered instead."""
        ...


class StoreError(Exception):
    """The store cannot be opened or made; the message says what to do about it."""


class StoreUnavailable(Exception):  # noqa: N818 (a state of the store, not a fault of the caller)
    """The store cannot be reached, or did not answer in time.

    Nothing of the change was kept, unless PostgreSQL was lost in the very moment of the commit: then all or nothing.
    """


class Conflict(Exception):  # noqa: N818
    """An id, an email address or a digest is taken, now or by a revoked key; nothing of the change was kept."""


@dataclass(frozen=True, slots=True)
class Organization:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class IntegrationInstance:
    """One configuration of an integration, the thing an integration key is bound to."""

    id: str
    organization: str
    name: str


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Who did what to which thing; never a secret, a digest or a login code.

    `actor` is an identity's id, or "operator" for whoever has the command line. `organization` is None for what
    concerns no single one. `details` is sorted by name.
    """

    at: int
    actor: str
    organization: str | None
    event: str
    subject: str
    details: tuple[tuple[str, str], ...] = ()


class Change(Protocol):
    """One transaction: all of it is kept or nothing. Every method may raise `StoreUnavailable` or `Conflict`."""

    async def add_organization(self, organization: Organization) -> None: ...

    async def add_user(self, user: str, email: str, *, platform_admin: bool) -> None:
        """A person; email addresses are unique whatever their letter case."""
        ...

    async def add_member(self, user: str, organization: str, role: Role) -> None:
        """Makes a user a member; `role` is ORGANIZATION_ADMIN or USER, a platform administrator is one everywhere."""
        ...

    async def add_integration_instance(self, instance: IntegrationInstance) -> None: ...

    async def add_identity(self, identity: Identity) -> None:
        """`identity.role` is not stored: it is read from the user and the membership each time, so that it is live."""
        ...

    async def add_key(self, key: Key, digest: Digest) -> None:
        """A key on an identity that exists (or was added before in this change); also writes a change row."""
        ...

    async def key(self, key_id: str) -> Key | None:
        """The key, locked until the change ends, so that two revocations cannot both be the first."""
        ...

    async def revoke_key(self, key_id: str, *, at: int, by: str) -> None:
        """Ends a live key and raises its version; also writes a change row. Revoked stays revoked, first `at` kept."""
        ...

    async def integration_instance(self, instance: str) -> IntegrationInstance | None: ...

    async def organization(self, organization: str) -> Organization | None: ...

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

    async def keys(self, organization: str | None) -> tuple[Key, ...]:
        """All keys of an organization (of all organizations for None), revoked ones too, oldest first, then by id."""
        ...

    async def organizations(self) -> tuple[Organization, ...]:
        """All organizations by id."""
        ...

    async def user_identity(self, email: str, organization: str) -> Identity | None:
        """A user's identity in one organization."""
        ...

    async def audit_events(self, organization: str | None, *, limit: int) -> tuple[AuditEvent, ...]:
        """The newest `limit` events of an organization (of all for None), newest first."""
        ...

    async def check_audit(self, noted: Iterable[Head] = ()) -> tuple[Verdict, ...]:
        """Whether the audit trail is what was written, by organization; see `chain`.

        `noted` are heads that an earlier check told: a trail that was made anew, or cut off, does not have them.
        """
        ...
