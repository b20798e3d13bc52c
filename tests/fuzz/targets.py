"""What must hold of any input, one function a target: each raises AssertionError if it does not.

An input is bytes, so that it can be made by a fuzzer, saved to a file and replayed. Where it matters who asks, its
first byte says so (see `bindings`), and the rest is a text or a body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from fuzz.bindings import NAMED, Bound, bound
from fuzz.reading import bare, readings
from gateway.authz.narrow import Narrowing, NotNarrowed, narrow
from gateway.authz.outcome import Check, HiddenObject
from gateway.authz.rows import Withheld, checked
from gateway.authz.verify import verified
from gateway.j1ql import J1QLSyntaxError, Limits, parse, render, tree

Target = Callable[[bytes], None]

_SHALLOW = Limits(depth=25)
"""What is printed may need twice the depth of what it was read from, and here it is read again."""


def text_of(data: bytes) -> str:
    """Any text there is to send: bytes that are no UTF-8 become lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


# --- reading and printing ---------------------------------------------------------------------------------------------


def language(data: bytes) -> None:
    """A text is a query, which prints to itself, or an error that points into it."""
    text = text_of(data)
    query = _read(text)
    if query is None:
        return
    printed = render(query)
    if printed.count("(") <= Limits().depth:  # a printed query may need twice the depth of what it was read from
        assert parse(printed) == query, f"{text!r} is another query when printed: {printed!r}"
        assert render(parse(printed)) == printed, f"{text!r} is printed in two ways: {printed!r}"


def _read(text: str) -> tree.Query | None:
    try:
        return parse(text)
    except J1QLSyntaxError as fault:
        _points(fault, text)
        return None


def _points(fault: J1QLSyntaxError | NotNarrowed, text: str) -> None:
    assert 0 <= fault.at <= len(text), f"{fault.message!r} at {fault.at} is outside of {text!r}"
    assert fault.message
    if isinstance(fault, J1QLSyntaxError):
        message, shown, caret = str(fault).split("\n")
        assert message.startswith(fault.message), f"{message!r} about {text!r}"
        assert fault.line >= 1 <= fault.column
        sign = text[fault.at : fault.at + 1]
        pointed = shown[len(caret) - 1 : len(caret)]
        assert re.fullmatch(r" +\^", caret), f"no caret: {caret!r} about {text!r}"
        assert pointed == sign or not (sign.isprintable() and sign.strip()), f"{caret!r} below {shown!r}, not {sign!r}"


# --- narrowing --------------------------------------------------------------------------------------------------------

_UNSAID = re.compile(
    r"/\*|\*/|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|\$\{(?!\s*param\b)", re.IGNORECASE
)
"""What nothing that is sent may hold: comment marks, signs that cannot be seen, variables."""


def narrowing(data: bytes) -> None:
    """A query is refused, or narrowed to a text that is proven, reads alike everywhere, and can be narrowed again."""
    who, text = bound(data[0] if data else 0), text_of(data[1:])
    once = _narrowed(text, who, _SHALLOW)
    if once is None:
        return
    _fit_to_send(once, who, text)
    try:
        twice = narrow(once.text, who.binding)
    except (J1QLSyntaxError, NotNarrowed) as fault:
        raise AssertionError(f"{text!r} is narrowed to {once.text!r}, but that is refused: {fault}") from fault
    _fit_to_send(twice, who, once.text)


def _narrowed(text: str, who: Bound, limits: Limits) -> Narrowing | None:
    try:
        return narrow(text, who.binding, limits)
    except (J1QLSyntaxError, NotNarrowed) as fault:
        _points(fault, text)
        return None


def _fit_to_send(made: Narrowing, who: Bound, text: str) -> None:
    sent = made.text
    gap = verified(sent, who.key.predicate, strict=who.strict)
    assert gap is None, f"{text!r} is narrowed to {sent!r}, which is not proven: {gap}"
    assert not _UNSAID.search(sent), f"{text!r} is narrowed to {sent!r}"
    assert len(readings(sent)) == 1, f"{text!r} is narrowed to {sent!r}, which can be read in two ways"
    query = parse(sent, limits=Limits(length=10**6, tokens=10**5))
    lack = bare(query, who)
    assert lack is None, f"{text!r} is narrowed to {sent!r}, where {lack} is bare"
    _fit_to_check(made, query)


def _fit_to_check(made: Narrowing, query: tree.Query) -> None:
    """The columns that are told of are those of the text, the caller's first."""
    items = query.returns if isinstance(query.returns, tuple) else ()
    hidden = tuple(column for each in made.hidden for column, _ in each.columns)
    named = tuple(
        f"{each.value.alias}.*" if isinstance(each.value, tree.AllProperties) else each.column for each in items
    )
    assert named == (*made.columns, *hidden), f"{made} does not tell of its columns"
    shape = "list" if query.returns is None else "table" if items else "tree"
    assert made.shape == shape


# --- the scanner ------------------------------------------------------------------------------------------------------


def scanner(data: bytes) -> None:
    """A text lacks something, or everything that a reader finds in it carries P, and readers find the same."""
    who, text = bound(data[0] if data else 0), text_of(data[1:])
    gap = verified(text, who.key.predicate, strict=who.strict)
    assert gap is None or gap
    if gap is not None:
        return
    assert len(readings(text)) == 1, f"{text!r} is proven, but can be read in two ways"
    try:
        query = parse(text)
    except J1QLSyntaxError:
        return
    lack = bare(query, who)
    assert lack is None, f"{text!r} is proven for {who}, but {lack} is bare"


# --- the row check ----------------------------------------------------------------------------------------------------

CHECKS = tuple(
    Check(
        predicate=NAMED[name].predicate,
        shape=shape,
        hidden=(
            HiddenObject(tuple(zip(("gw0", "gw1", "gw2"), ("_id", *sorted(NAMED[name].names)), strict=False))),
            HiddenObject((("gw3", "_id"), ("gw4", "_type")), optional=True),
        )
        if shape == "table" and name == "repos"
        else (),
        page=250,
        seal=b"",
        cursor=None,
        request={},
        columns=("u", "n", "e.*"),
        whole=("u",),
        strict=strict,
        sort=sort,
    )
    for name in ("repos", "teams", "nosecret")
    for shape, strict, sort in (
        ("list", True, False),
        ("table", True, False),
        ("table", False, False),
        ("tree", True, False),
        ("tree", False, True),
    )
)
"""The order counts, as in `bindings`."""

_PLAIN_KEYS = tuple(NAMED[name] for name in ("repos", "teams", "nosecret") for _ in range(5))


def rows(data: bytes) -> None:
    """An answer is withheld, or every object in what is passed on satisfies P."""
    number = ((data[0] if data else 0) - ord("A")) % len(CHECKS)
    check, body = CHECKS[number], data[1:]
    page = checked(body, check)
    if isinstance(page, Withheld):
        assert page.why
        return
    passed = [json.loads(row) for row in page.rows]
    _SHOWN[check.shape](passed, number, body)


def _list_shown(passed: list[Any], number: int, body: bytes) -> None:
    for row in passed:
        assert _shows(number, row, "entity"), f"{row} of {body!r} is passed on"


def _table_shown(passed: list[Any], number: int, body: bytes) -> None:
    check = CHECKS[number]
    given = json.loads(body)["data"]
    assert len(given) == len(passed)
    for row, cells in zip(passed, given, strict=True):
        extra = [name for name in row if name not in check.columns and not name.startswith("e.")]
        assert not extra, f"{extra} of {body!r} is passed on"
        assert row == {name: _known(cells[name]) if name in check.whole else cells[name] for name in row}, f"{body!r}"
        whole = row.get("u")
        assert whole is None or any(_shows(number, whole, part) for part in ("entity", "relationship")), f"{body!r}"
        assert all(_hidden_shows(number, each, cells) for each in check.hidden), f"{body!r} is passed on"


def _known(cell: Any) -> Any:
    """What is passed on of a whole object."""
    members = ("id", "entity", "relationship", "properties", "fromVertexId", "toVertexId")
    return {name: cell[name] for name in cell if name in members} if isinstance(cell, dict) else cell


def _hidden_shows(number: int, hidden: HiddenObject, cells: dict[str, Any]) -> bool:
    """A cell may hold a list as joined text, which says more of what is allowed and nothing of what is denied."""
    values = {name: cells.get(column) for column, name in hidden.columns}
    if values["_id"] is None:
        return hidden.optional and all(value is None for value in values.values())
    lists = {name: [*value.split(","), value] if isinstance(value, str) else value for name, value in values.items()}
    return isinstance(values["_id"], str) and _PLAIN_KEYS[number].shows(lists.get)


def _tree_shown(passed: list[Any], number: int, body: bytes) -> None:
    (drawn,) = passed
    for vertex in drawn["vertices"]:
        assert _shows(number, vertex, "entity"), f"{vertex} of {body!r} is passed on"
    ids = {vertex["id"] for vertex in drawn["vertices"]}
    for edge in drawn["edges"]:
        assert {edge["fromVertexId"], edge["toVertexId"]} <= ids, f"{edge} of {body!r} is passed on"
        assert not CHECKS[number].strict or _shows(number, edge, "relationship"), f"{edge} of {body!r} is passed on"


_SHOWN = {"list": _list_shown, "table": _table_shown, "tree": _tree_shown}


def _shows(number: int, thing: Any, part: str) -> bool:
    """Metadata decides, and a property that says otherwise is a contradiction."""
    metadata, properties = thing.get(part), thing.get("properties") or {}
    if part == "relationship" and metadata is not None and not CHECKS[number].strict:
        return True
    if metadata is None or metadata.get("_deleted") is True:
        return False
    key = _PLAIN_KEYS[number]

    def value(name: str) -> Any:
        return (metadata if name.startswith("_") or name == "displayName" else properties).get(name)

    told = [
        each[name]
        for name in key.names
        for each in (metadata, properties)
        if name in each and each[name] != value(name)
    ]
    return not told and key.shows(value)


TARGETS: dict[str, Target] = {each.__name__: each for each in (language, narrowing, scanner, rows)}
