"""How a probe asks: a generator that yields questions, is sent what the upstream says, and returns what it has found.

So a probe is pure, and whoever runs it decides how a question travels. Nothing is said of a graph that changes while it
is being asked: a finding counts when two readings in a row agree on it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.authz.capabilities import State

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """A query for `POST /j1ql`. `pages`: how many pages of its answer are read at most."""

    text: str
    pages: int = 200


@dataclass(frozen=True, slots=True)
class Said:
    """What the upstream answered, its pages joined. A tree is one row.

    `more`: it has further pages, which were not asked for. `total` is its `totalCount`. `bodies` are the pages as they
    came.
    """

    kind: str
    rows: tuple[Any, ...]
    more: bool = False
    total: int | None = None
    bodies: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The upstream does not take this query; `why` in its own words, for operators alone."""

    why: str


class Silent(Exception):  # noqa: N818 (the end of a probe that nobody answers)
    """No answer came: a time-out, an outage, a limit. It says nothing about the upstream's language."""


class Unclear(Exception):  # noqa: N818
    """An answer that a probe cannot make anything of."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found, and why, in words for operators. `heard`: the upstream answered; else it may be asked again,
    and what was found before stands."""

    state: State
    why: str
    heard: bool = True


def verified(why: str) -> Finding:
    return Finding(State.VERIFIED, why)


def unwitnessed(why: str) -> Finding:
    return Finding(State.UNWITNESSED, why)


def failed(why: str) -> Finding:
    return Finding(State.FAILED, why)


Asking = Generator[Question, Said | Refused, T]
Probe = Callable[[], Asking[Finding]]

_READINGS = 4
"""Of one probe, until two in a row agree."""


def steadily(probe: Probe) -> Asking[Finding]:
    """A finding that two readings in a row agree on; what shows nothing is not read again."""
    try:
        found = yield from probe()
        for _ in range(_READINGS - 1):
            if found.state is State.UNWITNESSED:
                return found
            again = yield from probe()
            if again.state is found.state:
                return again
            found = again
    except Silent as fault:
        return Finding(State.UNWITNESSED, f"no answer: {fault}", heard=False)
    except Unclear as fault:
        return unwitnessed(f"the upstream's answers are unclear: {fault}")
    return unwitnessed("the answers changed from one reading to the next")


# --- questions with one kind of answer ----------------------------------------------------------------------------


def rows(text: str, *, pages: int = 200) -> Asking[tuple[Any, ...]]:
    """The rows of an answer. Raises Unclear for a query that is refused, and for rows that are left over."""
    said = yield Question(text, pages)
    if isinstance(said, Refused):
        raise Unclear(f"`{text}` is refused: {said.why}")
    if said.more:
        raise Unclear(f"`{text}` has more than {pages} pages")
    return said.rows


def cells(text: str, column: str) -> Asking[tuple[Any, ...]]:
    """What stands in one column of a table."""
    found = yield from rows(text)
    return tuple(row.get(column) for row in found if isinstance(row, dict))


def count(pattern: str, alias: str) -> Asking[int]:
    """How many different objects an alias of a pattern stands for. No row is none: there is nothing to group."""
    found = yield from cells(f"{pattern} RETURN COUNT({alias}) AS n", "n")
    if not found:
        return 0
    if len(found) > 1 or not isinstance(found[0], int) or isinstance(found[0], bool):
        raise Unclear(f"`{pattern}` is counted as {found!r}")
    return found[0]


def text_of(value: str) -> str:
    """A text in a query. Only such texts are asked about as need no escapes."""
    return f"'{value}'"


def any_of(values: Iterable[str]) -> str:
    """`('a' OR 'b')`, or one text alone."""
    items = [text_of(value) for value in values]
    return items[0] if len(items) == 1 else f"({' OR '.join(items)})"
