"""`gateway unused`: what account keys may do and never did."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

import gateway.cli.unused as unused_module
from gateway.policy import covers, decide, parse

VIEW, READ = "dashboard:View", "query:ReadGraphData"
WIDE = [
    {"effect": "ALLOW", "actions": [VIEW, "parameters:GetParameter"], "resources": ["dashboard:1", "dashboard:2"]},
    {"effect": "ALLOW", "actions": ["*"], "resources": ["*"], "condition": {"stringEquals": {"_type": "a"}}},
    {"effect": "DENY", "actions": ["parameters:SetParameter"], "resources": ["*"]},
]


@pytest.fixture
def key(operate):
    policy = json.dumps({"permissions": WIDE})
    words = ("--name", "wide", "--policy", "-", "--organization", "acme", "--json")
    return json.loads(operate("keys", "create", *words, answer=policy).stdout)["id"]


@pytest.fixture
def report(gateway, config, tmp_path):
    def run(*records, words=("--json",)):
        log = tmp_path / "log.jsonl"
        log.write_text("".join(json.dumps(record) + "\n" for record in records))
        return gateway("unused", "--config", config, "--log", log, *words)

    return run


def call(key, action=VIEW, resource="dashboard:1", **more):
    record = {"key": key, "route": "graphql", "outcome": "forwarded", "action": action, "resource": resource}
    return record | {"time": "2026-11-01T00:00:00.000+00:00"} | more


def told(result):
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_what_was_never_used_is_told_with_a_policy_that_is_enough(key, report):
    narrowed = call(key, READ, "*", route="j1ql", outcome="narrowed")
    (found,) = told(report(call(key), call(key), narrowed, call("another", VIEW, "dashboard:2")))

    assert (found["key"], found["name"]) == (key, "wide")
    assert found["unused"] == [
        {
            "statement": "permissions[0]",
            "whole": False,
            "actions": ["parameters:GetParameter"],
            "resources": ["dashboard:2"],
        },
        {"statement": "permissions[2]", "whole": True, "actions": [], "resources": []},
    ]
    assert found["policy"]["permissions"] == [
        {"effect": "ALLOW", "actions": [VIEW], "resources": ["dashboard:1"]},
        {"effect": "ALLOW", "actions": [READ], "resources": ["*"], "condition": {"stringEquals": {"_type": "a"}}},
        WIDE[2],
    ]
    old, new = parse(json.dumps({"permissions": WIDE})), parse(json.dumps(found["policy"]))
    assert covers(old, new)
    assert type(decide(new, VIEW, "dashboard:1")) is type(decide(old, VIEW, "dashboard:1"))


def test_a_query_field_that_was_narrowed_used_what_the_route_would_have(key, report):
    (found,) = told(report(call(key, READ, "*", outcome="narrowed")))
    assert [each["statement"] for each in found["unused"]] == ["permissions[0]", "permissions[2]"]


def test_people_are_told_in_words(key, report):
    lines = report(call(key), words=()).stdout.splitlines()
    assert lines[0] == f"{key}  acme  wide"
    assert "  permissions[1]: never used" in lines
    assert "  permissions[0]: never used: parameters:GetParameter, dashboard:2" in lines
    assert lines[-1].startswith('  enough: {"permissions": [')
    assert "is this key needed?" in report(words=()).stdout


def test_all_permissions_that_one_call_needed_count(key, report):
    several = call(key, also=[["parameters:GetParameter", "dashboard:2"]])
    (found,) = told(report(several))
    assert {each["statement"] for each in found["unused"]} == {"permissions[1]", "permissions[2]"}


def test_elements_of_a_batch_count_each_by_how_it_ended(key, report):
    elements = [
        {"outcome": "forwarded", "action": VIEW, "resource": "dashboard:2"},
        {"outcome": "refused", "reason": "not_allowed", "action": "parameters:SetParameter", "resource": "parameter:x"},
        {"outcome": "refused", "reason": "keys_decide"},
    ]
    (found,) = told(report({"key": key, "route": "graphql", "outcome": "batch", "elements": elements}))
    assert [each["statement"] for each in found["unused"]] == ["permissions[0]", "permissions[1]"]
    assert found["unused"][0]["resources"] == ["dashboard:1"]


def test_calls_about_keys_and_refusals_that_are_no_matter_of_policy_do_not_count(key, report):
    unsupported = call(key, READ, "*", route="j1ql", outcome="refused", reason="unsupported_query")
    (found,) = told(report(unsupported, call(key, "keys", "*", outcome="answered"), {"outcome": "refused"}))
    assert (found["policy"], len(found["unused"])) == (None, 3)


def test_old_calls_can_be_left_out(key, report):
    recent = (datetime.now(UTC) - timedelta(days=5)).isoformat()  # noqa: TID251
    old = (datetime.now(UTC) - timedelta(days=50)).isoformat()  # noqa: TID251
    records = (call(key, time=recent), call(key, "parameters:GetParameter", "dashboard:2", time=old), call(key, time=1))
    (found,) = told(report(*records, words=("--json", "--days", "10")))
    assert [s["resources"] for s in found["policy"]["permissions"][:1]] == [["dashboard:1"]]
    (found,) = told(report(*records))
    assert len([s for s in found["policy"]["permissions"] if s["effect"] == "ALLOW"]) == 2


def test_one_key_can_be_named_and_others_are_left_alone(key, operate, report):
    other = json.loads(operate("keys", "create", "--name", "o", "--organization-key", "--json").stdout)["id"]
    assert [found["key"] for found in told(report(call(other)))] == [key]
    assert [found["key"] for found in told(report(call(key), words=("--json", "--key", key)))] == [key]
    refused = report(words=("--key", other))
    assert (refused.exit_code, "has no policy of its own" in refused.stderr) == (1, True)
    assert "no key of this id" in report(words=("--key", "nobodys")).stderr
    operate("keys", "revoke", key, "--yes")
    assert told(report(call(key))) == []


def test_memory_is_bounded_by_keys(key, report, monkeypatch):
    monkeypatch.setattr(unused_module, "KEYS", 2)
    result = report(call("a"), call("b"), call(key))
    assert (result.exit_code, "more than 2 keys: name one with --key" in result.stderr) == (1, True)
    assert len(told(report(call("a"), call("b"), call(key), words=("--json", "--key", key)))) == 1


def test_a_log_that_is_none_is_named_with_its_line(key, report):
    result = report(call(key), "no record")
    assert (result.exit_code, "line 2: not a record of a decision log" in result.stderr) == (1, True)
