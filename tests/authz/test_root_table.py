"""What an operator may put into the table root field -> permissions."""

from __future__ import annotations

import pytest

from gateway.authz import check_action, check_arguments, check_field, check_needs, check_resource
from gateway.authz.roots import GRAPH, KEYS_DECIDE, NEVER, OURS, ROOTS
from gateway.policy.supported import ACTIONS


@pytest.mark.parametrize("name", ["openBoard", "_a", "a1", "x" * 200])
def test_a_field_that_is_not_known_can_have_a_row(name):
    check_field(name)


@pytest.mark.parametrize("name", ["", "a b", "a.b", "1a", "__schema", "__typename", "ключ", "a\n", "a-b"])
def test_what_is_no_name_of_a_field_cannot(name):
    with pytest.raises(ValueError, match="not the name"):
        check_field(name)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (OURS, "answered by the gateway itself"),
        (KEYS_DECIDE, "no policy opens"),
        (NEVER, "no key may use it"),
        (GRAPH, "past /j1ql"),
        (frozenset(ROOTS), "row of the gateway's own"),
    ],
)
def test_what_the_gateway_decides_stays_as_it_is(names, told):
    for name in names:
        with pytest.raises(ValueError, match=told):
            check_field(name)


def test_actions_are_those_of_policies():
    for action in (*ACTIONS, "*"):
        check_action(action)
    for action in ("", "dashboard:view", "dashboard:*", "dashboard:Edit", "View"):
        with pytest.raises(ValueError, match="dashboard:View, "):
            check_action(action)


@pytest.mark.parametrize("action", [*ACTIONS, "*"])
def test_a_resource_is_one_that_the_action_is_about(action):
    about = ACTIONS.get(action, frozenset())
    check_resource(action, "*")
    for kind in ("dashboard", "entity", "integration", "parameter", "api", "account"):
        for resource in (
            f"{kind}:x",
            f"{kind}:a:b",
            f"{kind}:{{id}}",
            f"{kind}:{{in_1.a2}}",
            f"{kind}:{{@organization}}",
        ):
            if kind in about:
                check_resource(action, resource)
            else:
                with pytest.raises(ValueError, match="must be"):
                    check_resource(action, resource)


@pytest.mark.parametrize(
    "resource",
    [
        "",
        "dashboard",
        "dashboard:",
        "dashboard:{}",
        "dashboard:{ id }",
        "dashboard:{a..b}",
        "dashboard:{.a}",
        "dashboard:{a.}",
        "dashboard:{1}",
        "dashboard:{@account}",
        "dashboard:{a}{b}",
        "dashboard:{a",
        "dashboard:a}",
        "dashboard:x{a}",
        "dashboard:{a}x",
        "dashboard:{{a}}",
        "{a}",
        "**",
        "dashboard:{a\n}",
    ],
)
def test_a_template_that_cannot_be_filled_in_is_a_fault(resource):
    with pytest.raises(ValueError, match=r"must be|has no path"):
        check_resource("dashboard:View", resource)


def test_an_argument_that_the_field_does_not_take_is_a_fault():
    needs = [
        ("dashboard:View", "dashboard:{input.id}"),
        ("settings:GetSettings", "*"),
        ("dashboard:View", "dashboard:1"),
    ]
    check_needs(needs, None)
    check_needs(needs, ["name", "input.id"])
    check_needs([("query:GetAccountEntity", "account:{@organization}")], [])
    for arguments in ([], ["id"], ["input"], ["input.ID"]):
        with pytest.raises(ValueError, match="does not take"):
            check_needs(needs, arguments)


def test_a_permission_twice_is_a_fault():
    with pytest.raises(ValueError, match="`dashboard:View` on `dashboard:1` is there twice"):
        check_needs([("dashboard:View", "dashboard:1"), ("*", "*"), ("dashboard:View", "dashboard:1")], None)


def test_arguments_are_paths():
    check_arguments(["id", "input.id", "_a.b1.c"])
    for path in ("", "a b", "input.", "$id", "{id}"):
        with pytest.raises(ValueError, match="is not the path of an argument"):
            check_arguments(["id", path])
