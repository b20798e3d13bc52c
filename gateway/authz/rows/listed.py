"""The check of a list."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from gateway.authz.outcome import Check
from gateway.authz.rows.objects import Objects
from gateway.authz.rows.page import FORBIDDEN, Body, Page, Separate, Together, Withheld, another_shape


class _List(Struct):
    type: str
    data: list[Raw]
    cursor: str | None = None


class _Around(Struct):
    """The same with the rows taken out."""

    type: str
    data: Raw
    cursor: str | None = None


_list = msgspec.json.Decoder(_List)
_around = msgspec.json.Decoder(_Around)


def checked_list(body: Body, check: Check, objects: Objects) -> Page | Withheld:
    """All rows at once, where that can tell; else one by one."""
    return _all(body, check, objects) or _each(body, check, objects)


def _all(body: Body, check: Check, objects: Objects) -> Page | None:
    """Reads the body once: from its first bracket to its last it holds the rows, or else is not read here.

    That it does is told by the rest, which has no bracket: with an empty array in their place it is an answer whose
    `data` is that array.
    """
    start, stop = body.find(b"["), body.rfind(b"]") + 1
    if not 0 <= start < stop:
        return None
    try:
        around = _around.decode(body[:start] + b"[]" + body[stop:])
    except msgspec.DecodeError:
        return None
    if around.type != check.shape or bytes(around.data) != b"[]":
        return None
    count = objects.all_visible(memoryview(body)[start:stop])
    return None if count is None else Page(Together(body, start + 1, stop - 1, count), around.cursor)


def _each(body: Body, check: Check, objects: Objects) -> Page | Withheld:
    answer = _list.decode(body)
    if answer.type != check.shape:
        return another_shape(check.shape)
    rows = []
    for raw in answer.data:
        row = objects.entity(raw)
        if row.part != "entity":
            return Withheld("a row is no entity", violation=False)
        if not row.visible:
            return FORBIDDEN
        rows.append(row.passed)
    return Page(Separate(tuple(rows)), answer.cursor)
