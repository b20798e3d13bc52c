"""Why a call is decided as it is."""

from __future__ import annotations

import pytest

from gateway.authz import Mode, Rules, explain


@pytest.fixture
def told(principal):
    def run(query, *permissions, mode=Mode.STRICT):
        return explain(principal(*permissions).policy, query, Rules(mode=mode))

    return run


def test_the_added_parts_are_marked_and_the_rest_is_the_callers(told, statements):
    allow, _ = statements
    made = told("find User with a=1 OR b=2", allow(["query:ReadGraphData"], _type="github_repo"))
    assert (made.decision, made.statements, made.mode) == ("narrow", ("permissions[0]",), "strict")
    assert made.query == "FIND User WITH _type = 'github_repo' AND (a = 1 OR b = 2)"
    assert made.added == "FIND User WITH «_type = 'github_repo' AND (»a = 1 OR b = 2«)»"
    assert made.added.replace("«", "").replace("»", "") == made.query


def test_a_refusal_of_the_query_points(told, statements):
    allow, _ = statements
    repos = allow(["query:ReadGraphData"], _type="github_repo")
    made = told("FIND User THAT !HAS Device", repos)
    assert made.decision == "refuse"
    assert made.reason.endswith("^")
    assert told("FIND User THAT !HAS Device", repos, mode=Mode.INDUCED).decision == "narrow"
    assert "expected" in told("FIND", repos).reason


def test_the_decision_without_a_query(told, statements):
    allow, deny = statements
    assert told(None, allow(["query:ReadGraphData"], _type="x")).decision == "narrow"
    assert told(None, allow(["query:ReadGraphData"])).decision == "allow"
    assert told(None, allow(["dashboard:View"], ["dashboard:1"])).reason == "no ALLOW grants query:ReadGraphData"
    refused = told(None, allow(["*"]), deny(["query:ReadGraphData"]))
    assert (refused.decision, refused.statements) == ("refuse", ("permissions[1]",))


def test_an_unconditioned_key_sends_its_query_as_it_is(told, statements):
    allow, _ = statements
    assert told("find  x /* as is */", allow(["*"])).query == "find  x /* as is */"


def test_a_policy_that_induced_refuses_is_told_to_be_refused_with_or_without_a_query(told, statements):
    allow, deny = statements
    permissions = (allow(["query:ReadGraphData"]), deny(["query:ReadGraphData"], _class="HAS"))
    assert told("FIND *", *permissions).decision == "narrow"
    for query in (None, "FIND *"):
        made = told(query, *permissions, mode=Mode.INDUCED)
        assert made.decision == "refuse"
        assert "denies relationships" in made.reason


def test_a_parameter_that_the_policy_does_not_open_is_told_to_be_refused(told, statements):
    allow, _ = statements
    read, parameter = allow(["query:ReadGraphData"]), allow(["parameters:GetParameter"], ["parameter:x"])
    query = "FIND * WITH a = ${param.x}"
    assert "parameters:GetParameter on parameter:x" in told(query, read).reason
    assert told(query, read, parameter).decision == "allow"


def test_the_limits_are_those_of_the_rules(principal, statements):
    allow, _ = statements
    policy = principal(allow(["query:ReadGraphData"], _type="github_repo")).policy
    assert explain(policy, "FIND *", Rules()).decision == "narrow"
    assert "would grow by more than 3 characters" in explain(policy, "FIND *", Rules(narrowed=3)).reason
