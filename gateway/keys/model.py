"""Who calls, since when, until when. Times are milliseconds since the epoch, as the platform's API counts them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from msgspec import Struct

from gateway.keys.limits import UNLIMITED_CALLS, CallLimits
from gateway.policy import Policy

Digest = NewType("Digest", str)
"""SHA-256 of a credential, 64 lower-case hexadecimal digits: all that is ever stored of it."""

DAY = 86_400_000
"""Milliseconds."""


class Kind(StrEnum):
    """What stands behind an identity; a key has no kind of its own."""

    USER = "user"
    ACCOUNT = "account"
    ORGANIZATION = "organization"
    INTEGRATION = "integration"
    PROJECT = "project"
    GLOBAL = "global"


class Role(StrEnum):
    """The three administrator levels of the Rapid7 documentation ("Managing Platform API Keys")."""

    PLATFORM_ADMIN = "platform_admin"
    ORGANIZATION_ADMIN = "organization_admin"
    USER = "user"


class GlobalRole(StrEnum):
    """Roles that an identity holds everywhere.

    Source: Contember's tenant API, and its documentation "API keys management" for `monitor`. Those that the gateway
    knows no use for can be held and taken away, and give nothing.
    """

    SUPER_ADMIN = "super_admin"
    MONITOR = "monitor"
    PROJECT_ADMIN = "project_admin"
    LOGIN = "login"
    ENTRYPOINT_DEPLOYER = "entrypoint_deployer"
    SELF = "self"
    PERSON = "person"
    PROJECT_CREATOR = "project_creator"
    PROJECT_MEMBER = "project_member"


@dataclass(frozen=True, slots=True)
class Membership:
    """A role in a project, with values for the variables of the role, in the order in which they were given."""

    project: str
    role: str
    variables: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class GroupRights:
    """What one group gives its users; see `permissions`.

    `permissions` are words such as `apiKeyUser`; `query_policy` the JSON text of a list of filters, which limits what
    the permission to read the graph shows.
    """

    permissions: tuple[str, ...] = ()
    query_policy: str = "[]"
    group: str = field(default="", compare=False)
    """Its name, for the reasons of decisions."""


class Identity(Struct, frozen=True, gc=False):
    """Whom a key stands for, with what it may do now: none of its rights is stored in the key.

    `organization` is empty for kind GLOBAL alone, which belongs to none. `user`, `role` and `groups` are set for kind
    USER only; `integration_instance` for kind INTEGRATION only. Any identity may hold memberships and global roles.
    """

    id: str
    kind: Kind
    organization: str
    user: str | None = None
    role: Role | None = None
    integration_instance: str | None = None
    description: str = ""
    roles: tuple[GlobalRole, ...] = ()
    memberships: tuple[Membership, ...] = ()
    groups: tuple[GroupRights, ...] = ()


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is stored and listed: everything but the secret.

    `policy` is the text as it was given, byte for byte, of a key of kind ACCOUNT; `start` the first characters of the
    secret, for recognition, empty where the gateway has never seen the secret. `created_by` is an identity, and
    `created_via` the key that it used. `expires_at` is the end as it holds now: never after what the organization's
    maximum lifetime allows.
    """

    id: str
    identity: Identity
    name: str
    category: str | None
    policy: str | None
    start: str
    created_at: int
    created_by: str | None
    expires_at: int | None
    revoked_at: int | None
    version: int = 1
    created_via: str | None = None
    revoked_by: str | None = None
    limits: CallLimits = UNLIMITED_CALLS
    """Its own."""
    organization_limits: CallLimits = UNLIMITED_CALLS
    """Those of its organization, which all of the organization's keys share."""


class Principal(Struct, frozen=True, gc=False):
    """A key compiled for deciding, once per key version: what `plan` needs and nothing else.

    A process holds 10^5 of them; why the garbage collector need not walk them is told in `gateway.policy.model`.
    """

    key_id: str
    version: int
    name: str
    identity: Identity
    policy: Policy
    expires_at: int | None
    session: bool = False
    """Whether it came from a login rather than from an API key."""
    limits: CallLimits = UNLIMITED_CALLS
    organization_limits: CallLimits = UNLIMITED_CALLS

    @property
    def organization(self) -> str:
        return self.identity.organization
