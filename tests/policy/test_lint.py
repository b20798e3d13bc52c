from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.policy import lint, parse


def remarks(*statements: dict[str, Any]) -> list[str]:
    return list(lint(parse(json.dumps({"permissions": statements}))))


def statement(effect: str, action: str, resource: str = "*", **equals: str) -> dict[str, Any]:
    condition = {"condition": {"stringEquals": equals}} if equals else {}
    return {"effect": effect, "actions": [action], "resources": [resource]} | condition


READ = "query:ReadGraphData"


@pytest.mark.parametrize(
    "fine",
    [
        [statement("ALLOW", "*")],
        [statement("ALLOW", "*", "dashboard:1")],
        [statement("ALLOW", READ, team="core"), statement("DENY", READ, env="prod")],
        [statement("ALLOW", "dashboard:View", "dashboard:1"), statement("ALLOW", READ, _class="HAS")],
        [statement("ALLOW", "*", "dashboard:1"), statement("ALLOW", READ, team="core")],
        [statement("ALLOW", "dashboard:View"), statement("ALLOW", READ, team="core")],
        [statement("ALLOW", "dashboard:View", "dashboard:1") | {"resources": ["entity:1", "dashboard:1"]}],
        [statement("ALLOW", READ), statement("DENY", READ, _type="github_repo")],
        [statement("ALLOW", READ), statement("DENY", READ, _class="User")],
        [statement("ALLOW", READ), statement("DENY", READ, _class="PR")],  # a class of entities, for all its capitals
    ],
)
def test_a_policy_that_means_what_it_says_has_no_remarks(fine):
    assert remarks(*fine) == []


def test_45_a_pair_that_can_never_match_is_remarked():
    (remark,) = remarks(statement("ALLOW", "dashboard:View", "compliance-standard:1"))
    assert remark.startswith("permissions[0].actions[0]: never matches")


def test_68_an_unconditional_allow_lifts_the_condition_and_that_is_remarked():
    (remark,) = remarks(statement("ALLOW", "*"), statement("ALLOW", READ, team="core"))
    assert remark.startswith("permissions[1]: has no effect, since permissions[0] allows all graph data")


def test_43_a_policy_of_denies_allows_nothing_and_that_is_remarked():
    assert remarks(statement("DENY", "dashboard:View", "dashboard:1")) == [
        "permissions: nothing is allowed, since there is no ALLOW"
    ]


@pytest.mark.parametrize(
    ("at", "statements"),
    [
        (0, [statement("ALLOW", "*"), statement("DENY", READ, env="prod")]),
        (1, [statement("ALLOW", READ, team="core"), statement("ALLOW", "persister:GetEntityRawData")]),
    ],
)
def test_raw_data_of_everything_beside_a_condition_is_remarked(at, statements):
    (remark,) = remarks(*statements)
    assert remark.startswith(f"permissions[{at}]: gives the raw data of every entity")


def test_what_a_conditioned_wildcard_does_is_remarked():
    allow, deny = remarks(statement("ALLOW", "*", a="b"), statement("DENY", "*", a="b"))
    assert allow.startswith("permissions[0]: allows `query:ReadGraphData` and nothing else")
    assert deny.startswith("permissions[1]: refuses every action but `query:ReadGraphData`")


@pytest.mark.parametrize("equals", [{"_type": "github_repo"}, {"_class": "User"}])
def test_a_condition_that_shows_no_relationship_is_remarked(equals):
    (remark,) = remarks(statement("ALLOW", READ, **equals))
    assert remark.startswith("permissions[0]: shows no relationship under `strict`")


def test_a_deny_of_relationships_is_remarked_because_induced_shows_them():
    (remark,) = remarks(statement("ALLOW", READ), statement("DENY", READ, _class="HAS"))
    assert remark.startswith("permissions[1]: denies relationships under `strict` only")
