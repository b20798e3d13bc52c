"""Two gateways' stores on one database, the use cases over them, and a look into the database from outside."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import asyncpg

from gateway.control import Desk, LoginOptions, Logins, TokenOptions, desk_over
from gateway.keys import Principal, Project, ProjectRole, Variable, digest
from gateway.policy import Allowed, Condition, Narrowed, decide
from gateway.stores import Store, StoreOptions, open_store
from gateway.stores.tables import metadata
from laws.model import PROJECTS, REQUESTS, Model

PATIENT = {"sql_wait": 60.0, "loop_wait": 60.0, "lookup_timeout": 60.0}
"""A busy machine must not look like an outage."""


def _role(variables: Iterable[str], fixed: dict[str, Any]) -> ProjectRole:
    equals = fixed | {name: {"variable": name} for name in variables}
    condition = {"condition": {"stringEquals": equals}} if equals else {}
    statement = {"effect": "ALLOW", "actions": ["query:ReadGraphData"], "resources": ["*"]} | condition
    return ProjectRole((statement,), {name: Variable() for name in variables})


REAL_PROJECTS = MappingProxyType({
    slug: Project(slug, organization, slug, {name: _role(*role) for name, role in roles.items()})
    for slug, (organization, roles) in PROJECTS.items()
})  # fmt: skip


TABLES = [name for name in metadata.tables if name != "followers"]
"""All that a change could change; the gateways themselves write into the other one, all the time."""


class FileLook:
    """SQLite, looked at from outside."""

    def __init__(self, path: Path) -> None:
        self.options: dict[str, Any] = {"path": path}

    async def rows(self) -> dict[str, list[Any]]:
        with closing(sqlite3.connect(self.options["path"])) as connection:
            return {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in TABLES}

    def count(self, rows: dict[str, list[Any]], table: str) -> int:
        return len(rows[table])

    async def by_hand(self, statement: str) -> None:
        with closing(sqlite3.connect(self.options["path"])) as connection, connection:
            connection.execute(statement)

    async def digests(self) -> list[str]:
        with closing(sqlite3.connect(self.options["path"])) as connection:
            return [digest for (digest,) in connection.execute("SELECT digest FROM keys")]

    def bytes(self) -> bytes:
        """All that is on the disk, the write-ahead log too."""
        path = self.options["path"]
        return b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))


class ServerLook:
    """PostgreSQL, looked at from outside."""

    def __init__(self, server: Any, url: str) -> None:
        self.options: dict[str, Any] = {"path": Path("/nowhere/gateway.db"), "url": url}
        self._server = server
        self._connection: asyncpg.Connection[Any] | None = None

    async def rows(self) -> dict[str, list[Any]]:
        if self._connection is None:
            self._connection = await asyncpg.connect(self.options["url"])
        parts = (f"(SELECT json_agg(t ORDER BY t::text) FROM {name} t)::text AS {name}" for name in TABLES)
        (row,) = await self._connection.fetch(f"SELECT {', '.join(parts)}")
        return {name: [text] for name, text in row.items()}

    def count(self, rows: dict[str, list[Any]], table: str) -> int:
        return len(json.loads(rows[table][0] or "[]"))

    async def by_hand(self, statement: str) -> None:
        self._server.tell(self.options["url"], statement)

    async def digests(self) -> list[str]:
        assert self._connection is not None
        return [row["digest"] for row in await self._connection.fetch("SELECT digest FROM keys")]

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    def bytes(self) -> bytes:
        return self._server.dump(self.options["url"]).encode()


Look = FileLook | ServerLook

_COPIES = itertools.count()


def copied(server: Any, url: str) -> str:
    """The address of a copy of a database that nobody is connected to."""
    name = f"copy_{next(_COPIES)}"
    server.tell("postgres", f"CREATE DATABASE {name} TEMPLATE {url.rpartition('/')[2]}")
    return str(server.url(name))


@dataclass
class Worker:
    """One gateway process's store, and the use cases over it."""

    store: Store
    desk: Desk
    logins: Logins

    async def find(self, secret: str) -> Any:
        """As the data path asks."""
        its = digest(secret)
        return self.store.resolver.held(its) or await self.store.resolver.find(its)


@dataclass
class Randomness:
    """Bytes that nobody foresees but who knows the number; the same in every run, so that a failure can be replayed."""

    drawn: int = 0

    def __call__(self, size: int) -> bytes:
        self.drawn += 1
        return hashlib.shake_256(str(self.drawn).encode()).digest(size)


@asynccontextmanager
async def worker(
    look: Look, now: Callable[[], int], randomness: Callable[[int], bytes], **options: Any
) -> AsyncIterator[Worker]:
    given = TokenOptions(projects=REAL_PROJECTS)
    async with open_store(StoreOptions(**look.options | PATIENT | options), projects=REAL_PROJECTS) as store:
        desk = desk_over(store.registry, given, now, randomness)
        yield Worker(store, desk, Logins(store.registry, LoginOptions(), now, randomness))


@dataclass
class World:
    """A model, what is to agree with it, and the loop in which that lives."""

    look: Look
    model: Model = field(default_factory=Model)
    workers: list[Worker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._runner = asyncio.Runner()
        self._stack: Any = None
        self._opened: list[Any] = []
        randomness = Randomness()
        for _ in range(2):
            opened = worker(self.look, lambda: self.model.now, randomness)
            self.workers.append(self.run(opened.__aenter__()))
            self._opened.append(opened)

    def run(self, work: Any) -> Any:
        return self._runner.run(work)

    def close(self) -> None:
        for opened in reversed(self._opened):
            self.run(opened.__aexit__(None, None, None))
        if isinstance(self.look, ServerLook):
            self.run(self.look.close())
        self._runner.close()


def authority(principal: Principal) -> frozenset[int]:
    """The numbers of the REQUESTS that a principal may make, by the real decision."""
    found = set()
    for number, (action, resource, thing) in enumerate(REQUESTS):
        match decide(principal.policy, action, resource):
            case Allowed():
                found.add(number)
            case Narrowed(predicate) if _any(predicate.allows, thing) and not _any(predicate.denies, thing):
                found.add(number)
    return frozenset(found)


def _any(conditions: Iterable[Condition], thing: dict[str, str]) -> bool:
    return any(all(thing.get(name) in values for name, values in each.equals) for each in conditions)
