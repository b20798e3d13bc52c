"""The breaker in whole gateways: all of them hear of an alarm, a restart does not forget it, an operator resets it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web
from app.outages import until
from app.test_workers import ENVIRONMENT, command, free_ports, written

from gateway.app import opened_control, serving
from gateway.authz import Mode
from gateway.authz.outcome import Check, Seal
from gateway.control import NewKey
from gateway.http1 import Reason
from gateway.keys import Operator
from gateway.metrics import Metrics
from gateway.policy import Condition, Predicate
from gateway.proxy import Alarms
from gateway.proxy.wire import Stop
from gateway.stores import Organization

SEAL = Seal("key", Predicate(()), Mode.STRICT, "q", "")
HIDDEN = {"id": "1", "entity": {"_id": "1", "_type": ["secret_thing"]}, "properties": {}}


def reads(kind):
    """A policy that shows entities of one type."""
    statement = {"effect": "ALLOW", "actions": ["query:ReadGraphData"], "resources": ["*"]}
    return json.dumps({"permissions": [statement | {"condition": {"stringEquals": {"_type": kind}}}]})


class Graph:
    """An upstream that answers each query with a hidden object while it lies, and counts the queries."""

    def __init__(self):
        self.url, self.lies, self.asked = "", True, 0

    async def answer(self, _request):
        self.asked += 1
        return web.json_response({"type": "list", "data": [HIDDEN] if self.lies else []})


@pytest.fixture
async def graph():
    graph = Graph()
    runner = web.ServerRunner(web.Server(graph.answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    graph.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield graph
    await runner.cleanup()


@pytest.fixture
def chosen(make_settings, graph, database):
    """Settings with `graph` as the upstream; other sections can be given."""

    def choose(**sections):
        one = {"j1ql": graph.url, "graphql": graph.url, "persister": graph.url}
        upstream = {"upstream": {**one, "account": "acme", "credential": "ours"}}
        return make_settings(organizations={"acme": upstream}, **sections)

    return choose


@pytest.fixture
async def keys(chosen):
    """Secrets of two keys that see different types."""
    async with opened_control(chosen()) as control:
        await control.logins.found(Organization("acme", "Acme"), "admin@example.com")
        made = [NewKey(kind, policy=reads(kind)) for kind in ("github_repo", "aws_instance")]
        create = control.tokens.create_account_key
        return [(await create(Operator(), each, organization="acme")).secret for each in made]


async def ask(gateway, key, query="FIND *"):
    """Status and reason of one query."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session,
        session.post(f"{gateway.data}/j1ql", json={"query": query}) as answer,
    ):
        body = await answer.json()
        return answer.status, body.get("error", {}).get("reason")


async def told(gateway, path):
    async with aiohttp.ClientSession() as session, session.get(f"{gateway.ops}{path}") as answer:
        return answer.status, await answer.text()


async def sample(gateway, name):
    text = (await told(gateway, "/metrics"))[1]
    return [float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name)]


WITHHELD, REFUSED, SERVED = (502, "answer_withheld"), (403, "query_class_refused"), (200, None)


async def test_every_gateway_refuses_the_class_until_an_operator_resets_it(chosen, graph, keys):
    async with serving(chosen()) as one, serving(chosen()) as other:
        assert await ask(one, keys[0]) == WITHHELD
        assert await ask(one, keys[0], "FIND Host") == REFUSED
        await until(lambda: _is_noted(other))
        asked = graph.asked
        assert await ask(other, keys[0]) == REFUSED
        assert graph.asked == asked

        graph.lies = False
        assert await ask(one, keys[1]) == SERVED
        assert await ask(one, keys[0]) == REFUSED
        (alarm,) = await other.control.desk.alarming.list_alarms(Operator())
        assert (alarm.organization, alarm.shape) == ("acme", "list")
        assert "github_repo" in alarm.policy
        await other.control.desk.alarming.reset(Operator(), alarm.id)
        for gateway in (one, other):
            await until(lambda gateway=gateway: _is_served(gateway, keys[0]))


async def _is_noted(gateway):
    return "alarms: 1 open" in (await told(gateway, "/readyz?verbose"))[1]


async def _is_served(gateway, key):
    return await ask(gateway, key) == SERVED


async def test_a_restart_does_not_forget_it(chosen, graph, keys):
    async with serving(chosen()) as before:
        assert await ask(before, keys[0]) == WITHHELD
    graph.lies, asked = False, graph.asked
    async with serving(chosen()) as after:
        assert await ask(after, keys[0]) == REFUSED
        assert graph.asked == asked
        assert (await told(after, "/readyz?verbose"))[0] == 200
        assert await sample(after, 'gateway_alarms{state="open"}') == [1]


async def test_an_alarm_that_cannot_be_written_stands_here_and_is_written_when_it_can(chosen, graph, keys, database):
    settings = chosen(store={"sqlite": database, "sql_wait": 0.1})
    async with serving(settings) as one:
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # nobody else writes now
            assert await ask(one, keys[0]) == WITHHELD
            assert await ask(one, keys[0]) == REFUSED
            assert await sample(one, 'gateway_alarms{state="unwritten"}') == [1]
            assert other.execute("SELECT count(*) FROM alarms").fetchone() == (0,)
            other.execute("ROLLBACK")

        async def is_written():
            return await sample(one, 'gateway_alarms{state="unwritten"}') == [0]

        await until(is_written)
        assert len(await one.control.desk.alarming.list_alarms(Operator())) == 1
        assert await ask(one, keys[0]) == REFUSED


async def test_a_hundred_calls_at_once_tell_once(chosen, graph, keys):
    async with serving(chosen()) as one:
        ended = Counter(await asyncio.gather(*(ask(one, keys[0]) for _ in range(100))))
        assert ended[WITHHELD] == 1
        assert ended == {WITHHELD: 1, REFUSED: 99}
        assert len(await one.control.desk.alarming.list_alarms(Operator())) == 1


async def test_who_waits_to_tell_of_an_alarm_hears_of_others_meanwhile(chosen, keys, database):
    """A change may wait for a gateway that is stopped, for as long as a lease."""

    def check(kind):
        predicate = Predicate((Condition((("_type", (kind,)),)),))
        return Check(predicate, "list", (), 250, SEAL, None, {}, organization="acme")

    def is_refused(alarms, kind):
        with suppress(Stop):
            alarms.refuse(check(kind))
            return False
        return True

    settings = chosen(store={"sqlite": database, "sql_wait": 60})
    async with opened_control(settings) as one, opened_control(settings) as other, asyncio.TaskGroup() as group:
        here, there = (Alarms(Metrics(), control.desk.alarming) for control in (one, other))
        await here.hear()
        await there.raised(check("a"), "an object", "call-1")
        with closing(sqlite3.connect(database, isolation_level=None)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            telling = group.create_task(here.raised(check("b"), "an object", "call-2"))
            await asyncio.sleep(0)
            assert not is_refused(here, "a")
            await here.hear()
            assert not telling.done()
            assert [is_refused(here, kind) for kind in "abc"] == [True, True, False]
            lock.execute("ROLLBACK")
        await telling
        await there.hear()
        for alarms in (here, there):
            assert [is_refused(alarms, kind) for kind in "abc"] == [True, True, False]


async def test_a_worker_that_has_not_read_them_once_lets_nothing_through(chosen, keys, database, caplog):
    check = Check(Predicate((Condition((("a", ("b",)),)),)), "list", (), 250, SEAL, None, {}, organization="acme")
    async with opened_control(chosen()) as control:
        alarms = Alarms(Metrics(), control.desk.alarming)
        hidden = database.rename(database.with_suffix(".away"))
        for _ in range(2):
            await alarms.hear()
            with pytest.raises(Stop) as caught:
                alarms.refuse(check)
            assert caught.value.refusal.reason is Reason.STORE_UNAVAILABLE
        hidden.rename(database)
        await alarms.hear()
        alarms.refuse(check)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]  # of when it began and ended


# --- workers ------------------------------------------------------------------------------------------------------

IN_A_ROW = 30
"""Calls that are refused one after the other: that none of two workers got any of them is no chance."""


def workers_of(process):
    return {int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()}


def started(file, log):
    with log.open("wb") as told:
        return subprocess.Popen(command(file), stdout=told, stderr=told, env=ENVIRONMENT)


@pytest.fixture
async def workers(tmp_path, graph, keys):
    """Two of them over the database of `keys`."""
    ports = free_ports()
    binding = "\n".join(f'{name} = "{graph.url}"' for name in ("j1ql", "graphql", "persister"))
    section = {"organizations.acme.upstream": f'{binding}\naccount = "acme"\ncredential = "ours"'}
    file = written(tmp_path, ports, **section)
    process = started(file, tmp_path / "log")

    async def serves():
        assert process.poll() is None
        return "serving with" in (tmp_path / "log").read_text()

    await until(serves)
    yield SimpleNamespace(data=f"http://127.0.0.1:{ports['data']}", process=process)
    process.terminate()
    await asyncio.to_thread(process.wait)


async def asked_often(gateway, key):
    """How calls end, until all of them are refused; those of a worker that was killed are made again."""
    ended = []
    while ended[-IN_A_ROW:] != [REFUSED] * IN_A_ROW:
        try:
            ended.append(await ask(gateway, key))
        except aiohttp.ClientError:
            await asyncio.sleep(0.05)
    return Counter(ended)


async def test_two_workers_tell_twice_at_most_and_new_ones_never(workers, graph, keys):
    ended = await asked_often(workers, keys[0])
    assert set(ended) == {WITHHELD, REFUSED}
    assert ended[WITHHELD] <= 2
    asked = graph.asked
    for worker in workers_of(workers.process):
        os.kill(worker, signal.SIGKILL)
    assert set(await asked_often(workers, keys[0])) == {REFUSED}
    assert graph.asked == asked
