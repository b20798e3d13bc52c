"""All permissions that a call needed are in its grounds: who tightens a policy by the decision log must see them."""

from __future__ import annotations

import json

import pytest

from gateway.authz import Rules, plan
from gateway.authz.outcome import Facts, Forward, Grounds, together
from gateway.http1 import Call
from gateway.keys import Identity, Kind, Principal
from gateway.policy import decide, parse

VIEW, GET, READ = "dashboard:View", "parameters:GetParameter", "query:ReadGraphData"
POLICY = parse(
    json.dumps(
        {
            "permissions": [
                {"effect": "ALLOW", "actions": [VIEW], "resources": ["dashboard:1"]},
                {"effect": "ALLOW", "actions": [VIEW], "resources": ["dashboard:2"]},
                {"effect": "ALLOW", "actions": [GET], "resources": ["parameter:x"]},
                {"effect": "ALLOW", "actions": [READ], "resources": ["*"]},
            ]
        }
    )
)
PRINCIPAL = Principal("k", 1, "k", Identity("i", Kind.ACCOUNT, "acme"), POLICY, None)
HEADERS = ((b"content-type", b"application/json"),)


def grounds(path: str, body: object) -> Grounds:
    call = Call("call-1", "POST", path, "", HEADERS, json.dumps(body).encode())
    planned = plan(call, PRINCIPAL, Facts(), Rules(), 0)
    assert isinstance(planned, Forward), planned
    return planned.grounds


def needs(found: Grounds) -> set[tuple[str, str]]:
    return {(found.action, found.resource), *found.also}


def dashboard(number: int) -> str:
    return f'd{number}: getDashboard(dashboardId: "{number}") {{ id }}'


ONE, OTHER = (VIEW, "dashboard:1"), (VIEW, "dashboard:2")


def test_each_field_of_an_operation_is_told():
    found = grounds("/graphql", {"query": f"{{ {dashboard(1)} {dashboard(2)} }}"})
    assert needs(found) == {ONE, OTHER}
    assert found.because == ("permissions[0]", "permissions[1]")


def test_each_operation_of_an_array_is_told():
    found = grounds("/graphql", [{"query": f"{{ {dashboard(number)} }}"} for number in (1, 2, 1)])
    assert needs(found) == {ONE, OTHER}


def test_parameters_that_are_filled_in_are_told():
    assert needs(grounds("/j1ql", {"query": "FIND User WITH a = ${param.x}"})) == {(READ, "*"), (GET, "parameter:x")}
    asked = {"query": f"query ($a: String) {{ {dashboard(1)} }}", "variables": {"a": "${param.x}"}}
    assert needs(grounds("/graphql", asked)) == {ONE, (GET, "parameter:x")}


@pytest.mark.parametrize(
    "body", [{"query": f"{{ {dashboard(1)} }}"}, {"query": f"{{ {dashboard(1)} {dashboard(1)} }}"}]
)
def test_one_permission_is_told_once(body):
    assert grounds("/graphql", body) == Grounds(VIEW, "dashboard:1", ("permissions[0]",))


def test_nothing_that_is_told_was_refused():
    found = grounds("/graphql", {"query": f"{{ {dashboard(1)} {dashboard(2)} __typename }}"})
    assert all(decide(POLICY, *need).because for need in needs(found))
    assert together([]) == together([Grounds()]) == Grounds()
