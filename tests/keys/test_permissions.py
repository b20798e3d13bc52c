"""What groups give their users. Numbers are those of the edge cases that the product was specified with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys import (
    API_KEYS,
    GroupRights,
    Identity,
    Kind,
    Role,
    gives_api_keys,
    policy_of,
    query_policy_refused,
)
from gateway.keys.permissions import ACTIONS as PERMISSIONS
from gateway.policy import (
    ACTIONS,
    ANY,
    DEFAULT_OPTIONS,
    READ_GRAPH,
    Allowed,
    Condition,
    Narrowed,
    Policy,
    PolicyOptions,
    Refused,
    covers,
    decide,
    decide_unknown,
    decide_whole_graph,
)

SECRETS = [{"_type": "github_repo", "env": ["prod", "test"]}, {"owner": "me"}]


def rights(*permissions: str, filters: Any = (), group: str = "Readers") -> GroupRights:
    text = filters if isinstance(filters, str) else json.dumps(filters)
    return GroupRights(permissions, text, group)


def policy(*groups: GroupRights) -> Policy:
    return policy_of(Identity("eve@A", Kind.USER, "A", user="eve", role=Role.USER, groups=groups), {})


def opened(given: Policy) -> set[str]:
    return {action for action in ACTIONS if not isinstance(decide(given, action, ANY), Refused)}


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_each_permission_opens_its_actions_and_no_others(permission):
    assert opened(policy(rights(permission))) == set(PERMISSIONS[permission])
    assert set(PERMISSIONS[permission]) <= set(ACTIONS)


@pytest.mark.parametrize("permission", [API_KEYS, "accessRules", "", "__proto__", "readgraph", "*"])
def test_a_permission_without_a_row_opens_nothing(permission):
    assert policy(rights(permission)) == Policy(())


def test_no_permission_makes_a_user_one_who_may_do_everything():
    all_of_them = policy(rights(*PERMISSIONS, API_KEYS))
    for whole in (decide_whole_graph, decide_unknown):
        assert isinstance(whole(all_of_them), Refused)


def test_a_user_without_groups_can_do_nothing():
    assert policy() == Policy(())


def test_groups_add_up():
    assert opened(policy(rights("accessInsights"), rights("readGraph"))) == {
        "dashboard:View",
        *PERMISSIONS["readGraph"],
    }


def test_a_query_policy_shows_what_satisfies_one_of_its_filters():
    """An OR of filters, each an AND of properties, each one of its values."""
    shown = decide(policy(rights("readGraph", filters=SECRETS)), READ_GRAPH, ANY)
    assert isinstance(shown, Narrowed)
    assert shown.predicate.allows == (
        Condition((("_type", ("github_repo",)), ("env", ("prod", "test")))),
        Condition((("owner", ("me",)),)),
    )
    assert shown.predicate.denies == ()
    assert shown.because == ("group:Readers/queryPolicy[0]", "group:Readers/queryPolicy[1]")


def test_ways_past_the_filters_are_closed_by_them():
    assert opened(policy(rights("fullReadAccess", filters=SECRETS))) == set(PERMISSIONS["fullReadAccess"]) - {
        "query:GetAccountEntity",
        "persister:GetEntityRawData",
    }


def test_a_query_policy_limits_its_own_group_alone():
    limited, whole = rights("readGraph", filters=SECRETS, group="Limited"), rights("readGraph", group="Whole")
    assert isinstance(decide(policy(limited, whole), READ_GRAPH, ANY), Allowed)
    other = rights("readGraph", filters=[{"team": "x"}], group="Other")
    both = decide(policy(limited, other), READ_GRAPH, ANY)
    assert isinstance(both, Narrowed)
    assert len(both.predicate.allows) == 3


def test_a_query_policy_gives_nothing_by_itself():
    assert policy(rights("accessInsights", filters=SECRETS)) == policy(rights("accessInsights"))


UNREADABLE = [
    "",
    "null",
    "{}",
    "[1]",
    "[[]]",
    "[{}]",
    "[{}, " + json.dumps(SECRETS)[1:],
    '[{"a": null}]',
    '[{"a": []}]',
    '[{"a": 1}]',
    '[{"a": {"or": []}}]',
    '[{"a": "x", "a": "y"}]',
    '[{"a": "x"}',
    "nonsense",
    "[" * 100,
]


@pytest.mark.parametrize("text", UNREADABLE)
def test_i13_a_query_policy_that_cannot_be_read_shows_nothing(text):
    given = policy(rights("fullReadAccess", filters=text))
    shown = {READ_GRAPH, "query:GetAccountEntity", "persister:GetEntityRawData"}
    assert opened(given) == set(PERMISSIONS["fullReadAccess"]) - shown
    assert query_policy_refused(text, DEFAULT_OPTIONS)


@pytest.mark.parametrize("filters", [[], SECRETS, [{"a": "x"}], [{"a": ["x", "y"]}] * 3])
def test_a_query_policy_that_can_be_read_is_taken(filters):
    assert query_policy_refused(json.dumps(filters), DEFAULT_OPTIONS) is None


def test_why_a_query_policy_is_refused_leads_to_the_fault():
    assert "[1]" in str(query_policy_refused('[{"a": "x"}, {}]', DEFAULT_OPTIONS))
    assert query_policy_refused('[{"a": ["x", "y"]}]', PolicyOptions(max_values=1))


@pytest.mark.parametrize(
    ("groups", "enabled"),
    [
        ((), False),
        ((rights(),), False),
        ((rights("readGraph"), rights("accessAdmin")), False),
        ((rights("apikeyuser"),), False),
        ((rights(API_KEYS),), True),
        ((rights("readGraph"), rights("writeGraph", API_KEYS)), True),
    ],
)
def test_1_4_one_enabled_group_is_enough_and_none_is_not(groups, enabled):
    assert gives_api_keys(Identity("eve@A", Kind.USER, "A", user="eve", groups=groups)) == enabled


# --- laws ---------------------------------------------------------------------------------------------------------

filter_texts = st.sampled_from([*UNREADABLE, "[]", json.dumps(SECRETS), '[{"team": "x"}]'])
groups = st.lists(
    st.builds(GroupRights, st.lists(st.sampled_from([*PERMISSIONS, API_KEYS]), max_size=3).map(tuple), filter_texts),
    max_size=4,
)


@given(groups, st.data())
def test_i10_a_group_less_never_allows_more(given_groups, data):
    fewer = [each for each in given_groups if data.draw(st.booleans())]
    assert covers(policy(*given_groups), policy(*fewer))


@given(groups, st.sampled_from([*UNREADABLE, json.dumps(SECRETS)]))
def test_i13_a_query_policy_never_shows_more_than_none(given_groups, text):
    limited = [GroupRights(each.permissions, text) for each in given_groups]
    unlimited = [GroupRights(each.permissions) for each in given_groups]
    assert covers(policy(*unlimited), policy(*limited))
