"""What a case of the corpus of calls is: bytes of a client, and what a server must make of them.

What must come of it does not depend on how the bytes are cut into segments. `RFC` numbers are 9110 (semantics) and 9112
(HTTP/1.1). Where the RFC lets a server choose, the cases say what ours has chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class End(Enum):
    """What becomes of the connection after the last call of a case."""

    NEXT = auto()
    """The next call on it is served."""
    CLOSED = auto()
    """The last call is answered, and what follows it is never looked at."""
    REFUSED = auto()
    """What follows the calls is answered with a 4xx, and the connection closed."""


@dataclass(frozen=True, eq=False)
class Call:
    """One whole call as a handler gets it. `headers` are compared where both have them: names in lower case."""

    method: str
    target: bytes
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Call):
            return NotImplemented
        same = (self.method, self.target, self.body) == (other.method, other.target, other.body)
        return same and (None in {self.headers, other.headers} or self.headers == other.headers)

    __hash__ = None  # type: ignore[assignment]  # equal ones need not have equal headers


@dataclass(frozen=True)
class Case:
    """`why` is the reason, with the section of the RFC that it comes from."""

    name: str
    data: bytes
    calls: tuple[Call, ...]
    end: End
    why: str

    @property
    def methods(self) -> list[str]:
        """Of the calls, in the order of their answers; what is refused is a GET unless it is all that there is."""
        return [call.method for call in self.calls] or ["HEAD" if self.data.startswith(b"HEAD ") else "GET"]


HELLO = Call("POST", b"/a", b"hello")
EMPTY = Call("POST", b"/a")
GET = Call("GET", b"/a")

LENGTH = b"Content-Length: 5"
CHUNKED = b"Transfer-Encoding: chunked"


def message(line: bytes, *headers: bytes, body: bytes = b"", host: bytes = b"Host: a") -> bytes:
    return b"\r\n".join([line, *([host] if host else []), *headers]) + b"\r\n\r\n" + body


def post(*headers: bytes, body: bytes = b"hello") -> bytes:
    return message(b"POST /a HTTP/1.1", *headers, body=body)


def get(*headers: bytes) -> bytes:
    return message(b"GET /a HTTP/1.1", *headers)


def served(name: str, data: bytes, *calls: Call, why: str = "") -> Case:
    """All of it is served, and the next call too."""
    return Case(name, data, calls, End.NEXT, why)


def closed(name: str, data: bytes, *calls: Call, why: str = "") -> Case:
    """All of it is served, and nothing after it."""
    return Case(name, data, calls, End.CLOSED, why)


def refused(name: str, data: bytes, *calls: Call, why: str = "") -> Case:
    """The calls are served, what follows them is refused."""
    return Case(name, data, calls, End.REFUSED, why)
