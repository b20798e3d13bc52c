"""What probes need to see something by: objects of which it is known how they differ.

On live data they are looked for; what is not there stays None, and the probes that need it find nothing. The canary
graph has all of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.authz.calibration.asking import Asking, Question, Said, Silent
from gateway.j1ql import RESERVED_WORDS


@dataclass(frozen=True, slots=True)
class Edge:
    """A relationship between two different entities, by their `_id`."""

    start: str
    verb: str
    end: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two entities that are known to have `number` relationships by these verbs, written as a step has them."""

    start: str
    verbs: str
    end: str
    number: int


@dataclass(frozen=True, slots=True)
class Property:
    """A property of an entity, and its value."""

    id: str
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Searched:
    """A word, and entities that hold it: (`_id`, the word and others that it holds as well)."""

    word: str
    hits: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """`nobody` is an `_id` that nothing has, `unknown` a name that nothing has. `places` are entities early and late in
    the order of the graph, `parameters` names of account parameters, a plain one first, each with
    the `_id` of the one entity whose `note` has its value."""

    nobody: str
    unknown: str
    edge: Edge | None = None
    pairs: tuple[Pair, ...] = ()
    texts: Property | None = None
    number: Property | None = None
    boolean: Property | None = None
    searched: Searched | None = None
    places: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()


SMART = "CriticalAsset"
"""The one smart class that the platform's documentation defines (J1QL specification, "Smart classes"): its expansion is
a union, so that a WITH could bind to a part of it."""

_SAMPLED = 250
"""Relationships looked at, and about as many entities: the platform's page."""
_PAGES = 4
_FEWEST_HITS, _MOST_HITS = 25, 60
"""Hits of a word: fewer would not tell a capped search, more make a long query."""

_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_PLAIN_TEXT = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.:/@-]*", re.ASCII)
_WORDS = re.compile(r"[A-Za-z0-9]+", re.ASCII)


def look(nobody: str, unknown: str) -> Asking[Scene]:
    """Looks for witnesses in what there is. Raises Silent."""
    try:
        edge, pairs = yield from _edges()
    except Silent:  # it may take too long on a large graph, unlike all other questions
        edge, pairs = None, ()
    sample = yield from _sample()
    ids = [_id(row) for row in sample]
    return Scene(
        nobody=nobody,
        unknown=unknown,
        edge=edge,
        pairs=pairs,
        texts=_first(_texts(sample)),
        number=_first(_of_kind(sample, int)),
        boolean=_first(_of_kind(sample, bool)),
        searched=_searched(sample),
        places=tuple(dict.fromkeys([*ids[:1], *ids[-1:]])) if len(ids) >= _FEWEST_HITS else (),
    )


def _edges() -> Asking[tuple[Edge | None, tuple[Pair, ...]]]:
    items = "a._id AS start, r._class AS verb, b._id AS target, r._id AS id"
    said = yield Question(f"FIND * AS a THAT RELATES TO AS r * AS b RETURN {items} LIMIT {_SAMPLED}")
    if not isinstance(said, Said):
        return None, ()
    found = {
        row["id"]: Edge(row["start"], row["verb"], row["target"])
        for row in said.rows
        if isinstance(row, dict) and all(_is_plain(row.get(name)) for name in ("start", "verb", "target", "id"))
    }
    edges = [edge for edge in found.values() if edge.start != edge.end]
    several = Counter(edges)
    pairs = [Pair(edge.start, edge.verb, edge.end, number) for edge, number in several.items() if number > 1]
    return _first(edges), tuple(pairs[:1])


def _sample() -> Asking[Sequence[Mapping[str, Any]]]:
    """Entities as a list shows them, with all that they have."""
    said = yield Question("FIND *", pages=_PAGES)
    if not isinstance(said, Said):
        return []
    return [row for row in said.rows if isinstance(row, dict) and _is_plain(_id(row))][:_SAMPLED]


def _id(row: Mapping[str, Any]) -> Any:
    entity = row.get("entity")
    return entity.get("_id") if isinstance(entity, dict) else None


def _properties(sample: Iterable[Mapping[str, Any]]) -> Iterator[Property]:
    for row in sample:
        properties = row.get("properties")
        for name, value in properties.items() if isinstance(properties, dict) else ():
            if _PLAIN_NAME.fullmatch(name) and name.upper() not in RESERVED_WORDS:
                yield Property(_id(row), name, value)


def _of_kind(sample: Iterable[Mapping[str, Any]], kind: type) -> Iterator[Property]:
    return (each for each in _properties(sample) if type(each.value) is kind and each.value is not False)


def _texts(sample: Iterable[Mapping[str, Any]]) -> Iterator[Property]:
    """Lists of different texts, with letters in the last one."""
    for each in _properties(sample):
        if isinstance(each.value, list) and len(each.value) > 1 and all(map(_is_plain, each.value)):
            last = each.value[-1]
            if last.swapcase() != last and len({item.lower() for item in each.value}) == len(each.value):
                yield each


def _searched(sample: Iterable[Mapping[str, Any]]) -> Searched | None:
    """The word that most display names hold, where enough of them do."""
    names = {_id(row): str((row.get("entity") or {}).get("displayName", "")) for row in sample}
    words = {its: _WORDS.findall(name) for its, name in names.items()}
    often = Counter(word.lower() for found in words.values() for word in set(found) if len(word) > 2)  # noqa: PLR2004
    for word, _ in often.most_common(1):
        hits = [(its, " ".join(found)) for its, found in words.items() if word in map(str.lower, found)]
        return Searched(word, tuple(hits[:_MOST_HITS])) if len(hits) >= _FEWEST_HITS else None
    return None


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and _PLAIN_TEXT.fullmatch(value) is not None and value == value.strip()


def _first(items: Iterable[Any]) -> Any:
    return next(iter(items), None)
