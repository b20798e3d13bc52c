"""`make bench` runs, and tells each case in a line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[1] / "loadtests" / "bench.py"


def test_the_benchmark_runs_every_case_through_a_real_gateway():
    command = [sys.executable, BENCH, "--seconds", "0.2", "--connections", "2"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    _, _, *rows = said.stdout.splitlines()
    assert [row[:14].strip() for row in rows] == ["direct", "plain proxy", "passed on", "narrowed"]
    assert all(int(row[14:].split()[0]) > 0 for row in rows)
