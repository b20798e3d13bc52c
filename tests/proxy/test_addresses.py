"""What an address may do before anybody knows its key, over real sockets: each 127.0.0.x is a client of its own."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest
from msgspec import structs

from gateway import answers
from gateway.http1 import LOOPBACK, Reply
from gateway.keys import Rate, digest
from gateway.proxy import BadKeyOptions, ListenerOptions, listening
from gateway.stores.base import Absent, Unavailable

LIMIT = 3
NEIGHBOUR, LOOPING = "127.0.0.7", "127.0.0.8"
LONG = 86_400
"""Seconds in which a bucket fills: nothing comes back while a test runs."""


def asking(credential: str | None, target: str = "/whoami", *headers: str) -> bytes:
    """A call with any credential, or without one."""
    lines = [f"GET {target} HTTP/1.1", "Host: gateway", "Connection: close", *headers]
    if credential is not None:
        lines.append(f"Authorization: Bearer {credential}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def refused(gateway, limit: str) -> float:
    return gateway.value("gateway_refused_by_address_total", limit=limit)


@pytest.fixture
def setup(setup):
    """No proxy is trusted: the loopback's addresses are clients."""
    setup.listener = replace(setup.listener, trusted_proxies=())
    setup.bad_keys = BadKeyOptions(Rate(LIMIT, LONG))
    return setup


async def used_up(gateway, address: str = LOOPING) -> None:
    """The address has sent as many bad keys as it may."""
    for number in range(LIMIT):
        assert (await gateway.send(asking(f"junk{number}"), address)).status == 401
    gateway.resolver.lookups.clear()


async def test_after_so_many_bad_keys_strangers_are_refused_and_nothing_is_looked_up(gateway):
    await used_up(gateway)
    for number in range(20):
        answer = await gateway.send(asking(f"other{number}"), LOOPING)
        assert answer.status == 429
        assert answer.json["error"]["reason"] == "rate_limited"
        assert int(answer.headers["retry-after"]) == pytest.approx(LONG / LIMIT, abs=200)
    assert gateway.resolver.lookups == []
    assert refused(gateway, "bad_keys") == 20
    assert [record["reason"] for record in await gateway.records()] == ["invalid_key"] * LIMIT + ["rate_limited"] * 20
    assert LOOPING not in str(await gateway.records())


async def test_a_key_that_is_known_goes_on_whatever_its_neighbours_do(gateway, secret):
    assert (await gateway.send(asking(secret("super")), LOOPING)).status == 200
    await used_up(gateway)
    for _ in range(5):
        assert (await gateway.send(asking("junk"), LOOPING)).status == 429
        assert (await gateway.send(asking(secret("super")), LOOPING)).status == 200


async def test_a_key_that_nobody_has_used_yet_waits_like_any_stranger(gateway, secret):
    await used_up(gateway)
    assert (await gateway.send(asking(secret("super")), LOOPING)).status == 429
    assert (await gateway.send(asking(secret("super")), NEIGHBOUR)).status == 200
    assert (await gateway.send(asking(secret("super")), LOOPING)).status == 200


async def test_other_addresses_have_buckets_of_their_own(gateway):
    await used_up(gateway)
    assert (await gateway.send(asking("junk"), LOOPING)).status == 429
    await used_up(gateway, NEIGHBOUR)
    assert (await gateway.send(asking("junk"), NEIGHBOUR)).status == 429


@pytest.mark.parametrize("credential", [None, "gwa_" + "0" * 36, "junk", "!"], ids=["none", "malformed", "junk", "odd"])
async def test_every_call_that_is_answered_401_counts(gateway, credential):
    for _ in range(LIMIT):
        assert (await gateway.send(asking(credential), LOOPING)).status == 401
    assert (await gateway.send(asking(credential), LOOPING)).status == 429


@pytest.mark.parametrize("why", ["revoked", "expired", "unknown"])
async def test_a_client_whose_key_is_over_and_that_goes_on_is_tamed(gateway, secret, why):
    its = digest(secret("super"))
    assert (await gateway.send(asking(secret("super")), LOOPING)).status == 200
    gateway.resolver.found[its] = Absent(why)
    assert [(await gateway.send(asking(secret("super")), LOOPING)).status for _ in range(10)] == [401] * 3 + [429] * 7


async def test_a_key_in_memory_that_has_expired_is_tamed_too(gateway, secret):
    its = digest(secret("super"))
    gateway.resolver.found[its] = structs.replace(gateway.resolver.found[its], expires_at=1)
    assert [(await gateway.send(asking(secret("super")), LOOPING)).status for _ in range(10)] == [401] * 3 + [429] * 7


async def test_an_outage_is_nobodys_fault(gateway, secret):
    gateway.resolver.found[digest("junk")] = Unavailable("away")
    assert [(await gateway.send(asking("junk"), LOOPING)).status for _ in range(10)] == [503] * 10
    assert (await gateway.send(asking("other"), LOOPING)).status == 401


async def test_what_is_refused_for_other_reasons_does_not_count(gateway, secret):
    for call in (asking(secret("super"), "/nowhere"), asking(secret("super"), "/whoami", "X-Api-Key: two")):
        for _ in range(LIMIT + 1):
            assert (await gateway.send(call, LOOPING)).status in {400, 404}
    assert (await gateway.send(asking("junk"), LOOPING)).status == 401


@pytest.mark.parametrize("target", ["/graphql", "/tenant", "/validate", "/j1ql", "/nowhere"])
async def test_the_answer_has_the_shape_of_the_face(gateway, target):
    await used_up(gateway)
    answer = await gateway.send(asking("junk", target), LOOPING)
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) > 0
    told = str(answer.json)
    assert "no key that works" in told
    match target:
        case "/graphql":
            (error,) = answer.json["errors"]
            assert error["extensions"]["reason"] == "rate_limited"
            assert not any(word in error["message"].lower() for word in answers.TRIGGERS)
        case "/tenant":
            assert answer.json["errors"][0]["code"] == 429
        case "/validate":
            assert set(answer.json) == {"message"}
        case _:
            assert answer.json["error"]["code"] == "TOO_MANY_REQUESTS"


async def test_a_stranger_cannot_take_another_address_by_a_header(gateway):
    await used_up(gateway)
    for number in range(5):
        call = asking("junk", "/whoami", f"X-Forwarded-For: 192.0.2.{number}")
        assert (await gateway.send(call, LOOPING)).status == 429


class TestSoon:
    @pytest.fixture
    def setup(self, setup):
        setup.bad_keys = BadKeyOptions(Rate(1, 1))
        return setup

    async def test_who_waits_as_told_is_looked_up_again(self, gateway):
        while (answer := await gateway.send(asking("junk"), LOOPING)).status != 429:
            assert answer.status == 401
        await asyncio.sleep(int(answer.headers["retry-after"]))
        assert (await gateway.send(asking("junk"), LOOPING)).status == 401


class TestBehindAProxy:
    @pytest.fixture
    def setup(self, setup):
        setup.listener = replace(setup.listener, trusted_proxies=LOOPBACK)
        return setup

    async def test_the_clients_of_a_proxy_are_told_apart(self, gateway):
        for address in ("192.0.2.1", "2001:db8::1"):
            for number in range(LIMIT):
                call = asking(f"junk{number}", "/whoami", f"X-Forwarded-For: 198.51.100.1, {address}")
                assert (await gateway.send(call)).status == 401
            assert (await gateway.send(call)).status == 429
        neighbour = asking("junk", "/whoami", "X-Forwarded-For: 2001:db8::2")
        assert (await gateway.send(neighbour)).status == 429
        assert (await gateway.send(asking("junk", "/whoami", "X-Forwarded-For: 2001:db8:0:1::2"))).status == 401

    @pytest.mark.parametrize("headers", [[], ["X-Forwarded-For: unknown"], ["X-Forwarded-For: 127.0.0.9"]])
    async def test_a_proxy_that_does_not_say_who_calls_is_not_limited(self, gateway, headers):
        for _ in range(5 * LIMIT):
            assert (await gateway.send(asking("junk", "/whoami", *headers))).status == 401


class TestConnections:
    @pytest.fixture
    def setup(self, setup):
        setup.listener = replace(setup.listener, connections=5, connections_per_address=2)
        return setup

    async def test_one_address_cannot_take_all_connections(self, gateway, secret):
        held = [await gateway.connect(LOOPING) for _ in range(2)]
        answer = await gateway.send(b"", LOOPING)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.json["error"]["reason"] == "overloaded"
        assert "this address" in answer.json["error"]["message"]
        assert refused(gateway, "connections") == 1
        assert (await gateway.send(asking(secret("super")), NEIGHBOUR)).status == 200
        for _, writer in held:
            writer.close()
            await writer.wait_closed()

    async def test_a_connection_that_ends_gives_its_place_back(self, gateway, secret):
        for _ in range(10):
            assert (await gateway.send(asking(secret("super")), LOOPING)).status == 200
        held = [await gateway.connect(LOOPING) for _ in range(2)]
        assert (await gateway.send(b"", LOOPING)).status == 503
        assert (await gateway.send(b"", LOOPING)).status == 503
        held[0][1].close()
        await held[0][1].wait_closed()
        while (await gateway.send(asking(secret("super")), LOOPING)).status != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        held[1][1].close()

    async def test_all_together_have_no_more_than_the_listener(self, gateway):
        held = [await gateway.connect(f"127.0.0.{10 + number // 2}") for number in range(5)]
        answer = await gateway.send(b"", NEIGHBOUR)
        assert answer.status == 503
        assert "the gateway has" in answer.json["error"]["message"]
        assert refused(gateway, "connections") == 0
        for _, writer in held:
            writer.close()


class TestTrustedConnections:
    @pytest.fixture
    def setup(self, setup):
        setup.listener = replace(setup.listener, connections_per_address=1, trusted_proxies=LOOPBACK)
        return setup

    async def test_a_trusted_proxy_may_have_as_many_connections_as_there_are(self, gateway, secret):
        held = [await gateway.connect() for _ in range(20)]
        assert (await gateway.send(asking(secret("super")))).status == 200
        assert refused(gateway, "connections") == 0
        for _, writer in held:
            writer.close()


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize(("trusted", "expected"), [((), "::/64"), (LOOPBACK, "192.0.2.1")])
async def test_a_client_over_ipv6_has_an_address_too(trusted, expected):
    seen = []

    async def serve(incoming) -> None:
        seen.append(incoming.address)
        await incoming.answer(Reply(200, b"done"))

    options = ListenerOptions(trusted_proxies=trusted)
    async with listening(serve, lambda _: Reply(400, b""), host="::1", port=0, options=options) as found:
        reader, writer = await asyncio.open_connection("::1", found.port)
        writer.write(asking(None, "/", "X-Forwarded-For: 192.0.2.1"))
        assert (await reader.read()).endswith(b"done")
        writer.close()
    assert seen == [expected]
