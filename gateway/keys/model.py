"""Who calls, since when, until when. Times are milliseconds since the epoch, as the platform's API counts them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from gateway.policy import Policy

Digest = NewType("Digest", str)
"""SHA-256 of a credential, 64 lower-case hexadecimal digits: all that is ever stored of it."""


class Kind(StrEnum):
    """What stands behind an identity; a key has no kind of its own."""

    USER = "user"
    ACCOUNT = "account"
    INTEGRATION = "integration"


class Role(StrEnum):
    """The three administrator levels of the Rapid7 documentation ("Managing Platform API Keys")."""

    PLATFORM_ADMIN = "platform_admin"
    ORGANIZATION_ADMIN = "organization_admin"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a key stands for.

    `user` and `role` are set for kind USER only; `integration_instance` for kind INTEGRATION only.
    """

    id: str
    kind: Kind
    organization: str
    user: str | None = None
    role: Role | None = None
    integration_instance: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is stored and listed: everything but the secret.

    `policy` is the text as it was given, byte for byte; `start` the first characters of the secret, for recognition.
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


@dataclass(frozen=True, slots=True)
class Principal:
    """A key compiled for deciding, once per key version: what `plan` needs and nothing else."""

    key_id: str
    version: int
    name: str
    identity: Identity
    policy: Policy
    expires_at: int | None

    @property
    def organization(self) -> str:
        return self.identity.organization
