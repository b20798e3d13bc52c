"""Laws of narrowing that need no second opinion about the graph."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import orjson

from gateway.authz.capabilities import Mode
from gateway.authz.narrow import Binding, narrow
from gateway.j1ql import parse
from gateway.policy import EVERYTHING, Predicate
from gateway.sandbox.graph import Graph
from proof.cases import Case, written
from proof.chance import Chance
from proof.generate import drawn
from proof.law import (
    WITHHELD,
    Answer,
    Trial,
    answer_of,
    comparable,
    engine,
    narrowed,
    predicate_of,
    through_the_gateway,
)
from proof.worlds import Permissions, permissions

ROUNDS = 400


def cases() -> Iterator[tuple[Case, Graph]]:
    random = Random(1)
    for _ in range(ROUNDS):
        for mode in Mode:
            round_ = drawn(random, mode)
            graph = Graph(*round_.graphs[0])
            yield from ((round_.case(question, 0), graph) for question in round_.questions)


def upstream(text: str, case: Case, graph: Graph):
    return engine(parse(text), case.dialect, {})(graph)


def test_a_query_narrowed_twice_means_what_it_means_narrowed_once():
    """The second time its hidden columns are asked for by the first, and more are added."""
    compared = 0
    for case, graph in cases():
        predicate = predicate_of(case.permissions)
        once = narrowed(case, predicate)
        if once is None:
            continue
        twice = narrow(once.text, Binding(predicate, case.mode, case.capabilities))
        first, second = answer_of(upstream(once.text, case, graph)), answer_of(upstream(twice.text, case, graph))
        more = {column for hidden in twice.hidden for column, _ in hidden.columns}
        rows = ({name: row[name] for name in row if name not in more} for row in map(orjson.loads, second.rows))
        assert (second.kind, tuple(map(orjson.dumps, rows))) == (first.kind, first.rows), written(case)
        compared += bool(first.rows)
    assert compared > ROUNDS


def test_a_policy_that_allows_everything_changes_no_answer():
    everything, compared = Predicate((EVERYTHING,)), 0
    for case, graph in cases():
        narrowing = narrowed(case, everything)
        if narrowing is None:
            continue
        right = answer_of(engine(parse(case.query), case.dialect, case.variables)(graph))
        got = through_the_gateway(upstream(narrowing.text, case, graph), narrowing, everything, case.mode)
        ordered = "ORDER BY" in case.query
        assert comparable(got, ordered=ordered) == comparable(right, ordered=ordered), written(case)
        compared += bool(right.rows)
    assert compared > ROUNDS


def test_a_deny_more_never_shows_an_object_more():
    random, fewer = Random(1), 0
    for _ in range(ROUNDS):
        mode = random.choice(list(Mode))
        round_, others = drawn(random, mode, ()), permissions(Chance(random), mode)
        denied = (*round_.permissions, *({**each, "effect": "DENY"} for each in others if "condition" in each))
        for entities, relationships in round_.graphs:
            graph = Graph(entities, relationships)
            shown, left = answer(round_.permissions, graph, mode), answer(denied, graph, mode)
            if WITHHELD not in (shown, left):
                assert set(left.rows) <= set(shown.rows)
                fewer += left != shown
    assert fewer > ROUNDS


def answer(statements: Permissions, graph: Graph, mode: Mode) -> Answer:
    """The entities that a key with these statements is shown."""
    return Trial(Case(statements, (), (), "FIND *", mode=mode)).answer(graph)
