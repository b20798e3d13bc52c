"""What a client gets for what a handler says, on the wire: no answer is longer or shorter than it seems."""

from __future__ import annotations

import asyncio
import random

import pytest

from gateway.http1 import Reply
from gateway.proxy.wire import Incoming
from wire.cases import CHUNKED, LENGTH, get, message, post
from wire.listening_to import Conversation, Serve, listening_to, whole
from wire.reading import Got, answers

TYPE = (b"content-type", b"text/plain")
NEXT = message(b"GET /next HTTP/1.1", b"Connection: close")


def replies(status: int, body: bytes = b"hello") -> Serve:
    async def serve(incoming: Incoming) -> None:
        await incoming.answer(Reply(status, body, (TYPE,)))

    return serve


def streams(status: int, *pieces: bytes, length: int | None = None, then: str = "end") -> Serve:
    async def serve(incoming: Incoming) -> None:
        more = ((b"content-length", str(length).encode()),) if length is not None else ()
        await incoming.begin(status, (TYPE, *more))
        for piece in pieces:
            await incoming.write(piece)
        if then == "end":
            await incoming.end()
        elif then == "cut":
            await asyncio.sleep(0.02)  # a part of it has been sent
            incoming.cut()
        else:
            raise RuntimeError(then)

    return serve


def first(serve: Serve) -> Serve:
    """The first call is served so, the next with its target."""
    served: list[Incoming] = []

    async def both(incoming: Incoming) -> None:
        served.append(incoming)
        await (serve(incoming) if len(served) == 1 else replies(200, incoming.head.target)(incoming))

    return both


async def conversed(serve: Serve, call: bytes) -> Conversation:
    """A call that is served so, and the one after it."""
    async with listening_to(first(serve)) as listener:
        return await listener.send(call, NEXT)


async def exchanged(serve: Serve, call: bytes, method: str = "GET") -> tuple[list[Got], Conversation]:
    """The answers to a call that is served so, and to the one after it."""
    conversation = await conversed(serve, call)
    return answers(conversation.raw, [method]), conversation


WHOLE = {
    "a reply": (replies(200), b"hello"),
    "an empty reply": (replies(200, b""), b""),
    "a reply of 3 MB": (replies(200, b"x" * 3_000_000), b"x" * 3_000_000),
    "a refusal": (replies(403), b"hello"),
    "a fault": (replies(503), b"hello"),
    "a length": (streams(200, b"hel", b"lo", length=5), b"hello"),
    "a length of nothing": (streams(200, length=0), b""),
    "a length of 3 MB": (streams(200, *[b"x" * 100_000] * 30, length=3_000_000), b"x" * 3_000_000),
    "chunks": (streams(200, b"hel", b"lo"), b"hello"),
    "no chunk": (streams(200), b""),
    "chunks of 3 MB": (streams(200, *[b"x" * 100_000] * 30), b"x" * 3_000_000),
    "an empty piece among others": (streams(200, b"hel", b"", b"lo"), b"hello"),
    "an empty piece of a length": (streams(200, b"hel", b"", b"lo", length=5), b"hello"),
}


@pytest.mark.parametrize(("serve", "body"), WHOLE.values(), ids=WHOLE.keys())
@pytest.mark.parametrize("call", [get(), post(LENGTH[:-1] + b"0", body=b"")], ids=["GET", "POST"])
async def test_an_answer_is_whole_and_so_is_the_next(serve, body, call):
    (one, two), conversation = await exchanged(serve, call)
    assert (one.body, one.whole, one.until_close, one.closes) == (body, True, False, False)
    assert one.values(b"content-type") == [b"text/plain"]
    assert (two.status, two.body, two.whole, two.closes) == (200, b"/next", True, True)
    assert not conversation.reset


@pytest.mark.parametrize(("serve", "body"), WHOLE.values(), ids=WHOLE.keys())
async def test_to_a_head_there_is_no_body(serve, body):
    """Whatever length it tells is the one that GET has (RFC 9110, section 9.3.2)."""
    (one, two), _ = await exchanged(serve, message(b"HEAD /a HTTP/1.1"), "HEAD")
    assert one.values(b"content-length") in ([], [str(len(body)).encode()])
    assert (two.status, two.body, two.whole) == (200, b"/next", True)


BODILESS = {
    "204": replies(204, b""),
    "204 in pieces": streams(204),
    "304": replies(304, b""),
    "304 in pieces": streams(304),
    "304 that tells the length of a 200": streams(304, length=5),
    "204 that tells a length": streams(204, length=5),
}


@pytest.mark.parametrize("serve", BODILESS.values(), ids=BODILESS.keys())
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_statuses_without_a_body_have_none(serve, method):
    """No coding, and no length for 204 (RFC 9110, section 8.6; RFC 9112, section 6.1)."""
    (one, two), _ = await exchanged(serve, message(b"%s /a HTTP/1.1" % method.encode()), method)
    assert one.values(b"transfer-encoding") == []
    assert one.status != 204 or one.values(b"content-length") == []
    assert (two.status, two.body, two.whole) == (200, b"/next", True)


@pytest.mark.parametrize(("serve", "body"), WHOLE.values(), ids=WHOLE.keys())
async def test_a_client_of_http_1_0_gets_no_chunks(serve, body):
    """The end of what has no length is that of the connection (RFC 9112, section 6.1)."""
    async with listening_to(serve) as listener:
        conversation = await listener.send(message(b"GET /a HTTP/1.0"))
    (one,) = answers(conversation.raw)
    assert (one.body, one.closes, conversation.reset) == (body, True, False)


@pytest.mark.parametrize(("serve", "body"), WHOLE.values(), ids=WHOLE.keys())
async def test_a_client_of_http_1_0_that_asks_to_go_on_can_tell_the_end(serve, body):
    """By a length, or the connection ends all the same (RFC 9112, section 9.3)."""
    conversation = await conversed(serve, message(b"GET /a HTTP/1.0", b"Connection: keep-alive"))
    one, *more = answers(conversation.raw)
    assert one.body == body or conversation.reset  # it was closed while the next call was on its way
    assert [got.body for got in more] == ([] if one.closes else [b"/next"])


BROKEN = {
    "a length, cut": streams(200, b"hell", length=5, then="cut"),
    "chunks, cut": streams(200, b"hell", then="cut"),
    "nothing of a length, cut": streams(200, length=5, then="cut"),
    "no chunk, cut": streams(200, then="cut"),
    "a length, and a fault": streams(200, b"hell", length=5, then="fault"),
    "chunks, and a fault": streams(200, b"hell", then="fault"),
    "less than the length": streams(200, b"hell", length=5),
    "nothing of the length": streams(200, length=5),
}


@pytest.mark.parametrize("serve", BROKEN.values(), ids=BROKEN.keys())
async def test_an_answer_that_is_cut_is_never_a_whole_one(serve, caplog):
    conversation = await conversed(serve, get())
    got = answers(conversation.raw)
    if got and got[0].status == 500:
        return  # nothing of it had been sent, so it could be answered otherwise
    assert not [each for each in got if each.whole]
    assert b"/next" not in conversation.raw


@pytest.mark.parametrize("serve", BROKEN.values(), ids=BROKEN.keys())
async def test_nor_is_it_for_a_client_of_http_1_0(serve, caplog):
    """To it, the end of a connection is the end of what has no length; a reset is not."""
    async with listening_to(serve) as listener:
        conversation = await listener.send(message(b"GET /a HTTP/1.0"))
    got = answers(conversation.raw)
    assert not [each for each in got if each.whole and each.status != 500]
    assert conversation.reset or not (got and got[-1].until_close)


@pytest.mark.parametrize("pieces", [[b"hello!"], [b"hello", b"!"], [b"hel", b"lo!" + b"HTTP/1.1 200 OK\r\n\r\n"]])
async def test_more_than_was_announced_is_never_sent(pieces, caplog):
    """It would be taken for the beginning of the next answer."""
    got, _ = await exchanged(streams(200, *pieces, length=5), get())
    assert all(each.status == 500 or each.body == b"hello"[: len(each.body)] for each in got[:1])
    assert [each.body for each in got[1:]] in ([], [b"/next"])


async def test_a_body_for_a_head_is_never_sent():
    got, conversation = await exchanged(
        streams(200, b"HTTP/1.1 200 OK", length=15), message(b"HEAD /a HTTP/1.1"), "HEAD"
    )
    assert conversation.raw.count(b"HTTP/1.1") == len(got)


async def test_a_large_answer_may_take_longer_than_a_piece_of_it():
    """Each piece has its time; a client on a slow line takes all of them."""
    body = b"x" * 8_000_000
    async with listening_to(replies(200, body), send_seconds=0.5) as listener:
        reader, writer = await listener.connect()
        writer.write(get(b"Connection: close"))
        raw, began = b"", asyncio.get_running_loop().time()
        while piece := await reader.read(1 << 16):
            raw += piece
            await asyncio.sleep(0.02)
        writer.close()
    assert asyncio.get_running_loop().time() - began > 0.5
    (one,) = answers(raw)
    assert (one.body == body, one.whole) == (True, True)


@pytest.mark.parametrize(
    "header",
    [(b"x-a", b"1\r\nx-evil: 1"), (b"x-a", b"1\nx-evil: 1"), (b"x-a\r\nx-evil", b"1"), (b"x-a", b"1\r\n\r\nx-evil")],
)
@pytest.mark.parametrize("way", ["answer", "begin"])
async def test_a_header_cannot_smuggle_another(header, way, caplog):
    async def serve(incoming: Incoming) -> None:
        if way == "answer":
            await incoming.answer(Reply(200, b"hello", (header,)))
        else:
            await incoming.begin(200, (header,))
            await incoming.end()

    conversation = await conversed(serve, get())
    assert b"\nx-evil" not in conversation.raw
    assert b" 200 " not in conversation.raw.partition(b"\r\n")[0]


async def _nothing(_: Incoming) -> None:
    """Returns without an answer."""


async def _fault(_: Incoming) -> None:
    raise RuntimeError("a fault of ours")


@pytest.mark.parametrize("serve", [_nothing, _fault], ids=["nothing", "a fault"])
async def test_a_handler_that_does_not_answer_is_answered_for(serve, caplog):
    (one, *_), _ = await exchanged(serve, get())
    assert (one.status, one.body, one.whole) == (500, b"internal_error", True)


@pytest.mark.parametrize("status", [400, 405, 408])
async def test_answers_after_which_the_next_call_may_begin_elsewhere_are_the_last(status):
    (one,), conversation = await exchanged(replies(status), get())
    assert (one.status, one.closes, one.whole) == (status, True, True)
    assert not conversation.reset


INNER = get()


LARGE = post(b"Content-Length: %d" % (len(INNER) * 5000), body=INNER * 5000)


async def test_a_body_that_nobody_reads_is_never_a_call():
    seen = await seen_without_reading(LARGE + NEXT)
    assert seen in ([b"/a"], [b"/a", b"/next"])


async def test_a_body_without_end_that_nobody_reads_is_never_a_call():
    """The answer is seen all the same."""
    assert await seen_without_reading(post(CHUNKED, body=b"%x\r\n" % len(INNER) + INNER)) == [b"/a"]


async def seen_without_reading(data: bytes) -> list[bytes]:
    seen = []

    async def serve(incoming: Incoming) -> None:
        seen.append(incoming.head.target)
        await incoming.answer(Reply(200, b"hello", (TYPE,)))

    async with listening_to(serve) as listener:
        conversation = await listener.send(data)
    *_, last = answers(conversation.raw)
    assert (last.body, last.whole, last.closes) == (b"hello", True, True)
    return seen


async def test_a_body_that_is_read_whole_leaves_the_connection_open():
    async def serve(incoming: Incoming) -> None:
        await incoming.answer(Reply(200, await whole(incoming), (TYPE,)))

    async with listening_to(serve) as listener:
        conversation = await listener.send(post(LENGTH) + post(CHUNKED, body=b"2\r\nhe\r\n0\r\n\r\n") + NEXT)
    assert [got.body for got in answers(conversation.raw)] == [b"hello", b"he", b""]


@pytest.mark.parametrize("count", [2, 50])
async def test_answers_come_in_the_order_of_their_calls(count):
    chosen = random.Random(count)

    async def serve(incoming: Incoming) -> None:
        await asyncio.sleep(chosen.random() / 200)
        if chosen.random() < 0.5:
            await streams(200, incoming.head.target)(incoming)
        else:
            await replies(200, incoming.head.target)(incoming)

    calls = [message(b"GET /%d HTTP/1.1" % number) for number in range(count)]
    async with listening_to(serve) as listener:
        conversation = await listener.send(b"".join(calls) + NEXT)
    assert [got.body for got in answers(conversation.raw)] == [b"/%d" % number for number in range(count)] + [b"/next"]
