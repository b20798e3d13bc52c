"""Redis in trouble, over HTTP: calls are answered as before, and the metrics tell."""

from __future__ import annotations

import pytest
import redis
from app.outages import INVALID, SERVED, calling, nobodys, settings, until

from gateway.keys import digest


def config(server, **changed):
    with redis.Redis.from_url(server.url) as raw:
        for name, value in changed.items():
            raw.config_set(name, value)
        raw.client_kill_filter(_type="normal")  # whoever was let in before must come in again


WRONG = {
    "away": (lambda server: server.kill(), lambda server: server.start(), "unreachable"),
    "slow": (lambda server: server.stop(), lambda server: server.go_on(), "timeout"),
    "full": (lambda server: config(server, maxmemory=1), lambda server: config(server, maxmemory=0), "refused"),
}


async def as_before(there, known, cold):
    """Whatever Redis does, calls and changes get what the database says."""
    assert await there.told(known.secret) == SERVED
    assert await there.told(cold.secret) == SERVED
    assert await there.told(nobodys()) == INVALID
    assert (await there.revoke(known)).status == 200
    assert await there.told(known.secret) == INVALID
    await until(there.is_ready)


async def is_used(there, server):
    key = await there.known()
    with redis.Redis.from_url(server.url) as raw:
        return raw.exists(f"gateway:key:{digest(key.secret)}")


@pytest.mark.parametrize("wrong", WRONG)
async def test_calls_are_answered_whatever_is_wrong_with_redis(tmp_path, redis_server, wrong):
    mistreat, repair, fault = WRONG[wrong]
    patience = 0.2 if wrong == "slow" else 10.0  # a busy machine must not look like a slow Redis
    store = {"sqlite": tmp_path / "gateway.db", "redis": redis_server.url, "redis_timeout": patience}
    async with calling(settings(tmp_path, store=store | {"redis_cooldown": 0.01})) as there:
        known, cold = await there.known(), await there.key()
        await until(lambda: there.store_up("redis"))
        mistreat(redis_server)

        await as_before(there, known, cold)

        assert await there.metric(f'gateway_redis_faults_total{{fault="{fault}"}}') >= 1
        assert await there.store_up("redis") is (wrong == "full")  # one that is full still answers
        repair(redis_server)
        await until(lambda: there.store_up("redis"))
        await until(lambda: is_used(there, redis_server))


async def test_calls_are_answered_while_redis_has_other_credentials(tmp_path, redis_server):
    store = {"sqlite": tmp_path / "gateway.db", "redis": redis_server.url, "redis_timeout": 10.0}
    async with calling(settings(tmp_path, store=store)) as there:
        known, cold = await there.known(), await there.key()
        config(redis_server, requirepass="another")

        await as_before(there, known, cold)

        assert await there.metric('gateway_redis_faults_total{fault="credentials"}') >= 1
        assert not await there.store_up("redis")
        redis_server.password = "another"


async def test_old_data_in_redis_revives_no_key(tmp_path, redis_server):
    """Those of before a revocation are back, as after a failover to a replica that had lagged behind."""
    store = {"sqlite": tmp_path / "gateway.db", "redis": redis_server.url, "redis_timeout": 10.0}
    store |= {"redis_cooldown": 0.01}
    async with calling(settings(tmp_path, store=store)) as there:
        key = await there.known()
        name = f"gateway:key:{digest(key.secret)}"
        with redis.Redis.from_url(redis_server.url) as raw:
            old = raw.get(name)
        assert old is not None
        redis_server.kill()
        assert (await there.revoke(key)).status == 200
        redis_server.start()
        with redis.Redis.from_url(redis_server.url) as raw:
            raw.set(name, old)

        async with calling(settings(tmp_path, store=store)) as cold:
            assert await cold.told(key.secret) == INVALID
            assert await cold.metric('gateway_key_lookups_total{level="redis",outcome="stale"}') == 1
            assert (await cold.ready())[0] == 200
        assert await there.told(key.secret) == INVALID
        with redis.Redis.from_url(redis_server.url) as raw:
            assert b'"why":"revoked"' in raw.get(name)
