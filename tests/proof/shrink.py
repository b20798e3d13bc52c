"""Makes a case that breaks the law small: takes things away as long as it still breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from gateway.authz.capabilities import Capabilities
from gateway.j1ql import J1QLSyntaxError, parse, render, tree
from gateway.sandbox.dialect import PLAINEST
from gateway.sandbox.graph import Entity, Relationship
from proof.cases import Case


def shrunk(case: Case, breaks: Callable[[Case], bool]) -> Case:
    """A case from which nothing can be taken away."""
    while True:
        smaller = next((each for each in _smaller(case) if _breaks(each, breaks)), None)
        if smaller is None:
            return case
        case = smaller


def _breaks(case: Case, breaks: Callable[[Case], bool]) -> bool:
    try:
        return breaks(case)
    except (AssertionError, ValueError):  # no longer a policy with a condition, or a query
        return False


def _smaller(case: Case) -> Iterator[Case]:
    for members in _without_one(case.permissions):
        yield replace(case, permissions=members)
    for number, entity in enumerate(case.entities):
        touching = (edge for edge in case.relationships if entity.id not in (edge.from_id, edge.to_id))
        yield replace(case, entities=_cut(case.entities, number), relationships=tuple(touching))
    for edges in _without_one(case.relationships):
        yield replace(case, relationships=edges)
    for query in _smaller_queries(case.query):
        yield replace(case, query=query)
    for switches in _reset(case.dialect, PLAINEST):
        yield replace(case, dialect=switches)
    for known in _reset(case.capabilities, Capabilities()):
        yield replace(case, capabilities=known)
    for statements in _each_smaller(case.permissions, _smaller_statement):
        yield replace(case, permissions=statements)
    for entities in _each_smaller(case.entities, _smaller_thing):
        yield replace(case, entities=entities)
    for edges in _each_smaller(case.relationships, _smaller_thing):
        yield replace(case, relationships=edges)


def _cut(items: tuple[Any, ...], number: int) -> tuple[Any, ...]:
    return items[:number] + items[number + 1 :]


def _without_one(items: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    return (_cut(items, number) for number in range(len(items)))


def _each_smaller(items: tuple[Any, ...], smaller: Callable[[Any], Iterator[Any]]) -> Iterator[tuple[Any, ...]]:
    for number, item in enumerate(items):
        for each in smaller(item):
            yield (*items[:number], each, *items[number + 1 :])


def _reset(value: Any, usual: Any) -> Iterator[Any]:
    for each in fields(value):
        if getattr(value, each.name) != getattr(usual, each.name):
            yield replace(value, **{each.name: getattr(usual, each.name)})


def _smaller_thing(thing: Entity | Relationship) -> Iterator[Entity | Relationship]:
    for name in thing.properties:
        yield replace(thing, properties={other: thing.properties[other] for other in thing.properties if other != name})
    for name in thing.metadata.keys() - {"_id", "_key", "_type", "_class"}:
        yield replace(thing, metadata={other: thing.metadata[other] for other in thing.metadata if other != name})


def _smaller_statement(statement: dict[str, Any]) -> Iterator[dict[str, Any]]:
    equals = statement["condition"]["stringEquals"] if "condition" in statement else {}
    for name, wanted in equals.items():
        rest = {other: equals[other] for other in equals if other != name}
        smaller = [rest] if rest else []
        if isinstance(wanted, list):
            smaller += [equals | {name: value} for value in wanted]
        yield from (statement | {"condition": {"stringEquals": each}} for each in smaller)


# --- queries ----------------------------------------------------------------------------------------------------------


def _smaller_queries(text: str) -> Iterator[str]:
    try:
        query = parse(text)
    except J1QLSyntaxError:
        return
    for smaller in _smaller_nodes(query):
        try:
            written = render(smaller)
            parse(written)
        except (J1QLSyntaxError, AttributeError, IndexError, TypeError, ValueError):  # what is left is no query
            continue
        if len(written) < len(text):
            yield written


def _smaller_nodes(node: Any) -> Iterator[Any]:
    """The node with one thing in it taken away, replaced by a part of itself, or made smaller."""
    match node:
        case tree.And(items=items) | tree.Or(items=items):
            yield from items
        case tree.Optional(steps=(only,)):
            yield only
    for each in fields(node) if is_dataclass(node) else ():
        value = getattr(node, each.name)
        yield from (replace(node, **{each.name: smaller}) for smaller in _smaller_values(value))


def _smaller_values(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple):
        yield from _without_one(value)
        yield from _each_smaller(value, _smaller_nodes)
        if value:
            yield None
    elif is_dataclass(value):
        yield None
        yield from _smaller_nodes(value)
    elif value is True:
        yield False
    elif isinstance(value, str):
        yield None
