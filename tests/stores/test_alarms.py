"""Alarms in the store: one for each class, there until they are reset, heard of by every process. On both databases."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest

from gateway.control import Rejection, TokenOptions, desk_over
from gateway.http1 import Reason
from gateway.keys import Operator, principal
from gateway.stores import Alarm

ALARM = Alarm("a1", "acme", '{"permissions": []}', "list", 5_000, "key-1", "call-1", "an object")
LATER = replace(ALARM, id="a0", organization="globex", at=6_000)


@pytest.fixture
async def two(opened):
    """The registry as two processes have it."""
    return [(await opened()).registry for _ in range(2)]


def desk(registry):
    return desk_over(registry, TokenOptions(), lambda: 9_000, secrets.token_bytes)


async def test_every_process_hears_of_it_until_it_is_reset(two):
    one, other = two
    await desk(one).alarming.keep(ALARM)
    await desk(one).alarming.keep(LATER)
    assert await other.alarms() == (ALARM, LATER)
    assert await other.alarmed() == {"a1": "acme", "a0": "globex"}

    await desk(other).alarming.reset(Operator(), "a1")
    assert await one.alarmed() == {"a0": "globex"}
    assert await desk(other).alarming.reset_all(Operator()) == 1
    assert await one.alarms() == ()


async def test_an_alarm_that_is_open_stays_as_it_is(two):
    one, other = two
    await desk(one).alarming.keep(ALARM)
    await desk(other).alarming.keep(replace(ALARM, call="call-2", at=7_000))
    assert await one.alarms() == (ALARM,)
    assert [event.event for event in await one.audit_events(None, limit=9)] == ["alarm.raise"]


async def test_raising_and_resetting_are_in_the_trail(two):
    registry = two[0]
    await desk(registry).alarming.keep(ALARM)
    await desk(registry).alarming.reset(Operator(), "a1")
    reset, raised = await registry.audit_events("acme", limit=9)
    assert (raised.at, raised.actor, raised.event, raised.subject) == (5_000, "gateway", "alarm.raise", "a1")
    assert dict(raised.details) == {"key": "key-1", "request": "call-1", "shape": "list", "why": "an object"}
    assert (reset.at, reset.actor, reset.event, reset.subject) == (9_000, "operator", "alarm.reset", "a1")
    assert all(verdict.fault is None for verdict in await registry.check_audit())


async def test_what_is_not_open_cannot_be_reset(two):
    registry = two[0]
    with pytest.raises(Rejection, match="no alarm of this id"):
        await desk(registry).alarming.reset(Operator(), "a1")
    assert await desk(registry).alarming.reset_all(Operator()) == 0
    assert await registry.audit_events(None, limit=9) == ()


async def test_a_key_of_an_organization_neither_sees_nor_resets_them(opened):
    store = await opened()
    key, _ = await store.new_key()
    actor = principal(key, {})
    alarming = desk(store.registry).alarming
    await alarming.keep(ALARM)
    for forbidden in (alarming.list_alarms(actor), alarming.reset(actor, "a1"), alarming.reset_all(actor)):
        with pytest.raises(Rejection) as caught:
            await forbidden
        assert caught.value.refusal.reason is Reason.NOT_ALLOWED
    assert await store.registry.alarms() == (ALARM,)
