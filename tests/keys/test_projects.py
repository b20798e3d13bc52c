"""Roles with holes: what is refused when a membership is made, and what a filled role gives. Numbers are those of the
edge cases that the product was specified with."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.keys import (
    Identity,
    Kind,
    Membership,
    Predefined,
    Project,
    ProjectRole,
    Variable,
    check_role,
    membership_faults,
    membership_statements,
    policy_of,
)
from gateway.policy import ANY, READ_GRAPH, Policy, PolicyError, PolicyOptions, Refused, covers, decide, parse

READING: dict[str, Any] = {"effect": "ALLOW", "actions": [READ_GRAPH], "resources": [ANY]}


def hole(name: str) -> dict[str, str]:
    return {"variable": name}


def reading(**equals: Any) -> dict[str, Any]:
    return READING | {"condition": {"stringEquals": equals}}


ROLES = {
    "editor": ProjectRole((reading(language=hole("language")),), {"language": Variable()}),
    "viewer": ProjectRole((reading(public="yes"),)),
    "author": ProjectRole((reading(author=hole("me")),), {"me": Variable(predefined=Predefined.IDENTITY)}),
    "person": ProjectRole((reading(author=hole("me")),), {"me": Variable(predefined=Predefined.PERSON)}),
    "guest": ProjectRole((reading(language=["en", hole("more")]),), {"more": Variable(fallback=("de",))}),
    "manager": ProjectRole(
        (
            {"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:1", hole("boards")]},
            reading(language=hole("language"), env=hole("env")),
        ),
        {"boards": Variable(), "language": Variable(), "env": Variable()},
    ),
}
BLOG = Project("blog", "acme", "Blog", ROLES)
PROJECTS = {"blog": BLOG}


def membership(role: str, **variables: list[str]) -> Membership:
    return Membership("blog", role, tuple((name, tuple(values)) for name, values in variables.items()))


def identity(*memberships: Membership, **changed: Any) -> Identity:
    return structs.replace(Identity("identity-1", Kind.PROJECT, "acme", memberships=memberships), **changed)


def conditions(given: Identity, projects: dict[str, Project] = PROJECTS) -> list[dict[str, tuple[str, ...]]]:
    """The conditions of all that an identity's memberships give."""
    return [dict(each.condition.equals) if each.condition else {} for each in membership_statements(given, projects)]


def faults(given: Membership, **options: int) -> list[tuple[str, str | None]]:
    return [(each.code.value, each.variable) for each in membership_faults(BLOG, given, PolicyOptions(**options))]


# --- what is wrong with a membership ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "good",
    [
        membership("viewer"),
        membership("editor", language=["cs"]),
        membership("editor", language=["cs", "de"]),
        membership("author"),
        membership("guest"),
        membership("guest", more=["fr"]),
        membership("admin"),
        membership("manager", boards=["dashboard:7"], language=["cs"], env=["prod"]),
    ],
)
def test_a_membership_that_fits_its_role_has_no_fault(good):
    assert membership_faults(BLOG, good) == []


@pytest.mark.parametrize("role", ["owner", "", "Editor", "__proto__", "constructor", "toString", "editor\0"])
def test_86_a_role_that_there_is_not_is_not_found(role):
    (fault,) = membership_faults(BLOG, membership(role, language=["cs"]))
    assert (fault.code, fault.role, fault.variable) == ("ROLE_NOT_FOUND", role, None)


def test_86_a_role_of_another_project_is_not_found():
    shop = Project("shop", "acme", "Shop", {"clerk": ROLES["viewer"]})
    (fault,) = membership_faults(shop, replace(membership("viewer"), project="shop"))
    assert fault.code == "ROLE_NOT_FOUND"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (membership("viewer", language=["cs"]), [("VARIABLE_NOT_FOUND", "language")]),
        (membership("author", me=["identity-2"]), [("VARIABLE_NOT_FOUND", "me")]),
        (membership("editor", language=["cs"], __proto__=["x"]), [("VARIABLE_NOT_FOUND", "__proto__")]),
        (membership("editor"), [("VARIABLE_EMPTY", "language")]),
        (membership("editor", language=[]), [("VARIABLE_EMPTY", "language")]),
        (membership("guest", more=[]), [("VARIABLE_EMPTY", "more")]),
        (membership("editor", lang=["cs"]), [("VARIABLE_NOT_FOUND", "lang"), ("VARIABLE_EMPTY", "language")]),
        (
            membership("manager", zone=["z"], area=["a"], env=[]),
            [
                ("VARIABLE_NOT_FOUND", "zone"),
                ("VARIABLE_NOT_FOUND", "area"),
                ("VARIABLE_EMPTY", "boards"),
                ("VARIABLE_EMPTY", "language"),
                ("VARIABLE_EMPTY", "env"),
            ],
        ),
    ],
)
def test_87_88_89_a_variable_that_is_unknown_or_empty_is_told_by_name_in_order(wrong, told):
    assert faults(wrong) == told


def test_a_variable_that_is_given_twice_is_told():
    twice = Membership("blog", "editor", (("language", ("cs",)), ("language", ("de",))))
    assert ("VARIABLE_INVALID", "language") in faults(twice)
    assert membership_statements(identity(twice), PROJECTS) == ()


@pytest.mark.parametrize("value", ["", "a\\b", "a\n", "both ' and \"", "${x}", "\ud800", "/*"])
def test_a_value_that_no_policy_may_hold_is_told_by_its_variable(value):
    wrong = membership("manager", boards=["dashboard:1"], language=[value], env=["prod"])
    assert faults(wrong) == [("VARIABLE_INVALID", "language")]


@pytest.mark.parametrize("resource", ["dashboard:*", "dashboard", "widget:1", ":1", "dashboard:", "1"])
def test_a_resource_that_no_policy_may_name_is_told_by_its_variable(resource):
    wrong = membership("manager", boards=[resource], language=["cs"], env=["prod"])
    assert faults(wrong) == [("VARIABLE_INVALID", "boards")]


def test_values_that_are_too_many_only_together_are_told_of_the_role():
    many = {"boards": ["dashboard:1"], "language": list("abc"), "env": list("abc")}
    assert faults(membership("manager", **many), max_values=5) == [("VARIABLE_INVALID", None)]
    assert faults(membership("manager", **many), max_values=6) == []


# --- what a membership gives --------------------------------------------------------------------------------------


def test_91_roles_add_up_and_a_variable_of_one_narrows_no_other():
    both = identity(membership("editor", language=["cs"]), membership("viewer"))
    assert conditions(both) == [{"language": ("cs",)}, {"public": ("yes",)}]


def test_92_the_same_role_twice_sees_what_either_sees():
    twice = identity(membership("editor", language=["cs"]), membership("editor", language=["de"]))
    assert conditions(twice) == [{"language": ("cs",)}, {"language": ("de",)}]


def test_93_a_list_of_values_means_any_of_them():
    assert conditions(identity(membership("editor", language=["cs", "de"]))) == [{"language": ("cs", "de")}]


@pytest.mark.parametrize("value", ["'; DROP TABLE keys; --", '" OR "1"="1', "__proto__", "{variable}", "ALLOW", "Ωé"])
def test_93_a_value_is_data(value):
    hostile = membership("editor", language=[value])
    assert membership_faults(BLOG, hostile) == []
    (given,) = membership_statements(identity(hostile), PROJECTS)
    assert (given.actions, given.resources) == ((READ_GRAPH,), (ANY,))
    assert given.condition is not None
    assert given.condition.equals == (("language", (value,)),)


def test_a_value_that_looks_like_a_hole_is_none():
    hostile = membership("manager", boards=["dashboard:1"], language=['{"variable": "env"}'], env=["prod"])
    _, given = membership_statements(identity(hostile), PROJECTS)
    assert given.condition is not None
    assert dict(given.condition.equals)["language"] == ('{"variable": "env"}',)


def test_a_fallback_stands_in_until_values_are_given():
    assert conditions(identity(membership("guest"))) == [{"language": ("en", "de")}]
    assert conditions(identity(membership("guest", more=["fr", "it"]))) == [{"language": ("en", "fr", "it")}]


def test_a_predefined_variable_is_the_identity_itself():
    assert conditions(identity(membership("author"))) == [{"author": ("identity-1",)}]
    assert conditions(identity(membership("person"), kind=Kind.USER, user="eve")) == [{"author": ("eve",)}]


def test_100_a_variable_of_the_person_gives_nothing_where_there_is_no_person():
    assert conditions(identity(membership("person"))) == []


def test_holes_are_in_conditions_and_in_resources():
    given = membership("manager", boards=["dashboard:2", "dashboard:3"], language=["cs"], env=["prod", "test"])
    viewing, seeing = membership_statements(identity(given), PROJECTS)
    assert viewing.resources == ("dashboard:1", "dashboard:2", "dashboard:3")
    assert seeing.condition is not None
    assert seeing.condition.equals == (("language", ("cs",)), ("env", ("prod", "test")))


def test_a_statement_says_which_membership_gave_it():
    assert [each.id for each in membership_statements(identity(membership("viewer")), PROJECTS)] == [
        "blog/viewer/permissions[0]"
    ]


@pytest.mark.parametrize(
    "projects",
    [
        {},
        {"blog": replace(BLOG, organization="globex")},
        {"blog": replace(BLOG, roles={"viewer": ROLES["viewer"]})},
        {"blog": replace(BLOG, roles={"editor": ROLES["guest"]})},
        {"blog": replace(BLOG, roles={"editor": replace(ROLES["manager"])})},
        {"blog": replace(BLOG, roles={"editor": ProjectRole(({"effect": "ALLOW"},), ROLES["editor"].variables)})},
    ],
    ids=["project", "organization", "role", "variable", "more variables", "statement"],
)
def test_99_what_is_gone_from_the_configuration_gives_nothing(projects):
    live = identity(membership("editor", language=["cs"]))
    assert conditions(live) == [{"language": ("cs",)}]
    assert membership_statements(live, projects) == ()
    for action in (READ_GRAPH, "dashboard:View"):
        assert isinstance(decide(policy_of(live, projects), action, ANY), Refused)


def test_99_one_broken_membership_leaves_the_others():
    live = identity(membership("editor"), membership("viewer"), Membership("gone", "viewer"))
    assert conditions(live) == [{"public": ("yes",)}]


def test_90_no_membership_gives_nothing():
    assert policy_of(identity(), PROJECTS) == Policy(())


def test_an_administrator_of_a_project_reads_the_graph_unless_the_project_says_otherwise():
    (given,) = membership_statements(identity(membership("admin")), PROJECTS)
    assert (given.actions, given.resources, given.condition) == ((READ_GRAPH,), (ANY,), None)
    own = {"blog": replace(BLOG, roles={"admin": ROLES["viewer"]})}
    assert conditions(identity(membership("admin")), own) == [{"public": ("yes",)}]


# --- laws ---------------------------------------------------------------------------------------------------------

values = st.lists(st.sampled_from(["cs", "de", "en", "", "a\\b", "fr"]), max_size=3)
given_memberships = st.builds(
    lambda role, language, env, boards, extra: membership(
        role,
        **{name: each for name, each in (("language", language), ("env", env), ("boards", boards)) if each is not None},
        **extra,
    ),
    st.sampled_from([*ROLES, "admin", "gone"]),
    st.none() | values,
    st.none() | values,
    st.none() | st.lists(st.sampled_from(["dashboard:1", "dashboard:*", "parameter:a"]), max_size=2),
    st.dictionaries(st.sampled_from(["zone", "me"]), values, max_size=1),
)


@given(given_memberships)
def test_i13_what_has_a_fault_gives_nothing_and_what_has_none_gives_the_whole_role(one):
    statements = membership_statements(identity(one, user="eve"), PROJECTS)
    if membership_faults(BLOG, one):
        assert statements == ()
    else:
        role = BLOG.role(one.role)
        assert role is not None
        assert len(statements) == len(role.permissions)


@given(st.lists(given_memberships, max_size=4), st.data())
def test_i10_a_membership_less_or_broken_never_allows_more(several, data):
    before = policy_of(identity(*several), PROJECTS)
    broken = [replace(each, role="gone") if data.draw(st.booleans()) else each for each in several]
    kept = [each for each in broken if data.draw(st.booleans())]
    assert covers(before, policy_of(identity(*kept), PROJECTS))


@given(
    st.lists(st.sampled_from(["cs", 'q"', "Ω", "o'k"]), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from(["prod", "test"]), min_size=1, max_size=2, unique=True),
    st.lists(st.sampled_from(["dashboard:7", "dashboard:8"]), min_size=1, max_size=2, unique=True),
)
def test_a_filled_role_is_the_policy_that_one_would_have_written(languages, environments, boards):
    by_hand = {
        "permissions": [
            {"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:1", *boards]},
            reading(language=languages, env=environments),
        ]
    }
    one = membership("manager", language=languages, env=environments, boards=boards)
    written = parse(json.dumps(by_hand)).statements
    assert (
        tuple(
            structs.replace(each, id=each.id.removeprefix("blog/manager/"))
            for each in membership_statements(identity(one), PROJECTS)
        )
        == written
    )


# --- roles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
def test_a_role_that_can_be_filled_is_taken(role):
    check_role(role)


@pytest.mark.parametrize(
    ("role", "path", "told"),
    [
        (ProjectRole((reading(a=hole("x")),)), "variables", "`x` stands in a hole and is not declared"),
        (ProjectRole((READING,), {"x": Variable()}), "variables.x", "stands in no hole"),
        (ProjectRole(({"effect": "ALLOW"},)), "permissions[0]", "`actions` is missing"),
        (ProjectRole((READING, READING | {"resources": ["dashboard"]})), "permissions[1].resources[0]", "resource"),
        (ProjectRole((READING | {"effect": hole("x")},)), "permissions[0].effect", "ALLOW"),
        (ProjectRole((READING | {"actions": [hole("x")]},)), "permissions[0].actions[0]", "must be a string"),
        (ProjectRole(("nonsense",)), "permissions[0]", "object"),
        (ProjectRole((reading(a={"variable": "x", "more": 1}),), {}), "permissions[0].condition", ""),
        (ProjectRole((reading(a={"variable": 1}),), {}), "permissions[0].condition", ""),
        (ProjectRole((READING | {"condition": {"stringLike": {"a": hole("x")}}},)), "permissions[0].condition", ""),
    ],
)
def test_the_fault_of_a_role_is_pointed_at(role, path, told):
    with pytest.raises(PolicyError) as refused:
        check_role(role)
    assert refused.value.path.startswith(path)
    assert told in refused.value.message


def test_a_role_takes_nothing_away():
    viewing = {"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["*"]}
    with pytest.raises(PolicyError, match=r"permissions\[1\].effect: a role gives and takes nothing away"):
        check_role(ProjectRole((viewing, viewing | {"effect": "DENY"})))
