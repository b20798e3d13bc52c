"""What it costs when more keys are in use than a process may remember: 10^6 of them, and room for 10^4 or 10^5.

    each once      every call has another key, in no order: whatever is remembered is of no use, the worst there is
    skewed         of rank r with a probability like 1/r (Zipf's law), as real callers are

A row of the table is a process of its own with an empty memory, which looks keys up as a gateway does, by the resolver,
so many calls at once. It tells look-ups per second, how many of them its memory answered, and by how much the process
has grown: when its memory had become full, and at the end. The memory is bounded when these are the same.

Redis is started for the run, so is PostgreSQL, each where its program is there. "filled" is a Redis that the row before
has filled. The rows of the database are written as `keys.py` does. Rates of a shared machine mean little by themselves:
compare the rows of one run.

`GATEWAY_BENCH_KEYS` is how many keys there are, unless `--keys` says so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import multiprocessing
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from keys import PROJECTS, Filled, databases, fill, opened, people, say
from processes import free_port

from gateway.keys import Digest, Principal, digest
from gateway.stores import Level, Outcome, RedisFault, StoreOptions, open_store

CALLERS = 32
"""Calls under way at once: as many as `store.lookups` lets look at once."""
STEP = 1_000_003
"""A prime, so that its multiples come by all the numbers of keys before one comes again."""
ROOMS = (StoreOptions(Path()).memory_keys, 100_000)
DRAWS = ("each once", "skewed")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
NEVER = 86_400
"""Seconds that Redis keeps what one row has written for the next: longer than any run."""
PATIENCE = 60.0
"""Seconds that a look-up may take."""


@dataclass(frozen=True, slots=True)
class Case:
    """A row of the table, before it is measured."""

    database: str
    redis: str
    draw: str
    memory_keys: int
    keys: int
    calls: int
    seconds: float
    """After so many no further call is made, unless `misses` are missing."""

    @property
    def misses(self) -> int:
        """Twice what the memory holds, where nothing else is to be learnt than that it holds no more."""
        return 2 * self.memory_keys if self.redis == "off" and self.draw == "each once" else 0


@dataclass(frozen=True, slots=True)
class Told:
    """What was measured."""

    calls: int
    rate: float
    """Look-ups per second."""
    remembered: float
    """The share of look-ups that the memory answered."""
    full: float
    """MB that the process had grown by when its memory had become full (or at the end, if it never had)."""
    grown: float
    """MB that it had grown by at the end."""


class Counter:
    """The observer: how many look-ups the memory answered."""

    def __init__(self) -> None:
        self.remembered = 0
        self.missed = 0

    def looked_up(self, level: Level, outcome: Outcome) -> None:
        if level == "memory":
            self.remembered += outcome == "found"
            self.missed += outcome == "miss"

    def redis_failed(self, fault: RedisFault) -> None:
        raise SystemExit(f"Redis failed: {fault}")


# --- one row, in a process of its own -----------------------------------------------------------------------------


def measured(case: Case, options: StoreOptions) -> Told:
    return asyncio.run(_measured(case, options))


async def _measured(case: Case, options: StoreOptions) -> Told:
    counter = Counter()
    async with open_store(options, projects=PROJECTS, observer=counter) as store:
        draws = iter(drawn(case))
        before, at_full, made = resident(), 0.0, 0
        began = time.monotonic()

        async def caller() -> None:
            nonlocal at_full, made
            for its in draws:
                found = await store.resolver.find(its)
                if not isinstance(found, Principal):
                    raise SystemExit(f"a key that was written by hand is not found: {found}")
                made += 1
                if not at_full and counter.missed >= case.memory_keys:
                    at_full = resident() - before
                if counter.missed >= case.misses and time.monotonic() - began > case.seconds:
                    return

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        took, grown = time.monotonic() - began, resident() - before
    return Told(made, made / took, counter.remembered / made, at_full or grown, grown)


def drawn(case: Case) -> Iterator[Digest]:
    """Digests of as many keys as there are calls, made one by one: a list of them would be what is measured."""
    number = DRAW[case.draw](case.keys)
    return (digest(f"secret {number(call)}") for call in range(case.calls))


def each_once(keys: int) -> Callable[[int], int]:
    return lambda call: call * STEP % keys


def skewed(keys: int) -> Callable[[int], int]:
    """Rank r has the density of 1/r: the logarithm of the rank is spread evenly. Ranks are spread over the numbers."""
    chance, far = random.Random(11), math.log(keys)  # noqa: S311 (the same draws for each row)
    return lambda _: int(math.exp(far * chance.random())) * STEP % keys


DRAW = dict(zip(DRAWS, (each_once, skewed), strict=True))


def resident() -> float:
    """MB of memory that this process has, on Linux."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES / 1e6


# --- all rows -----------------------------------------------------------------------------------------------------


def rows(database: str, redis: str | None, chosen: argparse.Namespace) -> Iterator[Case]:
    """Without Redis; then what fills one, and what it then answers."""
    for room in chosen.memory_keys:
        for draw in DRAWS:
            for state in ("off",) if redis is None else ("off", "empty", "filled"):
                if state != "empty" or (draw == DRAWS[0] and room == chosen.memory_keys[0]):
                    yield Case(database, state, draw, room, chosen.keys, chosen.calls, chosen.seconds)


def alone(case: Case, options: StoreOptions) -> Told:
    """Measured in a process of its own, whose memory nothing else has grown: made by one that has done nothing yet."""
    fresh = multiprocessing.get_context("forkserver")
    fresh.set_forkserver_preload(["__main__"])
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        return pool.submit(measured, case, options).result()


async def prepared(options: StoreOptions, keys: int) -> None:
    async with opened(options) as (store, desk):
        await people(store, desk)
    await fill(options, Filled(), keys)


@contextmanager
def redis_server(folder: Path) -> Iterator[str | None]:
    """The address of a Redis of our own that writes nothing to the disk; None where its program is not there."""
    if not shutil.which("redis-server"):
        say("no Redis: redis-server is not there")
        yield None
        return
    port = free_port()
    words = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


# --- what is told -------------------------------------------------------------------------------------------------


def main() -> None:
    chosen = arguments()
    figures = []
    say(f"{chosen.keys:,} keys, up to {chosen.calls:,} calls a row, {CALLERS} at once; grown: when full, at the end")
    say(f"{'':12}{'Redis':8}{'draw':11}{'memory_keys':>12}{'per second':>12}{'remembered':>12}{'grown, MB':>16}")
    with tempfile.TemporaryDirectory() as given, databases(Path(given), chosen.postgresql) as both:
        for name, options in both:
            if chosen.only not in (None, name):
                continue
            asyncio.run(prepared(options, chosen.keys))
            with redis_server(Path(given)) as redis:
                for case in rows(name, redis, chosen):
                    told = alone(case, adapted(case, options, redis))
                    show(case, told)
                    figures.append(asdict(case) | {"told": asdict(told)})
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1))


def adapted(case: Case, options: StoreOptions, redis: str | None) -> StoreOptions:
    """The stores get the time that a busy machine needs: a look-up that gave up on one would be none."""
    options = replace(options, memory_keys=case.memory_keys, lookup_timeout=PATIENCE)
    if case.redis == "off":
        return options
    return replace(options, redis_url=redis, redis_ttl=NEVER, redis_timeout=PATIENCE)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="More keys in use than a process may remember.")
    given = int(os.environ.get("GATEWAY_BENCH_KEYS", "1000000"))
    parser.add_argument("--keys", type=int, default=given)
    parser.add_argument("--memory-keys", type=int, nargs="+", default=ROOMS)
    parser.add_argument("--calls", type=int, help="of each row; as many as there are keys, unless given")
    parser.add_argument("--seconds", type=float, default=20.0, help="after which a row ends")
    parser.add_argument("--postgresql", metavar="URL", help="an empty database")
    parser.add_argument("--only", choices=["SQLite", "PostgreSQL"])
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go as well")
    chosen = parser.parse_args()
    chosen.calls = chosen.calls or chosen.keys
    return chosen


def show(case: Case, told: Told) -> None:
    grown = f"{told.full:.0f}, {told.grown:.0f}"
    where = f"{case.database:12}{case.redis:8}{case.draw:11}{case.memory_keys:>12,}"
    say(f"{where}{told.rate:>12,.0f}{told.remembered:>11.0%} {grown:>16}")


if __name__ == "__main__":
    main()
