"""A gateway in front of a sandbox with canaries, and everything that the owner of a key sees of it.

    planted      the graph and the account, with the canaries and without them
    calls        every call of the walk: each root field, each route, with arguments by name
    scanner      which canaries are in some bytes, however they are packed

Time and randomness are fixed, so that two gateways that are asked the same, in the same order, differ only where their
upstreams do.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
from canaries.calls import Call
from canaries.planted import ACCOUNT, NOW, Canaries, account, graph
from yarl import URL

from gateway import sandbox
from gateway.app import World, serving
from gateway.control import NewKey
from gateway.keys import Operator
from gateway.sandbox.queries import Serving
from gateway.settings import validated
from gateway.stores import Organization, create

HOST = "gateway.example"
"""In every call: addresses of deferred results begin with it, whatever the port."""

ROWS = 2
"""On a page of the gateway's, so that answers have several; the upstream's have one more."""

PAGES = 20
"""Followed of one answer, and polls of one address."""


@dataclass(frozen=True)
class Seen:
    """One answer, as it came: status line, headers and body."""

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def content(self) -> bytes:
        """All that there is to see."""
        head = "\n".join([self.status, *(f"{name}: {value}" for name, value in self.headers)])
        return head.encode() + b"\n\n" + self.body

    @property
    def masked(self) -> bytes:
        """Without the time, and with what is random as long as it was: request id, cursors, sealed addresses."""
        headers = {name.lower(): value.encode() for name, value in self.headers}
        content = self.content
        for name in ("date", "x-request-id"):
            if value := headers.get(name):
                content = content.replace(value, b"?" * len(value))
        return _SEALED.sub(lambda found: b"?" * len(found[0]), content)

    @property
    def json(self) -> Any:
        """The body's value; None for what is no JSON."""
        packed = ("content-encoding", "gzip") in {(name.lower(), value) for name, value in self.headers}
        try:
            return json.loads(gzip.decompress(self.body) if packed else self.body)
        except ValueError:
            return None


_SEALED = re.compile(rb'(?<="cursor":")[^"]+|(?<="endCursor":")[^"]+|(?<=/deferred/)[A-Za-z0-9_-]+')


@dataclass(frozen=True)
class Gateway:
    """A gateway, what is behind it, and a key for each policy."""

    url: str
    upstream: sandbox.Running
    keys: Mapping[str, str]
    decisions: Path
    session: aiohttp.ClientSession

    def logged(self) -> bytes:
        """The decision log so far; whole when the gateway has stopped."""
        return self.decisions.read_bytes()

    async def walk(self, key: str, calls: Iterable[Call]) -> list[tuple[Call, Seen]]:
        """Every answer to every call, further pages and deferred results too."""
        seen = []
        for call in calls:
            answer = await self._ask(call, self.keys[key])
            seen.append((call, answer))
            seen += [(call, more) async for more in self._following(call, answer, self.keys[key])]
        return seen

    async def _following(self, call: Call, answer: Seen, key: str) -> AsyncIterator[Seen]:
        """The next pages of a query, and what lies at the addresses in an answer."""
        for _ in range(PAGES):
            cursor = _cursor(answer)
            for address in _addresses(answer.json):
                async for fetched in self._fetched(call, address):
                    yield fetched
                    cursor = cursor or _cursor(fetched)
            further = cursor and _further(call, cursor)
            if not further:
                return
            answer = await self._ask(further, key)
            yield answer

    async def _fetched(self, call: Call, address: str) -> AsyncIterator[Seen]:
        """A state, as often as it says to wait, and the result that it leads to. Nobody sends a key along."""
        for _ in range(PAGES):
            state = await self._ask(Call(call.name, "GET", URL(address).raw_path_qs), "")
            yield state
            if not isinstance(state.json, dict) or state.json.get("status") != "IN_PROGRESS":
                break
        for result in _addresses(state.json):
            yield await self._ask(Call(call.name, "GET", URL(result).raw_path_qs), "")

    async def _ask(self, call: Call, key: str) -> Seen:
        headers = {"Host": HOST, **call.headers} | ({"Authorization": f"Bearer {key}"} if key else {})
        url = URL(self.url + call.path, encoded=True)
        async with self.session.request(call.method, url, data=call.body, headers=headers) as answer:
            status = f"{answer.status} {answer.reason}"
            return Seen(status, tuple(answer.headers.items()), await answer.read())


def _further(call: Call, cursor: str) -> Call | None:
    """The same call for the next page; None where it takes no cursor."""
    body = json.loads(call.body or b"null")
    if call.path == "/j1ql":
        return replace(call, body=json.dumps({**body, "cursor": cursor}).encode())
    if isinstance(body, dict) and "cursor" in body.get("variables", ()):
        variables = {**body["variables"], "cursor": cursor}
        return replace(call, body=json.dumps({**body, "variables": variables}).encode())
    return None


def _cursor(answer: Seen) -> str | None:
    """That of a page, also where it is the answer of a root field."""
    value = answer.json
    for _ in range(3):
        if not isinstance(value, dict) or value.get("cursor"):
            break
        value = value.get("data") if "data" in value else next(iter(value.values()), None)
    return value.get("cursor") if isinstance(value, dict) else None


def _addresses(value: Any) -> Iterator[str]:
    """Every address in an answer; those of the gateway are all it should have."""
    if isinstance(value, str) and value.startswith("http") and ("/deferred/" in value or "/_results/" in value):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _addresses(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _addresses(item)


@asynccontextmanager
async def gateway(
    folder: Path,
    canaries: Canaries,
    policies: Mapping[str, list[dict[str, Any]]],
    how: Serving,
    *,
    present: bool,
    in_account: bool = True,
    **options: Any,
) -> AsyncIterator[Gateway]:
    """A gateway in front of a sandbox that has the canaries, or not; `in_account` says whether its account may have
    some too. `options` are those of the settings' `graph`."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(
            sandbox.running(
                sandbox.Options(account=ACCOUNT, page=ROWS + 1, serving=how, clock=lambda: NOW),
                graph(canaries, present=present),
                account(canaries, present=present and in_account),
            )
        )
        served = await stack.enter_async_context(serving(_settings(folder, upstream, options), world=_world()))
        await served.control.logins.found(Organization("acme", "Acme"), "one@acme.example")
        keys = {}
        for name, permissions in policies.items():
            key = NewKey(name, policy=json.dumps({"permissions": permissions}))
            issued = await served.control.tokens.create_account_key(Operator(), key, organization="acme")
            keys[name] = issued.secret
        session = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
        yield Gateway(served.data, upstream, keys, folder / "decisions.jsonl", session)


def _settings(folder: Path, upstream: sandbox.Running, options: Mapping[str, Any]) -> Any:
    folder.mkdir()
    create(folder / "gateway.db")
    binding = {"j1ql": f"{upstream.url}/j1ql", "graphql": f"{upstream.url}/graphql", "persister": upstream.url}
    return validated(
        {
            **{listener: {"port": 0} for listener in ("data", "admin", "ops")},
            "calibration": {"on": False},
            "secrets": {"identity": "i" * 32, "seal": "s" * 32},
            "store": {"sqlite": folder / "gateway.db"},
            "decision_log": {"file": folder / "decisions.jsonl"},
            "limits": {"page_rows": ROWS},
            "graph": options,
            "organizations": {
                "acme": {"upstream": binding | {"account": ACCOUNT, "credential": upstream.options.credential}}
            },
        }
    )


def _world() -> World:
    numbers = count()
    return World(now=lambda: NOW, randomness=lambda size: next(numbers).to_bytes(size, "big"))
