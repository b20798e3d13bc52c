"""A TCP proxy between one gateway and its PostgreSQL: what a network does to their connections, done on purpose.

cut        every connection is reset, and new ones are refused
swallow    bytes vanish in a direction, without a sign: the connections stand, as behind a firewall that forgot them
hold       nothing comes through for a while, and nothing is lost
delay      everything to the server takes longer
restore    all is well again; connections that have lost bytes are reset, as their peers would find out in time
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum


class Way(Enum):
    TO_SERVER = "to the server"
    FROM_SERVER = "from the server"


class _Line:
    """One connection of the gateway, and ours beyond it."""

    def __init__(self, *ends: asyncio.StreamWriter) -> None:
        self.said = bytearray()
        """All that the gateway has said on it."""
        self.lossy = False
        self._ends = ends

    def reset(self) -> None:
        for end in self._ends:
            end.transport.abort()


class Cable:
    """Make it with `cable`. Its methods may be called in any thread, and have taken effect when they return."""

    def __init__(self, server: int, loop: asyncio.AbstractEventLoop) -> None:
        self.port = 0
        self._server = server
        self._loop = loop
        self._lines: set[_Line] = set()
        self._refusing = False
        self._swallowed: tuple[Way, ...] = ()
        self._swallowed_on = b""
        self._delay = 0.0
        self._delayed_on = b""
        self._flows = asyncio.Event()
        self._flows.set()

    def cut(self) -> None:
        def act() -> None:
            self._refusing = True
            for line in self._lines:
                line.reset()

        self._do(act)

    def swallow(self, *ways: Way, only: bytes = b"") -> None:
        """From now on, on connections over which `only` was ever said."""

        def act() -> None:
            self._swallowed, self._swallowed_on = ways, only

        self._do(act)

    def hold(self) -> None:
        self._do(self._flows.clear)

    def delay(self, seconds: float, *, only: bytes = b"") -> None:
        """From now on, on connections over which `only` was ever said, from that moment."""

        def act() -> None:
            self._delay, self._delayed_on = seconds, only

        self._do(act)

    def restore(self) -> None:
        def act() -> None:
            self._refusing, self._swallowed, self._delay = False, (), 0.0
            self._flows.set()
            for line in self._lines:
                if line.lossy:
                    line.reset()

        self._do(act)

    def heard(self, words: bytes) -> int:
        """How often this was said to the server, on connections that still stand."""
        return sum(bytes(line.said).count(words) for line in tuple(self._lines))

    def _do(self, act: Callable[[], None]) -> None:
        async def acted() -> None:
            act()

        asyncio.run_coroutine_threadsafe(acted(), self._loop).result()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        there, beyond = await asyncio.open_connection("127.0.0.1", self._server)
        line = _Line(writer, beyond)
        self._lines.add(line)
        carried = self._carry(line, reader, beyond, Way.TO_SERVER), self._carry(line, there, writer, Way.FROM_SERVER)
        try:
            await asyncio.gather(*carried)
        finally:
            self._lines.discard(line)

    async def _carry(self, line: _Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        with suppress(OSError):
            while part := await reader.read(65_536):
                if way is Way.TO_SERVER:
                    line.said += part
                    await asyncio.sleep(self._delay if self._delayed_on in line.said else 0)
                await self._flows.wait()
                if way in self._swallowed and self._swallowed_on in line.said:
                    line.lossy = True
                else:
                    writer.write(part)
                    await writer.drain()
        writer.close()


@asynccontextmanager
async def cable(server: int) -> AsyncIterator[Cable]:
    """A cable to this port of the machine; it carries as long as the block runs."""
    made = Cable(server, asyncio.get_running_loop())
    listening = await asyncio.start_server(made.connected, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()
