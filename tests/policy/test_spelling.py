"""A DENY of a name holds in every spelling of it; an ALLOW in none but its own."""

from __future__ import annotations

import json

import pytest

from gateway.policy import Allowed, Refused, decide_written, parse

ACTION = "parameters:GetParameter"


def policy(*statements):
    made = [{"effect": effect, "actions": [ACTION], "resources": [name]} for effect, name in statements]
    return parse(json.dumps({"permissions": made}))


ALL_BUT = policy(("ALLOW", "*"), ("DENY", "parameter:Secret"))


@pytest.mark.parametrize(
    "name",
    ["Secret", "secret", "SECRET", "Secret ", "\tSecret", "Secret\x00", "Sec\u200bret", "\uff33ecret", "\u017fecret"],
)
def test_another_spelling_is_no_way_round_a_deny(name):
    assert decide_written(ALL_BUT, ACTION, f"parameter:{name}") == Refused(("permissions[1]",))


@pytest.mark.parametrize("name", ["Secret2", "Secre", "Secret:x", "Secret-", "other", "*"])
def test_another_name_is_another_name(name):
    assert isinstance(decide_written(ALL_BUT, ACTION, f"parameter:{name}"), Allowed)


@pytest.mark.parametrize(("name", "allowed"), [("Secret", True), ("secret", False), ("Secret ", False)])
def test_an_allow_is_of_its_own_spelling(name, allowed):
    verdict = decide_written(policy(("ALLOW", "parameter:Secret")), ACTION, f"parameter:{name}")
    assert isinstance(verdict, Allowed) is allowed
