"""A tightened policy decides what was asked as before, and allows nothing that the old one refuses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy import (
    ANY,
    READ_GRAPH,
    Calls,
    Narrowed,
    Policy,
    Refused,
    Unused,
    covers,
    decide,
    parse,
    permissions,
    tightened,
    unused,
)
from gateway.policy.tighten import MANY

VIEW, GET, SET = "dashboard:View", "parameters:GetParameter", "parameters:SetParameter"
RESOURCES = [ANY, "dashboard:1", "dashboard:2", "parameter:a", "parameter:b", "dashboard:a*b"]
CALLS = [(ANY, ANY), (READ_GRAPH, ANY), *((action, resource) for action in (VIEW, GET, SET) for resource in RESOURCES)]


def policy(*entries) -> Policy:
    return parse(json.dumps({"permissions": entries}))


def entry(effect, actions, resources, equals=None):
    told = {"effect": effect, "actions": actions, "resources": resources}
    return told if equals is None else told | {"condition": {"stringEquals": equals}}


def asked(*pairs) -> Calls:
    calls = Calls()
    for pair in pairs:
        calls.add(*pair)
    return calls


effects = st.sampled_from(["ALLOW", "ALLOW", "DENY"])
names = st.lists(st.sampled_from(RESOURCES[:-1]), min_size=1, max_size=3, unique=True)
actions = st.lists(st.sampled_from([ANY, VIEW, GET, SET]), min_size=1, max_size=3, unique=True)
values = st.dictionaries(st.sampled_from(["_type", "env"]), st.sampled_from(["v", "w", ["v", "w"]]), min_size=1)
plain = st.builds(entry, effects, actions, names)
graph = st.builds(entry, effects, st.sampled_from([[ANY], [READ_GRAPH]]), st.just([ANY]), st.none() | values)
policies = st.lists(plain | graph, min_size=1, max_size=6).map(lambda entries: policy(*entries))


@given(policies, st.lists(st.sampled_from(CALLS), max_size=8))
def test_it_decides_the_calls_as_before_and_is_covered_by_the_old_one(old, pairs):
    new = tightened(old, asked(*pairs))
    if new is None:
        assert all(isinstance(decide(old, *pair), Refused) for pair in pairs)
        return
    assert covers(old, new)
    assert parse(json.dumps(permissions(new))) == new
    for pair in pairs:
        before, after = decide(old, *pair), decide(new, *pair)
        assert type(before) is type(after), pair
        if isinstance(before, Narrowed) and isinstance(after, Narrowed):
            assert set(before.predicate.allows) == set(after.predicate.allows)
            assert set(before.predicate.denies) == set(after.predicate.denies)


@given(policies, st.lists(st.sampled_from(CALLS), max_size=8))
def test_tightening_again_changes_nothing_and_leaves_only_what_was_used(old, pairs):
    calls = asked(*pairs)
    new = tightened(old, calls)
    if new is not None:
        assert tightened(new, calls) == new
        allows = {s.id for s in new.statements if s.effect == "ALLOW"}
        assert not {each.statement for each in unused(new, calls) if each.whole} & allows


@given(policies, st.lists(st.sampled_from(CALLS), max_size=8))
def test_a_statement_that_is_said_to_be_unused_can_go(old, pairs):
    calls = asked(*pairs)
    idle = {each.statement for each in unused(old, calls) if each.whole}
    rest = Policy(tuple(each for each in old.statements if each.id not in idle))
    for pair in pairs:
        before, after = decide(old, *pair), decide(rest, *pair)
        assert type(before) is type(after)
        assert set(before.because) == set(after.because)


WIDE = policy(
    entry("ALLOW", [ANY], [ANY]),
    entry("ALLOW", [VIEW, GET], ["dashboard:1", "dashboard:2"]),
    entry("DENY", [SET], ["parameter:a"]),
)


def test_everything_that_was_not_needed_goes():
    new = tightened(WIDE, asked((VIEW, "dashboard:1"), (GET, "parameter:b"), (SET, "parameter:a")))
    assert new is not None
    assert permissions(new)["permissions"] == [
        entry("ALLOW", [VIEW], ["dashboard:1"]),
        entry("ALLOW", [GET], ["parameter:b"]),
        entry("DENY", [SET], ["parameter:a"]),
    ]


def test_what_was_never_used_is_named():
    calls = asked((VIEW, "dashboard:1"), (READ_GRAPH, ANY))
    assert unused(WIDE, calls) == (
        Unused("permissions[1]", whole=False, actions=(GET,), resources=("dashboard:2",)),
        Unused("permissions[2]", whole=True),
    )


def test_a_condition_stays_as_it_is_and_the_wildcard_beside_it_is_named():
    old = policy(entry("ALLOW", [ANY], [ANY], {"_type": ["a", "b"]}))
    new = tightened(old, asked((READ_GRAPH, ANY)))
    assert new is not None
    assert permissions(new) == {"permissions": [entry("ALLOW", [READ_GRAPH], [ANY], {"_type": ["a", "b"]})]}


def test_without_a_call_that_was_allowed_nothing_is_enough():
    assert tightened(WIDE, asked()) is None
    assert tightened(WIDE, asked((SET, "parameter:a"))) is None


def test_an_action_with_too_many_resources_keeps_those_that_the_policy_gives_it():
    many = [(VIEW, f"dashboard:{number}") for number in range(10 * MANY)]
    calls = asked(*many)
    assert len(calls.by_action[VIEW]) == MANY + 1
    last = f"dashboard:{10 * MANY - 1}"
    old = policy(entry("ALLOW", [VIEW, GET], [last]), entry("ALLOW", [ANY], [ANY]))
    new = tightened(old, calls)
    assert new is not None
    assert permissions(new) == {"permissions": [entry("ALLOW", [VIEW], [last]), entry("ALLOW", [VIEW], [ANY])]}
    assert covers(old, new)


@pytest.mark.parametrize("action", ["keys", "", "anything:Else"])
def test_what_no_policy_can_say_is_no_call(action):
    assert asked((action, ANY)).by_action == {}
