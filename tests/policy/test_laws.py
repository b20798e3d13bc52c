"""What holds for every policy and every request, and agreement with a second reading of the rules.

The reference works on the JSON text's own value and on single objects; it shares nothing with the package.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy import (
    ANY,
    READ_GRAPH,
    Allowed,
    Condition,
    Narrowed,
    Policy,
    Predicate,
    Refused,
    Verdict,
    decide,
    decide_unknown,
    decide_whole_graph,
    parse,
)

Statement = dict[str, Any]
Thing = dict[str, str | list[str]]

TYPES = {
    "dashboard:View": "dashboard",
    "parameters:GetParameter": "parameter",
    "settings:GetSettings": "settings-category",
}
RESOURCES = [ANY, "dashboard:1", "dashboard:2", "parameter:a", "settings-category:x", "entity:1"]
REQUESTS = list(itertools.product([ANY, READ_GRAPH, *TYPES], RESOURCES))
VALUES = [None, "v", "w", ["v", "w"], ["x"], []]
THINGS: list[Thing] = [
    {name: value for name, value in zip(("_type", "env"), pair, strict=True) if value is not None}
    for pair in itertools.product(VALUES, VALUES)
]

# --- policies -----------------------------------------------------------------------------------------------------

effects = st.sampled_from(["ALLOW", "DENY"])
values = st.sampled_from(["v", "w"]) | st.lists(st.sampled_from(["v", "w"]), min_size=1, max_size=2)
conditions = st.dictionaries(st.sampled_from(["_type", "env"]), values, min_size=1)


def some(names: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), min_size=1, max_size=2)


plain = st.fixed_dictionaries({"effect": effects, "actions": some([ANY, *TYPES]), "resources": some(RESOURCES)})
graph = st.fixed_dictionaries(
    {"effect": effects, "actions": some([ANY, READ_GRAPH]), "resources": st.just([ANY])},
    optional={"condition": st.fixed_dictionaries({"stringEquals": conditions})},
)
statements = plain | graph
policies = st.lists(statements, min_size=1, max_size=5)


def parsed(entries: list[Statement]) -> Policy:
    return parse(json.dumps({"permissions": entries}))


# --- the second reading -------------------------------------------------------------------------------------------


def reference(entries: list[Statement], action: str, resource: str, thing: Thing) -> bool:
    """Whether the action may be done to the resource; for reading the graph, whether this object may be seen."""
    if action == READ_GRAPH and resource != ANY:
        return False
    allowed = denied = False
    for entry in entries:
        if entry["effect"] == "ALLOW" and speaks_of(entry, action, resource):
            allowed = allowed or applies(entry, action, thing, otherwise=False)
        if entry["effect"] == "DENY" and (speaks_of(entry, action, resource) or touches(entry, action, resource)):
            denied = denied or applies(entry, action, thing, otherwise=True)
    return allowed and not denied


def speaks_of(entry: Statement, action: str, resource: str) -> bool:
    return bool({action, ANY} & set(entry["actions"]) and {resource, ANY} & set(entry["resources"]))


def touches(entry: Statement, action: str, resource: str) -> bool:
    """A request about all resources of a type is also about each of them."""
    if resource != ANY or action not in TYPES or not {action, ANY} & set(entry["actions"]):
        return False
    return any(name.startswith(TYPES[action] + ":") for name in entry["resources"])


def applies(entry: Statement, action: str, thing: Thing, *, otherwise: bool) -> bool:
    if "condition" not in entry:
        return True
    if action != READ_GRAPH:
        return otherwise
    return all(has(thing, name, wanted) for name, wanted in entry["condition"]["stringEquals"].items())


def has(thing: Thing, name: str, wanted: str | list[str]) -> bool:
    found = thing.get(name, [])
    return bool(
        set([found] if isinstance(found, str) else found) & set([wanted] if isinstance(wanted, str) else wanted)
    )


# --- verdicts as sets of visible objects --------------------------------------------------------------------------


def visible(verdict: Verdict, thing: Thing) -> bool:
    match verdict:
        case Allowed():
            return True
        case Refused():
            return False
        case Narrowed(predicate=predicate):
            return satisfies(predicate, thing)


def satisfies(predicate: Predicate, thing: Thing) -> bool:
    return any(holds(c, thing) for c in predicate.allows) and not any(holds(c, thing) for c in predicate.denies)


def holds(condition: Condition, thing: Thing) -> bool:
    return all(has(thing, name, list(wanted)) for name, wanted in condition.equals)


def access(verdict: Verdict) -> tuple[int, list[bool]]:
    level = [Refused, Narrowed, Allowed].index(type(verdict))
    return level, [visible(verdict, thing) for thing in THINGS]


def verdicts(policy: Policy) -> Iterator[Verdict]:
    yield from (decide(policy, action, resource) for action, resource in REQUESTS)
    yield decide_whole_graph(policy)
    yield decide_unknown(policy)


def assert_no_more(less: list[Statement], more: list[Statement]) -> None:
    for smaller, greater in zip(verdicts(parsed(less)), verdicts(parsed(more)), strict=True):
        low, few = access(smaller)
        high, many = access(greater)
        assert low <= high
        assert all(one <= other for one, other in zip(few, many, strict=True))


# --- the laws -----------------------------------------------------------------------------------------------------


@settings(max_examples=3 * settings().max_examples)
@given(policies)
def test_182_every_decision_agrees_with_the_reference(entries):
    policy = parsed(entries)
    for action, resource in REQUESTS:
        verdict = decide(policy, action, resource)
        assert action == READ_GRAPH or not isinstance(verdict, Narrowed)
        for thing in THINGS:
            assert visible(verdict, thing) == reference(entries, action, resource, thing)


@given(policies, st.sampled_from(REQUESTS), st.integers(min_value=0, max_value=5))
def test_deny_wins(entries, request, at):
    action, resource = request
    entries.insert(
        at, {"effect": "DENY", "actions": [action], "resources": [ANY if action == READ_GRAPH else resource]}
    )
    assert isinstance(decide(parsed(entries), action, resource), Refused)


@given(policies)
def test_nothing_is_allowed_by_default(entries):
    denies = [entry for entry in entries if entry["effect"] == "DENY"]
    for policy in (Policy(()), *([parsed(denies)] if denies else [])):
        assert {type(verdict) for verdict in verdicts(policy)} == {Refused}


@given(policies, st.data())
def test_order_and_repetition_do_not_matter(entries, data):
    again = data.draw(st.permutations([*entries, *data.draw(st.lists(st.sampled_from(entries), max_size=3))]))
    for one, other in zip(verdicts(parsed(entries)), verdicts(parsed(again)), strict=True):
        assert access(one) == access(other)


@given(policies, statements)
def test_a_deny_more_never_adds_access_and_an_allow_more_never_takes_any(entries, extra):
    if extra["effect"] == "DENY":
        assert_no_more([*entries, extra], entries)
    else:
        assert_no_more(entries, [*entries, extra])


@given(policies)
def test_what_is_unknown_or_the_whole_graph_is_open_only_to_who_may_do_all_that_it_could_be(entries):
    policy = parsed(entries)
    if isinstance(decide_unknown(policy), Allowed):
        possible = [request for request in REQUESTS if request[0] != READ_GRAPH or request[1] == ANY]
        assert {type(decide(policy, *request)) for request in possible} == {Allowed}
        assert isinstance(decide_whole_graph(policy), Allowed)
    if isinstance(decide_whole_graph(policy), Allowed):
        assert isinstance(decide(policy, READ_GRAPH, ANY), Allowed)
        assert isinstance(decide(policy, ANY, ANY), Allowed)


@given(policies)
def test_the_grounds_are_statements_of_the_effect_that_decided(entries):
    for verdict in verdicts(parsed(entries)):
        effects_named = {
            entries[int(name.removeprefix("permissions[").removesuffix("]"))]["effect"] for name in verdict.because
        }
        match verdict:
            case Allowed():
                assert effects_named == {"ALLOW"}
            case Narrowed():
                assert "ALLOW" in effects_named
            case Refused():
                assert effects_named <= {"DENY"}
