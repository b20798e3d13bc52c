"""Other graphs of which a policy shows the same: what is hidden is changed, added and removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import TypeVar

from gateway.authz.capabilities import Mode
from gateway.sandbox.graph import Entity, Relationship
from proof.chance import Chance
from proof.law import may_see
from proof.worlds import Objects, Permissions, entity, relationship

Thing = TypeVar("Thing", Entity, Relationship)


def otherwise(chance: Chance, statements: Permissions, objects: Objects, mode: Mode) -> Objects:
    """Another graph with the same visible part."""
    entities, relationships = objects
    others = mixed(
        chance,
        entities,
        lambda each: may_see(statements, each),
        lambda number: entity(chance, statements, number),
    )
    shown = {each.id for each in others if may_see(statements, each)}
    ids = {each.id for each in others}
    if not ids:
        return (), ()
    edges = mixed(
        chance,
        relationships,
        lambda edge: shown >= {edge.from_id, edge.to_id} and (mode is Mode.INDUCED or may_see(statements, edge)),
        lambda number: relationship(chance, statements, number, others),
    )
    return others, tuple(edge for edge in edges if ids >= {edge.from_id, edge.to_id})


def mixed(
    chance: Chance, things: tuple[Thing, ...], shown: Callable[[Thing], bool], another: Callable[[int], Thing]
) -> tuple[Thing, ...]:
    """What is shown stays, in its order; what is hidden stays, changes or goes; some of it is new and comes between."""
    numbers = count(100)
    made: list[Thing] = []
    for thing in things:
        made += new(chance, another, numbers, shown)
        if shown(thing):
            made.append(thing)
        else:
            changed = replace(another(next(numbers)), id=thing.id)
            made += chance.one(([], [thing], [] if shown(changed) else [changed]))
    return (*made, *new(chance, another, numbers, shown))


def new(
    chance: Chance, another: Callable[[int], Thing], numbers: Iterator[int], shown: Callable[[Thing], bool]
) -> list[Thing]:
    """None, or one that is hidden."""
    thing = another(next(numbers))
    return [thing] if chance.yes(0.4) and not shown(thing) else []
