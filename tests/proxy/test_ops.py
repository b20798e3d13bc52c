from __future__ import annotations

import asyncio

import pytest

from gateway.http1 import Head, Reply
from gateway.metrics import Metrics
from gateway.proxy import Health, Ops, OpsOptions, listening, reachable


class Asked:
    """An incoming call, and the reply that it got."""

    def __init__(self, target: bytes, method: str = "GET") -> None:
        self.head = Head(method, target, (1, 1), ((b"host", b"ops"),))
        self.reply: Reply | None = None

    async def answer(self, reply: Reply) -> None:
        self.reply = reply


async def well() -> str | None:
    return None


async def ill() -> str | None:
    return "is away"


async def broken() -> str | None:
    raise ValueError("secret")


async def hung() -> str | None:
    await asyncio.Event().wait()


def health(stores=(("sql", well),), upstreams=(("j1ql", well), ("graphql", well)), **options) -> Health:
    return Health(dict(stores), dict(upstreams), Metrics(), OpsOptions(**options))


async def ask(health: Health, target: bytes, method: str = "GET") -> tuple[int, str]:
    asked = Asked(target, method)
    await Ops(health, lambda: "call-1")(asked)
    return asked.reply.status, asked.reply.body.decode()


async def test_a_process_lives_whatever_its_parts_are_in():
    assert await ask(health(stores=[("sql", ill)]), b"/livez") == (200, "ok\n")


@pytest.mark.parametrize(
    ("stores", "upstreams", "status"),
    [
        ([("sql", well)], [("j1ql", well)], 200),
        ([("sql", well)], [("j1ql", ill), ("graphql", well)], 200),
        ([("sql", well)], [("j1ql", ill), ("graphql", ill)], 503),
        ([("sql", ill)], [("j1ql", well)], 503),
        ([("sql", broken)], [("j1ql", well)], 503),
        ([("sql", hung)], [("j1ql", well)], 503),
        ([("sql", well)], [], 200),
    ],
)
async def test_it_is_ready_when_calls_can_be_decided_and_go_somewhere(stores, upstreams, status):
    assert (await ask(health(stores, upstreams, check_seconds=0.05), b"/readyz"))[0] == status


async def test_a_process_that_drains_is_not_ready():
    draining = health()
    assert (await ask(draining, b"/readyz"))[0] == 200
    draining.draining = True
    status, text = await ask(draining, b"/readyz?verbose")
    assert status == 503
    assert "draining" in text


async def test_the_long_form_names_each_part_and_no_secret():
    told = await ask(health([("sql", broken), ("redis", well)], [("j1ql", ill)]), b"/readyz?verbose")
    assert told == (503, "not ready\nsql: ValueError\nredis: ok\nj1ql: is away\n")


async def test_metrics_tell_the_state_at_the_time_of_reading():
    _, text = await ask(health([("sql", well)], [("j1ql", ill)]), b"/metrics")
    assert 'gateway_store_up{store="sql"} 1.0' in text
    assert 'gateway_upstream_up{upstream="j1ql"} 0.0' in text


async def test_many_probes_are_one_check():
    count = 0

    async def counting() -> str | None:
        nonlocal count
        count += 1
        await asyncio.sleep(0)
        return None

    counted = health([("sql", counting)], [], remembered_seconds=3600)
    await asyncio.gather(*(ask(counted, b"/readyz") for _ in range(20)))
    assert count == 1


@pytest.mark.parametrize(
    ("target", "method", "status"),
    [(b"/", "GET", 404), (b"/j1ql", "GET", 404), (b"/metrics", "POST", 405), (b"//metrics", "GET", 400)],
)
async def test_nothing_else_is_served_here(target, method, status):
    assert (await ask(health(), target, method))[0] == status


async def test_it_speaks_http():
    ops = Ops(health(), lambda: "call-1")
    async with listening(ops, ops.malformed, host="127.0.0.1", port=0) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nok\n")


async def test_an_upstream_is_reachable_when_it_takes_a_connection(upstream):
    assert await reachable(upstream.url + "/j1ql") is None
    assert upstream.received == []


async def test_an_upstream_that_is_away_is_told_without_its_address(unused_tcp_port):
    fault = await reachable(f"http://127.0.0.1:{unused_tcp_port}")
    assert "ConnectionRefusedError" in fault
    assert "127" not in fault
