"""Connections to upstreams: how many there are, when they are used again, and when not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace

import pytest

from gateway.http1 import Reason, Refusal
from gateway.proxy import UpstreamOptions, Upstreams
from gateway.proxy.wire import Outgoing, Stop, Unanswered

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FEW = UpstreamOptions(connect_seconds=0.3, keepalive_seconds=30, connections=2)


class Counting:
    """An upstream that counts its connections, and answers each request on them when it `may`."""

    def __init__(self) -> None:
        self.connections = 0
        self.open = 0
        self.may = asyncio.Event()
        self.may.set()
        self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                await self.may.wait()
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@pytest.fixture
async def upstream():
    counting = Counting()
    server = await asyncio.start_server(counting.serve, "127.0.0.1", 0)
    counting.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    yield counting
    server.close()


@asynccontextmanager
async def pool(options=FEW):
    async with Upstreams(options) as upstreams:
        yield upstreams


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 (what happens at the other end tells nobody)
        await asyncio.sleep(0.01)


async def get(upstreams: Upstreams, url: str) -> bytes:
    with closing(await upstreams.send(Outgoing("GET", url, ()))) as answer:
        body = b""
        while piece := await answer.read():
            body += piece
        return body


async def test_a_connection_is_used_again(upstream):
    async with pool() as upstreams:
        for _ in range(5):
            assert await get(upstreams, upstream.url) == b"ok"
    assert (upstream.connections, upstream.requests) == (1, 5)


async def test_calls_at_once_share_so_many_connections(upstream):
    upstream.may.clear()
    async with pool(replace(FEW, connect_seconds=30)) as upstreams:
        calls = [asyncio.ensure_future(get(upstreams, upstream.url)) for _ in range(20)]
        await until(lambda: upstream.requests == 2)
        assert upstream.connections == 2
        upstream.may.set()
        assert await asyncio.gather(*calls) == [b"ok"] * 20
    assert upstream.connections == 2


async def test_a_call_that_gets_no_connection_in_time_is_our_own_shortage(upstream):
    upstream.may.clear()
    async with pool() as upstreams:
        holding = [asyncio.ensure_future(get(upstreams, upstream.url)) for _ in range(2)]
        await until(lambda: upstream.requests == 2)
        with pytest.raises(Stop) as refused:
            await get(upstreams, upstream.url)
        assert refused.value.refusal.reason is Reason.OVERLOADED
        upstream.may.set()
        assert await asyncio.gather(*holding) == [b"ok"] * 2
        assert await get(upstreams, upstream.url) == b"ok"


async def test_who_waits_for_a_connection_and_leaves_takes_nobodys_turn(upstream):
    upstream.may.clear()
    async with pool(replace(FEW, connections=1, connect_seconds=30)) as upstreams:
        first, leaving, last = (asyncio.ensure_future(get(upstreams, upstream.url)) for _ in range(3))
        await until(lambda: upstream.requests)
        await asyncio.sleep(0)
        leaving.cancel()
        upstream.may.set()
        assert await asyncio.gather(first, last) == [b"ok"] * 2


async def test_a_call_that_is_given_up_makes_room(upstream):
    upstream.may.clear()
    async with pool(replace(FEW, connections=1)) as upstreams:
        given_up = asyncio.ensure_future(get(upstreams, upstream.url))
        await until(lambda: upstream.requests)
        given_up.cancel()
        upstream.may.set()
        assert await get(upstreams, upstream.url) == b"ok"
    assert upstream.connections == 2


async def test_an_idle_connection_makes_room_for_another_upstream(upstream):
    other = Counting()
    server = await asyncio.start_server(other.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with pool(replace(FEW, connections=1)) as upstreams:
        assert await get(upstreams, upstream.url) == b"ok"
        assert await get(upstreams, url) == b"ok"
        assert await get(upstreams, upstream.url) == b"ok"
    server.close()
    assert (upstream.connections, other.connections) == (2, 1)


async def test_an_idle_connection_is_closed_after_a_while(upstream):
    async with pool(replace(FEW, keepalive_seconds=0.1)) as upstreams:
        assert await get(upstreams, upstream.url) == b"ok"
        await until(lambda: not upstream.open)
        assert await get(upstreams, upstream.url) == b"ok"
    assert upstream.connections == 2


async def test_an_answer_that_was_not_read_leaves_no_connection(upstream):
    async with pool() as upstreams:
        (await upstreams.send(Outgoing("GET", upstream.url, ()))).close()
        assert await get(upstreams, upstream.url) == b"ok"
    assert upstream.connections == 2


async def test_a_pool_that_closes_closes_its_connections(upstream):
    async with pool() as upstreams:
        assert await get(upstreams, upstream.url) == b"ok"
    await until(lambda: not upstream.open)


async def test_an_upstream_that_hung_up_between_calls_is_connected_to_again(upstream):
    async with pool() as upstreams:
        assert await get(upstreams, upstream.url) == b"ok"
        for _ in range(3):
            kept = next(iter(upstreams._open))
            kept.eof_received()
            assert await get(upstreams, upstream.url) == b"ok"
    assert upstream.connections == 4


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://nowhere.invalid/"])
async def test_an_upstream_that_is_not_there_was_sent_nothing(url):
    async with pool() as upstreams:
        with pytest.raises(Unanswered) as refused:
            await get(upstreams, url)
        assert not refused.value.sent


async def test_an_upstream_that_hangs_up_on_a_request_may_have_it():
    async def serve(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with pool() as upstreams:
        with pytest.raises(Unanswered) as refused:
            await get(upstreams, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        assert refused.value.sent
    server.close()


async def test_a_header_cannot_end_its_line(upstream):
    async with pool() as upstreams:
        with pytest.raises(ValueError, match="end of a line"):
            await upstreams.send(Outgoing("GET", upstream.url, ((b"x", b"a\r\nb: c"),)))
        assert await get(upstreams, upstream.url) == b"ok"
    assert upstream.requests == 1


class Dripping:
    """A body that fails in the middle."""

    def __init__(self, fault: Exception) -> None:
        self._left = [b"half", fault]

    async def read(self) -> bytes:
        piece = self._left.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece


async def test_a_body_that_fails_says_why_and_the_upstream_never_has_it_whole():
    got = asyncio.get_running_loop().create_future()

    async def serve(reader, writer) -> None:
        got.set_result(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    too_large = Stop(Refusal(Reason.TOO_LARGE, "too large"))
    async with pool() as upstreams:
        with pytest.raises(Stop) as stopped:
            await upstreams.send(Outgoing("POST", url, (), Dripping(too_large)))
        assert stopped.value is too_large
        assert not (await got).endswith(b"0\r\n\r\n")
    server.close()
