"""What a call with a junk key costs the gateway: looked up, and refused because its address has sent too many.

    looked up      each call has a key of its own that nobody has, without a checksum: Contember's form
    refused        the same, from an address over its limit: 429
    known          a good key from that address; it goes on

CPU of the gateway's process a call. The gateways share one core, sandbox and clients the others, and the cases take
turns: compare the ratios of one run. The look-up is one in SQLite, the cheapest that there is: Redis and PostgreSQL
would have their own work beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import secrets
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench import ACCOUNT, CONFIG, cpu_seconds, made_keys, pin, say, started

LIMITS = {"looked up": 'bad_keys = "none"', "refused": 'bad_keys = "1/86400"'}


@dataclass(frozen=True, slots=True)
class Case:
    """`key` makes the next credential; `status` is what every call is answered, after the first."""

    name: str
    pid: int
    url: str
    key: Callable[[], str]
    status: int


def junk() -> str:
    return secrets.token_hex(20)


async def calls(case: Case, count: int, connections: int) -> None:
    await asyncio.gather(*(client(case, count // connections) for _ in range(connections)))


async def client(case: Case, count: int) -> None:
    where = urlsplit(case.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    for _ in range(count):
        writer.write(f"GET /whoami HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {case.key()}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(f"HTTP/1.1 {case.status} ".encode()):
            raise SystemExit(f"{case.name}: {head.decode()}")
        length = re.search(rb"(?i)\ncontent-length: *([0-9]+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
    writer.close()


def cost(case: Case, count: int, connections: int) -> float:
    """Microseconds of CPU a call."""
    before = cpu_seconds(case.pid) or 0.0
    asyncio.run(calls(case, count, connections))
    return ((cpu_seconds(case.pid) or 0.0) - before) / count * 1e6


def cases(folder: Path, stack: ExitStack, ours: set[int], others: set[int]) -> Iterator[Case]:
    _, said = stack.enter_context(started("-m", "gateway", "sandbox", "--port", "0", cores=others))
    binding = {"upstream": said["url"], "theirs": said["account"], "credential": said["credential"]}
    whole = CONFIG.format(folder=folder, secret=os.urandom(32).hex(), account=ACCOUNT, **binding)
    urls, keys = {}, {}
    for name, limits in LIMITS.items():
        config = folder / f"{name}.toml"
        config.write_text(whole.replace("[data]", f"[limits]\n{limits}\n[data]\ntrusted_proxies = []"))
        keys = keys or asyncio.run(made_keys(config))
        urls[name] = stack.enter_context(started("-m", "gateway", "serve", "--config", str(config), cores=ours))
    pid, told = urls["looked up"]
    yield Case("looked up", pid, told["url"], junk, 401)
    pid, told = urls["refused"]
    known = Case("known", pid, told["url"], lambda: keys["passed on"], 200)
    refused = Case("refused", pid, told["url"], junk, 429)
    asyncio.run(client(known, 1))
    asyncio.run(client(Case("the last that is looked up", pid, told["url"], junk, 401), 1))
    yield refused
    yield known


def main() -> None:
    parser = argparse.ArgumentParser(description="What junk keys cost.")
    parser.add_argument("--calls", type=int, default=4_000, help="of each case and round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    chosen = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    ours, others = {cores[0]}, set(cores[1:]) or {cores[0]}
    pin(0, others)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        every = list(cases(Path(folder), stack, ours, others))
        for case in every:
            cost(case, max(chosen.connections, chosen.calls // 4), chosen.connections)
        costs: dict[str, list[float]] = {case.name: [] for case in every}
        for _ in range(chosen.rounds):
            for case in every:
                costs[case.name].append(cost(case, chosen.calls, chosen.connections))
    say(f"{'':14}{'CPU µs/call':>12}{'x looked up':>14}")
    first = statistics.median(costs["looked up"])
    for name, found in costs.items():
        median = statistics.median(found)
        say(f"{name:14}{median:>12.0f}{median / first if first else 0:>14.2f}")


if __name__ == "__main__":
    main()
