"""Answers without their coding: read no further than their reader wants, in turns, and told apart from broken ones."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http1 import Reason, Refusal
from gateway.proxy.body import Budget, whole
from gateway.proxy.codings import Inflating
from gateway.proxy.wire import Stop

BROKEN = Refusal(Reason.UPSTREAM_FAILED, "broken")
TOO_LARGE = Refusal(Reason.TOO_LARGE, "too large")
LIMIT = 1024 * 1024


class Pieces:
    """A body in pieces; `read_so_far` counts its bytes."""

    def __init__(self, body: bytes, size: int = 16384) -> None:
        self._body = body
        self._size = size
        self.read_so_far = 0

    async def read(self) -> bytes:
        piece = self._body[self.read_so_far : self.read_so_far + self._size]
        self.read_so_far += len(piece)
        return piece


async def read(body: bytes, coding: bytes = b"gzip", size: int = 16384) -> bytes:
    return await whole(Inflating(Pieces(body, size), BROKEN, coding), LIMIT, Budget(LIMIT).hold(), over=TOO_LARGE)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.integers(1, 40))
async def test_members_are_joined_however_they_are_cut(members, size):
    assert await read(b"".join(map(gzip.compress, members)), size=size) == b"".join(members)


@given(st.binary(max_size=300), st.integers(1, 40))
async def test_deflate_is_zlib_s_format(body, size):
    assert await read(zlib.compress(body), b"deflate", size) == body


@given(st.binary(max_size=300), st.data())
async def test_whatever_is_cut_off_or_changed_is_broken_or_still_the_same(body, data):
    packed = gzip.compress(body)
    at = data.draw(st.integers(0, len(packed) - 1))
    changed = packed[:at] + bytes([packed[at] ^ data.draw(st.integers(1, 255))]) + packed[at + 1 :]
    with pytest.raises(Stop) as caught:
        await read(packed[:at])
    assert caught.value.refusal == BROKEN
    try:
        told = await read(changed)
    except Stop as stop:
        told = None
        refusal = stop.refusal
    if told is None:
        assert refusal == BROKEN
    else:  # a byte of the head that says nothing of the content
        assert told == body


def bomb(packed_bytes: int) -> bytes:
    """About so many bytes, a thousand times as many when they are inflated."""
    making = zlib.compressobj(9, wbits=31)
    return making.compress(b"\0" * (packed_bytes * 1000)) + making.flush()


async def test_a_bomb_is_read_no_further_than_to_the_limit():
    source = Pieces(bomb(100_000))
    with pytest.raises(Stop) as caught:
        await whole(Inflating(source, BROKEN), LIMIT, Budget(2 * LIMIT).hold(), over=TOO_LARGE)
    assert caught.value.refusal == TOO_LARGE
    assert source.read_so_far == 16384


class Endless:
    """Members of a gzip that hold nothing, or blocks that hold nothing, for ever."""

    def __init__(self, start: bytes, again: bytes) -> None:
        self._next, self._again = start, again
        self.read_so_far = 0

    async def read(self) -> bytes:
        piece, self._next = self._next, self._again
        self.read_so_far += len(piece)
        return piece


@pytest.mark.parametrize(
    ("start", "again"),
    [
        (gzip.compress(b""), gzip.compress(b"") * 100),
        (gzip.compress(b"")[:10], b"\0\0\0\xff\xff" * 1000),
        (gzip.compress(b"x"), gzip.compress(b"x") * 100),
        (b"\x1f\x8b\x08\x08" + b"\0" * 6, b"a name without end" * 1000),
    ],
    ids=["members", "blocks", "members of one byte", "a name"],
)
async def test_what_holds_nothing_has_an_end(start, again):
    source = Endless(start, again)
    with pytest.raises(Stop) as caught:
        await whole(Inflating(source, BROKEN), LIMIT, Budget(LIMIT).hold(), over=TOO_LARGE)
    assert caught.value.refusal == BROKEN
    assert source.read_so_far < 200_000


async def test_others_have_their_turn_meanwhile():
    inflating = Inflating(Pieces(gzip.compress(b"\0" * (8 * LIMIT)), 10 * LIMIT), BROKEN)
    turns = 0

    async def other():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(other())
        pieces = 0
        while await inflating.read():
            pieces += 1
        task.cancel()
    assert turns >= pieces > 8
