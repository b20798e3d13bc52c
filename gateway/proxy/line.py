"""One call's line to the upstreams of its organization: the addresses, the credential, and who is asking."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar

from gateway import __version__
from gateway.authz.outcome import Upstream
from gateway.authz.rows import Body
from gateway.http1 import Headers, Reason, Refusal
from gateway.http1.message import Header
from gateway.metrics import Metrics
from gateway.proxy.body import Hold, mapped, whole
from gateway.proxy.codings import IDENTITY, uncoded
from gateway.proxy.headers import to_upstream
from gateway.proxy.retrying import Ending, answered_with, ended_by
from gateway.proxy.service import Attempt, Service
from gateway.proxy.total_time import AnswerWithin, within
from gateway.proxy.trace import Trace
from gateway.proxy.wire import Answer, Outgoing, Sender, Source


@dataclass(frozen=True, slots=True)
class Binding:
    """Where the calls of one organization's keys go.

    A plan's path is appended to these services' URLs as it is, so that of `graphql` is the whole address. `account` is
    the organization's name at the platform, `credential` the gateway's own key there.
    """

    j1ql: Service
    graphql: Service
    persister: Service
    account: str
    credential: str = field(repr=False)

    def service(self, upstream: Upstream) -> Service:
        match upstream:
            case Upstream.J1QL:
                return self.j1ql
            case Upstream.GRAPHQL:
                return self.graphql
            case Upstream.PERSISTER:
                return self.persister


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


class Large(NamedTuple):
    """The same where it may be large, and only its status matters beside it."""

    status: int
    body: Body


Read = TypeVar("Read")

_UNUSABLE = Refusal(Reason.UPSTREAM_FAILED, "the service behind the gateway gave no usable answer")
_JSON: Headers = ((b"content-type", b"application/json"),)
_OF_A_BODY = frozenset({b"content-encoding", b"content-type"})
_AGENT: Header = (b"user-agent", b"gateway/" + __version__.encode())
_OWN: Headers = (*_JSON, (b"accept", b"application/json"), IDENTITY, _AGENT)
_ANYBODYS: Headers = ((b"accept", b"*/*"), IDENTITY, _AGENT)


class Line(NamedTuple):
    """What a call may ask of its upstreams; every request carries our credential and the caller's signed identity."""

    binding: Binding
    sender: Sender
    metrics: Metrics
    trace: Trace
    hold: Hold
    identity: bytes
    total_seconds: float | None = None
    """For a request and its answer to the end, all tries together."""

    async def open(self, request: Request, client: Headers) -> Answer:
        """Passes on a request with what is left of the client's headers; the answer is the caller's to close.

        A body that we hold was read as JSON, so that is what it is called, whatever the client called it.
        """
        kept = to_upstream(client, self._ours())
        if isinstance(request.body, bytes):
            kept = (*[header for header in kept if header[0] not in _OF_A_BODY], *_JSON)
        since = time.monotonic()
        try:
            return await self._answered(request, kept)
        finally:
            self._waited(request.upstream.value, since)

    async def ask(self, request: Request, *, limit: int) -> Whole:
        """Asks on our own behalf: none of the client's headers goes along, and the answer is told uncompressed.

        Raises Stop: as `wire.Sender.send` does, for an answer of more than `limit` bytes without its coding, and for a
        coding that is not known or not whole.
        """
        read = partial(whole, limit=limit, hold=self.hold, over=_UNUSABLE)
        answer, body = await self._asked(request, read)
        return Whole(answer.status, _without_coding(answer.headers), body)

    async def ask_large(self, request: Request, *, limit: int) -> Large:
        """The same for an answer that is read in place, and need not be in one piece of the heap."""
        read = partial(mapped, limit=limit, hold=self.hold, over=_UNUSABLE)
        answer, body = await self._asked(request, read)
        return Large(answer.status, body)

    async def _asked(self, request: Request, read: Callable[[Source], Awaitable[Read]]) -> tuple[Answer, Read]:
        since = time.monotonic()
        try:
            with closing(await self._answered(request, (*_OWN, *self._ours()))) as answer:
                return answer, await read(uncoded(answer, _UNUSABLE))
        finally:
            self._waited(request.upstream.value, since)

    async def fetch(self, place: str) -> Answer:
        """Gets what lies at an address that an upstream gave, which may be anybody's: nothing of ours goes along."""
        since = time.monotonic()
        try:
            return await self._sent(Outgoing("GET", place, _ANYBODYS), self._deadline())
        finally:
            self._waited("results", since)

    async def _answered(self, request: Request, headers: Headers) -> Answer:
        """Sends a request to one of its addresses, and perhaps once more; see `retrying`."""
        deadline = self._deadline()
        attempt = Attempt(self.binding.service(request.upstream), request, time.monotonic())
        while True:
            try:
                answer = await self._sent(_outgoing(attempt.address.url, request, headers), deadline)
            except BaseException as fault:
                if not self._again(attempt, ended_by(fault), request.upstream):
                    raise
            else:
                if not self._again(attempt, answered_with(answer.status), request.upstream):
                    return answer
                answer.close()

    def _deadline(self) -> float | None:
        return None if self.total_seconds is None else asyncio.get_running_loop().time() + self.total_seconds

    async def _sent(self, outgoing: Outgoing, deadline: float | None) -> Answer:
        sending = self.sender.send(outgoing)
        return await sending if deadline is None else AnswerWithin(await within(deadline, sending), deadline)

    def _again(self, attempt: Attempt, ending: Ending, upstream: Upstream) -> bool:
        again = attempt.again(ending, time.monotonic())
        if again or attempt.unpaid:
            self.metrics.upstream_retried(upstream.value, "sent" if again else "over_budget")
        return again

    def _ours(self) -> Headers:
        return (
            (b"authorization", b"Bearer " + self.binding.credential.encode()),
            (b"jupiterone-account", self.binding.account.encode()),
            (b"gateway-identity", self.identity),
            (b"x-request-id", self.trace.call_id.encode()),
        )

    def _waited(self, upstream: str, since: float) -> None:
        seconds = time.monotonic() - since
        self.trace.upstream_seconds += seconds
        self.metrics.upstream_answered(upstream, seconds)


def _without_coding(headers: Headers) -> Headers:
    return tuple([header for header in headers if header[0] != b"content-encoding"])


def _outgoing(base: str, request: Request, headers: Headers) -> Outgoing:
    """Nothing of the address is joined or decoded, so that what was decided is what is asked."""
    url = f"{base}{request.path}?{request.query}" if request.query else base + request.path
    return Outgoing(request.method, url, headers, request.body, request.length)
