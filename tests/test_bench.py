"""The parts of `make bench` run, and tell each case in a line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

LOADTESTS = Path(__file__).parents[1] / "loadtests"


def test_the_benchmark_runs_every_case_through_a_real_gateway():
    command = [sys.executable, LOADTESTS / "bench.py", "--seconds", "0.2", "--connections", "2"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    _, _, *rows = said.stdout.splitlines()
    assert [row[:14].strip() for row in rows] == ["direct", "plain proxy", "passed on", "narrowed"]
    assert all(int(row[14:].split()[0]) > 0 for row in rows)


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
