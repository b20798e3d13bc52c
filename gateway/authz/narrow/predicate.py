"""P as conditions of the language, for a selector or for a name.

A leaf `p = v|w` becomes `p = ('v' OR 'w')`, its negation `((p != 'v' AND p != 'w') OR p = undefined)`: never `!=`
over a list, whose De Morgan reading differs between the platform's documents, and never an unguarded `!=`, whose
value on an absent property is not certain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from gateway.authz.narrow.sublanguage import check_path, check_text
from gateway.j1ql import RESERVED_WORDS, render_condition, tree
from gateway.policy import Condition, Predicate

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


@lru_cache(256)
def conditions(predicate: Predicate, alias: str | None = None) -> tuple[tree.Condition, ...]:
    """P as a list to be conjoined: one of the allows, and the negation of each of the denies."""
    return tuple(_conditions(predicate, alias))


@lru_cache(256)
def length_of(predicate: Predicate) -> int:
    """Characters of P as it stands in a query."""
    return sum(len(render_condition(condition)) for condition in conditions(predicate))


def all_of(*items: tree.Condition) -> tree.Condition:
    return items[0] if len(items) == 1 else tree.And(items)


def any_of(*items: tree.Condition) -> tree.Condition:
    return items[0] if len(items) == 1 else tree.Or(items)


def property_path(name: str, alias: str | None = None) -> tree.Path:
    """`tag.team` as it is, and any other name, or one that a reader could take for a keyword, in brackets."""
    parts = name.split(".")
    if _PLAIN_NAME.fullmatch(name) and not any(part.upper() in RESERVED_WORDS for part in parts):
        segments = tuple(tree.Segment(part) for part in parts)
    else:
        segments = (tree.Segment(name, bracketed=True),)
    path = tree.Path(segments if alias is None else (tree.Segment(alias), *segments))
    check_path(path)  # refused when the policy was made; held again here, because everything rests on it
    return path


def properties(predicate: Predicate) -> tuple[str, ...]:
    """The properties that P speaks of, each once."""
    names = (name for condition in predicate.allows + predicate.denies for name, _ in condition.equals)
    return tuple(dict.fromkeys(names))


def _conditions(predicate: Predicate, alias: str | None) -> Iterator[tree.Condition]:
    if all(condition.equals for condition in predicate.allows):
        yield any_of(*(_holds(condition, alias) for condition in predicate.allows))
    for condition in predicate.denies:
        yield any_of(*(_differs(property_path(name, alias), values) for name, values in condition.equals))


def _holds(condition: Condition, alias: str | None) -> tree.Condition:
    leaves = (tree.Comparison(property_path(name, alias), "=", _value(values)) for name, values in condition.equals)
    return all_of(*leaves)


def _differs(path: tree.Path, values: tuple[str, ...]) -> tree.Condition:
    unequal = all_of(*(tree.Comparison(path, "!=", _string(value)) for value in values))
    return tree.Or((unequal, tree.Comparison(path, "=", tree.Undefined())))


def _value(values: tuple[str, ...]) -> tree.String | tree.ValueList:
    strings = tuple(_string(value) for value in values)
    return strings[0] if len(strings) == 1 else tree.ValueList("OR", strings)


def _string(value: str) -> tree.String:
    check_text(value, 0)
    return tree.String(value)
