"""`gateway demo`, started as a newcomer starts it, and a client that says what it sends."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from revocation.report import FIGURES

START_LIMIT = 60
"""Seconds after which a demo that has not said where it listens counts as not starting."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """One address; every call on its own connection, as a shell's curl makes them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._host = urlsplit(url).netloc

    def call(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection(self._host, timeout=30)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post(self, path, value, key, **headers):
        sent = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"} | headers
        return self.call("POST", path, json.dumps(value).encode(), sent)

    def query(self, key, text, **more):
        """One page of `POST /j1ql`."""
        return self.post("/j1ql", {"query": text, **more}, key)

    def rows(self, key, text):
        """All rows of all pages."""
        rows, cursor = [], None
        while True:
            page = self.query(key, text, **({"cursor": cursor} if cursor else {}))
            assert page.status == 200, page.body
            rows += page.json["data"]
            cursor = page.json.get("cursor")
            if not cursor:
                return rows

    def graphql(self, key, query, **variables):
        return self.post("/graphql", {"query": query, "variables": variables}, key)


@dataclass(frozen=True)
class Demo:
    """A running demo: what it wrote to demo.json, and clients of its three listeners and its upstream."""

    dir: Path
    told: dict
    process: subprocess.Popen

    @property
    def keys(self):
        return self.told["keys"]

    @property
    def gateway(self):
        return Client(self.told["gateway"])

    @property
    def admin(self):
        return Client(self.told["admin"])

    @property
    def ops(self):
        return Client(self.told["ops"])


def start_demo(directory: Path) -> Demo:
    command = [sys.executable, "-m", "gateway", "demo", "--port", "0", "--admin-port", "0", "--ops-port", "0"]
    log = (directory / "demo.log").open("wb")
    process = subprocess.Popen(
        [*command, "--dir", str(directory)],
        stdout=log,
        stderr=subprocess.STDOUT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    log.close()
    told = directory / "demo.json"
    deadline = time.monotonic() + START_LIMIT
    while not told.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            pytest.fail(f"the demo did not start:\n{(directory / 'demo.log').read_text()}")
        time.sleep(0.05)
    return Demo(directory, json.loads(told.read_text()), process)


def stop_demo(demo: Demo) -> int:
    demo.process.terminate()
    return demo.process.wait(timeout=30)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    running = start_demo(tmp_path_factory.mktemp("demo"))
    yield running
    assert stop_demo(running) == 0, (running.dir / "demo.log").read_text()


@pytest.fixture
def report(record_property):
    """Tells a line of figures at the end of the run."""
    return lambda line: record_property(FIGURES, line)
