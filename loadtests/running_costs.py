"""What a gateway costs beside the work for its calls, and with two workers: what deploy/SCALING.md multiplies.

    workers        calls a second and CPU a call with 1 and with 2 workers; upstream and load share the cores with them,
                   so what each of them used stands beside it
    bytes          of a call on all of its way, and of its record in the decision log
    idle           CPU of a worker that nobody calls: leases, canaries, timers
    a scrape       CPU and bytes of `/metrics`, for each worker
    a connection   memory and descriptors of a client that is silent
    the unit       CPU of a call that a plain proxy of aiohttp passes on, so that other moments can be compared
    a last use     CPU of the database for each key that was used, and what a change takes while they are written

CPU and memory are those that the system counts, so that a machine with other work to do tells nearly the same; rates
are not. Linux alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import urlopen

import asyncpg
from calls import CASES, Way, answer
from distinct_keys import PATIENCE, prepared
from generator import Generator, Target
from installation import Installation, Wanted, installed
from keys import BEGINNING, databases, opened, say
from messages import Reader
from processes import cpu_seconds, family, started
from watching import holding

from gateway.metrics import Metrics
from gateway.proxy.uses import BATCH, Uses, UseWriter
from gateway.stores import Store, StoreOptions
from gateway.stores.values import KeyUse

HERE = Path(__file__).parent
SMALL = CASES[0]
CONNECTIONS = 64
"""Many, because the kernel deals them out by chance: two workers shall have about as many."""
CHANGES = 50
"""Revocations that are measured."""


def patient(workers: int, keys: int) -> Wanted:
    return Wanted(workers, keys, lookup_timeout=PATIENCE)


def keys_of(on: Installation, way: Way) -> list[str]:
    told = json.loads(on.told.read_text())
    return list(told["restricted"][0]["keys"] if way is Way.CONDITION else told["readers"])


def target(on: Installation, way: Way) -> Target:
    port = int(json.loads(on.told.read_text())["gateway"].rpartition(":")[2])
    return Target(f"gateway, {way}", port, [SMALL.calls[way].request(key) for key in keys_of(on, way)], CONNECTIONS)


# --- workers ------------------------------------------------------------------------------------------------------


def of_workers(count: int, chosen: argparse.Namespace) -> Mapping[str, Any]:
    """All on all cores; parts of a core are what each used. CPU of a call is in microseconds."""
    with tempfile.TemporaryDirectory() as folder, installed(Path(folder), patient(count, chosen.keys)) as on:
        found = {}
        for way in (Way.KEY, Way.CONDITION):
            with Generator(target(on, way)) as calls:
                calls.first()
                calls.warm()
                each = [cpu_seconds(pid) for pid in family(on.gateway)]
                upstream = cpu_seconds(on.upstream)
                most = calls.most(chosen.seconds)
                each = [cpu_seconds(pid) - before for pid, before in zip(family(on.gateway), each, strict=True)]
                upstream = cpu_seconds(on.upstream) - upstream
            # the first of several processes watches the others, and what it counts is all of theirs
            gateway = each[0]
            found[str(way)] = {
                "rate": most.calls / most.seconds,
                "cost": gateway / most.calls * 1e6,
                "gateway": gateway / most.seconds,
                "upstream": upstream / most.seconds,
                "load": most.busy,
                "busiest": max(each[1:], default=gateway) / most.seconds,
            }
    return found


# --- one gateway, beside its calls --------------------------------------------------------------------------------


def beside(chosen: argparse.Namespace) -> Iterator[tuple[str, float]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        on = stack.enter_context(installed(folder, patient(1, chosen.keys)))
        with Generator(target(on, Way.KEY)) as calls:
            calls.first()
            calls.warm()
        yield from _log(on, folder)
        yield "unit, CPU, us", statistics.median(unit(chosen) for _ in range(chosen.rounds))
        yield "scrape, CPU, us", _cpu(on, lambda: _scrapes(on, chosen.scrapes)) / chosen.scrapes * 1e6
        yield "scrape, bytes", float(len(_scraped(on)))
        yield "idle worker, CPU, us a second", _cpu(on, lambda: time.sleep(chosen.idle)) / chosen.idle * 1e6
        yield from _silent(on, chosen.silent)


def _log(on: Installation, folder: Path) -> Iterator[tuple[str, float]]:
    """The writer has a thread of its own: it is waited for. One call each had been made with the keys, and one more."""
    file, records = folder / "decisions.jsonl", 1 + len(keys_of(on, Way.KEY))
    before = _size(file, records)
    for way in (Way.KEY, Way.CONDITION):
        count = len(keys_of(on, way))
        with Generator(target(on, way)) as calls:
            calls.warm()
        records += count
        after = _size(file, records)
        yield f"log, bytes a call, {way}", (after - before) / count
        before = after


def _size(file: Path, records: int) -> int:
    """Of the log, once it has so many records."""
    end = time.monotonic() + PATIENCE
    while (said := file.read_bytes()).count(b"\n") < records:
        if time.monotonic() > end:
            raise SystemExit(f"the decision log has fewer than {records} records")
        time.sleep(0.1)
    return len(said)


def _scraped(on: Installation) -> bytes:
    with urlopen(f"{on.ops}/metrics", timeout=30) as said:  # noqa: S310 (an address of ours)
        return bytes(said.read())


def _scrapes(on: Installation, count: int) -> None:
    for _ in range(count):
        _scraped(on)


def _cpu(on: Installation, work: Callable[[], object]) -> float:
    before = cpu_seconds(on.gateway)
    work()
    return cpu_seconds(on.gateway) - before


def _silent(on: Installation, count: int) -> Iterator[tuple[str, float]]:
    """Connections that have made one call each."""
    one = target(on, Way.KEY)
    before = holding(on.gateway)
    with Generator(Target(one.name, one.port, (one.requests * count)[:count], count)) as calls:
        calls.warm()
        after = holding(on.gateway)
    yield "silent connection, bytes of memory", (after.pss - before.pss) * 1024 * 1024 / count
    yield "silent connection, descriptors", (after.descriptors - before.descriptors) / count


def unit(chosen: argparse.Namespace) -> float:
    """Microseconds of CPU of a call."""
    with (
        started(HERE / "upstream.py", on=frozenset()) as (_, upstream),
        started(HERE / "plain_proxy.py", upstream["url"], "asyncio", on=frozenset()) as (pid, told),
    ):
        requests = [SMALL.calls[Way.PROXIED].request("key")]
        with Generator(Target("aiohttp", int(told["url"].rpartition(":")[2]), requests, CONNECTIONS)) as calls:
            calls.first()
            before = cpu_seconds(pid)
            most = calls.most(chosen.seconds)
            return (cpu_seconds(pid) - before) / most.calls * 1e6


# --- bytes on the way ---------------------------------------------------------------------------------------------


def on_the_way() -> Iterator[tuple[str, float]]:
    """Of one call, without those of TCP and IP."""
    with (
        recording() as (port, seen),
        tempfile.TemporaryDirectory() as folder,
        installed(Path(folder), patient(1, 1), f"http://127.0.0.1:{port}") as on,
    ):
        for way in (Way.KEY, Way.CONDITION):
            one = target(on, way)
            with socket.create_connection(("127.0.0.1", one.port)) as client:
                reader = Reader()
                client.sendall(one.requests[0])
                while not reader.feed(client.recv(65_536)):
                    pass
            yield f"client sends, bytes, {way}", len(one.requests[0])
            yield f"client gets, bytes, {way}", len(reader.head) + 2 + len(reader.body)
            sent, got = seen[-1]
            yield f"upstream gets, bytes, {way}", sent
            yield f"upstream sends, bytes, {way}", got


@contextmanager
def recording() -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """The port of an upstream that writes down the bytes of each call and answer; it has one connection at a time."""
    seen: list[tuple[int, int]] = []

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                reader = Reader()
                while piece := connection.recv(65_536):
                    if reader.feed(piece):
                        method, path, _ = reader.head.decode().split(" ", 2)
                        body = answer(method, path, reader.body)
                        head = (
                            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                        )
                        seen.append((len(reader.head) + 2 + len(reader.body), len(head) + len(body)))
                        connection.sendall(head.encode() + body)
                        reader.clear()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], seen


# --- last uses ----------------------------------------------------------------------------------------------------


async def last_uses(options: StoreOptions, count: int) -> list[tuple[str, float]]:
    """Of so many keys, written as a gateway does; the database is PostgreSQL."""
    await prepared(options, count)
    names = [f"key-{number}" for number in range(count)]
    few = names[: count // 4], names[-(count // 4) :]
    async with (
        await asyncpg.create_pool(options.url, min_size=1, max_size=1) as server,
        opened(options) as (store, _),
        opened(options) as (other, _),
    ):
        main = int((await server.fetchval("SELECT pg_read_file('postmaster.pid')")).split()[0])
        used = [await _told(store, names, now, partial(cpu_seconds, main)) for now in (BEGINNING, BEGINNING + 1)]
        quiet = await _changes(other, few[0][:CHANGES])
        uses = Uses()
        uses.put_back({name: KeyUse(2 * BEGINNING) for name in names})
        writer = UseWriter(uses, store.registry.note_uses, Metrics(), lambda: BEGINNING)
        _, beside = await asyncio.gather(writer.round(), _changes(other, few[1][:CHANGES]))
    return [
        ("last use, CPU of PostgreSQL, us", used[0] / count * 1e6),
        ("last use that is hardly news, CPU of PostgreSQL, us", used[1] / count * 1e6),
        ("change, ms", quiet),
        ("change beside last uses, ms", beside),
    ]


async def _told(store: Store, names: Sequence[str], now: int, of_server: Callable[[], float]) -> float:
    before = of_server()
    for start in range(0, len(names), BATCH):
        uses = {name: KeyUse(now) for name in names[start : start + BATCH]}
        await store.registry.note_uses(uses, step=Uses().step)
    return of_server() - before


async def _changes(store: Store, names: Sequence[str]) -> float:
    """Milliseconds until the revocation of a key is acknowledged, the median of these."""
    took = []
    for name in names:
        began = time.monotonic()
        async with store.registry.change() as change:
            await change.revoke_key(name, at=BEGINNING, by="operator")
        took.append(time.monotonic() - began)
    return statistics.median(took) * 1e3


# --- all of it ----------------------------------------------------------------------------------------------------


PARTS = ("workers", "beside", "way", "uses")


def measured(chosen: argparse.Namespace) -> Mapping[str, Any]:
    """Workers and figures; parts that were not asked for are missing."""
    rounds = []
    if "workers" in chosen.only:
        rounds = [{count: of_workers(count, chosen) for count in (1, 2)} for _ in range(chosen.rounds)]
    figures: dict[str, float] = {}
    if "beside" in chosen.only:
        figures |= dict(beside(chosen))
    if "way" in chosen.only:
        figures |= dict(on_the_way())
    if "uses" in chosen.only:
        with tempfile.TemporaryDirectory() as given, databases(Path(given), None) as both:
            for _, options in both:
                if options.url is not None:
                    figures |= asyncio.run(last_uses(options, chosen.uses))
    workers = {str(count): _middle([each[count] for each in rounds]) for count in (1, 2) if rounds}
    return {"workers": workers, "figures": figures}


def _middle(rounds: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The medians of all figures."""
    return {
        way: {name: statistics.median(each[way][name] for each in rounds) for name in of_way}
        for way, of_way in rounds[0].items()
    }


def tell(found: Mapping[str, Any]) -> None:
    head = f"{'workers':>9}  {'':12}{'calls/s':>9}{'CPU µs/call':>13}"
    say(f"{head}{'gateway':>9}{'busiest':>9}{'upstream':>10}{'load':>7}")
    for count, ways in found["workers"].items():
        for way, of in ways.items():
            cores = f"{of['gateway']:>9.2f}{of['busiest']:>9.2f}{of['upstream']:>10.2f}{of['load']:>7.2f}"
            say(f"{count:>9}  {way:12}{of['rate']:>9,.0f}{of['cost']:>13.0f}{cores}")
    for name, value in found["figures"].items():
        say(f"{name:60}{value:>12,.1f}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a gateway costs beside its calls.")
    parser.add_argument("--keys", type=int, default=10_000, help="of each kind")
    parser.add_argument("--seconds", type=float, default=3.0, help="of calls, for each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of 1 and 2 workers in turns")
    parser.add_argument("--idle", type=float, default=20.0, help="seconds without calls")
    parser.add_argument("--scrapes", type=int, default=50)
    parser.add_argument("--silent", type=int, default=1000, help="connections")
    parser.add_argument("--uses", type=int, default=10_000, help="keys whose last use is written down")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts; without it all of %(choices)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where all figures go")
    return parser.parse_args()


def main() -> None:
    chosen = arguments()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * chosen.silent + 1000)), hard))
    found = measured(chosen)
    tell(found)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
