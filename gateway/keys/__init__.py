"""Identities, keys, roles: token format and digest, and who may create, see and revoke what."""

from gateway.keys.authority import principal
from gateway.keys.model import Digest, Identity, Key, Kind, Principal, Role
from gateway.keys.rules import (
    SESSION,
    Actor,
    Lifetimes,
    Operator,
    expired,
    expiry,
    is_session,
    may_create,
    may_see,
    revocable,
)
from gateway.keys.token import PATTERN, RANDOM_BYTES, Prefix, digest, issue, prefix_of, start, well_formed

__all__ = [
    "PATTERN",
    "RANDOM_BYTES",
    "SESSION",
    "Actor",
    "Digest",
    "Identity",
    "Key",
    "Kind",
    "Lifetimes",
    "Operator",
    "Prefix",
    "Principal",
    "Role",
    "digest",
    "expired",
    "expiry",
    "is_session",
    "issue",
    "may_create",
    "may_see",
    "prefix_of",
    "principal",
    "revocable",
    "start",
    "well_formed",
]
