"""What the data plane asks of the two ends of the wire, and the two ways in which a call can end before its answer.

`server` and `upstream` hold up these two shapes; nothing else in this package knows a server or client library, so that
either can be replaced.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from gateway.http1 import Head, Headers, Refusal, Reply


class Stop(Exception):  # noqa: N818 (the end of a call, with the words for its caller)
    """A call that cannot go on; `refusal` is the answer, unless one has begun: then the connection is cut.

    `detail` is for operators alone: what an upstream's answer was like, say.
    """

    def __init__(self, refusal: Refusal, detail: str = "") -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.detail = detail


class Unanswered(Stop):
    """An upstream of which no byte of an answer came; `sent` unless the request certainly did not reach it."""

    def __init__(self, refusal: Refusal, detail: str = "", *, sent: bool) -> None:
        super().__init__(refusal, detail)
        self.sent = sent


class ClientGone(Exception):  # noqa: N818
    """The client left, or takes nothing any more; there is nobody to answer."""


class Source(Protocol):
    """A body in pieces. (No async generator: one that is left half-read is closed by whoever comes by.)"""

    async def read(self) -> bytes:
        """The next piece; empty at the end. Raises Stop where the body breaks off, stalls, or is not well-formed."""
        ...


class Incoming(Source, Protocol):
    """One call as it came in, and the way to answer it: `answer`, or `begin`, `write`..., `end`.

    The client is told to send its body when the first piece is read. Every way of answering may raise ClientGone. An
    answer that is given before the body was read whole closes the connection, so that the rest of the body cannot be
    taken for a call.
    """

    @property
    def head(self) -> Head: ...

    @property
    def came(self) -> float:
        """When all of the head was here, seconds of `time.monotonic`; perhaps a little later."""
        ...

    @property
    def address(self) -> str | None:
        """The address that the call is counted by, see `http1.counted_as`; None where it cannot be told."""
        ...

    @property
    def begun(self) -> bool:
        """Whether any part of an answer was given."""
        ...

    async def answer(self, reply: Reply) -> None: ...

    async def begin(self, status: int, headers: Headers) -> None: ...

    async def write(self, piece: bytes) -> None: ...

    async def end(self) -> None: ...

    def cut(self) -> None:
        """Breaks the connection off so that no client can take the answer for a whole one."""
        ...


class Outgoing(NamedTuple):
    """One request to an upstream. A body in pieces has `length` bytes, or is sent chunked for None.

    `headers` say neither host nor framing: the sender does."""

    method: str
    url: str
    headers: Headers
    body: bytes | Source | None = None
    length: int | None = None


class Answer(Source, Protocol):
    """An upstream's answer, its head read; the body comes as the upstream encoded it."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Headers:
        """Names in lower case."""
        ...

    def at_once(self) -> bytes | None:
        """The whole body, if all of it is here and nothing of it was read; else None, and it is to be read."""
        ...

    def close(self) -> None:
        """Gives the connection back, or drops it with what is unread."""
        ...


class Sender(Protocol):
    """The pool of connections to upstreams."""

    async def send(self, request: Outgoing) -> Answer:
        """The answer to a request, to be closed by whoever gets it.

        Raises Stop: the upstream does not answer in time, or gives no usable answer; Unanswered where it cannot be
        reached or hangs up: others decide what is sent once more. What reading the body raises comes through.
        """
        ...
