"""What the registry keeps, as values: organizations, people, groups, uses of keys, and what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.keys import UNLIMITED_CALLS, CallLimits, Extent, GroupRights, Identity, Kind


@dataclass(frozen=True, slots=True)
class Organization:
    """`max_key_days` is the longest life of its keys, also of those that are there; None is no limit of its own."""

    id: str
    name: str
    max_key_days: int | None = None
    limits: CallLimits = UNLIMITED_CALLS


class UserStatus(StrEnum):
    """A deleted user is kept so that listings and the audit trail can name them; their address is free again."""

    ACTIVE = "active"
    DISABLED = "disabled"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class User:
    id: str
    email: str
    platform_admin: bool = False
    status: UserStatus = UserStatus.ACTIVE
    first_name: str = ""
    last_name: str = ""
    created_at: int = 0
    last_login_at: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A user in an organization. `identity` has the role and the groups' rights that hold there now."""

    user: User
    identity: Identity


@dataclass(frozen=True, slots=True)
class Group:
    """Users of an organization with rights in common; names are unique in it.

    `everyone` marks the built-in group: all users of the organization are in it, and it cannot be deleted.
    """

    id: str
    organization: str
    name: str
    description: str = ""
    everyone: bool = False
    rights: GroupRights = field(default_factory=GroupRights)


@dataclass(frozen=True, slots=True)
class IntegrationInstance:
    """One configuration of an integration, the thing an integration key is bound to."""

    id: str
    organization: str
    name: str
    deleted_at: int | None = None


@dataclass(frozen=True, slots=True)
class KeyUse:
    """When a key was last let through and last refused; it is written down a little later."""

    used_at: int | None = None
    refused_at: int | None = None


@dataclass(frozen=True, slots=True)
class KeyQuery:
    """Which keys: of each kind those of the identities in any of its extents, oldest first, then by id.

    Login sessions and canaries are never among them. `after` is (created_at, id) of the last key of the page before;
    `revoked` is whether revoked keys are wanted too, `memberless` that only those are whose identity is in no project.
    """

    extents: Mapping[Kind, Sequence[Extent]]
    limit: int
    after: tuple[int, str] | None = None
    revoked: bool = True
    identity: str | None = None
    instance: str | None = None
    memberless: bool = False


@dataclass(frozen=True, slots=True)
class Alarm:
    """A class of queries that is refused until an operator resets it, and the call that brought it about.

    `id` names the class, so there is one alarm for it at most. `policy` is the text of what the class may see, `key`
    the id of the key that was used, `call` the request id; `at` is milliseconds since the epoch.
    """

    id: str
    organization: str
    policy: str
    shape: str
    at: int
    key: str
    call: str
    why: str


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Who did what to which thing; never a secret, a digest or a login code.

    `actor` is an identity's id, "operator" for whoever has the command line, or "gateway" for what it did by itself.
    `organization` is None for what concerns no single one. `details` is sorted by name.
    """

    at: int
    actor: str
    organization: str | None
    event: str
    subject: str
    details: tuple[tuple[str, str], ...] = ()
    number: int | None = field(default=None, compare=False)
    """Set in what is read: newer events have higher ones."""
