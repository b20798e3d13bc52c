"""The listener: connections of clients, and the calls that come in on them, one after the other.

Each connection has one task, which reads a head, has the call served, and goes on to the next one. What cannot be read
as a call, and calls beside our limits, are answered in our words too. A connection that speaks TLS counts before its
handshake, and one too many costs none.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from gateway.http1 import Address, Head, Reason, Refusal, Reply, counted_as, is_in, peer_address
from gateway.http1.framing import request_length
from gateway.http1.heads import Malformed, TooLong, connection_tokens, request_head, status_line, written
from gateway.http1.reader import Reader
from gateway.proxy.connections import CROWDED, Connections
from gateway.proxy.deadlines import Deadlines
from gateway.proxy.exchange import Exchange
from gateway.proxy.handshakes import BACKLOG, accepting, shake_hands
from gateway.proxy.link import Link
from gateway.proxy.listener_options import ListenerOptions
from gateway.proxy.wire import ClientGone, Incoming

_log = logging.getLogger(__name__)


Serve = Callable[[Incoming], Awaitable[None]]
Words = Callable[[Refusal], Reply]
"""Our words for what is no call."""
Crowded = Callable[[], None]
"""Told of each connection that is refused because its address has too many."""

_NO_CALL = Refusal(Reason.MALFORMED_REQUEST, "this is not a well-formed HTTP/1.1 request")
_LONG_LINE = Refusal(Reason.MALFORMED_REQUEST, "the request's head, or a line of it, is too long")
_SLOW_HEAD = Refusal(Reason.TOO_SLOW, "the request's head took too long to arrive")
_INTERNAL = Refusal(Reason.INTERNAL, "the gateway failed to serve this call")


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener that runs; `port` is the one it got when it was asked for 0."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class _Server:
    """What the connections of one listener share."""

    serve: Serve
    words: Words
    options: ListenerOptions
    crowded: Crowded
    counted: Connections
    tls: ssl.SSLContext | None
    deadlines: Deadlines = field(default_factory=Deadlines)
    open: set[_Connection] = field(default_factory=set)
    empty: asyncio.Event = field(default_factory=asyncio.Event)
    """That none is open any more."""


@asynccontextmanager
async def listening(  # noqa: PLR0913 (what a listener is made of)
    serve: Serve,
    malformed: Words,
    *,
    host: str,
    port: int,
    options: ListenerOptions | None = None,
    crowded: Crowded = lambda: None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Listener]:
    """Serves calls while the block runs; then lets those under way end, and closes every connection.

    Raises OSError if the address cannot be had.
    """
    options = options or ListenerOptions()
    server = _Server(serve, malformed, options, crowded, Connections(options), tls)
    async with AsyncExitStack() as opened:
        opened.push_async_callback(_drained, server)
        taken = accepting(partial(_arrived, server), host, port, options) if tls else _taking(server, host, port)
        yield Listener(host, await opened.enter_async_context(taken))


@asynccontextmanager
async def _taking(server: _Server, host: str, port: int) -> AsyncIterator[int]:
    """Takes connections without TLS while the block runs; the port that it got."""
    shared = server.options.shared
    sockets = await asyncio.get_running_loop().create_server(
        lambda: _Connection(server), host, port, backlog=BACKLOG, reuse_port=shared or None
    )
    try:
        yield sockets.sockets[0].getsockname()[1]
    finally:
        sockets.close()


def _arrived(server: _Server, raw: socket.socket, peer: object) -> None:
    """A connection that will speak TLS. One that is refused is told nothing, there is no language for it yet."""
    connection = _Connection(server)
    if connection.enter(peer):
        raw.close()
    else:
        connection.shake_hands(raw)


async def _drained(server: _Server) -> None:
    """Idle connections are closed, calls under way may end and their answers leave; what is left then is broken off."""
    for connection in tuple(server.open):
        connection.stop()
    tasks = {connection.task for connection in server.open if connection.task is not None}
    with suppress(TimeoutError):
        async with asyncio.timeout(server.options.drain_seconds):
            while server.open:
                server.empty.clear()
                await server.empty.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for connection in tuple(server.open):
        connection.cut()


class _Connection(Link):
    """One client's connection."""

    def __init__(self, server: _Server) -> None:
        options = server.options
        super().__init__(Reader(options.head_bytes), server.deadlines)
        self.task: asyncio.Task[None] | None = None
        self._server = server
        self._options = options
        self._address: str | None = None
        self._peer: Address | None = None
        self._exchange: Exchange | None = None
        self._is_stopping = False
        self._is_deaf = False

    # --- what the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._server.tls is None and (refusal := self.enter(transport.get_extra_info("peername"))):
            self._is_deaf = True
            self._say(refusal)
            self.close()
            return
        self.task = asyncio.get_running_loop().create_task(self._calls())

    def data_received(self, data: bytes) -> None:
        if not self._is_deaf:
            super().data_received(data)

    def eof_received(self) -> bool:
        """The client sends no more; it may still want the answers to calls that are whole."""
        super().eof_received()
        if self._is_deaf or (self._exchange is None and not self.reader.waiting):
            return False
        self.abort_at(asyncio.get_running_loop().time() + self._options.half_closed_seconds)
        return self._server.tls is None  # the loops' TLS has no halves

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self in self._server.open:
            self._server.open.discard(self)
            self._server.counted.give_back(self._address)
            if not self._server.open:
                self._server.empty.set()
        if self.task is not None:
            self.task.cancel()

    def close(self) -> None:
        """What was written still leaves, if the client takes it."""
        super().close()
        self.abort_at(asyncio.get_running_loop().time() + self._options.send_seconds)

    def strike(self, now: float) -> None:
        """See `deadlines.Timed`. A client must not take for the whole what is not all of an answer."""
        if now >= self._abort_at and (self._exchange is not None or self._has_more_to_send()):
            self.cut()
        else:
            super().strike(now)

    def _has_more_to_send(self) -> bool:
        return self.transport is not None and self.transport.get_write_buffer_size() > 0

    # --- the beginning

    def enter(self, peer: object) -> Refusal | None:
        """Why it is one too many, or None: then it counts. `peer` is the other end's address as sockets have it."""
        server = self._server
        self._peer = peer_address(peer[0]) if isinstance(peer, tuple) else None
        if self._peer is not None and not is_in(self._peer, self._options.trusted_proxies):
            self._address = counted_as(self._peer)
        if refusal := server.counted.refused(self._address):
            if refusal is CROWDED:
                server.crowded()
            return refusal
        server.counted.take(self._address)
        server.open.add(self)
        return None

    def shake_hands(self, raw: socket.socket) -> None:
        """Begins the handshake; `connection_made` follows, or `connection_lost`."""
        self.task = asyncio.get_running_loop().create_task(self._shake_hands(raw))

    async def _shake_hands(self, raw: socket.socket) -> None:
        tls = self._server.tls
        assert tls is not None  # noqa: S101 (others shake no hands)
        try:
            await shake_hands(raw, self, tls, self._options)
        except OSError as fault:
            self.connection_lost(fault)
        except BaseException:
            self.connection_lost(None)
            raise

    def stop(self) -> None:
        """No call begins after the one under way, if there is one."""
        self._is_stopping = True
        if self._exchange is not None:
            self._exchange.be_last()
        elif self.transport is not None:
            self.close()
        elif self.task is not None:
            self.task.cancel()  # in its handshake

    # --- one call after the other

    async def _calls(self) -> None:
        try:
            while (head := await self._head()) is not None and await self._served(head):
                pass
        except Malformed as fault:
            self._say(_LONG_LINE if isinstance(fault, TooLong) else _NO_CALL)
            self._linger()
        except TimeoutError:
            self._say(_SLOW_HEAD)
            self.close()

    async def _head(self) -> Head | None:
        """The head of the next call; None, and the connection closed, when there is none.

        Raises Malformed, and TimeoutError for one that began and did not end in time.
        """
        raw = self.reader.head()
        if raw is None:
            raw = await self._head_to_come()
        else:
            await asyncio.sleep(0)  # of calls that came together: those of others come in between
            self.last_came = time.monotonic()  # its turn came now, however long it lay behind another one
        return None if raw is None else request_head(raw, self._options.line_bytes, self._options.head_lines)

    async def _head_to_come(self) -> bytes | None:
        loop = asyncio.get_running_loop()
        since = loop.time()
        began = since if self.reader.waiting else None
        while not self.reader.ended and not self._is_stopping:
            limit = since + self._options.keepalive_seconds if began is None else began + self._options.head_seconds
            try:
                await self.more(limit)
            except TimeoutError:
                if began is None:
                    break
                raise
            if (raw := self.reader.head()) is not None:
                return raw
            if began is None and self.reader.waiting:
                began = loop.time()
        self.close()
        return None

    async def _served(self, head: Head) -> bool:
        """Whether another call may follow."""
        try:
            self.reader.begin(request_length(head.headers))
            keep = _is_kept(head)
        except Malformed:
            keep = False  # nobody knows where the next call begins; what to answer is for the front check
        self._exchange = exchange = Exchange(self, head, self._peer, self._options, keep=keep)
        try:
            await self._server.serve(exchange)
            if not exchange.is_answered:
                await self._failed(exchange)
        except ClientGone:
            exchange.cut()
        except Exception:  # noqa: BLE001 (the connection ends here, and no other one with it)
            _log.exception("serving a call failed")
            await self._failed(exchange)
        self._exchange = None
        if exchange.goes_on:
            return True
        self._linger()
        return False

    async def _failed(self, exchange: Exchange) -> None:
        """A bug of ours: a clear answer, or none that looks whole."""
        if exchange.begun:
            exchange.cut()
            return
        try:
            await exchange.answer(self._server.words(_INTERNAL))
        except ClientGone:
            exchange.cut()

    # --- the end

    def _linger(self) -> None:
        """Closes once the client has had time to see the answer.

        Closing at once while it still sends would reset the connection, and the answer might be lost with it
        (RFC 9112, section 9.6). What still comes is thrown away.
        """
        self._is_deaf = True
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self.reader.ended or (self.reader.is_between and not self.reader.waiting):
            self.close()
            return
        self.read_on()
        loop, seconds = asyncio.get_running_loop(), self._options.linger_seconds
        if self._server.tls is not None:
            loop.call_later(seconds, self.close)  # TLS has no halves; but most clients close now
            return
        try:
            transport.write_eof()
        except OSError:  # the client has left, which nobody has read while reading was paused
            transport.abort()
        else:
            self.abort_at(loop.time() + seconds)

    def _say(self, refusal: Refusal) -> None:
        """Answers outside of any call."""
        reply = self._server.words(refusal)
        length = (b"content-length", b"%d" % len(reply.body))
        head = written(status_line(reply.status), (*reply.headers, length, (b"connection", b"close")))
        if self.transport is not None:
            self.transport.write(head + reply.body)


def _is_kept(head: Head) -> bool:
    """Whether the client would make another call on its connection (RFC 9112, section 9.3)."""
    tokens = connection_tokens(head.headers)
    return b"close" not in tokens and (head.version >= (1, 1) or b"keep-alive" in tokens)
