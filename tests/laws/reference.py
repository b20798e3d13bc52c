"""A second reading of policies: may this be done, for one request and one object at a time.

It works on the JSON value of a policy and shares nothing with `gateway.policy`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

ANY, READ = "*", "query:ReadGraphData"

ABOUT = {
    "dashboard:View": "dashboard",
    "parameters:GetParameter": "parameter",
    "parameters:SetParameter": "parameter",
    "persister:Synchronize": "integration",
    "settings:GetSettings": "settings-category",
}
"""Actions, and the type of the resources that they are about."""

Statement = Mapping[str, Any]
Thing = Mapping[str, "str | list[str]"]


def allowed(statements: Iterable[Statement], action: str, resource: str, thing: Thing) -> bool:
    """Default deny, and a DENY wins. `thing` matters to the reading of graph data alone, which is of `*` only."""
    if action == READ and resource != ANY:
        return False
    given = refused = False
    for each in statements:
        if each["effect"] == "ALLOW":
            given |= says(each, action, resource) and holds(each, action, thing, undecided=False)
        else:
            told = says(each, action, resource) or says_part(each, action, resource)
            refused |= told and holds(each, action, thing, undecided=True)
    return given and not refused


def says(statement: Statement, action: str, resource: str) -> bool:
    """By its names or by wildcards; the one wildcard is a whole name."""
    actions, resources = statement["actions"], statement["resources"]
    return (action in actions or ANY in actions) and (resource in resources or ANY in resources)


def says_part(statement: Statement, action: str, resource: str) -> bool:
    """A request about all resources of a type asks about each one that a statement names."""
    if resource != ANY or action not in ABOUT:
        return False
    named = any(name.split(":")[0] == ABOUT[action] for name in statement["resources"])
    return named and (action in statement["actions"] or ANY in statement["actions"])


def holds(statement: Statement, action: str, thing: Thing, *, undecided: bool) -> bool:
    """Whether a statement's condition holds on the object; there is nothing to hold it against but graph data."""
    if "condition" not in statement:
        return True
    if action != READ:
        return undecided
    return all(equals(thing.get(name), wanted) for name, wanted in statement["condition"]["stringEquals"].items())


def equals(found: str | list[str] | None, wanted: str | list[str]) -> bool:
    """Any value of a list; nothing equals what is not there."""
    present = found if isinstance(found, list) else [] if found is None else [found]
    return bool(set(present) & set(wanted if isinstance(wanted, list) else [wanted]))
