"""What an alarm stops: one organization's queries of one predicate and shape, however that is spelt."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from gateway.authz import Mode, query_class
from gateway.authz.outcome import Check, Seal
from gateway.policy import UNLIMITED, Condition, Predicate, parse

TEAMS = Predicate((Condition((("_type", ("github_repo",)), ("team", ("a", "b")))), Condition((("_class", ("User",)),))))
CHECK = Check(TEAMS, "list", (), 250, Seal("key", TEAMS, Mode.STRICT, "q", ""), None, {}, organization="acme")


@pytest.mark.parametrize(
    "same",
    [
        replace(CHECK, seal=Seal("another", TEAMS, Mode.STRICT, "FIND *", "{}"), cursor="c", page=3),
        replace(CHECK, predicate=Predicate(TEAMS.allows[::-1])),
        replace(CHECK, predicate=Predicate((*TEAMS.allows, TEAMS.allows[0]))),
        replace(
            CHECK,
            predicate=Predicate(
                (TEAMS.allows[1], Condition((("team", ("b", "a", "b")), ("_type", ("github_repo",))))),
            ),
        ),
    ],
    ids=["key, query, page", "order of statements", "said twice", "order of properties and values"],
)
def test_it_is_one_class_whatever_a_caller_chooses(same):
    assert query_class(same) == query_class(CHECK)


@pytest.mark.parametrize(
    "other",
    [
        replace(CHECK, organization="globex"),
        replace(CHECK, shape="table"),
        replace(CHECK, predicate=Predicate(TEAMS.allows[:1])),
        replace(CHECK, predicate=Predicate(TEAMS.allows[:1], TEAMS.allows[1:])),
        replace(CHECK, predicate=Predicate(TEAMS.allows, (Condition((("env", ("prod",)),)),))),
    ],
)
def test_another_organization_shape_or_predicate_is_another_class(other):
    assert query_class(other).id != query_class(CHECK).id


def test_it_is_told_as_a_policy_that_an_operator_can_use():
    denied = Predicate((Condition(()),), (Condition((("env", ("prod", "x'y")),)),))
    its = query_class(replace(CHECK, predicate=denied))
    policy = parse(its.policy, UNLIMITED)
    assert [(each.effect, each.condition) for each in policy.statements] == [
        ("ALLOW", None),
        ("DENY", Condition((("env", ("prod", "x'y")),))),
    ]
    assert json.loads(its.policy)["permissions"][0] == {
        "effect": "ALLOW",
        "actions": ["query:ReadGraphData"],
        "resources": ["*"],
    }
