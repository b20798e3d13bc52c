"""The targets on inputs that failed once, on where a fuzzer begins, and on what it makes of that in a short run.

`make fuzz` goes on for as long as one likes.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.faults import FAULTS
from fuzz.seeds import TESTS, found, seeds
from fuzz.targets import TARGETS

RUNS = {"language": 30_000, "narrowing": 10_000, "scanner": 30_000, "rows": 100_000}
"""A number, not a time, so that a run is the same run everywhere: some five seconds each."""

EARLY = 60_000
"""Runs within which a fault that was put in must be found."""

needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="the fuzzer is not installed: it has wheels for Linux on x86-64, Python 3.11 to 3.13",
)


@pytest.mark.parametrize(
    ("target", "path"),
    [pytest.param(name, path, id=f"{name}: {path.name}") for name in TARGETS for path in found(name)],
)
def test_an_input_that_failed_once_holds(target: str, path: Path) -> None:
    TARGETS[target](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_what_a_fuzzer_begins_with_holds(target: str) -> None:
    begun = seeds(target)
    assert len(begun) > 10
    for data in (b"", b"\xff", *begun):
        TARGETS[target](data)


def run(target: str, runs: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """The hash seed counts as the fuzzer's own does: the order of a set may be a choice of theirs."""
    path = os.pathsep.join(map(str, (TESTS.parent, TESTS)))
    learned, failed = folder / "learned", folder / "failed"
    learned.mkdir()
    failed.mkdir()
    options = [f"-runs={runs}", "-seed=1", f"-artifact_prefix={failed}/", "-verbosity=0"]
    return subprocess.run(
        [sys.executable, "-m", "fuzz.driver", target, learned, *options],
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


@needs_atheris
@pytest.mark.parametrize("target", TARGETS)
def test_a_short_run_finds_nothing(target: str, tmp_path: Path) -> None:
    done = run(target, RUNS[target], tmp_path)
    inputs = [path.read_bytes() for path in (tmp_path / "failed").iterdir()]
    assert not inputs, f"save this to tests/fuzz/found/{target}: {inputs}\n{done.stderr[-4000:]}"
    assert done.returncode == 0, done.stderr[-4000:]


@needs_atheris
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_is_put_in_is_found(fault: str, tmp_path: Path) -> None:
    done = run(fault, EARLY, tmp_path)
    assert "Uncaught Python exception" in done.stdout + done.stderr, done.stderr[-4000:]
    (path,) = (tmp_path / "failed").iterdir()
    TARGETS[fault.partition(":")[0]](path.read_bytes())  # without the fault it holds
