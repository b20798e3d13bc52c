"""Bytes that nobody wrote down: the calls that come out of them are those that others read, or fewer.

What two programs on one way read differently is a way past one of them (request smuggling). So for any bytes, in any
segments: each call that the handler gets is read the same by every reference that gets that far, and by one at least.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from wire.cases import CHUNKED, End, get, post
from wire.corpus import framing, heads, pipelines
from wire.references import Read, by_aiohttp, by_h11
from wire.room import Room, Seen, cut

SEEDS = sorted({case.data for case in [*heads.ALL, *framing.ALL, *pipelines.ALL] if len(case.data) <= 600})
GOOD = sorted(
    {case.data for case in [*heads.ALL, *framing.ALL, *pipelines.ALL] if case.end is End.NEXT and len(case.data) <= 600}
)
PADDED = re.compile(rb'[0-9A-Fa-f](?:[ \t]+;|;[^\r\n"]*[ \t])')
"""White space round a chunk's extension, which RFC 9112, section 7.1.1, asks us to take: the references do not."""
WORDS = [
    *[bytes([byte]) for byte in b'\r\n\t\0\x0b\x0c\x1f \x7f\x85\xa0\xff:;,"\\0159aAfFxX+-_=?'],
    *[b"\r\n", b"\r\n\r\n", b"\n\n", b"\r\r\n", b"\n\r", b"\r\n ", b"\r\n\t", b" :", b"; ", b', "'],
    *[b"0\r\n\r\n", b"0\r\n", b"5\r\nhello\r\n", b"5;a=b\r\n", b"00000005\r\n"],
    *[b"10000000000000000\r\n", b"-1\r\n", b"0x5\r\n", b"chunked", b", chunked"],
    *[b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Content-Length: 45\r\n"],
    *[b"content-length:5\r\n", b"Content-Length : 5\r\n"],
    *[b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"transfer-encoding:\tchunked\r\n"],
    *[b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Expect: 100-continue\r\n"],
    *[b"Host: b\r\n", b"X-A: 1\r\n", b"Trailer: X-A\r\n", b"HTTP/1.0", b"HTTP/1.1"],
    *[b"GET /b HTTP/1.1\r\nHost: b\r\n\r\n", b"POST /b HTTP/1.1\r\n", b"GET ", b"HEAD ", b" HTTP/1.1\r\n"],
]


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Some cases one after the other, with a few words put in, bytes taken out, and parts said twice."""
    parts = [draw(st.sampled_from(GOOD)) for _ in range(draw(st.integers(0, 2)))]
    parts += [draw(st.sampled_from(SEEDS)), *([get()] if draw(st.booleans()) else [])]
    data = b"".join(parts)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 0, 1, 2, 5, 20])))
        word = draw(st.sampled_from([*WORDS, b"", data[start : start + 20]]))
        data = data[:start] + word + data[end:]
    assume(not PADDED.search(data))
    return data or b"\n"


@st.composite
def segments(draw: st.DrawFn) -> list[bytes]:
    data = draw(streams())
    match draw(st.sampled_from(["whole", "bytes", "cut"])):
        case "whole":
            return [data]
        case "bytes":
            return [data[place : place + 1] for place in range(len(data))]
    return cut(data, draw(st.lists(st.integers(0, len(data)), min_size=1, max_size=5)))


@pytest.fixture(scope="module")
def room():
    with Room() as room:
        yield room


TRIED = settings(
    max_examples=8 * settings().max_examples,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@TRIED
@given(segments())
def test_what_comes_out_of_any_bytes_is_what_others_read(room, given_segments):
    for seen, other, shown in compared(room, given_segments):
        assert (seen.method, seen.target) == (other.method, other.target), shown
        if seen.whole and other.whole:
            assert seen.body == other.body, shown
        elif seen.whole:
            assert other.refused, shown
            assert seen.body.startswith(other.body), shown
        else:
            assert other.body.startswith(seen.body), shown


@TRIED
@example([post(CHUNKED, body=b"0\r\nX-A: 1\r\n\r\n") + get()])
@given(segments())
def test_no_header_comes_from_elsewhere(room, given_segments):
    for seen, other, shown in compared(room, given_segments):
        if other.headers is not None:
            assert plain(seen.headers) == plain(other.headers), shown


def compared(room: Room, given_segments: list[bytes]) -> Iterator[tuple[Seen, Read, object]]:
    """Each call that the handler got, with each reading of it by another."""
    data = b"".join(given_segments)
    readings = {"h11": by_h11(data), "aiohttp": by_aiohttp(data)}
    whole = max(sum(read.whole for read in reading) for reading in readings.values())
    told = room.replay(given_segments, half_close_after=whole)
    assert all(seen.whole for seen in told.seen[:-1]), told
    for place, seen in enumerate(told.seen):
        others = {name: reading[place] for name, reading in readings.items() if len(reading) > place}
        assert others, ("nobody else reads it", place, seen, data)
        for name, other in others.items():
            yield seen, other, (name, place, seen, other, data)


def plain(headers: tuple[tuple[bytes, bytes], ...]) -> list[tuple[bytes, bytes]]:
    """h11 writes codings in lower case."""
    return [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in headers]
