"""When things come: a body that is asked for, clients that stop sending, leave, or are slow, as a handler sees it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from gateway.http1 import Reply
from gateway.proxy.wire import ClientGone, Incoming, Stop
from wire.cases import CHUNKED, LENGTH, get, message, post
from wire.listening_to import Listening, listening_to, reset, rest, whole
from wire.reading import answers
from wire.room import Client

TYPE = (b"content-type", b"text/plain")
EXPECT = b"Expect: 100-continue"
CLOSE = b"Connection: close"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKS = b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
FRAMED = pytest.mark.parametrize(("framing", "body"), [(LENGTH, b"hello"), (CHUNKED, CHUNKS)], ids=["length", "chunks"])


async def echo(incoming: Incoming) -> None:
    await incoming.answer(Reply(200, await whole(incoming), (TYPE,)))


async def refuse(incoming: Incoming) -> None:
    await incoming.answer(Reply(403, b"no", (TYPE,)))


# --- Expect: 100-continue (RFC 9110, section 10.1.1) ---------------------------------------------------------------


@FRAMED
async def test_a_body_is_asked_for_once_when_it_is_read(framing, body):
    async with listening_to(echo) as listener:
        reader, writer = await listener.connect()
        writer.write(post(framing, EXPECT, body=b""))
        assert await reader.readexactly(len(CONTINUE)) == CONTINUE
        writer.write(body[:3])
        await asyncio.sleep(0.02)
        writer.write(body[3:] + get(CLOSE))
        conversation = await rest(reader, writer)
    assert [got.body for got in answers(conversation.raw)] == [b"hello", b""]


@FRAMED
async def test_a_body_that_is_there_already_need_not_be_asked_for(framing, body):
    async with listening_to(echo) as listener:
        conversation = await listener.send(post(framing, EXPECT, CLOSE, body=body))
    *interim, last = answers(conversation.raw)
    assert [got.status for got in interim] in ([], [100])
    assert last.body == b"hello"


@FRAMED
async def test_a_refused_body_is_not_asked_for_and_ends_the_connection(framing, body):
    """The client may send it all the same, so that nobody knows what comes next."""
    async with listening_to(refuse, linger_seconds=1) as listener:
        conversation = await listener.send(post(framing, EXPECT, body=b""), body + get(CLOSE))
    (one,) = answers(conversation.raw)
    assert (one.status, one.body, one.closes) == (403, b"no", True)


async def test_what_announces_no_body_is_not_asked_for_one():
    async with listening_to(echo) as listener:
        conversation = await listener.send(post(b"Content-Length: 0", EXPECT, CLOSE, body=b""))
    (one,) = answers(conversation.raw)
    assert (one.status, one.body) == (200, b"")


async def test_a_client_of_http_1_0_knows_no_interim_answer():
    async with listening_to(echo) as listener:
        conversation = await listener.send(message(b"POST /a HTTP/1.0", LENGTH, EXPECT), b"hello")
    (one,) = answers(conversation.raw)
    assert (one.status, one.body) == (200, b"hello")


async def test_an_answer_that_has_begun_is_not_interrupted_by_the_question():
    """The interim answer would stand in the middle of it."""

    async def begins(incoming: Incoming) -> None:
        await incoming.begin(200, (TYPE,))
        await incoming.write(b"begun ")
        await incoming.write(await whole(incoming))
        await incoming.end()

    async with listening_to(begins, body_seconds=1) as listener:
        conversation = await listener.send(post(LENGTH, EXPECT, CLOSE, body=b""), b"hello")
    final = [got for got in answers(conversation.raw) if got.status == 200]
    assert [got.body for got in final] == [b"begun hello"]


# --- no more comes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("calls", [1, 3])
async def test_calls_that_came_whole_are_answered_though_no_more_comes(calls):
    async def late(incoming: Incoming) -> None:
        await asyncio.sleep(0.05)
        await echo(incoming)

    async with listening_to(late) as listener:
        reader, writer = await listener.connect()
        writer.write(post(LENGTH) * calls)
        writer.write_eof()
        conversation = await rest(reader, writer)
    assert [got.body for got in answers(conversation.raw)] == [b"hello"] * calls


@pytest.mark.parametrize("data", [b"", b"P", get()[:-2], b"\r\n", get(b"X-A: 1")[:-1]])
async def test_half_a_head_is_no_call(data):
    async with listening_to(echo) as listener:
        reader, writer = await listener.connect()
        writer.write(data)
        writer.write_eof()
        conversation = await rest(reader, writer)
        assert listener.ended == []
    assert [got.status for got in answers(conversation.raw)] in ([], [400])


HALVES = {
    "nothing of a length": post(LENGTH, body=b""),
    "some of a length": post(LENGTH, body=b"hell"),
    "no chunk": post(CHUNKED, body=b""),
    "half a size": post(CHUNKED, body=b"5"),
    "half a chunk": post(CHUNKED, body=b"5\r\nhel"),
    "a chunk": post(CHUNKED, body=b"5\r\nhello\r\n"),
    "the end without its empty line": post(CHUNKED, body=b"5\r\nhello\r\n0\r\n"),
    "half a trailer": post(CHUNKED, body=b"5\r\nhello\r\n0\r\nX-A: 1"),
}


@pytest.mark.parametrize("data", HALVES.values(), ids=HALVES.keys())
@pytest.mark.parametrize("leave", ["half", "close", "reset"])
async def test_half_a_body_is_never_a_whole_one(data, leave):
    """However the client leaves, reading it raises, or the call is given up."""
    read = []

    async def reads(incoming: Incoming) -> None:
        read.append("begun")
        read.append(await whole(incoming))

    async with listening_to(reads, half_closed_seconds=0.2, body_seconds=1) as listener:
        reader, writer = await listener.connect()
        writer.write(data)
        while not read:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        if leave == "half":
            writer.write_eof()
            assert [got.status for got in answers((await rest(reader, writer)).raw)] in ([400], [408], [])
        elif leave == "close":
            writer.close()
        else:
            reset(writer)
        await listener.until(1)
    assert read == ["begun"]


async def test_a_handler_is_told_that_its_client_has_left():
    """By ClientGone from what it says, or by its cancellation; not before it has answered at length, perhaps."""

    async def talks(incoming: Incoming) -> None:
        await incoming.begin(200, (TYPE,))
        while True:
            await incoming.write(b"x" * 10_000)
            await asyncio.sleep(0)

    async with listening_to(talks) as listener:
        reader, writer = await listener.connect()
        writer.write(get())
        await reader.readuntil(b"xxx")
        reset(writer)
        await listener.until(1)
        assert listener.ended in (["ClientGone"], ["CancelledError"])


# --- slow ---------------------------------------------------------------------------------------------------------


async def test_a_client_that_takes_nothing_is_left():
    async def talks(incoming: Incoming) -> None:
        await incoming.begin(200, (TYPE,))
        while True:
            await incoming.write(b"x" * 100_000)

    async with listening_to(talks, send_seconds=0.2) as listener:
        _, writer = await listener.connect()
        writer.transport.pause_reading()
        writer.write(get())
        await listener.until(1)
        assert listener.ended == [ClientGone.__name__]
        writer.transport.abort()


async def drip(listener: Listening, data: bytes, start: int, seconds: float) -> list:
    """Answers to a call that comes byte by byte after its first `start` bytes, until the server has had enough."""
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_connection(Client, "127.0.0.1", listener.port)
    transport.write(data[:start])
    for byte in data[start:]:
        await asyncio.sleep(seconds)
        if client.ended.is_set():
            break
        transport.write(bytes([byte]))
    await client.ended.wait()
    return answers(client.raw)


@pytest.mark.parametrize("start", [0, 20])
async def test_a_head_that_drips_is_refused_in_its_time(start):
    async with listening_to(echo, head_seconds=0.1) as listener:
        (one,) = await drip(listener, get(b"X-A: " + b"a" * 2000), start, 0.02)
    assert (one.status, one.closes) == (408, True)
    assert listener.ended == []


@pytest.mark.parametrize("framing", [b"Content-Length: 2000", CHUNKED])
async def test_a_body_that_drips_is_refused_in_its_time(framing):
    body = b"x" * 2000 if framing != CHUNKED else b"1\r\nx\r\n" * 400
    data = post(framing, body=body)
    async with listening_to(echo, body_seconds=0.1, body_rate=1_000_000) as listener:
        (one,) = await drip(listener, data, len(data) - len(body), 0.02)
    assert (one.status, one.closes) == (408, True)


async def test_a_body_that_is_fast_enough_may_take_longer():
    """The time grows with what has come."""
    body = b"x" * 40
    data = post(b"Content-Length: 40", CLOSE, body=body)
    async with listening_to(echo, body_seconds=1.5, body_rate=10) as listener:
        (one,) = await drip(listener, data, len(data) - len(body), 0.05)
    assert one.body == body


async def test_the_time_that_a_handler_takes_is_not_the_client_s():
    async def slow(incoming: Incoming) -> None:
        body = await incoming.read()
        await asyncio.sleep(1)
        await incoming.answer(Reply(200, body + await whole(incoming), (TYPE,)))

    async with listening_to(slow, body_seconds=0.5, body_rate=1_000_000) as listener:
        conversation = await listener.send(post(LENGTH, CLOSE, body=b"hel"), b"lo")
    (one,) = answers(conversation.raw)
    assert (one.status, one.body) == (200, b"hello")


async def test_a_body_that_broke_off_stays_broken():
    """Who reads on after a Stop gets another, never an end."""
    stops = []

    async def reads_on(incoming: Incoming) -> None:
        for _ in range(3):
            try:
                await whole(incoming)
            except Stop as stop:
                stops.append(stop.refusal.reason)
        await refuse(incoming)

    async with listening_to(reads_on, body_seconds=0.2) as listener:
        await listener.send(post(CHUNKED, body=b"5\r\nhello\r\n"), b"XX\r\n")
    assert len(stops) == 3


# --- more than is asked for ---------------------------------------------------------------------------------------

PIECE = 1 << 16
TAKEN_IN = 400
"""Pieces that the buffers of the system and of both ends may hold; a thousand are on offer."""


async def taken(data: bytes, piece: bytes) -> int:
    """How many pieces a server takes while nobody reads what came first."""
    go_on = asyncio.Event()

    async def waits(incoming: Incoming) -> None:
        await go_on.wait()
        incoming.cut()

    async with listening_to(waits) as listener:
        _, writer = await listener.connect()
        writer.write(data)
        count = 0
        with suppress(TimeoutError):
            for count in range(1000):  # noqa: B007
                writer.write(piece)
                await asyncio.wait_for(writer.drain(), 0.5)
        writer.transport.abort()
        go_on.set()
    return count


async def test_a_body_that_nobody_reads_is_not_taken_in():
    head = post(b"Content-Length: %d" % (1000 * PIECE), body=b"")
    assert await taken(head, b"x" * PIECE) < TAKEN_IN


async def test_chunks_that_nobody_reads_are_not_taken_in():
    assert await taken(post(CHUNKED, body=b""), b"%x\r\n" % PIECE + b"x" * PIECE + b"\r\n") < TAKEN_IN


async def test_calls_that_wait_for_their_turn_are_not_all_taken_in():
    call = get(b"X-A: " + b"a" * 4000)
    assert await taken(get(), call * (PIECE // len(call))) < TAKEN_IN
