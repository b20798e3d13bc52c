"""Requests per second and CPU per request, side by side in one run.

    direct         clients call the sandbox themselves; the CPU is the sandbox's
    plain proxy    an aiohttp server and client that pass everything on: what the libraries cost without any check
    passed on      the gateway, a key that may do everything
    narrowed       the gateway, a key with a condition: the query is narrowed, and every row checked

Each proxy has one core to itself, sandbox and clients share the others (on Linux; elsewhere nothing is pinned, and no
CPU is told). Times of a shared machine mean little by themselves: compare the ratios of one run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from gateway.app import opened_control
from gateway.control import NewKey
from gateway.keys import Operator
from gateway.settings import load
from gateway.stores import Organization, create

ACCOUNT = "bench"
QUERY = json.dumps({"query": "FIND github_repo LIMIT 10"}).encode()
POLICIES = {
    "passed on": {"effect": "ALLOW", "actions": ["*"], "resources": ["*"]},
    "narrowed": {
        "effect": "ALLOW",
        "actions": ["query:ReadGraphData"],
        "resources": ["*"],
        "condition": {"stringEquals": {"_type": "github_repo"}},
    },
}
CONFIG = """
[data]
port = 0
[admin]
port = 0
[ops]
port = 0
[store]
sqlite = "{folder}/gateway.db"
[decision_log]
file = "{folder}/decisions.jsonl"
[secrets]
identity = "{secret}"
seal = "{secret}"
[organizations.{account}.upstream]
j1ql = "{upstream}/j1ql"
graphql = "{upstream}/graphql"
persister = "{upstream}"
account = "{theirs}"
credential = "{credential}"
"""


@dataclass(frozen=True, slots=True)
class Case:
    """Who is measured (`pid`), and the call that is made over and over."""

    name: str
    pid: int
    url: str
    headers: dict[str, str]

    def request(self) -> bytes:
        host = urlsplit(self.url).netloc
        lines = ["POST /j1ql HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join([*lines, f"Content-Length: {len(QUERY)}"]) + "\r\n\r\n").encode() + QUERY


@dataclass(frozen=True, slots=True)
class Result:
    requests: int
    seconds: float
    cpu_seconds: float | None


# --- the clients --------------------------------------------------------------------------------------------------


async def measured(case: Case, seconds: float, connections: int) -> Result:
    await load_for(case, seconds / 4, connections)  # caches filled, connections open
    cpu, since = cpu_seconds(case.pid), time.perf_counter()
    requests = await load_for(case, seconds, connections)
    took = time.perf_counter() - since
    return Result(requests, took, None if cpu is None else (cpu_seconds(case.pid) or 0.0) - cpu)


async def load_for(case: Case, seconds: float, connections: int) -> int:
    end = time.perf_counter() + seconds
    return sum(await asyncio.gather(*(client(case, end) for _ in range(connections))))


async def client(case: Case, end: float) -> int:
    """Calls on one connection until `end`; how often."""
    where = urlsplit(case.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    request, answered = case.request(), 0
    while time.perf_counter() < end:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"{case.name}: {head.decode()}")
        length = re.search(rb"(?i)\ncontent-length: *([0-9]+)", head)
        await (reader.readexactly(int(length[1])) if length else reader.readuntil(b"\r\n0\r\n\r\n"))
        answered += 1
    writer.close()
    return answered


def cpu_seconds(pid: int) -> float | None:
    """User and system time of a process, in the kernel's ticks of 10 ms."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- who is measured ----------------------------------------------------------------------------------------------


async def plain_proxy(upstream: str) -> None:
    """Passes every call on, in the plainest way the library has."""

    async def forward(request: web.BaseRequest) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        async with session.request(
            request.method, upstream + request.raw_path, headers=headers, data=request.content
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    async with aiohttp.ClientSession(auto_decompress=False) as session:
        runner = web.ServerRunner(web.Server(forward))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()


@contextmanager
def started(*words: str, cores: set[int]) -> Iterator[tuple[int, re.Match[str]]]:
    """A process on its cores, and the line in which it says where it listens."""
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    pin(process.pid, cores)
    try:
        said = ""
        for line in process.stdout or ():
            said += line
            if match := re.search(
                r"(?P<url>http://\S+)(?:.*account (?P<account>\S+)  credential (?P<credential>\S+))?", line
            ):
                yield process.pid, match
                return
        raise SystemExit(f"{' '.join(words)} did not start:\n{said}")
    finally:
        process.terminate()
        process.communicate()


def pin(pid: int, cores: set[int]) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, cores)


async def made_keys(config: Path) -> dict[str, str]:
    settings = load(config)
    create(settings.store.sqlite)
    async with opened_control(settings) as control:
        await control.logins.found(Organization(ACCOUNT, ACCOUNT), "bench@example.com")
        keys = {}
        for name, statement in POLICIES.items():
            wanted = NewKey(name, policy=json.dumps({"permissions": [statement]}))
            issued = await control.tokens.create_account_key(Operator(), wanted, organization=ACCOUNT)
            keys[name] = issued.secret
        return keys


def cases(folder: Path, stack: ExitStack, ours: set[int], others: set[int]) -> Iterator[Case]:
    sandbox, said = stack.enter_context(started("-m", "gateway", "sandbox", "--port", "0", cores=others))
    direct = {"Authorization": f"Bearer {said['credential']}", "JupiterOne-Account": said["account"]}
    yield Case("direct", sandbox, said["url"], direct)
    plain, told = stack.enter_context(started(__file__, "--plain-proxy", said["url"], cores=ours))
    yield Case("plain proxy", plain, told["url"], direct)
    config = folder / "gateway.toml"
    binding = {"upstream": said["url"], "theirs": said["account"], "credential": said["credential"]}
    config.write_text(CONFIG.format(folder=folder, secret=os.urandom(32).hex(), account=ACCOUNT, **binding))
    keys = asyncio.run(made_keys(config))
    gateway, told = stack.enter_context(started("-m", "gateway", "serve", "--config", str(config), cores=ours))
    for name, key in keys.items():
        yield Case(name, gateway, told["url"], {"Authorization": f"Bearer {key}"})


# --- what is told -------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description="How much the gateway costs.")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each case")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--plain-proxy", metavar="URL", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.plain_proxy:
        asyncio.run(plain_proxy(chosen.plain_proxy))
        return
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    ours, others = {cores[0]}, set(cores[1:]) or {cores[0]}
    pin(0, others)
    say(f"{len(cores)} cores, {chosen.connections} connections, {chosen.seconds:g} s each")
    say(f"{'':14}{'requests/s':>12}{'CPU µs/request':>16}{'x plain proxy':>16}")
    plain = None
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for case in cases(Path(folder), stack, ours, others):
            result = asyncio.run(measured(case, chosen.seconds, chosen.connections))
            each = None if result.cpu_seconds is None else result.cpu_seconds / result.requests * 1e6
            plain = each if case.name == "plain proxy" else plain
            ratio = f"{each / plain:.2f}" if each and plain else ""
            cpu = "" if each is None else f"{each:.0f}"
            say(f"{case.name:14}{result.requests / result.seconds:12.0f}{cpu:>16}{ratio:>16}")


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
