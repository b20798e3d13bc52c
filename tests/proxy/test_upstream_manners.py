"""A service at two addresses, at the wire: one refuses, hangs up, answers 503, hangs, speaks another protocol, comes
back; and what a client sees of it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from gateway.proxy import AddressChecks, CheckOptions, ProxyOptions, Service, UpstreamOptions, any_reachable, reachable
from gateway.proxy.addresses import Addresses, AddressOptions, Circuit
from gateway.proxy.retrying import RetryBudget, RetryOptions

QUERY = b'{"query":"FIND *"}'
CREATE = json.dumps({"query": "mutation { createRule(name: 1) { id } }"}).encode()
JOB = "/persister/synchronization/jobs/j1"
UNAVAILABLE = "503 Service Unavailable"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@asynccontextmanager
async def served(upstream, port=0):
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", port)
    upstream.port = server.sockets[0].getsockname()[1]
    yield upstream
    server.close()


@pytest.fixture
async def other(upstream):
    async with served(type(upstream)()) as other:
        yield other


@pytest.fixture
def away():
    """The URL of a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def bind(gateway):
    """Binds the key's organization to addresses: `bind(j1ql=[...])`. Chance chooses the first one that is as good."""

    def bound(options=None, retries=None, **one):
        ((name, bases),) = one.items()
        path = {"j1ql": "/j1ql", "graphql": "/graphql", "persister": ""}[name]
        addresses = Addresses(
            [base + path for base in bases],
            options or AddressOptions(failures=2, out_seconds=1000, longest_out_seconds=1000),
            chance=lambda: 0.0,
            told=partial(gateway.metrics.upstream_circuit, f"acme/{name}"),
        )
        retries = retries or RetryOptions()
        service = Service(addresses, RetryBudget(retries), retries)
        gateway.bindings["acme"] = replace(gateway.bindings["acme"], **{name: service})
        return addresses

    return bound


@pytest.fixture
async def plain():
    """The URL of a server that speaks no TLS, and says so."""

    async def serve(_reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def hangs_up(_received, writer):
    writer.close()


def retried(gateway, upstream="j1ql", outcome="sent"):
    return gateway.value("gateway_upstream_retries_total", upstream=upstream, outcome=outcome)


def circuit(gateway, place, upstream="acme/j1ql"):
    return gateway.value("gateway_upstream_circuit", upstream=upstream, address=str(place))


# --- one of two is away


@pytest.mark.parametrize("key", ["super", "repos"])
async def test_no_call_fails_for_an_address_that_refuses_connections(gateway, upstream, says, bind, away, key):
    upstream.script = upstream.says(says(b'{"type":"list","data":[]}'))
    bind(j1ql=[away, upstream.url])
    for _ in range(6):
        answer = await gateway.ask(key=key)
        assert (answer.status, answer.json["data"]) == (200, [])
    assert len(upstream.received) == 6
    assert (circuit(gateway, 0), circuit(gateway, 1)) == (Circuit.OPEN, 0)
    assert 2 <= retried(gateway) < 6


@pytest.mark.parametrize("key", ["super", "repos"])
async def test_a_query_whose_connection_breaks_is_asked_again_elsewhere(gateway, upstream, other, says, bind, key):
    upstream.script = hangs_up
    other.script = other.says(says(b'{"type":"list","data":[]}'))
    bind(j1ql=[upstream.url, other.url])
    assert (await gateway.ask(key=key)).status == 200
    (first,), (second,) = upstream.received, other.received
    assert (first.line, first.body) == (second.line, second.body)
    assert first.header("x-request-id") == second.header("x-request-id")
    (record,) = await gateway.records()
    assert (record["status"], record.get("reason")) == (200, None)


async def test_a_change_whose_connection_breaks_is_not_made_again(gateway, upstream, other, bind):
    upstream.script = hangs_up
    bind(graphql=[upstream.url, other.url])
    answer = await gateway.ask("POST", "/graphql", CREATE)
    assert "gateway" in answer.body.decode()
    assert (len(upstream.received), len(other.received)) == (1, 0)
    assert retried(gateway, "graphql") == 0


async def test_a_change_that_certainly_did_not_arrive_is_made_elsewhere(gateway, upstream, bind, away):
    bind(graphql=[away, upstream.url])
    assert (await gateway.ask("POST", "/graphql", CREATE)).status == 200
    assert len(upstream.received) == 1
    assert retried(gateway, "graphql") == 1


async def test_an_address_whose_tls_fails_was_not_sent_anything(gateway, upstream, bind, plain):
    bind(graphql=[plain.replace("http:", "https:"), upstream.url])
    assert (await gateway.ask("POST", "/graphql", CREATE)).status == 200
    assert (len(upstream.received), retried(gateway, "graphql")) == (1, 1)


async def test_an_upload_is_never_sent_again(gateway, upstream, other, says, bind):
    async def script(received, writer):
        if received.line.startswith("GET"):
            writer.write(says(b'{"job":{"id":"j1","integrationInstanceId":"i1"}}'))
        else:
            writer.close()

    upstream.script = other.script = script
    bind(persister=[upstream.url, other.url])
    assert (await gateway.ask("POST", f"{JOB}/entities", b"[]" * 1000, "uploads")).status == 502
    posts = [each for each in upstream.received + other.received if each.line.startswith("POST")]
    assert len(posts) == 1
    assert retried(gateway, "persister") == 0


async def test_a_get_is_sent_again(gateway, upstream, other, says, bind):
    upstream.script = hangs_up
    other.script = other.says(says(b'{"job":{"id":"j1","integrationInstanceId":"i1"}}'))
    bind(persister=[upstream.url, other.url])
    assert (await gateway.ask("GET", JOB, b"", "sync")).status == 200
    assert retried(gateway, "persister") == len(other.received) == 2  # whose job it is, and the job


# --- 503, time, half an answer


async def test_an_address_that_is_unavailable_is_left_for_another_one(gateway, upstream, other, says, bind):
    upstream.script = upstream.says(says(b"{}", UNAVAILABLE))
    bind(j1ql=[upstream.url, other.url])
    for _ in range(5):
        assert (await gateway.ask()).status == 200
    assert len(upstream.received) == 2
    assert circuit(gateway, 0) == Circuit.OPEN


async def test_the_only_address_that_works_has_the_last_word(gateway, upstream, says, bind):
    upstream.script = upstream.says(says(b'{"try":"later"}', UNAVAILABLE, "Retry-After: 7"))
    bind(j1ql=[upstream.url])
    for _ in range(4):
        answer = await gateway.ask()
        assert (answer.status, answer.json, answer.headers["retry-after"]) == (503, {"try": "later"}, "7")
    assert len(upstream.received) == 4
    assert circuit(gateway, 0) == Circuit.OPEN
    upstream.script = upstream.says(says())
    assert (await gateway.ask()).status == 200
    assert circuit(gateway, 0) == Circuit.CLOSED


async def test_without_budget_an_answer_is_passed_on_as_it_is(gateway, upstream, other, says, bind):
    upstream.script = other.script = upstream.says(says(b'{"try":"later"}', UNAVAILABLE))
    bind(AddressOptions(failures=100), RetryOptions(share=0, per_second=0, saved=1), j1ql=[upstream.url, other.url])
    for _ in range(3):
        assert (await gateway.ask()).json == {"try": "later"}
    assert len(upstream.received) + len(other.received) == 4
    assert (retried(gateway), retried(gateway, outcome="over_budget")) == (1, 2)


class TestTime:
    @pytest.fixture
    def setup(self, setup):
        setup.upstreams = UpstreamOptions(connect_seconds=0.2, answer_seconds=0.2)
        return setup

    async def test_what_was_not_answered_in_time_is_not_asked_again(self, gateway, upstream, other, bind):
        upstream.script = upstream.hangs
        addresses = bind(j1ql=[upstream.url, other.url])
        assert (await gateway.ask()).status == 504
        assert (len(upstream.received), len(other.received)) == (1, 0)
        assert addresses.all[0].failures == 1


async def test_an_answer_that_has_begun_is_not_begun_again(gateway, upstream, other, bind):
    async def script(_received, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        writer.close()

    upstream.script = script
    bind(j1ql=[upstream.url, other.url])
    answer = await gateway.ask()
    assert answer.body in (b"half", b"")
    assert other.received == []


async def test_nothing_is_sent_again_for_a_client_that_left(gateway, upstream, other, bind):
    upstream.script = upstream.hangs
    addresses = bind(j1ql=[upstream.url, other.url])
    _, writer = await gateway.connect()
    writer.write(gateway.call())
    await upstream.arrived.wait()
    linger = struct.pack("ii", 1, 0)  # closing resets the connection: it is no half-closed one
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
    await gateway.until(lambda: not gateway.value("gateway_inflight_requests"))
    assert other.received == []
    assert [(each.pending, each.failures) for each in addresses.all] == [(0, 0), (0, 0)]


# --- total time


class TestTotal:
    @pytest.fixture
    def setup(self, setup):
        setup.proxy = ProxyOptions(upstream_seconds=0.3)
        return setup

    async def test_a_call_that_is_not_answered_in_the_total_time_is_a_504(self, gateway, upstream, other, bind):
        upstream.script = upstream.hangs
        addresses = bind(j1ql=[upstream.url, other.url])
        answer = await gateway.ask()
        assert (answer.status, answer.json["error"]["reason"]) == (504, "upstream_timeout")
        assert other.received == []
        assert addresses.all[0].failures == 1

    @pytest.mark.parametrize("key", ["super", "repos"])
    async def test_an_answer_without_end_is_cut_off_however_it_moves(self, gateway, upstream, key):
        async def script(received, writer):
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while not received.reader.at_eof():
                writer.write(b"1\r\n \r\n")
                await asyncio.sleep(0.02)

        upstream.script = script
        answer = await gateway.ask(key=key)
        assert not answer.raw.endswith(b"0\r\n\r\n")
        (record,) = await gateway.records()
        assert record["reason"] == "upstream_timeout"

    async def test_an_answer_that_ends_in_time_is_whole(self, gateway, upstream, says):
        upstream.script = upstream.says(says(b"[1]"))
        assert (await gateway.ask()).body == b"[1]"


# --- upgrades


@pytest.mark.parametrize("key", ["super", "repos"])
async def test_an_upstream_that_would_switch_protocols_gets_nobody_to_talk_to(gateway, upstream, other, bind, key):
    """Neither its 101 nor what follows goes on, and what follows is not taken for the answer to the next call."""

    async def script(_received, writer):
        writer.write(SWITCH + b"\x81\x05hello" + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen")

    upstream.script = script
    bind(j1ql=[upstream.url])
    for calls in (1, 2):
        answer = await gateway.ask(key=key)
        assert (answer.status, answer.json["error"]["reason"]) == (502, "upstream_failed")
        assert b"hello" not in answer.raw
        assert b"stolen" not in answer.raw
        assert "upgrade" not in answer.headers
        await gateway.until(lambda: not upstream.open)
        assert upstream.connections == len(upstream.received) == calls


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "TLS/1.0"])
async def test_a_client_that_would_switch_protocols_reaches_no_upstream(gateway, upstream, protocol):
    upstream.script = upstream.says(SWITCH)
    wanted = (f"Upgrade: {protocol}", "Connection: Upgrade, close")
    answer = await gateway.send(gateway.call("POST", "/j1ql", QUERY, "super", *wanted, close=False))
    assert answer.status == 400
    assert b" 101 " not in answer.raw
    assert upstream.received == []


# --- coming back


async def test_an_address_that_listens_again_is_used_again(gateway, upstream, other, bind, away):
    addresses = bind(j1ql=[away, upstream.url])
    checks = AddressChecks([gateway.bindings["acme"].j1ql])
    for _ in range(3):
        assert (await gateway.ask()).status == 200
    await checks.round()
    assert (await gateway.ask()).status == 200
    assert addresses.all[0].circuit is Circuit.OPEN

    async with served(type(other)(), int(away.rpartition(":")[2])) as back:
        await checks.round()
        assert back.received == []
        assert (await gateway.ask()).status == 200
        assert len(back.received) == 1
        assert circuit(gateway, 0) == Circuit.CLOSED
        await checks.round()
        assert back.connections <= 2


async def test_an_address_that_answers_503_is_tried_by_one_call_when_its_time_is_over(
    gateway, upstream, other, says, bind
):
    upstream.script = upstream.says(says(b"{}", UNAVAILABLE))
    bind(AddressOptions(failures=1, out_seconds=0.2, longest_out_seconds=0.2), j1ql=[upstream.url, other.url])
    checks = AddressChecks([gateway.bindings["acme"].j1ql])
    assert (await gateway.ask()).status == 200
    await checks.round()  # it takes connections all the while, which says nothing
    assert circuit(gateway, 0) == Circuit.OPEN
    upstream.script = upstream.says(says())
    await gateway.until(lambda: gateway.bindings["acme"].j1ql.addresses.all[0].out_until < time.monotonic())
    assert (await gateway.ask()).status == 200
    assert circuit(gateway, 0) == Circuit.CLOSED
    assert len(upstream.received) == 2


# --- checks and readiness


async def test_checks_of_all_addresses_find_one_that_no_call_has_met(gateway, upstream, bind, away):
    addresses = bind(j1ql=[away, upstream.url])
    for check_all, found in ((False, []), (True, [Circuit.OPEN])):
        checks = AddressChecks([gateway.bindings["acme"].j1ql], CheckOptions(check_all=check_all))
        for _ in range(2):
            await checks.round()
        assert [each.circuit for each in addresses.failing()] == found
    assert upstream.received == []


async def test_a_service_is_up_when_any_of_its_addresses_is(upstream, away):
    assert await any_reachable([away, upstream.url]) is None
    assert "ConnectionRefusedError" in await any_reachable([away, away])


async def test_an_address_without_tls_is_not_reachable_by_tls(plain):
    assert await reachable(plain) is None
    assert "SSL" in await reachable(plain.replace("http:", "https:"))
