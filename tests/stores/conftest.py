"""A database of the test's own, keys in it, and other processes that work on it."""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import gateway
from gateway.keys import Digest, Extent, Identity, Key, Kind, Principal, digest, principal
from gateway.stores import (
    KeyQuery,
    Level,
    Organization,
    Outcome,
    RedisFault,
    Registry,
    Store,
    StoreOptions,
    create,
    make_store,
    open_store,
)
from gateway.stores.tables import metadata

SECRETS = itertools.count()


@dataclass
class Seen:
    """What an observer was told, and a clock that stands still until a test moves it."""

    looked_up_: Counter[tuple[Level, Outcome]] = field(default_factory=Counter)
    faults: list[RedisFault] = field(default_factory=list)
    counted_: Counter[str] = field(default_factory=Counter)
    acknowledged: list[float] = field(default_factory=list)
    clock: float = 0.0

    def looked_up(self, level: Level, outcome: Outcome) -> None:
        self.looked_up_[level, outcome] += 1

    def redis_failed(self, fault: RedisFault) -> None:
        self.faults.append(fault)

    def counted(self, where: str) -> None:
        self.counted_[where] += 1

    def change_acknowledged(self, seconds: float) -> None:
        self.acknowledged.append(seconds)

    def timer(self) -> float:
        return self.clock

    def take(self) -> dict[tuple[Level, Outcome], int]:
        """What was looked up since the last time."""
        counts, self.looked_up_ = dict(self.looked_up_), Counter()
        return counts


@dataclass
class Opened:
    store: Store
    seen: Seen
    options: StoreOptions

    @property
    def registry(self) -> Registry:
        return self.store.registry

    @staticmethod
    def compiled(key: Key) -> Principal:
        """What an installation without projects makes of a key."""
        return principal(key, {})

    async def keys(self, organization: str | None) -> tuple[Key, ...]:
        """All keys of an organization, of all for None; no sessions."""
        extent = (Extent(organization=organization),)
        return await self.registry.keys(KeyQuery(dict.fromkeys(Kind, extent), limit=1_000))

    async def find(self, digest: Digest) -> Any:
        """As the data path asks."""
        return self.store.resolver.held(digest) or await self.store.resolver.find(digest)

    async def new_key(self, **changed: Any) -> tuple[Key, Digest]:
        """A live account key in the organization `acme`."""
        number = next(SECRETS)
        identity = Identity(f"identity-{number}", Kind.ACCOUNT, "acme")
        policy = '{"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]}'
        key = Key(f"key-{number}", identity, "a key", None, policy, "gwa_1234", 1_000, None, None, None)
        key = replace(key, **changed)
        taken = digest(f"secret {number} of process {os.getpid()}")
        async with self.registry.change() as change:
            if await change.organization("acme") is None:
                await change.add_organization(Organization("acme", "Acme"))
            await change.add_identity(key.identity)
            await change.add_key(key, taken)
        return key, taken

    async def revoke(self, key: Key) -> None:
        async with self.registry.change() as change:
            await change.revoke_key(key.id, at=2_000, by="operator")


@pytest.fixture
def unknown() -> Digest:
    """A digest that no key has, in no test."""
    return digest(f"nobody's secret {next(SECRETS)} of process {os.getpid()}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "gateway ?%20#.db"  # whatever a folder may be called
    create(path)
    return path


class FileDatabase:
    """SQLite. By hand: not through the gateway."""

    kind = "sqlite"

    def __init__(self, path: Path) -> None:
        self.options: dict[str, Any] = {"path": path}
        self._path = path

    def by_hand(self, *statements: str) -> list[Any]:
        """Runs statements in one transaction; the rows of the last."""
        with closing(sqlite3.connect(self._path)) as connection, connection:
            return [connection.execute(statement).fetchall() for statement in statements][-1]

    def dump(self) -> list[str]:
        """All rows of all tables."""
        with closing(sqlite3.connect(self._path)) as connection:
            return list(connection.iterdump())


class ServerDatabase:
    """PostgreSQL."""

    kind = "postgresql"

    def __init__(self, server: Any, url: str) -> None:
        self.options: dict[str, Any] = {"path": Path("/nowhere/gateway.db"), "url": url}
        self._server, self._url = server, url
        self.name = url.rpartition("/")[2]

    def by_hand(self, *statements: str) -> list[Any]:
        told = self._server.tell(self._url, "; ".join(statements))
        return [tuple(line.split("|")) for line in told.splitlines()]

    def dump(self) -> list[str]:
        """All rows of all tables, but for what gateways say of themselves every moment."""
        names = [name for name in metadata.tables if name != "followers"]
        tables = [f"SELECT '{name}', to_jsonb({name}) FROM {name} ORDER BY 2" for name in names]
        return self._server.tell(self._url, "; ".join(tables)).splitlines()


@pytest.fixture(scope="session")
def contract_url(postgres: Any) -> tuple[str, str]:
    """A database that every test finds as it was just made, and the dump that makes it so."""
    url = postgres.new_database()
    asyncio.run(make_store(StoreOptions(Path("/nowhere"), url=url)))
    return url, postgres.dump(url)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test of the contract runs on both databases; one that takes `path` is about SQLite's file."""
    own = (mark for mark in metafunc.definition.iter_markers("parametrize") if mark.args[0] == "database")
    if "database" in metafunc.fixturenames and not any(own):
        kinds = ["sqlite"] if "path" in metafunc.fixturenames else ["sqlite", "postgresql"]
        metafunc.parametrize("database", kinds, indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> FileDatabase | ServerDatabase:
    if request.param == "sqlite":
        return FileDatabase(request.getfixturevalue("path"))
    server, (url, dump) = request.getfixturevalue("postgres"), request.getfixturevalue("contract_url")
    server.restore(url, dump)
    return ServerDatabase(server, url)


Open = Callable[..., Awaitable[Opened]]

# A busy machine must not look like an outage; tests of outages set their own.
PATIENT = {"sql_wait": 60.0, "loop_wait": 60.0, "lookup_timeout": 60.0, "redis_timeout": 10.0}


@pytest.fixture
async def opened(database: FileDatabase | ServerDatabase) -> AsyncIterator[Open]:
    """Opens stores on the database, each as another process would; the options can be changed by name."""
    async with AsyncExitStack() as stores:

        async def open_(**changed: Any) -> Opened:
            return await stores.enter_async_context(_open(StoreOptions(**database.options | PATIENT | changed)))

        yield open_


@pytest.fixture(params=["sql", "sql and redis"])
def levels(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Options for the two ways a resolver can be put together."""
    return {} if request.param == "sql" else {"redis_url": request.getfixturevalue("redis_url")}


@asynccontextmanager
async def _open(options: StoreOptions) -> AsyncIterator[Opened]:
    seen = Seen()
    async with open_store(options, observer=seen, timer=seen.timer) as store:
        yield Opened(store, seen, options)


@pytest.fixture
def opening() -> Callable[[StoreOptions], AbstractAsyncContextManager[Opened]]:
    """For tests that close a store themselves."""
    return _open


_SCRIPT = """
import asyncio, sys
from pathlib import Path
from gateway.keys import Identity, Key, Kind, digest
from gateway.stores import AuditEvent, StoreOptions, open_store

{act}

async def main():
    async with open_store(StoreOptions(Path(sys.argv[1]), sys.argv[2] or None, sql_wait=60.0)) as store:
        await act(store, *sys.argv[3:])

asyncio.run(main())
"""

Elsewhere = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def elsewhere(database: FileDatabase | ServerDatabase) -> AsyncIterator[Elsewhere]:
    """Starts another process that runs `async def act(store, *arguments)` on the same database."""
    started = []

    async def start(act: str, *arguments: str) -> asyncio.subprocess.Process:
        environment = os.environ | {"PYTHONPATH": str(Path(gateway.__file__).parents[1])}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _SCRIPT.format(act=act),
            str(database.options["path"]),
            database.options.get("url", ""),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()
