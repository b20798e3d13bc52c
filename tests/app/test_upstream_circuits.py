"""A whole gateway over services at several addresses: what it tells, and what it finds out by itself."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

ANSWER = (
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 25\r\n\r\n"
    b'{"type":"list","data":[]}'
)
SOON = {"check": 0.05, "failures": 1, "out": 1000, "longest_out": 1000}


@pytest.fixture
def port():
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture
def bound(make_settings, upstream, port):
    """Settings of an organization whose query service is at these addresses; `away` is where nobody listens."""
    upstream.let_go.set()

    def make(*bases):
        urls = [f"{base or f'http://127.0.0.1:{port}'}/j1ql" for base in bases]
        at = {"j1ql": urls, "graphql": upstream.url, "persister": upstream.url, "account": "acme", "credential": "ours"}
        return make_settings(organizations={"acme": {"upstream": at}}, upstreams=SOON)

    return make


@asynccontextmanager
async def listening(port):
    """Takes connections and answers every request with an empty list."""

    async def serve(reader, writer):
        if await reader.readline():
            writer.write(ANSWER)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        yield


def circuit(place, value):
    return f'gateway_upstream_circuit{{address="{place}",upstream="acme/j1ql"}} {value}.0'


async def told(served, line):
    while line not in await served.metrics():  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def test_a_gateway_tells_of_each_address_and_is_ready_with_any_of_them(bound, serve, upstream):
    async with serve(bound(None, upstream.url)) as served:
        before = await served.metrics()
        assert circuit(0, 0) in before
        assert circuit(1, 0) in before
        while circuit(0, 2) not in await served.metrics():
            assert (await served.call())[0] == 200
        assert 'gateway_upstream_retries_total{outcome="sent",upstream="j1ql"} 1.0' in await served.metrics()
        status, report = await served.ready()
        assert status == 200
        assert "acme/j1ql: ok" in report


async def test_an_address_that_recovers_is_used_again_without_anybody_asking(bound, serve, upstream, port):
    async with serve(bound(None, upstream.url)) as served:
        while circuit(0, 2) not in await served.metrics():
            await served.call()
        async with listening(port):
            while circuit(0, 0) not in await served.metrics():
                assert (await served.call())[0] == 200


async def test_a_single_address_that_recovers_is_told_without_a_call(bound, serve, port):
    async with serve(bound(None)) as served:
        assert (await served.call())[0] == 502
        assert circuit(0, 2) in await served.metrics()
        assert (await served.ready())[0] == 200  # graphql and persister are there
        async with listening(port):
            await told(served, circuit(0, 0))
            assert (await served.call())[0] == 200
