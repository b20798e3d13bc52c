"""How the commands tell a key: in JSON, in the columns of a listing, one thing a line."""

from __future__ import annotations

from gateway.cli.common import date
from gateway.control.describing import Description, KeyState
from gateway.keys import UNLIMITED_CALLS, Key, limits_members, limits_words


def members(described: Description) -> dict[str, object]:
    """What a listing has in JSON."""
    key, use = described.key, described.use
    return {
        "id": key.id,
        "kind": key.identity.kind,
        "organization": key.identity.organization or None,
        "name": key.name,
        "category": key.category,
        "start": key.start or None,
        "state": _state(described),
        "createdAt": key.created_at,
        "expiresAt": key.expires_at,
        "expiresSoon": described.expires_soon,
        "revokedAt": key.revoked_at,
        "lastUsedAt": use.used_at,
        "lastRefusedAt": use.refused_at,
        "limits": limits_members(key.limits),
    }


def rights(key: Key) -> dict[str, object]:
    """What is told of one key alone, beside."""
    identity = key.identity
    return {
        "identity": identity.id,
        "description": identity.description,
        "user": identity.user,
        "role": identity.role,
        "integrationInstance": identity.integration_instance,
        "memberships": [
            {"project": each.project, "role": each.role, "variables": dict(each.variables)}
            for each in identity.memberships
        ],
        "globalRoles": list(identity.roles),
        "organizationLimits": limits_members(key.organization_limits),
        "policy": key.policy,
        "createdBy": key.created_by,
        "createdVia": key.created_via,
        "revokedBy": key.revoked_by,
    }


def words(described: Description) -> dict[str, object]:
    """All of it for people: limits as they write them."""
    key = described.key
    told = {"limits": limits_words(key.limits), "organizationLimits": limits_words(key.organization_limits)}
    return members(described) | rights(key) | told


def columns(described: Description) -> tuple[str, ...]:
    key, use, identity = described.key, described.use, described.key.identity
    shown = f"{key.start}…" if key.start else "(imported)"
    end = end_of(key) + (", soon" if described.expires_soon else "")
    used = "" if use.used_at is None else f"used {date(use.used_at)}"
    state = f"{_state(described):9}"
    limits = "" if key.limits == UNLIMITED_CALLS else limits_words(key.limits)
    home = identity.organization or "-"
    return (key.id, f"{shown:10}", f"{identity.kind:12}", home, state, end, used, limits, key.name)


def _state(described: Description) -> str:
    if described.key.revoked_at is not None:
        return "revoked"
    return "live" if described.state is KeyState.ACTIVE else described.state.value


def end_of(key: Key) -> str:
    return "without an end" if key.expires_at is None else f"until {date(key.expires_at)}"
