"""Each trap of the front check, one by one; the same inputs over real sockets are in tests/proxy/test_server.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http1 import Call, FrontLimits, Head, Reason, Refusal, body_length, front, has_body

HOST = (b"Host", b"gateway.example:8080")


def head(method="POST", target=b"/j1ql", version=(1, 1), headers=(), host=HOST) -> Head:
    return Head(method, target, version, (*([host] if host else []), *headers))


def refusal_of(wire: Head, **limits: int) -> Refusal:
    outcome = front(wire, "id", FrontLimits(**limits))
    assert isinstance(outcome, Refusal), outcome
    return outcome


def test_a_plain_call_passes_as_it_stood():
    call = front(
        head(target=b"/persister/x?a=%2F&b=c", headers=[(b"X-Api-KEY", b" k "), (b"Content-Length", b"2")]), "id"
    )
    assert call == Call(
        id="id",
        method="POST",
        path="/persister/x",
        query="a=%2F&b=c",
        headers=((b"host", b"gateway.example:8080"), (b"x-api-key", b"k"), (b"content-length", b"2")),
    )


@pytest.mark.parametrize("path", ["/", "/j1ql", "/j1ql/", "/a/b-c_d~e.f/9", "/...", "/a.b/.c/..d"])
def test_plain_paths_pass_undecoded(path):
    call = front(head(target=path.encode()), "id")
    assert isinstance(call, Call)
    assert call.path == path


@pytest.mark.parametrize(
    "target",
    [
        b"",
        b"*",
        b"j1ql",
        b"http://evil/j1ql",
        b"http://gateway.example:8080/j1ql",
        b"//evil.com/j1ql",
        b"//j1ql",
        b"/a//b",
        b"/public#/../graphql",
        b"/j1ql#x",
        b"/public/%2e%2e/graphql",
        b"/public%2fgraphql",
        b"/j1ql%00",
        b"/j1ql%zz",
        b"/%6a1ql",
        b"/public/../graphql",
        b"/public/..",
        b"/./j1ql",
        b"/.",
        b"/..;foo/j1ql",
        b"/j1ql;x=1",
        b"/public\\..\\graphql",
        b"/j1ql ",
        b"/j1ql\t",
        b"/j1ql\x00",
        b"/j1ql\x7f",
        "/j1qł".encode(),
        "/j\uff11ql".encode(),
        b"/a:b",
        b"/a@b",
        b"/j1ql?a=\xff",
        b"/j1ql?a b",
        b"/j1ql?a=%zz",
        b"/j1ql?a=%2",
        b'/j1ql?a="',
        b"/j1ql?a#b",
        b"/j1ql?a\\b",
    ],
)
def test_a_target_with_two_readings_is_refused(target):
    assert refusal_of(head(target=target)).reason is Reason.MALFORMED_REQUEST


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PROPFIND", "post", "", "GET /", "PRI"])
def test_methods_that_no_service_takes_are_refused(method):
    assert refusal_of(head(method)).reason is Reason.METHOD_NOT_ALLOWED


@pytest.mark.parametrize("version", [(0, 9), (1, 2), (2, 0)])
def test_other_versions_are_refused(version):
    assert refusal_of(head(version=version)).reason is Reason.MALFORMED_REQUEST


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"a/?x",
        b"a/b",
        b"a?b",
        b"a#b",
        b"user@a",
        b"a b",
        b"a,b",
        b"a:",
        b"a:x",
        b"a:123456",
        b"[::1",
        b"::1",
        b"a\\b",
        b"-a",
        b"a..",
        b"a\x00",
    ],
)
def test_a_host_that_is_more_than_a_host_is_refused(host):
    assert refusal_of(head(host=(b"Host", host))).reason is Reason.MALFORMED_REQUEST


@pytest.mark.parametrize(
    "host", [b"a", b"a.b.", b"127.0.0.1:1", b"[::1]:8080", b"my_gateway:80", b"xn--bcher-kva.example"]
)
def test_real_hosts_pass(host):
    assert isinstance(front(head(host=(b"Host", host)), "id"), Call)


@pytest.mark.parametrize("version", [(1, 0), (1, 1)])
def test_exactly_one_host_is_needed(version):
    assert refusal_of(head(version=version, host=None)).reason is Reason.MALFORMED_REQUEST
    assert "host" in refusal_of(head(version=version, headers=[HOST])).message


@pytest.mark.parametrize(
    "headers",
    [
        [(b"Content-Length", b"1"), (b"Transfer-Encoding", b"chunked")],
        [(b"Content-Length", b"1"), (b"Content-Length", b"1")],
        [(b"Content-Length", b"1, 1")],
        [(b"Content-Length", b"+1")],
        [(b"Content-Length", b"-1")],
        [(b"Content-Length", b"1_0")],
        [(b"Content-Length", b"0x1")],
        [(b"Content-Length", b"")],
        [(b"Content-Length", b"1" * 30)],
        [(b"Transfer-Encoding", b"xchunked")],
        [(b"Transfer-Encoding", b"chunked, identity")],
        [(b"Transfer-Encoding", b"gzip, chunked")],
        [(b"Transfer-Encoding", b"identity")],
        [(b"Transfer-Encoding", b"")],
        [(b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")],
    ],
)
def test_framing_with_two_readings_is_refused(headers):
    assert refusal_of(head(headers=headers)).reason is Reason.MALFORMED_REQUEST


def test_http_1_0_knows_no_chunks():
    assert refusal_of(head(version=(1, 0), headers=[(b"Transfer-Encoding", b"chunked")]))


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("framing", [(b"Content-Length", b"1"), (b"Transfer-Encoding", b"chunked")])
def test_a_method_without_a_body_has_none(method, framing):
    assert "body" in refusal_of(head(method, headers=[framing])).message
    assert isinstance(front(head(method, headers=[(b"Content-Length", b"0")]), "id"), Call)


@pytest.mark.parametrize("nominated", [b"authorization", b"close, X-Api-Key", b"x-user", b"Gateway-Identity", b"host"])
def test_connection_cannot_have_headers_removed_on_the_way(nominated):
    assert "Connection" in refusal_of(head(headers=[(b"Connection", nominated)])).message


@pytest.mark.parametrize("value", [b"close", b"Keep-Alive", b"TE, close", b"", b"close,"])
def test_connection_may_speak_of_the_connection(value):
    assert isinstance(front(head(headers=[(b"Connection", value)]), "id"), Call)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"Upgrade", b"websocket"),
        (b"Upgrade", b"h2c"),
        (b"X-HTTP-Method-Override", b"DELETE"),
        (b"X-HTTP-Method", b"DELETE"),
        (b"X-Method-Override", b"DELETE"),
        (b"X-Original-URL", b"/graphql"),
        (b"X-Rewrite-URL", b"/graphql"),
        (b"Gateway_Identity", b"forged"),
        (b"X Space", b"1"),
        (b"X-Colon:", b"1"),
        (b"", b"1"),
        ("x-ł".encode(), b"1"),
        (b"X-Value", b"a\x00b"),
        (b"X-Value", b"a\rb"),
        (b"X-Value", b"a\nb"),
        (b"X-Value", b"a\x01b"),
        (b"X-Value", b"a\x7fb"),
        (b"X-Value", b"a\xffb"),
        (b"Expect", b"200-ok"),
    ],
)
def test_headers_that_ask_to_be_read_otherwise_are_refused(name, value):
    assert refusal_of(head(headers=[(name, value)])).reason is Reason.MALFORMED_REQUEST


@pytest.mark.parametrize(
    "name", [b"Content-Type", b"Content-Encoding", b"JupiterOne-Account", b"LifeOmic-Account", b"EXPECT", b"Host"]
)
def test_a_header_that_decides_occurs_once(name):
    value = b"100-continue" if name == b"EXPECT" else b"x"
    assert "more than once" in refusal_of(head(headers=[(name, value), (name.lower(), value)])).message


def test_expect_100_continue_passes():
    assert isinstance(front(head(headers=[(b"Expect", b"100-Continue")]), "id"), Call)


def test_sizes_are_limited_and_the_limit_itself_passes():
    wire = head(target=b"/1234567", headers=[(b"a", b"1")])
    size = sum(len(name) + len(value) for name, value in wire.headers)
    assert isinstance(front(wire, "id", FrontLimits(target=8, headers=2, header_bytes=size)), Call)
    assert "7 bytes" in refusal_of(wire, target=7).message
    assert "1 headers" in refusal_of(wire, headers=1).message
    assert "bytes" in refusal_of(wire, header_bytes=size - 1).message


def test_a_message_never_repeats_a_value():
    secret = b"gwa_secret\x00"
    assert "secret" not in refusal_of(head(headers=[(b"X-Api-Key", secret)])).message
    assert "secret" not in refusal_of(head(target=b"/secret;")).message


@pytest.mark.parametrize(
    ("headers", "some", "length"),
    [
        ((), False, 0),
        (((b"content-length", b"0"),), False, 0),
        (((b"content-length", b"7"),), True, 7),
        (((b"transfer-encoding", b"chunked"),), True, None),
    ],
)
def test_a_head_tells_of_its_body(headers, some, length):
    assert has_body(headers) is some
    assert body_length(headers) == length


@given(st.binary(max_size=40), st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=12)), max_size=4))
def test_no_bytes_break_it_and_what_passes_is_clean(target, headers):
    match front(head(target=b"/" + target, headers=headers), "id"):
        case Call() as call:
            assert call.path.isascii()
            assert not set(call.path) & set("%;#\\ ?")
            assert "//" not in call.path
            assert not {".", ".."} & set(call.path.split("/"))
            assert all(name == name.lower() and b"_" not in name for name, _ in call.headers)
        case Refusal() as refusal:
            assert refusal.status in {400, 405}
