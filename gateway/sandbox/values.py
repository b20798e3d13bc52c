"""The values of the query language, and what two of them have to do with each other.

`undefined` is None throughout. The readings that the documentation leaves open stand here once each, under OPEN.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Sequence

from gateway.sandbox.graph import Entity, Relationship

Number = int | float
Scalar = str | int | float | bool
Thing = Entity | Relationship
Value = Scalar | Sequence[Scalar] | Thing | None
"""What an expression can be: a property's value, an object, or None for `undefined`."""

_KINDS = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    Entity: "object",
    Relationship: "object",
    type(None): "undefined",
}


def kind(value: Value) -> str:
    """`boolean`, `number`, `string`, `object`, `undefined` or `list`."""
    return _KINDS.get(type(value), "list")


def is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def elements(value: Value) -> Sequence[Value]:
    """The elements of a list; any other value stands for itself; `undefined` has none."""
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple)) else (value,)


# --- comparing two single values ----------------------------------------------------------------------------------


def same(left: Value, right: Value) -> bool:
    """OPEN (assumption A8): a string never equals a number or a boolean; the platform may turn one into the other."""
    return left == right and kind(left) == kind(right)


def alike(left: Value, right: Value) -> bool:
    """The other reading: a string equals the number or the boolean that is written so."""
    if isinstance(left, Scalar) and isinstance(right, Scalar) and isinstance(left, str) != isinstance(right, str):
        return text(left) == text(right)
    return same(left, right)


def contains(left: Value, right: Value) -> bool:
    """OPEN (ambiguity 10): text operators know text only, so that `port ~= '22'` is false for the number 22."""
    return isinstance(left, str) and isinstance(right, str) and right in left


def starts_with(left: Value, right: Value) -> bool:
    return isinstance(left, str) and isinstance(right, str) and left.startswith(right)


def ends_with(left: Value, right: Value) -> bool:
    return isinstance(left, str) and isinstance(right, str) and left.endswith(right)


# --- equality as a key, order, text --------------------------------------------------------------------------------


def identity(value: Value) -> Hashable:
    """A key that two values share if and only if they are the same: for COUNT, UNIQUE and groups."""
    if isinstance(value, (list, tuple)):
        return ("list", *map(identity, value))
    return (kind(value), value)


def sort_key(value: Value) -> tuple[tuple[str, Scalar], ...]:
    """Orders values of any kinds: kinds apart, lists by their elements, objects by their id."""
    items = (item.id if isinstance(item, Thing) else item for item in elements(value))
    return tuple((kind(item), item) for item in items)  # type: ignore[misc]  # lists hold scalars only


def plain(number: Number) -> Number | None:
    """A number as JSON writes it: 4.0 is 4; what the doubles of other readers do not reach is undefined."""
    if not abs(number) <= sys.float_info.max:  # so written, it is true of NaN
        return None
    return int(number) if isinstance(number, float) and number.is_integer() else number


def text(value: Value) -> str:
    """A value inside CONCAT; the documentation: numbers and booleans become strings, an empty field is empty."""
    match value:
        case None | Entity() | Relationship():
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float():
            return str(plain(value))
        case _:
            return ",".join(map(text, value))
