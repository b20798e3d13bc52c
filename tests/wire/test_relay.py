"""Client, listener, pool and upstream in a row: what goes in at one end comes out at the other, and little is held."""

from __future__ import annotations

import asyncio
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass

import pytest

from gateway.http1 import Refusal, body_length, front, has_body
from gateway.proxy import UpstreamOptions, Upstreams
from gateway.proxy.wire import Incoming, Outgoing, Stop
from wire.cases import message
from wire.listening_to import Listening, listening_to, reset, rest
from wire.reading import answers
from wire.room import cut
from wire.scripted import Connection, Script, ScriptedUpstream, scripted

OPTIONS = UpstreamOptions(connect_seconds=20, answer_seconds=20, idle_seconds=20, send_seconds=20)
MEGABYTE = 1 << 20
HELD = 6 * MEGABYTE
"""What may be held of a body of 20 MB on its way: the buffers of six ends, and pieces in between."""

PASSED_ON = {b"content-type", b"x-a"}


@dataclass
class Relay:
    upstream: ScriptedUpstream
    listener: Listening


@asynccontextmanager
async def relaying(script: Script) -> AsyncIterator[Relay]:
    """Passes calls on as the gateway does with what it need not look into."""
    async with scripted(script) as upstream, Upstreams(OPTIONS) as upstreams:

        async def relay(incoming: Incoming) -> None:
            call = front(incoming.head, "id")
            if isinstance(call, Refusal):
                raise Stop(call)
            headers = tuple(header for header in call.headers if header[0] in PASSED_ON)
            body, length = (incoming, body_length(call.headers)) if has_body(call.headers) else (None, None)
            with closing(await upstreams.send(Outgoing(call.method, upstream.url, headers, body, length))) as answer:
                names = PASSED_ON | {b"content-length"}
                await incoming.begin(answer.status, tuple(header for header in answer.headers if header[0] in names))
                while piece := await answer.read():
                    await incoming.write(piece)
                await incoming.end()

        async with listening_to(relay, body_seconds=20, send_seconds=20) as listener:
            yield Relay(upstream, listener)


async def echo(connection: Connection) -> None:
    """Says what it is sent, framed in the same way, while it comes."""
    while True:
        asked = await connection.head()
        if lengths := asked.values(b"content-length"):
            left = int(lengths[0])
            connection.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % left)
            while left:
                piece = await connection.reader.read(min(left, 1 << 16))
                if not piece:
                    return
                left -= len(piece)
                connection.writer.write(piece)
                await connection.writer.drain()
        else:
            connection.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while size := int(await connection.reader.readuntil(b"\r\n"), 16):
                connection.writer.write(b"%x\r\n" % size + await connection.reader.readexactly(size + 2))
                await connection.writer.drain()
            assert await connection.reader.readexactly(2) == b"\r\n"
            connection.writer.write(b"0\r\n\r\n")


def framed(body: bytes, chunk: int | None) -> list[bytes]:
    """A last call with a body, in pieces as they are sent."""
    if chunk is None:
        head = message(b"POST /a HTTP/1.1", b"Connection: close", b"Content-Length: %d" % len(body))
        return [head, *cut(body, range(0, len(body), 100_003))]
    head = message(b"POST /a HTTP/1.1", b"Connection: close", b"Transfer-Encoding: chunked")
    return [
        head,
        *[b"%x\r\n%s\r\n" % (len(piece), piece) for piece in cut(body, range(0, len(body), chunk))],
        b"0\r\n\r\n",
    ]


@pytest.mark.parametrize("chunk", [None, 1, 17, 4096, 65_536, 1_000_000])
async def test_what_goes_in_comes_out_again(chunk):
    size = 20_000 if chunk == 1 else 300_000 if chunk == 17 else 5_000_000
    body = b"".join(hashlib.sha512(b"%d" % number).digest() for number in range(size // 64))
    async with relaying(echo) as relay:
        reader, writer = await relay.listener.connect()
        reading = asyncio.ensure_future(rest(reader, writer))
        for piece in framed(body, chunk):
            writer.write(piece)
            await writer.drain()
        conversation = await reading
    (one,) = answers(conversation.raw)
    assert (one.status, one.whole) == (200, True)
    assert one.body == body


@pytest.mark.parametrize("chunk", [None, 65_536])
@pytest.mark.parametrize("slow", [False, True])
async def test_little_of_a_body_is_held_on_its_way(chunk, slow):
    """Twenty megabytes go up and come back; whoever waits for the client must not read on meanwhile."""
    piece = bytes(65_536)
    count = 20 * MEGABYTE // len(piece)
    framing = b"Content-Length: %d" % (count * len(piece)) if chunk is None else b"Transfer-Encoding: chunked"
    async with relaying(echo) as relay:
        reader, writer = await relay.listener.connect()
        tracemalloc.start()
        try:
            uploading = asyncio.ensure_future(upload(writer, framing, piece, count))
            if slow:
                await asyncio.sleep(0.3)
            received = 0
            while got := await reader.read(1 << 16):
                received += len(got)
            await uploading
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        writer.close()
    assert received >= count * len(piece)
    assert peak < HELD


async def upload(writer: asyncio.StreamWriter, framing: bytes, piece: bytes, count: int) -> None:
    writer.write(message(b"POST /a HTTP/1.1", b"Connection: close", framing))
    chunked = b"chunked" in framing
    for _ in range(count):
        writer.write(b"%x\r\n" % len(piece) + piece + b"\r\n" if chunked else piece)
        await writer.drain()
    if chunked:
        writer.write(b"0\r\n\r\n")


async def test_an_upstream_that_breaks_off_breaks_the_answer_off():
    async def breaks_off(connection: Connection) -> None:
        await connection.request()
        await connection.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")

    async with relaying(breaks_off) as relay:
        conversation = await relay.listener.send(message(b"GET /a HTTP/1.1"))
    assert not [got for got in answers(conversation.raw) if got.whole]


async def test_a_client_that_leaves_takes_the_upstream_call_along():
    async def says_nothing(connection: Connection) -> None:
        await connection.request()
        await connection.gone()

    async with relaying(says_nothing) as relay:
        _, writer = await relay.listener.connect()
        writer.write(message(b"GET /a HTTP/1.1"))
        while not relay.upstream.asked:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        reset(writer)
        await relay.upstream.idle()
        await relay.listener.until(1)
    assert relay.listener.ended != ["answered"]


async def test_many_clients_share_few_connections_and_get_their_own_answers():
    async def tells(connection: Connection) -> None:
        while True:
            asked = await connection.request()
            (told,) = asked.values(b"x-a")
            await connection.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(told) + told)

    async def client(relay: Relay, name: int) -> list[bytes]:
        calls = [message(b"GET /a HTTP/1.1", b"X-A: %d-%d" % (name, number)) for number in range(10)]
        last = message(b"GET /a HTTP/1.1", b"X-A: last", b"Connection: close")
        conversation = await relay.listener.send(b"".join(calls) + last)
        return [got.body for got in answers(conversation.raw)]

    async with relaying(tells) as relay:
        told = await asyncio.gather(*[client(relay, name) for name in range(20)])
        assert relay.upstream.connections <= 20
    assert told == [[*[b"%d-%d" % (name, number) for number in range(10)], b"last"] for name in range(20)]
