"""The plan's own rules: expiry, account, route, method, media type."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from gateway.authz import Rules, plan, route_of, whoami
from gateway.authz.outcome import Deny, Facts, Forward, Local, WhoAmI
from gateway.http1 import Call, Reason
from gateway.keys import CallLimits, Period, Quota, Rate


@pytest.fixture
def everything(principal, statements):
    allow, _ = statements
    return principal(allow(["*"]))


def decide(call, who, now=0):
    return plan(call, who, Facts(), Rules(), now)


@pytest.mark.parametrize(("now", "passes"), [(999, True), (1000, False), (1001, False)])
def test_a_key_ends_with_its_expiry(call, principal, statements, now, passes):
    """Edge case 17: the last moment is the one before."""
    allow, _ = statements
    made = decide(call("/j1ql", {"query": "FIND *"}), principal(allow(["*"]), expires_at=1000), now)
    assert isinstance(made, Forward) is passes
    assert passes or made.refusal.reason is Reason.INVALID_KEY


@pytest.mark.parametrize("name", [b"jupiterone-account", b"lifeomic-account"])
def test_an_account_that_is_not_the_keys_is_refused(call, everything, name):
    """Edge case 23."""
    body = {"query": "FIND *"}
    assert isinstance(decide(call("/j1ql", body, headers=((name, b"acme"),)), everything), Forward)
    for account in (b"other", b"", b"ACME", b"acme,other"):
        assert (
            decide(call("/j1ql", body, headers=((name, account),)), everything).refusal.reason is Reason.WRONG_ACCOUNT
        )
    both = ((name, b"acme"), (b"jupiterone-account", b"other"))
    assert isinstance(decide(call("/j1ql", body, headers=both), everything), Deny)


@pytest.mark.parametrize(
    "path", ["/j1ql/", "/J1QL", "/j1ql/validate/x", "/graphql/", "//graphql", "/persister", "/j1ql;x", ""]
)
def test_a_path_is_matched_exactly(call, everything, path):
    """Edge case 179."""
    assert decide(call(path, {"query": "FIND *"}), everything).refusal.reason is Reason.UNKNOWN_ROUTE


@pytest.mark.parametrize(
    ("path", "method"), [("/j1ql", "GET"), ("/graphql", "PUT"), ("/whoami", "POST"), ("/", "DELETE")]
)
def test_a_route_has_its_methods(call, everything, path, method):
    assert decide(call(path, method=method), everything).refusal.reason is Reason.METHOD_NOT_ALLOWED


@pytest.mark.parametrize("kind", [b"text/plain", b"application/x-www-form-urlencoded", b"", b"application/jsonx"])
def test_a_body_that_decides_must_say_that_it_is_json(everything, kind):
    made = decide(Call("1", "POST", "/j1ql", "", ((b"content-type", kind),), b'{"query":"FIND *"}'), everything)
    assert made.refusal.reason is Reason.UNSUPPORTED_MEDIA_TYPE


def test_whoami_is_answered_here_and_tells_what_the_key_may(call, principal, statements):
    allow, deny = statements
    who = principal(
        allow(["query:ReadGraphData"], _type="github_repo"), deny(["dashboard:View"], ["dashboard:9"]), expires_at=5
    )
    assert decide(call("/whoami", method="GET"), who) == Local(WhoAmI())
    told = whoami(who, Rules())
    assert told["permissions"] == [
        {
            "effect": "ALLOW",
            "actions": ["query:ReadGraphData"],
            "resources": ["*"],
            "condition": {"stringEquals": {"_type": ["github_repo"]}},
        },
        {"effect": "DENY", "actions": ["dashboard:View"], "resources": ["dashboard:9"]},
    ]
    assert (told["account"], told["expiresAt"], told["key"]["kind"]) == ("acme", 5, "account")


def test_whoami_tells_the_limits_of_the_key_and_of_its_organization_as_they_hold(everything):
    own, shared = CallLimits(Rate(1000, 60)), CallLimits(quota=Quota(5, Period.MONTH))
    who = structs.replace(everything, limits=own, organization_limits=shared)
    none = {"rate": None, "quota": None, "concurrent": None}
    of_key = none | {"rate": {"calls": 1000, "seconds": 60}}
    of_organization = none | {"quota": {"calls": 5, "period": "month"}}
    assert whoami(who, Rules())["limits"]["calls"] == {"key": of_key, "organization": of_organization}
    assert whoami(everything, Rules())["limits"]["calls"] == {"key": none, "organization": none}
    held = replace(own, concurrent=3), replace(shared, concurrent=9)
    assert whoami(who, Rules(), held)["limits"]["calls"] == {
        "key": of_key | {"concurrent": 3},
        "organization": of_organization | {"concurrent": 9},
    }


def test_route_names_are_a_closed_set():
    assert {route_of(path).name for path in ("/j1ql", "/", "/whoami", "/persister/synchronization/jobs")} == {
        "j1ql",
        "graphql",
        "whoami",
        "sync_create",
    }
