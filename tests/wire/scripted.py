"""An upstream that does what each connection's script says, byte by byte, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from wire.reading import Unreadable

_FRAMING = re.compile(rb"^(content-length|transfer-encoding):[ \t]*(.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE)


@dataclass
class Asked:
    """One request as it came: its head whole, and its body as far as it was read."""

    head: bytes
    body: bytes = b""

    @property
    def line(self) -> bytes:
        return self.head.partition(b"\r\n")[0]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        lines = self.head.split(b"\r\n")[1:-2]
        return [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]


class Connection:
    """The upstream's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: ScriptedUpstream) -> None:
        self.reader = reader
        self.writer = writer
        self.upstream = upstream

    async def request(self) -> Asked:
        """The next request, its body too. Raises EOFError where the gateway hangs up instead."""
        asked = await self.head()
        await self.body(asked)
        return asked

    async def head(self) -> Asked:
        asked = Asked(await self.reader.readuntil(b"\r\n\r\n"))
        self.upstream.asked.append(asked)
        return asked

    async def body(self, asked: Asked) -> None:
        framing = {name.lower(): value for name, value in _FRAMING.findall(asked.head.replace(b"\r\n", b"\n"))}
        if b"transfer-encoding" in framing:
            if len(framing) > 1 or framing[b"transfer-encoding"] != b"chunked":
                raise Unreadable(asked.head)
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                asked.body += (await self.reader.readexactly(size + 2))[:-2]
            assert await self.reader.readexactly(2) == b"\r\n"
        else:
            asked.body += await self.reader.readexactly(int(framing.get(b"content-length", b"0")))

    async def say(self, *pieces: bytes) -> None:
        """Each piece in a segment of its own."""
        for piece in pieces:
            if self.writer.is_closing():
                raise ConnectionResetError
            self.writer.write(piece)
            await self.writer.drain()
            for _ in range(4):
                await asyncio.sleep(0)

    async def gone(self) -> None:
        """Waits until the gateway closes the connection."""
        while await self.reader.read(65536):
            pass

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Script = Callable[[Connection], Awaitable[None]]


@dataclass
class ScriptedUpstream:
    """The n-th connection follows the n-th script, later ones the last; a script that ends closes its connection."""

    scripts: list[Script] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    port: int = 0
    faults: list[BaseException] = field(default_factory=list)
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/a"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        script = self.scripts[min(self.connections, len(self.scripts)) - 1]
        try:
            await script(Connection(reader, writer, self))
        except (ConnectionError, EOFError, ssl.SSLError):
            pass  # the gateway left
        except Exception as fault:  # noqa: BLE001 (the test must hear of it)
            self.faults.append(fault)
        finally:
            self.open -= 1
            writer.close()

    async def idle(self) -> None:
        """Waits until all of its connections have ended."""
        while self.open:  # noqa: ASYNC110 (no event tells it)
            await asyncio.sleep(0.005)


@asynccontextmanager
async def scripted(*scripts: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedUpstream]:
    upstream = ScriptedUpstream(list(scripts), scheme="https" if tls else "http")
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, ssl=tls)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        async with asyncio.timeout(10):
            await upstream.idle()
    assert upstream.faults == []


def says(*pieces: bytes, close: bool = False) -> Script:
    """Reads a request, body too, and says these pieces; for ever, unless it is to close then."""

    async def script(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.say(*pieces)
            if close:
                return

    return script
