"""What tests of outages share: a gateway in this process or in one of its own, called as clients and operators do."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

import gateway
from gateway.app import World, opened_control, options, serving
from gateway.control import NewKey
from gateway.control.minting import Issued
from gateway.keys import RANDOM_BYTES, Operator, Prefix, issue
from gateway.settings import Settings, validated
from gateway.stores import Organization, make_store
from ports import free_port

PATIENCE = 60
"""Seconds until what must happen counts as not happening; nothing here depends on how fast it does."""

_NOTHING = {"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:1"]}
_REVOKE = "mutation ($id: String!) { revokeToken(id: $id) { id } }"


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    retry_after: str | None

    @property
    def told(self) -> tuple[int, str | None]:
        """The status, and when to try again."""
        return self.status, self.retry_after


SERVED, INVALID, AWAY = (200, None), (401, None), (503, "1")


def settings(folder: Path, **sections: dict[str, Any]) -> Settings:
    """On free ports, without upstreams: keys are asked who they are."""
    content: dict[str, Any] = {name: {"port": 0} for name in ("data", "admin", "ops")}
    content |= {"secrets": {"identity": "i" * 32, "seal": "s" * 32}, "timeouts": {"health_remembered": 0.001}}
    content |= {"calibration": {"on": False}}
    return validated(content | {"decision_log": {"file": folder / "decisions.jsonl"}} | sections)


class Caller:
    """A gateway, and the session of its administrator."""

    def __init__(self, data: str, ops: str, control: Any) -> None:
        self._data, self._ops, self.control = data, ops, control
        self.session = ""

    async def _ask(self, method: str, url: str, secret: str = "", **more: Any) -> Answer:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, url, **more) as answer,
        ):
            text = await answer.text()
            body = json.loads(text) if answer.content_type == "application/json" else text
            return Answer(answer.status, body, answer.headers.get("retry-after"))

    async def told(self, secret: str) -> tuple[int, str | None]:
        """What a call with a key gets, on a connection of its own."""
        return (await self._ask("GET", f"{self._data}/whoami", secret)).told

    async def revoke(self, key: Issued) -> Answer:
        """As an administrator does it over the wire."""
        body = {"query": _REVOKE, "variables": {"id": key.key.id}}
        return await self._ask("POST", f"{self._data}/graphql", self.session, json=body)

    async def ready(self) -> tuple[int, str]:
        answer = await self._ask("GET", f"{self._ops}/readyz?verbose")
        return answer.status, answer.body

    async def metric(self, sample: str) -> float:
        """A sample by its name and labels as they are exposed; 0 where there is none yet."""
        return _sample((await self._ask("GET", f"{self._ops}/metrics")).body, sample)

    async def store_up(self, store: str) -> bool:
        return await self.metric(f'gateway_store_up{{store="{store}"}}') == 1

    async def key(self, **wanted: Any) -> Issued:
        """A new key, which no memory holds."""
        return await new_key(self.control, **wanted)

    async def known(self, **wanted: Any) -> Issued:
        """A new key that was just served; the administrator's session was, too."""
        key = await self.key(**wanted)
        await self.serves(key.secret)
        await self.serves(self.session)
        return key

    async def serves(self, secret: str) -> None:
        """Waits until a call with a key is served."""
        await until(lambda: self._is_served(secret))

    async def _is_served(self, secret: str) -> bool:
        return await self.told(secret) == SERVED

    async def is_ready(self) -> bool:
        return (await self.ready())[0] == 200


async def new_key(control: Any, **wanted: Any) -> Issued:
    made = NewKey("k", policy=json.dumps({"permissions": [_NOTHING]}), **wanted)
    return await control.tokens.create_account_key(Operator(), made, organization="acme")


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await true():  # noqa: ASYNC110 (of a server, which sets no event)
            await asyncio.sleep(0.01)


def _sample(text: str, sample: str) -> float:
    found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def nobodys() -> str:
    """A secret of our form that no key has."""
    return issue(Prefix.ACCOUNT, secrets.token_bytes(RANDOM_BYTES))


@asynccontextmanager
async def calling(chosen: Settings, **more: Any) -> AsyncIterator[Caller]:
    """A gateway in this process over the store of its settings, which is made if it is not there."""
    await make_store(options.store(chosen))
    async with serving(chosen, **more) as served:
        caller = Caller(served.data, served.ops, served.control)
        if not await served.control.store.registry.organizations():
            await served.control.logins.found(Organization("acme", "Acme"), "admin@example.com")
        login = await served.control.logins.create_login("admin@example.com", "acme")
        caller.session = (await served.control.logins.redeem(login.code)).secret
        yield caller


def world(clock: list[int]) -> World:
    return World(now=lambda: clock[0])


# --- in a process of its own ---


class Program:
    """`gateway serve` over a store that is there."""

    def __init__(self, folder: Path, store: dict[str, Any]) -> None:
        self._ports = {name: free_port() for name in ("data", "admin", "ops")}
        lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in store.items())
        listeners = "".join(f"[{name}]\nport = {port}\n" for name, port in self._ports.items())
        rest = f'[calibration]\non = false\n[secrets]\nidentity = "{"i" * 32}"\nseal = "{"s" * 32}"\n[store]\n{lines}'
        self.file = folder / "program.toml"
        self.file.write_text(f'{listeners}{rest}[decision_log]\nfile = "{folder / "program.jsonl"}"\n')
        self._log = folder / "program.log"
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(self.file)]
        environment = os.environ | {"PYTHONPATH": str(Path(gateway.__file__).parents[1])}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        deadline = time.monotonic() + PATIENCE
        while "serving:" not in self.said():
            assert time.monotonic() < deadline, self.said()
            assert self.process.poll() is None, self.said()
            time.sleep(0.05)

    def said(self) -> str:
        return self._log.read_text()

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._ports["data"], timeout=PATIENCE)

    async def told(self, secret: str) -> tuple[int, str | None]:
        def ask() -> tuple[int, str | None]:
            with closing(self.connection()) as connection:
                return asked(connection, secret)

        return await asyncio.to_thread(ask)

    async def ready(self) -> int:
        return (await self._ops("readyz"))[0]

    async def metric(self, sample: str) -> float:
        return _sample((await self._ops("metrics"))[1], sample)

    async def _ops(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self._ports['ops']}/{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self.go_on()
        self.process.terminate()
        self.process.wait(PATIENCE)


def asked(connection: http.client.HTTPConnection, secret: str) -> tuple[int, str | None]:
    """What a call gets on a connection that goes on."""
    connection.request("GET", "/whoami", headers={"Authorization": f"Bearer {secret}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("retry-after")


@asynccontextmanager
async def controlling(chosen: Settings) -> AsyncIterator[Any]:
    """The control plane over a store, as another process has it."""
    await make_store(options.store(chosen))
    async with opened_control(chosen) as control:
        await control.logins.found(Organization("acme", "Acme"), "admin@example.com")
        yield control
