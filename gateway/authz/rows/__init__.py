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
passed on, and what decides must be written once, or say the same each time.
"""

from __future__ import annotations

import codecs

import msgspec

from gateway.authz.outcome import Check
from gateway.authz.rows.listed import checked_list
from gateway.authz.rows.objects import UnclearError, objects_of
from gateway.authz.rows.page import Body, Page, Separate, Text, Together, Withheld
from gateway.authz.rows.tables import checked_table
from gateway.authz.rows.trees import checked_tree

__all__ = ["Body", "Page", "Separate", "Text", "Together", "Withheld", "checked"]

_SHAPES = {"list": checked_list, "table": checked_table, "tree": checked_tree}
_UNKNOWN_SHAPE = Withheld("the answer has an unknown shape", violation=False)


def checked(body: Body, check: Check) -> Page | Withheld:
    """The rows of an upstream's answer, or why none of it may be passed on. A tree is one row."""
    try:
        _refuse_other_than_utf8(body)
        return _SHAPES[check.shape](body, check, objects_of(check.predicate))
    except (msgspec.MsgspecError, UnclearError, UnicodeDecodeError, RecursionError):  # the last one is told of nesting
        return _UNKNOWN_SHAPE


_PIECE = 1 << 16
"""Bytes that are decoded at a time: as text they take four times the room."""


def _refuse_other_than_utf8(body: Body) -> None:
    """What is not read is passed on as it came. Raises UnicodeDecodeError."""
    if isinstance(body, bytes) and body.isascii():
        return
    decode = codecs.getincrementaldecoder("utf-8")().decode
    pieces = memoryview(body)
    for start in range(0, len(body), _PIECE):
        decode(pieces[start : start + _PIECE], final=start + _PIECE >= len(body))
