"""Connections to upstreams where two things happen at once, on both loops: what was found by trying to break them."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import closing
from dataclasses import replace

import pytest

from gateway.http1 import Reason
from gateway.proxy import UpstreamOptions, Upstreams
from gateway.proxy.wire import Outgoing, Stop
from ports import free_port
from wire.asking import ask
from wire.scripted import Connection, scripted

ONE = UpstreamOptions(connect_seconds=20, keepalive_seconds=30, connections=1)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FALSE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

LARGE = (65_000, 6_000)
"""Bytes of two pieces: with the first, reading goes on, with the second it is paused, and nothing is left to come."""


async def read_late(upstreams: Upstreams, url: str) -> int:
    """How long an answer is that has come whole before it is read."""
    with closing(await upstreams.send(Outgoing("GET", url, ()))) as answer:
        await asyncio.sleep(0.2)
        size = 0
        while piece := await answer.read():
            size += len(piece)
        return size


async def large(connection: Connection) -> None:
    await connection.request()
    await connection.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % sum(LARGE))
    for size in LARGE:
        await connection.say(b"x" * size)
        await asyncio.sleep(0.05)


async def answers(connection: Connection) -> None:
    while True:
        await connection.request()
        await connection.say(OK)


async def test_what_comes_after_a_large_answer_is_not_taken_for_the_next_one():
    async def more_than_asked(connection: Connection) -> None:
        await large(connection)
        await asyncio.sleep(0.3)
        await connection.say(FALSE)
        await answers(connection)

    async with scripted(more_than_asked, answers) as upstream, Upstreams(ONE) as upstreams:
        assert await read_late(upstreams, upstream.url) == sum(LARGE)
        await asyncio.sleep(0.5)
        assert (await ask(upstreams, upstream.url)).whole == b"ok"
        assert upstream.connections == 2


async def test_a_connection_that_is_closed_after_a_large_answer_is_not_used_again():
    async with scripted(large, answers) as upstream, Upstreams(ONE) as upstreams:
        assert await read_late(upstreams, upstream.url) == sum(LARGE)
        await upstream.idle()
        await asyncio.sleep(0.1)
        assert (await ask(upstreams, upstream.url, "POST", body=b"once")).whole == b"ok"


async def test_a_connection_that_does_not_come_about_makes_room_for_those_who_wait():
    nobody = f"http://127.0.0.1:{free_port()}/"
    async with scripted(answers) as upstream, Upstreams(ONE) as upstreams:
        async with asyncio.timeout(10):  # half of what a connection is waited for
            away, there = await asyncio.gather(ask(upstreams, nobody), ask(upstreams, upstream.url))
    assert away.stopped is Reason.UPSTREAM_UNREACHABLE
    assert there.whole == b"ok"


async def test_a_connection_that_is_given_up_while_it_is_opened_makes_room():
    async with scripted(answers) as upstream, Upstreams(ONE) as upstreams:
        first = asyncio.ensure_future(ask(upstreams, upstream.url))
        second = asyncio.ensure_future(ask(upstreams, upstream.url))
        await asyncio.sleep(0)
        first.cancel()
        async with asyncio.timeout(10):
            assert (await second).whole == b"ok"


class Upstream:
    """An upstream whose every step is made by the test, within one turn of the loop if need be."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.connection: socket.socket | None = None

    async def accept(self) -> None:
        self.connection, _ = await asyncio.to_thread(self.listener.accept)

    def close(self) -> None:
        self.listener.close()
        if self.connection is not None:
            self.connection.close()


async def test_who_is_told_of_room_too_late_was_not_answered_and_passes_it_on():
    """The time is over and a connection becomes free in one turn of the loop, which has been held up."""
    with closing(Upstream()) as upstream:
        async with Upstreams(replace(ONE, connect_seconds=0.3)) as upstreams:
            first = asyncio.ensure_future(ask(upstreams, upstream.url))
            await upstream.accept()
            late = asyncio.ensure_future(upstreams.send(Outgoing("GET", upstream.url, ())))
            await asyncio.sleep(0.05)
            upstream.connection.sendall(OK)
            time.sleep(0.5)  # noqa: ASYNC251 (that is the point)
            with pytest.raises(Stop):
                await late
            assert (await first).whole == b"ok"


async def test_connections_that_are_reset_as_they_come_about_leave_no_trace():
    async def resets(connection: Connection) -> None:
        connection.reset()

    async with scripted(resets) as upstream, Upstreams(replace(ONE, connections=3)) as upstreams:
        for _ in range(30):
            await asyncio.gather(*(ask(upstreams, upstream.url) for _ in range(6)))
        await asyncio.sleep(0.1)
        assert upstreams._open == set()
        assert upstreams._opening == 0
        assert not upstreams._waiting


async def test_a_call_that_is_given_up_in_the_moment_when_it_gets_a_connection_leaves_no_trace():
    async with scripted(answers) as upstream, Upstreams(ONE) as upstreams:
        for turns in [*range(12)] * 5:
            call = asyncio.ensure_future(ask(upstreams, upstream.url))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            for idle in [link for links in upstreams._idle.values() for link in links]:
                idle.drop()
        await asyncio.sleep(0.1)
        assert upstreams._open == set()
        assert list(upstreams._deadlines._timed) == []
