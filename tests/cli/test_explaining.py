"""`gateway explain` and `gateway replay`."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from gateway.cli import main

REPOS = {
    "permissions": [
        {
            "effect": "ALLOW",
            "actions": ["query:ReadGraphData"],
            "resources": ["*"],
            "condition": {"stringEquals": {"_type": "github_repo"}},
        }
    ]
}


@pytest.fixture
def run(tmp_path):
    def invoke(command, *arguments, policy=REPOS, log=()):
        (tmp_path / "policy.json").write_text(json.dumps(policy))
        (tmp_path / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in log))
        files = ["--policy", str(tmp_path / "policy.json")]
        files += ["--log", str(tmp_path / "log.jsonl")] if command == "replay" else []
        return CliRunner().invoke(main, [command, *files, *arguments])

    return invoke


def test_explain_tells_people_what_is_added(run):
    done = run("explain", "--query", "FIND User")
    assert done.exit_code == 0
    assert "narrow:" in done.output
    assert "because of permissions[0]" in done.output
    assert "FIND User« WITH _type = 'github_repo'»" in done.output
    assert "shows no relationship under `strict`" in done.output


def test_explain_tells_programs(run):
    told = json.loads(run("explain", "--query", "FIND User", "--mode", "induced", "--json").output)
    assert {name: told[name] for name in ("decision", "statements", "query", "mode")} == {
        "decision": "narrow",
        "statements": ["permissions[0]"],
        "query": "FIND User WITH _type = 'github_repo'",
        "mode": "induced",
    }


def test_explain_fills_in_variables(run):
    query = ("explain", "--query", "FIND User WITH a = ${x}")
    assert "variable `x` has no value" in run(*query).output
    assert "a = «'y'»" in run(*query, "--variables", '{"x": "y"}').output.replace("« WITH", " WITH")
    for wrong in ("[]", "{"):
        assert "--variables must be a JSON object" in run(*query, "--variables", wrong).output


def test_files_that_are_no_text_are_named(run, tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff")
    for command in (["explain"], ["replay", "--log", str(tmp_path / "bytes")]):
        done = CliRunner().invoke(main, [*command, "--policy", str(tmp_path / "bytes")])
        assert (done.exit_code, "bytes: not a text in UTF-8" in done.output) == (1, True)
    assert run("replay", "--log", str(tmp_path / "bytes")).output.endswith("not a record of a decision log\n")


def test_a_bad_policy_is_one_line_with_the_path(run):
    done = run("explain", policy={"permissions": [{"effect": "allow", "actions": ["*"], "resources": ["*"]}]})
    assert done.exit_code == 1
    assert "permissions[0].effect" in done.output


CALL = {
    "request": "r1",
    "route": "j1ql",
    "key": "k1",
    "outcome": "forwarded",
    "action": "query:ReadGraphData",
    "resource": "*",
}
BOARD = {
    "request": "r2",
    "route": "graphql",
    "outcome": "forwarded",
    "action": "dashboard:View",
    "resource": "dashboard:1",
}


def replayed(run, *records, policy=REPOS):
    return json.loads(run("replay", "--json", log=records, policy=policy).output)


def test_replay_names_the_calls_that_would_be_decided_otherwise(run):
    told = replayed(run, CALL, BOARD, CALL | {"outcome": "narrowed", "request": "r3"})
    assert told["calls"] == 3
    assert [(each["request"], each["was"], each["would"]) for each in told["different"]] == [
        ("r1", "allow", "narrow"),
        ("r2", "allow", "refuse"),
    ]


def test_replay_looks_at_queries_where_the_log_has_them(run):
    narrowed = CALL | {"outcome": "narrowed", "body": json.dumps({"query": "FIND User THAT !HAS Device"})}
    (different,) = replayed(run, narrowed)["different"]
    assert (different["would"], "negated" in different["reason"]) == ("refuse", True)


def test_replay_fills_in_the_variables_that_the_log_has(run):
    asked = {"query": "FIND User WITH a = ${x}", "variables": {"x": "y"}}
    narrowed = CALL | {"outcome": "narrowed", "body": json.dumps(asked)}
    assert replayed(run, narrowed) == {"calls": 1, "different": []}


def test_replay_leaves_out_what_no_policy_decided(run):
    refused = CALL | {"outcome": "refused", "reason": "unsupported_query"}
    assert replayed(run, refused, {"request": "r", "route": "graphql", "outcome": "answered"}) == {
        "calls": 0,
        "different": [],
    }


def test_replay_decides_graphql_fields_as_the_gateway_does(run):
    whole = BOARD | {"action": "query:ReadGraphData", "resource": "*"}
    (different,) = replayed(run, whole)["different"]
    assert different["would"] == "refuse"


def test_replay_looks_into_batches(run):
    batch = {
        "request": "r",
        "route": "graphql",
        "outcome": "mixed",
        "elements": [{"outcome": "forwarded", "action": "*"}],
    }
    assert [each["would"] for each in replayed(run, batch)["different"]] == ["refuse"]


def test_a_log_that_is_none_is_named_with_its_line(run, tmp_path):
    done = run("replay", log=["not an object"])
    assert done.exit_code == 1
    assert "line 1" in done.output
