"""Redis with more than one process: Sentinel, Cluster; and a wire to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
from conftest import RedisServer

PATIENCE = 60.0
"""Seconds that a busy machine may take."""


def until(true: Callable[[], Any]) -> None:
    """Of servers, which may refuse to answer meanwhile."""
    end = time.monotonic() + PATIENCE
    while True:
        with suppress(redis.RedisError, IndexError):
            if true():
                return
        assert time.monotonic() < end
        time.sleep(0.05)


def raw(server: RedisServer) -> redis.Redis:
    return redis.Redis(port=server.port, password=server.password)


class SentinelServer(RedisServer):
    """One Sentinel, which alone decides that a master is down."""

    def __init__(self, folder: Path, master: RedisServer) -> None:
        super().__init__(folder)
        self._file = folder / "sentinel.conf"
        self._file.write_text(
            f"""
            bind 127.0.0.1
            port {self.port}
            dir {folder}
            requirepass {self.password}
            sentinel monitor main 127.0.0.1 {master.port} 1
            sentinel auth-pass main {master.password}
            sentinel down-after-milliseconds main 1000
            sentinel failover-timeout main 5000
            """
        )

    def _words(self) -> list[str]:
        return ["redis-server", str(self._file), "--sentinel"]


class Watched:
    """A master with one replica, and a Sentinel that watches them."""

    def __init__(self, folder: Path) -> None:
        self.master = RedisServer(folder)
        own = ("--masterauth", self.master.password, "--repl-diskless-sync-delay", "0")
        following = (*own, "--replicaof", "127.0.0.1", str(self.master.port))
        self.replica = RedisServer(folder, *following, password=self.master.password)
        self.sentinel = SentinelServer(folder, self.master)
        self.servers = (self.master, self.replica, self.sentinel)

    @property
    def url(self) -> str:
        nobody = "127.0.0.1:1"  # a Sentinel that is down
        there = f"127.0.0.1:{self.sentinel.port}"
        query = f"master=main&sentinel_password={self.sentinel.password}"
        return f"redis+sentinel://:{self.master.password}@{nobody},{there}/0?{query}"

    def master_port(self) -> int:
        """As the Sentinel tells."""
        return int(raw(self.sentinel).sentinel_master("main")["port"])

    def ready(self) -> None:
        """The replica follows, and the Sentinel knows that it could take over."""
        until(lambda: raw(self.replica).info("replication")["master_link_status"] == "up")
        until(lambda: raw(self.sentinel).sentinel_slaves("main")[0]["master-link-status"] == "ok")
        until(lambda: raw(self.sentinel).sentinel_slaves("main")[0]["slave-priority"] == 100)


@contextmanager
def running(*servers: RedisServer) -> Iterator[None]:
    try:
        for server in servers:
            server.start()
        yield
    finally:
        for server in servers:
            server.kill()


class Wire:
    """A TCP relay that can go silent for all connections there are, without closing one, and lead elsewhere."""

    def __init__(self, target):
        self.target = target
        self.connections = 0
        self._silent = 0
        self._open = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def swallow(self):
        self._silent = self.connections

    async def _relay(self, reader, writer):
        self.connections += 1
        number = self.connections
        there = await asyncio.open_connection("127.0.0.1", self.target)
        pumps = [asyncio.ensure_future(self._pump(*pair, number)) for pair in ((reader, there[1]), (there[0], writer))]
        self._open.update(pumps)
        await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, reader, writer, number):
        try:
            while data := await reader.read(65536):
                if number > self._silent:
                    writer.write(data)
        finally:
            writer.close()
