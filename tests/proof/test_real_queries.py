"""The law on the queries of the wild, each on graphs made for it, in the plainest and in a random dialect."""

from __future__ import annotations

from random import Random

import pytest

from collection import needs_collection, real_queries
from gateway.authz.capabilities import Mode
from gateway.j1ql import J1QLSyntaxError, parse
from gateway.sandbox.dialect import PLAINEST
from gateway.sandbox.graph import Graph
from proof.cases import Case, written
from proof.chance import Chance
from proof.fitted import SEEN, Fitted
from proof.generate import capabilities_of, dialect_of
from proof.law import Trial, visible

pytestmark = needs_collection

POLICIES = {
    "what is seen": {"effect": "ALLOW", "condition": {"stringEquals": {SEEN: "yes"}}},
    "what is not seen": {"effect": "DENY", "condition": {"stringEquals": {SEEN: "yes"}}},
}
GRAPHS = 2


def queries():
    for text in real_queries():
        try:
            yield text, parse(text)
        except J1QLSyntaxError:
            continue


def permissions(policy):
    statements = [POLICIES[policy]] if policy == "what is seen" else [{"effect": "ALLOW"}, POLICIES[policy]]
    return tuple({"actions": ["query:ReadGraphData"], "resources": ["*"], **each} for each in statements)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_real_query_is_answered_as_on_the_visible_graph(policy, mode):
    asked, told = 0, set()
    for number, (text, query) in enumerate(queries()):
        chance = Chance(Random(f"{number} {policy} {mode.value}"))
        for dialect in (PLAINEST, dialect_of(chance)):
            known = capabilities_of(chance, dialect)
            for _ in range(GRAPHS):
                case = Case(permissions(policy), *Fitted(chance).objects(query), text, {}, mode, dialect, known)
                graph = Graph(case.entities, case.relationships)
                outcome = Trial(case).held(graph, visible(graph, case.permissions, mode))
                assert outcome.agrees is not False, written(case)
                asked += outcome.agrees is not None
                if outcome.telling:
                    told.add(number)
    assert asked > 4_000
    assert len(told) > 700
