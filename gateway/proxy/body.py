"""Bodies: read whole within limits, or passed on in pieces and counted.

Whatever is held whole draws on one budget for the process, so that many large bodies at once end in 503 and not in a
process that is out of memory.
"""

from __future__ import annotations

import re
from functools import lru_cache
from mmap import mmap

from gateway.http1 import Call, Reason, Refusal, body_length, has_body
from gateway.proxy.codings import INFLATED, Inflating, coding_of
from gateway.proxy.wire import Incoming, Source, Stop

_OVERLOADED = Refusal(Reason.OVERLOADED, "the gateway holds as many bodies as it has room for; try again in a moment")

_BROKEN = Refusal(Reason.MALFORMED_BODY, "the body must be gzip, to its end")

# What a body says it is decides how an upstream reads it; anything but plain JSON in UTF-8 could mean something else
# there than here. RFC 8259 knows no charset parameter, but half of the clients send one.
_JSON = re.compile(rb"application/(?:[a-z0-9.-]+\+)?json(?: *; *charset=\"?utf-8\"?)?", re.IGNORECASE)


_LARGE = 8 * 1024 * 1024
"""Bytes from which a body gets memory of its own: checking it there takes half as long again as in the heap, and nearly
all pages of the platform are smaller than a tenth of this."""


class Budget:
    """Bytes that the process holds at once."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def hold(self, *, full: Refusal = _OVERLOADED) -> Hold:
        """A share for one call, empty at first; `full` is said when the budget is used up."""
        return Hold(self, full)

    def take(self, size: int) -> bool:
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        self._left += size


class Hold:
    """What one call holds of the budget, until it gives it back."""

    __slots__ = ("_budget", "_full", "_size")

    def __init__(self, budget: Budget, full: Refusal) -> None:
        self._budget = budget
        self._full = full
        self._size = 0

    def close(self) -> None:
        self._budget.give_back(self._size)
        self._size = 0

    def grow(self, size: int) -> None:
        """Raises Stop when the budget is used up."""
        if not self._budget.take(size):
            raise Stop(self._full)
        self._size += size


async def whole(source: Source, limit: int, hold: Hold, *, over: Refusal) -> bytes:
    """A body in one piece. Raises Stop with `over` as soon as it exceeds `limit` bytes."""
    pieces, size = [], 0
    while piece := await source.read():
        size += len(piece)
        if size > limit:
            raise Stop(over)
        hold.grow(len(piece))
        pieces.append(piece)
    return b"".join(pieces)


async def mapped(source: Source, limit: int, hold: Hold, *, over: Refusal) -> bytes | mmap:
    """The same for one that may be large: in memory of its own, which is nothing but the body and goes with it.

    Joining many pieces would take all of it twice, and a heap keeps the holes that large bodies leave in it. What is
    mapped and not written to takes no memory, so that the limit can be mapped at once.
    """
    pieces, size = [], 0
    room: mmap | None = None
    while piece := await source.read():
        size += len(piece)
        if size > limit:
            raise Stop(over)
        hold.grow(len(piece))
        pieces.append(piece)
        if room is not None or size > _LARGE:
            room = room or mmap(-1, limit)
            room.write(b"".join(pieces))
            pieces.clear()
    if room is None:
        return b"".join(pieces)
    room.resize(size)
    return room


async def read_body(incoming: Incoming, call: Call, limit: int, hold: Hold, *, gzip: bool = False) -> bytes:
    """The body of a call that must be looked into. Raises Stop: not plain JSON, or longer than `limit` bytes.

    With `gzip` it may also be compressed; `limit` is about what it holds, and one that inflates without end is let go
    there. What comes out is what goes on upstream (see `line.Line.open`): two programs need not inflate the same stream
    to the same text, and what was decided is about this text.
    """
    if not has_body(call.headers):
        return b""
    coding = coding_of(call.headers)
    if refusal := _not_json(call, coding, gzip=gzip):
        raise Stop(refusal)
    _refuse_long(call, limit)
    source = Inflating(incoming, _BROKEN) if coding else incoming
    return await whole(source, limit, hold, over=_too_large(limit))


class Counted:
    """The body of a call that is passed on as it comes. Raises Stop when it is longer than `limit` bytes."""

    def __init__(self, incoming: Incoming, call: Call, limit: int) -> None:
        _refuse_long(call, limit)
        self._incoming = incoming
        self._limit = limit
        self._size = 0

    async def read(self) -> bytes:
        piece = await self._incoming.read()
        self._size += len(piece)
        if self._size > self._limit:
            raise Stop(_too_large(self._limit))
        return piece


def _not_json(call: Call, coding: bytes, *, gzip: bool) -> Refusal | None:
    if coding and not (gzip and coding in INFLATED):
        others = "with gzip or " if gzip else ""
        message = f"this body must be looked into: send it {others}without Content-Encoding"
        return Refusal(Reason.UNSUPPORTED_MEDIA_TYPE, message)
    kind = call.header(b"content-type")
    if kind is None or not (kind == b"application/json" or _JSON.fullmatch(kind)):
        return Refusal(Reason.UNSUPPORTED_MEDIA_TYPE, "the body must be JSON: send `Content-Type: application/json`")
    return None


def _refuse_long(call: Call, limit: int) -> None:
    length = body_length(call.headers)
    if length is not None and length > limit:
        raise Stop(_too_large(limit))


@lru_cache(maxsize=32)
def _too_large(limit: int) -> Refusal:
    return Refusal(Reason.TOO_LARGE, f"the body is longer than {limit} bytes")
