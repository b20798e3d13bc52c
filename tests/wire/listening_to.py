"""A listener round a handler of a test's own, and a raw client of it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.http1 import Refusal, Reply
from gateway.proxy import listening
from gateway.proxy.wire import ClientGone, Incoming, Stop
from wire.room import PATIENT

Serve = Callable[[Incoming], Awaitable[None]]


@dataclass
class Conversation:
    """What came back on one connection, to its end; a reset tells a client that the last answer is not whole."""

    raw: bytes
    reset: bool


@dataclass
class Listening:
    """`ended` has how each call ended: `answered`, or the name of what was raised."""

    port: int
    ended: list[str] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def send(self, *pieces: bytes) -> Conversation:
        """Sends the pieces one after the other, and reads to the end."""
        reader, writer = await self.connect()
        for piece in pieces:
            if writer.is_closing():
                break  # by a reset
            writer.write(piece)
            await asyncio.sleep(0.01)
        return await rest(reader, writer)

    async def until(self, count: int) -> None:
        """Waits until so many calls have ended."""
        while len(self.ended) < count:  # noqa: ASYNC110 (no event tells it)
            await asyncio.sleep(0.005)


async def rest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Conversation:
    raw, reset = b"", False
    try:
        while piece := await reader.read(1 << 16):
            raw += piece
    except ConnectionResetError:
        reset = True
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return Conversation(raw, reset)


def reset(writer: asyncio.StreamWriter) -> None:
    """Leaves as a process does that is killed."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@asynccontextmanager
async def listening_to(serve: Serve, *, tls: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[Listening]:
    """As the gateway's handler does, a Stop is answered, or cuts what has begun; and who has left is left."""
    ended: list[str] = []

    async def served(incoming: Incoming) -> None:
        try:
            await _served(serve, incoming)
        except BaseException as fault:
            ended.append(type(fault).__name__)
            if not isinstance(fault, ClientGone):
                raise
            incoming.cut()
        else:
            ended.append("answered")

    found = listening(served, _reply, host="127.0.0.1", port=0, options=replace(PATIENT, **options), tls=tls)
    async with found as listener:
        yield Listening(listener.port, ended)


async def _served(serve: Serve, incoming: Incoming) -> None:
    try:
        await serve(incoming)
    except Stop as stop:
        if incoming.begun:
            incoming.cut()
        else:
            await incoming.answer(_reply(stop.refusal))


def _reply(refusal: Refusal) -> Reply:
    return Reply(refusal.status, refusal.reason.encode())


async def whole(incoming: Incoming) -> bytes:
    """The body of a call."""
    body = b""
    while piece := await incoming.read():
        body += piece
    return body
