"""Numbers are those of the edge cases that the product was specified with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.policy import (
    DEFAULT_OPTIONS,
    Condition,
    Effect,
    Policy,
    PolicyError,
    PolicyOptions,
    Statement,
    parse,
)

GOOD = {"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:1"]}
READ = {"effect": "ALLOW", "actions": ["query:ReadGraphData"], "resources": ["*"]}
STRICT = PolicyOptions(bare_wildcard=False)
BOTH_MODES = pytest.mark.parametrize("options", [PolicyOptions(), STRICT], ids=["default", "strict"])


def text(*statements: Any) -> str:
    return json.dumps({"permissions": statements})


def conditioned(equals: Any, **changes: Any) -> str:
    return text(READ | {"condition": {"stringEquals": equals}} | changes)


def fault(policy: str, options: PolicyOptions = DEFAULT_OPTIONS) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        parse(policy, options)
    return caught.value


def one(policy: str) -> Statement:
    (statement,) = parse(policy).statements
    return statement


# As the documentation has them, so that none goes missing from the product unnoticed.

ACTIONS = """
    compliance:GetStandard compliance:GetSummary dashboard:View persister:GetEntityRawData persister:Synchronize
    query:GetAccountEntity query:ReadGraphData settings:GetSettings parameters:GetParameter parameters:GetParameterList
    parameters:SetParameter parameters:DeleteParameter
""".split()
RESOURCE_TYPES = (
    "account api compliance-standard dashboard entity integration powerup settings-category parameter".split()
)
METADATA = """
    _id _key _type _class _accountId _source _scope _integrationType _integrationClass _integrationName
    _integrationInstanceId _integrationDefinitionId
""".split()


# --- what is understood -------------------------------------------------------------------------------------------


def test_the_policy_of_the_documentation_is_understood():
    seed = (
        '{\n\t"permissions": [{\n\t\t"effect":"ALLOW",\n\t\t"actions":[ "dashboard:View" ],\n\t\t'
        '"resources": [ "dashboard:123456" ]\n\t}]\n}'
    )
    assert parse(seed) == Policy(
        (Statement("permissions[0]", Effect.ALLOW, ("dashboard:View",), ("dashboard:123456",)),)
    )


def test_a_condition_keeps_properties_and_values_in_their_order():
    equals = {"_type": "github_repo", "tag.team": ["b", "a"]}
    assert one(conditioned(equals)).condition == Condition((("_type", ("github_repo",)), ("tag.team", ("b", "a"))))


def test_statements_are_named_by_their_path():
    assert [statement.id for statement in parse(text(GOOD, GOOD)).statements] == ["permissions[0]", "permissions[1]"]


@pytest.mark.parametrize("action", ACTIONS)
def test_every_documented_action_is_accepted(action):
    assert one(text(GOOD | {"actions": [action], "resources": ["*"]})).actions == (action,)


@pytest.mark.parametrize("kind", RESOURCE_TYPES)
def test_every_documented_resource_type_is_accepted(kind):
    assert one(text(GOOD | {"resources": [f"{kind}:1"]})).resources == (f"{kind}:1",)


@pytest.mark.parametrize("name", [*METADATA, "displayName", "tag.Production", "my property", "j1_severity", "č"])
def test_a_condition_can_name_text_metadata_and_any_property(name):
    assert one(conditioned({name: "v"})).condition == Condition(((name, ("v",)),))


# --- effects, actions, resources ----------------------------------------------------------------------------------


@pytest.mark.parametrize("effect", ["allow", "Allow", "DENIED", "", None, 1, True, ["ALLOW"]])
def test_29_an_effect_is_allow_or_deny_in_capital_letters(effect):
    error = fault(text(GOOD | {"effect": effect}))
    assert error.path == "permissions[0].effect"
    assert "`ALLOW` or `DENY`" in error.message


@pytest.mark.parametrize("member", ["effect", "actions", "resources"])
def test_29_a_statement_without_one_of_its_members_is_refused(member):
    error = fault(text({name: value for name, value in GOOD.items() if name != member}))
    assert (error.path, error.message) == ("permissions[0]", f"`{member}` is missing")


@BOTH_MODES
@pytest.mark.parametrize("member", ["actions", "resources"])
@pytest.mark.parametrize("pattern", ["dashboard:*", "*:View", "query:Read*", "dashboard:12*", "**", " *", "* "])
def test_30_patterns_are_refused_in_both_modes(pattern, member, options):
    error = fault(text(GOOD | {member: [pattern]}), options)
    assert error.path == f"permissions[0].{member}[0]"
    assert "patterns are not supported" in error.message


def test_31_everything_on_everything_is_accepted_by_default():
    assert one(text(GOOD | {"actions": ["*"], "resources": ["*"]})).actions == ("*",)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"actions": ["*"], "resources": ["*"]}, "permissions[0].actions[0]"),
        ({"actions": ["dashboard:View", "*"]}, "permissions[0].actions[1]"),
        ({"resources": ["dashboard:1", "*"]}, "permissions[0].resources[1]"),
        ({"actions": ["query:ReadGraphData", "dashboard:View"], "resources": ["*"]}, "permissions[0].resources[0]"),
    ],
)
def test_31_the_strict_mode_refuses_the_bare_wildcard(changes, path):
    assert fault(text(GOOD | changes), STRICT).path == path


@pytest.mark.parametrize("statement", [READ, GOOD, GOOD | {"resources": ["dashboard:1", "dashboard:2"]}])
def test_32_the_strict_mode_accepts_named_resources_and_the_wildcard_where_reading_the_graph_needs_it(statement):
    assert parse(text(statement), STRICT) == parse(text(statement))


@pytest.mark.parametrize(
    "action",
    [
        "dashboard:Delete",
        "Dashboard:view",
        "dashboard:View ",
        "dаshboard:View",  # noqa: RUF001 - with a Cyrillic letter
        "",
        "dashboard",
        None,
        {"dashboard": "View"},
    ],
)
def test_34_an_action_that_is_not_exactly_a_supported_one_is_refused(action):
    assert fault(text(GOOD | {"actions": ["dashboard:View", action]})).path == "permissions[0].actions[1]"


@pytest.mark.parametrize("resource", ["widget:1", "dashboard", "dashboard:", ":1", ":", "", "Dashboard:1", 1, None])
def test_35_a_resource_is_a_supported_type_and_an_id(resource):
    assert fault(text(GOOD | {"resources": [resource]})).path == "permissions[0].resources[0]"


@pytest.mark.parametrize("resource", ["parameter:a:b", "parameter:a/b", "parameter:čeština 漢字", "parameter::"])
def test_36_an_id_begins_after_the_first_colon_and_is_taken_as_it_is(resource):
    assert one(text(GOOD | {"resources": [resource]})).resources == (resource,)


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        (text(), "permissions"),
        (text(GOOD | {"actions": []}), "permissions[0].actions"),
        (text(GOOD | {"resources": []}), "permissions[0].resources"),
        (text(GOOD | {"actions": "dashboard:View"}), "permissions[0].actions"),
        (text(GOOD | {"resources": {"dashboard": 1}}), "permissions[0].resources"),
    ],
)
def test_37_a_policy_that_could_do_nothing_is_refused(policy, path):
    error = fault(policy)
    assert (error.path, error.message) == (path, "must be a list with at least one entry")


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("", "Expecting value at line 1 column 1"),
        ("not json", "Expecting value at line 1 column 1"),
        ("[]", "must be an object with `permissions`"),
        ('"null"', "must be an object with `permissions`"),
        ("null", "must be an object with `permissions`"),
        ("12", "must be an object with `permissions`"),
        ("NaN", "`NaN` is not JSON"),
        ("{}", "`permissions` is missing"),
        ('{"permissions": [], "version": 1}', "version: unknown here; there can be `permissions`"),
        ('{"permissions": []} {}', "Extra data"),
        (text([]), "permissions[0]: must be an object with `effect`, `actions`, `resources`"),
        (text(GOOD | {"Effect": "DENY"}), "permissions[0].Effect: unknown here"),
        (text(GOOD | {"con dition": {}}), 'permissions[0]["con dition"]: unknown here'),
        (text(GOOD).replace('"effect"', '"effect": "DENY", "effect"'), "member `effect` occurs twice"),
        ("\ufeff" + text(GOOD), "byte order mark"),
    ],
)
def test_39_what_is_not_a_policy_in_json_is_refused_and_the_message_says_where(policy, told):
    assert told in str(fault(policy))


@pytest.mark.parametrize("policy", ["not json", "[]", "{}"])
def test_39_a_fault_of_the_whole_text_has_no_path(policy):
    error = fault(policy)
    assert (error.path, str(error)) == ("", error.message)


def test_39_a_member_that_is_too_much_is_told_by_its_name():
    assert fault('{"permissions": [], "version": 1}').path == "version"


def test_45_a_pair_that_can_never_match_is_accepted():
    assert one(text(GOOD | {"resources": ["compliance-standard:1"]})).actions == ("dashboard:View",)


def test_51_one_bad_statement_refuses_the_whole_policy():
    assert fault(text(GOOD, GOOD | {"actions": ["dashboard:View", "x"]})).path == "permissions[1].actions[1]"


@BOTH_MODES
@pytest.mark.parametrize(("resources", "at"), [(["entity:1"], 0), (["*", "entity:1"], 1)])
@pytest.mark.parametrize("effect", ["ALLOW", "DENY"])
@pytest.mark.parametrize("actions", [["query:ReadGraphData"], ["dashboard:View", "query:ReadGraphData"]])
def test_64_graph_data_can_be_read_on_the_wildcard_resource_only(resources, at, effect, actions, options):
    error = fault(text({"effect": effect, "actions": actions, "resources": resources}), options)
    assert error.path == f"permissions[0].resources[{at}]"
    assert "`query:ReadGraphData`" in error.message


# --- conditions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "path"),
    [
        ({"stringLike": {"a": "b"}}, "condition.stringLike"),
        ({"StringEquals": {"a": "b"}}, "condition.StringEquals"),
        ({"stringEquals": {"a": "b"}, "stringNotEquals": {"a": "b"}}, "condition.stringNotEquals"),
        ({}, "condition"),
        ([], "condition"),
        (None, "condition"),
        ("a = b", "condition"),
        ({"stringEquals": {}}, "condition.stringEquals"),
        ({"stringEquals": []}, "condition.stringEquals"),
        ({"stringEquals": None}, "condition.stringEquals"),
        ({"stringEquals": "a"}, "condition.stringEquals"),
        ({"stringEquals": [["a", "b"]]}, "condition.stringEquals"),
        ({"stringEquals": {"a": None}}, "condition.stringEquals.a"),
        ({"stringEquals": {"a": 22}}, "condition.stringEquals.a"),
        ({"stringEquals": {"a": True}}, "condition.stringEquals.a"),
        ({"stringEquals": {"a": {"b": "c"}}}, "condition.stringEquals.a"),
        ({"stringEquals": {"a": []}}, "condition.stringEquals.a"),
        ({"stringEquals": {"a": ["b", None]}}, "condition.stringEquals.a[1]"),
        ({"stringEquals": {"a": ["b", ["c"]]}}, "condition.stringEquals.a[1]"),
        ({"stringEquals": {"tag.x": ["b", ""]}}, 'condition.stringEquals["tag.x"][1]'),
    ],
)
def test_65_a_condition_is_string_equals_with_properties_and_values(condition, path):
    assert fault(text(READ | {"condition": condition})).path == f"permissions[0].{path}"


@pytest.mark.parametrize(
    "changes",
    [
        {"actions": ["dashboard:View"], "resources": ["dashboard:1"]},
        {"actions": ["dashboard:View"], "resources": ["*"]},
        {"actions": ["query:ReadGraphData", "dashboard:View"]},
        {"actions": ["*"], "resources": ["entity:1"]},
        {"actions": ["*"], "resources": ["*", "entity:1"]},
    ],
)
def test_66_a_condition_speaks_of_graph_data_only(changes):
    assert fault(conditioned({"a": "b"}, **changes)).path == "permissions[0].condition"


@pytest.mark.parametrize("actions", [["query:ReadGraphData"], ["*"], ["*", "query:ReadGraphData"]])
def test_66_a_deny_can_have_a_condition(actions):
    assert one(conditioned({"a": "b"}, effect="DENY", actions=actions)).condition == Condition((("a", ("b",)),))


def test_66_the_switch_refuses_a_condition_on_a_deny_and_leaves_those_on_an_allow():
    options = PolicyOptions(conditional_deny=False)
    assert fault(conditioned({"a": "b"}, effect="DENY"), options).path == "permissions[0].condition"
    assert parse(conditioned({"a": "b"}), options) == parse(conditioned({"a": "b"}))


@pytest.mark.parametrize("name", ["constructor", "toString", "a OR 1=1", "select * from x"])
def test_71_a_property_name_is_data(name):
    assert one(conditioned({name: "v"})).condition == Condition(((name, ("v",)),))


@pytest.mark.parametrize("name", ["__proto__", "_createdOn", "_version", "_deleted", "_rawDataHashes", "_"])
def test_71_metadata_that_is_not_text_everywhere_is_refused(name):
    error = fault(conditioned({name: "v"}))
    assert error.path == f"permissions[0].condition.stringEquals.{name}"
    assert "not metadata that a condition can name" in error.message


WHOLE_TEMPLATES = ["{{x}}", "{{}}", "a {{x}}{{y}} b", "{x}", "a{", "}", "{} {{x}} }{"]


@pytest.mark.parametrize(
    "value", ["x' OR '1'='1", '") RETURN "', "') OR (_id != 'x", "--", "*", "a/b", " v ", *WHOLE_TEMPLATES]
)
def test_71_a_value_is_data(value):
    assert one(conditioned({"name": value})).condition == Condition((("name", (value,)),))


AMBIGUOUS = ["a\\b", "a\nb", "\x00", "\x7f", "\x85", "a\u2028b", "a\u2029b", "/*", "*/", "${x}"]
AMBIGUOUS += ["{{", "}}", "a {{b", "{{a}} }}", "{{{a}}}", "{{a}b}}"]  # half of a template


@pytest.mark.parametrize("value", [*AMBIGUOUS, "", "x'y\"z", "v" * 257, "🔑" * 129])
def test_a_value_that_no_query_can_carry_with_one_meaning_is_refused(value):
    assert fault(conditioned({"name": value})).path == "permissions[0].condition.stringEquals.name"
    assert fault(conditioned({"name": ["v", value]})).path == "permissions[0].condition.stringEquals.name[1]"


@pytest.mark.parametrize("name", [*AMBIGUOUS, "", "a'b", 'a"b', "a`b", "a[b", "a]b", " a", "a ", "n" * 257])
def test_a_property_name_that_no_query_can_carry_with_one_meaning_is_refused(name):
    assert fault(conditioned({name: "v"})).path.startswith("permissions[0].condition.stringEquals[")


def test_a_lone_surrogate_is_refused_however_it_is_written():
    assert "lone surrogate" in str(fault(conditioned({"name": "\ud800"})))  # escaped by the JSON writer
    assert "lone surrogate" in str(fault(conditioned({"name": "x"}).replace('"x"', '"\ud800"')))


def test_a_path_shows_unusual_names_escaped_and_short():
    path = fault(conditioned({"й\n" + "x" * 300: "v"})).path
    assert path == f'permissions[0].condition.stringEquals["\\u0439\\n{"x" * 62}"]'


# --- limits -------------------------------------------------------------------------------------------------------


def test_49_a_policy_of_a_megabyte_is_refused_unread():
    error = fault("[" * 1_000_000)
    assert (error.path, error.message) == ("", "the policy is longer than 65536 characters")


def test_49_deep_nesting_is_refused():
    assert "nested deeper than 8 levels" in str(fault("[" * 10_000))


@pytest.mark.parametrize(
    ("options", "policy", "path"),
    [
        (PolicyOptions(max_statements=2), text(GOOD, GOOD, GOOD), "permissions"),
        (PolicyOptions(max_names=2), text(GOOD | {"actions": ["dashboard:View"] * 3}), "permissions[0].actions"),
        (PolicyOptions(max_names=2), text(GOOD | {"resources": ["dashboard:1"] * 3}), "permissions[0].resources"),
        (PolicyOptions(max_values=2), conditioned({"a": ["1", "2", "3"]}), "permissions[0].condition.stringEquals.a"),
        (PolicyOptions(max_values=2), conditioned({"a": ["1", "2"], "b": "3"}), "permissions"),
    ],
)
def test_49_one_more_than_a_limit_is_refused_with_its_path(options, policy, path):
    error = fault(policy, options)
    assert error.path == path
    assert "more than 2" in error.message


@pytest.mark.parametrize(
    ("policy", "more"),
    [
        (text(*[GOOD] * 100), text(*[GOOD] * 101)),
        (text(GOOD | {"resources": ["dashboard:1"] * 100}), text(GOOD | {"resources": ["dashboard:1"] * 101})),
        (conditioned({"a": ["1"] * 99, "b": "2"}), conditioned({"a": ["1"] * 99, "b": ["2", "3"]})),
    ],
    ids=["statements", "names", "values"],
)
def test_49_by_default_a_hundred_are_accepted_and_one_more_is_not(policy, more):
    assert parse(policy)
    assert "more than 100" in str(fault(more))


def test_what_is_at_its_limit_is_accepted():
    policy = conditioned({"a": ["1", "v" * 256], "b" * 256: "🔑" * 128})
    limits = PolicyOptions(max_characters=len(policy), max_depth=6, max_statements=1, max_names=1, max_values=3)
    assert parse(policy, limits) == parse(policy)
