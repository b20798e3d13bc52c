"""The check of a tree, and the one filter there is: under strict its edges are taken out that may not be seen."""

from __future__ import annotations

from operator import itemgetter

import msgspec
from msgspec import Raw, Struct

from gateway.authz.outcome import Check
from gateway.authz.rows.objects import Objects
from gateway.authz.rows.page import FORBIDDEN, Body, Page, Separate, Withheld, another_shape


class _Drawn(Struct):
    vertices: list[Raw]
    edges: list[Raw]


class _Tree(Struct):
    type: str
    data: _Drawn


_tree = msgspec.json.Decoder(_Tree)
_encode = msgspec.json.Encoder().encode


def checked_tree(body: Body, check: Check, objects: Objects) -> Page | Withheld:
    """A page of one row, which is the tree."""
    answer = _tree.decode(body)
    if answer.type != check.shape:
        return another_shape(check.shape)
    vertices = _vertices(answer.data.vertices, objects)
    if isinstance(vertices, Withheld):
        return vertices
    edges = _edges(answer.data.edges, vertices, check, objects)
    if isinstance(edges, Withheld):
        return edges
    shown = list(vertices.values())
    if check.sort:
        shown = [vertices[each] for each in sorted(vertices)]
        edges.sort(key=itemgetter(0))
    return Page(Separate((_encode(_Drawn(shown, [passed for _, passed in edges])),)), None)


def _vertices(rows: list[Raw], objects: Objects) -> dict[str, Raw] | Withheld:
    """What is passed on of each, by its id."""
    vertices = {}
    for raw in rows:
        vertex = objects.entity(raw)
        if vertex.part != "entity" or vertex.id is None:
            return Withheld("a vertex is no entity", violation=False)
        if not vertex.visible:
            return FORBIDDEN
        vertices[vertex.id] = vertex.passed
    return vertices


def _edges(
    rows: list[Raw], vertices: dict[str, Raw], check: Check, objects: Objects
) -> list[tuple[str, Raw]] | Withheld:
    """What is passed on of those that are shown, with their ids."""
    edges = []
    connected: set[str | None] = set()
    for raw in rows:
        edge = objects.read(raw, passed_on=not check.strict)
        if edge.part != "relationship":
            return Withheld("an edge is no relationship", violation=False)
        if vertices.keys() >= set(edge.ends) and (edge.visible or not check.strict):
            edges.append((edge.id or "", edge.passed))
            connected.update(edge.ends)
        elif not check.strict:
            return FORBIDDEN
    if check.strict and check.connected and not connected >= vertices.keys():
        return FORBIDDEN  # it is there for a relationship that may not be seen
    return edges
