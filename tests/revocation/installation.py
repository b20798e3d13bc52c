"""Gateways of one installation in several processes, the keys in it, and a small upstream behind them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.app import Control, opened_control
from gateway.control import Issued, NewKey, NewUser
from gateway.keys import Operator, Role
from gateway.settings import validated
from gateway.stores import Organization
from revocation.connections import Connection, Reply, connected, request, served_by
from revocation.processes import Sections, Serving, loop_beside, opened_in

LEASE = 1.0
"""Seconds; half of the default, so that tests wait half as long."""

_PATIENT = {"lease": LEASE, "sql_wait": 30.0, "lookup_timeout": 3.0, "redis_timeout": 1.0}
"""Seconds, longer than the defaults: a busy machine must not look like an outage."""

_ACME = "acme"


@dataclass
class Installation:
    """Gateways that serve, and keys of the organization `acme`. Times are seconds."""

    gateways: Sequence[Serving]
    sections: Sections
    """The settings of the first gateway."""
    admin: str = ""
    """The secret of an administrator's key."""
    opened: list[Connection] = field(default_factory=list)
    """Connections of clients; who opens them has them closed."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def workers(self) -> list[int]:
        return [pid for each in self.gateways for pid in each.workers()]

    def _control(self) -> AbstractAsyncContextManager[Control]:
        return opened_control(validated({name: self.sections[name] for name in ("secrets", "store")}))

    async def found(self) -> None:
        """Its organization and administrator."""
        async with self._control() as control:
            await control.logins.found(Organization(_ACME, "Acme"), "first@acme.example")
            wanted = NewUser("admin@acme.example", Role.ORGANIZATION_ADMIN)
            owner = await control.people.add_user(Operator(), wanted, organization=_ACME)
            self.admin = (await control.tokens.create_user_key(Operator(), NewKey("admin"), owner=owner)).secret

    async def keys(self, count: int) -> list[Issued]:
        """New keys that may read everything."""
        async with self._control() as control:
            wanted = [NewKey(f"key {next(self._numbers)}") for _ in range(count)]
            create = control.tokens.create_organization_key
            return [await create(Operator(), each, organization=_ACME) for each in wanted]

    async def connect(self, gateway: int = 0) -> Connection:
        connection = await connected(self.gateways[gateway].ports["data"])
        self.opened.append(connection)
        return connection

    async def close(self) -> None:
        """Closes the connections."""
        while self.opened:
            await self.opened.pop().close()

    async def connections(self, per_worker: int) -> dict[Connection, int]:
        """So many connections to each worker, with the process that serves it."""
        found: dict[Connection, int] = {}
        for gateway in range(len(self.gateways)):
            found |= await self._to(gateway, per_worker)
        return found

    async def _to(self, gateway: int, per_worker: int) -> dict[Connection, int]:
        """The kernel shares connections out by chance: those that are too many are not used."""
        workers = self.gateways[gateway].workers()
        kept: dict[Connection, int] = {}
        while len(kept) < per_worker * len(workers):
            connection = await self.connect(gateway)
            assert (await connection.ask(whoami(self.admin))).status == 200
            pid = served_by([connection], workers)[connection]
            if list(kept.values()).count(pid) < per_worker:
                kept[connection] = pid
        return kept


def whoami(key: str) -> bytes:
    return request("GET", "/whoami", key)


def query(key: str) -> bytes:
    """A call that goes through to the upstream."""
    return request("POST", "/j1ql", key, {"query": "FIND Host"})


async def revoke_by_graphql(connection: Connection, admin: str, key: Issued) -> Reply:
    """As JupiterOne's clients do it."""
    mutation = "mutation ($id: String!) { revokeToken(id: $id) { id revoked } }"
    body = {"query": mutation, "variables": {"id": key.key.id}}
    reply = await connection.ask(request("POST", "/graphql", admin, body))
    assert (reply.status, b'"revoked":true' in reply.body) == (200, True), reply
    return reply


async def revoke_by_delete(connection: Connection, admin: str, key: Issued) -> Reply:
    """As Rapid7's clients do it."""
    reply = await connection.ask(request("DELETE", f"/account/api/1/api-keys/{key.key.id}", admin))
    assert reply.status == 204, reply
    return reply


def settings(
    upstream: str, store: Mapping[str, Any], *, limits: Mapping[str, int] = {}, timeouts: Mapping[str, float] = {}
) -> Sections:
    """Those of one gateway; its listeners are chosen when it is started."""
    places = {"j1ql": f"{upstream}/j1ql", "graphql": f"{upstream}/graphql", "persister": upstream}
    return {
        "calibration": {"on": False},
        "secrets": {"identity": "i" * 32, "seal": "s" * 32},
        "store": {**_PATIENT, **store},
        f"organizations.{_ACME}.upstream": {**places, "account": _ACME, "credential": "ours"},
        # A worker that is stopped while it writes would hold SQLite's one lock for as long: that is another matter.
        "keys": {"last_used_seconds": 3600},
        # A connection that has done its share stays open until all have, so that it can be told who served it.
        "timeouts": {"client_keepalive": 3600, **timeouts},
        "limits": limits,
    }


@asynccontextmanager
async def _answering() -> AsyncIterator[str]:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.json_response({"type": "list", "data": []})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextmanager
def surroundings() -> Iterator[tuple[asyncio.AbstractEventLoop, str]]:
    """A loop beside the test, and an upstream in it that answers every call at once with no rows."""
    with loop_beside() as loop, opened_in(loop, _answering()) as url:
        yield loop, url
