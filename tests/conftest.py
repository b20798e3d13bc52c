"""Parts that tests of several packages use: a real Redis and PostgreSQL, and how many examples a law is tried on."""

from __future__ import annotations

import itertools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

from ports import free_port
from proof.report import summary
from revocation.report import figures

# No deadline: a busy machine is no fault. A law that wants more or fewer examples takes a multiple of the profile's,
# `@settings(max_examples=3 * settings().max_examples)`, so that `make prove` finds it too.
settings.register_profile("test", max_examples=100, deadline=None)
settings.register_profile("prove", max_examples=10_000, deadline=None)
settings.load_profile("test")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = (report for name in ("passed", "failed") for report in terminalreporter.getreports(name))
    properties = [each for report in reports for each in report.user_properties]
    told = {
        "agreement of the gateway with the visible graph": list(summary(properties)),
        "revocations": list(figures(properties)),
    }
    for title, lines in told.items():
        if lines:
            terminalreporter.section(title)
            terminalreporter.write("\n".join(lines) + "\n")


class RedisServer:
    """A redis-server of our own on a loopback port, which a test may kill, stop, continue and start again.

    `options` are more words of its command line.
    """

    def __init__(self, folder: Path, *options: str, password: str = "") -> None:
        self.password = password or secrets.token_hex(8)
        self._folder = folder
        self._options = options
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.url_with(self.password)

    def url_with(self, password: str) -> str:
        return f"redis://:{password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._process = subprocess.Popen(self._words(), stdout=subprocess.DEVNULL)
        while not self._answers():
            assert self._process.poll() is None, "redis-server did not start"
            time.sleep(0.01)

    def _words(self) -> list[str]:
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--requirepass", self.password]
        nothing_on_disk = ["--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        return ["redis-server", *options, *nothing_on_disk, *self._options]

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


class PostgresServer:
    """A PostgreSQL of our own on a loopback port, with a database for each test; it refuses to run as root."""

    def __init__(self) -> None:
        self.port = free_port()
        self.password = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._user = "nobody" if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="gateway-postgres-"))
        if self._user is not None:
            owner = pwd.getpwnam(self._user)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        return f"postgresql://gateway:{self.password}@127.0.0.1:{self.port}/{database}"

    def make(self) -> None:
        """Its files. Nothing is forced to the disk: no test cuts the power."""
        given = self._folder / "password"
        given.write_text(self.password)
        given.chmod(0o644)
        login = ["--username", "gateway", "--pwfile", str(given), "--auth", "scram-sha-256"]
        words = ["initdb", "--pgdata", str(self._folder / "data"), "--no-sync", "--encoding", "UTF8", *login]
        self._run([*words, "--locale", "C.UTF-8"])

    def start(self) -> None:
        options = [
            "-F",
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            f"port={self.port}",
            "-c",
            "unix_socket_directories=",
        ]
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            [program("postgres"), "-D", str(self._folder / "data"), *options], user=self._user, stdout=log, stderr=log
        )
        log.close()
        while subprocess.run([program("pg_isready"), "-q", "-d", self.url("postgres")], check=False).returncode:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        """At once, as a crash does, connections and all."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()

    def pause(self) -> None:
        """It and the processes of its connections keep them, and answer nothing until `go_on`."""
        self._signal_all(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        assert self._process is not None
        main = self._process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for each in (main, *map(int, children)):
            os.kill(each, number)

    def remove(self) -> None:
        shutil.rmtree(self._folder)

    def twin(self) -> PostgresServer:
        """Another server with the same files and password, while this one is stopped."""
        twin = PostgresServer()
        twin.password = self.password
        subprocess.run(["cp", "-a", str(self._folder / "data"), str(twin._folder)], check=True)
        return twin

    def become_standby(self) -> None:
        """From the next start on: it only waits for what a primary would send."""
        (self._folder / "data" / "standby.signal").touch()

    def new_database(self) -> str:
        """The address of an empty database of a test's own."""
        name = f"test_{next(self._numbers)}"
        self.tell("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def tell(self, database: str, statement: str) -> str:
        url = database if "://" in database else self.url(database)
        words = [program("psql"), "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def dump(self, url: str) -> str:
        """What `pg_dump` says of a database."""
        return subprocess.run([program("pg_dump"), "-d", url], check=True, capture_output=True, text=True).stdout

    def back_up(self, url: str, file: Path) -> None:
        subprocess.run([program("pg_dump"), "-Fc", "-d", url, "-f", str(file)], check=True)

    def restore_backup(self, url: str, file: Path) -> None:
        subprocess.run([program("pg_restore"), "-d", url, str(file)], check=True)

    def restore(self, url: str, dump: str) -> None:
        """Makes a database what a dump says, whatever is in it."""
        anew = "DROP SCHEMA public CASCADE; CREATE SCHEMA public;\n" + dump
        words = [program("psql"), "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-1", "-d", url]
        subprocess.run(words, input=anew, check=True, capture_output=True, text=True)

    def _run(self, words: list[str]) -> None:
        subprocess.run([program(words[0]), *words[1:]], user=self._user, check=True, capture_output=True)


def program(name: str) -> str:
    """A program of PostgreSQL, which Debian keeps beside the PATH."""
    known = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    found = shutil.which(name) or (str(known[-1]) if known else None)
    assert found is not None, f"there is no {name}: `make postgres`"
    return found


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that all tests of this process share, each with its own database."""
    server = PostgresServer()
    server.make()
    server.start()
    yield server
    server.stop()
    server.remove()


@pytest.fixture
def postgres_alone() -> Iterator[PostgresServer]:
    """A PostgreSQL of the test's own, to be mistreated."""
    server = PostgresServer()
    server.make()
    server.start()
    yield server
    server.stop()
    server.remove()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis that all tests of this process share: use keys that no other test uses."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server.url
    server.kill()


@pytest.fixture(scope="module")
def module_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of a module's own, for what is started once for its tests; who mistreats it starts it again."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own, to be mistreated."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()
