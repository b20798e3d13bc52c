"""One call on a client's connection, and its answer: `wire.Incoming`."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from email.utils import formatdate
from functools import cached_property, lru_cache
from http import HTTPStatus

from gateway.http1 import Address, Head, Headers, Reason, Refusal, Reply, counted_as, origin
from gateway.http1.framing import (
    BODILESS_STATUS,
    ChunkedOutlet,
    NoOutlet,
    OpenOutlet,
    Outlet,
    SizedOutlet,
)
from gateway.http1.heads import Malformed, status_line, written
from gateway.proxy.link import Link
from gateway.proxy.listener_options import ListenerOptions
from gateway.proxy.wire import ClientGone, Stop

_SLOW_BODY = Refusal(Reason.TOO_SLOW, "the body came too slowly")
_BROKEN_BODY = Refusal(Reason.MALFORMED_BODY, "the body broke off, or is not framed as its head says")

_CLOSING = frozenset({400, 405, 408})
"""After these answers client and server may disagree about where the next call begins."""

_PIECE = 256 * 1024
"""Bytes that a client has `send_seconds` for: all of a large answer may take longer on a slow line. And what is written
to TLS at once is held whole, whatever its limits say."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange:
    """See `wire.Incoming`. `keep`: another call may follow, if all goes well; see `goes_on`."""

    def __init__(self, link: Link, head: Head, peer: Address | None, options: ListenerOptions, *, keep: bool) -> None:
        self.head = head
        self.came = link.last_came
        self.begun = False
        """See `wire.Incoming`: whether any of an answer is on the wire."""
        self._link = link
        self._peer = peer
        self._options = options
        self._keep = keep
        self._to_be_asked = head.version == (1, 1) and b"expect" in [name for name, _ in head.headers]
        self._waited = 0.0
        self._received = 0
        self._outlet: Outlet | None = None
        self._pending = b""  # a head that leaves with the first piece of its body, if that comes at once

    @cached_property
    def address(self) -> str | None:
        found = origin(self._peer, self.head.headers, self._options.trusted_proxies)
        return None if found is None else counted_as(found)

    @property
    def goes_on(self) -> bool:
        """Whether the connection can take the next call, now that this one is over."""
        return self._keep and self.is_answered and self._link.reader.is_between

    @property
    def is_answered(self) -> bool:
        """Whether the whole answer was given."""
        return self.begun and self._outlet is None

    def be_last(self) -> None:
        """No other call follows on this connection."""
        self._keep = False

    # --- the body

    async def read(self) -> bytes:
        if self._link.reader.is_between:
            return b""
        while (piece := self._piece()) is None:
            self._ask()
            await self._wait()
        self._to_be_asked = False
        self._received += len(piece)
        return piece

    def _piece(self) -> bytes | None:
        try:
            return self._link.reader.body()
        except Malformed as fault:
            self._keep = False
            raise Stop(_BROKEN_BODY, str(fault)) from None

    async def _wait(self) -> None:
        """Only time spent waiting for the client counts."""
        options = self._options
        loop = asyncio.get_running_loop()
        since = loop.time()
        allowed = options.body_seconds + self._received / options.body_rate - self._waited
        try:
            await self._link.more(since + allowed)
        except TimeoutError:
            self._keep = False
            raise Stop(_SLOW_BODY) from None
        self._waited += loop.time() - since

    def _ask(self) -> None:
        """100 Continue, now that the call has been allowed to send a body, unless it is answered already."""
        if self._to_be_asked and not self.begun and not self._pending:
            self._write(_CONTINUE)
        self._to_be_asked = False

    # --- the answer

    async def answer(self, reply: Reply) -> None:
        if reply.status in _CLOSING or not self._is_read():
            self._keep = False
        length = (b"content-length", b"%d" % len(reply.body))
        bodiless = reply.status in BODILESS_STATUS
        head = self._head(reply.status, reply.headers if bodiless else (*reply.headers, length))
        self._outlet, self._pending = None, head
        await self._give(b"" if bodiless or self.head.method == "HEAD" else reply.body)

    async def begin(self, status: int, headers: Headers) -> None:
        if not self._link.reader.is_between:
            self._keep = False  # where the next call begins is not known yet
        if status == HTTPStatus.NO_CONTENT:  # it must not say how long nothing is (RFC 9110, section 8.6)
            headers = tuple([header for header in headers if header[0] != b"content-length"])
        self._outlet, framing = self._framing(status, headers)
        self._pending = self._head(status, (*headers, *framing))
        asyncio.get_running_loop().call_soon(self._flush)

    async def write(self, piece: bytes) -> None:
        await self._give(self._out().piece(piece))

    async def end(self) -> None:
        last = self._out().end()
        self._outlet = None
        await self._give(last)

    def cut(self) -> None:
        self._keep = False
        self._link.cut()

    def _is_read(self) -> bool:
        """Whether nothing of the body is left, once what has come of one that nobody reads is thrown away."""
        if self._received:  # somebody does, perhaps still: an upstream may answer before it has the whole
            return self._link.reader.is_between
        try:
            while self._link.reader.body():
                pass
        except Malformed:
            return False
        return self._link.reader.is_between

    def _framing(self, status: int, headers: Headers) -> tuple[Outlet, Headers]:
        """How the body goes out, and what the head says of that."""
        lengths = [int(value) for name, value in headers if name == b"content-length"]
        if status in BODILESS_STATUS or self.head.method == "HEAD":
            return NoOutlet(), ()
        if lengths:
            return SizedOutlet(lengths[0]), ()
        if self.head.version == (1, 0):
            self._keep = False
            return OpenOutlet(), ()
        return ChunkedOutlet(), ((b"transfer-encoding", b"chunked"),)

    def _head(self, status: int, headers: Headers) -> bytes:
        ours: Headers = ((b"server", b"gateway"),)
        if b"date" not in [name for name, _ in headers]:
            ours = (*ours, (b"date", _date(int(time.time()))))
        if not self._keep:
            ours = (*ours, (b"connection", b"close"))
        elif self.head.version == (1, 0):
            ours = (*ours, (b"connection", b"keep-alive"))
        return written(status_line(status), (*headers, *ours))

    def _flush(self) -> None:
        """The head of an answer whose body keeps it waiting; that the client is gone is found out by who writes it."""
        if self._pending and self._outlet is not None:
            with suppress(ClientGone):
                self._write(b"")

    def _out(self) -> Outlet:
        assert self._outlet is not None  # noqa: S101 (`begin` comes first)
        return self._outlet

    async def _give(self, data: bytes) -> None:
        start, last = 0, len(data) - _PIECE
        while start < last:
            self._write(data[start : start + _PIECE])
            await self._left()
            start += _PIECE
        if data or self._pending:
            self._write(data[start:])
            await self._left()

    def _write(self, data: bytes) -> None:
        if self._pending:
            data, self._pending, self.begun = self._pending + data, b"", True
        try:
            self._link.write(data)
        except ConnectionError as fault:
            raise ClientGone from fault

    async def _left(self) -> None:
        """Until the client has taken enough of it."""
        try:
            await self._link.written(asyncio.get_running_loop().time() + self._options.send_seconds)
        except (ConnectionError, TimeoutError) as fault:
            raise ClientGone from fault


@lru_cache(maxsize=2)
def _date(now: int) -> bytes:
    """Seconds since the epoch as HTTP writes them (RFC 9110, section 5.6.7)."""
    return formatdate(now, usegmt=True).encode()
