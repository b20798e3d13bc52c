"""`gateway serve --workers N`: started, killed, renewed and stopped as an operator does it."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

import gateway
from gateway.app import opened_control
from gateway.control import NewKey
from gateway.keys import Operator
from gateway.settings import load
from gateway.stores import Organization, create
from ports import free_port

PATIENCE = 100
"""Seconds until what must happen counts as not happening; nothing here depends on how fast it does."""


def free_ports():
    return {name: free_port() for name in ("data", "admin", "ops")}


def written(folder, ports, **more):
    """A settings file; `more` are further lines by section."""
    listeners = "".join(f"[{name}]\nport = {port}\n" for name, port in ports.items())
    rest = "".join(f"[{section}]\n{line}\n" for section, line in more.items())
    secrets = f'[calibration]\non = false\n[secrets]\nidentity = "{"i" * 32}"\nseal = "{"s" * 32}"\n'
    files = f'[store]\nsqlite = "{folder / "gateway.db"}"\n[decision_log]\nfile = "{folder / "decisions.jsonl"}"\n'
    file = folder / "gateway.toml"
    file.write_text(listeners + secrets + files + rest)
    return file


def command(file):
    return [sys.executable, "-m", "gateway", "serve", "--config", str(file), "--workers", "2"]


def run_to_the_end(file):
    return subprocess.run(command(file), check=False, capture_output=True, text=True, env=ENVIRONMENT, timeout=PATIENCE)


ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(gateway.__file__).parents[1])}


class Supervisor:
    """The process, its ports, and what it says."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = free_ports()
        self.file = written(folder, self.ports)
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command(self.file), stdout=log, stderr=log, env=ENVIRONMENT)

    def until(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not (found := condition()):
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        return found

    def said(self, text):
        return self.until(lambda: text in self.log.read_text())

    def ask(self, path, *, listener="data", key=None):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with closing(http.client.HTTPConnection("127.0.0.1", self.ports[listener], timeout=30)) as connection:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def metric(self, name):
        """The sum of a metric over its labels."""
        text = self.ask("/metrics", listener="ops")[1]
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))

    def workers(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {int(pid) for pid in children}


@contextmanager
def supervising(folder):
    create(folder / "gateway.db")
    made = Supervisor(folder)
    try:
        made.said("serving with")
        yield made
    finally:
        made.process.terminate()
        made.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def supervisor(tmp_path_factory):
    """One for all tests that leave it alive."""
    with supervising(tmp_path_factory.mktemp("workers")) as made:
        yield made


@pytest.fixture
def mortal(tmp_path):
    with supervising(tmp_path) as made:
        yield made


@pytest.fixture
def key(supervisor):
    """A key that may do nothing, but knows itself."""

    async def make():
        async with opened_control(load(supervisor.file)) as control:
            if not await control.store.registry.organizations():
                await control.logins.found(Organization("acme", "Acme"), "one@acme.example")
            nothing = {"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:1"]}
            wanted = NewKey("k", policy=json.dumps({"permissions": [nothing]}))
            return await control.tokens.create_account_key(Operator(), wanted, organization="acme")

    return asyncio.run(make())


def test_all_workers_answer_and_their_counters_are_one(supervisor, key):
    before = supervisor.metric("gateway_requests_total")
    for _ in range(40):
        assert supervisor.ask("/whoami", key=key.secret)[0] == 200
    supervisor.until(lambda: supervisor.metric("gateway_requests_total") == before + 40)
    assert supervisor.metric("gateway_workers") == len(supervisor.workers()) == 2


def test_a_worker_that_dies_is_replaced_and_its_counts_stay(supervisor, key):
    before, counted = supervisor.workers(), supervisor.metric("gateway_requests_total")
    for _ in range(20):
        supervisor.ask("/whoami", key=key.secret)
    supervisor.until(lambda: supervisor.metric("gateway_requests_total") == counted + 20)  # answered, then counted
    os.kill(min(before), signal.SIGKILL)
    supervisor.until(lambda: len(supervisor.workers() - {min(before)}) == 2)
    supervisor.until(lambda: supervisor.metric("gateway_workers") == 2)
    assert supervisor.ask("/whoami", key=key.secret)[0] == 200
    supervisor.until(lambda: supervisor.metric("gateway_requests_total") == counted + 21)


def test_sighup_renews_the_workers_with_the_settings_of_now_and_calls_go_on(supervisor, key):
    before = supervisor.workers()
    written(supervisor.folder, supervisor.ports, limits="page_rows = 7")
    supervisor.process.send_signal(signal.SIGHUP)
    while "renewed" not in supervisor.log.read_text():
        with suppress(ConnectionResetError):  # one that an old worker had not taken yet
            assert supervisor.ask("/whoami", key=key.secret)[0] == 200
    supervisor.until(lambda: not supervisor.workers() & before)
    assert json.loads(supervisor.ask("/whoami", key=key.secret)[1])["limits"]["pageRows"] == 7


def test_a_worker_that_is_starting_when_sighup_comes_is_renewed_too(supervisor, key):
    """It may have read the settings of before, and would have stayed, one more than there should be."""
    before = supervisor.workers()
    os.kill(min(before), signal.SIGKILL)
    starting = supervisor.until(lambda: supervisor.workers() - before)
    said = supervisor.log.read_text().count("renewed")
    supervisor.process.send_signal(signal.SIGHUP)
    supervisor.until(lambda: supervisor.log.read_text().count("renewed") > said)
    supervisor.until(lambda: not supervisor.workers() & (before | starting))
    assert len(supervisor.workers()) == 2
    assert supervisor.ask("/whoami", key=key.secret)[0] == 200


def test_sighup_with_settings_that_do_not_hold_changes_nothing(supervisor):
    before = supervisor.workers()
    written(supervisor.folder, supervisor.ports, limits="page_rows = 0")
    supervisor.process.send_signal(signal.SIGHUP)
    supervisor.said("nothing was renewed")
    assert "page_rows" in supervisor.log.read_text()
    assert supervisor.workers() == before
    written(supervisor.folder, supervisor.ports)


def test_a_revocation_holds_in_all_workers_from_the_next_call_on(supervisor, key):
    async def revoke():
        async with opened_control(load(supervisor.file)) as control:
            await control.tokens.revoke_key(Operator(), key.key.id)

    assert {supervisor.ask("/whoami", key=key.secret)[0] for _ in range(50)} == {200}
    asyncio.run(revoke())
    assert {supervisor.ask("/whoami", key=key.secret)[0] for _ in range(200)} == {401}


def test_sigterm_ends_all_of_them(mortal):
    workers = mortal.workers()
    mortal.process.terminate()
    assert mortal.process.wait(PATIENCE) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_workers_end_when_the_supervisor_is_killed(mortal):
    workers = mortal.workers()
    mortal.process.kill()
    mortal.until(lambda: not any(alive(pid) for pid in workers))


def alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_an_address_that_somebody_has_is_not_shared_with_them(tmp_path):
    create(tmp_path / "gateway.db")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        file = written(tmp_path, free_ports() | {"data": other.getsockname()[1]})
        ended = run_to_the_end(file)
    assert ended.returncode == 1
    assert "the data listener cannot have" in ended.stderr


def test_workers_that_do_not_come_up_are_none(tmp_path):
    file = written(tmp_path, free_ports())
    ended = run_to_the_end(file)
    assert ended.returncode == 1
    assert "there is no database at" in ended.stderr
    assert "a worker did not come up" in ended.stderr
