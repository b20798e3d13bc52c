"""Expressions, turned once into functions from a row to a value.

What a row is, and what a name in it means, is the business of a `Scope`: an entity in WITH, a match in WHERE, a group
of matches in RETURN. Names are looked up and parameters put in before the first row is read, so that a fault in a query
is found whatever the graph holds; a row can only make a value undefined.
"""

from __future__ import annotations

import math
import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from gateway.j1ql import tree
from gateway.sandbox.context import Context, EvaluationError
from gateway.sandbox.values import Number, Value, elements, is_number, plain, text

Row = TypeVar("Row")
Getter = Callable[[Row], Value]


@dataclass(frozen=True, slots=True)
class Scope(ABC, Generic[Row]):
    """What names mean where an expression stands. Both methods raise EvaluationError for a name without a meaning."""

    context: Context

    @abstractmethod
    def path(self, path: tree.Path) -> Getter[Row]: ...

    def call(self, call: tree.Call) -> Getter[Row]:
        """The functions of one row; a scope may know more."""
        return _call(call, self)


def compile_expression(expression: tree.Expression, scope: Scope[Row]) -> Getter[Row]:
    """The expression as a function of a row. Raises EvaluationError."""
    match expression:
        case tree.Path():
            return scope.path(expression)
        case tree.Call():
            return scope.call(expression)
        case tree.Arithmetic(left, symbol, right):
            calculate = _ARITHMETIC[symbol]
            first, second = (compile_expression(side, scope) for side in (left, right))
            return lambda row: calculated(calculate, (first(row), second(row)))
        case tree.Regex():
            raise EvaluationError("A regular expression may only be compared with")
        case _:
            constant = _constant(expression, scope.context)
            return lambda _: constant


def calls(expression: tree.Expression) -> Iterator[tree.Call]:
    """Every call in an expression, outer ones first."""
    match expression:
        case tree.Call(_, arguments):
            yield expression
            for argument in arguments:
                yield from calls(argument)
        case tree.Arithmetic(left, _, right):
            yield from calls(left)
            yield from calls(right)
        case _:
            return


# --- constants ----------------------------------------------------------------------------------------------------

_Constant = tree.String | tree.Number | tree.Boolean | tree.Undefined | tree.Parameter | tree.Now | tree.Date

_HOUR = 60 * 60 * 1000
_DAY = 24 * _HOUR
UNITS: Mapping[str, int] = {
    # OPEN (undocumented): a month is 30 days and a year 365; the platform may count calendar months.
    **dict.fromkeys(("hour", "hr", "hours", "hrs"), _HOUR),
    **dict.fromkeys(("day", "days"), _DAY),
    **dict.fromkeys(("month", "mo", "months", "mos"), 30 * _DAY),
    **dict.fromkeys(("year", "yr", "years", "yrs"), 365 * _DAY),
}
"""Milliseconds of the units that `date.now` may be moved by (JupiterOne documentation, "Date Comparisons")."""

_MONTH = re.compile(r"\d{4}(-\d\d)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T.+)?")


def _constant(expression: _Constant, context: Context) -> Value:
    match expression:
        case tree.String(value) | tree.Boolean(value):
            return value
        case tree.Number(source):
            return _number(source)
        case tree.Undefined():
            return None
        case tree.Parameter(name):
            return context.parameter(name)
        case tree.Now(amount, unit):
            return context.now + (amount or 0) * _unit(unit)
        case tree.Date(source):
            return _moment(source.strip())


def _number(source: str) -> Number:
    try:
        number = plain(int(source) if source.removeprefix("-").isdecimal() else float(source))
    except ValueError:  # more digits than the interpreter converts
        number = None
    if number is None:
        raise EvaluationError(f"Number out of range: {source[:20]}...")
    return number


def _unit(unit: str | None) -> int:
    if unit is None:
        return 0
    if unit.lower() not in UNITS:
        raise EvaluationError(f"Invalid date unit: {unit}")
    return UNITS[unit.lower()]


def _moment(source: str) -> int:
    """`YYYY`, `YYYY-MM`, `YYYY-MM-DD`, or with a time and a zone, in milliseconds since the epoch.

    OPEN (ambiguity 10): without a zone it is UTC.
    """
    full = f"{source}-01-01"[:10] if _MONTH.fullmatch(source) else source
    invalid = EvaluationError(f"Invalid date: {source}")
    if not _DATE.fullmatch(full):
        raise invalid
    try:
        moment = datetime.fromisoformat(full)
    except ValueError:
        raise invalid from None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(zoned.timestamp() * 1000)


# --- arithmetic and functions -------------------------------------------------------------------------------------

_ARITHMETIC: Mapping[str, Callable[[Any, Any], Number]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,
    "^": math.pow,
}


def calculated(calculate: Callable[..., Number], values: Sequence[Value]) -> Value:
    """A calculation with numbers; with anything else it is undefined, as documented ("`'1'` does not work").

    OPEN (assumption A10): what has no value, such as a division by zero, is undefined and no error of the query.
    """
    if not all(map(is_number, values)):
        return None
    try:
        return plain(calculate(*values))
    except (ArithmeticError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class _Function:
    apply: Callable[[Sequence[Value]], Value]
    most: int | None = None
    """Arguments it takes at most; one is the least."""


def _numeric(calculate: Callable[[Any], Number]) -> _Function:
    return _Function(lambda values: calculated(calculate, values), most=1)


FUNCTIONS: Mapping[str, _Function] = {
    "CONCAT": _Function(lambda values: "".join(map(text, values))),
    "MERGE": _Function(lambda values: [item for value in values for item in elements(value)]),  # type: ignore[misc]
    "COALESCE": _Function(lambda values: next((value for value in values if value is not None), None)),
    "ABS": _numeric(abs),
    "SQRT": _numeric(math.sqrt),
    "CEIL": _numeric(math.ceil),
    "FLOOR": _numeric(math.floor),
    "ROUND": _numeric(lambda number: math.floor(number + 0.5)),
}
"""Functions of one row (JupiterOne documentation, "Scalar Functions" and "Mathematical Expressions")."""


def _call(call: tree.Call, scope: Scope[Row]) -> Getter[Row]:
    function = FUNCTIONS.get(call.name.upper())
    if function is None:
        raise EvaluationError(f"Function {call.name} is not supported here")
    if not 1 <= len(call.arguments) <= (function.most or len(call.arguments)):
        raise EvaluationError(f"Wrong number of arguments for {call.name}: {len(call.arguments)}")
    arguments = [compile_expression(argument, scope) for argument in call.arguments]
    apply = function.apply
    return lambda row: apply([argument(row) for argument in arguments])
