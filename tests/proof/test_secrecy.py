"""What is not visible changes nothing: neither the rows and their order, nor a byte of them.

Invisible objects are changed, added and removed, and with them every relationship that is invisible before and after.
"""

from __future__ import annotations

from random import Random

import pytest

from gateway.authz.capabilities import Mode
from gateway.sandbox.graph import Graph
from proof.cases import written
from proof.chance import Chance
from proof.generate import drawn
from proof.law import Trial, visible
from proof.secrecy import otherwise

SHARDS, CASES = 2, 2_500


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
