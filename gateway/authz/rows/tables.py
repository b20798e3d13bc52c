"""The check of a table: by hidden columns, which are taken off again, and by the whole objects in its cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from gateway.authz.outcome import Check, HiddenObject
from gateway.authz.rows.objects import Objects
from gateway.authz.rows.page import FORBIDDEN, Body, Page, Separate, Withheld, another_shape
from gateway.authz.rows.values import all_equal, equal
from gateway.policy import Condition, Predicate


class _Table(Struct):
    type: str
    data: list[dict[str, Raw]]
    cursor: str | None = None


_table = msgspec.json.Decoder(_Table)
_encode = msgspec.json.Encoder().encode


def checked_table(body: Body, check: Check, objects: Objects) -> Page | Withheld:
    """Each row with the cells that the caller asked for, as they came."""
    answer = _table.decode(body)
    if answer.type != check.shape:
        return another_shape(check.shape)
    asked_for = _asked_for(check.columns)
    rows = []
    for cells in answer.data:
        if not all(_hidden_visible(check.predicate, hidden, cells) for hidden in check.hidden):
            return FORBIDDEN
        for name in check.whole:
            if name in cells and (cell := _visible_cell(check, objects, cells[name])) is not None:
                cells[name] = cell
            elif name in cells:
                return FORBIDDEN
        rows.append(_encode({name: cells[name] for name in cells if asked_for(name)}))
    return Page(Separate(tuple(rows)), answer.cursor)


def _asked_for(columns: tuple[str, ...]) -> Callable[[str], bool]:
    """Tells the cells that the caller asked for; `u.*` is answered by a column for each property, `u.property`."""
    named = frozenset(columns)
    prefixes = tuple(column[:-1] for column in columns if column.endswith(".*"))
    return lambda name: name in named or name.startswith(prefixes)


def _hidden_visible(predicate: Predicate, hidden: HiddenObject, cells: dict[str, Raw]) -> bool:
    values = {name: msgspec.json.decode(cells[column]) for column, name in hidden.columns if column in cells}
    if values.get("_id") is None and hidden.optional:
        return all(value is None for value in values.values())
    if not isinstance(values.get("_id"), str):
        return False
    certain = {name: None if isinstance(value, str) and "," in value else value for name, value in values.items()}
    return any(_all_shown(condition, values) for condition in predicate.allows) and not any(
        all_equal(condition, certain) for condition in predicate.denies
    )


def _all_shown(condition: Condition, cells: dict[str, Any]) -> bool:
    """A cell may hold a list as joined text ("UNWIND", JupiterOne documentation, J1QL), so that either reading counts.

    Only towards what is allowed: towards a DENY a text with a comma says nothing, lest a visible one raises an alarm.
    """
    return all(equal(cells.get(name), wanted) or _joined(cells.get(name), wanted) for name, wanted in condition.equals)


def _joined(cell: object, wanted: tuple[str, ...]) -> bool:
    return isinstance(cell, str) and any(f",{value}," in f",{cell}," for value in wanted)


def _visible_cell(check: Check, objects: Objects, cell: Raw) -> Raw | None:
    """A whole object in a cell, if it may be seen; null is the unmatched alias of an optional group."""
    if bytes(cell) == b"null":
        return cell
    found = objects.read(cell, passed_on=not check.strict)
    shown = found.visible or (found.part == "relationship" and not check.strict)
    return found.passed if shown and found.part is not None else None
