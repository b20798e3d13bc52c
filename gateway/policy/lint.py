"""What is allowed to stand in a policy and yet will surprise its author."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.policy.decide import decide
from gateway.policy.model import ANY, READ_GRAPH, Allowed, Condition, Effect, Narrowed, Policy, Statement
from gateway.policy.supported import ACTIONS, is_verb, resource_type

_RAW_DATA = "persister:GetEntityRawData"


def lint(policy: Policy) -> tuple[str, ...]:
    """Remarks for people, each beginning with the path of what it is about."""
    return (*_policy_remarks(policy), *(remark for s in policy.statements for remark in _statement_remarks(s)))


def _policy_remarks(policy: Policy) -> Iterator[str]:
    allows = [statement for statement in policy.statements if statement.effect is Effect.ALLOW]
    reading = [s for s in allows if ANY in s.resources and (ANY in s.actions or READ_GRAPH in s.actions)]
    if not allows:
        yield "permissions: nothing is allowed, since there is no ALLOW"
    lifting = next((statement for statement in reading if statement.condition is None), None)
    for statement in reading:
        if lifting and statement.condition is not None:
            yield f"{statement.id}: has no effect, since {lifting.id} allows all graph data without a condition"
    raw_data = decide(policy, _RAW_DATA, ANY)
    if isinstance(decide(policy, READ_GRAPH, ANY), Narrowed) and isinstance(raw_data, Allowed):
        yield f"{raw_data.because[0]}: gives the raw data of every entity by its id, also of those that conditions hide"


def _statement_remarks(statement: Statement) -> Iterator[str]:
    if statement.condition is not None:
        yield from _relationships(statement, statement.condition)
        if ANY in statement.actions:
            yield from _conditioned_wildcard(statement)
    for at, action in enumerate(statement.actions):
        types = ACTIONS.get(action, frozenset())
        if action != ANY and not any(name == ANY or resource_type(name) in types for name in statement.resources):
            yield f"{statement.id}.actions[{at}]: never matches, since `{action}` is about none of these resources"


def _relationships(statement: Statement, condition: Condition) -> Iterator[str]:
    """A relationship has a `_type` and a `_class` of its own, and its `_class` is its verb, in capitals."""
    equals = dict(condition.equals)
    verbs = [value for value in equals.get("_class", ()) if is_verb(value)]
    if statement.effect is Effect.DENY and verbs:
        yield f"{statement.id}: denies relationships under `strict` only; `induced` shows all between visible entities"
    if statement.effect is Effect.ALLOW and ("_type" in equals or ("_class" in equals and not verbs)):
        yield f"{statement.id}: shows no relationship under `strict`, unless one satisfies the condition itself"


def _conditioned_wildcard(statement: Statement) -> Iterator[str]:
    if statement.effect is Effect.ALLOW:
        yield f"{statement.id}: allows `{READ_GRAPH}` and nothing else, since a condition speaks of graph objects"
    else:
        yield f"{statement.id}: refuses every action but `{READ_GRAPH}`, since a condition speaks of graph objects"
