"""What the users of a group may do: the table permission of a group -> statements.

The words are those of JupiterOne's group permissions (`abacPermissions`); the actions are the twelve of "Creating User
and Account API Keys". No public source says which permission opens which action, so each row is our reading of the two
names. A permission without a row is kept and listed, and opens nothing here.

A group's query policy limits what its permission to read the graph shows: a list of filters, of which an object must
satisfy one, each an object of property -> value or list of values, all of which must hold.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.keys.model import GroupRights, Identity
from gateway.policy import ANY, READ_GRAPH, UNLIMITED, Effect, PolicyError, PolicyOptions, Statement, parse
from gateway.strict_json import StrictJSONError, loads

API_KEYS = "apiKeyUser"
"""The switch "Enable API key access for users in this group"."""

ADMINISTRATOR = "accessAdmin"
"""Makes its users administrators of the organization."""

EVERYONE = "Everyone"
"""The built-in group of all users of an organization; its switch is on until an administrator turns it off."""

_READ = (
    "compliance:GetStandard",
    "compliance:GetSummary",
    "dashboard:View",
    "parameters:GetParameter",
    "parameters:GetParameterList",
    "persister:GetEntityRawData",
    "query:GetAccountEntity",
    READ_GRAPH,
    "settings:GetSettings",
)
_PARAMETERS = ("parameters:GetParameter", "parameters:GetParameterList")

ACTIONS: dict[str, tuple[str, ...]] = {
    "fullReadAccess": _READ,
    "readGraph": (READ_GRAPH, "query:GetAccountEntity", "persister:GetEntityRawData"),
    "writeGraph": ("persister:Synchronize",),
    "accessLandingApp": (READ_GRAPH,),
    "accessAssets": (READ_GRAPH,),
    "accessInsights": ("dashboard:View",),
    "adminInsights": ("dashboard:View",),
    "accessCompliance": ("compliance:GetStandard", "compliance:GetSummary"),
    "adminCompliance": ("compliance:GetStandard", "compliance:GetSummary"),
    "accessIntegrations": (),
    "adminIntegrations": ("persister:Synchronize",),
    "readParameters": _PARAMETERS,
    "adminParameters": (*_PARAMETERS, "parameters:SetParameter", "parameters:DeleteParameter"),
}


def gives_api_keys(identity: Identity) -> bool:
    """Whether a user may have API keys: one group that enables them is enough."""
    return any(API_KEYS in group.permissions for group in identity.groups)


def group_statements(groups: tuple[GroupRights, ...]) -> tuple[Statement, ...]:
    """All that the groups give together."""
    return tuple(
        statement
        for number, group in enumerate(sorted(groups, key=lambda each: (each.permissions, each.query_policy)))
        for statement in _statements(f"groups[{number}]", group)
    )


def query_policy_refused(text: str, options: PolicyOptions) -> str | None:
    """Why a query policy cannot be taken, None if it can."""
    try:
        _filters(text, options)
    except (PolicyError, StrictJSONError) as fault:
        return str(fault)
    return None


def _statements(place: str, group: GroupRights) -> list[Statement]:
    actions = sorted({action for word in group.permissions for action in ACTIONS.get(word, ())})
    reading = READ_GRAPH in actions
    plain = tuple(action for action in actions if action != READ_GRAPH)
    given = [Statement(f"{place}.permissions", Effect.ALLOW, plain, (ANY,))] if plain else []
    if reading:
        given += _reading(place, group.query_policy)
    return given


def _reading(place: str, query_policy: str) -> list[Statement]:
    try:
        filters = _filters(query_policy, UNLIMITED)
    except (PolicyError, StrictJSONError):  # from an import, say: what cannot be read shows nothing
        return []
    if not filters:
        return [Statement(f"{place}.permissions", Effect.ALLOW, (READ_GRAPH,), (ANY,))]
    return [
        Statement(f"{place}.queryPolicy[{number}]", Effect.ALLOW, (READ_GRAPH,), (ANY,), statement.condition)
        for number, statement in enumerate(filters)
    ]


def _filters(text: str, options: PolicyOptions) -> tuple[Statement, ...]:
    """The filters as conditioned statements; they may say what the condition of a policy may say."""
    filters = loads(text, max_depth=options.max_depth)
    if not isinstance(filters, list):
        raise PolicyError("", "a query policy is a list of filters")
    if not filters:
        return ()
    permissions = [_permission(each, number) for number, each in enumerate(filters)]
    return parse(json.dumps({"permissions": permissions}), options).statements


def _permission(equals: Any, number: int) -> dict[str, Any]:
    if not isinstance(equals, dict) or not equals:
        raise PolicyError(f"[{number}]", "a filter is an object of property -> value, with one property at least")
    return {
        "effect": Effect.ALLOW,
        "actions": [READ_GRAPH],
        "resources": [ANY],
        "condition": {"stringEquals": equals},
    }
