"""The second enforcer: every object of an answer is held against the predicate before a byte of it is sent.

It shares no code with `narrow`, on purpose: the two read the same Policy and must agree on the same table of leaf cases
(tests/authz/cases/leaf_cases.json), each by its own means. What it verifies is that every returned object may be
seen; it cannot see which objects are missing, and for tables of aggregates nothing at all.

Rules, from the design: metadata (`displayName` and names that start with `_`) decides over a property of the same name,
and one that differs fails the row; a list equals a value when any element does; what is absent, or not text, equals
nothing; a row that is marked deleted, or is no entity, fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.authz.outcome import Check
from gateway.policy import Condition, Predicate


@dataclass(frozen=True, slots=True)
class Page:
    """Rows that passed: the upstream's own bytes, in a table without the hidden columns. `cursor` is the upstream's."""

    rows: tuple[bytes, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Withheld:
    """An answer that must not be passed on. `violation` tells a forbidden object from an answer of unknown shape."""

    why: str
    violation: bool


class _Envelope(msgspec.Struct):
    type: str
    data: list[msgspec.Raw] | None
    cursor: str | None = None


class _Row(msgspec.Struct):
    entity: dict[str, Any]
    properties: dict[str, Any] | None = None


_envelope = msgspec.json.Decoder(_Envelope)
_row = msgspec.json.Decoder(_Row)
_cells = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


def checked(body: bytes, check: Check) -> Page | Withheld:
    """The rows of an upstream's answer, or why none of it may be passed on."""
    try:
        envelope = _envelope.decode(body)
        if envelope.type != check.shape or envelope.data is None:
            return Withheld(f"the answer is not a {check.shape}", violation=False)
        if check.shape == "list":
            return _checked_list(envelope, check)
        return _checked_table(envelope, check)
    except msgspec.MsgspecError:
        return Withheld("the answer has an unknown shape", violation=False)


def _checked_list(envelope: _Envelope, check: Check) -> Page | Withheld:
    data = envelope.data or []
    names = _names(check.predicate)
    for raw in data:
        row = _row.decode(raw)
        if row.entity.get("_deleted") is True:
            return Withheld("a row is marked deleted", violation=True)
        values = _values(row, names)
        if values is None or not _holds(check.predicate, values):
            return Withheld("a row does not satisfy the predicate", violation=True)
    return Page(tuple(bytes(raw) for raw in data), envelope.cursor)


def _checked_table(envelope: _Envelope, check: Check) -> Page | Withheld:
    rows = []
    for raw in envelope.data or []:
        cells = _cells.decode(raw)
        if check.hidden and not _row_visible(check, cells):
            return Withheld("a row does not satisfy the predicate", violation=True)
        rows.append(_encode({name: cells[name] for name in check.columns if name in cells}))
    return Page(tuple(rows), envelope.cursor)


def _row_visible(check: Check, cells: dict[str, msgspec.Raw]) -> bool:
    values = {name: msgspec.json.decode(cells[column]) for column, name in check.hidden if column in cells}
    if not isinstance(values.get("_id"), str):
        return False
    return _holds(check.predicate, values)


def _values(row: _Row, names: frozenset[str]) -> dict[str, Any] | None:
    """The row's values of the predicate's properties, or None where metadata and properties contradict each other."""
    values = {}
    properties = row.properties or {}
    for name in names:
        metadata = name.startswith("_") or name == "displayName"
        home, other = (row.entity, properties) if metadata else (properties, row.entity)
        values[name] = home.get(name)
        if name in other and other[name] != values[name]:
            return None
    return values


def _names(predicate: Predicate) -> frozenset[str]:
    return frozenset(name for condition in predicate.allows + predicate.denies for name, _ in condition.equals)


def _holds(predicate: Predicate, values: dict[str, Any]) -> bool:
    return any(_all_equal(condition, values) for condition in predicate.allows) and not any(
        _all_equal(condition, values) for condition in predicate.denies
    )


def _all_equal(condition: Condition, values: dict[str, Any]) -> bool:
    return all(_equal(values.get(name), wanted) for name, wanted in condition.equals)


def _equal(value: object, wanted: tuple[str, ...]) -> bool:
    if isinstance(value, list):
        return any(isinstance(element, str) and element in wanted for element in value)
    return isinstance(value, str) and value in wanted
