"""Junk keys cannot make a whole gateway work: its metrics prove what was looked up, and what was not."""

from __future__ import annotations

import asyncio
import re
import secrets
import subprocess
import sys

import aiohttp
import pytest

from gateway.control import NewKey
from gateway.keys import Operator, hexadecimal

LIMIT = 5
LONG = 86_400
"""Seconds in which a bucket fills: nothing comes back while a test runs."""

DASHBOARD = '{"permissions": [{"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:1"]}]}'
CLIENT = """
import sys
from jupiterone import JupiterOneClient
client = JupiterOneClient(account="acme", token=sys.argv[2], url=sys.argv[1] + "/graphql", sync_url=sys.argv[1])
client.query_with_deferred_response("FIND *")
"""


@pytest.fixture
def settings(make_settings):
    """Nobody is trusted, so that the loopback's addresses are clients."""
    limits = {"bad_keys": f"{LIMIT}/{LONG}", "connections_per_address": 4}
    return lambda **more: make_settings(data={"port": 0, "trusted_proxies": []}, limits=limits, **more)


def junk() -> str:
    """A secret without a checksum, as Contember makes them; nobody has it."""
    return hexadecimal(secrets.token_bytes(22))


async def ask(gateway, key: str, address: str = "127.0.0.1", path: str = "/j1ql"):
    """Status and headers of one call from an address of the loopback, on a connection of its own."""
    headers = {"Authorization": f"Bearer {key}"}
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    async with (
        aiohttp.ClientSession(headers=headers, connector=connector) as session,
        session.post(gateway.data + path, json={"query": "FIND *"}) as answer,
    ):
        await answer.read()
        return answer.status, answer.headers


async def statuses(gateway, keys, address: str = "127.0.0.1") -> list[int]:
    return [(await ask(gateway, key, address))[0] for key in keys]


def counts(text: str, name: str) -> dict[str, float]:
    """A metric's samples by their labels."""
    found = re.findall(rf"^{name}{{(.*?)}} (\S+)$", text, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


@pytest.fixture(params=["sql", "sql and redis"])
def store(request, tmp_path):
    redis = {"redis": request.getfixturevalue("redis_url")} if request.param == "sql and redis" else {}
    return {"sqlite": tmp_path / "gateway.db"} | redis


async def test_over_the_limit_junk_is_not_looked_up_and_a_good_key_goes_on(settings, serve, upstream, store):
    upstream.let_go.set()
    async with serve(settings(store=store)) as served:
        assert (await served.call())[0] == 200
        assert await statuses(served.gateway, [junk() for _ in range(LIMIT)]) == [401] * LIMIT
        before = counts(await served.metrics(), "gateway_key_lookups_total")

        assert await statuses(served.gateway, [junk() for _ in range(50)]) == [429] * 50
        assert counts(await served.metrics(), "gateway_key_lookups_total") == before

        assert await statuses(served.gateway, [served.key] * 10) == [200] * 10
        after = counts(await served.metrics(), "gateway_key_lookups_total")
        warm = 'level="memory",outcome="found"'
        assert after == before | {warm: before.get(warm, 0) + 10}
        assert counts(await served.metrics(), "gateway_refused_by_address_total") == {'limit="bad_keys"': 50}


async def test_other_addresses_are_served(settings, serve, upstream):
    upstream.let_go.set()
    async with serve(settings()) as served:
        assert await statuses(served.gateway, [junk() for _ in range(LIMIT + 1)]) == [401] * LIMIT + [429]
        for number in range(2, 6):
            assert await statuses(served.gateway, [junk(), served.key], f"127.0.0.{number}") == [401, 200]


async def test_a_good_key_whose_rights_change_meanwhile_goes_on_too(settings, serve, upstream, control):
    upstream.let_go.set()
    async with serve(settings()) as served:
        wanted = NewKey("ends sooner", policy=DASHBOARD)
        issued = await served.gateway.control.tokens.create_account_key(Operator(), wanted, organization="acme")
        assert await statuses(served.gateway, [served.key, issued.secret]) == [200, 403]
        await statuses(served.gateway, [junk() for _ in range(LIMIT)])
        async with control() as elsewhere:
            await elsewhere.tokens.rotate_key(Operator(), issued.key.id, overlap_seconds=3600)
        assert await statuses(served.gateway, [issued.secret, junk(), served.key]) == [403, 429, 200]
        lookups = counts(await served.metrics(), "gateway_key_lookups_total")
        assert lookups['level="sql",outcome="found"'] == 3


async def test_calls_beyond_the_limit_at_once_are_refused_as_well(settings, serve):
    async with serve(settings()) as served:
        found = await asyncio.gather(*(ask(served.gateway, junk(), f"127.0.0.{2 + each % 10}") for each in range(40)))
        assert sorted(status for status, _ in found) == [401] * 40
        found = []
        for _ in range(10):
            found += await asyncio.gather(*(ask(served.gateway, junk()) for _ in range(3)))
        assert sorted(status for status, _ in found) == [401] * LIMIT + [429] * (30 - LIMIT)


async def test_the_platforms_client_that_loops_with_a_revoked_key_is_told_to_wait_and_does(settings, serve, upstream):
    upstream.let_go.set()
    async with serve(settings()) as served:
        assert (await served.call())[0] == 200
        tokens = served.gateway.control.tokens
        (key,) = await tokens.list_keys(Operator(), limit=1000)
        await tokens.revoke_key(Operator(), key.id)
        words = [sys.executable, "-u", "-c", CLIENT, served.gateway.data, served.key]
        client = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
        assert client.stdout is not None
        while not (said := await client.stdout.readline()).startswith(b"Rate limited"):
            assert said.startswith(b"Request failed"), said
        client.kill()
        await client.wait()
        calls = counts(await served.metrics(), "gateway_requests_total")
    assert said == f"Rate limited. Retrying in {LONG // LIMIT} seconds...\n".encode()
    labels = 'code="{}",method="POST",outcome="refused",reason="{}",route="graphql"'
    refused = {labels: count for labels, count in calls.items() if 'route="graphql"' in labels}
    assert refused == {labels.format(401, "invalid_key"): LIMIT, labels.format(429, "rate_limited"): 1}


async def test_login_codes_are_limited_apart_from_keys(settings, serve, upstream):
    upstream.let_go.set()
    async with serve(settings()) as served, aiohttp.ClientSession() as session:
        await statuses(served.gateway, [junk() for _ in range(LIMIT + 1)])
        login = await served.gateway.control.logins.create_login("admin@example.com", "acme")

        async def redeem(code: str) -> tuple[int, str | None]:
            async with session.post(f"{served.gateway.admin}/login", json={"code": code}) as answer:
                return answer.status, answer.headers.get("Retry-After")

        assert (await redeem(login.code))[0] == 200
        tried = [await redeem(login.code) for _ in range(LIMIT + 2)]
        good = await served.gateway.control.logins.create_login("admin@example.com", "acme")
        waiting = await redeem(good.code)
    assert [status for status, _ in tried] == [401] * LIMIT + [429] * 2
    assert int(tried[-1][1] or 0) > 0
    assert waiting[0] == 429  # a guesser who is over the limit does not get to know which is good
