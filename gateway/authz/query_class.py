"""Which queries an alarm stops: a class is an organization, a predicate and the shape of the answer.

Few and large, because each one may tell one bit before it is refused: whether the check of an answer ever found a
forbidden object. Neither key, query nor variables make another class, since a caller may choose any number of them, and
two spellings of one predicate are one class. Not larger either: what goes wrong with one policy, or one shape, need not
stop the dashboards of everybody else.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import NamedTuple

from gateway.authz.outcome import Check
from gateway.policy import ANY, READ_GRAPH, Condition, Effect, Predicate

_REMEMBERED = 1024
"""Classes; each one of a large policy takes 65 KB, of the documented ones 200 bytes."""

_ID_CHARACTERS = 16
"""Hexadecimal digits: two classes with one id would only be refused together."""


class QueryClass(NamedTuple):
    """See the module. `policy` is the predicate as the text of a policy, in one order whatever the key's text has."""

    id: str
    organization: str
    policy: str
    shape: str


def query_class(check: Check) -> QueryClass:
    """The class of a narrowed query."""
    return _class(check.organization, check.predicate, check.shape)


@lru_cache(_REMEMBERED)
def _class(organization: str, predicate: Predicate, shape: str) -> QueryClass:
    policy = _policy(predicate)
    named = json.dumps([organization, policy, shape])
    return QueryClass(hashlib.sha256(named.encode()).hexdigest()[:_ID_CHARACTERS], organization, policy, shape)


def _policy(predicate: Predicate) -> str:
    allows = (_statement(Effect.ALLOW, condition) for condition in predicate.allows)
    denies = (_statement(Effect.DENY, condition) for condition in predicate.denies)
    ordered = [statement for each in (allows, denies) for statement in sorted(set(each))]
    return f'{{"permissions": [{", ".join(ordered)}]}}'


def _statement(effect: Effect, condition: Condition) -> str:
    equals = {name: sorted(set(values)) for name, values in sorted(condition.equals)}
    statement: dict[str, object] = {"effect": effect, "actions": [READ_GRAPH], "resources": [ANY]}
    if equals:
        statement["condition"] = {"stringEquals": equals}
    return json.dumps(statement)
