"""The commands as processes: what they print, which files they leave, and how they end."""

from __future__ import annotations

import http.client
import json
import re
import shlex
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

CREDENTIAL = "sandbox-upstream-credential"
FREE_PORTS = ("--port", "0", "--admin-port", "0", "--ops-port", "0")


class Command:
    """A running command; `line` waits for one that matches."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""

    def line(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if match := re.search(pattern, line):
                return match
        pytest.fail(f"it ended without `{pattern}`:\n{self.output}")

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.output += self.process.communicate(timeout=30)[0]
        return self.process.returncode


@pytest.fixture
def command() -> Iterator[Callable[..., Command]]:
    started: list[Command] = []

    def start(*words: object) -> Command:
        started.append(Command(*map(str, words)))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


@pytest.fixture
def demo(command: Callable[..., Command], tmp_path: Path) -> Callable[..., tuple[Command, dict]]:
    """Starts a demo in the test's folder, and waits until it serves."""

    def start(*words: object) -> tuple[Command, dict]:
        running = command("demo", *FREE_PORTS, "--dir", tmp_path / "demo", *words)
        running.line("Ctrl-C stops it")
        return running, json.loads((tmp_path / "demo" / "demo.json").read_text())

    return start


def call(url: str, path: str, body: object, **headers: str) -> tuple[int, object]:
    return send(url, "POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})


def send(url: str, method: str, path: str, body: str | None, headers: dict[str, str]) -> tuple[int, object]:
    """One call on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_the_module_is_the_command():
    said = subprocess.run([sys.executable, "-m", "gateway", "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"gateway, version \d+\.\d+\.\d+\n", said.stdout)


def test_a_demo_leaves_its_files_says_curl_lines_that_work_shares_its_folder_with_none_and_ends_well(
    demo, command, tmp_path
):
    """One demo for all of it, since each takes seconds to start."""
    running, told = demo()
    assert stat.S_IMODE((tmp_path / "demo" / "demo.json").stat().st_mode) == 0o600
    assert list(told) == ["gateway", "admin", "ops", "upstream", "account", "integration_instance", "keys"]
    assert list(told["keys"]) == ["platform", "admin", "super", "repos", "dashboard", "integration"]
    try_curl_lines(running.output)

    other = command("demo", *FREE_PORTS, "--dir", tmp_path / "demo")
    assert other.process.wait(timeout=60) == 1
    assert "a demo is running in" in other.process.stdout.read()
    key = told["keys"]["super"]
    assert call(told["gateway"], "/j1ql", {"query": "FIND *"}, Authorization=f"Bearer {key}")[0] == 200

    assert running.end() == 0
    assert {path.name for path in tmp_path.iterdir()} == {"demo"}


def try_curl_lines(output: str) -> None:
    answers = [as_curl(*shlex.split(line)[2:]) for line in output.splitlines() if line.startswith("curl -s ")]
    assert [status for status, _ in answers] == [200] * 5
    repos, count, token, project_key, valid = (answer for _, answer in answers)
    assert {kind for row in repos["data"] for kind in row["entity"]["_type"]} == {"github_repo"}
    assert count["data"][0]["COUNT(e)"] > 2000
    assert token["data"]["createToken"]["token"].startswith("gwa_")
    assert project_key["data"]["createApiKey"]["ok"] is True
    assert valid == {"message": "Authorized"}


def as_curl(url: str, *options: str) -> tuple[int, object]:
    given = list(zip(options[::2], options[1::2], strict=True))
    headers = dict(value.split(": ", 1) for name, value in given if name == "-H")
    body = dict(given).get("-d")
    return send(url, "GET" if body is None else "POST", urlsplit(url).path, body, headers)


def test_a_demo_starts_afresh(demo):
    running, first = demo()
    assert running.end(signal.SIGINT) == 0
    _, second = demo()
    assert not set(first["keys"].values()) & set(second["keys"].values())
    assert (
        call(second["gateway"], "/j1ql", {"query": "FIND *"}, Authorization=f"Bearer {first['keys']['super']}")[0]
        == 401
    )


def test_a_demo_says_which_port_is_taken_and_ends(command, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = command("demo", *FREE_PORTS, "--dir", tmp_path, "--admin-port", port)
        assert other.process.wait(timeout=60) == 1
    said = other.process.stdout.read()
    assert f"the admin listener cannot have 127.0.0.1:{port}" in said
    assert "Traceback" not in said
    assert not (tmp_path / "demo.json").exists()


def test_a_demo_can_use_redis(demo, redis_url):
    running, told = demo("--redis", redis_url)
    key = told["keys"]["super"]
    assert call(told["gateway"], "/j1ql", {"query": "FIND *"}, Authorization=f"Bearer {key}")[0] == 200
    assert running.end() == 0


def test_the_sandbox_alone_says_where_it_is_and_what_it_knows(command):
    running = command("sandbox", "--port", 0)
    said = running.line(r"(http://\S+)  account (\S+)  credential (\S+)")
    headers = {"Authorization": f"Bearer {said[3]}", "JupiterOne-Account": said[2]}
    assert call(said[1], "/j1ql", {"query": "FIND github_repo LIMIT 1"}, **headers)[0] == 200
    assert running.end() == 0


def test_the_sandbox_has_the_credential_of_a_file_which_it_does_not_tell(command, tmp_path):
    file = tmp_path / "credential"
    file.write_text("another-credential\n")
    running = command("sandbox", "--port", 0, "--credential-file", file)
    said = running.line(r"(http://\S+)  account (\S+)  credential as in (\S+)")
    headers = {"Authorization": "Bearer another-credential", "JupiterOne-Account": said[2]}
    assert call(said[1], "/j1ql", {"query": "FIND github_repo LIMIT 1"}, **headers)[0] == 200
    headers["Authorization"] = f"Bearer {CREDENTIAL}"
    assert call(said[1], "/j1ql", {"query": "FIND github_repo LIMIT 1"}, **headers)[0] == 401
    assert running.end() == 0
    assert "another-credential" not in running.output


@pytest.mark.parametrize(("options", "fault"), [(["--host", "192.0.2.1"], "cannot be had"), ([], "is empty")])
def test_a_sandbox_that_cannot_start_says_why(command, tmp_path, options, fault):
    empty = tmp_path / "credential"
    empty.touch()
    refused = command("sandbox", "--port", 0, *(options or ["--credential-file", empty]))
    assert refused.process.wait(timeout=60) in {1, 2}
    said = refused.process.stdout.read()
    assert fault in said
    assert "Traceback" not in said


def test_sigterm_under_load_cuts_no_answer_and_lets_a_call_under_way_end(demo):
    running, told = demo()
    key = {"Authorization": f"Bearer {told['keys']['super']}"}
    ours = {"Authorization": f"Bearer {CREDENTIAL}"}
    slow = {"kind": "stall", "path": "/j1ql", "times": 1, "seconds": 3}
    assert call(told["upstream"], "/_sandbox/fault", slow, **ours)[0] == 200

    under_way: list[object] = []
    held = threading.Thread(target=lambda: under_way.append(call(told["gateway"], "/j1ql", {"query": "FIND *"}, **key)))
    held.start()
    faults: list[Exception] = []
    answered = [0] * 4

    def load(client: int) -> None:
        """Calls until nobody takes them any more."""
        body = {"query": '{ getDashboard(dashboardId: "123456") { id } }'}
        try:
            while True:
                status, answer = call(told["gateway"], "/graphql", body, **key)
                assert (status, answer["data"]["getDashboard"]["id"]) == (200, "123456")
                answered[client] += 1
        except (ConnectionError, http.client.RemoteDisconnected):
            pass
        except Exception as fault:  # noqa: BLE001 (told to the test's own thread)
            faults.append(fault)

    clients = [threading.Thread(target=load, args=(number,)) for number in range(len(answered))]
    for client in clients:
        client.start()
    while min(answered) < 5:
        pass
    assert running.end() == 0
    for thread in (held, *clients):
        thread.join(timeout=30)
    assert faults == []
    ((status, answer),) = under_way
    assert (status, len(answer["data"])) == (200, 250)
