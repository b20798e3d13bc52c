"""One call's line to the upstreams of its organization: the addresses, the credential, and who is asking."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway import __version__
from gateway.authz.outcome import Upstream
from gateway.http1 import Headers, Reason, Refusal
from gateway.metrics import Metrics
from gateway.proxy.body import Hold, whole
from gateway.proxy.headers import to_upstream
from gateway.proxy.trace import Trace
from gateway.proxy.wire import Answer, Outgoing, Sender, Source


@dataclass(frozen=True, slots=True)
class Binding:
    """Where the calls of one organization's keys go.

    A plan's path is appended to these URLs as it is, so that of `graphql` is the whole address. `account` is the
    organization's name at the platform, `credential` the gateway's own key there.
    """

    j1ql: str
    graphql: str
    persister: str
    account: str
    credential: str = field(repr=False)

    def url(self, upstream: Upstream, path: str, query: str) -> str:
        """The address of a request; nothing is joined or decoded, so that what was decided is what is asked."""
        match upstream:
            case Upstream.J1QL:
                base = self.j1ql
            case Upstream.GRAPHQL:
                base = self.graphql
            case Upstream.PERSISTER:
                base = self.persister
        return f"{base}{path}?{query}" if query else base + path


class Request(NamedTuple):
    """What is asked of an upstream; see `authz.outcome.Forward`."""

    upstream: Upstream
    method: str
    path: str
    query: str
    body: bytes | Source | None
    length: int | None = None
    """Of a body in pieces; None where it is not known."""


class Whole(NamedTuple):
    """An upstream's answer, read to its end."""

    status: int
    headers: Headers
    body: bytes


_TOO_LARGE = Refusal(Reason.UPSTREAM_FAILED, "the service behind the gateway gave no usable answer")
_JSON: Headers = ((b"content-type", b"application/json"),)
_OF_A_BODY = frozenset({b"content-encoding", b"content-type"})
_OWN: Headers = (
    *_JSON,
    (b"accept", b"application/json"),
    (b"accept-encoding", b"identity"),
    (b"user-agent", b"gateway/" + __version__.encode()),
)


@dataclass(frozen=True, slots=True)
class Line:
    """What a call may ask of its upstreams; every request carries our credential and the caller's signed identity."""

    binding: Binding
    sender: Sender
    metrics: Metrics
    trace: Trace
    hold: Hold
    identity: bytes

    async def open(self, request: Request, client: Headers) -> Answer:
        """Passes on a request with what is left of the client's headers; the answer is the caller's to close.

        A body that we hold was read as JSON, so that is what it is called, whatever the client called it.
        """
        kept = to_upstream(client, self._ours())
        if isinstance(request.body, bytes):
            kept = (*[header for header in kept if header[0] not in _OF_A_BODY], *_JSON)
        since = time.monotonic()
        try:
            return await self.sender.send(self._outgoing(request, kept))
        finally:
            self._waited(request.upstream, since)

    async def ask(self, request: Request, *, limit: int) -> Whole:
        """Asks on our own behalf: none of the client's headers goes along, and the answer comes uncompressed.

        Raises Stop: as `wire.Sender.send` does, and for an answer of more than `limit` bytes.
        """
        outgoing = self._outgoing(request, (*_OWN, *self._ours()))
        since = time.monotonic()
        try:
            with closing(await self.sender.send(outgoing)) as answer:
                body = await whole(answer, limit, self.hold, over=_TOO_LARGE)
                return Whole(answer.status, answer.headers, body)
        finally:
            self._waited(request.upstream, since)

    def _ours(self) -> Headers:
        return (
            (b"authorization", b"Bearer " + self.binding.credential.encode()),
            (b"jupiterone-account", self.binding.account.encode()),
            (b"gateway-identity", self.identity),
            (b"x-request-id", self.trace.call_id.encode()),
        )

    def _outgoing(self, request: Request, headers: Headers) -> Outgoing:
        url = self.binding.url(request.upstream, request.path, request.query)
        return Outgoing(request.method, url, headers, request.body, request.length)

    def _waited(self, upstream: Upstream, since: float) -> None:
        seconds = time.monotonic() - since
        self.trace.upstream_seconds += seconds
        self.metrics.upstream_answered(upstream.value, seconds)
