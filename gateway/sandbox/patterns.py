"""Regular expressions of the query language, matched in linear time.

The documentation ("Regular Expressions") leaves out anchors, alternation, groups, lookaround and `\\s`. What remains is
a row of characters, each optional or repeated, so a set of places in that row is all that matching has to remember. A
backtracking matcher would let one short pattern stop the sandbox.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from gateway.sandbox.context import EvaluationError

_ATOM = re.compile(
    r"(?P<one>\\[dDwW]|\\[^A-Za-z0-9]|\[\^?(?:\\.|[^\[\]\\])+\]|[^\\\[\]^$|(){}*+?])"
    r"(?P<times>[*+?]|\{(?P<least>\d{1,3})(?P<to>,(?P<most>\d{1,3})?)?\})?"
)


_SET_OPERATION = re.compile(r"--|&&|~~|\|\|")
"""Inside brackets the standard library reserves these for meanings to come."""


@dataclass(frozen=True, slots=True)
class _Place:
    """One character of the pattern."""

    accepts: re.Pattern[str]
    optional: bool = False
    repeats: bool = False


class Pattern:
    """A compiled pattern. `at_start` and `at_end` tie it to an end of the text: the operators ^= and $= do."""

    def __init__(self, source: str, flags: str, *, at_start: bool, at_end: bool, limit: int) -> None:
        """Raises EvaluationError for what the platform does not support, and for patterns longer than `limit`."""
        if flags not in ("", "i"):
            raise EvaluationError(f"Unsupported regular expression flags: {flags}")
        self._places = tuple(islice(_places(source, re.IGNORECASE if flags else re.NOFLAG), limit + 1))
        self._end = len(self._places)
        if self._end > limit:
            raise EvaluationError(f"Regular expression describes more than {limit} characters")
        self._from = [frozenset(self._reachable(place)) for place in range(self._end + 1)]
        self._at_start = at_start
        self._at_end = at_end

    def matches(self, text: str) -> bool:
        """Whether the text, or a part of it, fits."""
        begin = frozenset[int]() if self._at_start else self._from[0]
        reached = self._from[0]
        for character in text:
            if self._end in reached and not self._at_end:
                return True
            onward = (self._after(place) for place in reached if self._accepts(place, character))
            reached = begin.union(*onward)
        return self._end in reached

    def _reachable(self, place: int) -> Iterator[int]:
        """Where matching may stand without another character: what is optional can be stepped over."""
        yield place
        while place < self._end and self._places[place].optional:
            place += 1
            yield place

    def _accepts(self, place: int, character: str) -> bool:
        return place < self._end and self._places[place].accepts.fullmatch(character) is not None

    def _after(self, place: int) -> frozenset[int]:
        return self._from[place if self._places[place].repeats else place + 1]


def _places(source: str, flags: re.RegexFlag) -> Iterator[_Place]:
    at = 0
    while at < len(source):
        atom = _ATOM.match(source, at)
        accepts = _character(atom["one"], flags) if atom else None
        if atom is None or accepts is None:
            raise EvaluationError(f"Unsupported regular expression /{source}/ at `{source[at:]}`")
        yield from _repeated(atom, accepts)
        at = atom.end()


def _character(one: str, flags: re.RegexFlag) -> re.Pattern[str] | None:
    if _SET_OPERATION.search(one):
        return None
    try:
        return re.compile(one, flags | re.DOTALL)
    except re.error:  # a range such as [b-a], an escape such as [\q]
        return None


def _repeated(atom: re.Match[str], accepts: re.Pattern[str]) -> Iterator[_Place]:
    """`a+` is `a` and `a*`; `a{1,3}` is `a`, `a?` and `a?`."""
    least, most = _bounds(atom)
    yield from [_Place(accepts)] * least
    if most is None:
        yield _Place(accepts, optional=True, repeats=True)
    else:
        yield from [_Place(accepts, optional=True)] * (most - least)


def _bounds(atom: re.Match[str]) -> tuple[int, int | None]:
    match atom["times"]:
        case None:
            return 1, 1
        case "*":
            return 0, None
        case "+":
            return 1, None
        case "?":
            return 0, 1
        case _:
            least = int(atom["least"])
            most = atom["most"] if atom["to"] else atom["least"]
            if most is not None and int(most) < least:
                raise EvaluationError(f"Unsupported regular expression repetition {atom['times']}")
            return least, None if most is None else int(most)
