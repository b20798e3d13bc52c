"""The law on the queries of the wild, each on graphs made for it, in the plainest and in a random dialect."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from gateway.authz.capabilities import Mode
from gateway.j1ql import J1QLSyntaxError, parse
from gateway.sandbox.dialect import PLAINEST
from gateway.sandbox.graph import Graph
from proof.cases import Case, written
from proof.chance import Chance
from proof.fitted import SEEN, Fitted
from proof.generate import capabilities_of, dialect_of
from proof.law import Trial, visible

FILE = Path(__file__).resolve().parents[3] / "shared" / "j1ql" / "queries.jsonl"

pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="the collection of real queries is not here")

POLICIES = {
    "what is seen": {"effect": "ALLOW", "condition": {"stringEquals": {SEEN: "yes"}}},
    "what is not seen": {"effect": "DENY", "condition": {"stringEquals": {SEEN: "yes"}}},
}
GRAPHS = 2


def queries():
    for line in FILE.read_text(encoding="utf-8").splitlines():
        text = json.loads(line)["query"]
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
