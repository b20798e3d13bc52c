"""What one key, one look-up, one renewal and one change cost the stores: what deploy/SIZING.md multiplies.

    bytes                of a key in SQLite, in PostgreSQL and in Redis
    CPU of a look-up     of Redis that has the record; of PostgreSQL where nobody has it
    CPU of a renewal     of PostgreSQL, for each worker, all the time
    CPU of a revocation  of PostgreSQL, by the number of workers that must confirm it, and how long that takes

CPU is that of the server's processes as the system counts it, so that a machine with other work to do tells nearly the
same; times are not. Linux alone. Workers are followers in this process: what they cost the server is the same.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path

import asyncpg
from distinct_keys import CALLERS, NEVER, PATIENCE, each_once, prepared, redis_server
from keys import PROJECTS, databases, say
from processes import cpu_seconds
from redis.asyncio import Redis

from gateway.keys import Principal, digest
from gateway.stores import Store, StoreOptions, open_store

FOLLOWERS = (1, 2, 4, 8)


async def measured(name: str, options: StoreOptions, redis_url: str, chosen: argparse.Namespace) -> None:
    await prepared(options, chosen.keys)
    say(f"{name}, {chosen.keys:,} keys")
    if options.url is None:
        told("bytes of a key", sum(each.stat().st_size for each in options.path.parent.glob("*.db*")) / chosen.keys)
        return
    async with await asyncpg.create_pool(options.url, min_size=1, max_size=1) as server:
        told("bytes of a key, with indexes", await server.fetchval(_SIZE) / chosen.keys)
        main = int((await server.fetchval("SELECT pg_read_file('postmaster.pid')")).split()[0])
        await look_ups(options, redis_url, lambda: cpu_seconds(main), chosen)
        await changes(options, lambda: cpu_seconds(main), chosen)


_SIZE = """
    SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""


async def look_ups(
    options: StoreOptions, redis_url: str, of_server: Callable[[], float], chosen: argparse.Namespace
) -> None:
    """Each of the keys once, from the database; and again, by a gateway with an empty memory, from Redis."""
    patient = replace(options, lookup_timeout=PATIENCE, redis_timeout=PATIENCE, redis_ttl=NEVER, redis_url=redis_url)
    async with Redis.from_url(redis_url) as redis:
        empty = (await redis.info("memory"))["used_memory"]
        for where in ("the database", "Redis"):
            async with open_store(patient, projects=PROJECTS) as store:
                sql, of_redis = of_server(), await redis_cpu(redis)
                await found(store, chosen)
                sql, of_redis = of_server() - sql, await redis_cpu(redis) - of_redis
            told(f"CPU of PostgreSQL, found in {where}, µs", sql / chosen.calls * 1e6)
            told(f"CPU of Redis, found in {where}, µs", of_redis / chosen.calls * 1e6)
        kept = await redis.dbsize()
        told("bytes of a record in Redis", ((await redis.info("memory"))["used_memory"] - empty) / kept)


async def redis_cpu(redis: Redis) -> float:
    used = await redis.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])


async def found(store: Store, chosen: argparse.Namespace) -> None:
    numbers = iter(range(chosen.calls))
    number = each_once(chosen.keys)

    async def caller() -> None:
        for call in numbers:
            its = await store.resolver.find(digest(f"secret {number(call)}"))
            if not isinstance(its, Principal):
                raise SystemExit(f"a key that was written by hand is not found: {its}")

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def changes(options: StoreOptions, of_server: Callable[[], float], chosen: argparse.Namespace) -> None:
    numbers = iter(range(chosen.keys - 1, 0, -1))
    for count in FOLLOWERS:
        async with AsyncExitStack() as opened:
            stores = [await opened.enter_async_context(open_store(options, projects=PROJECTS)) for _ in range(count)]
            for store in stores:  # the first look-up takes a lease
                await found(store, argparse.Namespace(keys=chosen.keys, calls=1))
            await asyncio.sleep(options.lease)
            idle = await used_while(of_server, lambda: asyncio.sleep(chosen.seconds))
            took: list[float] = []
            one = stores[0]
            busy = await used_while(of_server, lambda one=one, took=took: revoke(one, numbers, took, chosen.changes))
        told(f"{count} workers: CPU of PostgreSQL for each of them, µs a second", idle / chosen.seconds / count * 1e6)
        told(f"{count} workers: CPU of PostgreSQL for a revocation, µs", busy / chosen.changes * 1e6)
        told(f"{count} workers: a revocation is acknowledged after, ms, median", statistics.median(took) * 1000)


async def used_while(of_server: Callable[[], float], work: Callable[[], Awaitable[object]]) -> float:
    before = of_server()
    await work()
    return of_server() - before


async def revoke(store: Store, numbers: Iterator[int], took: list[float], count: int) -> None:
    """Keys that are live, one after the other."""
    for number in islice(numbers, count):
        began = time.monotonic()
        async with store.registry.change() as made:
            await made.revoke_key(f"key-{number}", at=time.time_ns() // 1_000_000, by="nobody")
        took.append(time.monotonic() - began)


def told(what: str, value: float) -> None:
    say(f"  {what:70}{value:>10,.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="What one of each costs the stores.")
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--calls", type=int, default=20_000, help="look-ups that are measured")
    parser.add_argument("--changes", type=int, default=200, help="changes that are measured")
    parser.add_argument("--seconds", type=float, default=10.0, help="in which nothing happens but renewals")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as given,
        databases(Path(given), None) as both,
        redis_server(Path(given)) as redis,
    ):
        if redis is None:
            raise SystemExit("redis-server is needed")
        for name, options in both:
            asyncio.run(measured(name, options, redis, chosen))


if __name__ == "__main__":
    main()
