"""TLS at the listener, with either event loop: calls are as without it, and what is no handshake harms nobody."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

import pytest
from certificates import LOCALHOST, LOOPBACK, Authority, authority

from gateway.http1 import Reply
from gateway.proxy.wire import Incoming
from wire.cases import CHUNKED, LENGTH, get, post
from wire.listening_to import Conversation, Listening, listening_to, reset, rest, whole
from wire.reading import answers

CLOSE = b"Connection: close"
MEGABYTES = bytes(range(256)) * (20 << 12)
"""20 of them."""


@pytest.fixture(scope="module")
def trusted(tmp_path_factory) -> Authority:
    return authority(tmp_path_factory.mktemp("tls"), "an authority")


@pytest.fixture(scope="module")
def served(trusted) -> ssl.SSLContext:
    return trusted.context("a listener", LOCALHOST, LOOPBACK)


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog):
    """What strangers do to a listener is no reason to wake anybody."""
    yield
    assert [record.getMessage() for record in caplog.records] == []


async def echo(incoming: Incoming) -> None:
    await incoming.answer(Reply(200, await whole(incoming)))


async def refuse(incoming: Incoming) -> None:
    await incoming.answer(Reply(403, b"no"))


async def connected(listener: Listening, tls: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("localhost", listener.port, ssl=tls)


async def conversed(listener: Listening, tls: ssl.SSLContext, *pieces: bytes) -> Conversation:
    reader, writer = await connected(listener, tls)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.01)
    return await rest(reader, writer)


# --- calls --------------------------------------------------------------------------------------------------------


async def test_one_connection_serves_call_after_call(trusted, served):
    async with listening_to(echo, tls=served) as listener:
        reader, writer = await connected(listener, trusted.trusted())
        for number in range(20):
            body = b"%05d" % number
            writer.write(post(LENGTH, body=body))
            assert (await reader.readuntil(body)).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()


async def test_calls_may_come_in_one_segment_or_in_many(trusted, served):
    data = post(LENGTH) + post(CHUNKED, body=b"2\r\nhe\r\n0\r\n\r\n") + get(CLOSE)
    async with listening_to(echo, tls=served) as listener:
        at_once = await conversed(listener, trusted.trusted(), data)
        bytewise = await conversed(listener, trusted.trusted(), *[bytes([byte]) for byte in data])
    for conversation in (at_once, bytewise):
        assert [got.body for got in answers(conversation.raw)] == [b"hello", b"he", b""]
        assert not conversation.reset


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_big_answers_and_uploads_come_whole(trusted, served, version):
    client = trusted.trusted()
    client.minimum_version = client.maximum_version = version
    call = post(b"Content-Length: %d" % len(MEGABYTES), CLOSE, body=MEGABYTES)
    async with listening_to(echo, tls=served, send_seconds=20, body_seconds=20) as listener:
        (one,) = answers((await conversed(listener, client, call)).raw)
    assert (one.status, one.body == MEGABYTES) == (200, True)


async def test_a_client_that_takes_nothing_is_left(trusted, served):
    async def talks(incoming: Incoming) -> None:
        await incoming.begin(200, ())
        while True:
            await incoming.write(b"x" * 100_000)

    async with listening_to(talks, tls=served, send_seconds=0.2) as listener:
        _, writer = await connected(listener, trusted.trusted())
        writer.transport.pause_reading()
        writer.write(get())
        await listener.until(1)
        assert listener.ended == ["ClientGone"]
        writer.transport.abort()


async def test_what_nobody_reads_is_not_taken_in(trusted, served):
    go_on = asyncio.Event()

    async def waits(incoming: Incoming) -> None:
        await go_on.wait()
        incoming.cut()

    piece = b"x" * (1 << 16)
    async with listening_to(waits, tls=served) as listener:
        _, writer = await connected(listener, trusted.trusted())
        writer.write(post(b"Content-Length: %d" % (1000 * len(piece)), body=b""))
        taken = 0
        with suppress(TimeoutError):
            for taken in range(1000):  # noqa: B007
                writer.write(piece)
                await asyncio.wait_for(writer.drain(), 0.5)
        assert taken < 400  # what all buffers hold
        go_on.set()
        await listener.until(1)
        writer.transport.abort()


async def test_a_body_that_is_refused_does_not_cost_the_client_its_answer(trusted, served):
    """It still sends when the answer has been given; a connection that is closed then is reset."""
    call = post(b"Content-Length: %d" % len(MEGABYTES), body=MEGABYTES)
    async with listening_to(refuse, tls=served, linger_seconds=5) as listener:
        reader, writer = await connected(listener, trusted.trusted())
        writer.write(call)
        answer = await reader.readuntil(b"no")
        writer.transport.abort()
    (one,) = answers(answer)
    assert (one.status, one.body, one.closes) == (403, b"no", True)


async def test_an_answer_that_is_cut_does_not_end_as_if_it_were_whole(trusted, served):
    """Neither HTTP nor TLS says that it has ended."""

    async def cuts(incoming: Incoming) -> None:
        await incoming.begin(200, ())
        await incoming.write(b"hel")
        await asyncio.sleep(0.05)
        incoming.cut()

    async with listening_to(cuts, tls=served) as listener:
        conversation = await conversed(listener, trusted.trusted(), get())
    assert conversation.reset
    assert not [got for got in answers(conversation.raw) if got.whole]


# --- clients that leave -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"GET", get(), post(LENGTH, body=b"hel")], ids=["none", "some", "one", "half"])
async def test_clients_may_leave_without_a_word(trusted, served, data):
    """Without close_notify, as processes do that are killed; others are served on."""
    async with listening_to(echo, tls=served) as listener:
        _, writer = await connected(listener, trusted.trusted())
        writer.write(data)
        await asyncio.sleep(0.02)
        reset(writer)
        (one,) = answers((await conversed(listener, trusted.trusted(), post(LENGTH, CLOSE))).raw)
    assert one.body == b"hello"


async def test_an_idle_connection_is_not_kept_for_ever(trusted, served):
    async with listening_to(echo, tls=served, keepalive_seconds=0.2) as listener:
        reader, writer = await connected(listener, trusted.trusted())
        assert await reader.read() == b""
        writer.close()


async def test_a_client_that_does_not_say_goodbye_is_left(trusted, served):
    """It was told that the connection ends, and does not answer to that."""
    async with listening_to(echo, tls=served, keepalive_seconds=0.1, send_seconds=0.1, drain_seconds=30) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        bio_in, bio_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        shaken = trusted.trusted().wrap_bio(bio_in, bio_out, server_hostname="localhost")
        await handshake(shaken, bio_in, bio_out, reader, writer)
        while await reader.read(1 << 16):
            pass
        writer.close()


async def handshake(
    shaken: ssl.SSLObject,
    bio_in: ssl.MemoryBIO,
    bio_out: ssl.MemoryBIO,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    while True:
        try:
            shaken.do_handshake()
        except ssl.SSLWantReadError:
            writer.write(bio_out.read())
            bio_in.write(await reader.read(1 << 16))
        else:
            writer.write(bio_out.read())
            return


# --- what is no handshake -----------------------------------------------------------------------------------------

NO_HANDSHAKES = {
    "plain HTTP": get(),
    "a plain body": post(b"Content-Length: 1000000", body=b"x" * 1_000_000),
    "nothing known": b"\0" * 1000,
    "half a hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("data", NO_HANDSHAKES.values(), ids=NO_HANDSHAKES.keys())
async def test_what_is_no_handshake_is_hung_up_on(trusted, served, data):
    """Without an answer in plain HTTP: what speaks it here has sent its key in plain already."""
    async with listening_to(echo, tls=served, head_seconds=0.3) as listener:
        reader, writer = await listener.connect()
        writer.write(data)
        conversation = await rest(reader, writer)
        assert b"HTTP" not in conversation.raw
        assert listener.ended == []
        (one,) = answers((await conversed(listener, trusted.trusted(), post(LENGTH, CLOSE))).raw)
    assert one.body == b"hello"


async def test_a_handshake_is_not_waited_for_longer_than_a_head_may_take(served):
    async with listening_to(echo, tls=served, head_seconds=0.2) as listener:
        reader, writer = await listener.connect()
        assert (await rest(reader, writer)).raw == b""


@pytest.mark.parametrize("versions", [(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_older_versions_are_not_spoken(trusted, served, versions):
    client = trusted.trusted()
    client.set_ciphers("DEFAULT@SECLEVEL=0")  # or OpenSSL itself would not offer them
    client.minimum_version, client.maximum_version = versions
    async with listening_to(echo, tls=served) as listener:
        with pytest.raises(OSError, match=r".*"):  # an alert or a reset, as the loop has it
            await connected(listener, client)


async def test_connections_count_before_their_handshake(trusted, served):
    """Otherwise the descriptors could be used up by connections that never say a word."""
    async with listening_to(echo, tls=served, connections=3, connections_per_address=2, head_seconds=30) as listener:
        silent = [await listener.connect() for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(OSError, match=r".*"):  # it depends on the moment, which
            await connected(listener, trusted.trusted())
        for _, writer in silent:
            writer.transport.abort()
        await asyncio.sleep(0.05)
        (one,) = answers((await conversed(listener, trusted.trusted(), post(LENGTH, CLOSE))).raw)
    assert one.body == b"hello"


async def test_a_listener_that_stops_waits_for_no_handshake(served):
    async with asyncio.timeout(20):
        async with listening_to(echo, tls=served, head_seconds=60, drain_seconds=60) as listener:
            reader, writer = await listener.connect()
            await asyncio.sleep(0.05)
        assert (await rest(reader, writer)).raw == b""


async def test_a_listener_that_stops_lets_calls_under_way_end(trusted, served):
    begun = asyncio.Event()

    async def slow(incoming: Incoming) -> None:
        begun.set()
        await asyncio.sleep(0.1)
        await echo(incoming)

    async with listening_to(slow, tls=served, drain_seconds=20) as listener:
        reader, writer = await connected(listener, trusted.trusted())
        writer.write(post(LENGTH))
        await begun.wait()
    (one,) = answers((await rest(reader, writer)).raw)
    assert (one.body, one.whole, one.closes) == (b"hello", True, True)
