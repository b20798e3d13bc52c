"""The guarantee, for what is narrowed now: the narrowed query on G answers what the query answers on G|P.

The oracle is the sandbox's evaluator, which knows nothing of policies; the visible graph is made here, by a plain
reading of the predicate.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.authz.capabilities import Mode
from gateway.authz.narrow import Binding, narrow
from gateway.authz.outcome import Check
from gateway.authz.rows import Page, checked
from gateway.j1ql import parse
from gateway.policy import Condition, Predicate
from gateway.sandbox.evaluate import evaluate
from gateway.sandbox.graph import Entity, Graph

LEAVES = json.loads((Path(__file__).parent / "cases" / "leaf_cases.json").read_text())["cases"]


def entity(number, kind="thing", **properties):
    metadata = {
        "_id": f"e{number}",
        "_key": f"k{number}",
        "_type": [kind],
        "_class": ["Record"],
        "displayName": f"n{number}",
    }
    return Entity(f"v{number}", metadata, properties)


def answer(query, graph):
    result = evaluate(query, graph, variables={}, parameters={}, now=0)
    return {"type": result.type, "data": result.data}


def through_the_gateway(text, graph, predicate, mode=Mode.STRICT):
    """Narrow, evaluate on the whole graph, check: what a conditioned key gets."""
    narrowing = narrow(text, Binding(predicate, mode))
    body = json.dumps(answer(parse(narrowing.text), graph)).encode()
    check = Check(predicate, narrowing.shape, narrowing.hidden, 250, b"", None, {}, narrowing.columns, narrowing.whole)
    page = checked(body, check)
    assert isinstance(page, Page), page
    return {"type": narrowing.shape, "data": [json.loads(row) for row in page.rows]}


@pytest.mark.parametrize("case", LEAVES, ids=json.dumps)
def test_both_enforcers_read_a_leaf_as_the_table_says(case):
    properties = {"p": case["value"]} if "value" in case else {}
    condition = Condition((("p", tuple(case["wanted"])),))
    graph = Graph([entity(1, **properties), entity(2, p="never")])
    for predicate, visible in (
        (Predicate((condition,)), case["equal"]),
        (Predicate((Condition((("_id", ("e1",)),)),), (condition,)), not case["equal"]),
    ):
        narrowed = answer(parse(narrow("FIND *", Binding(predicate)).text), graph)
        assert [row["entity"]["_id"] for row in narrowed["data"]] == (["e1"] if visible else [])
        row = {"entity": {"_id": "e1"}, "properties": properties}
        body = json.dumps({"type": "list", "data": [row]}).encode()
        assert isinstance(checked(body, Check(predicate, "list", (), 250, b"", None, {})), Page) is visible


def holds(condition, thing):
    def equal(value, wanted):
        elements = value if isinstance(value, list) else [value]
        return any(isinstance(element, str) and element in wanted for element in elements)

    return all(equal(thing.get(name), wanted) for name, wanted in condition.equals)


def visible(graph, predicate):
    """G|P: this file's own reading of the sentence in the threat model."""
    return Graph(
        thing
        for thing in graph.entities
        if any(holds(allow, thing) for allow in predicate.allows)
        and not any(holds(deny, thing) for deny in predicate.denies)
    )


WORDS = st.sampled_from(["a", "b", "c"])
VALUES = st.one_of(WORDS, st.lists(WORDS, max_size=2), st.integers(0, 2), st.booleans())
THINGS = st.tuples(st.sampled_from(["thing", "other"]), st.dictionaries(st.sampled_from(["p", "q", "tag.t"]), VALUES))
GRAPHS = st.lists(THINGS, max_size=8).map(
    lambda things: Graph(entity(number, kind, **properties) for number, (kind, properties) in enumerate(things))
)
CONDITIONS = st.dictionaries(
    st.sampled_from(["p", "q", "tag.t", "_type", "_id"]),
    st.lists(st.sampled_from(["a", "b", "thing", "e1"]), min_size=1, max_size=2, unique=True).map(tuple),
    min_size=1,
    max_size=2,
).map(lambda equals: Condition(tuple(equals.items())))
PREDICATES = st.builds(
    Predicate, st.lists(CONDITIONS, min_size=1, max_size=2).map(tuple), st.lists(CONDITIONS, max_size=2).map(tuple)
)


@st.composite
def queries(draw):
    comparison = st.builds(
        lambda name, operator, value: f"{name} {operator} {value}",
        st.sampled_from(["p", "q", "tag.t", "_type", "_id"]),
        st.sampled_from(["=", "!=", "~=", "!~=", "^=", "!^=", "$=", "!$=", ">", "<", ">=", "<="]),
        st.sampled_from(["'a'", '"b"', "1", "true", "undefined", "('a' OR 'b')", "('a' AND 'c')", "'thing'"]),
    )
    conditions = draw(st.lists(comparison, max_size=3))
    joiner = draw(st.sampled_from([" AND ", " OR "]))
    text = "FIND " + draw(st.sampled_from(["*", "thing", "Record", "(thing|other)"]))
    text += f" WITH {joiner.join(conditions)}" if conditions else ""
    text += draw(
        st.sampled_from(
            [
                "",
                " AS e RETURN e._id, e.p",
                " AS e RETURN e.tag.t AS t ORDER BY t",
                " AS e RETURN COUNT(e)",
                " AS e RETURN e._type, COUNT(e) AS n ORDER BY n DESC",
                " AS e ORDER BY e._id DESC",
            ]
        )
    )
    return text + draw(st.sampled_from(["", " LIMIT 2", " SKIP 1 LIMIT 2"]))


@given(GRAPHS, PREDICATES, queries())
def test_the_answer_is_the_one_on_the_visible_graph(graph, predicate, query):
    assert through_the_gateway(query, graph, predicate) == answer(parse(query), visible(graph, predicate))


@given(GRAPHS, PREDICATES, queries(), THINGS)
def test_an_invisible_object_changes_nothing(graph, predicate, query, extra):
    kind, properties = extra
    more = entity(99, kind, **properties)
    larger = Graph([*graph.entities, more])
    if len(visible(larger, predicate)) == len(visible(graph, predicate)):
        assert through_the_gateway(query, larger, predicate) == through_the_gateway(query, graph, predicate)
