"""What `GET /whoami` tells a key about itself."""

from __future__ import annotations

from typing import Any

from gateway.authz.rules import Rules
from gateway.keys import CallLimits, Principal, limits_members
from gateway.policy import Policy


def whoami(
    principal: Principal,
    rules: Rules,
    limits: tuple[CallLimits, CallLimits] | None = None,
) -> dict[str, Any]:
    """The key, what it may do, until when (ms since the epoch, or null), and with what limits (bytes, rows, calls).

    `limits` are those that the key is held to by itself, and together with all keys of its organization: what was set
    for them, unless it is given, as where settings have defaults.
    """
    own, shared = limits or (principal.limits, principal.organization_limits)
    identity = principal.identity
    return {
        "key": {"id": principal.key_id, "name": principal.name, "kind": identity.kind},
        "identity": identity.id,
        "account": principal.organization,
        "role": identity.role,
        "integrationInstanceId": identity.integration_instance,
        "globalRoles": list(identity.roles),
        "memberships": [
            {"project": each.project, "role": each.role, "variables": {name: list(v) for name, v in each.variables}}
            for each in identity.memberships
        ],
        "permissions": _permissions(principal.policy),
        "relationships": rules.mode,
        "expiresAt": principal.expires_at,
        "limits": {
            "pageRows": rules.page,
            "queryBytes": rules.query_body,
            "graphqlBytes": rules.graphql_body,
            "uploadBytes": rules.upload_body,
            "calls": {
                "key": limits_members(own),
                "organization": limits_members(shared),
            },
        },
    }


def _permissions(policy: Policy) -> list[dict[str, Any]]:
    """The statements in the shape of a policy text."""
    return [
        {
            "effect": statement.effect,
            "actions": list(statement.actions),
            "resources": list(statement.resources),
        }
        | (
            {"condition": {"stringEquals": {name: list(values) for name, values in statement.condition.equals}}}
            if statement.condition
            else {}
        )
        for statement in policy.statements
    ]
