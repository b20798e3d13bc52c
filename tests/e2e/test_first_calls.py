"""A thousand clients call at once with a key that a worker does not know yet: it is looked up once.

Counted where it costs: by Redis, as it tells what it is asked (MONITOR), and on the wire to PostgreSQL, where each
statement about a key carries its digest. What one first call costs there, a thousand may cost, and no more.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from gateway.control import Issued
from gateway.keys import digest
from gateway.stores import StoreOptions, make_store
from revocation.cable import Cable, cable
from revocation.installation import Installation, settings, surroundings, whoami
from revocation.processes import Serving, opened_in, serving, until

CLIENTS = 1_000
FILES = 4 * CLIENTS
"""Open files: both ends of a connection are on this machine, each in a process of its own."""

PATIENT = {"lease": 60.0, "lookup_timeout": 60.0, "redis_timeout": 30.0}
"""Seconds: a busy machine must not look like an outage."""


@pytest.fixture
def many_files() -> Iterator[None]:
    """Gateways inherit the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.skip(f"a process may have {hard} open files at most, {FILES} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def counted(url: str, key: Issued) -> Iterator[list[str]]:
    """The commands about a key that Redis is given while the block runs; there when it has ended.

    What a script does in Redis itself is told as well, and left out.
    """
    its, told = digest(key.secret), list[str]()
    with closing(redis.Redis.from_url(url)) as client, client.monitor() as monitor:
        yield told
        client.echo("that is all")
        while "that is all" not in (said := monitor.next_command())["command"]:
            told += [said["command"].split()[0]] if its in said["command"] and said["client_type"] != "lua" else []


@pytest.fixture
def running(many_files: None, tmp_path: Path, postgres: Any, redis_server: Any) -> Iterator[tuple[Installation, Cable]]:
    """One worker, its wire to PostgreSQL, and a Redis of its own."""
    url = postgres.new_database()
    asyncio.run(make_store(StoreOptions(Path("/nowhere"), url=url)))
    with surroundings() as (loop, upstream), opened_in(loop, cable(postgres.port)) as wire:
        store = {"url": url.replace(f":{postgres.port}/", f":{wire.port}/"), "redis": redis_server.url, **PATIENT}
        limits, timeouts = {"connections": CLIENTS + 10}, {"health_remembered": 600}  # metrics ask the store otherwise
        chosen = settings(upstream, store, limits=limits, timeouts=timeouts)
        with serving(tmp_path, [chosen], workers=1) as gateways:
            made = Installation(gateways, chosen | {"store": {"url": url}})
            asyncio.run(made.found())
            yield made, wire


@pytest.fixture
async def machine(running: tuple[Installation, Cable]) -> AsyncIterator[tuple[Installation, Cable]]:
    yield running
    installation, wire = running
    wire.restore()
    await installation.close()


def lookups(gateway: Serving, level: str, outcome: str) -> int:
    return gateway.metric("gateway_key_lookups_total", level=level, outcome=outcome)


async def test_a_thousand_first_calls_with_one_key_cost_one_look_up(machine, redis_server):
    """The database answers when all of them are known to wait: none could be served from memory."""
    installation, wire = machine
    (gateway,) = installation.gateways
    zero, one, many = await installation.keys(3)
    clients = [await installation.connect() for _ in range(CLIENTS)]
    assert (await clients[0].ask(whoami(zero.secret))).status == 200  # Redis knows the gateway's scripts now
    with counted(redis_server.url, one) as commands_of_one:
        assert (await clients[0].ask(whoami(one.secret))).status == 200
    misses, loads = lookups(gateway, "memory", "miss"), lookups(gateway, "sql", "found")

    wire.hold()
    with counted(redis_server.url, many) as commands_of_many:
        answers = [client.ask(whoami(many.secret)) for client in clients]
        waiting = asyncio.ensure_future(asyncio.gather(*answers))
        await asyncio.to_thread(until, lambda: lookups(gateway, "memory", "miss") == misses + CLIENTS)
        wire.restore()
        replies = await waiting

    assert {reply.status for reply in replies} == {200}
    assert lookups(gateway, "sql", "found") == loads + 1
    assert commands_of_many == commands_of_one
    assert commands_of_many.count("GET") == 1
    statements = [wire.heard(digest(each.secret).encode()) for each in (one, many)]
    assert statements[0] == statements[1] > 0
