"""One table of leaf cases, which narrowing (by way of an evaluator) and the row check each read by its own means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.authz.narrow import Binding, narrow
from gateway.authz.outcome import Check
from gateway.authz.rows import Page, checked
from gateway.j1ql import parse
from gateway.policy import Condition, Predicate
from gateway.sandbox.evaluate import evaluate
from gateway.sandbox.graph import Entity, Graph

LEAVES = json.loads((Path(__file__).parent / "cases" / "leaf_cases.json").read_text())["cases"]


def entity(number, **properties):
    metadata = {"_id": f"e{number}", "_key": f"k{number}", "_type": ["thing"], "_class": ["Record"]}
    return Entity(f"v{number}", metadata, properties)


def found_by(predicate, graph):
    query = parse(narrow("FIND *", Binding(predicate)).text)
    return [row["entity"]["_id"] for row in evaluate(query, graph, variables={}, parameters={}, now=0).data]


@pytest.mark.parametrize("case", LEAVES, ids=json.dumps)
def test_both_enforcers_read_a_leaf_as_the_table_says(case):
    properties = {"p": case["value"]} if "value" in case else {}
    condition = Condition((("p", tuple(case["wanted"])),))
    graph = Graph([entity(1, **properties), entity(2, p="never")])
    for predicate, visible in (
        (Predicate((condition,)), case["equal"]),
        (Predicate((Condition((("_id", ("e1",)),)),), (condition,)), not case["equal"]),
    ):
        assert found_by(predicate, graph) == (["e1"] if visible else [])
        row = {"entity": {"_id": "e1"}, "properties": properties}
        body = json.dumps({"type": "list", "data": [row]}).encode()
        assert isinstance(checked(body, Check(predicate, "list", (), 250, b"", None, {})), Page) is visible
