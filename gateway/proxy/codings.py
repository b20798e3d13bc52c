"""Content codings (RFC 9110, section 8.4.1), as far as an answer that must be looked into may have one."""

from __future__ import annotations

import zlib

from gateway.http1 import Headers, Refusal
from gateway.http1.message import Header
from gateway.proxy.wire import Source, Stop

ACCEPTED: Header = (b"accept-encoding", b"gzip")
IDENTITY: Header = (b"accept-encoding", b"identity")

INFLATED = frozenset({b"gzip", b"x-gzip"})

_GZIP = 16 + zlib.MAX_WBITS
_PIECE = 256 * 1024
"""Bytes of what was inflated that are given at a time: what inflates to a thousand times its size ends at the limit
of whoever reads."""


def accepting(client: Headers) -> Headers:
    """A client's headers that accept no coding which cannot be looked into here."""
    said = b",".join(value for name, value in client if name == ACCEPTED[0]).lower()
    others = tuple(header for header in client if header[0] != ACCEPTED[0])
    return (*others, ACCEPTED if b"gzip" in said and b"gzip;q=0" not in said else IDENTITY)


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
    """A body without its gzip. Raises Stop with `broken` where that is not one whole member."""

    def __init__(self, source: Source, broken: Refusal) -> None:
        self._source = source
        self._broken = broken
        self._inflating = zlib.decompressobj(_GZIP)

    async def read(self) -> bytes:
        while not self._inflating.eof:
            waiting = self._inflating.unconsumed_tail or await self._source.read()
            if plain := self._inflated(waiting):
                return plain
            if not (waiting or self._inflating.eof):
                raise Stop(self._broken, "its gzip breaks off")
        if self._inflating.unused_data or await self._source.read():
            raise Stop(self._broken, "something comes after its gzip")
        return b""

    def _inflated(self, packed: bytes) -> bytes:
        try:
            return self._inflating.decompress(packed, _PIECE)
        except zlib.error:
            raise Stop(self._broken, "its gzip is broken") from None
