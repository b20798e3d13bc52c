"""What a gateway does beside its calls: last uses reach the store, keys that end soon are counted."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from gateway.app import chores as chores_module
from gateway.control import NewKey, NewUser
from gateway.keys import DAY, Operator, Role
from gateway.stores import Organization, StoreUnavailable
from gateway.stores.sql import SqlRegistry
from gateway.stores.values import KeyUse

VIEW = json.dumps({"permissions": [{"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:1"]}]})


async def until(condition):
    while not await condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_181_a_denied_call_shows_apart_from_uses_and_a_credential_of_nobody_nowhere(
    make_settings, serve, call, upstream
):
    upstream.let_go.set()
    began = time.time_ns() // 1_000_000
    async with serve(make_settings(keys={"last_used_seconds": 0.01})) as served:
        tokens = served.gateway.control.tokens
        limited = await tokens.create_account_key(Operator(), NewKey("view", policy=VIEW), organization="acme")
        assert (await call(served.gateway, limited.secret))[0] == 403
        assert (await call(served.gateway, limited.secret[:-1] + "x"))[0] == 401
        assert (await served.call())[0] == 200
        listed = {key.name: key for key in await tokens.list_keys(Operator(), limit=10)}

        async def written():
            return len(await tokens.last_uses(listed.values())) == len(listed)

        await until(written)
        uses = await tokens.last_uses(listed.values())
    (used, refused) = (uses[listed[name].id] for name in ("all", "view"))
    assert refused.used_at is None
    assert refused.refused_at is not None
    assert used.used_at is not None
    assert used.refused_at is None
    assert began <= refused.refused_at <= used.used_at


async def test_181_the_refusals_of_one_key_cost_another_nothing(make_settings, serve, call, upstream):
    upstream.let_go.set()
    async with serve(make_settings()) as served:
        tokens = served.gateway.control.tokens
        limited = await tokens.create_account_key(Operator(), NewKey("view", policy=VIEW), organization="acme")
        for _ in range(20):
            assert (await call(served.gateway, limited.secret))[0] == 403
        assert (await served.call())[0] == 200


async def test_what_was_noted_last_is_written_when_the_gateway_stops(make_settings, serve, upstream, control):
    upstream.let_go.set()
    async with serve(make_settings(keys={"last_used_seconds": 3600})) as served:
        assert (await served.call())[0] == 200
        (key,) = await served.gateway.control.tokens.list_keys(Operator(), limit=10)
        assert await served.gateway.control.tokens.last_uses([key]) == {}
    async with control() as later:
        use = (await later.tokens.last_uses([key]))[key.id]
    assert use.used_at is not None
    assert use.refused_at is None


async def test_a_store_that_is_away_costs_no_call_and_no_use(make_settings, serve, upstream, monkeypatch):
    upstream.let_go.set()
    write, away = SqlRegistry.note_uses, True

    async def note(self, uses, *, step):
        if away:
            raise StoreUnavailable("away")
        await write(self, uses, step=step)

    monkeypatch.setattr(SqlRegistry, "note_uses", note)
    async with serve(make_settings(keys={"last_used_seconds": 0.01})) as served:
        tokens = served.gateway.control.tokens
        (key,) = await tokens.list_keys(Operator(), limit=10)
        assert (await served.call())[0] == 200

        async def told():
            return 'gateway_key_use_rounds_total{outcome="failed"}' in await served.metrics()

        await until(told)
        assert (await served.call())[0] == 200
        assert await tokens.last_uses([key]) == {}
        away = False

        async def written():
            return (await tokens.last_uses([key])).get(key.id, KeyUse()).used_at is not None

        await until(written)


async def test_work_that_fails_is_tried_again_and_calls_go_on(make_settings, serve, upstream, monkeypatch, caplog):
    upstream.let_go.set()
    tries = []

    async def count(*_):
        tries.append(1)
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(chores_module, "COUNTING_SECONDS", 0.01)
    monkeypatch.setattr(chores_module, "_count_expiring", count)
    async with serve(make_settings()) as served:
        while len(tries) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert (await served.call())[0] == 200
    assert "a fault of ours" in caplog.text


# --- keys that end soon ---


async def test_keys_that_end_soon_are_counted_in_a_metric(make_settings, serve, monkeypatch):
    monkeypatch.setattr(chores_module, "COUNTING_SECONDS", 0.01)
    async with serve(make_settings(keys={"warn_days": 5})) as served:
        tokens = served.gateway.control.tokens
        for days in (1, 5, 6):
            await tokens.create_account_key(Operator(), NewKey("k", days=days, policy=VIEW), organization="acme")

        async def told():
            return 'gateway_keys_expiring{within_days="5"} 2.0' in await served.metrics()

        await until(told)


@pytest.fixture
async def counted(control):
    """Two organizations with keys of 3 and 300 days and of no end; what is counted within so many days of now."""
    async with control() as opened:
        desk, registry = opened.desk, opened.store.registry
        for organization in ("acme", "globex"):
            await desk.organizations.add_organization(Operator(), Organization(organization, organization))
            for days in (3, 300, None):
                wanted = NewKey("k", days=days)
                await desk.tokens.create_organization_key(Operator(), wanted, organization=organization)

        async def count(days, later=0):
            now = time.time_ns() // 1_000_000 + later
            return await registry.count_expiring(now, now + days * DAY)

        yield desk, count


async def test_a_count_is_of_live_keys_that_end_in_time(counted):
    desk, count = counted
    assert [await count(days) for days in (2, 3, 299, 300)] == [0, 2, 2, 4]
    assert await count(2, later=4 * DAY) == 0  # they have ended
    (key, *_) = await desk.tokens.list_keys(Operator(), limit=10)
    await desk.tokens.revoke_key(Operator(), key.id)
    assert await count(3) == 1


async def test_a_count_knows_the_maximum_of_an_organization(counted):
    desk, count = counted
    await desk.organizations.set_max_key_days(Operator(), "acme", 10)
    assert [await count(days) for days in (2, 9, 10, 300)] == [0, 2, 4, 5]
    assert await count(2, later=9 * DAY) == 2  # of acme, those of 300 days and of no end
    assert await count(2, later=11 * DAY) == 0
    await desk.organizations.set_max_key_days(Operator(), "acme", 1)
    assert [await count(days) for days in (1, 3)] == [3, 4]


async def test_a_count_agrees_with_what_listings_say(counted):
    desk, count = counted
    await desk.organizations.set_max_key_days(Operator(), "globex", 13)
    listed = await desk.tokens.list_keys(Operator(), limit=100)
    described = await desk.describing.describe(Operator(), listed)
    assert await count(14) == sum(each.expires_soon for each in described) == 4


async def test_sessions_are_not_counted(counted, control):
    _, count = counted
    before = await count(1)
    async with control() as opened:
        await opened.people.add_user(Operator(), NewUser("a@example.com", Role.USER), organization="acme")
        await opened.logins.redeem((await opened.logins.create_login("a@example.com", "acme")).code)
    assert await count(1) == before
