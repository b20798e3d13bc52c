"""When a revocation has been acknowledged, no worker on any machine accepts the key again.

Two gateways with two workers each, over one PostgreSQL and one Redis. The second reaches PostgreSQL through a cable of
ours, so that the first and the rest of the world stay as they are while something happens to it.

What is promised is about 200: after the acknowledgement there is none, whatever is away. 401 is the answer wherever the
database can be asked. A gateway that cannot ask it, and whose lease has run out, cannot decide: it answers 503, and
says 401 when the database is back. So where a test takes the database away from a gateway, its answers are 401 or 503
until it is given back, and 401 alone from then on; keys that nobody revoked are served everywhere else all the while.

The calls are `GATEWAY_REVOCATION_CALLS`, with a modest default; `make prove` makes 100,000 in each test.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from gateway.control import Issued
from gateway.keys import digest
from gateway.stores import StoreOptions, make_store
from revocation.cable import Cable, Way, cable
from revocation.connections import MAPPED, Connection
from revocation.hammering import Hammering, hammering, wanted
from revocation.installation import (
    LEASE,
    Installation,
    query,
    revoke_by_delete,
    revoke_by_graphql,
    settings,
    surroundings,
)
from revocation.processes import opened_in, serving, stopped, until

pytestmark = pytest.mark.skipif(not MAPPED, reason="/proc/net/tcp is not there: who serves a connection cannot be told")

SLACK = 20.0
"""Seconds that a busy machine may add to a lease."""

ABSENT = 0.2
"""Seconds that a worker remembers a refused key: so Redis and the database are asked for it again and again."""


@dataclass
class Machines:
    """Two gateways, what lies between the second and PostgreSQL, and the Redis of both."""

    installation: Installation
    cable: Cable
    redis: Any
    followers: Callable[[], int]
    """How many workers PostgreSQL knows."""

    @property
    def near(self) -> list[int]:
        """The workers of the first gateway."""
        return self.installation.gateways[0].workers()

    @property
    def far(self) -> list[int]:
        """The workers behind the cable."""
        return self.installation.gateways[1].workers()

    def take_away(self, how: str) -> None:
        """The database from the second gateway."""
        if how == "cut":
            self.cable.cut()
        else:
            self.cable.swallow(Way.TO_SERVER if how == "silent to the server" else Way.FROM_SERVER)

    def ask_redis(self, *command: Any) -> Any:
        with closing(redis.Redis.from_url(self.redis.url)) as raw:
            return raw.execute_command(*command)

    def record(self, key: Issued) -> tuple[bytes, bytes]:
        """Under which name Redis has the record of a key, and the record."""
        (name,) = self.ask_redis("KEYS", f"*{digest(key.secret)}*")
        return name, self.ask_redis("GET", name)

    def stale(self) -> int:
        """How often a worker was told by Redis what was true no more."""
        counter = "gateway_key_lookups_total"
        return sum(each.metric(counter, level="redis", outcome="stale") for each in self.installation.gateways)

    async def revoked(
        self, key: Issued, on: Connection, workers: Collection[Connection], while_stopped: Collection[int] = ()
    ) -> float:
        """Seconds until a revocation is acknowledged that all workers must forget; afterwards all refuse the key."""
        assert {(await each.ask(query(key.secret))).status for each in workers} == {200}
        self.all_follow()
        with ExitStack() as still:
            for pid in while_stopped:
                still.enter_context(stopped(pid))
            since = time.perf_counter()
            await revoke_by_graphql(on, self.installation.admin, key)
            took = time.perf_counter() - since
        assert {(await each.ask(query(key.secret))).status for each in workers} == {401}
        return took

    async def hammered(self) -> Hammering:
        """Before the revocation of a key that all workers have in memory."""
        made = await hammering(self.installation)
        self.all_follow()
        return made

    def all_follow(self) -> None:
        """Returns when each worker has entered itself; one that was stopped does so again."""
        until(lambda: self.followers() >= len(self.installation.workers))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, postgres: Any, module_redis: Any) -> Iterator[Machines]:
    url = postgres.new_database()
    asyncio.run(make_store(StoreOptions(Path("/nowhere"), url=url)))
    folder = tmp_path_factory.mktemp("machines")
    with surroundings() as (loop, upstream), opened_in(loop, cable(postgres.port)) as far:
        chosen = [
            settings(upstream, {"url": each, "redis": module_redis.url, "absent_seconds": ABSENT})
            for each in (url, url.replace(f":{postgres.port}/", f":{far.port}/"))
        ]
        with serving(folder, chosen, workers=2) as gateways:
            count = "SELECT count(*) FROM followers WHERE id <> ''"
            made = Machines(
                Installation(gateways, chosen[0]), far, module_redis, lambda: int(postgres.tell(url, count))
            )
            asyncio.run(made.installation.found())
            yield made


@pytest.fixture
async def machines(running: Machines) -> AsyncIterator[Machines]:
    yield running
    running.cable.restore()
    await running.installation.close()


# --- while nothing else happens, and while something does ---------------------------------------------------------


@pytest.mark.parametrize("revoke", [revoke_by_graphql, revoke_by_delete])
async def test_no_call_after_the_acknowledgement_is_accepted(machines, report, revoke):
    calls = wanted(4_000)
    hammered = await machines.hammered()
    hammered.start(calls)
    await hammered.revoke(revoke, on=await machines.installation.connect())
    await hammered.open_late(calls)
    await hammered.ended()

    hammered.refused_everywhere(calls)
    hammered.told(report, f"2 machines, {revoke.__name__.replace('_', ' ')}")


async def test_while_redis_is_killed_and_comes_back_with_old_data(machines, report):
    calls = wanted(2_000)
    hammered = await machines.hammered()
    (name, record), stale = machines.record(hammered.key), machines.stale()
    hammered.start(calls)
    await asyncio.to_thread(machines.redis.kill)
    await hammered.revoke(revoke_by_graphql, on=await machines.installation.connect())
    await hammered.open_late(calls)
    await asyncio.to_thread(machines.redis.start)
    machines.ask_redis("SET", name, record)
    while machines.stale() == stale:  # somebody was told what was true before
        await hammered.ended()
        hammered.start(calls // 10)
    await hammered.ended()

    hammered.refused_everywhere(calls)
    hammered.told(report, "Redis killed, back with old data")


async def test_while_the_messages_to_one_machine_are_lost(machines, report):
    """The connection stands, and nothing comes. The next renewal reads what no message told, so no call gets a 503."""
    calls = wanted(2_000)
    hammered = await machines.hammered()
    hammered.start(calls)
    machines.cable.swallow(Way.FROM_SERVER, only=b"LISTEN")
    await hammered.revoke(revoke_by_graphql, on=await machines.installation.connect())
    await hammered.open_late(calls)
    await hammered.ended()

    hammered.refused_everywhere(calls)
    hammered.told(report, "messages to one machine lost")


@pytest.mark.parametrize("away", ["cut", "silent to the server", "silent from the server"])
async def test_while_one_machine_is_cut_off_from_the_database(machines, report, away):
    """Its workers answer 401 or 503 after the acknowledgement, never 200; 401 alone when it can ask again."""
    calls = wanted(2_000)
    hammered = await machines.hammered()
    near, far = hammered.connections(machines.near), hammered.connections(machines.far)
    hammered.start(calls, near)
    async with hammered.watching(far):
        machines.take_away(away)
        await hammered.revoke(revoke_by_graphql, on=await machines.installation.connect())
        await hammered.try_late(gateway=1)
        await hammered.ended(near)
    machines.cable.restore()
    await hammered.served_again(far)
    hammered.start(calls, far)
    await hammered.open_late(calls)
    await hammered.ended()

    assert LEASE <= hammered.seconds < LEASE + SLACK
    assert set(hammered.away[True]) <= {401, 503}
    assert hammered.away[True][503], "it was not away"
    hammered.refused_everywhere(calls)
    hammered.told(report, f"one machine without its database ({away})")


async def test_while_one_worker_is_stopped_and_goes_on(machines, report):
    """Calls on its connections wait, and are refused when it goes on."""
    calls = wanted(2_000)
    hammered = await machines.hammered()
    victim = machines.far[0]
    waiting = hammered.connections([victim])
    hammered.start(calls)
    with stopped(victim):
        await hammered.revoke(revoke_by_graphql, on=await machines.installation.connect())
        hammered.start(calls, waiting)  # behind those that were written before
        await hammered.open_late(calls)
        await hammered.ended([each for each in hammered.early if each not in waiting])
    await hammered.ended()

    assert LEASE <= hammered.seconds < LEASE + SLACK
    hammered.refused_everywhere(calls)
    hammered.told(report, "one worker stopped")


# --- several changes ----------------------------------------------------------------------------------------------


async def test_no_change_is_skipped_while_two_machines_write(machines):
    """One stands still between the numbering of its change and the commit, while the other has changes to make.

    If nothing kept them apart, higher numbers would be committed first, and whoever had read those would skip the rest.
    """
    pairs = 3
    keys = await machines.installation.keys(2 * pairs)
    workers = await machines.installation.connections(1)
    fast, slow = await machines.installation.connect(0), await machines.installation.connect(1)

    async def revoke(on: Connection, key: Issued) -> set[int]:
        await revoke_by_graphql(on, machines.installation.admin, key)
        return {(await each.ask(query(key.secret))).status for each in workers}

    async def all_of(on: Connection, mine: list[Issued]) -> list[set[int]]:
        return [await revoke(on, key) for key in mine]

    for each in workers:
        assert {reply.status for reply in await each.call(*[query(key.secret) for key in keys])} == {200}
    machines.cable.delay(0.1, only=b"INSERT INTO changes")
    seen = await asyncio.gather(all_of(slow, keys[:pairs]), all_of(fast, keys[pairs:]))

    assert seen == [[{401}] * pairs] * 2


async def test_how_long_an_acknowledgement_takes(machines, report):
    """Told, not judged: a busy machine is no fault. That nobody waits longer than a lease is judged, generously."""
    many, few = max(25, wanted(0) // 500), 2
    keys = await machines.installation.keys(many + few)
    workers = await machines.installation.connections(1)
    on = await machines.installation.connect()
    live = [await machines.revoked(key, on, workers) for key in keys[:many]]
    held_up = [await machines.revoked(key, on, workers, while_stopped=machines.far[:1]) for key in keys[many:]]

    assert min(held_up) >= LEASE
    assert max(held_up) < LEASE + SLACK
    median, p99 = statistics.median(live) * 1000, statistics.quantiles(live, n=100, method="inclusive")[98] * 1000
    report(
        f"acknowledged with all 4 workers live: median {median:.1f} ms, p99 {p99:.1f} ms ({many} revocations); "
        f"with one stopped, and a lease of {LEASE} s: {max(held_up):.2f} s at most ({few})"
    )
