"""The front check: what the head of a call may look like before anybody decides about it.

Two programs that read one head differently are a way round every rule (one decides, the other acts), so a head that
has more than one reading is refused here, whatever RFC 9112 would allow: targets outside a small alphabet, framing
that could be cut in two ways, names that an upstream could take for others, and headers that ask to be treated as
another call. Each rule stands beside the attack that it ends.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain

from gateway.http1.framing import announced
from gateway.http1.heads import SECRET, Head, Malformed, Version, connection_tokens, may_be_kept
from gateway.http1.message import Call, Header, Headers
from gateway.http1.refusal import Reason, Refusal
from gateway.http1.remembered import Remembered


@dataclass(frozen=True, slots=True)
class FrontLimits:
    """Sizes of a head, in bytes but for the number of headers."""

    target: int = 8192
    """Path and query; the longest that a client of the platform makes has under 300, and our addresses of deferred
    results have up to 6,000. No proxy in front takes more by itself."""
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

_NOMINABLE = frozenset({b"", b"close", b"keep-alive", b"te"})
"""What `Connection` may name, or nothing between two commas. The next hop removes whatever it names: the credential,
say, or an identity."""


def front(wire: Head, call_id: str, limits: FrontLimits = DEFAULT_LIMITS) -> Call | Refusal:
    """The call of a head, or why it is refused.

    Names come out in lower case, values without the white space around them, in the order of the wire but for secrets,
    which come last.
    """
    if fault := _oversized(wire, limits):
        return Refusal(Reason.MALFORMED_REQUEST, fault)
    if wire.version not in _VERSIONS:
        return Refusal(Reason.MALFORMED_REQUEST, "only HTTP/1.0 and HTTP/1.1 are served")
    if wire.method not in METHODS:
        return Refusal(Reason.METHOD_NOT_ALLOWED, "this method is not served")
    method, target, version, headers, secrets = wire
    fault, path, query, headers = _judged_heads[(method, target, version, headers)]
    for name, value in secrets:
        fault = fault or _fault(name, value)
    if fault:
        return Refusal(Reason.MALFORMED_REQUEST, fault)
    return Call(call_id, method, path, query, headers + secrets)


def _oversized(head: Head, limits: FrontLimits) -> str | None:
    if len(head.target) > limits.target:
        return f"the request target is longer than {limits.target} bytes"
    headers = head.headers + head.secrets
    if len(headers) > limits.headers:
        return f"there are more than {limits.headers} headers"
    if sum(map(len, chain.from_iterable(headers))) > limits.header_bytes:
        return f"the headers are longer than {limits.header_bytes} bytes"
    return None


_Open = tuple[str, bytes, Version, Headers]
"""Method, target, version and headers of a head, without its secrets."""


def _judge_head(head: _Open) -> tuple[str | None, str, str, Headers]:
    """What is wrong with a head, or else its path, its query, and its headers as we write them."""
    method, target, version, wire = head
    path, query, fault = _targets[target]
    judged = [_judged[header] for header in wire]
    headers = tuple([header for header, _ in judged])
    faults = [fault, *[fault for _, fault in judged], _together(method, version, headers)]
    return next(filter(None, faults), None), path, query, headers


# --- the target ---------------------------------------------------------------------------------------------------


def _target(target: bytes) -> tuple[str, str, str | None]:
    """Path, query, and what is wrong with them."""
    path, _, query = target.partition(b"?")
    if fault := _target_fault(path, query):
        return "", "", fault
    return path.decode("ascii"), query.decode("ascii"), None


def _target_fault(path: bytes, query: bytes) -> str | None:
    """Origin form only: an absolute form names an authority of its own beside the Host header."""
    if not path.startswith(b"/"):
        return "the request target must be a path"
    if not _PATH.fullmatch(path):
        return "the path may hold letters, digits and `-._~` between single slashes, and nothing percent-encoded"
    if _DOT_SEGMENT.search(path):
        return "the path may not hold the segments `.` and `..`"
    if not _QUERY.fullmatch(query):
        return "the query string holds a character that must be percent-encoded"
    return None


# --- one header ---------------------------------------------------------------------------------------------------


def _judge(header: Header) -> tuple[Header, str | None]:
    """A header as we write it, and what is wrong with it by itself."""
    name, value = header[0].lower(), header[1].strip(b" \t")
    return (name, value), _fault(name, value)


def _fault(name: bytes, value: bytes) -> str | None:
    if not _NAME.fullmatch(name):
        return "a header name may hold letters, digits and `-` only (no `_`, which some servers read as `-`)"
    if not _VALUE.fullmatch(value):
        return f"the header `{name.decode()}` holds a byte that is not printable ASCII"
    if name in _OVERRIDES:
        return f"the header `{name.decode()}` asks for another call than this one"
    rule = _RULES.get(name)
    return rule(value) if rule else None


def _host(value: bytes) -> str | None:
    return None if _HOST.fullmatch(value) else _ONE_HOST


def _framing(name: bytes, value: bytes) -> str | None:
    try:
        announced(name, value)
    except Malformed as fault:
        return str(fault)
    return None


def _connection(value: bytes) -> str | None:
    if connection_tokens(((b"connection", value),)) - _NOMINABLE:
        return "Connection may only hold `close`, `keep-alive` and `TE`"
    return None


def _upgrade(_: bytes) -> str:
    return "no other protocol is spoken here"


def _expectation(value: bytes) -> str | None:
    return None if value.lower() == b"100-continue" else "the only expectation is `100-continue`"


_ONE_HOST = "exactly one valid Host header is needed"

_RULES: dict[bytes, Callable[[bytes], str | None]] = {
    b"host": _host,
    b"content-length": partial(_framing, b"content-length"),
    b"transfer-encoding": partial(_framing, b"transfer-encoding"),
    b"connection": _connection,
    b"upgrade": _upgrade,
    b"expect": _expectation,
}


# --- all headers together -----------------------------------------------------------------------------------------


def _together(method: str, version: Version, headers: Headers) -> str | None:
    """Request smuggling lives where two programs disagree about the end of a body."""
    names = {name for name, _ in headers}
    if len(names) < len(headers) and (doubled := _doubled(headers)):
        return doubled
    if b"host" not in names:  # also in HTTP/1.0, where every proxy sends it
        return _ONE_HOST
    if b"transfer-encoding" in names:
        if b"content-length" in names:
            return "a body has either a Content-Length or a Transfer-Encoding"
        if version == (1, 0):
            return "HTTP/1.0 has no Transfer-Encoding"
    if method in BODILESS and has_body(headers):
        return f"{method} takes no body"
    return None


def _doubled(headers: Headers) -> str | None:
    counts = Counter(name for name, _ in headers)
    doubled = next((name for name in counts if counts[name] > 1 and name in SINGLE), None)
    return f"the header `{doubled.decode()}` occurs more than once" if doubled else None


_ROOM = 4096
"""Targets and headers that are remembered, of each as many."""
_SHORT = 128
"""Bytes of such a target."""
_HEADS = 1024
_SHORT_HEAD = 2048
"""Bytes of a head of which is remembered how it was judged."""


def _all_short_and_open(head: _Open, judged: tuple[str | None, str, str, Headers]) -> bool:
    size = len(head[1]) + sum(map(len, chain.from_iterable(head[3])))
    return size <= _SHORT_HEAD and not any(name in SECRET for name, _ in judged[3])


_targets = Remembered(_target, room=_ROOM, worth=lambda target, _: len(target) <= _SHORT)
_judged = Remembered(_judge, room=_ROOM, worth=lambda _, judged: may_be_kept(judged[0]))
_judged_heads = Remembered(_judge_head, room=_HEADS, worth=_all_short_and_open)


def has_body(headers: Headers) -> bool:
    """Whether a head that passed announces a body of at least one byte, or of unknown length."""
    return body_length(headers) != 0


def body_length(headers: Headers) -> int | None:
    """The announced length of the body in bytes; None where it is chunked. No announcement is 0."""
    for name, value in headers:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length":
            return int(value)
    return 0
