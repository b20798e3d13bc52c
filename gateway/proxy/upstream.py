"""Connections to upstreams, by the client of aiohttp.

What the library would do on its own is switched off: no cookies, no redirects, no proxies or passwords from the
environment, nothing unpacked, no headers added, the URL sent as it is given. (It sends a GET once more whose connection
breaks before the answer, and has no switch for that.) Its parser forgives more than its server's does, so an answer is
looked at before it is believed: a final status, and an end that can be told from a broken connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from gateway.http1 import Headers, Reason, Refusal
from gateway.proxy.wire import Answer, Outgoing, Source, Stop


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """Times are seconds."""

    connect_seconds: float = 5.0
    """Until a connection stands, waiting for a free one included."""
    answer_seconds: float = 60.0
    """From the end of a request until the head of its answer; the platform's own clients wait no longer."""
    idle_seconds: float = 60.0
    """Between two pieces of an answer."""
    send_seconds: float = 30.0
    """Until the upstream takes the next piece of a body."""
    connections: int = 256
    """Open at once; together with the clients' they must fit the usual limit of 1,024 open files."""
    keepalive_seconds: float = 15.0
    """How long an idle connection is kept; less than services keep theirs, so that they do not hang up on a call."""
    head_bytes: int = 16 * 1024
    """Size of one header of an answer."""


_UNREACHABLE = Refusal(Reason.UPSTREAM_UNREACHABLE, "the service behind the gateway cannot be reached")
_TIMEOUT = Refusal(Reason.UPSTREAM_TIMEOUT, "the service behind the gateway did not answer in time")
_FAILED = Refusal(Reason.UPSTREAM_FAILED, "the service behind the gateway gave no usable answer")


class Upstreams:
    """A pool of connections, open within its `async with`."""

    def __init__(self, options: UpstreamOptions | None = None) -> None:
        self._options = options or UpstreamOptions()

    async def __aenter__(self) -> Self:
        options = self._options
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=options.connections, keepalive_timeout=options.keepalive_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=options.connect_seconds),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            max_line_size=options.head_bytes,
            max_field_size=options.head_bytes,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    @asynccontextmanager
    async def send(self, request: Outgoing) -> AsyncIterator[Answer]:
        """See `wire.Sender`."""
        response = await self._answered(request)
        try:
            if not _believable(response):
                raise Stop(_FAILED)
            yield _Answer(response, self._options)
        finally:
            # An answer at its end has given its connection back; what is unread must not be left to the next call.
            response.close()

    async def _answered(self, request: Outgoing) -> aiohttp.ClientResponse:
        if request.body is None or isinstance(request.body, bytes):
            return await self._asked(request, request.body)
        upload = _Upload(request.body, self._options)
        try:
            response = await self._asked(request, upload)
        except Stop:
            if upload.fault:
                raise upload.fault from None
            raise
        upload.answered_by(response)
        return response

    async def _asked(self, request: Outgoing, body: bytes | _Upload | None) -> aiohttp.ClientResponse:
        headers = [(name.decode(), value.decode()) for name, value in request.headers]
        if request.length is not None:
            headers.append(("content-length", str(request.length)))
        url = URL(request.url, encoded=True)
        try:
            async with asyncio.timeout(self._options.connect_seconds + self._options.answer_seconds) as deadline:
                if isinstance(body, _Upload):
                    body.deadline = deadline
                return await self._session.request(
                    request.method, url, headers=headers, data=body, allow_redirects=False
                )
        except (aiohttp.ClientError, TimeoutError) as fault:
            raise Stop(_refusal(fault), type(fault).__name__) from fault


def _refusal(fault: Exception) -> Refusal:
    match fault:
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return _UNREACHABLE
        case TimeoutError():
            return _TIMEOUT
        case _:
            return _FAILED


def _believable(response: aiohttp.ClientResponse) -> bool:
    """A final status, and a body whose end is marked. (101 would hand the connection over to another protocol.)"""
    bodiless = response.status in {204, 304} or response.method == "HEAD"
    marked = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    return 200 <= response.status <= 599 and (bodiless or marked)  # noqa: PLR2004


class _Upload:
    """A caller's body on its way up, in the shape that the library takes.

    It keeps what stopped it, which the library would hide, and moves the deadline: while we wait for the caller, it is
    the caller's time that runs.
    """

    def __init__(self, source: Source, options: UpstreamOptions) -> None:
        self.fault: Exception | None = None
        self.deadline: asyncio.Timeout | None = None
        self._source = source
        self._options = options
        self._response: aiohttp.ClientResponse | None = None

    def answered_by(self, response: aiohttp.ClientResponse) -> None:
        """The head of the answer is there, perhaps before all of the body was sent."""
        self.deadline = None
        self._response = response

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self._allow(None)
        try:
            piece = await self._source.read()
        except Exception as fault:
            self.fault = fault
            if self._response:
                self._response.close()
            raise
        self._allow(self._options.send_seconds if piece else self._options.answer_seconds)
        if not piece:
            raise StopAsyncIteration
        return piece

    def _allow(self, seconds: float | None) -> None:
        if self.deadline:
            self.deadline.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)


class _Answer:
    """See `wire.Answer`."""

    def __init__(self, response: aiohttp.ClientResponse, options: UpstreamOptions) -> None:
        self.status = response.status
        self.headers: Headers = tuple((name.lower(), value) for name, value in response.raw_headers)
        self._content = response.content
        self._idle_seconds = options.idle_seconds

    async def read(self) -> bytes:
        try:
            if piece := self._content.read_nowait():
                return piece
            async with asyncio.timeout(self._idle_seconds):
                return await self._content.readany()
        except TimeoutError as fault:
            raise Stop(_TIMEOUT) from fault
        except aiohttp.ClientError as fault:
            raise Stop(_FAILED, type(fault).__name__) from fault


async def reachable(base_url: str, *, seconds: float = 2.0) -> str | None:
    """Why an upstream cannot be connected to, or None. No request is sent, so it never shows up among the calls."""
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(parts.hostname, port)
        writer.close()
    except (OSError, TimeoutError) as fault:
        return f"cannot be connected to: {type(fault).__name__}"
    return None
