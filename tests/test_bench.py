"""The parts of `make bench` run, and tell each case in a line."""

from __future__ import annotations

import json
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
