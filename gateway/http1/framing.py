"""Where a body ends: on the way in as its head says, on the way out as we say (RFC 9112, sections 6 and 7).

    chunked-body  = *( size *( ";" extension ) CRLF data CRLF ) "0" *( ";" extension ) CRLF trailers CRLF
    trailers      = *( field-line CRLF )

What has two readings is no body: sizes are hexadecimal digits and nothing else, and lines end in CRLF. Extensions and
trailers are read over: nobody here knows any.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol

from gateway.http1.buffer import Buffer
from gateway.http1.heads import AnswerHead, Malformed, field
from gateway.http1.message import Headers

CHUNKED: Final = -1
"""The length of a body whose end is marked by an empty chunk."""

_VERSIONS = frozenset({(1, 0), (1, 1)})

BODILESS_STATUS = frozenset({204, 304})
"""Answers without a body, whatever their head says; 1xx are no answers yet."""

_MOST_DIGITS = 15
"""Of a length or a size: what all languages can count without rounding."""

_LENGTH = re.compile(rb"[0-9]{1,%d}" % _MOST_DIGITS)
_PLAIN = rb"[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]"
_QUOTED = rb'"(?:%b|\\[\t\x20-\x7e])*"' % _PLAIN
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,%d})(?:[ \t]*;(?:%b|%b)*)?" % (_MOST_DIGITS, _PLAIN, _QUOTED))
"""In an extension, quotes come in pairs: to another reader the line might go on in the next one."""


def request_length(headers: Headers) -> int:
    """Bytes of a request's body, or CHUNKED. Raises Malformed where that has two readings."""
    return _length_of(headers) or 0


def answer_length(method: str, head: AnswerHead) -> int:
    """Bytes of an answer's body, or CHUNKED. Raises Malformed where that has two readings, or the end is not marked.

    A body that ends with its connection is none for us: nobody can tell it from one that broke off.
    """
    if head.version not in _VERSIONS:
        raise Malformed("this is neither HTTP/1.0 nor HTTP/1.1")
    if method == "HEAD" or head.status in BODILESS_STATUS:
        return 0
    length = _length_of(head.headers)
    if length is None:
        raise Malformed("the end of the body is not marked")
    if length == CHUNKED and head.version < (1, 1):
        raise Malformed("HTTP/1.0 has no Transfer-Encoding")
    return length


_SAYS_LENGTH = frozenset({b"content-length", b"transfer-encoding"})


def _length_of(headers: Headers) -> int | None:
    said = [header for header in headers if header[0] in _SAYS_LENGTH]
    if not said:
        return None
    if len(said) > 1:
        raise Malformed("the length of the body has two readings")
    return announced(*said[0])


def announced(name: bytes, value: bytes) -> int:
    """The length that one of the two headers announces, CHUNKED for `Transfer-Encoding`. Raises Malformed."""
    if name == b"transfer-encoding":
        if value.lower() != b"chunked":
            raise Malformed("the only Transfer-Encoding is `chunked`")
        return CHUNKED
    if not _LENGTH.fullmatch(value):
        raise Malformed("the Content-Length is not a number")
    return int(value)


_MOST_LINE = 4096
"""Bytes of the line before a chunk, extensions included; nobody sends any."""
_NO_TRAILERS = _SAYS_LENGTH | {b"host"}
"""What is said too late there (RFC 9110, section 6.5.1): another reader might believe it of the next message."""
_MOST_TRAILERS = 8190
"""Bytes of all trailers; who sends some sends a checksum or a timing."""


class ChunkedBody:
    """A body in chunks."""

    __slots__ = ("_left", "_step")

    def __init__(self) -> None:
        self._left = 0
        self._step: Callable[[Buffer], bytes | None] | None = self._size

    def next(self, buffer: Buffer) -> bytes | None:
        """The next piece, of all chunks that have come; None where more must come, empty if that was the end.

        Raises Malformed; what came before in the same bytes is lost then.
        """
        pieces = []
        while self._step is not None and (data := self._step(buffer)) is not None:
            pieces.append(data)
        return b"".join(pieces) or (None if self._step else b"")

    @property
    def is_over(self) -> bool:
        return self._step is None

    def _size(self, buffer: Buffer) -> bytes | None:
        line = buffer.until(b"\r\n", _MOST_LINE)
        if line is None:
            return None
        match = _SIZE.fullmatch(line)
        if match is None:
            raise Malformed("a chunk has no size")
        self._left = int(match[1], 16)
        self._step = self._data if self._left else self._trailers
        return b""

    def _data(self, buffer: Buffer) -> bytes | None:
        data = buffer.take(self._left)
        self._left -= len(data)
        if not self._left:
            self._step = self._end
        return data or None

    def _end(self, buffer: Buffer) -> bytes | None:
        if buffer.starts(b"\r\n"):
            buffer.take(2)
            self._step = self._size
            return b""
        if buffer.first(2) in (b"", b"\r"):
            return None
        raise Malformed("a chunk is longer than it says")

    def _trailers(self, buffer: Buffer) -> bytes | None:
        """Empty, or lines of which the last one is."""
        if buffer.starts(b"\r\n"):
            buffer.take(2)
        else:
            lines = buffer.until(b"\r\n\r\n", _MOST_TRAILERS)
            if lines is None:
                return None
            if any(field(line)[0] in _NO_TRAILERS for line in lines.split(b"\r\n")):
                raise Malformed("a trailer would say how long the body is")
        self._step = None
        return b""


# --- on the way out -----------------------------------------------------------------------------------------------


class Lying(Exception):  # noqa: N818 (what a body does that is not as long as its head says)
    """A body that does not have the length that was announced."""


class Outlet(Protocol):
    """Makes of the pieces of a body what is put on the wire."""

    def piece(self, data: bytes) -> bytes:
        """Raises Lying for more than was announced."""
        ...

    def end(self) -> bytes:
        """Raises Lying for less than was announced."""
        ...


class SizedOutlet:
    """A body whose length was announced."""

    __slots__ = ("_left",)

    def __init__(self, length: int) -> None:
        self._left = length

    def piece(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise Lying
        return data

    def end(self) -> bytes:
        if self._left:
            raise Lying
        return b""


class ChunkedOutlet:
    """A body in chunks. An empty piece is none: it would be the end."""

    __slots__ = ()

    def piece(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if data else b""

    def end(self) -> bytes:
        return b"0\r\n\r\n"


class OpenOutlet:
    """A body that ends with its connection: to clients that speak HTTP/1.0."""

    __slots__ = ()

    def piece(self, data: bytes) -> bytes:
        return data

    def end(self) -> bytes:
        return b""


class NoOutlet:
    """The body of an answer that has none: to HEAD, or of a status that says so."""

    __slots__ = ()

    def piece(self, data: bytes) -> bytes:  # noqa: ARG002 (that is the point)
        return b""

    def end(self) -> bytes:
        return b""
