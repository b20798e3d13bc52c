"""A whole gateway on loopback for calls of the account API: two organizations, the sandbox behind one of them.

It serves in a thread of its own, so that a test can be a plain client; the clock is moved by hand.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import secrets
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from aiohttp import web

from account_calls import Account
from gateway import sandbox
from gateway.app import Gateway, World, serving
from gateway.settings import Settings, validated
from gateway.stores import IntegrationInstance, Organization, create

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    status: int
    phrase: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Slow:
    """An upstream whose answers have two halves; the second is sent when the test says so."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first,")
        await self.let_go.wait()
        await response.write(b"second")
        return response


@dataclass
class Installation:
    """A gateway that serves; its clock is milliseconds since the epoch."""

    gateway: Gateway
    upstream: sandbox.Running
    slow: Slow
    loop: asyncio.AbstractEventLoop
    world: _World

    @property
    def account(self) -> Account:
        """The face and its use cases, for making people and keys; what it gives is awaited by `run`."""
        return Account(self.gateway.control.store, self.gateway.control.desk)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=60)

    def release(self) -> None:
        """Lets the slow upstream go on."""
        self.loop.call_soon_threadsafe(self.slow.let_go.set)

    def connect(self, url: str = "") -> http.client.HTTPConnection:
        return http.client.HTTPConnection(urlsplit(url or self.gateway.data).netloc, timeout=60)

    def call(
        self, method: str, path: str, key: str | None = None, body: Any = None, *, url: str = "", headers: Any = ()
    ) -> Answer:
        """One call with `X-Api-Key` (none for None) and perhaps a JSON body; `headers` are pairs to send besides."""
        data = None if body is None else json.dumps(body).encode()
        sent = [*([("X-Api-Key", key)] if key is not None else []), *headers]
        sent += [("Content-Type", "application/json"), ("Content-Length", str(len(data)))] if data is not None else []
        connection = self.connect(url)
        try:
            connection.putrequest(method, path)
            for name, value in sent:
                connection.putheader(name, value)
            connection.endheaders(data)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, answer.reason, told, answer.read())
        finally:
            connection.close()


@dataclass
class _World:
    now: int = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now


@contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    """Serves while the block runs, with the organizations `acme` and `globex`."""
    ready: list[Installation | BaseException] = []
    started, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(folder, ready, started, stop)))
    thread.start()
    try:
        assert started.wait(60)
        (running,) = ready
        if isinstance(running, BaseException):
            raise running
        yield running
    finally:
        stop.set()
        thread.join()


async def _serve(folder: Path, ready: list[Any], started: threading.Event, stop: threading.Event) -> None:
    try:
        world, slow = _World(), Slow()
        runner = web.ServerRunner(web.Server(slow.answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        create(folder / "gateway.db")
        async with (
            sandbox.running(sandbox.Options(account="acme")) as upstream,
            serving(
                _settings(folder, upstream, f"http://127.0.0.1:{runner.addresses[0][1]}"),
                world=World(world, secrets.token_bytes),
            ) as gateway,
        ):
            async with gateway.control.store.registry.change() as change:
                for organization in ("acme", "globex"):
                    await change.add_organization(Organization(organization, organization.title()))
                await change.add_integration_instance(
                    IntegrationInstance(sandbox.INTEGRATION_INSTANCE, "acme", "Inventory")
                )
            ready.append(Installation(gateway, upstream, slow, asyncio.get_running_loop(), world))
            started.set()
            await asyncio.to_thread(stop.wait)
            slow.let_go.set()
        await runner.cleanup()
    except BaseException as fault:
        ready.append(fault)
        raise
    finally:
        started.set()


def _settings(folder: Path, upstream: sandbox.Running, slow: str) -> Settings:
    def binding(url: str, credential: str) -> dict[str, Any]:
        places = {"j1ql": f"{url}/j1ql", "graphql": f"{url}/graphql", "persister": url}
        return {"upstream": {**places, "account": "acme", "credential": credential}}

    return validated(
        {
            **{listener: {"port": 0} for listener in ("data", "admin", "ops")},
            "calibration": {"on": False},
            "secrets": {"identity": "i" * 32, "seal": "s" * 32},
            "store": {"sqlite": folder / "gateway.db"},
            "decision_log": {"file": folder / "decisions.jsonl"},
            "organizations": {
                "acme": binding(upstream.url, upstream.options.credential),
                "globex": binding(slow, "another"),
            },
        }
    )
