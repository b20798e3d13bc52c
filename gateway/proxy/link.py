"""One TCP connection of ours, whichever end opened it: bytes in go to a `Reader`, and whoever waits is told.

Two things can be waited for at once, each until its own deadline: that something comes, and that what was written
leaves. The other end is made to wait likewise: while more has come than is being read, nothing is read from the socket.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import time
from collections.abc import Awaitable
from typing import cast

from gateway.http1.reader import Reader
from gateway.proxy.deadlines import Deadlines

NEVER = math.inf
"""The deadline of what may take for ever."""

_ENOUGH = 64 * 1024
"""Bytes that may wait to be read before the socket is left alone: about what one reading brings."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Wait:
    """Something that one party waits for. `happened` is remembered by nobody: look first, then wait."""

    __slots__ = ("_future", "_until")

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None
        self._until = NEVER

    async def until(self, deadline: float) -> None:
        """Raises TimeoutError past the deadline, seconds of the loop's clock."""
        future = self._future = asyncio.get_running_loop().create_future()
        self._until = deadline
        try:
            await future
        finally:
            if self._future is future:  # one who was cancelled may find another waiting in its place
                self._future = None

    def happened(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    def strike(self, now: float) -> None:
        if self._future is not None and now >= self._until and not self._future.done():
            self._future.set_exception(TimeoutError())


class Link(asyncio.Protocol):
    """Our end of a connection."""

    def __init__(self, reader: Reader, deadlines: Deadlines) -> None:
        self.reader = reader
        self.transport: asyncio.Transport | None = None
        """None before there is a connection, and when it is gone."""
        self.last_came = 0.0
        """When the last bytes came, seconds of `time.monotonic`."""
        self._deadlines = deadlines
        self._coming = Wait()
        self._leaving = Wait()
        self._holding_back = False
        self._is_full = False
        self._abort_at = NEVER

    # --- what the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._deadlines.add(self)

    def data_received(self, data: bytes) -> None:
        self.last_came = time.monotonic()
        if self.reader.receive(data) > _ENOUGH and not self._holding_back and self.transport is not None:
            self._holding_back = True
            self.transport.pause_reading()
        self._coming.happened()

    def eof_received(self) -> bool:
        """True keeps our half of the connection open."""
        self.reader.receive_end()
        self._coming.happened()
        return False

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._leaving.happened()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (why does not matter: it is gone)
        self.transport = None
        self._deadlines.discard(self)
        self.reader.receive_end()
        self._coming.happened()
        self._leaving.happened()

    # --- what the owner does

    def more(self, deadline: float) -> Awaitable[None]:
        """Waits until something has come, or will not come any more. Raises TimeoutError past the deadline."""
        self.read_on()
        return self._coming.until(deadline)

    def read_on(self) -> None:
        """Reads from the socket again, if it was left alone: also to hear that the other end has left."""
        if self._holding_back and self.transport is not None:
            self._holding_back = False
            self.transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Raises ConnectionError when the connection is gone."""
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError
        self.transport.write(data)

    async def written(self, deadline: float) -> None:
        """Waits until there is room to write more. Raises TimeoutError and ConnectionError."""
        while self._is_full:
            if self.transport is None:
                raise ConnectionResetError
            await self._leaving.until(deadline)

    def close(self) -> None:
        """What was written still leaves."""
        if self.transport is not None:
            self.transport.close()

    def cut(self) -> None:
        """Resets the connection: a mere close may look like the regular end of what was being sent."""
        if self.transport is None:
            return
        connection = self.transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()

    def abort_at(self, deadline: float) -> None:
        """The connection is given up then, whoever waits for what."""
        self._abort_at = deadline

    def strike(self, now: float) -> None:
        """See `deadlines.Timed`."""
        self._coming.strike(now)
        self._leaving.strike(now)
        if now >= self._abort_at and self.transport is not None:
            self.transport.abort()
