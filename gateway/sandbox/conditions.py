"""Conditions, turned once into functions from a row to true or false.

Every negated operator is the exact negation of its positive: what is true of one is false of the other, also for lists
and for undefined, as the two tables of the J1QL specification show ("AND/OR", "Filtering Behavior").
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Iterable, Mapping
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any

from gateway.j1ql import tree
from gateway.sandbox.context import Context, EvaluationError, Run
from gateway.sandbox.dialect import Dialect, Equality, Membership, NegatedList
from gateway.sandbox.expressions import Row, Scope, compile_expression
from gateway.sandbox.patterns import Pattern
from gateway.sandbox.values import Value, alike, contains, elements, ends_with, identity, is_number, same, starts_with

Test = Callable[[Row], bool]
_Against = Callable[[Value, Row], bool]
"""Whether a value, the left side of a comparison, stands in a relation to the right side in this row."""

_Relation = Callable[[Value, Value], bool]


def _of_numbers(holds: Callable[[Any, Any], bool]) -> _Relation:
    """OPEN (ambiguity 10): the documentation has `>` and `<` for numbers and dates, so strings are in no order."""
    return lambda left, right: is_number(left) and is_number(right) and holds(left, right)


_RELATIONS: Mapping[str, _Relation] = {
    "=": same,
    "~=": contains,
    "^=": starts_with,
    "$=": ends_with,
    ">": _of_numbers(operator.gt),
    "<": _of_numbers(operator.lt),
    ">=": _of_numbers(operator.ge),
    "<=": _of_numbers(operator.le),
}

_Right = tree.Expression | tree.ValueList | tree.Subquery

_TEXT = ("=", "~=", "^=", "$=")
"""Relations that a regular expression may stand in."""


def compile_condition(condition: tree.Condition, scope: Scope[Row]) -> Test[Row]:
    """The condition as a function of a row. Raises EvaluationError."""
    match condition:
        case tree.And(items):
            tests = [compile_condition(item, scope) for item in items]
            return lambda row: all(test(row) for test in tests)
        case tree.Or(items):
            tests = [compile_condition(item, scope) for item in items]
            return lambda row: any(test(row) for test in tests)
        case tree.Cidr():
            return _cidr(condition, scope)
        case tree.Comparison():
            return _comparison(condition, scope)


def _comparison(comparison: tree.Comparison, scope: Scope[Row]) -> Test[Row]:
    """OPEN (ambiguity 2, assumption A3): a negated operator is true of undefined, as the negation of its positive."""
    left = compile_expression(comparison.left, scope)
    holds = _holds(comparison.right, comparison.operator, scope)
    if comparison.operator.startswith("!") and not scope.context.dialect.unequal_to_absent:
        return lambda row: (value := left(row)) is not None and holds(value, row)
    return lambda row: holds(left(row), row)


def _holds(right: _Right, operator: str, scope: Scope[Row]) -> _Against[Row]:
    """OPEN (ambiguity 3): `!= (a AND b)` means `not (= a and = b)`, which it did not before 2021."""
    positive = operator.removeprefix("!")
    if positive == operator:
        return _against(right, operator, scope)
    if isinstance(right, tree.ValueList) and scope.context.dialect.negated_list is NegatedList.EACH:
        tests = [_holds(item, operator, scope) for item in right.items]
        combined = _combined(right)
        return lambda left, row: combined(test(left, row) for test in tests)
    against = _against(right, positive, scope)
    dialect = scope.context.dialect
    if isinstance(right, tree.Subquery) and dialect.membership is Membership.SOME_DIFFERS:
        values = _subquery_values(right.query, scope.context)
        return lambda left, _: any(values() - {identity(item)} for item in elements(left))
    if positive == "=" and dialect.equality is Equality.SOME_DIFFERS:
        return lambda left, row: any(not against(item, row) for item in elements(left) or (None,))
    return lambda left, row: not against(left, row)


def _combined(values: tree.ValueList) -> Callable[[Iterable[bool]], bool]:
    return all if values.joiner.upper() == "AND" else any


def _against(right: _Right, symbol: str, scope: Scope[Row]) -> _Against[Row]:
    match right:
        case tree.ValueList(_, items):
            tests = [_against(item, symbol, scope) for item in items]
            combined = _combined(right)
            return lambda left, row: combined(test(left, row) for test in tests)
        case tree.Undefined():
            return lambda left, _: symbol == "=" and left is None
        case tree.Regex():
            return _against_pattern(right, symbol, scope.context)
        case tree.Subquery(query):
            return _against_subquery(query, symbol, scope.context)
        case _:
            value = compile_expression(right, scope)
            relation = _equality(scope.context.dialect) if symbol == "=" else _RELATIONS[symbol]
            if symbol == "=" and scope.context.dialect.equality is Equality.FIRST:
                return lambda left, row: _any_pair(relation, next(iter(elements(left)), None), value(row))
            return lambda left, row: _any_pair(relation, left, value(row))


def _equality(dialect: Dialect) -> _Relation:
    """OPEN (assumptions A3, A8)."""
    equal = alike if dialect.coercion else same
    if dialect.equality is Equality.ANY_CASE:
        return lambda left, right: equal(_lower(left), _lower(right))
    return equal


def _lower(value: Value) -> Value:
    return value.lower() if isinstance(value, str) else value


def _any_pair(relation: _Relation, left: Value, right: Value) -> bool:
    """A list stands in a relation when any of its elements does. So undefined, which has none, stands in no relation.

    OPEN (undocumented): two undefined properties are not equal to each other; only the word `undefined` finds them.
    """
    others = elements(right)
    return any(relation(element, other) for element in elements(left) for other in others)


def _against_pattern(regex: tree.Regex, symbol: str, context: Context) -> _Against[Row]:
    """`=` and `~=` find the pattern anywhere: the documentation has `= /james/i` for names containing it."""
    if symbol not in _TEXT:
        raise EvaluationError(f"A regular expression may not be compared with {symbol}")
    at_start, at_end = symbol == "^=", symbol == "$="
    pattern = Pattern(regex.pattern, regex.flags, at_start=at_start, at_end=at_end, limit=context.limits.pattern)
    return lambda left, _: any(isinstance(item, str) and pattern.matches(item) for item in elements(left))


def _against_subquery(query: tree.Query, symbol: str, context: Context) -> _Against[Row]:
    """OPEN (assumption A9): equal to any of the subquery's values; no value and undefined ones equal nothing."""
    if symbol != "=":
        raise EvaluationError("Subqueries are only supported with = and !=")
    values = _subquery_values(query, context)
    return lambda left, _: any(identity(item) in values() for item in elements(left))


def _subquery_values(query: tree.Query, context: Context) -> _OncePerRun:
    found = context.subquery(query, context)
    return _OncePerRun(context, lambda: frozenset(identity(item) for value in found() for item in elements(value)))


class _OncePerRun:
    """A value that is computed when it is first asked for in a run."""

    def __init__(self, context: Context, compute: Callable[[], frozenset[Hashable]]) -> None:
        self._context = context
        self._compute = compute
        self._run: Run | None = None
        self._value: frozenset[Hashable] = frozenset()

    def __call__(self) -> frozenset[Hashable]:
        if self._run is not self._context.run:
            self._value = self._compute()
            self._run = self._context.run
        return self._value


def _cidr(cidr: tree.Cidr, scope: Scope[Row]) -> Test[Row]:
    """IPv4 only, as documented; text that is no address is in no network."""
    try:
        network = IPv4Network(cidr.network.value, strict=False)
    except ValueError:
        raise EvaluationError(f"Invalid CIDR: {cidr.network.value}") from None
    operand = compile_expression(cidr.operand, scope)
    negated = cidr.negated
    return lambda row: any(_inside(item, network) for item in elements(operand(row))) != negated


def _inside(value: Value, network: IPv4Network) -> bool:
    try:
        return isinstance(value, str) and IPv4Address(value) in network
    except AddressValueError:
        return False
