"""Both ends of the wire: a raw client, the gateway's data plane, and an upstream that records and misbehaves."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gateway.authz import Rules, plan
from gateway.keys import RANDOM_BYTES, Digest, Identity, Kind, Prefix, Principal, digest, issue
from gateway.metrics import Metrics
from gateway.policy import Policy, parse
from gateway.proxy import (
    BadKeyOptions,
    BadKeys,
    Binding,
    DecisionLog,
    DecisionOptions,
    Deps,
    Handler,
    Identities,
    IdentityOptions,
    Jobs,
    ListenerOptions,
    PageOptions,
    Pages,
    ProxyOptions,
    ResultOptions,
    Results,
    ResultSeals,
    Rulebook,
    Seals,
    Service,
    Spool,
    SpoolOptions,
    UpstreamOptions,
    Upstreams,
    listening,
)
from gateway.stores.base import Absent, Found

NOW = 1_700_000_000_000
SECRET = "an identity secret of 32 bytes or more"
CREDENTIAL = "upstream-credential"


def pytest_collection_modifyitems(items):
    """A hung test must end: uvloop swallows what the default method of pytest-timeout raises into it."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(120, method="thread"))


def pytest_asyncio_loop_factories(config, item):
    """The gateway runs on uvloop, whose transports differ from the standard library's where connections break."""
    both = item.path.name.startswith("test_data_path_")  # where the order of events decides, and each has its own
    return {"uvloop": uvloop.new_event_loop, **({"asyncio": asyncio.new_event_loop} if both else {})}


async def until(condition: Callable[[], object]) -> None:
    """Waits for what has no event; a test that waits in vain times out."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


# --- the upstream -------------------------------------------------------------------------------------------------


@dataclass
class Received:
    """One request as the upstream saw it; `body` is what came, `whole` whether it ended."""

    line: str
    headers: list[tuple[str, str]]
    reader: asyncio.StreamReader = field(repr=False)
    body: bytes = b""
    whole: bool = False

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


Script = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Upstream:
    """Answers on a loopback port as `script` says; `early` answers before the body is read."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.open = 0
        self.port = 0
        self.early = False
        self.closed = asyncio.Event()
        self.arrived = asyncio.Event()
        self.go_on = asyncio.Event()
        self.script: Script = self.says(answer())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @staticmethod
    def says(*answers: bytes) -> Script:
        """Each answer once, the last one for ever."""
        left = list(answers)

        async def script(_: Received, writer: asyncio.StreamWriter) -> None:
            writer.write(left.pop(0) if len(left) > 1 else left[0])

        return script

    @staticmethod
    async def hangs(received: Received, writer: asyncio.StreamWriter) -> None:
        """Says nothing until the gateway hangs up."""
        await until(received.reader.at_eof)
        writer.close()

    async def stalls(self, _received: Received, writer: asyncio.StreamWriter) -> None:
        """Reads nothing until `go_on`, then hangs up."""
        writer.transport.pause_reading()
        await self.go_on.wait()
        writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.connections += 1
        try:
            while (received := await self._head(reader)) is not None:
                self.received.append(received)
                self.arrived.set()
                if not self.early:
                    await self._body(reader, received)
                await self.script(received, writer)
                await writer.drain()
                if writer.is_closing():
                    return
                if self.early:
                    await self._body(reader, received)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            self.closed.set()
            writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> Received | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        except asyncio.IncompleteReadError:
            return None
        pairs = [line.partition(":") for line in head[1:] if line]
        return Received(head[0], [(name.lower(), value.strip()) for name, _, value in pairs], reader)

    async def _body(self, reader: asyncio.StreamReader, received: Received) -> None:
        if received.header("transfer-encoding"):
            while size := int(await reader.readline(), 16):
                received.body += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
        else:
            left = int((received.header("content-length") or ["0"])[0])
            while left:
                piece = await reader.read(left)
                if not piece:
                    raise asyncio.IncompleteReadError(received.body, left)
                received.body += piece
                left -= len(piece)
        received.whole = True


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    yield upstream
    server.close()


# --- keys ---------------------------------------------------------------------------------------------------------

EVERYTHING = {"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}
REPOS = {
    "effect": "ALLOW",
    "actions": ["query:ReadGraphData"],
    "resources": ["*"],
    "condition": {"stringEquals": {"_type": "github_repo"}},
}
UPLOADS = {"effect": "ALLOW", "actions": ["persister:Synchronize"], "resources": ["*"]}
SYNCHRONIZE = {"effect": "ALLOW", "actions": ["persister:Synchronize"], "resources": ["integration:i1"]}
DASHBOARD = {"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:7"]}
PARAMETERS = {
    "effect": "ALLOW",
    "actions": ["parameters:GetParameterList"],
    "resources": ["parameter:X", "parameter:a:b", 'parameter:"ü"'],
}
NOT_THOSE = {"effect": "DENY", "actions": ["*"], "resources": ["parameter:X", "dashboard:9"]}
RAW_DATA = {"effect": "ALLOW", "actions": ["persister:GetEntityRawData"], "resources": ["entity:e-1"]}
POLICIES = {
    "super": [EVERYTHING],
    "most": [EVERYTHING, NOT_THOSE],
    "raw": [RAW_DATA],
    "repos": [REPOS],
    "sync": [SYNCHRONIZE],
    "uploads": [UPLOADS],
    "dashboard": [DASHBOARD],
    "parameters": [PARAMETERS, DASHBOARD],
    "repos and dashboard": [REPOS, DASHBOARD],
    "unbound": [EVERYTHING],
}


def secret_of(name: str) -> str:
    return issue(Prefix.ACCOUNT, name.encode().ljust(RANDOM_BYTES, b"."))


def principal_of(name: str) -> Principal:
    policy = parse(json.dumps({"permissions": POLICIES[name]}))
    assert isinstance(policy, Policy)
    organization = "nowhere" if name == "unbound" else "acme"
    return Principal(
        key_id=f"key-{name}",
        version=3,
        name=name,
        identity=Identity(f"identity-{name}", Kind.ACCOUNT, organization),
        policy=policy,
        expires_at=None,
    )


class Table:
    """A resolver over a table; `lookups` are the digests that were asked for."""

    def __init__(self) -> None:
        self.found: dict[Digest, Found] = {digest(secret_of(name)): principal_of(name) for name in POLICIES}
        self.lookups: list[Digest] = []
        self.known: set[Digest] = set()
        self.holds: dict[Digest, Principal] = {}

    async def find(self, wanted: Digest) -> Found:
        self.lookups.append(wanted)
        found = self.found.get(wanted, Absent("unknown"))
        (self.known.add if isinstance(found, Principal) else self.known.discard)(wanted)
        return found

    def held(self, wanted: Digest, came: float = 0.0) -> Principal | None:  # noqa: ARG002 (nothing changes here)
        """Nothing unless a test says so: then every call is a look-up."""
        return self.holds.get(wanted)

    def knows(self, wanted: Digest) -> bool:
        return wanted in self.known


# --- the gateway --------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """What a client got: the bytes, and how the connection ended."""

    raw: bytes
    reset: bool

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ", 2)[1])

    @property
    def head(self) -> str:
        return self.raw.partition(b"\r\n\r\n")[0].decode()

    @property
    def headers(self) -> dict[str, str]:
        lines = [line.partition(":") for line in self.head.split("\r\n")[1:]]
        return {name.lower(): value.strip() for name, _, value in lines}

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Executed:
    status: int
    body: dict[str, Any]


@dataclass
class Gateway:
    """A data plane that listens, and a raw client of it."""

    port: int
    upstream: Upstream
    metrics: Metrics
    resolver: Table
    log: Any
    bindings: dict[str, Binding]
    executed: list[Any] = field(default_factory=list)

    until = staticmethod(until)

    async def connect(self, address: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """From one of the addresses of the loopback."""
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))

    async def send(self, data: bytes, address: str = "127.0.0.1") -> Answer:
        """Sends bytes and reads until the gateway closes the connection."""
        reader, writer = await self.connect(address)
        writer.write(data)
        return await self.rest(reader, writer)

    @staticmethod
    async def rest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Answer:
        got, reset = b"", False
        try:
            while piece := await reader.read(65536):
                got += piece
        except ConnectionResetError:
            reset = True
        writer.close()
        return Answer(got, reset)

    @staticmethod
    def call(
        method: str = "POST",
        target: str = "/j1ql",
        body: bytes = b'{"query":"FIND *"}',
        key: str = "super",
        *headers: str,
        framing: str | None = None,
        close: bool = True,
    ) -> bytes:
        lines = [
            f"{method} {target} HTTP/1.1",
            "Host: gateway",
            f"Authorization: Bearer {secret_of(key)}",
            *headers,
        ]
        if body:
            lines += ["Content-Type: application/json", framing or f"Content-Length: {len(body)}"]
        if close:
            lines.append("Connection: close")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    async def ask(self, *args: Any, **kwargs: Any) -> Answer:
        return await self.send(self.call(*args, **kwargs))

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    async def records(self) -> list[dict[str, Any]]:
        """The decision log, as soon as all calls that ended are in it."""
        samples = [sample for metric in self.metrics.registry.collect() for sample in metric.samples]
        ended = sum(sample.value for sample in samples if sample.name == "gateway_requests_total")
        path = self.log._options.path
        await until(lambda: len(path.read_bytes().splitlines()) == ended)
        return [json.loads(line) for line in path.read_bytes().splitlines()]


# What should close a connection at once must not be helped by a time-out.
LISTENER = ListenerOptions(keepalive_seconds=1000, half_closed_seconds=1000, linger_seconds=0.1, drain_seconds=0.1)


@dataclass
class Setup:
    """What a test may change before the gateway starts."""

    changes: dict[str, Any] = field(default_factory=dict)
    proxy: ProxyOptions = field(default_factory=ProxyOptions)
    listener: ListenerOptions = LISTENER
    upstreams: UpstreamOptions = field(default_factory=UpstreamOptions)
    pages: PageOptions = field(default_factory=lambda: PageOptions(again_seconds=0))
    results: ResultOptions = field(default_factory=ResultOptions)
    spool: SpoolOptions = field(default_factory=SpoolOptions)
    decisions: dict[str, Any] = field(default_factory=dict)
    bad_keys: BadKeyOptions = field(default_factory=BadKeyOptions)


@pytest.fixture
def setup() -> Setup:
    return Setup()


@asynccontextmanager
async def running(setup: Setup, upstream: Upstream, path: Any) -> AsyncIterator[Gateway]:
    metrics = Metrics()
    resolver = Table()
    executed: list[Any] = []
    ids = (f"call-{number:04}" for number in itertools.count(1))

    async def execute(request: Any, principal: Principal, call_id: str) -> Executed:
        executed.append((request, principal, call_id))
        return Executed(200, {"data": {"createToken": {"id": "1"}}})

    async with AsyncExitStack() as stack:
        sender = await stack.enter_async_context(Upstreams(setup.upstreams))
        options = DecisionOptions(path=path / "decisions.jsonl", **setup.decisions)
        log = stack.enter_context(DecisionLog(options, dropped=metrics.decision_unlogged))
        urls = dict(j1ql=upstream.url + "/j1ql", graphql=upstream.url + "/graphql", persister=upstream.url)
        services = {name: Service.at(url) for name, url in urls.items()}
        bindings = {"acme": Binding(**services, account="acme-at-platform", credential=CREDENTIAL)}
        deps = Deps(
            plan=plan,
            rules=Rulebook(Rules()),
            resolver=resolver,
            execute=execute,
            faces={},
            bindings=bindings,
            sender=sender,
            identities=Identities(IdentityOptions(SECRET)),
            pages=Pages(Seals("s" * 32), metrics, setup.pages),
            results=Results(setup.results, ResultSeals("s" * 32), Spool(setup.spool)),
            jobs=Jobs(),
            metrics=metrics,
            log=log,
            now=lambda: NOW,
            new_id=lambda: next(ids),
            bad_keys=BadKeys(setup.bad_keys, refused=partial(metrics.refused_by_address, "bad_keys")),
        )
        crowded = partial(metrics.refused_by_address, "connections")
        handler = Handler(replace(deps, **setup.changes), setup.proxy)
        listener = await stack.enter_async_context(
            listening(handler, handler.malformed, host="127.0.0.1", port=0, options=setup.listener, crowded=crowded)
        )
        yield Gateway(listener.port, upstream, metrics, resolver, log, bindings, executed)


@pytest.fixture
async def gateway(setup: Setup, upstream: Upstream, tmp_path: Any) -> AsyncIterator[Gateway]:
    """Override `setup` in a test module or class to change it; nothing may be left running afterwards."""
    async with running(setup, upstream, tmp_path) as gateway:
        yield gateway
        await until(lambda: not gateway.value("gateway_inflight_requests"))
    await until(lambda: not (upstream.open or left_over()))


def left_over() -> set[str]:
    """Tasks of the gateway or its libraries that still run. (A test that waits for none in vain times out.)"""
    names = {str(task.get_coro()) for task in asyncio.all_tasks() - {asyncio.current_task()}}
    return {name for name in names if "pytest" not in name and "Upstream.serve" not in name}


@pytest.fixture
def says() -> Callable[..., bytes]:
    """Bytes of an upstream's answer."""
    return answer


@pytest.fixture
def secret() -> Callable[[str], str]:
    """The secret of a named key."""
    return secret_of


@pytest.fixture
def executed() -> type[Executed]:
    """The control plane's answers."""
    return Executed
