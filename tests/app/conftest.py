"""A whole gateway on free ports over a real database, in front of an upstream that answers when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.app import Control, Gateway, opened_control, serving
from gateway.control import NewKey
from gateway.keys import Operator
from gateway.settings import Settings, validated
from gateway.stores import Organization, create

EVERYTHING = '{"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]}'


@dataclass
class Upstream:
    """Answers every call with `{"type":"list","data":[]}`, as soon as it is let go."""

    url: str = ""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, _request: web.BaseRequest) -> web.Response:
        self.arrived.set()
        await self.let_go.wait()
        return web.json_response({"type": "list", "data": []})


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    runner = web.ServerRunner(web.Server(upstream.answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield upstream
    upstream.let_go.set()
    await runner.cleanup()


@pytest.fixture
def make_settings(tmp_path: Path, upstream: Upstream) -> Callable[..., Settings]:
    """Settings on free ports with the database in the test's folder; a test may replace sections."""

    def make(**sections: dict[str, Any]) -> Settings:
        binding = {"j1ql": f"{upstream.url}/j1ql", "graphql": f"{upstream.url}/graphql", "persister": upstream.url}
        content: dict[str, Any] = {
            "data": {"port": 0},
            "admin": {"port": 0},
            "ops": {"port": 0},
            "secrets": {"identity": "i" * 32, "seal": "s" * 32},
            "store": {"sqlite": tmp_path / "gateway.db"},
            "decision_log": {"file": tmp_path / "decisions.jsonl"},
            "calibration": {"on": False},  # the upstream is asked by the test's own calls alone
            "organizations": {"acme": {"upstream": {**binding, "account": "acme", "credential": "ours"}}},
        }
        return validated(content | sections)

    return make


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A new store, which no organization is in yet."""
    create(tmp_path / "gateway.db")
    return tmp_path / "gateway.db"


async def _call(gateway: Gateway, key: str) -> tuple[int, Any]:
    """Status and JSON of one query, on a connection of its own."""
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{gateway.data}/j1ql", json={"query": "FIND *"}) as answer,
    ):
        return answer.status, await answer.json()


async def _text(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def _found(control: Control) -> str:
    """Makes the organization `acme` with its administrator; the secret of a key that may do everything."""
    await control.logins.found(Organization("acme", "Acme"), "admin@example.com")
    wanted = NewKey("all", policy=EVERYTHING)
    return (await control.tokens.create_account_key(Operator(), wanted, organization="acme")).secret


@dataclass(frozen=True)
class Served:
    """A gateway that serves, and the secret of a key that may do everything."""

    gateway: Gateway
    key: str

    async def call(self) -> tuple[int, Any]:
        return await _call(self.gateway, self.key)

    async def ready(self) -> tuple[int, str]:
        return await _text(f"{self.gateway.ops}/readyz?verbose")

    async def metrics(self) -> str:
        return (await _text(f"{self.gateway.ops}/metrics"))[1]


@pytest.fixture
def call() -> Callable[..., Any]:
    return _call


@pytest.fixture
def ready() -> Callable[..., Any]:
    return lambda gateway: _text(f"{gateway.ops}/readyz?verbose")


@pytest.fixture
def found() -> Callable[..., Any]:
    return _found


@pytest.fixture
def serve(database: Path) -> Callable[..., Any]:
    """Serves with a first organization, `acme`."""

    @asynccontextmanager
    async def serve(settings: Settings, **more: Any) -> AsyncIterator[Served]:
        async with serving(settings, **more) as gateway:
            yield Served(gateway, await _found(gateway.control))

    return serve


@pytest.fixture
def control(database: Path, make_settings: Callable[..., Settings]) -> Any:
    """Opens the control plane over the same database, as another process does."""
    return lambda: opened_control(make_settings())
