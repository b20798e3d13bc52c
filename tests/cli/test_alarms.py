"""An operator sees which queries are refused, and lets them through again."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.app import opened_control
from gateway.settings import load
from gateway.stores import Alarm

POLICY = '{"permissions": [{"effect": "ALLOW", "actions": ["query:ReadGraphData"], "resources": ["*"]}]}'
ALARMS = [
    Alarm("a1", "acme", POLICY, "list", 1_700_000_000_000, "key-1", "call-1", "an object"),
    Alarm("a2", "acme", POLICY, "tree", 1_700_000_001_000, "key-2", "call-2", "an object"),
]


@pytest.fixture
def raised(operate, config):
    async def keep():
        async with opened_control(load(config)) as control:
            for alarm in ALARMS:
                await control.desk.alarming.keep(alarm)

    asyncio.run(keep())


@pytest.fixture
def listed(operate):
    return lambda: [json.loads(line) for line in operate("alarms", "list", "--json").stdout.splitlines()]


def test_without_alarms_nothing_is_listed(operate):
    assert operate("alarms", "list").stdout == ""


def test_a_listing_says_which_queries_since_when_why_and_in_which_call(operate, raised, listed):
    assert listed()[0] == {
        "id": "a1",
        "organization": "acme",
        "shape": "list",
        "policy": POLICY,
        "at": 1_700_000_000_000,
        "key": "key-1",
        "request": "call-1",
        "why": "an object",
    }
    first, second = operate("alarms", "list").stdout.splitlines()
    for word in ("a1", "2023-11-14 22:13 UTC", "acme", "list", "key key-1", "request call-1", "an object", POLICY):
        assert word in first
    assert second.startswith("a2")


def test_one_alarm_is_reset_only_when_that_is_confirmed(operate, raised, listed):
    for answer in ("n\n", "\n", ""):
        assert operate("alarms", "reset", "a1", answer=answer).exit_code == 1
        assert len(listed()) == 2
    assert operate("alarms", "reset", "a1", answer="y\n").exit_code == 0
    assert [alarm["id"] for alarm in listed()] == ["a2"]


def test_all_alarms_are_reset_at_once(operate, raised, listed):
    assert operate("alarms", "reset", "--all").exit_code == 1
    assert len(listed()) == 2
    result = operate("alarms", "reset", "--all", "--yes")
    assert (result.exit_code, result.stderr) == (0, "reset 2 alarms\n")
    assert listed() == []
    events = [
        json.loads(line)["event"] for line in operate("audit", "list", "--limit", "4", "--json").stdout.splitlines()
    ]
    assert events == ["alarm.reset", "alarm.reset", "alarm.raise", "alarm.raise"]


@pytest.mark.parametrize("words", [(), ("a1", "--all")])
def test_one_or_all_must_be_said(operate, raised, listed, words):
    result = operate("alarms", "reset", *words, "--yes")
    assert result.exit_code == 2
    assert "the ID of one alarm, or --all" in result.stderr
    assert len(listed()) == 2


def test_an_alarm_that_is_not_there_cannot_be_reset(operate, raised, listed):
    result = operate("alarms", "reset", "a3", "--yes")
    assert result.exit_code == 1
    assert "no alarm of this id is open" in result.stderr
    assert len(listed()) == 2
