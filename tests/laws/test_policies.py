"""Policies of any shape against the second reading, and how they grow. Numbers are those of the edge cases."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from gateway.keys import (
    Identity,
    Kind,
    Membership,
    Project,
    ProjectRole,
    Variable,
    membership_statements,
)
from gateway.policy import (
    Allowed,
    Condition,
    Narrowed,
    Policy,
    Predicate,
    Refused,
    Verdict,
    covers,
    decide,
    parse,
)
from laws.reference import ABOUT, ANY, READ, Thing, allowed, equals

POLICIES = 5_000
REQUESTS = 20
"""Of each policy: 10^5 pairs."""

NAMES = {kind: [f"{kind}:{name}" for name in ("1", "2")] for kind in ABOUT.values()}
PROPERTIES, VALUES = ("_type", "env", "tag.team"), ("a", "b", "c")


def any_policy(chance: Random) -> list[dict[str, Any]]:
    return [any_statement(chance) for _ in range(chance.randint(1, 5))]


def any_statement(chance: Random) -> dict[str, Any]:
    """About the graph, with a condition or none, or about something else, or about everything."""
    effect = chance.choice(["ALLOW", "ALLOW", "DENY"])
    if chance.random() < 0.5:
        said = {"effect": effect, "actions": [chance.choice([READ, READ, ANY])], "resources": [ANY]}
        return said | ({"condition": any_condition(chance)} if chance.random() < 0.7 else {})
    actions = chance.sample(sorted(ABOUT), chance.randint(1, 2))
    resources = [ANY] if chance.random() < 0.3 else [chance.choice(NAMES[ABOUT[each]]) for each in actions]
    return {"effect": effect, "actions": actions, "resources": list(dict.fromkeys(resources))}


def any_condition(chance: Random) -> dict[str, Any]:
    names = chance.sample(PROPERTIES, chance.randint(1, 2))
    given = {name: chance.sample(VALUES, chance.randint(1, 2)) for name in names}
    return {"stringEquals": {name: each[0] if len(each) == 1 else each for name, each in given.items()}}


def any_request(chance: Random) -> tuple[str, str, Thing]:
    if chance.random() < 0.6:
        present = [name for name in PROPERTIES if chance.random() < 0.7]
        return READ, ANY, {name: chance.choice([*VALUES, ["a", "b"], [], ["d"]]) for name in present}
    action = chance.choice(sorted(ABOUT))
    return action, chance.choice([*NAMES[ABOUT[action]], ANY]), {}


def parsed(statements: list[dict[str, Any]]) -> Policy:
    return parse(json.dumps({"permissions": statements}))


def lets_through(verdict: Verdict, thing: Thing) -> bool:
    match verdict:
        case Narrowed(predicate=Predicate(allows, denies)):
            return any(met(each, thing) for each in allows) and not any(met(each, thing) for each in denies)
        case _:
            return isinstance(verdict, Allowed)


def met(condition: Condition, thing: Thing) -> bool:
    return all(equals(thing.get(name), list(values)) for name, values in condition.equals)


def test_182_decisions_are_those_of_the_second_reading():
    chance, through = Random(182), 0
    for _ in range(POLICIES):
        statements = any_policy(chance)
        policy = parsed(statements)
        for _ in range(REQUESTS):
            action, resource, thing = any_request(chance)
            real = lets_through(decide(policy, action, resource), thing)
            assert real is allowed(statements, action, resource, thing), (statements, action, resource, thing)
            through += real
    assert POLICIES * REQUESTS == 100_000
    assert 20_000 < through < 80_000  # neither answer is a habit


ORDER = (Refused, Narrowed, Allowed)


def test_i7_a_deny_or_a_condition_more_never_widens_and_an_allow_more_never_narrows():
    chance = Random(7)
    for _ in range(1_500):
        statements, more = any_policy(chance), any_statement(chance)
        less, greater = (
            (statements, [*statements, more]) if more["effect"] == "ALLOW" else ([*statements, more], statements)
        )
        narrowed, low, high = map(parsed, (with_a_condition(chance, greater), less, greater))
        for _ in range(REQUESTS):
            no_more(low, high, any_request(chance))
            no_more(narrowed, high, any_request(chance))


def with_a_condition(chance: Random, statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One ALLOW of the graph asks for more of an object than before."""
    changed = [*statements]
    for place, each in enumerate(statements):
        if each["effect"] == "ALLOW" and each["resources"] == [ANY] and set(each["actions"]) <= {READ, ANY}:
            asked = each.get("condition", {"stringEquals": {}})["stringEquals"]
            extra = any_condition(chance)["stringEquals"]
            changed[place] = each | {"condition": {"stringEquals": extra | asked}}
            break
    return changed


def no_more(less: Policy, greater: Policy, request: tuple[str, str, Thing]) -> None:
    action, resource, thing = request
    low, high = (decide(each, action, resource) for each in (less, greater))
    assert ORDER.index(type(low)) <= ORDER.index(type(high)), (less, greater, request)
    assert lets_through(high, thing) or not lets_through(low, thing), (less, greater, request)


def test_i14_who_covers_a_policy_may_do_all_of_it():
    """`covers` is what nobody can give more by; seen from single requests and objects."""
    chance, covered = Random(14), 0
    for _ in range(1_500):
        wide, narrow = any_policy(chance), any_policy(chance)
        narrow = chance.sample(wide, len(wide)) if chance.random() < 0.5 else narrow
        if covers(parsed(wide), parsed(narrow)):
            covered += 1
            for _ in range(2 * REQUESTS):
                request = any_request(chance)
                assert allowed(wide, *request) or not allowed(narrow, *request), (wide, narrow, request)
    assert covered > 500


def test_i13_a_membership_that_does_not_hold_any_more_gives_nothing_and_takes_nothing_away():
    """Roles and variables vanish from the configuration, values are empty or unknown: of two memberships the broken
    one gives nothing, the other what it gave."""
    chance, broken = Random(13), 0
    reading = {"effect": "ALLOW", "actions": [READ], "resources": [ANY]}
    editor = reading | {"condition": {"stringEquals": {"language": {"variable": "language"}}}}
    roles = {"editor": ProjectRole((editor,), {"language": Variable()}), "viewer": ProjectRole((reading,))}
    for _ in range(1_000):
        variables = chance.choice([(), (("language", ()),), (("language", ("cs",)),), (("lingua", ("cs",)),)])
        held = Membership(chance.choice(["blog", "gone"]), chance.choice(["editor", "viewer", "boss"]), variables)
        there = {name: role for name, role in roles.items() if chance.random() < 0.7}
        projects = {"blog": Project("blog", chance.choice(["acme", "globex"]), "Blog", there)}
        project = projects.get(held.project)
        whole = project is not None and project.organization == "acme" and held.role in there
        fits = {name for name, _ in variables} == set(roles[held.role].variables) if whole else False
        fits = fits and all(values for _, values in variables)
        statements = membership_statements(Identity("i", Kind.PROJECT, "acme", memberships=(held,)), projects)
        assert bool(statements) is fits, (held, projects)
        broken += not fits
        if held.role == "editor":
            assert all(each.condition == Condition((("language", ("cs",)),)) for each in statements)
    assert 300 < broken < 990
