"""The listener where two things happen at once, on both loops: what was found by trying to break it."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import closing, suppress

import pytest

from gateway.http1 import Reply
from gateway.proxy import Upstreams
from gateway.proxy.wire import Incoming, Outgoing
from wire.listening_to import listening_to, rest

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


async def heard(connection: socket.socket, end: bytes) -> bytes:
    """What comes up to and with `end`, or to the end."""
    loop = asyncio.get_running_loop()
    connection.setblocking(False)
    got = b""
    while end not in got and (piece := await loop.sock_recv(connection, 65536)):
        got += piece
    return got


async def test_a_refusal_in_the_moment_when_a_body_ends_does_not_lose_the_next_call():
    """The upload reads the client's body when the call is over, and only then hears that it is cancelled."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

    async with Upstreams() as upstreams:

        async def serve(incoming: Incoming) -> None:
            if incoming.head.method == "POST":
                with closing(await upstreams.send(Outgoing("POST", url, (), incoming, 4))):
                    pass  # an answer that is not fit to be passed on
            await incoming.answer(Reply(200, b"refused"))

        async with listening_to(serve, keepalive_seconds=60) as gateway:
            client = socket.create_connection(("127.0.0.1", gateway.port))
            client.sendall(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
            connection, _ = await asyncio.to_thread(listener.accept)
            with client, connection, listener:
                assert b"content-length: 4" in await heard(connection, b"\r\n\r\n")
                connection.sendall(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")
                client.sendall(b"body")  # in the same turn of the loop as the answer
                assert b"refused" in await heard(client, b"refused")
                client.sendall(GET)
                async with asyncio.timeout(10):
                    assert b"refused" in await heard(client, b"refused")


async def all_but_the_last(incoming: Incoming) -> None:
    """An answer of which the last bytes wait in this process, and nobody waits for them to leave."""
    await incoming.begin(200, ())
    while not incoming._link.transport.get_write_buffer_size():
        await incoming.write(b"x" * 16_000)
    await incoming.end()


async def slow_client(port: int, request: bytes) -> socket.socket:
    """One that reads nothing, of whom not much waits in the system either."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    await asyncio.get_running_loop().sock_sendall(client, request)
    return client


async def read_after(seconds: float, client: socket.socket) -> bytes:
    await asyncio.sleep(seconds)
    got = b""
    with client, suppress(ConnectionError):
        while piece := await asyncio.get_running_loop().sock_recv(client, 1 << 18):
            got += piece
    return got


async def test_an_answer_that_is_still_leaving_is_whole_after_a_stop():
    async with listening_to(all_but_the_last, drain_seconds=20) as gateway:
        client = await slow_client(gateway.port, GET[:-2] + b"Connection: close\r\n\r\n")
        await gateway.until(1)
        reading = asyncio.ensure_future(read_after(0.2, client))
    assert (await reading).endswith(b"\r\n0\r\n\r\n")


async def test_a_client_that_never_takes_its_answer_is_cut_by_a_stop_in_time():
    async with listening_to(all_but_the_last, drain_seconds=0.3) as gateway:
        client = await slow_client(gateway.port, GET)
        await gateway.until(1)
    assert not (await read_after(0, client)).endswith(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("line", [b"Connection: close\r\n", b""], ids=["the last call", "kept alive"])
async def test_a_client_that_never_takes_its_answer_gives_its_place_back(line):
    request = GET[:-2] + line + b"\r\n"
    async with listening_to(all_but_the_last, send_seconds=0.3, keepalive_seconds=0.3, connections=1) as gateway:
        with await slow_client(gateway.port, request):
            await gateway.until(1)
            async with asyncio.timeout(10):
                while (await gateway.send(b"GET / HTTP/1.0\r\n\r\n")).raw.startswith(b"HTTP/1.1 503"):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)


async def test_an_answer_of_which_the_last_bytes_are_not_taken_does_not_look_whole():
    """To a client that speaks HTTP/1.0 the end of the connection would be the end of the answer."""
    async with listening_to(all_but_the_last, send_seconds=0.3) as gateway:
        client = await slow_client(gateway.port, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        await gateway.until(1)
        await asyncio.sleep(1)
        with pytest.raises(ConnectionResetError):
            await heard(client, b"the end, which never comes")
        client.close()


async def test_an_answer_that_ends_with_its_connection_is_broken_off_by_a_reset():
    """HTTP/1.0 has no other sign, and `nc` says that it sends no more as soon as it has asked."""

    async def serve(incoming: Incoming) -> None:
        await incoming.begin(200, ())
        while True:
            await incoming.write(b"piece")
            await asyncio.sleep(0.05)

    async with listening_to(serve, half_closed_seconds=0.3) as gateway:
        reader, writer = await gateway.connect()
        writer.write(b"GET /a HTTP/1.0\r\nHost: a\r\n\r\n")
        writer.write_eof()
        got = await rest(reader, writer)
    assert b"piece" in got.raw
    assert got.reset


@pytest.mark.parametrize("segments", [(b"\r\n\r\n" + GET,), (b"\r\n", b"\r\n" + GET), (b"\r\n\r\n", GET)])
async def test_two_empty_lines_before_a_call_are_none_however_they_come(segments):
    async def serve(incoming: Incoming) -> None:
        await incoming.answer(Reply(200, b"served"))

    async with listening_to(serve) as gateway:
        got = await gateway.send(GET + segments[0], *segments[1:])
    assert got.raw.count(b"HTTP/1.1 200") == 1
    assert got.raw.count(b"HTTP/1.1 400") == 1


async def test_calls_that_came_together_leave_room_for_others():
    """Thousands of calls in one segment: another client's call comes in between, not behind all of them."""
    served: list[bytes] = []

    async def serve(incoming: Incoming) -> None:
        served.append(incoming.head.target)
        await incoming.answer(Reply(200, b""))

    async with listening_to(serve) as gateway:
        greedy = socket.create_connection(("127.0.0.1", gateway.port))
        other = socket.create_connection(("127.0.0.1", gateway.port))
        with greedy, other:
            await asyncio.sleep(0.1)
            greedy.sendall(b"GET /greedy HTTP/1.1\r\nHost: a\r\n\r\n" * 1500)  # both are there in one turn of the loop
            other.sendall(GET)
            assert b"200 OK" in await heard(other, b"\r\n\r\n")
            assert served.index(b"/a") < 200


async def test_a_client_that_left_while_nobody_read_from_it_gives_its_place_back():
    """Its body fills what is held for it, so that reading is paused; the answer is what finds out that it is gone."""
    go_on = asyncio.Event()

    async def serve(incoming: Incoming) -> None:
        if incoming.head.method == "POST":
            await go_on.wait()
        await incoming.answer(Reply(200, b"served"))

    async with listening_to(serve, linger_seconds=0.2, connections=1) as gateway:
        _, writer = await gateway.connect()
        writer.write(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000)
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()
        await asyncio.sleep(0.1)
        go_on.set()
        await gateway.until(1)
        async with asyncio.timeout(10):
            while b"served" not in (await gateway.send(GET.replace(b"1.1", b"1.0"))).raw:  # noqa: ASYNC110
                await asyncio.sleep(0.1)


async def test_a_call_that_lay_behind_another_one_is_judged_by_what_is_true_when_its_turn_comes():
    """Else a key that was revoked meanwhile would be good for as long as the call before it takes."""
    ended: list[float] = []
    came: list[float] = []

    async def serve(incoming: Incoming) -> None:
        came.append(incoming.came)
        await asyncio.sleep(0.1)
        ended.append(time.monotonic())
        await incoming.answer(Reply(200, b""))

    async with listening_to(serve) as gateway:
        await gateway.send(GET + GET.replace(b"Host", b"Connection: close\r\nHost"))
    assert came[1] >= ended[0]
