"""Connections to upstreams, kept and used again.

A connection carries one request at a time, and another one only if the answer was read to its end, the upstream keeps
it open, and nothing has come since: what nobody asked for breaks it. Nothing is sent twice here; where a connection
breaks before any of an answer has come, Unanswered tells `retrying` whether the request was sent. No cookies, no
redirects, no proxies from the environment, nothing unpacked; an answer whose end cannot be told from a broken
connection is none.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import Self
from urllib.parse import urlsplit

from gateway.http1 import Reason, Refusal
from gateway.proxy.deadlines import Deadlines
from gateway.proxy.link import Wait
from gateway.proxy.upstream_link import Answer, UpstreamLink
from gateway.proxy.upstream_options import UpstreamOptions
from gateway.proxy.wire import Outgoing, Stop, Unanswered

_FULL = Refusal(
    Reason.OVERLOADED, "the gateway has as many calls to its services under way as it may; try again in a moment"
)
"""Our own shortage, and no fault of the address that was to be connected to."""
_UNREACHABLE = Refusal(Reason.UPSTREAM_UNREACHABLE, "the service behind the gateway cannot be reached")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where connections lead."""

    host: str
    port: int
    tls: bool

    @property
    def named(self) -> bytes:
        """As the `Host` header names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.tls else 80
        return (host if self.port == usual else f"{host}:{self.port}").encode("ascii")


class Upstreams:
    """A pool of connections, open within its `async with`. `tls` says whom to trust; the system's authorities for None.

    An https URL is spoken to in TLS, its name checked.
    """

    def __init__(self, options: UpstreamOptions | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self._options = options or UpstreamOptions()
        self._tls = tls
        self._deadlines = Deadlines()
        self._idle: dict[Origin, list[_Pooled]] = {}
        self._open: set[_Pooled] = set()
        self._opening = 0
        self._waiting: deque[Wait] = deque()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for link in tuple(self._open):
            link.drop()
        await asyncio.sleep(0)  # connections are told in the next step of the loop that they are gone

    async def send(self, request: Outgoing) -> Answer:
        """See `wire.Sender`."""
        base, target = _parted(request.url)
        origin, host = _origin(base)
        link = self._kept(origin) or await self._taken(origin)
        try:
            return await link.ask(request, host, target)
        except BaseException:
            link.drop()
            raise

    async def _taken(self, origin: Origin) -> _Pooled:
        """A connection, once there is one or may be one more. Raises Stop."""
        deadline = asyncio.get_running_loop().time() + self._options.connect_seconds
        while (link := self._kept(origin)) is None:
            if self._has_room():
                return await self._opened(origin, deadline)
            await self._room(deadline)
        return link

    def give_back(self, link: _Pooled) -> None:
        """After a request, however it ended."""
        if link.rest(asyncio.get_running_loop().time() + self._options.keepalive_seconds):
            self._idle.setdefault(link.origin, []).append(link)
        else:
            link.drop()
        self._make_room()

    def lost(self, link: _Pooled) -> None:
        """A connection is gone."""
        self._open.discard(link)
        idle = self._idle.get(link.origin, [])
        if link in idle:
            idle.remove(link)
        self._make_room()

    def _make_room(self) -> None:
        """Whoever has waited longest looks again."""
        if self._waiting:
            self._waiting.popleft().happened()

    def _kept(self, origin: Origin) -> _Pooled | None:
        """The one that was used last: the others may come to rest."""
        kept = self._idle.get(origin)
        while kept:
            link = kept.pop()
            if link.is_open:
                return link
            link.drop()
        return None

    def _has_room(self) -> bool:
        """Whether another connection may be opened; one that is idle makes room."""
        if len(self._open) + self._opening < self._options.connections:
            return True
        for links in self._idle.values():
            if links:
                links.pop(0).drop()
                return True
        return False

    async def _room(self, deadline: float) -> None:
        wait = Wait()
        self._waiting.append(wait)
        self._deadlines.add(wait)
        try:
            await wait.until(deadline)
        except TimeoutError:
            self._give_up(wait)
            raise Stop(_FULL, "no connection became free") from None
        except asyncio.CancelledError:
            self._give_up(wait)
            raise
        finally:
            self._deadlines.discard(wait)

    def _give_up(self, wait: Wait) -> None:
        """Its time is over, or its call is. If it was told of room in the same turn of the loop, the next one is."""
        if wait in self._waiting:
            self._waiting.remove(wait)
        else:
            self._make_room()

    async def _opened(self, origin: Origin, deadline: float) -> _Pooled:
        link = _Pooled(self, origin, self._deadlines, self._options)
        self._opening += 1
        try:
            await self._connected(link, deadline)
        except BaseException:
            self._deadlines.discard(link)  # uvloop tells nobody that a connection is gone that came about in vain
            self._make_room()
            raise
        finally:
            self._opening -= 1
        self._open.add(link)
        return link

    async def _connected(self, link: _Pooled, deadline: float) -> None:
        origin = link.origin
        tls = self._context() if origin.tls else None
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.get_running_loop().create_connection(lambda: link, origin.host, origin.port, ssl=tls)
        except (OSError, TimeoutError) as fault:  # what TLS does not like is an OSError, too
            raise Unanswered(_UNREACHABLE, type(fault).__name__, sent=False) from fault

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


class _Pooled(UpstreamLink):
    """Tells its pool when it is free, and when it is gone."""

    def __init__(self, pool: Upstreams, origin: Origin, deadlines: Deadlines, options: UpstreamOptions) -> None:
        super().__init__(deadlines, options)
        self.origin = origin
        self._pool = pool

    def give_back(self) -> None:
        self._pool.give_back(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._pool.lost(self)


def _parted(url: str) -> tuple[str, bytes]:
    """Scheme and authority of a URL, and its target, as they are written."""
    end = url.find("/", url.index("://") + 3)
    return (url, b"/") if end < 0 else (url[:end], url[end:].encode("ascii"))


@lru_cache(maxsize=1024)
def _origin(base: str) -> tuple[Origin, bytes]:
    """Where a URL's connections lead, and its `Host`."""
    parts = urlsplit(base)
    tls = parts.scheme == "https"
    origin = Origin(parts.hostname or "", parts.port or (443 if tls else 80), tls)
    return origin, origin.named


async def reachable(base_url: str, *, seconds: float = 2.0) -> str | None:
    """Why an upstream cannot be connected to, by TLS where the calls use it, or None. No request is sent, so it never
    shows up among the calls."""
    origin, _ = _origin(_parted(base_url)[0])
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(origin.host, origin.port, ssl=origin.tls or None)
        writer.close()
    except (OSError, TimeoutError) as fault:
        return f"cannot be connected to: {type(fault).__name__}"
    return None
