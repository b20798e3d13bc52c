"""The second enforcer: every object of an answer is held against the predicate before a byte of it is sent.

It shares no code with `narrow`, on purpose: the two read the same Policy and must agree on the same table of leaf cases
(tests/authz/cases/leaf_cases.json), each by its own means. What it verifies is that every returned object may be
seen; it cannot see which objects are missing, and for tables of aggregates nothing at all: those rest on `verify`.

Rules: metadata (`displayName` and names that start with `_`) decides over a property of the same name, and one that
differs fails the row; a list equals a value when any element does; what is absent, or not text, equals
nothing; a row that is marked deleted fails. A list holds entities only. A tree's edges need both ends among its
vertices; under strict they must satisfy the predicate themselves, and those that do not are taken out, because the
platform may draw edges that no WHERE spoke of. Where each entity of a match is at the end of a relationship
(`connected`), one that is left at the end of none fails the tree. Of an object only the members that are known are
passed on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec

from gateway.authz.outcome import Check, HiddenObject
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
    data: msgspec.Raw
    cursor: str | None = None


_NO_VALUE = msgspec.Raw()


class _Object(msgspec.Struct, rename="camel"):
    """An entity or a relationship as answers write it."""

    entity: dict[str, Any] | None = None
    relationship: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    id: str | None = None
    from_vertex_id: str | None = None
    to_vertex_id: str | None = None


class _Known(_Object, rename="camel", forbid_unknown_fields=True):
    """An object that has no other members."""


class _Members(msgspec.Struct, rename="camel", omit_defaults=True):
    """The members of an object as they came, and no other: the score of a hit, for one, tells of hidden ones."""

    id: msgspec.Raw = _NO_VALUE
    entity: msgspec.Raw = _NO_VALUE
    relationship: msgspec.Raw = _NO_VALUE
    properties: msgspec.Raw = _NO_VALUE
    from_vertex_id: msgspec.Raw = _NO_VALUE
    to_vertex_id: msgspec.Raw = _NO_VALUE


class _Tree(msgspec.Struct):
    vertices: list[msgspec.Raw]
    edges: list[msgspec.Raw]


_envelope = msgspec.json.Decoder(_Envelope)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(_Object)
_known = msgspec.json.Decoder(_Known)
_members = msgspec.json.Decoder(_Members)
_tree = msgspec.json.Decoder(_Tree)
_cells = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode

_FORBIDDEN = Withheld("an object does not satisfy the predicate", violation=True)


def checked(body: bytes, check: Check) -> Page | Withheld:
    """The rows of an upstream's answer, or why none of it may be passed on. A tree is one row."""
    try:
        body.decode()  # what is not read below is passed on as it came
        envelope = _envelope.decode(body)
        if envelope.type != check.shape:
            return Withheld(f"the answer is not a {check.shape}", violation=False)
        return _SHAPES[check.shape](envelope, check)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):  # the last one is told of nesting
        return Withheld("the answer has an unknown shape", violation=False)


def _checked_list(envelope: _Envelope, check: Check) -> Page | Withheld:
    rows = []
    names = _names(check.predicate)
    for raw in _list.decode(envelope.data):
        row, passed = _read(raw)
        metadata = _entity(row)
        if metadata is None:
            return Withheld("a row is no entity", violation=False)
        if not _visible(check.predicate, names, metadata, row.properties):
            return _FORBIDDEN
        rows.append(bytes(passed))
    return Page(tuple(rows), envelope.cursor)


def _read(raw: msgspec.Raw) -> tuple[_Object, msgspec.Raw]:
    """An object, and what is passed on of it: its own bytes, but for members that are not known."""
    try:
        return _known.decode(raw), raw
    except msgspec.ValidationError:
        return _object.decode(raw), msgspec.Raw(_encode(_members.decode(raw)))


def _checked_table(envelope: _Envelope, check: Check) -> Page | Withheld:
    asked_for = _asked_for(check.columns)
    rows = []
    for raw in _list.decode(envelope.data):
        cells = _cells.decode(raw)
        if not all(_hidden_visible(check.predicate, hidden, cells) for hidden in check.hidden):
            return _FORBIDDEN
        for name in check.whole:
            if name in cells and (cell := _visible_cell(check, cells[name])) is not None:
                cells[name] = cell
            elif name in cells:
                return _FORBIDDEN
        rows.append(_encode({name: cells[name] for name in cells if asked_for(name)}))
    return Page(tuple(rows), envelope.cursor)


def _asked_for(columns: tuple[str, ...]) -> Callable[[str], bool]:
    """Tells the cells that the caller asked for; `u.*` is answered by a column for each property, `u.property`."""
    named = frozenset(columns)
    prefixes = tuple(column[:-1] for column in columns if column.endswith(".*"))
    return lambda name: name in named or name.startswith(prefixes)


def _hidden_visible(predicate: Predicate, hidden: HiddenObject, cells: dict[str, msgspec.Raw]) -> bool:
    values = {name: msgspec.json.decode(cells[column]) for column, name in hidden.columns if column in cells}
    if values.get("_id") is None and hidden.optional:
        return all(value is None for value in values.values())
    if not isinstance(values.get("_id"), str):
        return False
    certain = {name: None if isinstance(value, str) and "," in value else value for name, value in values.items()}
    return any(_all_shown(condition, values) for condition in predicate.allows) and not any(
        _all_equal(condition, certain) for condition in predicate.denies
    )


def _all_shown(condition: Condition, cells: dict[str, Any]) -> bool:
    """A cell may hold a list as joined text ("UNWIND", JupiterOne documentation, J1QL), so that either reading counts.

    Only towards what is allowed: towards a DENY a text with a comma says nothing, lest a visible one raises an alarm.
    """
    return all(_equal(cells.get(name), wanted) or _joined(cells.get(name), wanted) for name, wanted in condition.equals)


def _joined(cell: object, wanted: tuple[str, ...]) -> bool:
    return isinstance(cell, str) and any(f",{value}," in f",{cell}," for value in wanted)


def _visible_cell(check: Check, cell: msgspec.Raw) -> msgspec.Raw | None:
    """A whole object in a cell, if it may be seen; null is the unmatched alias of an optional group."""
    if bytes(cell) == b"null":
        return cell
    found, passed = _read(cell)
    metadata = _entity(found)
    if metadata is None:
        metadata = _relationship(found)
        if metadata is None:
            return None
        if not check.strict:
            return passed
    return passed if _visible(check.predicate, _names(check.predicate), metadata, found.properties) else None


def _checked_tree(envelope: _Envelope, check: Check) -> Page | Withheld:
    tree = _tree.decode(envelope.data)
    names = _names(check.predicate)
    vertices: dict[str, msgspec.Raw] = {}
    for raw in tree.vertices:
        vertex, passed = _read(raw)
        metadata = _entity(vertex)
        if metadata is None or vertex.id is None:
            return Withheld("a vertex is no entity", violation=False)
        if not _visible(check.predicate, names, metadata, vertex.properties):
            return _FORBIDDEN
        vertices[vertex.id] = passed
    edges: list[tuple[str, msgspec.Raw]] = []
    ends: set[str | None] = set()
    for raw in tree.edges:
        edge, passed = _read(raw)
        metadata = _relationship(edge)
        if metadata is None:
            return Withheld("an edge is no relationship", violation=False)
        both = {edge.from_vertex_id, edge.to_vertex_id}
        if vertices.keys() >= both and (
            not check.strict or _visible(check.predicate, names, metadata, edge.properties)
        ):
            edges.append((edge.id or "", passed))
            ends |= both
        elif not check.strict:
            return _FORBIDDEN
    if check.strict and check.connected and not ends >= vertices.keys():
        return _FORBIDDEN  # it is there for a relationship that may not be seen
    if check.sort:
        vertices = dict(sorted(vertices.items()))
        edges.sort(key=itemgetter(0))
    return Page((_encode(_Tree([*vertices.values()], [passed for _, passed in edges])),), None)


_SHAPES = {"list": _checked_list, "table": _checked_table, "tree": _checked_tree}


def _entity(found: _Object) -> dict[str, Any] | None:
    """The metadata of an entity; what is a relationship at once is neither."""
    return found.entity if found.relationship is None else None


def _relationship(found: _Object) -> dict[str, Any] | None:
    return found.relationship if found.entity is None else None


def _visible(
    predicate: Predicate, names: frozenset[str], metadata: dict[str, Any], properties: dict[str, Any] | None
) -> bool:
    if metadata.get("_deleted") not in (None, False):
        return False
    values = _values(metadata, properties or {}, names)
    return values is not None and _holds(predicate, values)


def _values(metadata: dict[str, Any], properties: dict[str, Any], names: frozenset[str]) -> dict[str, Any] | None:
    """The object's values of the named properties, or None where metadata and properties contradict each other."""
    values = {}
    for name in names:
        in_metadata = name.startswith("_") or name == "displayName"
        home, other = (metadata, properties) if in_metadata else (properties, metadata)
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
        return any(element in wanted for element in value)
    return value in wanted
