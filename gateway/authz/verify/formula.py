"""P as the tokens that a narrowed text must have, and what a verb alone says about P."""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.authz.verify.gap import Gap
from gateway.authz.verify.tokens import RESERVED
from gateway.policy import Condition, Predicate


class Formula(NamedTuple):
    """The tokens of a condition; `compound` if an AND or OR of it stands outside parentheses."""

    tokens: tuple[str, ...]
    compound: bool = False

    @property
    def operand(self) -> tuple[str, ...]:
        """As it stands beside other operands of AND or OR."""
        return ("(", *self.tokens, ")") if self.compound else self.tokens


def joined(joiner: str, parts: list[Formula]) -> Formula:
    """One part as it is, more of them with the joiner between two."""
    if len(parts) == 1:
        return parts[0]
    tokens = [token for part in parts for token in (joiner, *part.operand)]
    return Formula(tuple(tokens[1:]), compound=True)


def conjuncts(predicate: Predicate, before: str = "") -> list[Formula]:
    """P as what AND joins: one of the allows, and of each of the denies that it does not hold. Empty if all may pass.

    `before` is put before each property: "r." for what WHERE says of the relationship r.
    """
    if not predicate.allows or not all(condition.equals for condition in predicate.denies):
        raise Gap("nothing satisfies the predicate, so that no text can carry it")
    made = []
    if all(condition.equals for condition in predicate.allows):
        made.append(joined("OR", [_equal(condition, before) for condition in predicate.allows]))
    return made + [_unequal(condition, before) for condition in predicate.denies]


def visible(predicate: Predicate, name: str, *, optional: bool) -> Formula:
    """P of the relationship of this name; in an optional group, where there may be none, "or there is none".

    Every relationship has a `_class`.
    """
    holds = joined("AND", conjuncts(predicate, f"{name}."))
    return joined("OR", [holds, Formula((f"{name}._class", "=", "undefined"))]) if optional else holds


def decides(predicate: Predicate, verb: str) -> bool:
    """Whether P holds on every relationship of a verb.

    The verb in capitals is the relationship's `_class` ("J1QL language specification", JupiterOne documentation).
    """
    stored = verb.upper()

    def surely(condition: Condition) -> bool:
        return all(name == "_class" and stored in values for name, values in condition.equals)

    def surely_not(condition: Condition) -> bool:
        return any(name == "_class" and stored not in values for name, values in condition.equals)

    return any(map(surely, predicate.allows)) and all(map(surely_not, predicate.denies))


def _equal(condition: Condition, before: str) -> Formula:
    """`p = 'v'` or `p = ('v' OR 'w')`; AND between properties."""
    leaves = []
    for name, values in condition.equals:
        literals = [token for value in values for token in ("OR", _literal(value))][1:]
        leaves.append(Formula((before + _path(name), "=", *(literals if len(values) == 1 else ("(", *literals, ")")))))
    return joined("AND", leaves)


def _unequal(condition: Condition, before: str) -> Formula:
    """`(p != 'v' AND p != 'w') OR p = undefined`; OR between properties."""
    leaves = []
    for name, values in condition.equals:
        path = before + _path(name)
        differs = joined("AND", [Formula((path, "!=", _literal(value))) for value in values])
        leaves.append(joined("OR", [differs, Formula((path, "=", "undefined"))]))
    return joined("OR", leaves)


def _literal(value: str) -> str:
    """What could not stand in a string (both quotes, a backslash) gives no token of any text, and is never found."""
    return f'"{value}"' if "'" in value else f"'{value}'"


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


def _path(name: str) -> str:
    plain = _PLAIN.fullmatch(name) and RESERVED.isdisjoint(name.upper().split("."))
    return name if plain else f"[{name}]"
