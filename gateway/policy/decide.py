"""May this action be done to this resource?

Deny wins, nothing is allowed by default, and the order of statements does not matter. Names match exactly or by the
wildcard `*`, which is no pattern. `query:ReadGraphData` exists on the resource `*` only.

A condition speaks of graph objects, so it can be held against `query:ReadGraphData` alone. For any other action a
conditioned statement cannot be decided, and what cannot be decided is refused: as an ALLOW it grants nothing, as a
DENY it refuses. Hence a conditioned ALLOW of `*` grants `query:ReadGraphData` and nothing else.

Verdicts are ordered Refused < Narrowed < Allowed, and one predicate below another when it holds on fewer objects: a
DENY more never moves a verdict up, an ALLOW more never moves it down.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from gateway.policy.model import (
    ANY,
    EVERYTHING,
    READ_GRAPH,
    Allowed,
    Condition,
    Effect,
    Narrowed,
    Policy,
    Predicate,
    Refused,
    Statement,
    Verdict,
)
from gateway.policy.supported import ACTIONS, resource_type

_REMEMBERED = 32_768
"""Verdicts held, 300 bytes each beside the policies: some for each of the keys that a worker serves at a time."""
_REMEMBERED_NAME = 128
"""Characters of a resource up to which its verdict is remembered: callers name resources as they like."""


def decide(policy: Policy, action: str, resource: str) -> Verdict:
    """The verdict on one action and one resource; `Narrowed` is possible for `query:ReadGraphData` only.

    The resource `*` stands for all that the action is about: it needs an ALLOW on `*`, and a DENY on any one of them
    refuses it, since the answer would speak of that one too. The pair (`*`, `*`) stands for the unrestricted key:
    it needs an unconditional ALLOW of `*` on `*`, and only a DENY of `*` on `*` refuses it.
    """
    work = _remembered if len(resource) <= _REMEMBERED_NAME else _decided
    return work(policy, action, resource)


def _decided(policy: Policy, action: str, resource: str) -> Verdict:
    denies = [s for s in policy.statements if s.effect is Effect.DENY and _denies(s, action, resource)]
    allows = [s for s in policy.statements if s.effect is Effect.ALLOW and _matches(s, action, resource)]
    if action == READ_GRAPH:
        return _decide_graph(allows, denies) if resource == ANY else Refused(())
    allows = [statement for statement in allows if statement.condition is None]
    if denies or not allows:
        return Refused(_ids(denies))
    return Allowed(_ids(allows))


_remembered = lru_cache(_REMEMBERED)(_decided)


@lru_cache(_REMEMBERED)
def decide_whole_graph(policy: Policy) -> Verdict:
    """For calls that read the graph and cannot be narrowed, such as `queryV1`: Allowed or Refused.

    They need an unconditional ALLOW of `*` on `*` and no DENY, conditioned or not, that covers `query:ReadGraphData`;
    an ALLOW of `query:ReadGraphData` is not enough: "Currently, only the /j1ql REST route supports [it]" (JupiterOne
    documentation, "Creating User and Account API Keys").
    """
    denies = [s for s in policy.statements if s.effect is Effect.DENY and _denies(s, READ_GRAPH, ANY)]
    return Refused(_ids(denies)) if denies else decide(policy, ANY, ANY)


@lru_cache(_REMEMBERED)
def decide_unknown(policy: Policy) -> Verdict:
    """For calls that nobody knows what they touch: Allowed or Refused.

    They need an unconditional ALLOW of `*` on `*` and no DENY at all, for any DENY might be about them.
    """
    denies = [statement for statement in policy.statements if statement.effect is Effect.DENY]
    return Refused(_ids(denies)) if denies else decide(policy, ANY, ANY)


def decide_named(policy: Policy, action: str) -> frozenset[str]:
    """The resources by name on which `decide` allows an action: none where an ALLOW on `*` means more than has a name.

    Not for `query:ReadGraphData`, which is about no resource that has a name.
    """
    about = [s for s in policy.statements if _names(s.actions, action)]
    denies = [statement for statement in about if statement.effect is Effect.DENY]
    allows = [s for s in about if s.effect is Effect.ALLOW and s.condition is None]
    denied = {name for statement in denies for name in statement.resources}
    allowed = {name for statement in allows for name in statement.resources}
    return frozenset() if ANY in allowed | denied or action == READ_GRAPH else frozenset(allowed - denied)


def _decide_graph(allows: list[Statement], denies: list[Statement]) -> Verdict:
    outright = [statement for statement in denies if statement.condition is None]
    if outright or not allows:
        return Refused(_ids(outright))
    lifting = [statement for statement in allows if statement.condition is None]
    grounds = lifting or allows
    if lifting and not denies:
        return Allowed(_ids(lifting))
    predicate = Predicate(allows=_conditions(grounds), denies=_conditions(denies))
    return Narrowed(predicate, _ids([*grounds, *denies]))


def _matches(statement: Statement, action: str, resource: str) -> bool:
    return _names(statement.actions, action) and _names(statement.resources, resource)


def _denies(statement: Statement, action: str, resource: str) -> bool:
    if _matches(statement, action, resource):
        return True
    about = ACTIONS.get(action, frozenset()) if resource == ANY else frozenset()
    return _names(statement.actions, action) and any(resource_type(name) in about for name in statement.resources)


def _names(names: tuple[str, ...], asked: str) -> bool:
    return asked in names or ANY in names


def _conditions(statements: Iterable[Statement]) -> tuple[Condition, ...]:
    return tuple(dict.fromkeys(statement.condition or EVERYTHING for statement in statements))


def _ids(statements: Iterable[Statement]) -> tuple[str, ...]:
    return tuple(statement.id for statement in statements)
