"""Messages out of the bytes of one connection, whichever end of it we are; no I/O.

reader.receive(data)            whenever bytes come
reader.head()                   the head of the next message, None where more must come
reader.begin(length)            its body has so many bytes, see `framing`
reader.body()                   a piece, b"" at the end, None where more must come
reader.receive_end()            the other end sends no more
"""

from __future__ import annotations

from gateway.http1.framing import Body, Buffer, body_of
from gateway.http1.heads import Malformed, may_begin


class Reader:
    """Reads one message after the other. `head_bytes` bounds a head, line ends included."""

    __slots__ = ("_body", "_buffer", "_head_bytes", "ended")

    def __init__(self, head_bytes: int) -> None:
        self._head_bytes = head_bytes
        self._buffer = Buffer()
        self._body: Body | None = None
        self.ended = False
        """Whether the other end sends no more."""

    @property
    def waiting(self) -> int:
        """Bytes that have come and were not read."""
        return len(self._buffer)

    @property
    def is_between(self) -> bool:
        """Whether the last message was read to its end."""
        return self._body is None

    def receive(self, data: bytes) -> None:
        self._buffer.add(data)

    def receive_end(self) -> None:
        self.ended = True

    def head(self) -> bytes | None:
        """The lines of the next head, without the empty one at their end. Raises Malformed.

        One empty line before it is skipped (RFC 9112, section 2.2: some clients end a body with one too many).
        """
        buffer = self._buffer
        if not len(buffer):
            return None
        if not may_begin(buffer.first(3)):
            raise Malformed("this is no message")
        if len(buffer) > 2 and buffer.starts(b"\r\n"):  # noqa: PLR2004
            buffer.take(2)
        return buffer.until(b"\r\n\r\n", self._head_bytes, "the head")

    def begin(self, length: int) -> None:
        """The body of the head that was just read."""
        self._body = body_of(length) if length else None

    def body(self) -> bytes | None:
        """The next piece of the body. Raises Malformed, also for one that breaks off."""
        if self._body is None:
            return b""
        piece = self._body.next(self._buffer)
        if self._body.is_over:
            self._body = None
        elif piece is None and self.ended:
            raise Malformed("the body breaks off")
        return piece
