"""What is not visible changes nothing: neither the rows and their order, nor a byte of them.

Invisible objects are changed, added and removed, and with them every relationship that is invisible before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from random import Random
from typing import TypeVar

import pytest

from gateway.authz.capabilities import Mode
from gateway.sandbox.graph import Entity, Graph, Relationship
from proof.cases import written
from proof.chance import Chance
from proof.generate import drawn
from proof.law import Trial, may_see, visible
from proof.worlds import Objects, Permissions, entity, relationship

SHARDS, CASES = 2, 2_500

Thing = TypeVar("Thing", Entity, Relationship)


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.timeout(600)
def test_the_answer_is_the_same_to_the_byte_whatever_is_hidden(shard):
    random, telling = Random(shard), 0
    while telling < CASES:
        for mode in Mode:
            round_ = drawn(random, mode)
            before = round_.graphs[0]
            after = otherwise(Chance(random), round_.permissions, before, mode)
            one, other = Graph(*before), Graph(*after)
            assert same(visible(one, round_.permissions, mode), visible(other, round_.permissions, mode))
            for question in round_.questions:
                case = round_.case(question, 0)
                trial = Trial(case)
                if trial.narrowing is not None:
                    assert trial.answer(one) == trial.answer(other), written(case)
                    telling += trial.right(one) != trial.right(other)


def same(one: Graph, other: Graph) -> bool:
    return (list(one.entities), list(one.relationships)) == (list(other.entities), list(other.relationships))


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
