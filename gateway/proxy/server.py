"""The listener: aiohttp's low-level server, without its router, its applications and its own words.

It hands on the head as it stood on the wire and writes what it is told. What it cannot read as a call, and calls beside
its limits, are answered in our words too. The library's parser must be the compiled one: the other is slower, and has
had request smuggling holes of its own.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from aiohttp import HttpVersion10, HttpVersion11, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import LineTooLong
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDict

from gateway.http1 import (
    Address,
    Head,
    Headers,
    Reason,
    Refusal,
    Reply,
    counted_as,
    is_in,
    origin,
    peer_address,
)
from gateway.proxy.connections import CROWDED, Connections
from gateway.proxy.listener_options import ListenerOptions
from gateway.proxy.wire import ClientGone, Incoming, Stop

_log = logging.getLogger(__name__)


Serve = Callable[[Incoming], Awaitable[None]]
Malformed = Callable[[Refusal], Reply]
"""Our words for what is no call."""
Crowded = Callable[[], None]
"""Told of each connection that is refused because its address has too many."""

_NO_CALL = Refusal(Reason.MALFORMED_REQUEST, "this is not a well-formed HTTP/1.1 request")
_LONG_LINE = Refusal(Reason.MALFORMED_REQUEST, "a line of the request's head is too long")
_SLOW_HEAD = Refusal(Reason.TOO_SLOW, "the request's head took too long to arrive")
_SLOW_BODY = Refusal(Reason.TOO_SLOW, "the body came too slowly")
_BROKEN_BODY = Refusal(Reason.MALFORMED_BODY, "the body broke off, or is not framed as its head says")
_INTERNAL = Refusal(Reason.INTERNAL, "the gateway failed to serve this call")

_CLOSING = frozenset({400, 405, 408})
"""After these answers client and server may disagree about where the next call begins."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener that runs; `port` is the one it got when it was asked for 0."""

    host: str
    port: int


@asynccontextmanager
async def listening(  # noqa: PLR0913 (what a listener is made of)
    serve: Serve,
    malformed: Malformed,
    *,
    host: str,
    port: int,
    options: ListenerOptions | None = None,
    crowded: Crowded = lambda: None,
) -> AsyncIterator[Listener]:
    """Serves calls while the block runs; then lets those under way end, and closes every connection.

    Raises OSError if the address cannot be had, RuntimeError for a library without its compiled parser.
    """
    if HttpRequestParser.__module__ != "aiohttp._http_parser":
        raise RuntimeError("aiohttp runs without its compiled parser: install a wheel of it, or a C compiler")
    options = options or ListenerOptions()
    runner = web.ServerRunner(_Server(serve, malformed, options, crowded), shutdown_timeout=options.drain_seconds)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024, reuse_port=options.shared)
        await site.start()
        yield Listener(host, site.port)
    finally:
        await runner.cleanup()


class _Server(web.Server):
    """Makes connections with our limits."""

    def __init__(self, serve: Serve, malformed: Malformed, options: ListenerOptions, crowded: Crowded) -> None:
        super().__init__(self._handle, request_factory=_Request, handler_cancellation=True)
        self.malformed = malformed
        self.options = options
        self.open = Connections(options)
        self.crowded = crowded
        self._serve = serve

    def __call__(self) -> RequestHandler:
        return _Connection(self)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(request, _Request)  # noqa: S101 (this server makes no others)
        assert isinstance(connection, _Connection)  # noqa: S101
        exchange = _Exchange(request, connection.peer, self.options)
        connection.serving(exchange)
        try:
            await self._serve(exchange)
        finally:
            connection.served()
        return exchange.response or _response(self.malformed(_INTERNAL))


class _Request(web.BaseRequest):
    """The library's own, but a version that we do not speak is answered in HTTP/1.1."""

    def __init__(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> None:
        self.wire_version = (message.version.major, message.version.minor)
        if message.version not in {HttpVersion10, HttpVersion11} or message.method == "UNKNOWN":
            message = message._replace(version=HttpVersion11)
        super().__init__(message, payload, protocol, writer, task, asyncio.get_running_loop())


class _Connection(RequestHandler):
    """One client's connection."""

    def __init__(self, server: _Server) -> None:
        options = server.options
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=options.keepalive_seconds,
            lingering_time=options.linger_seconds,
            access_log=None,  # type: ignore[arg-type]  # the decision log stands in for it
            max_line_size=options.line_bytes,
            max_field_size=options.line_bytes,
            max_headers=options.head_lines,
            auto_decompress=False,
        )
        self._server = server
        self._counted = False
        self._address: str | None = None
        self.peer: Address | None = None
        self._exchange: _Exchange | None = None
        self._served = 0
        self._half_closed = False
        self._head_deadline: asyncio.TimerHandle | None = None
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        server = self._server
        self.peer = _peer(transport)
        if self.peer is not None and not is_in(self.peer, server.options.trusted_proxies):
            self._address = counted_as(self.peer)
        if refusal := server.open.refused(self._address):
            if refusal is CROWDED:
                server.crowded()
            self._say(cast(asyncio.Transport, transport), refusal)  # uvloop's is none by inheritance
            return
        server.open.take(self._address)
        self._counted = True
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._counted:
            self._counted = False
            self._server.open.give_back(self._address)
        self._stop_waiting()
        if self._end:
            self._end.cancel()
        super().connection_lost(exc)

    def serving(self, exchange: _Exchange) -> None:
        """A call is being served from now on."""
        self._exchange = exchange
        self._look_at_body()

    def served(self) -> None:
        """The call is over."""
        self._exchange = None
        self._served += 1

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look_at_body()
        if not self._between_calls():
            self._stop_waiting()
        elif data and self._head_deadline is None:
            seconds = self._server.options.head_seconds
            self._head_deadline = self._loop.call_later(seconds, self._head_too_slow)

    def eof_received(self) -> bool:  # type: ignore[override]  # the library never keeps a half-closed connection
        """The client sends no more; it may still want the answer to a call that is whole."""
        super().eof_received()
        if self._between_calls():
            return False
        self._half_closed = True
        self._look_at_body()
        if self.transport is not None:
            self._end = self._loop.call_later(self._server.options.half_closed_seconds, self.transport.abort)
        return True

    def _look_at_body(self) -> None:
        """Ends the wait for a body that will not come.

        The library says of a body that it cannot read only that something follows it, and of a client that sends no
        more nothing at all.
        """
        if self._exchange and (self._half_closed or self._messages):
            self._exchange.no_more(last=self._half_closed)

    def _between_calls(self) -> bool:
        """Whether what has come since the last call is part of a head."""
        return self._request_count == self._served

    def _stop_waiting(self) -> None:
        if self._head_deadline:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _head_too_slow(self) -> None:
        self._head_deadline = None
        if self.transport is not None and self._between_calls():
            self._say(self.transport, _SLOW_HEAD)

    def _say(self, transport: asyncio.Transport, refusal: Refusal) -> None:
        """Answers outside of any call, and hangs up."""
        reply = self._server.malformed(refusal)
        lines = [f"HTTP/1.1 {reply.status} {refusal.reason}".encode(), b"connection: close"]
        lines += [name + b": " + value for name, value in reply.headers]
        lines.append(b"content-length: " + str(len(reply.body)).encode())
        transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + reply.body)
        transport.close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 (the signature is the library's)
    ) -> web.StreamResponse:
        """What the library could not read, or a bug of ours. Its own text may quote the head, so nobody sees it."""
        if status != 400:  # noqa: PLR2004
            _log.error("serving a call failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun")
        refusal = _INTERNAL if status != 400 else _LONG_LINE if isinstance(exc, LineTooLong) else _NO_CALL  # noqa: PLR2004
        response = _response(self._server.malformed(refusal))
        response.force_close()
        return response


def _peer(transport: asyncio.BaseTransport) -> Address | None:
    """None for one that has left already, and for a socket without addresses."""
    name = transport.get_extra_info("peername")
    return peer_address(name[0]) if isinstance(name, tuple) else None


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=_header_map(reply.headers))


def _header_map(headers: Headers) -> CIMultiDict[str]:
    named = CIMultiDict((name.decode("ascii"), value.decode("ascii")) for name, value in headers)
    named["server"] = "gateway"  # the library would name itself and its version
    return named


class _Exchange:
    """See `wire.Incoming`."""

    def __init__(self, request: _Request, peer: Address | None, options: ListenerOptions) -> None:
        version = request.wire_version
        target = request.raw_path.encode("utf-8", "surrogateescape")
        self.head = Head(request.method, target, version, request.raw_headers)
        self.response: web.StreamResponse | None = None
        self._request = request
        self._peer = peer
        self._options = options
        self._waited = 0.0
        self._received = 0
        self._last = False
        self._to_be_asked = version == (1, 1) and any(name.lower() == b"expect" for name, _ in self.head.headers)

    @cached_property
    def address(self) -> str | None:
        found = origin(self._peer, self.head.headers, self._options.trusted_proxies)
        return None if found is None else counted_as(found)

    @property
    def begun(self) -> bool:
        return self.response is not None

    def no_more(self, *, last: bool) -> None:
        """All of the body has come that will come; `last` when no other call will follow it."""
        self._last = last
        if not self._request.content.is_eof():
            self._request.content.set_exception(ConnectionResetError())

    # --- the body

    async def read(self) -> bytes:
        content = self._request.content
        if self._to_be_asked and not content.is_eof():
            self._ask()
        loop = asyncio.get_running_loop()
        since = loop.time()
        allowed = self._options.body_seconds + self._received / self._options.body_rate - self._waited
        try:
            async with asyncio.timeout(allowed):
                piece = await content.readany()
        except TimeoutError:
            raise Stop(_SLOW_BODY) from None
        except Exception as fault:
            raise Stop(_BROKEN_BODY, type(fault).__name__) from fault
        self._waited += loop.time() - since
        self._received += len(piece)
        return piece

    def _ask(self) -> None:
        """100 Continue, now that the call has been allowed to send a body."""
        self._to_be_asked = False
        if self._request.transport is not None:
            self._request.transport.write(_CONTINUE)

    # --- the answer

    async def answer(self, reply: Reply) -> None:
        response = _response(reply)
        self._prepare(response)
        if reply.status in _CLOSING:
            response.force_close()
        async with self._sending():
            await response.prepare(self._request)
            await response.write_eof()

    async def begin(self, status: int, headers: Headers) -> None:
        response = web.StreamResponse(status=status, headers=_header_map(headers))
        self._prepare(response)
        async with self._sending():
            await response.prepare(self._request)

    async def write(self, piece: bytes) -> None:
        assert self.response is not None  # noqa: S101 (`begin` comes first)
        async with self._sending():
            await self.response.write(piece)

    async def end(self) -> None:
        assert self.response is not None  # noqa: S101
        async with self._sending():
            await self.response.write_eof()

    def cut(self) -> None:
        """Resets the connection: in HTTP/1.0 a mere close is the regular end of an answer."""
        transport = self._request.transport
        if transport is None:
            return
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()

    def _prepare(self, response: web.StreamResponse) -> None:
        self.response = response
        if self._last or not self._request.content.is_eof():
            response.force_close()

    @asynccontextmanager
    async def _sending(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._options.send_seconds):
                yield
        except (ConnectionError, TimeoutError) as fault:
            raise ClientGone from fault
