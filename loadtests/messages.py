"""Where a message of HTTP/1.1 ends, for the upstream and for the load generator: cheap, and strict enough for friends.

RFC 9112, section 6: a body has a Content-Length or comes in chunks; without either there is none here, because nobody
in these measurements ends an answer by closing its connection.
"""

from __future__ import annotations

import re

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")
_CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding: *chunked")
_LAST_CHUNK = b"\r\n0\r\n\r\n"
"""No body of ours holds it."""


class Reader:
    """Reads one message after the other from one connection, on which none begins before the last is answered.

    `head` is that of the message, `length` that of its body if its head says so, `body` what has come of it.
    """

    __slots__ = ("_left", "_pieces", "_reading", "_tail", "head", "length")

    def __init__(self) -> None:
        self.head = b""
        self.length: int | None = None
        self._reading = False
        self._left = 0
        self._pieces: list[bytes] = []
        self._tail = b""

    @property
    def body(self) -> bytes:
        """As it came: chunks with their sizes."""
        return b"".join(self._pieces)

    def feed(self, data: bytes) -> bool:
        """Whether the message is whole now."""
        if self._reading:
            return self._take(data)
        self.head += data
        end = self.head.find(b"\r\n\r\n")
        if end < 0:
            return False
        rest, self.head = self.head[end + 4 :], self.head[: end + 2]
        self._reading, self._pieces, self._tail = True, [], b"\r\n"
        found = _LENGTH.search(self.head)
        self.length = int(found[1]) if found else None if _CHUNKED.search(self.head) else 0
        self._left = self.length or 0
        return self._take(rest)

    def _take(self, data: bytes) -> bool:
        self._pieces.append(data)
        if self.length is None:
            self._tail = (self._tail + data)[-len(_LAST_CHUNK) :]
            return self._tail == _LAST_CHUNK
        self._left -= len(data)
        return self._left <= 0

    def clear(self) -> None:
        """Before the next message."""
        self.head = b""
        self._reading = False


def unchunked(body: bytes) -> bytes:
    """The content of a body in chunks."""
    pieces = []
    while size := int((line := body.partition(b"\r\n"))[0].split(b";")[0], 16):
        pieces.append(line[2][:size])
        body = line[2][size + 2 :]
    return b"".join(pieces)


def content(reader: Reader) -> bytes:
    """The content of a message that is whole."""
    return unchunked(reader.body) if _CHUNKED.search(reader.head) else reader.body
