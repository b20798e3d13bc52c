"""Messages out of the bytes of one connection, whichever end of it we are; no I/O.

reader.receive(data)            whenever bytes come
reader.head()                   the head of the next message, None where more must come
reader.begin(length)            its body has so many bytes, see `framing`
reader.body()                   a piece, b"" at the end, None where more must come
reader.receive_end()            the other end sends no more
"""

from __future__ import annotations

from gateway.http1.buffer import Buffer
from gateway.http1.framing import CHUNKED, ChunkedBody
from gateway.http1.heads import Malformed, may_begin


class Reader:
    """Reads one message after the other. `head_bytes` bounds a head, line ends included."""

    __slots__ = ("_buffer", "_chunks", "_head_bytes", "_left", "ended")

    def __init__(self, head_bytes: int) -> None:
        self._head_bytes = head_bytes
        self._buffer = Buffer()
        self._left = 0  # bytes of the body that were not read; CHUNKED while there are chunks
        self._chunks = ChunkedBody()
        self.ended = False
        """Whether the other end sends no more."""

    @property
    def waiting(self) -> int:
        """Bytes that have come and were not read."""
        return len(self._buffer)

    @property
    def is_between(self) -> bool:
        """Whether the last message was read to its end."""
        return not self._left

    def receive(self, data: bytes) -> int:
        """How many bytes wait now."""
        return self._buffer.add(data)

    def receive_end(self) -> None:
        self.ended = True

    def head(self) -> bytes | None:
        """The lines of the next head, without the empty one at their end. Raises Malformed.

        One empty line before it is skipped (RFC 9112, section 2.2: some clients end a body with one too many).
        """
        lines = self._buffer.until(b"\r\n\r\n", self._head_bytes)
        if lines is not None:
            return lines.removeprefix(b"\r\n")
        if not may_begin(self._buffer.first(3)):
            raise Malformed("this is no message")
        return None

    def begin(self, length: int) -> None:
        """The body of the head that was just read."""
        self._left = length
        if length == CHUNKED:
            self._chunks = ChunkedBody()

    def rest(self) -> bytes | None:
        """The rest of a body of known length, if all of it has come."""
        return self.body() if 0 < self._left <= len(self._buffer) else None

    def body(self) -> bytes | None:
        """The next piece of the body. Raises Malformed, also for one that breaks off."""
        if not self._left:
            return b""
        if self._left == CHUNKED:
            piece = self._chunks.next(self._buffer)
            if self._chunks.is_over:
                self._left = 0
        else:
            piece = self._buffer.take(self._left) or None
            self._left -= len(piece or b"")
        if piece is None and self.ended:
            raise Malformed("the body breaks off")
        return piece
