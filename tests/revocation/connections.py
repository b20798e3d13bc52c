"""Keep-alive connections of a client that pipelines its calls: cheap, and every answer is accounted for.

And which process serves one: the kernel's table of TCP sockets has the inode of the server's end (`/proc/net/tcp`, see
proc(5)), and the files of a process name the inodes of its sockets. Linux only.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

LOST = 0
"""The status of a call whose connection ended before its answer was whole."""

MAPPED = Path("/proc/net/tcp").exists()
"""Whether it can be told here which process serves a connection."""

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes


def request(method: str, path: str, key: str, body: Any = None) -> bytes:
    """A whole call with `key` as its bearer, and a JSON body unless that is None."""
    sent = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: gateway", f"Authorization: Bearer {key}"]
    lines += [] if body is None else ["Content-Type: application/json"]
    return "\r\n".join([*lines, f"Content-Length: {len(sent)}", "", ""]).encode() + sent


class Connection(asyncio.Protocol):
    """Make it with `connected`. What was written when `call` returns was begun then."""

    def __init__(self) -> None:
        self.port = 0
        """At the client's end."""
        self.server = 0
        """The port that it was opened to."""
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._waiting: deque[tuple[int, list[Reply], asyncio.Future[list[Reply]]]] = deque()

    def call(self, *requests: bytes) -> asyncio.Future[list[Reply]]:
        """Writes the calls at once; their answers, in the same order. A lost connection is `LOST`, and no error."""
        done: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()
        self._waiting.append((len(requests), [], done))
        if self._transport is None:
            self._settle_lost()
        else:
            self._transport.write(b"".join(requests))
        return done

    async def ask(self, one: bytes) -> Reply:
        (reply,) = await self.call(one)
        return reply

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            await asyncio.sleep(0)  # asyncio closes the socket in its next step

    # --- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.port = transport.get_extra_info("sockname")[1]
        self.server = transport.get_extra_info("peername")[1]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (its signature)
        self._transport = None
        self._settle_lost()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n") + 4) > 3:
            head = bytes(self._received[:end])
            status, length = _STATUS.match(head), _LENGTH.search(head)
            assert status is not None, head
            assert length is not None or status[1] == b"204", head
            whole = end + (int(length[1]) if length else 0)
            if len(self._received) < whole:
                return
            self._settle(Reply(int(status[1]), bytes(self._received[end:whole])))
            del self._received[:whole]

    def _settle(self, reply: Reply) -> None:
        count, replies, done = self._waiting[0]
        replies.append(reply)
        if len(replies) == count:
            self._waiting.popleft()
            if not done.done():
                done.set_result(replies)

    def _settle_lost(self) -> None:
        while self._waiting:
            self._settle(Reply(LOST, b""))


async def connected(port: int) -> Connection:
    """A new connection to a port of this machine. The kernel takes it, whatever the server does."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


def served_by(connections: Iterable[Connection], pids: Collection[int]) -> dict[Connection, int]:
    """Which of these processes serves which connection; one that no process has accepted yet is left out.

    Any answer on a connection proves that it was accepted.
    """
    holders = {inode: pid for pid in pids for inode in _sockets(pid)}
    ends = _server_ends()
    found = {each: holders.get(ends.get((each.server, each.port), "")) for each in connections}
    return {connection: pid for connection, pid in found.items() if pid is not None}


def _server_ends() -> dict[tuple[int, int], str]:
    """Inodes by the ports of a socket: its own, and its peer's."""
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return {(_port(fields[1]), _port(fields[2])): fields[9] for fields in lines}


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _sockets(pid: int) -> Iterable[str]:
    """The inodes of a process's sockets."""
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed since it was listed
            kind, _, rest = str(each.readlink()).partition(":[")
            if kind == "socket":
                yield rest.rstrip("]")
