"""What tests of leases share: gateways in other processes, a wire that can be slow or silent, looks from outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import Engine, event

from gateway.keys import Digest, Principal

LOOSE = 5.0
"""Seconds that a busy machine may add to what a test waits for."""


class Process:
    """A gateway in another process, which tells what it finds."""

    def __init__(self, process: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.process, self._reader, self._writer = process, reader, writer

    async def find(self, digest: Digest) -> str:
        self.ask(digest)
        return await self.answer()

    def ask(self, digest: Digest) -> None:
        self._writer.write(digest.encode() + b"\n")

    async def answer(self) -> str:
        return (await self._reader.readline()).decode().strip()


class Wire:
    """What lies between a gateway and its server on loopback: it can be slow, silent, or cut."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.delay = 0.0
        """Seconds that everything takes to the server."""
        self.slow: bytes | None = None
        """Only on connections over which this was ever said."""
        self._server_port = port
        self._flows = asyncio.Event()
        self._flows.set()

    def lead_to(self, port: int) -> None:
        """Where connections go from now on; those that are open stay."""
        self._server_port = port

    def stop(self) -> None:
        """Nothing comes through until `go_on`; connections stay."""
        self._flows.clear()

    def go_on(self) -> None:
        self._flows.set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, beyond = await asyncio.open_connection("127.0.0.1", self._server_port)
        with suppress(OSError):
            await asyncio.gather(self._carry(reader, beyond, slow=True), self._carry(there, writer, slow=False))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool) -> None:
        said = b""
        try:
            while part := await reader.read(65_536):
                said += part if slow else b""
                await self._flows.wait()
                if slow and self.delay and (self.slow is None or self.slow in said):
                    await asyncio.sleep(self.delay)
                    await self._flows.wait()
                writer.write(part)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def wired(database: Any) -> AsyncIterator[tuple[Wire, str]]:
    """A wire to the server of a database, and the address at its near end."""
    port = int(database.options["url"].rpartition(":")[2].partition("/")[0])
    wire = Wire(port)
    server = await asyncio.start_server(wire.connected, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire, database.options["url"].replace(f":{port}/", f":{wire.port}/")
    finally:
        wire.go_on()
        server.close()


def journal_of(store: Any) -> Any:
    return store.store.resolver._journal


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(10 * LOOSE):
        while not true():  # noqa: ASYNC110 (of a server, too, which sets no event)
            await asyncio.sleep(0.01)


async def warm(store: Any, its: Digest) -> None:
    """It has a lease, and the key in memory."""
    assert isinstance(await store.find(its), Principal)
    journal = journal_of(store)
    await until(lambda: journal._clock() < journal._trusted_until)


def at_once(call: Any) -> Any:
    """What a coroutine returns that does not suspend, and so has asked nobody."""
    with pytest.raises(StopIteration) as ended:
        call.send(None)
    return ended.value.value


def rows(database: Any) -> set[str]:
    return {name for (name,) in database.by_hand("SELECT id FROM followers")} - {""}


async def seconds(done: Awaitable[Any]) -> float:
    began = time.monotonic()
    await done
    return time.monotonic() - began


@asynccontextmanager
async def statements() -> AsyncIterator[list[str]]:
    """What this process says to any database meanwhile."""
    said: list[str] = []

    def note(*call: Any) -> None:
        said.append(call[2])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(Engine, "before_cursor_execute", note)
