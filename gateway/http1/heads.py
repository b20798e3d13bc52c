"""Heads of messages, read and written (RFC 9112, sections 2 to 5).

    head          = start-line CRLF *( field-line CRLF ) CRLF
    request-line  = method SP target SP version
    status-line   = version SP status [ SP reason ]
    version       = "HTTP/" DIGIT "." DIGIT
    field-line    = name ":" OWS value OWS

A head has one reading or none: lines end in CRLF and in nothing else, no white space stands before a colon, no line is
folded, and nothing else is forgiven, though RFC 9112 allows some of it. What the parts may say is not asked here: for
requests see `front`.

Clients and upstreams repeat themselves, so most heads of requests and most lines of answers were read before: those are
looked up, not read again. What is kept for that has no secret: lines that hold one are taken out of a head before.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import NamedTuple

from gateway.http1.message import Header, Headers
from gateway.http1.remembered import Remembered

Version = tuple[int, int]
"""(1, 1) for HTTP/1.1."""


class Malformed(ValueError):  # noqa: N818 (what the bytes are)
    """Bytes that are no message; the text says why and repeats nothing of them."""


class TooLong(Malformed):
    """A head, a line of it, or what comes beside a body is longer than it may be."""


class Head(NamedTuple):
    """The head of a request, nothing of it judged; names of headers in lower case.

    Those in `SECRET` are in `secrets` and not in `headers`, each in the order of the wire.
    """

    method: str
    target: bytes
    version: Version
    headers: Headers
    secrets: Headers = ()


class AnswerHead(NamedTuple):
    """The head of an answer; names of headers in lower case."""

    status: int
    version: Version
    headers: Headers


SECRET = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"set-cookie", b"x-api-key"})
"""Headers whose values are nowhere kept."""
_SECRET_LINE = re.compile(rb"\r\n((?i:%b):[^\r\n]*)" % b"|".join(sorted(SECRET)))

_HEADS = 1024
"""Heads remembered, of at most `_SHORT_HEAD` bytes each: 2 MB, and as much again for what was read in them."""
_SHORT_HEAD = 2048
_LINES = 4096
"""Lines remembered, of at most `_SHORT_LINE` bytes each: 2 MB with what was read in them."""
_SHORT_LINE = 128


def may_be_kept(header: Header) -> bool:
    """Whether a header may be remembered, its name in lower case: it is short and holds no secret."""
    return len(header[0]) + len(header[1]) <= _SHORT_LINE and header[0] not in SECRET


_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([^\x00-\x20\x7f]+) HTTP/([0-9])\.([0-9])")
_STATUS_LINE = re.compile(rb"HTTP/([0-9])\.([0-9]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
_FIELD_LINE = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_BEGINNING = re.compile(rb"(?:\r\n)?[!#$%&'*+.^_`|~0-9A-Za-z-]|\r?\Z|\r\n\Z")


def request_head(raw: bytes, line_bytes: int, most_lines: int) -> Head:
    """The head of a request, from its lines without the empty one at their end. Raises Malformed."""
    _bound(raw, line_bytes, most_lines)
    parts = _SECRET_LINE.split(raw)
    if len(parts) == 1:
        return _request_heads[raw]
    method, target, version, headers, _ = _request_heads[b"".join(parts[::2])]
    return Head(method, target, version, headers, tuple([field(line) for line in parts[1::2]]))


def answer_head(raw: bytes, line_bytes: int, most_lines: int) -> AnswerHead:
    """The head of an answer, from its lines without the empty one at their end. Raises Malformed."""
    _bound(raw, line_bytes, most_lines)
    first, *lines = raw.split(b"\r\n")
    version, status = _status_lines[first]
    return AnswerHead(status, version, tuple([_fields[line] for line in lines]))


def field(line: bytes) -> Header:
    """A header, its name in lower case, its value without the white space around it. Raises Malformed."""
    match = _FIELD_LINE.fullmatch(line)
    if match is None:
        raise Malformed("a header line is not well-formed")
    name, value = match.groups()
    return name.lower(), value.rstrip(b" \t")


def connection_tokens(headers: Headers) -> set[bytes]:
    """What `Connection` says, in lower case: `close`, or headers that belong to this connection alone."""
    said = [value for name, value in headers if name == b"connection"]
    return {token.strip().lower() for value in said for token in value.split(b",")} if said else set()


def may_begin(some: bytes) -> bool:
    """Whether a request's head can begin so: what speaks TLS or another protocol is not waited for."""
    return _BEGINNING.match(some) is not None


def written(start: bytes, headers: Headers) -> bytes:
    """The bytes of a head. Raises ValueError for a header that would end its line."""
    head = b"\r\n".join([start, *map(b": ".join, headers), b"\r\n"])
    if head.count(b"\n") != len(headers) + 2 or head.count(b"\r") != len(headers) + 2:
        raise ValueError("a header holds the end of a line")
    return head


def status_line(status: int) -> bytes:
    """Of an answer of ours: HTTP/1.1, whatever the request spoke (RFC 9110, section 2.5)."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d " % status


def _bound(raw: bytes, line_bytes: int, most_lines: int) -> None:
    if raw.count(b"\r\n") >= most_lines:
        raise TooLong("the head has too many lines")
    if len(raw) > line_bytes and max(map(len, raw.split(b"\r\n"))) > line_bytes:
        raise TooLong("a line of the head is too long")


def _request_head(raw: bytes) -> Head:
    """A head without secrets."""
    first, *lines = raw.split(b"\r\n")
    match = _REQUEST_LINE.fullmatch(first)
    if match is None:
        raise Malformed("the request line is not well-formed")
    method, target, major, minor = match.groups()
    version = int(major), int(minor)
    return Head(method.decode("ascii"), target, version, tuple([_fields[line] for line in lines]))


def _status(line: bytes) -> tuple[Version, int]:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise Malformed("the status line is not well-formed")
    major, minor, status = match.groups()
    return (int(major), int(minor)), int(status)


_request_heads = Remembered(_request_head, room=_HEADS, worth=lambda raw, _: len(raw) <= _SHORT_HEAD)
_status_lines = Remembered(_status, room=_LINES, worth=lambda line, _: len(line) <= _SHORT_LINE)
_fields = Remembered(field, room=_LINES, worth=lambda line, header: len(line) <= _SHORT_LINE and may_be_kept(header))

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in HTTPStatus}
