"""What a gateway gives back of the limits it holds in Redis: while it runs what it does not use, and at its end all."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
import redis

SECONDS = 86_400
"""Of a bucket to which nothing is added while a test runs: a call is missing in it for a minute and a half."""


@pytest.fixture
def limited(make_settings, tmp_path, redis_server):
    store = {"sqlite": tmp_path / "gateway.db", "redis": redis_server.url, "redis_timeout": 10.0}
    return make_settings(store=store, limits={"key_rate": f"1000/{SECONDS}", "key_concurrent": 10})


def missing(server):
    """Calls that are missing in the one bucket there is."""
    with redis.Redis.from_url(server.url) as raw:
        (key,) = raw.keys("gateway:limit:*:rate:*")
        return round((float(raw.get(key)) - raw.time()[0]) * 1_000 / SECONDS)


def places(server):
    with redis.Redis.from_url(server.url) as raw:
        return [raw.hgetall(key) for key in raw.keys("gateway:limit:*:slots")]


async def test_what_a_gateway_does_not_use_it_gives_back_while_it_runs(limited, serve, upstream, redis_server):
    upstream.let_go.set()
    async with serve(limited) as served:
        for _ in range(3):
            assert (await served.call())[0] == 200
        while missing(redis_server) != 3 or places(redis_server):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_gateway_that_ends_gives_back_all_that_it_holds(limited, serve, upstream, redis_server):
    upstream.let_go.set()
    async with serve(limited) as served:
        for _ in range(3):
            assert (await served.call())[0] == 200
    assert missing(redis_server) == 3
    assert not places(redis_server)


async def test_administrators_are_not_refused_for_what_others_used_up(make_settings, serve, upstream):
    upstream.let_go.set()
    settings = make_settings(limits={"organization_rate": f"1/{SECONDS}"})
    async with serve(settings) as served, aiohttp.ClientSession() as session:
        session.headers["Authorization"] = f"Bearer {served.key}"
        assert [(await served.call())[0] for _ in range(2)] == [200, 429]
        for _ in range(3):
            async with session.get(f"{served.gateway.admin}/whoami") as answer:
                assert answer.status == 200
                assert (await answer.json())["limits"]["calls"]["organization"]["rate"] == {
                    "calls": 1,
                    "seconds": SECONDS,
                }
