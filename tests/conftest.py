"""Parts that tests of several packages use: a real Redis, and how many examples a law is tried on."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

from proof.report import summary

# No deadline: a busy machine is no fault. A law that wants more or fewer examples takes a multiple of the profile's,
# `@settings(max_examples=3 * settings().max_examples)`, so that `make prove` finds it too.
settings.register_profile("test", max_examples=100, deadline=None)
settings.register_profile("prove", max_examples=10_000, deadline=None)
settings.load_profile("test")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = (report for name in ("passed", "failed") for report in terminalreporter.getreports(name))
    lines = list(summary(each for report in reports for each in report.user_properties))
    if lines:
        terminalreporter.section("agreement of the gateway with the visible graph")
        terminalreporter.write("\n".join(lines) + "\n")


class RedisServer:
    """A redis-server of our own on a loopback port, which a test may kill, stop, continue and start again."""

    def __init__(self, folder: Path) -> None:
        self.password = secrets.token_hex(8)
        self._folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.url_with(self.password)

    def url_with(self, password: str) -> str:
        return f"redis://:{password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--requirepass", self.password]
        nothing_on_disk = ["--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        self._process = subprocess.Popen(["redis-server", *options, *nothing_on_disk], stdout=subprocess.DEVNULL)
        while not self._answers():
            assert self._process.poll() is None, "redis-server did not start"
            time.sleep(0.01)

    def kill(self) -> None:
        """Ends it at once, as a crash does."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        """It keeps its connections and answers nothing until `go_on`."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"-NOAUTH")
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis that all tests of this process share: use keys that no other test uses."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server.url
    server.kill()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own, to be mistreated."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()
