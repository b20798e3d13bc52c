"""One connection to an upstream: a request goes out, an answer comes in, and then perhaps the next."""

from __future__ import annotations

import asyncio

from gateway.http1 import Headers, Reason, Refusal
from gateway.http1.framing import ChunkedOutlet, Lying, Outlet, SizedOutlet, answer_length
from gateway.http1.heads import AnswerHead, Malformed, answer_head, connection_tokens, written
from gateway.http1.reader import Reader
from gateway.proxy.deadlines import Deadlines
from gateway.proxy.link import NEVER, Link
from gateway.proxy.upstream_options import UpstreamOptions
from gateway.proxy.wire import Outgoing, Source, Stop, Unanswered

TIMEOUT = Refusal(Reason.UPSTREAM_TIMEOUT, "the service behind the gateway did not answer in time")
FAILED = Refusal(Reason.UPSTREAM_FAILED, "the service behind the gateway gave no usable answer")

_LINES = 256
"""Lines of an answer's head."""
_INTERIM = 16
"""Answers of status 1xx before the final one: `103 Early Hints` comes once or twice."""
_SWITCHING = 101
"""Hands the connection over to another protocol, which nobody has asked for."""

_OURS = frozenset({b"content-length", b"host", b"transfer-encoding"})
"""Said here alone: a second one would give the request two readings."""

_WITH_BODY = frozenset({"PATCH", "POST", "PUT"})
"""Methods whose request says that its body is empty."""


class UpstreamLink(Link):
    """Our end of a connection to an upstream. One request at a time."""

    def __init__(self, deadlines: Deadlines, options: UpstreamOptions) -> None:
        super().__init__(Reader(2 * options.head_bytes), deadlines)
        self._options = options
        self._is_asking = False
        self._is_kept = False
        self._sending: asyncio.Task[None] | None = None

    def give_back(self) -> None:
        """The answer is closed; what becomes of the connection is for who owns it."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_asking:
            self.cut()  # nobody has asked: it must not be taken for the answer to the next request

    @property
    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing() and not self.reader.ended

    async def ask(self, request: Outgoing, host: bytes, target: bytes) -> Answer:
        """The answer. Raises Stop: Unanswered where the connection broke before a byte of it came."""
        self._is_asking = True
        self.abort_at(NEVER)
        try:
            self._send(request, host, target)
            head = await self._final_head()
            length = answer_length(request.method, head)
        except Malformed as fault:
            raise Stop(FAILED, str(fault)) from None
        except TimeoutError:
            raise Stop(TIMEOUT) from None
        except ConnectionError as fault:
            raise self._unanswered(type(fault).__name__) from fault
        self.reader.begin(length)
        self._is_kept = head.version >= (1, 1) and b"close" not in connection_tokens(head.headers)
        return Answer(self, head, self._options.idle_seconds)

    def rest(self, until: float) -> bool:
        """After an answer: whether the connection can take another request, before `until`."""
        sent = self._sending is None or self._sending.done()
        reader = self.reader
        if not (sent and self._is_kept and reader.is_between and not reader.waiting and self.is_open):
            return False
        self._is_asking = False
        self._sending = None
        self.read_on()  # what comes now, or that the upstream hangs up, must not wait for the next request
        self.abort_at(until)
        return True

    def drop(self) -> None:
        """Gives the connection up, with all that is under way."""
        if self._sending is not None:
            self._sending.cancel()
        if self.transport is not None:
            self.transport.abort()

    # --- the request

    def _send(self, request: Outgoing, host: bytes, target: bytes) -> None:
        body = request.body
        if not _OURS.isdisjoint([name for name, _ in request.headers]):
            raise ValueError(f"a request's headers must not hold {b', '.join(sorted(_OURS)).decode()}")
        framing, outlet = _framing(request)
        start = b"%b %b HTTP/1.1" % (request.method.encode("ascii"), target)
        head = written(start, ((b"host", host), *request.headers, *framing))
        if body is None or isinstance(body, bytes):
            self.write(head + body if body else head)
            return
        self.write(head)
        self._sending = asyncio.get_running_loop().create_task(self._send_body(body, outlet))
        self._sending.add_done_callback(self._sent)

    async def _send_body(self, source: Source, outlet: Outlet) -> None:
        loop = asyncio.get_running_loop()
        while piece := await source.read():
            self.write(outlet.piece(piece))
            await self.written(loop.time() + self._options.send_seconds)
        if last := outlet.end():
            self.write(last)

    def _sent(self, sending: asyncio.Task[None]) -> None:
        """Wakes whoever waits for the answer: it will come in time now, or never."""
        if not sending.cancelled() and sending.exception() is not None:
            self.reader.receive_end()
        self._coming.happened()

    def fault(self) -> Exception | None:
        """Why the request could not be sent whole."""
        sending = self._sending
        if sending is None or not sending.done() or sending.cancelled():
            return None
        match sending.exception():
            case None | ConnectionError():  # what the upstream said before it hung up counts
                return None
            case TimeoutError():
                return Stop(TIMEOUT, "it does not take the request")
            case Lying():
                return Stop(FAILED, "the request's body does not have the length that was announced")
            case Exception() as fault:
                return fault
            case fault:
                raise RuntimeError from fault

    # --- the answer

    async def _final_head(self) -> AnswerHead:
        for _ in range(_INTERIM):
            head = await self._head()
            if head.status == _SWITCHING:
                raise Stop(FAILED, "it would speak another protocol")
            if head.status >= 200:  # noqa: PLR2004
                return head
        raise Stop(FAILED, "it does not come to its answer")

    async def _head(self) -> AnswerHead:
        loop = asyncio.get_running_loop()
        deadline = NEVER
        while (raw := self.reader.head()) is None:
            if fault := self.fault():
                raise fault
            if self.reader.ended:
                raise self._unanswered("it hung up")
            if deadline == NEVER and (self._sending is None or self._sending.done()):
                deadline = loop.time() + self._options.answer_seconds
            await self.more(deadline)
        return answer_head(raw, self._options.head_bytes, _LINES)

    def _unanswered(self, why: str) -> Stop:
        if self.reader.waiting:
            return Stop(FAILED, "its answer breaks off")
        return Unanswered(FAILED, why, sent=True)


class Answer:
    """See `wire.Answer`."""

    __slots__ = ("_idle_seconds", "_is_closed", "_link", "headers", "status")

    def __init__(self, link: UpstreamLink, head: AnswerHead, idle_seconds: float) -> None:
        self.status = head.status
        self.headers = head.headers
        self._link = link
        self._idle_seconds = idle_seconds
        self._is_closed = False

    async def read(self) -> bytes:
        reader = self._link.reader
        try:
            while (piece := reader.body()) is None:
                await self._link.more(asyncio.get_running_loop().time() + self._idle_seconds)
        except TimeoutError:
            raise Stop(TIMEOUT) from None
        except Malformed as why:
            raise self._link.fault() or Stop(FAILED, str(why)) from None
        return piece

    def at_once(self) -> bytes | None:
        return self._link.reader.rest()

    def close(self) -> None:
        if not self._is_closed:  # by now the connection may be another call's
            self._is_closed = True
            self._link.give_back()


def _framing(request: Outgoing) -> tuple[Headers, Outlet]:
    """What the head says of the body, and how it goes out."""
    body, length = request.body, request.length
    if isinstance(body, bytes) or (body is None and request.method in _WITH_BODY):
        length = len(body or b"")
    elif body is None:
        return (), SizedOutlet(0)
    if length is None:
        return ((b"transfer-encoding", b"chunked"),), ChunkedOutlet()
    return ((b"content-length", b"%d" % length),), SizedOutlet(length)
