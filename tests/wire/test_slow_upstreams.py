"""Upstreams that are slow, stall, break off, or are away: nothing is waited for longer than it may take."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from gateway.http1 import Reason
from gateway.proxy import UpstreamOptions, Upstreams
from wire.asking import ask
from wire.bodies import Pieces
from wire.corpus.answers import OK, answer
from wire.scripted import Connection, scripted

OPTIONS = UpstreamOptions(connect_seconds=5, answer_seconds=5, idle_seconds=5, send_seconds=5)
HASTY = replace(OPTIONS, answer_seconds=0.2, idle_seconds=0.2, send_seconds=0.2, connect_seconds=0.2)


async def drips_its_head(connection: Connection) -> None:
    await connection.request()
    while True:
        await connection.say(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await asyncio.sleep(0.02)


async def drips_one_header(connection: Connection) -> None:
    await connection.request()
    await connection.say(b"HTTP/1.1 200 OK\r\nX-A: ")
    while True:
        await connection.say(b"x")
        await asyncio.sleep(0.02)


async def says_nothing(connection: Connection) -> None:
    await connection.request()
    await connection.gone()


async def takes_nothing(connection: Connection) -> None:
    connection.writer.transport.pause_reading()
    await asyncio.sleep(1)


@pytest.mark.parametrize("script", [says_nothing, drips_its_head, drips_one_header])
async def test_a_head_is_not_waited_for_longer_than_it_may_take(script):
    """However many bytes of it come meanwhile."""
    async with scripted(script) as upstream, Upstreams(HASTY) as upstreams:
        outcome = await ask(upstreams, upstream.url, "POST", (), b"x")
    # Interim answers may have a number instead of a time.
    assert outcome.stopped in {Reason.UPSTREAM_TIMEOUT, Reason.UPSTREAM_FAILED}


async def test_a_body_that_stalls_is_not_waited_for():
    async def stalls(connection: Connection) -> None:
        await connection.request()
        await connection.say(answer(b"Content-Length: 10"))
        await connection.gone()

    async with scripted(stalls) as upstream, Upstreams(HASTY) as upstreams:
        outcome = await ask(upstreams, upstream.url)
        assert (outcome.status, outcome.body, outcome.stopped) == (200, b"hello", Reason.UPSTREAM_TIMEOUT)


async def test_a_body_that_comes_slowly_is_read_to_its_end():
    async def drips(connection: Connection) -> None:
        await connection.request()
        await connection.say(answer(b"Content-Length: 10", body=b""))
        for _ in range(10):
            await asyncio.sleep(0.05)
            await connection.say(b"x")
        await connection.gone()

    async with scripted(drips) as upstream, Upstreams(replace(HASTY, idle_seconds=2)) as upstreams:
        assert (await ask(upstreams, upstream.url)).whole == b"x" * 10


@pytest.mark.parametrize("body", [Pieces(*[b"x" * 1_000_000] * 30), b"x" * 30_000_000], ids=["pieces", "bytes"])
@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
async def test_an_upstream_that_takes_nothing_is_left(body):
    async with scripted(takes_nothing) as upstream, Upstreams(HASTY) as upstreams:
        assert (await ask(upstreams, upstream.url, "POST", (), body)).stopped is Reason.UPSTREAM_TIMEOUT


@pytest.mark.parametrize("after", [b"", b"HTTP/1.1 200", OK[:-5], OK[:-1]])
async def test_a_reset_is_a_failure(after):
    async def resets(connection: Connection) -> None:
        await connection.request()
        await connection.say(after)
        await asyncio.sleep(0.02)
        connection.reset()

    async with scripted(resets) as upstream, Upstreams(OPTIONS) as upstreams:
        outcome = await ask(upstreams, upstream.url, "POST", (), b"x")
    assert outcome.stopped is Reason.UPSTREAM_FAILED


async def test_an_upstream_that_is_away_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with Upstreams(OPTIONS) as upstreams:
        outcome = await ask(upstreams, f"http://127.0.0.1:{port}/a", "POST", (), b"x")
    assert outcome.stopped is Reason.UPSTREAM_UNREACHABLE
