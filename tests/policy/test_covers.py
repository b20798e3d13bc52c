"""Whether one policy allows at least what another does, held against every request and every object of a small world.

The oracle reads the JSON value of a policy by itself, request by request and object by object; `covers` may say no
where it cannot tell, but never yes where the oracle finds something that only the narrower policy allows.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy import (
    ACTIONS,
    ANY,
    READ_GRAPH,
    Allowed,
    Policy,
    Refused,
    covers,
    decide,
    decide_unknown,
    decide_whole_graph,
    parse,
)

Statement = dict[str, Any]
Thing = dict[str, list[str]]

RESOURCES = [ANY, "dashboard:1", "dashboard:2", "parameter:a", "entity:1", "api:1"]
VALUES = ["v", "w", "x"]
THINGS: list[Thing] = [
    {name: list(values) for name, values in zip(("_type", "env"), pair, strict=True)}
    for pair in itertools.product([(), ("v",), ("w",), ("v", "w"), ("x", "w"), ("y",)], repeat=2)
]
ASKED = [ANY, "dashboard:1", "dashboard:2", "dashboard:3", "parameter:a", "parameter:b", "entity:1", "api:1", "api:2"]
REQUESTS = list(itertools.product([ANY, *ACTIONS], ASKED))


def parsed(entries: list[Statement]) -> Policy:
    return parse(json.dumps({"permissions": entries})) if entries else Policy(())


# --- policies -----------------------------------------------------------------------------------------------------


def some(names: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)


effects = st.sampled_from(["ALLOW", "ALLOW", "DENY"])
conditions = st.dictionaries(st.sampled_from(["_type", "env"]), some(VALUES), min_size=1)
plain = st.fixed_dictionaries(
    {
        "effect": effects,
        "actions": some([ANY, "dashboard:View", "parameters:GetParameter", "parameters:SetParameter"]),
        "resources": some(RESOURCES),
    }
)
graph = st.fixed_dictionaries(
    {"effect": effects, "actions": some([ANY, READ_GRAPH]), "resources": st.just([ANY])},
    optional={"condition": st.fixed_dictionaries({"stringEquals": conditions})},
)
statements = plain | graph
policies = st.lists(statements, max_size=4)


# --- the oracle ---------------------------------------------------------------------------------------------------


def may(entries: list[Statement], action: str, resource: str, thing: Thing) -> bool:
    """Whether the action may be done to the resource; for reading the graph, whether this object may be seen."""
    if action == READ_GRAPH and resource != ANY:
        return False
    allows = [each for each in entries if each["effect"] == "ALLOW" and names(each, action, resource)]
    denies = [each for each in entries if each["effect"] == "DENY" and touches(each, action, resource)]
    if action != READ_GRAPH:
        return not denies and any("condition" not in each for each in allows)
    return any(holds(each, thing) for each in allows) and not any(holds(each, thing) for each in denies)


def names(entry: Statement, action: str, resource: str) -> bool:
    return bool({action, ANY} & set(entry["actions"]) and {resource, ANY} & set(entry["resources"]))


def touches(entry: Statement, action: str, resource: str) -> bool:
    """What is asked of everything is also asked of each thing that a DENY names."""
    inside = resource == ANY and action != ANY and bool({action, ANY} & set(entry["actions"]))
    kinds = {name.partition(":")[0] for name in entry["resources"]}
    return names(entry, action, resource) or (inside and bool(kinds & ACTIONS[action]))


def holds(entry: Statement, thing: Thing) -> bool:
    pairs = entry.get("condition", {}).get("stringEquals", {})
    return all(set(thing[name]) & set(wanted) for name, wanted in pairs.items())


def beyond(wider: list[Statement], narrower: list[Statement]) -> list[tuple[str, str, Thing]]:
    """What the narrower policy allows and the wider does not."""
    return [
        (action, resource, thing)
        for action, resource in REQUESTS
        for thing in (THINGS if action == READ_GRAPH and resource == ANY else THINGS[:1])
        if may(narrower, action, resource, thing) and not may(wider, action, resource, thing)
    ]


@given(policies)
def test_the_oracle_agrees_with_the_decisions(entries):
    policy = parsed(entries)
    for action, resource in REQUESTS:
        if action != READ_GRAPH:
            assert isinstance(decide(policy, action, resource), Allowed) == may(entries, action, resource, {})


# --- never a wrong yes --------------------------------------------------------------------------------------------


@settings(max_examples=5 * settings().max_examples)
@given(policies, policies)
def test_i14_what_is_covered_allows_nothing_more(wider, narrower):
    if covers(parsed(wider), parsed(narrower)):
        assert beyond(wider, narrower) == []


@settings(max_examples=3 * settings().max_examples)
@given(policies, st.data())
def test_i14_nor_do_policies_that_are_alike(wider, data):
    """Random policies hardly ever cover one another: here the second is the first with something changed."""
    narrower = [dict(entry) for entry in wider]
    for entry in narrower:
        if data.draw(st.booleans()):
            entry |= {"effect": data.draw(effects)}
        if "condition" in entry and data.draw(st.booleans()):
            entry |= {"condition": {"stringEquals": data.draw(conditions)}}
    narrower += data.draw(st.lists(statements, max_size=1))
    if covers(parsed(wider), parsed(narrower)):
        assert beyond(wider, narrower) == []
        for whole in (decide_whole_graph, decide_unknown):
            assert isinstance(whole(parsed(wider)), Allowed) or isinstance(whole(parsed(narrower)), Refused)


# --- nor always no ------------------------------------------------------------------------------------------------

ALL = [{"effect": "ALLOW", "actions": [ANY], "resources": [ANY]}]


def reading(effect: str = "ALLOW", **equals: list[str]) -> Statement:
    entry: Statement = {"effect": effect, "actions": [READ_GRAPH], "resources": [ANY]}
    return entry | ({"condition": {"stringEquals": equals}} if equals else {})


def viewing(*dashboards: str, effect: str = "ALLOW") -> Statement:
    return {"effect": effect, "actions": ["dashboard:View"], "resources": list(dashboards)}


@given(policies)
def test_a_policy_covers_itself_and_nothing(entries):
    policy = parsed(entries)
    assert covers(policy, policy)
    assert covers(policy, Policy(()))


@given(policies)
def test_whoever_may_do_everything_covers_all(entries):
    assert covers(parsed(ALL), parsed(entries))


@given(policies, st.lists(statements.map(lambda entry: entry | {"effect": "DENY"}), min_size=1, max_size=3))
def test_a_deny_more_in_what_is_given_keeps_it_covered(entries, denies):
    assert covers(parsed(entries), parsed([*entries, *denies]))


@given(policies, policies, statements.map(lambda entry: entry | {"effect": "DENY"}))
def test_a_deny_more_in_what_one_has_never_makes_it_cover_more(wider, narrower, deny):
    if covers(parsed([*wider, deny]), parsed(narrower)):
        assert covers(parsed(wider), parsed(narrower))


@given(policies, st.lists(statements.map(lambda entry: entry | {"effect": "ALLOW"}), min_size=1, max_size=3))
def test_an_allow_more_in_what_one_has_keeps_it_covering(entries, allows):
    assert covers(parsed([*entries, *allows]), parsed(entries))


@pytest.mark.parametrize(
    ("wider", "narrower"),
    [
        ([reading()], [reading(language=["cs"])]),
        ([reading(language=["cs", "de"])], [reading(language=["cs"])]),
        ([reading(language=["cs", "de"])], [reading(language=["de"]), reading(language=["cs"])]),
        ([reading(language=["cs"])], [reading(language=["cs"], env=["prod"])]),
        ([reading(language=["cs"]), reading(env=["prod"])], [reading(env=["prod"])]),
        ([reading(), reading("DENY", secret=["yes"])], [reading(), reading("DENY", secret=["yes", "maybe"])]),
        ([reading(), reading("DENY", secret=["yes"])], [reading(language=["cs"]), reading("DENY")]),
        ([reading(language=["cs"])], [viewing("dashboard:1", effect="DENY")]),
        ([viewing(ANY)], [viewing("dashboard:1", "dashboard:2")]),
        ([viewing(ANY), viewing("dashboard:9", effect="DENY")], [viewing("dashboard:1")]),
        ([*ALL, viewing("dashboard:9", effect="DENY")], [viewing("dashboard:1")]),
    ],
)
def test_what_is_plainly_less_is_covered(wider, narrower):
    assert covers(parsed(wider), parsed(narrower))
    assert not covers(parsed(narrower), parsed(wider)) or beyond(narrower, wider) == []


@pytest.mark.parametrize(
    ("wider", "narrower"),
    [
        ([reading(language=["cs"])], [reading(language=["de"])]),
        ([reading(language=["cs"])], [reading(language=["cs", "de"])]),
        ([reading(language=["cs"])], [reading(env=["prod"])]),
        ([reading(language=["cs"], env=["prod"])], [reading(language=["cs"])]),
        ([reading(language=["cs"])], [reading()]),
        ([reading(language=["cs"])], ALL),
        ([reading(), reading("DENY", secret=["yes"])], [reading()]),
        ([reading(), reading("DENY", secret=["yes", "maybe"])], [reading(), reading("DENY", secret=["yes"])]),
        ([viewing("dashboard:1")], [viewing("dashboard:2")]),
        ([viewing("dashboard:1", "dashboard:2")], [viewing(ANY)]),
        ([viewing(ANY), viewing("dashboard:9", effect="DENY")], [viewing(ANY)]),
        ([*ALL, viewing("dashboard:9", effect="DENY")], ALL),
        ([*ALL, {"effect": "DENY", "actions": [ANY], "resources": ["api:1"]}], ALL),
        ([], [viewing("dashboard:1")]),
    ],
)
def test_what_is_more_or_other_is_not_covered(wider, narrower):
    assert not covers(parsed(wider), parsed(narrower))
