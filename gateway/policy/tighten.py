"""The policy that was needed: what of a policy was ever used, and one that allows no more than that.

DENY statements and conditions stay as they are: without them a policy would allow more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from gateway.policy.decide import decide
from gateway.policy.model import ANY, Effect, Policy, Statement
from gateway.policy.supported import ACTIONS

MANY = 100
"""Resources of one action that a tightened policy names at most: a policy's own limit by default. An action that was
used with more of them keeps those that the policy gives it."""


@dataclass(slots=True)
class Calls:
    """What was asked of a policy, by action: the resources, no more than MANY + 1 of them.

    The pair (`*`, `*`) stands for a call that needs a key that may do everything.
    """

    by_action: dict[str, set[str]] = field(default_factory=dict)

    def add(self, action: str, resource: str) -> None:
        """What is no action of a policy, as managing keys is none, is left out."""
        if action != ANY and action not in ACTIONS:
            return
        resources = self.by_action.setdefault(action, set())
        if len(resources) <= MANY:
            resources.add(resource)


@dataclass(frozen=True, slots=True)
class Unused:
    """What of one statement was never used; all of it where `statement` is."""

    statement: str
    whole: bool
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()


def unused(policy: Policy, calls: Calls) -> tuple[Unused, ...]:
    """What of a policy had no part in deciding any of the calls, by statement."""
    decided = _decided(policy, calls)
    found = (_unused(statement, decided[statement.id]) for statement in policy.statements)
    return tuple(each for each in found if each is not None)


def _unused(statement: Statement, used: set[tuple[str, str]]) -> Unused | None:
    if not used:
        return Unused(statement.id, whole=True)
    actions = {ANY, *(action for action, _ in used)}
    resources = {ANY, *(resource for _, resource in used)}
    about_all = statement.effect is Effect.DENY and any(resource == ANY for _, resource in used)
    idle_actions = tuple(name for name in statement.actions if name not in actions)
    # A call about all resources meets a DENY of any one of them.
    idle_resources = () if about_all else tuple(name for name in statement.resources if name not in resources)
    if not idle_actions and not idle_resources:
        return None
    return Unused(statement.id, whole=False, actions=idle_actions, resources=idle_resources)


def tightened(policy: Policy, calls: Calls) -> Policy | None:
    """A policy that decides each of the calls as `policy` does, and allows nothing that `policy` refuses.

    None where no call was allowed: such a key can be revoked.
    """
    decided = _decided(policy, calls)
    needed = (each for statement in policy.statements for each in _needed(statement, decided[statement.id]))
    kept = dict.fromkeys((each.effect, each.actions, each.resources, each.condition) for each in needed)
    statements = tuple(Statement(f"permissions[{number}]", *each) for number, each in enumerate(kept))
    return Policy(statements) if any(each.effect is Effect.ALLOW for each in statements) else None


def _needed(statement: Statement, used: set[tuple[str, str]]) -> Iterable[Statement]:
    """What must be left of a statement: for each action the resources that it was used with."""
    if statement.effect is Effect.DENY:
        return [statement]
    by_resources: dict[tuple[str, ...], list[str]] = {}
    for action in sorted({action for action, _ in used}):
        resources = tuple(sorted(resource for asked, resource in used if asked == action))
        if any(ANY in resource for resource in resources):  # all of them, or one that no policy can name
            resources = statement.resources
        by_resources.setdefault((ANY,) if ANY in resources else resources, []).append(action)
    return [
        replace(statement, actions=(ANY,) if ANY in actions else tuple(actions), resources=resources)
        for resources, actions in by_resources.items()
    ]


def _decided(policy: Policy, calls: Calls) -> dict[str, set[tuple[str, str]]]:
    """By statement the calls that it had a part in deciding; of an action with many resources all that it names."""
    found: dict[str, set[tuple[str, str]]] = {statement.id: set() for statement in policy.statements}
    for action, resources in calls.by_action.items():
        if len(resources) > MANY:
            for statement in policy.statements:
                if action in statement.actions or ANY in statement.actions:
                    found[statement.id] |= {(action, resource) for resource in statement.resources}
            continue
        for resource in resources:
            for cause in decide(policy, action, resource).because:
                found[cause].add((action, resource))
    return found


def permissions(policy: Policy) -> dict[str, Any]:
    """A policy as the JSON object that its text says."""
    return {"permissions": [_permission(statement) for statement in policy.statements]}


def _permission(statement: Statement) -> dict[str, Any]:
    told: dict[str, Any] = {
        "effect": statement.effect.value,
        "actions": list(statement.actions),
        "resources": list(statement.resources),
    }
    if statement.condition is not None:
        equals = {name: values[0] if len(values) == 1 else list(values) for name, values in statement.condition.equals}
        told["condition"] = {"stringEquals": equals}
    return told
