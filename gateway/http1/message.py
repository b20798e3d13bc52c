"""A call and a reply, as values.

Everything behind the listeners speaks in these, so that the server library can change without anybody noticing.
Header names are lower-case bytes, values bytes as they stood on the wire; path and query are never decoded.
"""

from __future__ import annotations

from msgspec import Struct

Header = tuple[bytes, bytes]
Headers = tuple[Header, ...]

_JSON = b"application/json"


class Call(Struct, frozen=True):
    """One call that passed the front check; `body` is None until it was read whole."""

    id: str
    method: str
    path: str
    query: str
    headers: Headers
    body: bytes | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, named in lower case."""
        for key, value in self.headers:  # asked for each call, and a generator would cost twice as much
            if key == name:
                return value
        return None


def says_json(call: Call) -> bool:
    """Whether the body is JSON by its media type."""
    said = call.header(b"content-type") or b""
    if said == _JSON:
        return True
    kind = said.partition(b";")[0].strip().lower()
    return kind == _JSON or kind.endswith(b"+json")


class Reply(Struct, frozen=True):
    """A whole answer of our own."""

    status: int
    body: bytes
    headers: Headers = ((b"content-type", b"application/json"),)
