"""Requests to an upstream, byte by byte: what it gets, which connection it gets it on, and what may go wrong."""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from gateway.http1 import Reason, Refusal
from gateway.proxy import UpstreamOptions, Upstreams
from gateway.proxy.wire import Outgoing, Stop
from wire.asking import ask
from wire.bodies import Pieces
from wire.corpus.answers import FORGED, OK, answer
from wire.scripted import Connection, says, scripted

OPTIONS = UpstreamOptions(connect_seconds=5, answer_seconds=5, idle_seconds=5, send_seconds=5)
BROKE_OFF = Refusal(Reason.MALFORMED_BODY, "the body broke off")


# --- what goes up -------------------------------------------------------------------------------------------------


async def test_a_request_goes_up_as_it_is_told_and_nothing_is_added():
    headers = ((b"x-a", b"1"), (b"x-a", b"2"), (b"accept", b"x"))
    async with scripted(says(OK)) as upstream, Upstreams(OPTIONS) as upstreams:
        url = upstream.url + "?b=%2F%41+b&&c=d?/:@"
        assert (await ask(upstreams, url, "GET", headers)).whole == b"hello"
    (asked,) = upstream.asked
    assert asked.line == b"GET /a?b=%2F%41+b&&c=d?/:@ HTTP/1.1"
    assert sorted(asked.headers) == sorted((*headers, (b"host", b"127.0.0.1:%d" % upstream.port)))


async def test_the_host_is_the_upstream_s():
    async with scripted(says(OK)) as upstream, Upstreams(OPTIONS) as upstreams:
        await ask(upstreams, upstream.url)
    assert upstream.asked[0].headers == [(b"host", b"127.0.0.1:%d" % upstream.port)]


@pytest.mark.parametrize("name", [b"host", b"content-length", b"transfer-encoding"])
async def test_what_only_the_pool_says_is_said_by_nobody_else(name):
    """Two hosts or two lengths would have two readings."""
    async with scripted(says(OK)) as upstream, Upstreams(OPTIONS) as upstreams:
        with pytest.raises(ValueError, match=name.decode()):
            await ask(upstreams, upstream.url, "POST", ((b"x-a", b"1"), (name, b"5")), b"hello")
        assert (await ask(upstreams, upstream.url)).whole == b"hello"
    assert len(upstream.asked) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
async def test_what_has_no_body_has_no_framing(method):
    script = says(OK if method != "HEAD" else answer(b"Content-Length: 5", body=b""))
    async with scripted(script) as upstream, Upstreams(OPTIONS) as upstreams:
        await ask(upstreams, upstream.url, method)
        await ask(upstreams, upstream.url, method)
    for asked in upstream.asked:
        assert asked.values(b"transfer-encoding") == []
        assert asked.values(b"content-length") in ([], [b"0"])
    assert upstream.connections == 1


BODIES = {
    "bytes": (b"hello", None, b"hello"),
    "many bytes": (b"x" * 3_000_000, None, b"x" * 3_000_000),
    "pieces of a length": (Pieces(b"hel", b"lo"), 5, b"hello"),
    "pieces": (Pieces(b"hel", b"lo"), None, b"hello"),
    "no piece": (Pieces(), None, b""),
    "no piece of a length": (Pieces(), 0, b""),
    "pieces of 3 MB": (Pieces(*[b"x" * 100_000] * 30), None, b"x" * 3_000_000),
    "3 MB in pieces": (Pieces(*[b"x" * 100_000] * 30), 3_000_000, b"x" * 3_000_000),
    "a piece that looks like the end": (Pieces(b"0\r\n\r\n", b"\r\n"), None, b"0\r\n\r\n\r\n"),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
async def test_a_body_arrives_whole_and_the_next_request_follows_it(name):
    body, length, expected = BODIES[name]
    if isinstance(body, Pieces):
        body = Pieces(*body.left)
    async with scripted(says(OK)) as upstream, Upstreams(OPTIONS) as upstreams:
        assert (await ask(upstreams, upstream.url, "POST", (), body, length)).whole == b"hello"
        assert (await ask(upstreams, upstream.url, "POST", (), b"next")).whole == b"hello"
    first, second = upstream.asked
    assert (first.body, second.body) == (expected, b"next")
    if length or isinstance(body, bytes):
        assert first.values(b"content-length") == [str(len(expected)).encode()]
        assert first.values(b"transfer-encoding") == []
    assert upstream.connections == 1


@pytest.mark.parametrize("header", [(b"x-a", b"1\r\nx-evil: 1"), (b"x-a", b"1\nx-evil: 1"), (b"x-a\r\nx-evil", b"1")])
async def test_a_header_cannot_smuggle_another(header):
    async with scripted(says(OK)) as upstream, Upstreams(OPTIONS) as upstreams:
        with pytest.raises(Exception, match=r"(?s).*"):
            await ask_or_raise(upstreams, Outgoing("GET", upstream.url, (header,)))
        await asyncio.sleep(0.02)
    assert not [asked for asked in upstream.asked if b"\nx-evil" in asked.head]


async def ask_or_raise(upstreams: Upstreams, request: Outgoing) -> bytes:
    body = b""
    with closing(await upstreams.send(request)) as answered:
        while piece := await answered.read():
            body += piece
    return body


@pytest.mark.parametrize("length", [5, None])
async def test_a_body_that_breaks_off_never_ends_upstream(length):
    """And what broke it off is what comes out."""
    async with scripted(says(OK), says(OK)) as upstream, Upstreams(OPTIONS) as upstreams:
        outcome = await ask(upstreams, upstream.url, "POST", (), Pieces(b"hel", fault=Stop(BROKE_OFF)), length)
        assert (outcome.status, outcome.stopped) == (None, Reason.MALFORMED_BODY)
        assert (await ask(upstreams, upstream.url)).whole == b"hello"
    assert [asked.body for asked in upstream.asked if asked.line.startswith(b"POST")] in ([], [b""], [b"hel"])
    assert upstream.connections == 2


@pytest.mark.parametrize("pieces", [[b"hel"], [], [b"hello!"], [b"hello", b"!"]])
async def test_a_body_of_another_length_than_announced_spoils_no_other_request(pieces):
    options = replace(OPTIONS, answer_seconds=0.5)
    async with scripted(says(OK)) as upstream, Upstreams(options) as upstreams:
        with suppress(Exception):  # a fault of ours, in whatever words
            await ask(upstreams, upstream.url, "POST", (), Pieces(*pieces), 5)
        assert (await ask(upstreams, upstream.url, "GET")).whole == b"hello"
    assert {asked.line for asked in upstream.asked} <= {b"POST /a HTTP/1.1", b"GET /a HTTP/1.1"}
    assert {asked.body for asked in upstream.asked} <= {b"", b"hello", b"hel"}
    assert [asked.body for asked in upstream.asked if asked.line == b"GET /a HTTP/1.1"] == [b""]


# --- early answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [100, None])
@pytest.mark.parametrize("close", [True, False])
async def test_an_answer_may_come_before_the_body_was_sent(length, close):
    """The request cannot be ended any more, so the connection is not used again."""

    async def early(connection: Connection) -> None:
        await connection.head()
        await connection.say(answer(b"Content-Length: 5", status=b"413 Too Large"))
        if not close:
            await connection.gone()

    never = asyncio.Event()
    async with scripted(early, says(OK)) as upstream, Upstreams(OPTIONS) as upstreams:
        outcome = await ask(upstreams, upstream.url, "POST", (), Pieces(b"hel", wait=never), length)
        assert (outcome.status, outcome.whole) == (413, b"hello")
        assert (await ask(upstreams, upstream.url)).whole == b"hello"
    assert upstream.connections == 2


async def test_a_body_goes_on_while_the_answer_comes():
    """An upstream may answer with what it is being sent."""

    async def echo(connection: Connection) -> None:
        await connection.head()
        await connection.say(answer(b"Transfer-Encoding: chunked", body=b""))
        while size := int(await connection.reader.readuntil(b"\r\n"), 16):
            piece = await connection.reader.readexactly(size + 2)
            await connection.say(b"%x\r\n" % size + piece)
        await connection.say(b"0\r\n\r\n")

    async with scripted(echo) as upstream, Upstreams(OPTIONS) as upstreams:
        outcome = await ask(upstreams, upstream.url, "POST", (), Pieces(*[b"%05d" % number for number in range(50)]))
    assert outcome.whole == b"".join(b"%05d" % number for number in range(50))


async def test_a_body_that_breaks_off_during_the_answer_ends_it():
    go_on = asyncio.Event()

    async def early(connection: Connection) -> None:
        await connection.head()
        await connection.say(answer(b"Content-Length: 10"))
        go_on.set()
        await connection.gone()

    async with scripted(early) as upstream, Upstreams(OPTIONS) as upstreams:
        body = Pieces(b"hel", fault=Stop(BROKE_OFF), wait=go_on)
        outcome = await ask(upstreams, upstream.url, "POST", (), body, 100)
        assert outcome.stopped is not None


# --- which connection ---------------------------------------------------------------------------------------------


async def test_one_connection_serves_requests_one_after_the_other():
    async with scripted(says(OK)) as upstream, Upstreams(OPTIONS) as upstreams:
        for _ in range(20):
            assert (await ask(upstreams, upstream.url)).whole == b"hello"
    assert upstream.connections == 1


async def test_requests_at_once_have_a_connection_each_up_to_the_limit():
    async with scripted(says(OK)) as upstream, Upstreams(replace(OPTIONS, connections=3)) as upstreams:
        outcomes = await asyncio.gather(*[ask(upstreams, upstream.url) for _ in range(30)])
        assert {outcome.whole for outcome in outcomes} == {b"hello"}
        assert upstream.connections <= 3


async def test_no_free_connection_in_time_is_a_refusal():
    async def never(connection: Connection) -> None:
        await connection.head()
        await connection.gone()

    options = replace(OPTIONS, connections=1, connect_seconds=0.2, answer_seconds=1)
    async with scripted(never) as upstream, Upstreams(options) as upstreams:
        first = asyncio.ensure_future(ask(upstreams, upstream.url))
        await asyncio.sleep(0.05)
        outcome = await ask(upstreams, upstream.url)
        assert outcome.stopped in {Reason.UPSTREAM_UNREACHABLE, Reason.OVERLOADED}
        assert (await first).stopped is Reason.UPSTREAM_TIMEOUT
    assert upstream.connections == 1


@pytest.mark.parametrize("rest", [b"lo", b""])
async def test_an_answer_that_is_left_half_read_takes_its_connection_along(rest):
    large = says(answer(b"Content-Length: 200000", body=b"x" * 199_998 + rest))
    async with scripted(large, says(OK)) as upstream, Upstreams(OPTIONS) as upstreams:
        with closing(await upstreams.send(Outgoing("GET", upstream.url, ()))) as answered:
            assert await answered.read()
        assert (await ask(upstreams, upstream.url)).whole == b"hello"
    assert upstream.connections == 2


async def test_an_answer_that_is_not_read_at_all_takes_its_connection_along():
    large = says(answer(b"Content-Length: 200000", body=b"x" * 1000))
    async with scripted(large, says(OK)) as upstream, Upstreams(OPTIONS) as upstreams:
        with closing(await upstreams.send(Outgoing("GET", upstream.url, ()))):
            pass
        assert (await ask(upstreams, upstream.url)).whole == b"hello"
    assert upstream.connections == 2


async def test_a_request_that_is_given_up_takes_its_connection_along():
    async def late(connection: Connection) -> None:
        await connection.request()
        await connection.gone()

    async with scripted(late, says(OK)) as upstream, Upstreams(OPTIONS) as upstreams:
        asking = asyncio.ensure_future(ask(upstreams, upstream.url))
        while not upstream.asked:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await ask(upstreams, upstream.url)).whole == b"hello"
    assert upstream.connections == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_comes_on_an_idle_connection_is_never_an_answer(method):
    async def talkative(connection: Connection) -> None:
        await connection.request()
        await connection.say(OK)
        await asyncio.sleep(0.02)
        await connection.say(FORGED)
        await connection.gone()

    async with scripted(talkative, says(OK)) as upstream, Upstreams(OPTIONS) as upstreams:
        assert (await ask(upstreams, upstream.url)).whole == b"hello"
        await asyncio.sleep(0.05)
        assert (await ask(upstreams, upstream.url, method)).whole == b"hello"
    assert upstream.connections == 2


async def test_a_connection_that_was_closed_while_idle_is_not_used_again():
    """Not even for what may not be sent twice: the end of the connection has been seen."""
    async with scripted(says(OK, close=True), says(OK)) as upstream, Upstreams(OPTIONS) as upstreams:
        assert (await ask(upstreams, upstream.url)).whole == b"hello"
        await asyncio.sleep(0.05)
        assert (await ask(upstreams, upstream.url, "POST", (), b"once")).whole == b"hello"
    assert upstream.connections == 2


async def hangs_up_on_the_second(connection: Connection) -> None:
    """As a service does whose patience ends while the request is on its way."""
    await connection.request()
    await connection.say(OK)
    await connection.request()


@pytest.mark.parametrize("body", [b"once", None])
async def test_what_is_not_idempotent_is_never_sent_twice(body):
    """Nobody knows whether it was acted upon (RFC 9110, section 9.2.2)."""
    async with scripted(hangs_up_on_the_second, says(OK)) as upstream, Upstreams(OPTIONS) as upstreams:
        assert (await ask(upstreams, upstream.url)).whole == b"hello"
        outcome = await ask(upstreams, upstream.url, "POST", (), body)
        assert outcome.stopped is Reason.UPSTREAM_FAILED
    assert [asked.line for asked in upstream.asked] == [b"GET /a HTTP/1.1", b"POST /a HTTP/1.1"]


async def test_what_is_idempotent_is_answered_or_failed_on_a_connection_that_ends():
    async with scripted(hangs_up_on_the_second, says(OK)) as upstream, Upstreams(OPTIONS) as upstreams:
        assert (await ask(upstreams, upstream.url)).whole == b"hello"
        outcome = await ask(upstreams, upstream.url)
        assert outcome.whole == b"hello" or outcome.stopped is Reason.UPSTREAM_FAILED
    assert len(upstream.asked) <= 3


async def test_an_idle_connection_is_not_kept_for_ever():
    async with scripted(says(OK)) as upstream, Upstreams(replace(OPTIONS, keepalive_seconds=0.1)) as upstreams:
        assert (await ask(upstreams, upstream.url)).whole == b"hello"
        await asyncio.wait_for(upstream.idle(), 20)
        assert (await ask(upstreams, upstream.url)).whole == b"hello"
    assert upstream.connections == 2


async def test_nothing_is_left_open():
    async with scripted(says(OK)) as upstream:
        async with Upstreams(OPTIONS) as upstreams:
            await asyncio.gather(*[ask(upstreams, upstream.url) for _ in range(10)])
        await asyncio.wait_for(upstream.idle(), 20)
