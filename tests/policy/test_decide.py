"""Numbers are those of the edge cases that the product was specified with."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from gateway.policy import (
    ACTIONS,
    ANY,
    EVERYTHING,
    READ_GRAPH,
    Allowed,
    Condition,
    Narrowed,
    Policy,
    Predicate,
    Refused,
    decide,
    decide_named,
    decide_unknown,
    decide_whole_graph,
    parse,
)

REPOS = Condition((("_type", ("github_repo",)),))
PROD = Condition((("env", ("prod",)),))


def statement(effect: str, action: str, resource: str = ANY, **equals: Any) -> dict[str, Any]:
    condition = {"condition": {"stringEquals": equals}} if equals else {}
    return {"effect": effect, "actions": [action], "resources": [resource]} | condition


def allow(action: str, resource: str = ANY, **equals: Any) -> dict[str, Any]:
    return statement("ALLOW", action, resource, **equals)


def deny(action: str, resource: str = ANY, **equals: Any) -> dict[str, Any]:
    return statement("DENY", action, resource, **equals)


def policy(*statements: dict[str, Any]) -> Policy:
    return parse(json.dumps({"permissions": statements}))


def ids(*numbers: int) -> tuple[str, ...]:
    return tuple(f"permissions[{number}]" for number in numbers)


# --- actions on resources -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("resource", ["dashboard:123457", "dashboard:12345", "dashboard:1234567", "dashboard:", ANY])
def test_27_a_dashboard_is_that_dashboard_and_no_other(resource):
    key = policy(allow("dashboard:View", "dashboard:123456"))
    assert decide(key, "dashboard:View", "dashboard:123456") == Allowed(ids(0))
    assert decide(key, "dashboard:View", resource) == Refused(())


def test_28_what_is_not_allowed_is_refused():
    key = policy(allow("dashboard:View", "dashboard:123456"))
    assert decide(key, "settings:GetSettings", "settings-category:1") == Refused(())
    assert decide(key, READ_GRAPH, ANY) == Refused(())
    assert decide_whole_graph(key) == Refused(())
    assert decide_unknown(key) == Refused(())


def test_31_everything_on_everything_allows_all_actions():
    key = policy(allow(ANY))
    assert {type(decide(key, action, ANY)) for action in [*ACTIONS, ANY]} == {Allowed}
    assert decide_whole_graph(key) == decide_unknown(key) == Allowed(ids(0))


def test_33_every_action_on_one_dashboard_reads_no_graph():
    key = policy(allow(ANY, "dashboard:1"))
    assert decide(key, "dashboard:View", "dashboard:1") == Allowed(ids(0))
    assert decide(key, "dashboard:View", "dashboard:2") == Refused(())
    assert decide(key, READ_GRAPH, ANY) == Refused(())


def test_33_reading_the_graph_is_on_the_wildcard_only_even_for_who_may_do_everything():
    assert decide(policy(allow(ANY), allow(ANY, "entity:1")), READ_GRAPH, "entity:1") == Refused(())


def test_36_an_id_is_compared_whole_and_literally():
    key = policy(allow("parameters:GetParameter", "parameter:a:b"))
    assert decide(key, "parameters:GetParameter", "parameter:a:b") == Allowed(ids(0))
    assert decide(key, "parameters:GetParameter", "parameter:a") == Refused(())


def test_41_deny_wins_in_both_orders():
    yes, no = allow("dashboard:View", "dashboard:1"), deny("dashboard:View", "dashboard:1")
    assert decide(policy(yes, no), "dashboard:View", "dashboard:1") == Refused(ids(1))
    assert decide(policy(no, yes), "dashboard:View", "dashboard:1") == Refused(ids(0))


def test_42_a_deny_of_one_dashboard_leaves_the_rest():
    key = policy(allow(ANY), deny("dashboard:View", "dashboard:9"))
    assert decide(key, "dashboard:View", "dashboard:9") == Refused(ids(1))
    assert decide(key, "dashboard:View", "dashboard:10") == Allowed(ids(0))
    assert decide(key, "settings:GetSettings", ANY) == Allowed(ids(0))
    assert decide(key, ANY, ANY) == decide_whole_graph(key) == Allowed(ids(0))


def test_42_what_is_about_all_dashboards_is_refused_by_a_deny_of_one():
    assert decide(policy(allow(ANY), deny("dashboard:View", "dashboard:9")), "dashboard:View", ANY) == Refused(ids(1))
    key = policy(allow(ANY), deny(ANY, "dashboard:9"))
    assert decide(key, "dashboard:View", ANY) == Refused(ids(1))
    assert decide(key, "settings:GetSettings", ANY) == Allowed(ids(0))


ABOUT = """
    compliance:GetStandard compliance-standard, compliance:GetSummary compliance-standard, dashboard:View dashboard,
    persister:GetEntityRawData entity, persister:Synchronize integration, query:GetAccountEntity account,
    settings:GetSettings settings-category, parameters:GetParameter parameter, parameters:GetParameterList parameter,
    parameters:SetParameter parameter, parameters:DeleteParameter parameter
"""


@pytest.mark.parametrize("pair", ABOUT.split(","), ids=str.strip)
def test_42_what_is_about_all_of_a_type_is_refused_by_a_deny_of_one(pair):
    action, kind = pair.split()
    assert decide(policy(allow(ANY), deny(action, f"{kind}:9")), action, ANY) == Refused(ids(1))
    assert decide(policy(allow(ANY), deny(action, "api:9")), action, ANY) == Allowed(ids(0))


def test_42_what_nobody_knows_about_is_refused_by_any_deny():
    assert decide_unknown(policy(allow(ANY), deny("dashboard:View", "dashboard:9"))) == Refused(ids(1))


def test_43_denies_alone_allow_nothing():
    key = policy(deny("dashboard:View", "dashboard:9"))
    assert decide(key, "dashboard:View", "dashboard:10") == Refused(())


def test_44_everything_but_the_graph():
    key = policy(allow(ANY), deny(READ_GRAPH))
    assert decide(key, READ_GRAPH, ANY) == decide_whole_graph(key) == Refused(ids(1))
    assert decide(key, "settings:GetSettings", "settings-category:1") == Allowed(ids(0))


def test_45_a_pair_that_can_never_match_allows_nothing():
    key = policy(allow("dashboard:View", "compliance-standard:1"))
    assert decide(key, "dashboard:View", "dashboard:1") == Refused(())


def test_46_setting_a_parameter_is_not_reading_it():
    key = policy(allow("parameters:SetParameter", "parameter:X"))
    assert decide(key, "parameters:SetParameter", "parameter:X") == Allowed(ids(0))
    assert decide(key, "parameters:SetParameter", "parameter:Y") == Refused(())
    for action in ("parameters:GetParameter", "parameters:DeleteParameter", "parameters:GetParameterList"):
        assert decide(key, action, "parameter:X") == Refused(())


def test_a_deny_of_everything_refuses_everything():
    key = policy(allow(ANY), deny(ANY))
    assert decide(key, ANY, ANY) == decide(key, READ_GRAPH, ANY) == decide_unknown(key) == Refused(ids(1))


# --- reading the graph --------------------------------------------------------------------------------------------


def test_52_a_conditioned_allow_narrows():
    key = policy(allow(READ_GRAPH, _type="github_repo"))
    assert decide(key, READ_GRAPH, ANY) == Narrowed(Predicate((REPOS,)), ids(0))


def test_61_a_conditioned_key_does_not_read_the_whole_graph():
    assert decide_whole_graph(policy(allow(READ_GRAPH, _type="github_repo"))) == Refused(())


def test_63_reading_the_graph_is_not_enough_to_read_all_of_it_past_the_query_route():
    key = policy(allow(READ_GRAPH))
    assert decide(key, READ_GRAPH, ANY) == Allowed(ids(0))
    assert decide_whole_graph(key) == Refused(())


def test_66_a_conditioned_deny_narrows_what_is_allowed():
    key = policy(allow(ANY), deny(READ_GRAPH, env="prod"))
    assert decide(key, READ_GRAPH, ANY) == Narrowed(Predicate((EVERYTHING,), (PROD,)), ids(0, 1))
    assert decide_whole_graph(key) == Refused(ids(1))
    assert decide(key, ANY, ANY) == Allowed(ids(0))


def test_66_a_conditioned_deny_of_everything_refuses_what_it_cannot_be_held_against():
    key = policy(allow(ANY), deny(ANY, env="prod"))
    assert decide(key, READ_GRAPH, ANY) == Narrowed(Predicate((EVERYTHING,), (PROD,)), ids(0, 1))
    assert decide(key, "dashboard:View", "dashboard:1") == decide(key, ANY, ANY) == Refused(ids(1))


def test_67_conditioned_allows_add_up():
    key = policy(allow(READ_GRAPH, _type="github_repo"), allow(READ_GRAPH, env="prod"))
    assert decide(key, READ_GRAPH, ANY) == Narrowed(Predicate((REPOS, PROD)), ids(0, 1))


def test_68_an_unconditional_allow_beside_a_conditioned_one_wins():
    key = policy(allow(READ_GRAPH, _type="github_repo"), allow(READ_GRAPH))
    assert decide(key, READ_GRAPH, ANY) == Allowed(ids(1))


def test_68_an_unconditional_allow_lifts_the_conditions_and_leaves_the_denied_ones():
    key = policy(allow(READ_GRAPH, _type="github_repo"), allow(READ_GRAPH), deny(READ_GRAPH, env="prod"))
    assert decide(key, READ_GRAPH, ANY) == Narrowed(Predicate((EVERYTHING,), (PROD,)), ids(1, 2))


def test_a_conditioned_allow_of_everything_grants_reading_the_graph_and_nothing_else():
    key = policy(allow(ANY, _type="github_repo"))
    assert decide(key, READ_GRAPH, ANY) == Narrowed(Predicate((REPOS,)), ids(0))
    assert decide(key, "dashboard:View", "dashboard:1") == decide(key, ANY, ANY) == Refused(())
    assert decide_whole_graph(key) == decide_unknown(key) == Refused(())


def test_the_same_condition_twice_is_pushed_once():
    key = policy(allow(READ_GRAPH, _type="github_repo"), allow(ANY, _type="github_repo"))
    assert decide(key, READ_GRAPH, ANY) == Narrowed(Predicate((REPOS,)), ids(0, 1))


# --- resources by name --------------------------------------------------------------------------------------------


def test_047_named_resources_are_those_that_are_allowed_one_by_one():
    action, x, y = "parameters:GetParameterList", "parameter:x", "parameter:y"
    key = policy(allow(action, x), allow("*", y), allow("parameters:GetParameter", "parameter:z"), allow("*", a="b"))
    assert decide_named(key, action) == {x, y}
    assert decide_named(policy(allow(action, x), allow(action, y), deny("*", y)), action) == {x}
    for more in (deny(action, x), deny("*"), deny("*", a="b"), allow(action), allow("*")):
        assert decide_named(policy(allow(action, x), more), action) == frozenset()
    assert decide_named(policy(allow("*", x)), READ_GRAPH) == frozenset()


def test_047_named_resources_agree_with_the_decision_on_each():
    """All policies of three statements about two parameters, `*` and another thing."""
    action, resources = "parameters:GetParameterList", ("parameter:x", "parameter:y", "dashboard:x")
    pool = [make(act, about) for make in (allow, deny) for act in (action, "*") for about in (*resources, ANY)]
    pool += [allow("*", a="b"), deny("*", a="b"), allow("dashboard:View", "parameter:x")]
    for statements in itertools.combinations(pool, 3):
        key = policy(*statements)
        allowed = {each for each in resources if isinstance(decide(key, action, each), Allowed)}
        unbounded = isinstance(decide(key, action, "parameter:any"), Allowed)
        assert decide_named(key, action) == (set() if unbounded else allowed), statements


def test_a_verdict_that_was_given_before_is_that_of_its_own_policy():
    """Verdicts are remembered by policy, action and resource."""
    one, all_of_them = [allow("dashboard:View", "dashboard:1")], [allow(ANY)]
    names = ("dashboard:1", "dashboard:2", ANY, "dashboard:" + "1" * 1_000)
    for _ in range(2):
        for permissions, expected in ((one, [True, False, False, False]), (all_of_them, [True] * 4)):
            policy = parse(json.dumps({"permissions": permissions}))
            assert [isinstance(decide(policy, "dashboard:View", name), Allowed) for name in names] == expected
            everything = decide_whole_graph(policy), decide_unknown(policy)
            assert [isinstance(verdict, Allowed) for verdict in everything] == [permissions is all_of_them] * 2
