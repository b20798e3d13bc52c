"""A sandbox on a loopback port, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from gateway.sandbox import Entity, Graph, Options, Relationship, Running, running
from gateway.sandbox.queries import PLAINLY, Serving

PLAIN = Options()


@dataclass(frozen=True)
class Upstream:
    """A running sandbox and a session that has its credential."""

    running: Running
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return self.running.url

    @property
    def graph(self) -> Graph:
        return self.running.graph

    @property
    def received(self):
        return self.running.received.calls

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        async with self.session.request(method, self.url + path, **options) as response:
            return response.status, await response.json()

    async def post(self, path: str, body: Any) -> Any:
        """The JSON of a 200."""
        status, answer = await self.call("POST", path, json=body)
        assert status == 200, answer
        return answer

    async def query(self, text: str, /, **arguments: Any) -> Any:
        return await self.post("/j1ql", {"query": text, **arguments})

    async def graphql(self, query: str, /, **variables: Any) -> Any:
        return await self.post("/graphql", {"query": query, "variables": variables})


@asynccontextmanager
async def serving(graph: Graph | None, options: Options = PLAIN) -> AsyncIterator[Upstream]:
    async with running(options, graph) as sandbox:
        headers = {
            "Authorization": f"Bearer {sandbox.options.credential}",
            "JupiterOne-Account": sandbox.options.account,
        }
        async with aiohttp.ClientSession(headers=headers) as session:
            yield Upstream(sandbox, session)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """With the example company."""
    async with serving(None) as served:
        yield served


@pytest.fixture
async def bare() -> AsyncIterator[Upstream]:
    """With an empty graph."""
    async with serving(Graph()) as served:
        yield served


@pytest.fixture
async def started() -> AsyncIterator[Callable[..., Awaitable[Upstream]]]:
    """Starts sandboxes that serve in other ways, `Serving` by `Serving`."""
    async with AsyncExitStack() as stack:

        async def start(how: Serving = PLAINLY, graph: Graph | None = None, **options: Any) -> Upstream:
            return await stack.enter_async_context(serving(graph, Options(serving=how, **options)))

        yield start


@pytest.fixture
def entity():
    """Makes an entity of type `t` and class `C`, unless told otherwise."""

    def make(name: str, *, kind: str = "t", classes: tuple[str, ...] = ("C",), **properties: Any) -> Entity:
        metadata = {"_id": f"id-{name}", "_key": f"key-{name}", "_type": [kind], "_class": list(classes)}
        return Entity(f"v-{name}", metadata | {"displayName": name, "_source": "api", "_scope": "s"}, properties)

    return make


@pytest.fixture
def relationship():
    """Makes a relationship between two entities."""

    def make(name: str, start: Entity, end: Entity, verb: str = "HAS", **properties: Any) -> Relationship:
        metadata = {"_id": f"id-{name}", "_key": f"key-{name}", "_type": f"t_{verb.lower()}_t", "_class": verb}
        return Relationship(f"e-{name}", start.id, end.id, metadata | {"_source": "api", "_scope": "s"}, properties)

    return make
