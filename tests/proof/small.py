"""Every graph of up to three vertices, of each that differs in no more than the numbering of its vertices one.

A vertex has one of two types and is visible or not; an edge has a direction, one of two verbs, and satisfies P or not.
Two families, because all sets of edges would be too many: at most one edge between two vertices, and at most two edges
anywhere, loops and parallel ones among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations, combinations_with_replacement, permutations, product
from typing import NamedTuple

from gateway.sandbox.graph import Entity, Graph, Relationship

VERBS = ("HAS", "USES")


class Vertex(NamedTuple):
    kind: str
    shown: bool


class Edge(NamedTuple):
    start: int
    end: int
    verb: str
    shown: bool


class Shape(NamedTuple):
    """A graph: vertices by their numbers, and edges, in order."""

    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]


VERTICES = sorted(Vertex(kind, shown) for kind in ("a", "b") for shown in (True, False))


def shapes(marks: Iterable[tuple[str, bool]]) -> list[Shape]:
    """All shapes whose edges have one of the marks: a verb, and whether the edge satisfies P."""
    marks = tuple(marks)
    found = {
        _numbered(Shape(vertices, edges))
        for count in (1, 2, 3)
        for edges in {*_single(count, marks), *_few(count, marks)}
        for vertices in combinations_with_replacement(VERTICES, count)
    }
    return sorted(found)


def _single(count: int, marks: tuple[tuple[str, bool], ...]) -> Iterator[tuple[Edge, ...]]:
    pairs = list(combinations(range(count), 2))
    choices = [[None, *(Edge(*ends, *mark) for ends in (pair, pair[::-1]) for mark in marks)] for pair in pairs]
    for chosen in product(*choices):
        yield tuple(sorted(edge for edge in chosen if edge is not None))


def _few(count: int, marks: tuple[tuple[str, bool], ...]) -> Iterator[tuple[Edge, ...]]:
    every = [Edge(*ends, *mark) for ends in product(range(count), repeat=2) for mark in marks]
    for size in (0, 1, 2):
        yield from combinations(sorted(every), size)


def _numbered(shape: Shape) -> Shape:
    """The least of the shapes that differ only in the numbering of equal vertices."""
    vertices, edges = shape
    orders = [order for order in permutations(range(len(vertices))) if tuple(vertices[at] for at in order) == vertices]
    return Shape(vertices, min(_renumbered(edges, order) for order in orders))


def _renumbered(edges: tuple[Edge, ...], order: tuple[int, ...]) -> tuple[Edge, ...]:
    return tuple(sorted(edge._replace(start=order[edge.start], end=order[edge.end]) for edge in edges))


def graph_of(shape: Shape) -> Graph:
    """A vertex that is shown has `p = v` and the class Shown; an edge that is shown has `p = v`."""
    return Graph(
        (_entity(number, *vertex) for number, vertex in enumerate(shape.vertices)),
        (_relationship(number, *edge) for number, edge in enumerate(shape.edges)),
    )


def _entity(number: int, kind: str, shown: bool) -> Entity:
    known = {"_id": f"e{number}", "_key": f"e{number}", "_type": [kind], "_class": ["Shown" if shown else "Hidden"]}
    return Entity(f"v{number}", known, {"p": "v" if shown else "h"})


def _relationship(number: int, start: int, end: int, verb: str, shown: bool) -> Relationship:
    known = {"_id": f"r{number}", "_key": f"r{number}", "_type": "t", "_class": verb}
    return Relationship(f"w{number}", f"v{start}", f"v{end}", known, {"p": "v" if shown else "h"})
