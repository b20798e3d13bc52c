from __future__ import annotations

import json

import pytest

from gateway.keys import Identity, Key, Kind, Role, principal
from gateway.policy import (
    ACTIONS,
    ANY,
    READ_GRAPH,
    Allowed,
    Narrowed,
    Policy,
    Refused,
    decide,
    decide_unknown,
    decide_whole_graph,
    parse,
)


def key(kind: Kind, *, policy: str | None = None, role: Role | None = None, instance: str | None = None) -> Key:
    user = "u1" if kind is Kind.USER else None
    identity = Identity("i1", kind, "A", user, role, instance)
    return Key("k1", identity, "name", None, policy, "gwa_abcd", 5, None, 99, None, version=3)


def policy_of(kind: Kind, **details: str | None) -> Policy:
    return principal(key(kind, **details), {}).policy


def text(statement: dict[str, object]) -> str:
    return json.dumps({"permissions": [statement]})


CONDITIONED = text(
    {
        "effect": "ALLOW",
        "actions": [READ_GRAPH],
        "resources": ["*"],
        "condition": {"stringEquals": {"_type": "github_repo"}},
    }
)


def test_a_principal_is_the_key_without_what_deciding_does_not_need():
    account = key(Kind.ACCOUNT, policy=CONDITIONED)
    compiled = principal(account, {})
    assert (compiled.key_id, compiled.version, compiled.name, compiled.expires_at) == ("k1", 3, "name", 99)
    assert compiled.identity == account.identity
    assert compiled.organization == "A"


def test_an_account_key_has_its_own_policy():
    assert policy_of(Kind.ACCOUNT, policy=CONDITIONED) == parse(CONDITIONED)
    assert isinstance(decide(policy_of(Kind.ACCOUNT, policy=CONDITIONED), READ_GRAPH, ANY), Narrowed)


@pytest.mark.parametrize(
    "broken",
    [
        None,
        "",
        "{}",
        "nonsense",
        CONDITIONED.replace("stringEquals", "stringLike"),
        text({"effect": "ALLOW", "actions": ["*", "dashboard:Delete"], "resources": ["*"]}),
    ],
)
def test_a_policy_that_cannot_be_read_allows_nothing(broken):
    assert policy_of(Kind.ACCOUNT, policy=broken) == Policy(())


def test_a_policy_that_was_accepted_under_wider_limits_goes_on_to_hold():
    wide = text(
        {"effect": "ALLOW", "actions": ["dashboard:View"], "resources": [f"dashboard:{n}" for n in range(9_999)]}
    )
    assert isinstance(decide(policy_of(Kind.ACCOUNT, policy=wide), "dashboard:View", "dashboard:9998"), Allowed)


def test_77_an_integration_key_synchronizes_its_instance_and_does_nothing_else():
    policy = policy_of(Kind.INTEGRATION, instance="i-1")
    assert decide(policy, "persister:Synchronize", "integration:i-1") == Allowed(("integration",))
    others = [
        ("persister:Synchronize", "integration:i-2"),
        ("persister:Synchronize", ANY),
        *(
            (action, resource)
            for action in ACTIONS
            if action != "persister:Synchronize"
            for resource in (ANY, "integration:i-1")
        ),
    ]
    assert {decide(policy, *request) for request in others} == {Refused(())}
    assert decide_unknown(policy) == decide_whole_graph(policy) == Refused(())


@pytest.mark.parametrize("instance", [None, ""])
def test_an_integration_key_without_an_instance_can_do_nothing(instance):
    assert policy_of(Kind.INTEGRATION, instance=instance) == Policy(())


@pytest.mark.parametrize("role", [Role.PLATFORM_ADMIN, Role.ORGANIZATION_ADMIN])
def test_an_administrators_key_can_do_everything(role):
    policy = policy_of(Kind.USER, role=role)
    assert decide_unknown(policy) == decide_whole_graph(policy) == Allowed((f"role:{role.value}",))
    assert {type(decide(policy, action, ANY)) for action in ACTIONS} == {Allowed}


@pytest.mark.parametrize("role", [Role.USER, None])
def test_a_plain_users_key_can_do_nothing_yet(role):
    assert policy_of(Kind.USER, role=role) == Policy(())


def test_only_account_keys_have_a_policy_of_their_own():
    assert policy_of(Kind.USER, role=Role.USER, policy=CONDITIONED) == Policy(())
