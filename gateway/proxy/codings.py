"""Content codings (RFC 9110, section 8.4.1), as far as an answer that must be looked into may have one."""

from __future__ import annotations

import asyncio
import zlib

from gateway.http1 import Headers, Refusal
from gateway.http1.message import Header
from gateway.proxy.wire import Answer, Source, Stop

ACCEPTED: Header = (b"accept-encoding", b"gzip")
IDENTITY: Header = (b"accept-encoding", b"identity")

INFLATED = frozenset({b"gzip", b"x-gzip"})

_GZIP = 16 + zlib.MAX_WBITS
_BITS = {b"gzip": _GZIP, b"x-gzip": _GZIP, b"deflate": zlib.MAX_WBITS}
_PIECE = 256 * 1024
"""Bytes of what was inflated that are given at a time: what inflates to a thousand times its size ends at the limit
of whoever reads."""
_BEYOND = 64 * 1024
"""Bytes that a coded body may be longer than what it holds: more is no compression but work, an endless row of empty
blocks for instance."""


_PARTIAL = frozenset({b"if-range", b"range"})


def accepting(client: Headers, *, gzip: bool = True) -> Headers:
    """A client's headers that accept no coding which cannot be looked into here, and no part of an answer."""
    said = b",".join(value for name, value in client if name == ACCEPTED[0]).lower()
    others = tuple(header for header in client if header[0] != ACCEPTED[0] and header[0] not in _PARTIAL)
    return (*others, ACCEPTED if gzip and b"gzip" in said and b"gzip;q=0" not in said else IDENTITY)


def coding_of(headers: Headers) -> bytes:
    """Empty where the body is as it is."""
    said = b",".join(value for name, value in headers if name == b"content-encoding").strip().lower()
    return b"" if said == b"identity" else said


def inflated(body: bytes) -> bytes | None:
    """What a short body of gzip holds; None for more than a piece, or where it is broken."""
    inflating = zlib.decompressobj(_GZIP)
    try:
        plain = inflating.decompress(body, _PIECE)
    except zlib.error:
        return None
    return plain if inflating.eof and not inflating.unused_data else None


class Inflating:
    """A body without its coding: gzip of any number of members (RFC 1952, section 2.2), or zlib's format (`deflate`).

    Raises Stop with `broken` where it is not whole, or takes more than it holds. What it holds is for its reader to
    limit; others have their turn between two pieces.
    """

    def __init__(self, source: Source, broken: Refusal, coding: bytes = b"gzip") -> None:
        self._source = source
        self._bits = _BITS[coding]
        self._broken = broken
        self._inflating = zlib.decompressobj(self._bits)
        self._waiting = b""
        self._beyond = 0

    async def read(self) -> bytes:
        while self._waiting or await self._has_come():
            if self._inflating.eof:
                self._begin_member()
            if plain := self._inflated():
                await asyncio.sleep(0)
                return plain
        if not self._inflating.eof:
            raise Stop(self._broken, "its coding breaks off")
        return b""

    async def _has_come(self) -> bool:
        self._waiting = await self._source.read()
        return bool(self._waiting)

    def _begin_member(self) -> None:
        if self._bits != _GZIP:
            raise Stop(self._broken, "something comes after what was coded")
        self._inflating = zlib.decompressobj(self._bits)

    def _inflated(self) -> bytes:
        before = len(self._waiting)
        try:
            plain = self._inflating.decompress(self._waiting, _PIECE)
        except zlib.error:
            raise Stop(self._broken, "its coding is broken") from None
        self._waiting = self._inflating.unused_data or self._inflating.unconsumed_tail
        self._beyond += before - len(self._waiting) - len(plain)
        if self._beyond > _BEYOND:
            raise Stop(self._broken, "its coding takes more than it holds")
        return plain


def uncoded(answer: Answer, broken: Refusal) -> Source:
    """The body of an answer that must be looked into, which may have a coding though none was asked for: stores keep
    files as they were put there, and not every service looks at `Accept-Encoding`. Raises Stop with `broken`."""
    coding = coding_of(answer.headers)
    if not coding:
        return answer
    if coding not in _BITS:
        raise Stop(broken, "the answer has a content coding that is not known")
    return Inflating(answer, broken, coding)
