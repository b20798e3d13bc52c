"""A call and a reply, as values.

Everything behind the listeners speaks in these, so that the server library can change without anybody noticing.
Header names are lower-case bytes, values bytes as they stood on the wire; path and query are never decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

Header = tuple[bytes, bytes]
Headers = tuple[Header, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One call that passed the front check; `body` is None until it was read whole."""

    id: str
    method: str
    path: str
    query: str
    headers: Headers
    body: bytes | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, named in lower case."""
        return next((value for key, value in self.headers if key == name), None)


def says_json(call: Call) -> bool:
    """Whether the body is JSON by its media type."""
    kind = (call.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    return kind == b"application/json" or kind.endswith(b"+json")


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer of our own."""

    status: int
    body: bytes
    headers: Headers = ((b"content-type", b"application/json"),)
