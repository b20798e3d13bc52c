"""Malformed input of every kind gets a clear 4xx, and the upstream has received nothing."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest

GOOD = b'{"query":"FIND * LIMIT 1"}'


def raw(demo, data: bytes) -> bytes:
    """Send bytes, half-close, read all that comes back."""
    address = urlsplit(demo.told["gateway"])
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def message(demo, line=b"POST /j1ql HTTP/1.1", body=GOOD, key="super", drop=(), add=()):
    headers = {
        b"Host": b"localhost",
        b"Authorization": b"Bearer " + demo.keys[key].encode(),
        b"Content-Type": b"application/json",
        b"Content-Length": str(len(body)).encode(),
        b"Connection": b"close",
    }
    lines = [line, *(name + b": " + value for name, value in headers.items() if name not in drop), *add]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@pytest.fixture
def received(demo):
    """How many calls the upstream got."""

    def count():
        metrics = demo.ops.call("GET", "/metrics").body.decode()
        return [line for line in metrics.splitlines() if line.startswith("gateway_upstream_duration_seconds_count")]

    return count


def test_the_plain_message_passes(demo):
    assert raw(demo, message(demo)).startswith(b"HTTP/1.1 200 ")


BAD = {
    "two Authorization headers": dict(add=[b"Authorization: Bearer x"]),
    "a second credential": dict(add=[b"X-Api-Key: x"]),
    "absolute-form target": dict(line=b"POST http://evil.example/j1ql HTTP/1.1"),
    "double slash": dict(line=b"POST //j1ql HTTP/1.1"),
    "another host in the path": dict(line=b"POST //evil.example/j1ql HTTP/1.1"),
    "encoded dots": dict(line=b"POST /x/%2e%2e/j1ql HTTP/1.1"),
    "encoded letter": dict(line=b"POST /%6a1ql HTTP/1.1"),
    "dots": dict(line=b"POST /x/../j1ql HTTP/1.1"),
    "semicolon": dict(line=b"POST /j1ql;x HTTP/1.1"),
    "fragment": dict(line=b"POST /public#/../j1ql HTTP/1.1"),
    "backslash": dict(line=b"POST /x\\..\\j1ql HTTP/1.1"),
    "trailing slash": dict(line=b"POST /j1ql/ HTTP/1.1"),
    "unknown path": dict(line=b"POST /unknown HTTP/1.1"),
    "unknown method": dict(line=b"BREW /j1ql HTTP/1.1"),
    "GET with a body": dict(line=b"GET /j1ql HTTP/1.1"),
    "CONNECT": dict(line=b"CONNECT evil.example:443 HTTP/1.1"),
    "method override": dict(add=[b"X-HTTP-Method-Override: DELETE"]),
    "host that is a path": dict(drop=[b"Host"], add=[b"Host: a/?x"]),
    "no host": dict(drop=[b"Host"]),
    "two hosts": dict(add=[b"Host: other"]),
    "length and chunks": dict(add=[b"Transfer-Encoding: chunked"]),
    "two lengths": dict(add=[b"Content-Length: 1"]),
    "upgrade": dict(add=[b"Upgrade: websocket"], drop=[b"Connection"]),
    "not JSON": dict(body=b"FIND *"),
    "duplicate members": dict(body=b'{"query":"FIND *","query":"FIND x"}'),
    "a byte order mark": dict(body=b"\xef\xbb\xbf" + GOOD),
    "not UTF-8": dict(body=b'{"query":"\xff"}'),
    "deep nesting": dict(body=b'{"query":"x","a":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "oversized": dict(body=b'{"query":"' + b"x" * 1_000_000 + b'"}'),
    "form data": dict(drop=[b"Content-Type"], add=[b"Content-Type: application/x-www-form-urlencoded"]),
    "compressed": dict(add=[b"Content-Encoding: gzip"]),
    "another account": dict(add=[b"JupiterOne-Account: other"]),
    "Basic": dict(drop=[b"Authorization"], add=[b"Authorization: Basic eDp5"]),
    "no credential": dict(drop=[b"Authorization"]),
    "garbage key": dict(drop=[b"Authorization"], add=[b"Authorization: Bearer gwa_garbage"]),
    "key with quotes": dict(drop=[b"Authorization"], add=[b"Authorization: Bearer ' OR '1'='1"]),
}


@pytest.mark.parametrize("fault", BAD.values(), ids=BAD.keys())
def test_malformed_input_is_a_clear_4xx_and_goes_nowhere(demo, received, fault):
    before = received()
    answer = raw(demo, message(demo, **fault))
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    assert 400 <= status < 500, answer
    error = json.loads(body)["error"]
    assert error["message"]
    assert error["requestId"]
    assert received() == before


@pytest.mark.parametrize(
    "data", [b"", b"\r\n\r\n", b"GARBAGE\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x00"]
)
def test_what_is_not_http_gets_a_400_or_silence(demo, received, data):
    before = received()
    answer = raw(demo, data)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert received() == before
