"""The listener, byte by byte: whatever comes in, the client gets a clear answer, and the upstream nothing of it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass, replace

import pytest

from gateway.http1 import Reply
from gateway.proxy import ListenerOptions, listening

CREDENTIAL = b"Authorization: Bearer x"
BODY = b'{"query":"FIND *"}'


def message(
    line: bytes = b"POST /j1ql HTTP/1.1", *headers: bytes, host: bytes = b"Host: a", body: bytes = BODY
) -> bytes:
    lines = [line, host, *headers] if host else [line, *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


LENGTH = b"Content-Length: 18"
CHUNKED = b"Transfer-Encoding: chunked"

MALFORMED = {
    "no request line": b"GARBAGE\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.2": message(b"POST /j1ql HTTP/1.2", LENGTH),
    "HTTP/0.9": b"GET /j1ql\r\n\r\n",
    "absolute form": message(b"POST http://evil/j1ql HTTP/1.1", LENGTH),
    "authority form": message(b"POST evil:80 HTTP/1.1", LENGTH),
    "asterisk form": message(b"OPTIONS * HTTP/1.1", body=b""),
    "double slash": message(b"POST //evil.com/j1ql HTTP/1.1", LENGTH),
    "fragment": message(b"POST /public#/../j1ql HTTP/1.1", LENGTH),
    "encoded dots": message(b"POST /public/%2e%2e/j1ql HTTP/1.1", LENGTH),
    "encoded slash": message(b"POST /public%2fj1ql HTTP/1.1", LENGTH),
    "encoded NUL": message(b"POST /j1ql%00 HTTP/1.1", LENGTH),
    "bad encoding": message(b"POST /j1ql%zz HTTP/1.1", LENGTH),
    "dots": message(b"POST /public/../j1ql HTTP/1.1", LENGTH),
    "backslash": message(b"POST /public\\..\\j1ql HTTP/1.1", LENGTH),
    "semicolon": message(b"POST /..;foo/j1ql HTTP/1.1", LENGTH),
    "non-ASCII target": message("POST /j1qł HTTP/1.1".encode(), LENGTH),
    "space in target": message(b"POST /j1 ql HTTP/1.1", LENGTH),
    "long target": message(b"POST /" + b"a" * 8192 + b" HTTP/1.1", LENGTH),
    "longer target": message(b"POST /" + b"a" * 20000 + b" HTTP/1.1", LENGTH),
    "CONNECT": message(b"CONNECT evil:443 HTTP/1.1", host=b"Host: evil:443", body=b""),
    "TRACE": message(b"TRACE /j1ql HTTP/1.1", body=b""),
    "unknown method": message(b"BREW /j1ql HTTP/1.1", LENGTH),
    "lower-case method": message(b"post /j1ql HTTP/1.1", LENGTH),
    "no host": message(host=b"", body=BODY),
    "no host in HTTP/1.0": message(b"POST /j1ql HTTP/1.0", LENGTH, host=b""),
    "two hosts": message(b"POST /j1ql HTTP/1.1", LENGTH, b"Host: b"),
    "host with a path": message(b"POST /j1ql HTTP/1.1", LENGTH, host=b"Host: a/?x"),
    "host with a user": message(b"POST /j1ql HTTP/1.1", LENGTH, host=b"Host: u@a"),
    "length and chunks": message(b"POST /j1ql HTTP/1.1", LENGTH, CHUNKED),
    "two lengths": message(b"POST /j1ql HTTP/1.1", LENGTH, LENGTH),
    "list of lengths": message(b"POST /j1ql HTTP/1.1", b"Content-Length: 18, 18"),
    "signed length": message(b"POST /j1ql HTTP/1.1", b"Content-Length: +18"),
    "length with underscore": message(b"POST /j1ql HTTP/1.1", b"Content-Length: 1_8"),
    "hexadecimal length": message(b"POST /j1ql HTTP/1.1", b"Content-Length: 0x12"),
    "xchunked": message(b"POST /j1ql HTTP/1.1", b"Transfer-Encoding: xchunked"),
    "chunked, identity": message(b"POST /j1ql HTTP/1.1", b"Transfer-Encoding: chunked, identity"),
    "chunked twice": message(b"POST /j1ql HTTP/1.1", CHUNKED, CHUNKED),
    "chunks in HTTP/1.0": message(b"POST /j1ql HTTP/1.0", CHUNKED, body=b"0\r\n\r\n"),
    "GET with a body": message(b"GET /whoami HTTP/1.1", LENGTH),
    "DELETE with a body": message(b"DELETE /j1ql HTTP/1.1", LENGTH),
    "space before colon": message(b"POST /j1ql HTTP/1.1", b"Content-Length : 18"),
    "folded header": message(b"POST /j1ql HTTP/1.1", LENGTH, b"X-A: 1\r\n 2"),
    "bare LF": message(b"POST /j1ql HTTP/1.1", LENGTH, b"X-A: 1\nX-B: 2"),
    "bare CR": message(b"POST /j1ql HTTP/1.1", LENGTH, b"X-A: 1\rX-B: 2"),
    "NUL in a value": message(b"POST /j1ql HTTP/1.1", LENGTH, b"X-A: 1\x002"),
    "VT before a value": message(b"POST /j1ql HTTP/1.1", b"Transfer-Encoding:\x0bchunked"),
    "control in a value": message(b"POST /j1ql HTTP/1.1", LENGTH, b"X-A: 1\x012"),
    "non-ASCII value": message(b"POST /j1ql HTTP/1.1", LENGTH, b"X-A: \xff"),
    "non-ASCII name": message(b"POST /j1ql HTTP/1.1", LENGTH, b"X-\xff: 1"),
    "underscore": message(b"POST /j1ql HTTP/1.1", LENGTH, b"Gateway_Identity: forged"),
    "many headers": message(b"POST /j1ql HTTP/1.1", LENGTH, *[b"X-%d: 1" % number for number in range(70)]),
    "more headers": message(b"POST /j1ql HTTP/1.1", LENGTH, *[b"X-%d: 1" % number for number in range(300)]),
    "large header": message(b"POST /j1ql HTTP/1.1", LENGTH, b"X-A: " + b"a" * 9000),
    "large headers": message(b"POST /j1ql HTTP/1.1", LENGTH, *[b"X-A: " + b"a" * 6000] * 3),
    "two Authorization headers": message(b"POST /j1ql HTTP/1.1", LENGTH, CREDENTIAL, CREDENTIAL),
    "two credentials": message(b"POST /j1ql HTTP/1.1", LENGTH, CREDENTIAL, b"X-Api-Key: x"),
    "joined credentials": message(b"POST /j1ql HTTP/1.1", LENGTH, CREDENTIAL + b", Bearer y"),
    "nominated credential": message(b"POST /j1ql HTTP/1.1", LENGTH, CREDENTIAL, b"Connection: authorization"),
    "method override": message(b"POST /j1ql HTTP/1.1", LENGTH, b"X-HTTP-Method-Override: GET"),
    "websocket": message(b"GET /whoami HTTP/1.1", b"Connection: Upgrade", b"Upgrade: websocket", body=b""),
    "h2c": message(b"GET /whoami HTTP/1.1", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", body=b""),
    "other expectation": message(b"POST /j1ql HTTP/1.1", LENGTH, b"Expect: 200-ok"),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_is_no_call_gets_a_clear_4xx_and_the_connection_closed(gateway, upstream, data):
    answer = await gateway.send(data)
    assert answer.raw.startswith(b"HTTP/1.")
    assert answer.status in {400, 405}
    error = answer.json["error"]
    assert error["message"]
    assert error["requestId"] == answer.headers["x-request-id"]
    assert upstream.received == []


async def test_a_refusal_never_repeats_what_was_sent(gateway):
    for data in (
        b"POST /s3cret\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer s3cret\x00\r\n\r\n",
    ):
        assert b"s3cret" not in (await gateway.send(data)).raw
    assert "s3cret" not in json.dumps(await gateway.records())


async def test_calls_on_one_connection_are_answered_in_order(gateway):
    calls = [gateway.call("GET", "/whoami", b"", close=number == 2) for number in range(3)]
    answer = await gateway.send(b"".join(calls))
    ids = [part.partition(b"\r\n")[0] for part in answer.raw.split(b"x-request-id: ")[1:]]
    assert ids == [b"call-0001", b"call-0002", b"call-0003"]


async def test_http_1_0_is_served(gateway, upstream, says):
    upstream.script = upstream.says(says(b"[]"))
    answer = await gateway.send(gateway.call(close=False).replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert answer.status == 200
    assert answer.body == b"[]"


async def test_the_rest_of_a_refused_body_is_never_a_call(gateway, upstream):
    inner = gateway.call("GET", "/whoami", b"")
    outer = gateway.call("POST", "/j1ql", inner, "dashboard", close=False)
    answer = await gateway.send(outer + gateway.call("GET", "/whoami", b""))
    assert [part[:3] for part in answer.raw.split(b"HTTP/1.1 ")[1:]] == [b"403", b"200"]
    assert upstream.received == []


async def test_a_body_that_was_announced_but_not_sent_does_not_hold_a_refusal_up(gateway):
    data = gateway.call(body=b"x", framing="Content-Length: 1000", key="dashboard", close=False)
    answer = await gateway.send(data)
    assert answer.status == 403
    assert answer.headers["connection"] == "close"


# --- 100 Continue -------------------------------------------------------------------------------------------------


def expecting(gateway, key: str) -> bytes:
    return gateway.call("POST", "/j1ql", BODY, key, "Expect: 100-continue").removesuffix(BODY)


async def test_a_client_is_asked_for_its_body_once_the_call_may_have_one(gateway, upstream):
    reader, writer = await gateway.connect()
    writer.write(expecting(gateway, "super"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert upstream.received == []
    writer.write(BODY)
    answer = await gateway.rest(reader, writer)
    assert answer.status == 200
    assert upstream.received[0].body == BODY


async def test_a_client_is_not_asked_for_the_body_of_a_refused_call(gateway):
    answer = await gateway.send(expecting(gateway, "dashboard"))
    assert answer.raw.startswith(b"HTTP/1.1 403 ")
    assert answer.headers["connection"] == "close"


async def test_a_client_that_did_not_wait_is_not_asked(gateway):
    answer = await gateway.send(expecting(gateway, "super") + BODY)
    assert b"100 Continue" not in answer.raw
    assert answer.status == 200


# --- slow, broken and too many ------------------------------------------------------------------------------------


class TestImpatient:
    @pytest.fixture
    def setup(self, setup):
        setup.listener = replace(
            setup.listener, head_seconds=0.1, body_seconds=0.1, body_rate=10**9, keepalive_seconds=0.5
        )
        return setup

    @pytest.mark.parametrize("start", [b"P", b"POST /j1ql HTTP/1.1\r\nHost: a\r\n", b"\r\n"])
    async def test_a_head_that_does_not_come_is_not_waited_for(self, gateway, start):
        answer = await gateway.send(start)
        assert answer.status == 408
        assert answer.json["error"]["reason"] == "too_slow"
        assert answer.headers["connection"] == "close"

    async def test_a_head_that_drips_is_not_waited_for(self, gateway):
        reader, writer = await gateway.connect()
        dripping = asyncio.ensure_future(gateway.rest(reader, writer))
        for byte in gateway.call():
            if dripping.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)
        assert (await dripping).status == 408

    async def test_the_head_of_a_later_call_is_not_waited_for_either(self, gateway):
        answer = await gateway.send(gateway.call("GET", "/whoami", b"", close=False) + b"GET /who")
        assert answer.raw.count(b"HTTP/1.1 200 ") == 1

    async def test_a_connection_without_a_call_is_closed_in_silence(self, gateway):
        assert (await gateway.send(b"")).raw == b""

    async def test_an_idle_connection_is_closed_in_silence(self, gateway):
        answer = await gateway.send(gateway.call("GET", "/whoami", b"", close=False))
        assert answer.raw.count(b"HTTP/1.1 ") == 1

    async def test_a_body_that_does_not_come_is_not_waited_for(self, gateway, upstream):
        answer = await gateway.send(gateway.call(body=b'{"q', framing="Content-Length: 18"))
        assert answer.status == 408
        assert upstream.received == []


NO_CHUNKS = {
    "bad chunk size": b"zz\r\nhello\r\n0\r\n\r\n",
    "negative chunk size": b"-1\r\nhello\r\n0\r\n\r\n",
    "prefixed chunk size": b"0x5\r\nhello\r\n0\r\n\r\n",
    "chunk with bare LF": b"5\nhello\n0\n\n",
}


@pytest.mark.parametrize("body", NO_CHUNKS.values(), ids=NO_CHUNKS.keys())
async def test_a_body_that_is_malformed_from_its_start_is_refused(gateway, upstream, body):
    answer = await gateway.send(gateway.call(body=body, framing="Transfer-Encoding: chunked", close=False))
    assert answer.status == 400
    assert answer.json["error"]["reason"] == "malformed_body"
    assert upstream.received == []


BROKEN = {
    "a chunk without a size": b"5\r\nhello\r\nXX\r\n",
    "a chunk longer than it says": b"5\r\nhelloo\r\n",
}


@pytest.mark.parametrize("rest", BROKEN.values(), ids=BROKEN.keys())
async def test_a_body_that_turns_out_malformed_is_refused(gateway, upstream, rest):
    head = gateway.call(body=b"x", framing="Transfer-Encoding: chunked")[:-1]
    reader, writer = await gateway.connect()
    writer.write(head)
    await gateway.until(lambda: gateway.value("gateway_inflight_requests"))
    writer.write(rest)
    answer = await gateway.rest(reader, writer)
    assert answer.status == 400
    assert answer.json["error"]["reason"] == "malformed_body"
    assert upstream.received == []


async def test_a_body_that_breaks_off_is_refused(gateway, upstream):
    reader, writer = await gateway.connect()
    writer.write(gateway.call(body=b'{"q', framing="Content-Length: 18"))
    writer.write_eof()
    answer = await gateway.rest(reader, writer)
    assert answer.status == 400
    assert upstream.received == []


async def test_a_client_that_only_stopped_sending_gets_its_answer(gateway):
    reader, writer = await gateway.connect()
    writer.write(gateway.call(close=False))
    writer.write_eof()
    answer = await gateway.rest(reader, writer)
    assert answer.status == 200


class TestFewConnections:
    @pytest.fixture
    def setup(self, setup):
        setup.listener = replace(setup.listener, connections=2)
        return setup

    async def test_a_connection_too_many_is_told_so(self, gateway):
        held = [await gateway.connect() for _ in range(2)]
        answer = await gateway.send(b"")
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json["error"]["reason"] == "overloaded"
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.1)
        assert (await gateway.ask("GET", "/whoami", b"")).status == 200


class TestSlowReader:
    @pytest.fixture
    def setup(self, setup):
        setup.listener = replace(setup.listener, send_seconds=0.2)
        return setup

    async def test_a_client_that_takes_nothing_is_left(self, gateway, upstream, says):
        upstream.script = upstream.says(says(b"x" * 50_000_000))
        _, writer = await gateway.connect()
        writer.transport.pause_reading()
        writer.write(gateway.call())
        await upstream.closed.wait()
        await gateway.until(lambda: not gateway.value("gateway_inflight_requests"))
        assert (await gateway.records())[-1]["outcome"] == "cancelled"
        writer.close()


# --- leaving ------------------------------------------------------------------------------------------------------


def reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class TestLeaving:
    @pytest.fixture
    def setup(self, setup):
        setup.listener = replace(setup.listener, half_closed_seconds=0.1)
        return setup

    @pytest.mark.parametrize("leave", [reset, lambda writer: writer.close()], ids=["reset", "close"])
    async def test_a_client_that_leaves_takes_its_upstream_call_along(self, gateway, upstream, leave):
        upstream.script = upstream.hangs
        _, writer = await gateway.connect()
        writer.write(gateway.call())
        await upstream.arrived.wait()
        leave(writer)
        await upstream.closed.wait()
        await gateway.until(lambda: not gateway.value("gateway_inflight_requests"))
        assert (await gateway.records())[-1]["outcome"] == "cancelled"


# --- stopping -----------------------------------------------------------------------------------------------------


@dataclass
class Stopping:
    """A listener that was told to stop while a call is under way."""

    port: int
    go_on: asyncio.Event
    stopped: asyncio.Task
    call: asyncio.Task
    ended: list[str]


@pytest.fixture
def stopping():
    async def stop(drain_seconds: float) -> Stopping:
        go_on, arrived, leave, ended = asyncio.Event(), asyncio.Event(), asyncio.Event(), []

        async def serve(incoming) -> None:
            arrived.set()
            try:
                await go_on.wait()
                await incoming.answer(Reply(200, b"done"))
                ended.append("answered")
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

        ports = asyncio.get_running_loop().create_future()

        async def listen() -> None:
            options = ListenerOptions(drain_seconds=drain_seconds)
            async with listening(serve, lambda _: Reply(400, b""), host="127.0.0.1", port=0, options=options) as found:
                ports.set_result(found.port)
                await leave.wait()

        stopped = asyncio.ensure_future(listen())
        port = await ports

        async def ask() -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try:
                return await reader.read()
            except ConnectionResetError:
                return b""
            finally:
                writer.close()

        call = asyncio.ensure_future(ask())
        await arrived.wait()
        leave.set()
        await asyncio.sleep(0.05)
        return Stopping(port, go_on, stopped, call, ended)

    return stop


async def test_a_call_under_way_ends_before_a_stop(stopping):
    stop = await stopping(drain_seconds=1000)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", stop.port)
    assert not stop.stopped.done()
    stop.go_on.set()
    assert (await stop.call).endswith(b"done")
    await stop.stopped
    assert stop.ended == ["answered"]


async def test_a_call_that_does_not_end_is_ended_by_a_stop(stopping):
    stop = await stopping(drain_seconds=0.1)
    await stop.stopped
    assert await stop.call == b""
    assert stop.ended == ["cancelled"]


async def test_a_listener_that_cannot_have_its_port_says_so():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="address already in use"):
        async with listening(None, None, host="127.0.0.1", port=taken.getsockname()[1]):
            pass
