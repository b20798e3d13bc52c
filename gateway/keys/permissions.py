"""What the users of a group may do: the table permission of a group -> statements.

The words are those of JupiterOne's group permissions (`abacPermissions`); the actions are the twelve of "Creating User
and Account API Keys". No public source says which permission opens which action, so each row is our reading of the two
names. A permission without a row is kept and listed, and opens nothing here.

A group's query policy limits what its permission to read the graph shows: a list of filters, of which an object must
satisfy one, each an object of property -> value or list of values, all of which must hold. Ways to graph data that it
cannot limit are not opened then.
"""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace

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
_READ_GRAPH = (READ_GRAPH, "query:GetAccountEntity", "persister:GetEntityRawData")
_PAST_FILTERS = frozenset({"query:GetAccountEntity", "persister:GetEntityRawData"})
_COMPLIANCE = ("compliance:GetStandard", "compliance:GetSummary")
_SYNCHRONIZE = ("persister:Synchronize",)

ACTIONS: dict[str, tuple[str, ...]] = {
    "fullReadAccess": _READ,
    "readGraph": _READ_GRAPH,
    "writeGraph": (*_READ_GRAPH, *_SYNCHRONIZE),
    "accessInsights": ("dashboard:View",),
    "adminInsights": ("dashboard:View",),
    "accessCompliance": _COMPLIANCE,
    "adminCompliance": _COMPLIANCE,
    "adminIntegrations": _SYNCHRONIZE,
}
"""The permission for administration includes the one for reading, as the documentation's two tables do."""


def gives_api_keys(identity: Identity) -> bool:
    """Whether a user may have API keys: one group that enables them is enough."""
    return any(API_KEYS in group.permissions for group in identity.groups)


def group_statements(groups: tuple[GroupRights, ...]) -> tuple[Statement, ...]:
    """All that the groups give together."""
    return tuple(
        statement
        for group in sorted(groups, key=lambda each: each.group)
        for statement in _statements(f"group:{group.group}", group)
    )


def query_policy_refused(text: str, options: PolicyOptions) -> str | None:
    """Why a query policy cannot be taken, None if it can."""
    try:
        _filters(text, options)
    except (PolicyError, StrictJSONError) as fault:
        return str(fault)
    return None


def _statements(place: str, group: GroupRights) -> list[Statement]:
    actions = {action for word in group.permissions for action in ACTIONS.get(word, ())}
    filters = _readable(group.query_policy)
    if filters != ():  # those that no filter can be applied to would show what the filters hide
        actions -= _PAST_FILTERS
    reading = [Statement(f"{place}/permissions", Effect.ALLOW, (READ_GRAPH,), (ANY,))]
    if filters:
        reading = [replace(each, id=f"{place}/queryPolicy[{number}]") for number, each in enumerate(filters)]
    plain = tuple(sorted(actions - {READ_GRAPH}))
    given = [Statement(f"{place}/permissions", Effect.ALLOW, plain, (ANY,))] if plain else []
    return [*given, *reading] if READ_GRAPH in actions and filters is not None else given


def _readable(query_policy: str) -> tuple[Statement, ...] | None:
    """The filters; None for what cannot be read, from an import say, which shows nothing."""
    try:
        return _filters(query_policy, UNLIMITED)
    except (PolicyError, StrictJSONError):
        return None


def _filters(text: str, options: PolicyOptions) -> tuple[Statement, ...]:
    """The filters as conditioned statements; they may say what the condition of a policy may say."""
    if len(text) > options.max_characters:
        raise PolicyError("", f"a query policy has up to {options.max_characters} characters")
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
