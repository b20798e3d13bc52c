from __future__ import annotations

import pytest

from gateway.proxy.headers import length_of, to_client, to_upstream

OURS = ((b"authorization", b"Bearer ours"), (b"x-request-id", b"1"))


@pytest.mark.parametrize(
    "name",
    [
        b"authorization",
        b"x-api-key",
        b"cookie",
        b"jupiterone-account",
        b"lifeomic-account",
        b"gateway-identity",
        b"gateway-anything",
        b"x-request-id",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-user",
        b"forwarded",
        b"via",
        b"x-real-ip",
        b"true-client-ip",
        b"remote-user",
        b"x-remote-user",
        b"x-auth-user",
        b"x-authenticated-userid",
        b"x-original-host",
        b"host",
        b"content-length",
        b"expect",
        b"connection",
        b"keep-alive",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"proxy-authorization",
        b"http2-settings",
    ],
)
def test_no_claim_of_a_client_reaches_the_upstream(name):
    assert to_upstream(((name, b"forged"),), OURS) == OURS


def test_the_rest_goes_on_in_order_and_unchanged():
    sent = (
        (b"accept", b"*/*"),
        (b"user-agent", b"j1/2"),
        (b"accept", b"text/plain"),
        (b"jupiterone-correlation-id", b"7"),
        (b"content-encoding", b"gzip"),
    )
    assert to_upstream(sent, OURS) == (*sent, *OURS)


@pytest.mark.parametrize(
    "name",
    [
        b"set-cookie",
        b"server",
        b"x-powered-by",
        b"via",
        b"alt-svc",
        b"location",
        b"www-authenticate",
        b"strict-transport-security",
        b"gateway-narrowed",
        b"x-request-id",
        b"connection",
        b"keep-alive",
        b"transfer-encoding",
        b"upgrade",
        b"content-length",
        b"cache-control",
        b"cdn-cache-control",
        b"expires",
        b"surrogate-control",
        b"x-accel-expires",
    ],
)
def test_nothing_about_the_upstream_itself_reaches_the_client(name):
    assert to_client(((name, b"x"),), ()) == ()


def test_what_the_upstream_nominates_is_dropped():
    sent = ((b"connection", b"close, X-Internal"), (b"x-internal", b"1"), (b"etag", b'"1"'))
    assert to_client(sent, ()) == ((b"etag", b'"1"'),)


def test_our_headers_win_over_the_upstream_s():
    sent = ((b"cache-control", b"public"), (b"content-type", b"text/csv"))
    assert to_client(sent, ((b"cache-control", b"no-store"),)) == (
        (b"content-type", b"text/csv"),
        (b"cache-control", b"no-store"),
    )


@pytest.mark.parametrize(
    ("name", "value"), [(b"x", b"a\rb"), (b"x", b"a\x01"), (b"x", b"\xff"), (b"x y", b"1"), (b"", b"1")]
)
def test_what_is_not_clean_is_left_out(name, value):
    assert to_client(((name, value), (b"etag", b"1")), ()) == ((b"etag", b"1"),)


def test_the_announced_length_is_read():
    assert length_of(((b"content-length", b"12"),)) == 12
    assert length_of(((b"transfer-encoding", b"chunked"),)) is None
