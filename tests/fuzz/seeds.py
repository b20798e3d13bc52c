"""Where a fuzzer begins: the golden texts of the language and of narrowing, and answers written for it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path

from fuzz.bindings import BOUND, Bound
from gateway.authz.narrow import NotNarrowed, narrow
from gateway.j1ql import J1QLSyntaxError

HERE = Path(__file__).parent
TESTS = HERE.parent
_LANGUAGE = TESTS / "j1ql" / "cases"
_OWN = HERE / "seeds" / "queries.txt"
_PAIRS = TESTS / "authz" / "cases" / "narrow.txt"


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def _language() -> Iterator[bytes]:
    yield from (line.encode() for line in _lines(_OWN))
    for name in ("identity.j1ql", "printed.j1ql"):
        yield from (line.encode() for line in _lines(_LANGUAGE / name) if line and not line.startswith("#"))


def _asked() -> Iterator[tuple[Bound, str]]:
    """Each query of a golden pair, and all who may ask it with that policy."""
    yield from product(BOUND, _lines(_OWN))
    for line in _lines(_PAIRS):
        who, mark, query = line.partition(" | ")
        if mark and not line.startswith((">", "!", "#", "|")):
            yield from ((each, query) for each in BOUND if each.key.name == who.split()[0])


def _queries() -> Iterator[bytes]:
    return (f"{who.sign}{query}".encode() for who, query in _asked())


def _narrowed() -> Iterator[bytes]:
    for who, query in _asked():
        with suppress(J1QLSyntaxError, NotNarrowed):
            yield f"{who.sign}{narrow(query, who.binding).text}".encode()


def _answers() -> Iterator[bytes]:
    return (line.encode() for line in _lines(HERE / "seeds" / "rows.txt"))


_SEEDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "language": _language,
    "narrowing": _queries,
    "scanner": _narrowed,
    "rows": _answers,
}


def seeds(target: str) -> list[bytes]:
    """The inputs to begin with, each once."""
    return list(dict.fromkeys(_SEEDS[target]()))


def found(target: str) -> list[Path]:
    """Inputs that failed once."""
    return sorted((HERE / "found" / target).glob("*"))


def dictionary(target: str) -> Path:
    return HERE / "words" / ("json.dict" if target == "rows" else "j1ql.dict")


def words(target: str) -> list[bytes]:
    """The words of a dictionary, whose lines are written as libFuzzer reads them: close enough to Python."""
    lines = dictionary(target).read_text("utf-8").splitlines()
    return [ast.literal_eval(f"b{line}") for line in lines if line.startswith('"')]
