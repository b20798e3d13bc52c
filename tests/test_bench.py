"""The parts of `make bench` run, and tell each case in a line."""

from __future__ import annotations

import importlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

LOADTESTS = Path(__file__).parents[1] / "loadtests"


PROXIES = {"nginx", "HAProxy", "Caddy", "Traefik"}
GATEWAY = {
    "gateway, key": {"small", "tls", "upload", "download"},
    "gateway, /j1ql": {"small", "rows"},
    "gateway, condition": {"small", "rows"},
    "gateway, GraphQL": {"small"},
}


@pytest.mark.skipif(sys.platform != "linux", reason="CPU is read from /proc")
def test_the_gateway_is_measured_beside_every_proxy_that_is_there(tmp_path):
    figures, picture = tmp_path / "figures.json", tmp_path / "picture.svg"
    tiny = ["--seconds", "0.02", "--rounds", "2", "--keys", "20"]
    command = [sys.executable, LOADTESTS / "bench.py", *tiny, "--json", figures, "--picture", picture]
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    missing = set(re.findall(r"(?m)^(\w+) is left out, because it is not there: ", run.stdout))
    everywhere = {"direct", "aiohttp", "aiohttp, uvloop"} | PROXIES - missing
    told = json.loads(figures.read_text())
    expected = GATEWAY | {name: {"small", "rows", "upload", "download"} for name in everywhere}
    for name in PROXIES - missing:
        expected[name].add("tls")
    assert {each["contender"] for each in told["runs"]} == expected.keys()
    for name, cases in expected.items():
        runs = [each for each in told["runs"] if each["contender"] == name]
        assert {(each["case"], each["round"]) for each in runs} == {(case, n) for case in cases for n in (0, 1)}
        assert all(each["calls"] > 0 and each["cpu_seconds"] > 0 for each in runs)
        assert all(
            (each["delay"] is None) == (name == "direct" or each["case"] in {"tls", "upload", "download"})
            for each in runs
        )
        assert len(re.findall(f"(?m)^{re.escape(name)}  .*(?:nothing|policy|upstream)", run.stdout)) == len(cases)
    bars = {text for text in ET.parse(picture).getroot().itertext() if text in expected}
    assert bars == expected.keys() - {"direct"}


@pytest.fixture
def loadtests(monkeypatch):
    """Imports what `make bench` is made of."""
    monkeypatch.syspath_prepend(LOADTESTS)
    return importlib.import_module


@pytest.mark.parametrize(
    ("head", "body", "content"),
    [
        (b"Content-Length: 5\r\n", b"a\r\n\r\n", b"a\r\n\r\n"),
        (b"content-length: 0\r\n", b"", b""),
        (b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", b"abc0123456789"),
        (b"transfer-encoding: chunked\r\n", b"0\r\n\r\n", b""),
        (b"X: y\r\n", b"", b""),
    ],
)
def test_a_message_is_whole_with_its_last_byte(loadtests, head, body, content):
    messages = loadtests("messages")
    message = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body
    bytewise, at_once = messages.Reader(), messages.Reader()
    for _ in range(2):
        assert [bytewise.feed(bytes([each])) for each in message] == [False] * (len(message) - 1) + [True]
        assert at_once.feed(message)
        assert messages.content(bytewise) == messages.content(at_once) == content
        bytewise.clear()
        at_once.clear()


STALL = 0.3


@pytest.fixture
def stalling():
    """The port of a server that answers its first call after STALL seconds, and all others at once."""

    def serve():
        connection, _ = listener.accept()
        with connection:
            wait = STALL
            while connection.recv(1000):
                time.sleep(wait)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                wait = 0

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="calls are made with epoll")
def test_calls_that_had_to_wait_are_charged_to_who_stalled(loadtests, stalling):
    generator = loadtests("generator")
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    with generator.Generator(generator.Target("stalling", stalling, [request], 1)) as calls:
        latencies = calls.at_rate(100, 0.5)
    assert len(latencies) == 50
    for number in range(10):  # due 10 ms after one another, and answered one after the other when the first is
        assert latencies[number] >= STALL - number / 100


@pytest.mark.skipif(sys.platform != "linux", reason="calls are made with epoll")
def test_an_answer_that_is_none_ends_the_measurement(loadtests, stalling):
    generator = loadtests("generator")
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    with generator.Generator(generator.Target("stalling", stalling, [request], 1)) as calls:
        assert calls.first() == b"ok"
        calls._length = 3
        with pytest.raises(SystemExit, match="stalling: 2 bytes instead of 3"):
            calls.most(0.01)


def test_ratios_are_taken_within_each_round(loadtests):
    figures = loadtests("figures")
    costs = {"ours": (10e-6, 30e-6, 20e-6), "theirs": (20e-6, 60e-6, 60e-6)}
    runs = [
        figures.Run(number, "small", name, 1, 1.0, cost, 0.0, 0.0, None)
        for name, of_rounds in costs.items()
        for number, cost in enumerate(of_rounds)
    ]
    measured = figures.Measured([], runs, [])
    assert measured.ratio("small", "ours", "theirs") == figures.Spread(2, 2, 3)
    assert measured.ratio("small", "ours", "nobody") is None


def test_narrowing_is_timed_for_each_policy_and_mode(tmp_path):
    file = tmp_path / "queries.jsonl"
    file.write_text(
        '{"query": "FIND User"}\n{"query": "FIND *"}\n{"query": "FIND User THAT !HAS Host"}\n{"query": "FIND"}\n'
    )
    command = [sys.executable, LOADTESTS / "narrowing.py", "--queries", file]
    said = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout
    head, _, *rows = said.splitlines()
    assert head.startswith("4 queries")
    assert [row[:32].split()[-2:] for row in rows] == [["strict", "2"], ["induced", "3"]] * 2


def test_the_check_of_answers_is_timed_beside_what_is_usual():
    tiny = ["--bytes", "100000", "--rounds", "2", "--times", "3"]
    command = [sys.executable, LOADTESTS / "answers.py", *tiny]
    said = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout
    large, small = said.split("microseconds of CPU")
    rows = [line[24:].replace(",", "").split() for line in large.splitlines()[1:] if line]
    assert len(rows) == 3
    assert all(len(row) == 6 and all(float(figure) > 0 for figure in row) for row in rows)
    assert [float(line.split()[-1]) > 0 for line in small.splitlines() if line] == [True] * 3


def test_the_control_plane_is_timed_on_a_store_that_grows(tmp_path):
    figures = tmp_path / "figures.json"
    command = [sys.executable, LOADTESTS / "keys.py", "--sizes", "1000", "2000", "--rounds", "2", "--only", "SQLite"]
    run = subprocess.run([*command, "--json", figures], capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    head, sizes, *rows = run.stdout.splitlines()
    assert head.startswith("SQLite")
    assert sizes.split()[:2] == ["1,000", "2,000"]
    told = json.loads(figures.read_text())["SQLite"]
    assert [row[:30].strip() for row in rows] == list(told)
    assert {"create", "find", "list, org admin, middle", "revoke", "rotate"} <= told.keys()
    assert all(median > 0 for sizes in told.values() for median, _ in sizes.values())


def test_junk_is_timed_against_what_is_looked_up():
    command = [sys.executable, LOADTESTS / "junk.py", "--calls", "16", "--rounds", "1", "--connections", "2"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert [row[:14].strip() for row in run.stdout.splitlines()[1:]] == ["looked up", "refused", "known"]


def test_more_keys_than_the_memory_holds_are_looked_up_in_each_state_of_redis(tmp_path):
    figures = tmp_path / "figures.json"
    small = ["--calls", "200", "--memory-keys", "50", "--only", "SQLite"]
    command = [sys.executable, LOADTESTS / "distinct_keys.py", *small, "--json", figures]
    keys = os.environ | {"GATEWAY_BENCH_KEYS": "1000"}
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=keys)
    assert run.returncode == 0, run.stdout + run.stderr
    head, _, *rows = run.stdout.splitlines()
    assert head.startswith("1,000 keys, up to 200 calls a row")
    told = json.loads(figures.read_text())
    assert [row.split()[1] for row in rows] == [case["redis"] for case in told]
    assert {case["redis"] for case in told} == {"off", "empty", "filled"}
    assert all(case["told"]["calls"] == 200 and case["told"]["rate"] > 0 for case in told)
    remembered = {case["draw"]: case["told"]["remembered"] for case in told}
    assert remembered["each once"] == 0 < remembered["skewed"]


def test_what_one_of_each_costs_the_stores_is_told():
    few = ["--keys", "1000", "--calls", "50", "--changes", "2", "--seconds", "0.5"]
    command = [sys.executable, LOADTESTS / "unit_costs.py", *few]
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    figures = {line[2:72].strip(): line[72:] for line in run.stdout.splitlines() if line.startswith("  ")}
    assert len(figures) == 1 + 1 + 5 + 4 * 3
    assert all(float(value.replace(",", "")) > 0 for value in figures.values()), figures


def test_what_each_call_pays_beside_its_way_is_told_part_by_part():
    command = [sys.executable, LOADTESTS / "parts.py", "--keys", "50", "--calls", "200", "--rounds", "2"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stderr
    costs = dict(re.findall(r"(?m)^  ([a-z, ]+?)  +([0-9.]+)$", run.stdout))
    assert {"trace", "metrics", "decision log", "last uses", "limits, hot", "limits, slow"} < costs.keys()
    assert all(float(cost) > 0 for cost in costs.values())
    pauses = re.findall(r"(?m)^  as (Python|the gateway) does it +([0-9. ]+)$", run.stdout)
    assert [who for who, _ in pauses] == ["Python", "the gateway"]
    assert all(len(figures.split()) == 7 for _, figures in pauses)


def test_what_deciding_costs_is_told_step_by_step():
    command = [sys.executable, LOADTESTS / "deciding.py", "--keys", "20", "--rounds", "2"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    figures = {line[:40].strip(): float(line[40:].replace(",", "")) for line in run.stdout.splitlines()}
    assert {"checksum", "digest", "find, held", "key", "plan, pass-through: first round"} <= figures.keys()
    assert all(value > 0 for name, value in figures.items() if not name.startswith("memory"))
