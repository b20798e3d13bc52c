"""The probe of a policy's condition: of random policies on random graphs, in every dialect."""

from __future__ import annotations

import os
from dataclasses import dataclass
from random import Random

import pytest

from calibration.interview import Upstream
from gateway.authz.calibration import policy_holds, steadily
from gateway.authz.capabilities import Mode, State
from gateway.policy import READ_GRAPH, Narrowed, decide
from gateway.policy import parse as parse_policy
from gateway.sandbox.dialect import PLAINEST, Dialect, Equality
from gateway.sandbox.graph import Entity, Graph
from gateway.sandbox.queries import Serving
from proof.cases import policy
from proof.chance import Chance
from proof.generate import dialect_of
from proof.law import contradicts_itself, may_see
from proof.worlds import objects, permissions

TRIED = int(os.environ.get("GATEWAY_PROOF_CASES", "100000")) // 200


def predicate_of(*statements: dict):
    verdict = decide(parse_policy(policy(statements)), READ_GRAPH, "*")
    assert isinstance(verdict, Narrowed)
    return verdict.predicate


def allow(**equals: str | list[str]) -> dict:
    condition = {"stringEquals": equals}
    return {"effect": "ALLOW", "actions": ["query:ReadGraphData"], "resources": ["*"], "condition": condition}


def entity(number: int, **properties: object) -> Entity:
    known = {"_id": f"e{number}", "_key": f"e{number}", "_type": ["host"], "_class": ["Host"]}
    return Entity(f"v{number}", known, properties)


def found(graph: Graph, predicate, dialect: Dialect = PLAINEST):
    upstream = Upstream(graph=graph, serving=Serving(dialect))
    return upstream.converse(steadily(lambda: policy_holds(predicate)))


def test_a_condition_holds_in_every_dialect_in_which_narrowing_is_right():
    """Whether there is something to see is told by the reference, which shares nothing with narrowing and check. (No
    policy of these names a number, so that it does not matter whether texts equal them.)"""
    random, states = Random(5), set()
    for _ in range(TRIED):
        chance = Chance(random)
        statements = permissions(chance, random.choice(list(Mode)))
        predicate, dialect = predicate_of(*statements), dialect_of(chance)
        names = {name for condition in predicate.allows + predicate.denies for name, _ in condition.equals}
        made, _ = objects(chance, statements)
        entities = [each for each in made if not contradicts_itself(each, names)]
        finding = found(Graph(entities), predicate, dialect)
        shown = any(may_see(statements, each) for each in entities)
        assert finding.state is (State.VERIFIED if shown else State.UNWITNESSED), (finding, dialect, statements)
        states.add(finding.state)
    assert states == {State.VERIFIED, State.UNWITNESSED}


@pytest.mark.parametrize(
    ("dialect", "held"),
    [
        (Dialect(coercion=True), 22),
        (Dialect(equality=Equality.ANY_CASE), "A"),
        (Dialect(equality=Equality.SOME_DIFFERS), ["a", "b"]),
    ],
    ids=["number", "letter case", "lists"],
)
def test_a_condition_that_is_read_in_another_way_fails(dialect, held):
    wanted = predicate_of(allow(p="22" if held == 22 else "a"))
    graph = Graph([entity(1, p=held), entity(2, p="a"), entity(3)])
    assert found(graph, wanted).state is not State.FAILED
    assert found(graph, wanted, dialect).state is State.FAILED


def test_a_deny_that_lets_a_list_pass_fails():
    """The one of which the row check of an aggregate would never hear."""
    denied = predicate_of(allow(_type="host"), allow(p="b") | {"effect": "DENY"})
    graph = Graph([entity(1, p=["a", "b"]), entity(2)])
    assert found(graph, denied).state is State.VERIFIED
    assert found(graph, denied, Dialect(equality=Equality.SOME_DIFFERS)).state is State.FAILED


def test_a_condition_of_nothing_shows_nothing():
    assert found(Graph([entity(1)]), predicate_of(allow(p="x"))).state is State.UNWITNESSED


@dataclass
class Busy(Upstream):
    """An upstream into whose graph somebody writes an entity between any two answers."""

    def said(self, question):
        number = len(list(self.graph.entities))
        self.graph = Graph([*self.graph.entities, entity(number + 1, p="a")])
        return super().said(question)


def test_a_graph_that_grows_while_it_is_counted_fails_nothing():
    busy = Busy(graph=Graph([entity(1, p="a"), entity(2)]))
    finding = busy.converse(steadily(lambda: policy_holds(predicate_of(allow(p="a")))))
    assert finding.state is State.UNWITNESSED
    assert "change" in finding.why
