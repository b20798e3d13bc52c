"""The front check: what the head of a call may look like before anybody decides about it.

Two programs that read one head differently are a way round every rule (one decides, the other acts), so a head that
has more than one reading is refused here, whatever RFC 9112 would allow: targets outside a small alphabet, framing
that could be cut in two ways, names that an upstream could take for others, and headers that ask to be treated as
another call. Each rule stands beside the attack that it ends.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

from gateway.http1.message import Call, Headers
from gateway.http1.refusal import Reason, Refusal


@dataclass(frozen=True, slots=True)
class FrontLimits:
    """Sizes of a head, in bytes but for the number of headers."""

    target: int = 4096
    """Path and query; the longest that a client of the platform sends has under 300."""
    headers: int = 64
    """Number of headers; clients send about ten, proxies in front of us a dozen more."""
    header_bytes: int = 16 * 1024
    """Names and values together; a browser's cookies for one origin rarely reach half of it."""


DEFAULT_LIMITS = FrontLimits()

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""CONNECT and TRACE speak to proxies, not to services; the rest of the registry is nothing that a route here takes."""

BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
"""A body means nothing with these, so that one program would skip it and another read it as the next call."""

_VERSIONS = frozenset({(1, 0), (1, 1)})

# No `%`: decoding turns `%2e%2e` and `%2f` into paths that nobody has decided about. No `;`: some servers cut it off.
# A `//` at the start is an authority to whoever joins URLs, anywhere else some servers merge it.
_PATH = re.compile(rb"/(?:[A-Za-z0-9._~-]+(?:/[A-Za-z0-9._~-]+)*/?)?")
_DOT_SEGMENT = re.compile(rb"/\.{1,2}(?:/|\Z)")
_QUERY = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")

# `_` is legal in a name, but CGI and WSGI read `gateway_identity` and `gateway-identity` as one: refused rather than
# dropped, so that whoever sends one learns it. The other token characters have no use in any registered name.
_NAME = re.compile(rb"[A-Za-z0-9-]+")
# Bytes above ASCII mean Latin-1 to one reader, UTF-8 to another; no client of the platform sends any.
_VALUE = re.compile(rb"[\t\x20-\x7e]*")
# `_` is no host name, but container networks name services so.
_HOST = re.compile(rb"(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_LENGTH = re.compile(rb"[0-9]{1,18}")

SINGLE = frozenset(
    {
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"jupiterone-account",
        b"lifeomic-account",
        b"transfer-encoding",
    }
)
"""Headers that decide something: of two, one program takes the first, another the last. (`credential` counts keys.)"""

_OVERRIDES = frozenset(
    {
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-original-url",
        b"x-rewrite-url",
    }
)
"""Headers by which an upstream would act on another method or path than the one that was decided."""

_NOMINABLE = frozenset({b"close", b"keep-alive", b"te"})
"""What `Connection` may name. The next hop removes whatever it names: the credential, say, or an identity."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a call as it stood on the wire; `version` is (1, 1) for HTTP/1.1."""

    method: str
    target: bytes
    version: tuple[int, int]
    headers: Headers

    def values(self, name: bytes) -> list[bytes]:
        """All values of a header."""
        return [value for key, value in self.headers if key == name]


def front(wire: Head, call_id: str, limits: FrontLimits = DEFAULT_LIMITS) -> Call | Refusal:
    """The call of a head, or why it is refused.

    Names come out in lower case, values without the white space around them, both in the order of the wire.
    """
    if fault := _oversized(wire, limits):
        return Refusal(Reason.MALFORMED_REQUEST, fault)
    if wire.method not in METHODS:
        return Refusal(Reason.METHOD_NOT_ALLOWED, "this method is not served")
    head = replace(wire, headers=tuple((name.lower(), value.strip(b" \t")) for name, value in wire.headers))
    for check in _CHECKS:
        if fault := check(head):
            return Refusal(Reason.MALFORMED_REQUEST, fault)
    path, _, query = head.target.decode("ascii").partition("?")
    return Call(call_id, head.method, path, query, head.headers)


def _oversized(head: Head, limits: FrontLimits) -> str | None:
    if len(head.target) > limits.target:
        return f"the request target is longer than {limits.target} bytes"
    if len(head.headers) > limits.headers:
        return f"there are more than {limits.headers} headers"
    if sum(len(name) + len(value) for name, value in head.headers) > limits.header_bytes:
        return f"the headers are longer than {limits.header_bytes} bytes"
    return None


def _version(head: Head) -> str | None:
    return None if head.version in _VERSIONS else "only HTTP/1.0 and HTTP/1.1 are served"


def _target(head: Head) -> str | None:
    """Origin form only: an absolute form names an authority of its own beside the Host header."""
    path, _, query = head.target.partition(b"?")
    if not path.startswith(b"/"):
        return "the request target must be a path"
    if not _PATH.fullmatch(path):
        return "the path may hold letters, digits and `-._~` between single slashes, and nothing percent-encoded"
    if _DOT_SEGMENT.search(path):
        return "the path may not hold the segments `.` and `..`"
    if not _QUERY.fullmatch(query):
        return "the query string holds a character that must be percent-encoded"
    return None


def _header_syntax(head: Head) -> str | None:
    for name, value in head.headers:
        if not _NAME.fullmatch(name):
            return "a header name may hold letters, digits and `-` only (no `_`, which some servers read as `-`)"
        if not _VALUE.fullmatch(value):
            return f"the header `{name.decode()}` holds a byte that is not printable ASCII"
        if name in _OVERRIDES:
            return f"the header `{name.decode()}` asks for another call than this one"
    return None


def _single_headers(head: Head) -> str | None:
    counts = Counter(name for name, _ in head.headers)
    doubled = next((name for name in counts if counts[name] > 1 and name in SINGLE), None)
    return f"the header `{doubled.decode()}` occurs more than once" if doubled else None


def _host(head: Head) -> str | None:
    """Always there, even in HTTP/1.0, where every proxy sends it."""
    hosts = head.values(b"host")
    return None if hosts and _HOST.fullmatch(hosts[0]) else "exactly one valid Host header is needed"


def _framing(head: Head) -> str | None:
    """Request smuggling lives where two programs disagree about the end of a body."""
    lengths, codings = head.values(b"content-length"), head.values(b"transfer-encoding")
    if lengths and codings:
        return "a body has either a Content-Length or a Transfer-Encoding"
    if lengths and not _LENGTH.fullmatch(lengths[0]):
        return "the Content-Length is not a number"
    if codings and head.version == (1, 0):
        return "HTTP/1.0 has no Transfer-Encoding"
    if codings and codings[0].lower() != b"chunked":
        return "the only Transfer-Encoding is `chunked`"
    return None


def _body(head: Head) -> str | None:
    if head.method in BODILESS and has_body(head.headers):
        return f"{head.method} takes no body"
    return None


def _connection(head: Head) -> str | None:
    if head.values(b"upgrade"):
        return "no other protocol is spoken here"
    nominated = (token.strip().lower() for value in head.values(b"connection") for token in value.split(b","))
    if any(token and token not in _NOMINABLE for token in nominated):
        return "Connection may only hold `close`, `keep-alive` and `TE`"
    return None


def _expectation(head: Head) -> str | None:
    if any(value.lower() != b"100-continue" for value in head.values(b"expect")):
        return "the only expectation is `100-continue`"
    return None


_CHECKS = (_version, _target, _header_syntax, _single_headers, _host, _framing, _body, _connection, _expectation)
"""In this order: later ones rely on earlier ones, those on the framing on single headers, say."""


def has_body(headers: Headers) -> bool:
    """Whether a head that passed announces a body of at least one byte, or of unknown length."""
    return any(name == b"transfer-encoding" or (name == b"content-length" and int(value)) for name, value in headers)


def body_length(headers: Headers) -> int | None:
    """The announced length of the body in bytes; None where it is chunked. No announcement is 0."""
    for name, value in headers:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length":
            return int(value)
    return 0
