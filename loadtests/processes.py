"""Programs that run beside a measurement: on their cores, until it is over, and how much they compute."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 30.0
"""Seconds that a program gets until it listens."""


@dataclass(frozen=True, slots=True)
class Cores:
    """`measured` is the one of those who are measured, `others` are for everything else; the same if there is one."""

    measured: frozenset[int]
    others: frozenset[int]


def cores() -> Cores:
    """The cores that we may use; empty sets where the system pins nothing."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(frozenset(), frozenset())
    first, *rest = sorted(os.sched_getaffinity(0))
    return Cores(frozenset({first}), frozenset(rest or {first}))


def pin(chosen: frozenset[int]) -> None:
    """This process and those that it starts from now on."""
    if chosen:
        os.sched_setaffinity(0, chosen)


@contextmanager
def _running(words: Sequence[str | Path], on: frozenset[int], folder: Path | None) -> Iterator[subprocess.Popen[str]]:
    """It is on its cores from its first moment, so that a runtime that counts cores sees no others."""
    before = os.sched_getaffinity(0) if on else set()
    pin(on)
    try:
        environment = os.environ | ({"HOME": str(folder)} if folder else {})
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, env=environment
        )
    finally:
        pin(frozenset(before))
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def started(*words: str | Path, on: frozenset[int]) -> Iterator[tuple[int, re.Match[str]]]:
    """A Python program, and the line in which it says where it listens."""
    with _running([sys.executable, *words], on, None) as process:
        said = ""
        for line in process.stdout or ():
            said += line
            if match := re.search(
                r"(?P<url>https?://\S+)(?:.*account (?P<account>\S+)  credential (?P<credential>\S+))?", line
            ):
                yield process.pid, match
                return
        raise SystemExit(f"{' '.join(map(str, words))} did not start:\n{said}")


@contextmanager
def listening(words: Sequence[str | Path], port: int, *, on: frozenset[int], folder: Path) -> Iterator[int]:
    """Any program, once it takes connections at the port of loopback; `folder` is its working directory and home."""
    with _running(words, on, folder) as process:
        end = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < end:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                yield process.pid
                return
            time.sleep(0.05)
        process.terminate()
        raise SystemExit(f"{' '.join(map(str, words))} did not start:\n{process.communicate()[0]}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of those that it has started.

    By schedstat of proc(5), in nanoseconds. A thread that ends takes its time with it; none of those who are measured
    ends any while it serves. Where the system does not tell, 0.
    """
    tasks = (task for each in family(pid) for task in Path(f"/proc/{each}/task").glob("*/schedstat"))
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def idle_seconds(chosen: frozenset[int]) -> float:
    """How long cores have had nothing to do until now, by stat of proc(5)."""
    idle = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in chosen:
            idle += int(ticks[3]) + int(ticks[4])
    return idle / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and all that it has started, themselves and through others."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            found.extend(map(int, task.read_text().split()))
    return found
