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
import re
import secrets
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from measured_gateway import EVERYTHING, founded, made_keys, serving, written
from processes import Cores, cores, cpu_seconds, pin, started

LIMITS = {"looked up": 'bad_keys = "none"', "refused": 'bad_keys = "1/86400"'}


@dataclass(frozen=True, slots=True)
class Case:
    """`key` makes the next credential; `status` is what every call is answered, after the first."""

    name: str
    pid: int
    port: int
    key: Callable[[], str]
    status: int


def junk() -> str:
    return secrets.token_hex(20)


async def calls(case: Case, count: int, connections: int) -> None:
    await asyncio.gather(*(client(case, count // connections) for _ in range(connections)))


async def client(case: Case, count: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", case.port)
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
    before = cpu_seconds(case.pid)
    asyncio.run(calls(case, count, connections))
    return (cpu_seconds(case.pid) - before) / count * 1e6


def cases(folder: Path, stack: ExitStack, on: Cores) -> Iterator[Case]:
    _, said = stack.enter_context(started("-m", "gateway", "sandbox", "--port", "0", on=on.others))
    served = {}
    for name, limits in LIMITS.items():
        config = written(folder, said.groupdict(), limits=limits, data="trusted_proxies = []")
        if not served:
            (good,) = asyncio.run(one_key(config))
        served[name] = stack.enter_context(serving(config, on.measured))
    pid, port = served["looked up"]
    yield Case("looked up", pid, port, junk, 401)
    pid, port = served["refused"]
    known = Case("known", pid, port, lambda: good, 200)
    refused = Case("refused", pid, port, junk, 429)
    asyncio.run(client(known, 1))
    asyncio.run(client(Case("the last that is looked up", pid, port, junk, 401), 1))
    yield refused
    yield known


async def one_key(config: Path) -> list[str]:
    return await made_keys(await founded(config), "good", EVERYTHING, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description="What junk keys cost.")
    parser.add_argument("--calls", type=int, default=4_000, help="of each case and round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    chosen = parser.parse_args()
    on = cores()
    pin(on.others)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        every = list(cases(Path(folder), stack, on))
        for case in every:
            cost(case, max(chosen.connections, chosen.calls // 4), chosen.connections)
        costs: dict[str, list[float]] = {case.name: [] for case in every}
        for _ in range(chosen.rounds):
            for case in every:
                costs[case.name].append(cost(case, chosen.calls, chosen.connections))
    print(f"{'':14}{'CPU µs/call':>12}{'x looked up':>14}")
    first = statistics.median(costs["looked up"])
    for name, found in costs.items():
        median = statistics.median(found)
        print(f"{name:14}{median:>12.0f}{median / first if first else 0:>14.2f}")


if __name__ == "__main__":
    main()
