"""Start and stop: what was opened is closed, whatever fails, and calls under way end."""

from __future__ import annotations

import asyncio
import socket
import threading

import aiohttp
import pytest

from gateway.app import StartError, World, serving
from gateway.keys import CallLimits, Operator, Rate
from ports import free_port

DAY = 24 * 60 * 60 * 1000


@pytest.fixture
def taken():
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def nothing_stays_open():
    """No thread is left: the database has one for each connection, the decision log has one."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(30)  # one that has said its last word may need a moment to end
    assert set(threading.enumerate()) <= before


async def test_three_listeners_serve_while_the_block_runs_and_none_afterwards(make_settings, serve, upstream):
    upstream.let_go.set()
    async with serve(make_settings()) as served:
        assert (await served.call())[0] == 200
        async with aiohttp.ClientSession() as session, session.get(f"{served.gateway.admin}/login") as answer:
            assert answer.status == 200
        assert await served.ready() == (200, "ok\nsql: ok\nacme/j1ql: ok\nacme/graphql: ok\nacme/persister: ok\n")
        urls = (served.gateway.data, served.gateway.admin, served.gateway.ops)
    assert len(set(urls)) == 3
    for url in urls:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(url)


@pytest.mark.usefixtures("nothing_stays_open")
@pytest.mark.parametrize("listener", ["ops", "admin", "data"])
async def test_a_taken_port_is_named_and_what_was_opened_before_is_closed(database, make_settings, taken, listener):
    ports = {name: free_port() for name in ("ops", "admin", "data")} | {listener: taken}
    settings = make_settings(**{name: {"port": port} for name, port in ports.items()})
    with pytest.raises(
        StartError, match=f"the {listener} listener cannot have 127.0.0.1:{taken}: Address already in use"
    ):
        async with serving(settings):
            pytest.fail("it started")
    for name in set(ports) - {listener}:
        socket.create_server(("127.0.0.1", ports[name])).close()


async def test_a_host_that_nobody_knows_is_named(database, make_settings):
    with pytest.raises(StartError, match=r"the data listener cannot have nowhere\.invalid:0: "):
        async with serving(make_settings(data={"host": "nowhere.invalid", "port": 0})):
            pytest.fail("it started")


@pytest.mark.usefixtures("nothing_stays_open")
async def test_without_its_database_it_does_not_start_and_says_what_makes_one(make_settings):
    with pytest.raises(StartError, match="run `gateway init`"):
        async with serving(make_settings()):
            pytest.fail("it started")


@pytest.mark.usefixtures("nothing_stays_open")
async def test_a_file_that_is_no_database_of_ours_is_refused(make_settings, tmp_path):
    (tmp_path / "gateway.db").write_bytes(b"something else" * 1000)
    with pytest.raises(StartError, match=r"gateway\.db"):
        async with serving(make_settings()):
            pytest.fail("it started")


@pytest.mark.usefixtures("nothing_stays_open")
async def test_a_decision_log_that_cannot_be_written_stops_the_start(database, make_settings, tmp_path):
    file = tmp_path / "nowhere" / "decisions.jsonl"
    with pytest.raises(StartError, match=r"decision log .*No such file"):
        async with serving(make_settings(decision_log={"file": file})):
            pytest.fail("it started")


@pytest.mark.usefixtures("nothing_stays_open")
async def test_a_block_that_fails_closes_everything_too(database, make_settings):
    with pytest.raises(ZeroDivisionError):
        async with serving(make_settings()):
            raise ZeroDivisionError


async def test_without_redis_it_starts_is_ready_answers_and_tells_in_its_metrics(
    make_settings, serve, upstream, tmp_path
):
    upstream.let_go.set()
    store = {"sqlite": tmp_path / "gateway.db", "redis": f"redis://127.0.0.1:{free_port()}/0"}
    async with serve(make_settings(store=store)) as served:
        assert (await served.call())[0] == 200
        assert (await served.ready())[0] == 200
        metrics = await served.metrics()
    assert 'gateway_store_up{store="redis"} 0.0' in metrics
    assert 'gateway_store_up{store="sql"} 1.0' in metrics


async def test_with_redis_it_is_up(make_settings, serve, upstream, tmp_path, redis_url):
    upstream.let_go.set()
    async with serve(make_settings(store={"sqlite": tmp_path / "gateway.db", "redis": redis_url})) as served:
        assert (await served.call())[0] == 200
        assert 'gateway_store_up{store="redis"} 1.0' in await served.metrics()


async def test_when_the_database_goes_away_calls_are_answered_503_and_it_is_not_ready(make_settings, serve, tmp_path):
    async with serve(make_settings()) as served:
        (tmp_path / "gateway.db").rename(tmp_path / "elsewhere.db")
        status, answer = await served.call()
        assert (status, answer["error"]["reason"]) == (503, "store_unavailable")
        status, report = await served.ready()
        assert status == 503
        assert "sql: " in report


async def test_a_stop_ends_readiness_takes_no_new_calls_and_lets_those_under_way_end(
    database, make_settings, upstream, call, ready, found
):
    stop, serves = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def run() -> None:
        async with serving(make_settings()) as gateway:
            serves.set_result((gateway, await found(gateway.control)))
            await stop.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(run())
        gateway, key = await serves
        under_way = group.create_task(call(gateway, key))
        await upstream.arrived.wait()
        stop.set()
        while (await ready(gateway))[0] == 200:
            pass
        assert "draining" in (await ready(gateway))[1]
        with pytest.raises(aiohttp.ClientConnectorError):
            await call(gateway, key)
        assert not under_way.done()
        upstream.let_go.set()
        assert await under_way == (200, {"type": "list", "data": []})


async def test_an_organization_without_an_upstream_is_answered_502(make_settings, serve):
    async with serve(make_settings(organizations={})) as served:
        status, answer = await served.call()
    assert (status, answer["error"]["reason"]) == (502, "upstream_unreachable")


async def test_a_key_that_another_process_revokes_is_refused_from_the_next_call_on(
    make_settings, serve, upstream, control
):
    upstream.let_go.set()
    async with serve(make_settings()) as served:
        assert (await served.call())[0] == 200
        async with control() as elsewhere:
            (key,) = await elsewhere.tokens.list_keys(Operator(), limit=1000)
            await elsewhere.tokens.revoke_key(Operator(), key.id)
        assert (await served.call())[0] == 401


async def test_a_key_is_told_what_it_is_held_to_and_held_to_what_another_process_sets(
    make_settings, serve, upstream, control
):
    upstream.let_go.set()
    async with serve(make_settings(limits={"key_rate": "1000/60", "organization_concurrent": 50})) as served:

        async def told():
            headers = {"Authorization": f"Bearer {served.key}"}
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.get(f"{served.gateway.data}/whoami") as answer,
            ):
                return (await answer.json())["limits"]["calls"]

        none = {"rate": None, "quota": None, "concurrent": None}
        shared = none | {"concurrent": 50}
        assert await told() == {"key": none | {"rate": {"calls": 1000, "seconds": 60}}, "organization": shared}
        assert [(await served.call())[0] for _ in range(3)] == [200] * 3
        async with control() as elsewhere:
            (key,) = await elsewhere.tokens.list_keys(Operator(), limit=1000)
            limits = CallLimits(Rate(1, 86_400))
            await elsewhere.desk.limiting.set_key_limits(Operator(), key.id, lambda _old: limits)
        assert await told() == {"key": none | {"rate": {"calls": 1, "seconds": 86_400}}, "organization": shared}
        await served.call()
        status, answer = await served.call()
        assert (status, answer["error"]["reason"]) == (429, "rate_limited")


async def test_the_clock_is_an_argument(make_settings, serve, upstream):
    upstream.let_go.set()
    days = [0]
    async with serve(make_settings(), world=World(now=lambda: days[0] * DAY)) as served:
        assert (await served.call())[0] == 200
        days[0] = 365
        assert (await served.call())[0] == 401


async def test_a_store_that_is_given_is_used_and_stays_open(make_settings, control, call, found, upstream):
    upstream.let_go.set()
    async with control() as opened:
        key = await found(opened)
        elsewhere = make_settings(store={"sqlite": "/nowhere/gateway.db"})
        async with serving(elsewhere, store=opened.store) as gateway:
            assert (await call(gateway, key))[0] == 200
        assert [one.id for one in await opened.store.registry.organizations()] == ["acme"]
