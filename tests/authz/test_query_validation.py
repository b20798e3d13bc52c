"""POST /j1ql/validate."""

from __future__ import annotations

import pytest

from gateway.authz import Rules, plan
from gateway.authz.outcome import Computed, Deny, Facts, Forward, Local, NeedBody


def decide(call, who):
    return plan(call, who, Facts(), Rules(), 0)


@pytest.fixture
def restricted(principal, statements):
    allow, _ = statements
    return principal(allow(["query:ReadGraphData"], _type="github_repo"))


def test_a_conditioned_key_is_answered_by_our_parser(call, restricted):
    made = decide(call("/j1ql/validate", {"queries": ["FIND User", "FIND User WITH"]}), restricted)
    assert isinstance(made, Local)
    assert isinstance(made.operation, Computed)
    good, bad = made.operation.value
    assert good == {"query": "FIND User", "valid": True}
    assert (bad["query"], bad["valid"], bad["error"]["code"]) == ("FIND User WITH", False, "PARSER_ERROR")
    assert "^" in bad["error"]["message"]


def test_an_unconditioned_key_asks_the_platform(call, principal, statements):
    allow, _ = statements
    body = b'{"queries":["FIND  x"]}'
    made = decide(call("/j1ql/validate", body), principal(allow(["query:ReadGraphData"])))
    assert isinstance(made, Forward)
    assert (made.path, made.body) == ("/validate", body)


def test_a_key_that_may_not_read_may_not_ask(call, principal, statements):
    allow, _ = statements
    assert isinstance(decide(call("/j1ql/validate"), principal(allow(["dashboard:View"], ["dashboard:1"]))), Deny)


def test_the_body_is_asked_for(call, restricted):
    assert isinstance(decide(call("/j1ql/validate"), restricted), NeedBody)


@pytest.mark.parametrize("body", [{}, [], {"queries": "x"}, {"queries": [1]}, {"queries": ["x"] * 251}, b"{"])
def test_a_body_of_another_shape_is_refused(call, restricted, body):
    assert isinstance(decide(call("/j1ql/validate", body), restricted), Deny)
