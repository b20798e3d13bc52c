"""A strict reading of answers, as a client has them (RFC 9112, section 6.3); it shares no code with the gateway."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, repeat

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2}) [\t\x20-\x7e]*")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e]?[\t\x20-\x7e]*?)[ \t]*")
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")


class Unreadable(Exception):  # noqa: N818
    """No client may read on."""


@dataclass
class Got:
    """One answer; `whole` where its end came, `until_close` where only the end of the connection tells it."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""
    whole: bool = False
    until_close: bool = False
    version: bytes = b"HTTP/1.1"

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]

    @property
    def closes(self) -> bool:
        """Whether the server says that no other answer follows."""
        options = [option.strip().lower() for value in self.values(b"connection") for option in value.split(b",")]
        return b"close" in options or self.until_close or (self.version == b"HTTP/1.0" and b"keep-alive" not in options)


def answers(raw: bytes, methods: Iterable[str] = ()) -> list[Got]:
    """All answers of a connection. `methods` are those of the calls in their order, GET where there are no more.

    Raises Unreadable for what no client should make anything of. An answer that is not whole is the last.
    """
    found: list[Got] = []
    asked = chain(methods, repeat("GET"))
    method = next(asked)
    while raw:
        got, raw = _answer(raw, method)
        found.append(got)
        if not got.whole:
            return found
        if got.status >= 200:
            method = next(asked)
    return found


def ends_the_connection(raw: bytes, methods: Iterable[str] = ()) -> bool:
    """Whether the last answer is whole and says that the connection ends with it."""
    found = answers(raw, methods)
    return bool(found) and found[-1].whole and found[-1].closes


def _answer(raw: bytes, method: str) -> tuple[Got, bytes]:
    head, mark, rest = raw.partition(b"\r\n\r\n")
    if not mark:
        return Got(0, ()), b""
    first, *lines = head.split(b"\r\n")
    status = _STATUS.fullmatch(first)
    fields = [_FIELD.fullmatch(line) for line in lines]
    if status is None or None in fields:
        raise Unreadable(head)
    headers = tuple((field[1].lower(), field[2]) for field in fields if field)
    return _body(Got(int(status[1]), headers, version=first[:8]), method, rest)


def _body(got: Got, method: str, rest: bytes) -> tuple[Got, bytes]:
    codings, lengths = got.values(b"transfer-encoding"), got.values(b"content-length")
    if (codings and lengths) or len(lengths) > 1 or len(codings) > 1:
        raise Unreadable(f"framed twice: {got.headers}")
    if codings and (codings != [b"chunked"] or got.version == b"HTTP/1.0" or got.status in {204, 304}):
        raise Unreadable(f"a coding where none may be: {got.version!r} {got.status} {codings}")
    if got.status < 200 or got.status in {204, 304} or method == "HEAD":
        got.whole = True
        return got, rest
    if codings:
        return _chunks(got, rest)
    if lengths:
        length = int(lengths[0])
        got.body, rest = rest[:length], rest[length:]
        got.whole = len(got.body) == length
        return got, rest
    got.body, got.until_close = rest, True
    return got, b""


def _chunks(got: Got, rest: bytes) -> tuple[Got, bytes]:
    while True:
        line, mark, rest = rest.partition(b"\r\n")
        if not mark:
            return got, b""
        if not _SIZE.fullmatch(line):
            raise Unreadable(f"no size of a chunk: {line[:50]!r}")
        size = int(line, 16)
        if len(rest) < size + 2:
            got.body += rest[:size]
            return got, b""
        if rest[size : size + 2] != b"\r\n":
            raise Unreadable("a chunk that does not end")
        got.body, rest = got.body + rest[:size], rest[size + 2 :]
        if not size:
            got.whole = True
            return got, rest
