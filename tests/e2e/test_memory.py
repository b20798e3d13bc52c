"""What large bodies take: the memory of a gateway in a process of its own, as the kernel counts it.

An upstream of the test's own makes what it says piece by piece, and throws away what it gets, so that nobody but the
gateway could hold it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import gateway
from gateway.app import opened_control
from gateway.control import NewKey
from gateway.keys import Operator
from gateway.settings import load
from gateway.stores import Organization, create
from ports import free_port

MB = 1024 * 1024
UPLOAD = 200 * MB
ANSWER = 100 * MB
STREAMED = 32 * MB
"""By which the peak may grow while one of those passes."""
CHECKED = 30 * MB
"""An answer to a key with a condition; the limit is 32 MB."""
TIMES = 3
"""As many times its size an answer takes while it is checked at most, as README says of `limits.answer`."""
BUFFERED = 48 * MB
"""All bodies that the gateway of these tests holds: one such answer, and not two."""
AT_ONCE = 6
PATIENCE = 60
"""Seconds until what must happen counts as not happening; nothing here depends on how fast it does."""

PIECE = b"x" * 65536
ROWS = 250
REPO = '{"id":"%d","entity":{"_id":"%d","_type":["github_repo"]},"properties":{"name":"'
EVERYTHING = {"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}
REPOS = {
    "effect": "ALLOW",
    "actions": ["query:ReadGraphData"],
    "resources": ["*"],
    "condition": {"stringEquals": {"_type": "github_repo"}},
}

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="no /proc of Linux")


# --- what is said -------------------------------------------------------------------------------------------------


def filled(start: bytes, end: bytes, size: int) -> Iterator[bytes]:
    """A text of so many bytes between two others."""
    left = size - len(start) - len(end)
    yield start
    while left > 0:
        yield PIECE[:left]
        left -= len(PIECE)
    yield end


def one_text(size: int) -> Iterator[bytes]:
    """An answer of one long text."""
    return filled(b'{"type":"list","data":["', b'"]}', size)


def of_rows(start: str, row: str, row_end: str, end: str) -> Callable[[int], Iterator[bytes]]:
    """Answers of so many bytes, whose rows each hold a long text; `%d` is a row's number."""

    def made(size: int) -> Iterator[bytes]:
        yield start.encode()
        for number in range(ROWS):
            before = ("," if number else "") + row.replace("%d", str(number))
            yield from filled(before.encode(), row_end.encode(), size // ROWS)
        yield end.encode()

    return made


SHAPES = {
    "FIND github_repo": of_rows('{"type":"list","data":[', REPO, '"}}', "]}"),
    "FIND github_repo AS r RETURN r.name": of_rows(
        '{"type":"table","data":[', '{"gw0":"%d","gw1":["github_repo"],"r.name":"', '"}', "]}"
    ),
    "FIND github_repo RETURN TREE": of_rows('{"type":"tree","data":{"vertices":[', REPO, '"}}', '],"edges":[]}}'),
}
"""Queries of a key that sees repositories alone, and what they are answered with."""


@dataclass
class Upstream:
    """Takes any request, and answers it with `pieces`; `taken` are bytes of bodies."""

    port: int
    pieces: Callable[[], Iterator[bytes]] = field(default=lambda: iter([b'{"job":{"id":"j1"}}']))
    taken: int = 0
    serving: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.taken += await _thrown_away(head.lower(), reader)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
                for piece in self.pieces():
                    if piece:
                        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                        await writer.drain()
                writer.write(b"0\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.serving.discard(writer)
            writer.close()

    async def ended(self) -> None:
        """The gateway keeps its connections; nothing of them is left when the test is over."""
        while self.serving:
            for writer in tuple(self.serving):
                writer.transport.abort()
            await asyncio.sleep(0.01)


async def _thrown_away(head: bytes, reader: asyncio.StreamReader) -> int:
    """Reads a body; its size."""
    if b"transfer-encoding: chunked" in head:
        size = 0
        while length := int(await reader.readline(), 16):
            await reader.readexactly(length + 2)
            size += length
        await reader.readline()
        return size
    left = size = int(next((line[15:] for line in head.split(b"\r\n") if line.startswith(b"content-length:")), b"0"))
    while left:
        left -= len(await reader.read(min(left, 1 << 20)))
    return size


# --- the gateway --------------------------------------------------------------------------------------------------


@dataclass
class Program:
    """A gateway, the keys of its callers, and where its upstream is expected."""

    process: subprocess.Popen[bytes]
    port: int
    upstream: int
    keys: dict[str, str]

    def memory(self, name: str) -> int:
        """`VmRSS`, what it takes now, or `VmHWM`, the most that it took since `forget_peak`; bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith(name + ":"))) * 1024

    def forget_peak(self) -> int:
        """What it takes now, from which the peak is counted again."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        return self.memory("VmRSS")

    async def send(self, key: str, target: str, body: Iterator[bytes], length: int | None) -> tuple[int, int, bytes]:
        """Status and size of the answer, and its first bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        lines = (f"POST {target} HTTP/1.1", "Host: g", f"Authorization: Bearer {self.keys[key]}", framing)
        writer.write("\r\n".join((*lines, "Content-Type: application/json", "Connection: close", "", "")).encode())
        for piece in body:
            if piece:
                writer.write(piece if length is not None else b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
        if length is None:
            writer.write(b"0\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        start, size = await reader.read(1000), 0
        while piece := await reader.read(1 << 20):
            size += len(piece)
        writer.close()
        return int(head.split()[1]), size + len(start), start

    async def ask(self, key: str, target: str = "/j1ql", query: str = "FIND *") -> tuple[int, int, bytes]:
        body = json.dumps({"query": query}).encode()
        return await self.send(key, target, iter([body]), len(body))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("memory")
    ports = {name: free_port() for name in ("data", "admin", "ops", "upstream")}
    url = f"http://127.0.0.1:{ports['upstream']}"
    file = folder / "gateway.toml"
    file.write_text(f"""
        data.port = {ports["data"]}
        admin.port = {ports["admin"]}
        ops.port = {ports["ops"]}
        secrets = {{ identity = "{"i" * 32}", seal = "{"s" * 32}" }}
        store.sqlite = "{folder}/gateway.db"
        decision_log.file = "{folder}/decisions"
        limits = {{ upload = {2 * UPLOAD}, buffered = {BUFFERED} }}
        [organizations.acme.upstream]
        j1ql = "{url}/j1ql"
        graphql = "{url}/graphql"
        persister = "{url}"
        account = "acme"
        credential = "ours"
    """)
    create(folder / "gateway.db")
    keys = asyncio.run(_keys(file))
    log = (folder / "log").open("wb")
    environment = os.environ | {"PYTHONPATH": str(Path(gateway.__file__).parents[1])}
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(file)]
    with log, subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process:
        deadline = time.monotonic() + PATIENCE
        while "serving:" not in (said := (folder / "log").read_text()):
            assert time.monotonic() < deadline, said
            assert process.poll() is None, said
            time.sleep(0.05)
        yield Program(process, ports["data"], ports["upstream"], keys)
        process.terminate()


async def _keys(file: Path) -> dict[str, str]:
    async with opened_control(load(file)) as control:
        await control.logins.found(Organization("acme", "Acme"), "admin@example.com")
        made = {}
        for name, statement in (("all", EVERYTHING), ("repos", REPOS)):
            wanted = NewKey(name, policy=json.dumps({"permissions": [statement]}))
            key = await control.tokens.create_account_key(Operator(), wanted, organization="acme")
            made[name] = key.secret
        return made


@pytest.fixture
async def upstream(program: Program) -> AsyncIterator[Upstream]:
    upstream = Upstream(program.upstream)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", program.upstream)
    yield upstream
    server.close()
    await upstream.ended()


@asynccontextmanager
async def growing_less_than(program: Program, most: int) -> AsyncIterator[None]:
    before = program.forget_peak()
    yield
    grown = program.memory("VmHWM") - before
    assert grown < most


# --- the tests ----------------------------------------------------------------------------------------------------

ENTITIES = "/persister/synchronization/jobs/j1/entities"


@pytest.mark.parametrize("is_chunked", [False, True], ids=["its length announced", "chunked"])
async def test_a_large_upload_passes(program, upstream, is_chunked):
    await program.send("all", ENTITIES, iter([b"{}"]), 2)
    upstream.taken = 0
    async with growing_less_than(program, STREAMED):
        length = None if is_chunked else UPLOAD
        status, _, _ = await program.send("all", ENTITIES, filled(b"", b"", UPLOAD), length)
    assert (status, upstream.taken) == (200, UPLOAD)


@pytest.mark.parametrize(
    ("target", "query"),
    [
        ("/j1ql", "FIND *"),
        ("/graphql", "{ integrationDefinitions { data } }"),
        ("/graphql", '{ queryV1(query: "FIND *") { data } }'),
    ],
)
async def test_a_large_answer_to_a_key_without_a_condition_passes(program, upstream, target, query):
    await program.ask("all", target, query)
    upstream.pieces = lambda: one_text(ANSWER)
    async with growing_less_than(program, STREAMED):
        status, size, _ = await program.ask("all", target, query)
    assert status == 200
    assert size >= ANSWER


@pytest.mark.parametrize("query", SHAPES)
async def test_an_answer_to_a_key_with_a_condition_takes_what_readme_says(program, upstream, query):
    upstream.pieces = lambda: SHAPES[query](CHECKED // 30)
    assert (await program.ask("repos", query=query))[0] == 200
    upstream.pieces = lambda: SHAPES[query](CHECKED)
    async with growing_less_than(program, TIMES * CHECKED):
        status, size, _ = await program.ask("repos", query=query)
    assert status == 200
    assert size > CHECKED * 0.99


async def test_several_of_these_at_once_end_in_503_and_not_in_memory(program, upstream):
    query, rows = next(iter(SHAPES.items()))
    upstream.pieces = lambda: rows(CHECKED)
    async with growing_less_than(program, TIMES * BUFFERED):
        answers = await asyncio.gather(*(program.ask("repos", query=query) for _ in range(AT_ONCE)))
    ended = Counter(status for status, _, _ in answers)
    assert ended[503] > 0
    assert ended[503] + ended[200] == AT_ONCE
    assert (await program.ask("repos", query=query))[0] == 200
