"""Limits over two gateway processes that share a Redis: as exact as they say, and next to nothing asked of Redis."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest
import redis

from gateway.stores import create
from revocation.connections import request
from revocation.installation import Installation, settings, surroundings, whoami
from revocation.processes import serving

CALLS, SECONDS = 400, 4
LIMITS = {"key_rate": f"{CALLS}/{SECONDS}", "organization_rate": "1000000/1"}
HAMMERED = 8.0
"""Seconds: long enough that what came in is a multiple of the burst."""
GIVEN_BACK = 2.5
"""Seconds after which the processes have given back what they did not use; the bucket is not full again by then."""
PATIENT = {"lookup_timeout": 60.0, "redis_timeout": 30.0}
"""Seconds: a busy machine must not look like an outage."""


@pytest.fixture
def installation(tmp_path, redis_server):
    create(tmp_path / "gateway.db")
    with surroundings() as (_, url):
        store = {"sqlite": str(tmp_path / "gateway.db"), "redis": redis_server.url, **PATIENT}
        sections = settings(url, store, limits=LIMITS)
        with serving(tmp_path, [sections, sections], workers=1) as gateways:
            yield Installation(gateways, sections)


def asked_of_redis(server):
    """Commands about limits since it was told to forget what it was asked."""
    with redis.Redis.from_url(server.url) as raw:
        told = raw.info("commandstats")
    return sum(told.get(name, {"calls": 0})["calls"] for name in ("cmdstat_evalsha", "cmdstat_eval", "cmdstat_fcall"))


def unspent(server, key):
    """Calls that are in the bucket of a key and were given to no process."""
    with redis.Redis.from_url(server.url) as raw:
        full_at = float(raw.get(f"gateway:limit:{{key:{key}}}:rate:{CALLS}/{SECONDS}") or 0)
        seconds, microseconds = raw.time()
    missing = max(0.0, full_at - seconds - microseconds / 1e6)
    return int(CALLS - missing * CALLS / SECONDS)


async def hammered(connections, call, seconds):
    """Answers by status, of calls that are made without a pause."""
    until, statuses = time.monotonic() + seconds, Counter()

    async def hammer(connection):
        while time.monotonic() < until:
            statuses.update(reply.status for reply in await connection.call(*[call] * 5))

    await asyncio.gather(*map(hammer, connections))
    return statuses


def test_two_processes_let_through_what_the_limit_says(installation, redis_server, report):
    async def run():
        await installation.found()
        (key,) = await installation.keys(1)
        connections = [await installation.connect(gateway) for gateway in (0, 1) for _ in range(4)]
        for connection in (connections[0], connections[-1]):
            assert (await connection.ask(whoami(key.secret))).status == 200
        before, since = asked_of_redis(redis_server), time.monotonic()
        statuses = await hammered(connections, whoami(key.secret), HAMMERED)
        took, asked = time.monotonic() - since, asked_of_redis(redis_server) - before
        await asyncio.sleep(GIVEN_BACK)
        left = unspent(redis_server, key.key.id) - (time.monotonic() - since - took) * CALLS / SECONDS
        await installation.close()
        return statuses, took, asked, left

    statuses, took, asked, left = asyncio.run(run())

    assert set(statuses) == {200, 429}
    made, passed = statuses.total(), statuses[200]
    may = CALLS + took * CALLS / SECONDS
    assert passed <= may
    assert passed + left >= 0.98 * may, "nothing of what came in was lost"
    assert asked <= made / 100
    told = f"limit over 2 processes: {passed} of {made} calls passed, {may:.0f} may, {left:.0f} left"
    report(f"{told}; Redis asked {asked} times")


def test_a_hot_key_below_its_limit_asks_redis_once_in_a_hundred_calls(tmp_path, redis_server, report):
    create(tmp_path / "gateway.db")
    limits = {"key_rate": "1000000/1", "organization_rate": "1000000/1", "key_quota": "1000000000/month"}
    with surroundings() as (_, url):
        store = {"sqlite": str(tmp_path / "gateway.db"), "redis": redis_server.url, **PATIENT}
        with serving(tmp_path, [settings(url, store, limits=limits)], workers=2) as gateways:
            statuses, commands = asyncio.run(_hot(Installation(gateways, settings(url, store)), redis_server))

    assert set(statuses) == {200}
    assert commands <= statuses.total() / 100
    report(f"limits of a hot key: {statuses.total()} calls, {commands} commands of Redis, look-ups included")


def test_a_limit_change_by_one_gateway_takes_effect_on_the_next_call_to_the_other(installation):
    async def run():
        await installation.found()
        (key,) = await installation.keys(1)
        here, there = await installation.connect(0), await installation.connect(1)
        assert (await there.ask(whoami(key.secret))).status == 200
        await limit(here, installation.admin, key, "setRateLimitPolicy(rateLimitPolicy: $policy)", LOWERED)
        statuses = [(await there.ask(whoami(key.secret))).status for _ in range(3)]
        await limit(here, installation.admin, key, "clearRateLimitPolicy")
        statuses += [(await there.ask(whoami(key.secret))).status for _ in range(3)]
        await installation.close()
        return statuses

    assert asyncio.run(run()) == [200, 200, 429, 200, 200, 200]


LOWERED = {"invocationCapacity": 2, "invocationWindowSeconds": 86_400}


async def limit(connection, admin, key, change, policy=None):
    """As JupiterOne's clients do it."""
    given = ", $policy: SetRateLimitPolicyOptions!" if policy else ""
    document = (
        f"mutation ($id: ID!{given}) {{ tokenRateLimits(tokenId: $id) {{ apiInvocationRateLimit {{ {change} }} }} }}"
    )
    body = {"query": document, "variables": {"id": key.key.id, "policy": policy}}
    reply = await connection.ask(request("POST", "/graphql", admin, body))
    assert b'":true' in reply.body, reply


async def _hot(installation, redis_server):
    await installation.found()
    (key,) = await installation.keys(1)
    connections = [await installation.connect() for _ in range(16)]
    for connection in connections:
        assert (await connection.ask(whoami(key.secret))).status == 200
    with redis.Redis.from_url(redis_server.url) as raw:
        raw.config_resetstat()
        statuses = await hammered(connections, whoami(key.secret), 4.0)
        told = raw.info("commandstats")
    await installation.close()
    ours = {"cmdstat_info", "cmdstat_config|resetstat", "cmdstat_client|setinfo", "cmdstat_hello", "cmdstat_time"}
    inside_scripts = {"cmdstat_get", "cmdstat_set", "cmdstat_del", "cmdstat_hgetall", "cmdstat_hset", "cmdstat_expire"}
    return statuses, sum(of["calls"] for name, of in told.items() if name not in ours | inside_scripts)
