"""`gateway serve` as processes of their own, and a loop beside the test for what stands around them."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import gateway
from ports import free_port

T = TypeVar("T")

PATIENCE = 100.0
"""Seconds until what must happen counts as not happening; nothing here depends on how fast it does."""

Sections = Mapping[str, Mapping[str, Any]]
"""Settings by section, the name of a section as TOML writes it."""

_LISTENERS = ("data", "admin", "ops")


def until(true: Callable[[], T]) -> T:
    deadline = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < deadline, true
        time.sleep(0.02)
    return found


class Serving:
    """One gateway process with its workers; make it with `serving`."""

    def __init__(self, folder: Path, sections: Sections, workers: int) -> None:
        folder.mkdir()
        self.ports = {name: free_port() for name in _LISTENERS}
        self._log = folder / "log"
        file = folder / "gateway.toml"
        listeners = {name: {"port": port} for name, port in self.ports.items()}
        log = {"decision_log": {"file": str(folder / "decisions.jsonl")}}
        file.write_text(_toml({**listeners, **log, **sections}))
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(file), "--workers", str(workers)]
        environment = os.environ | {"PYTHONPATH": str(Path(gateway.__file__).parents[1])}
        with self._log.open("wb") as said:
            self.process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)

    def ready(self) -> None:
        """Returns when it serves."""
        until(lambda: "serving" in self._log.read_text() or self.process.poll() is not None)
        assert self.process.poll() is None, self._log.read_text()

    def workers(self) -> list[int]:
        """The processes that serve: itself, if it has no others."""
        main = self.process.pid
        children = [int(pid) for pid in Path(f"/proc/{main}/task/{main}/children").read_text().split()]
        return children or [main]

    def metric(self, name: str, **labels: str) -> int:
        """The sum of a counter over the labels that are not given, and over all workers."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.ports["ops"], timeout=PATIENCE)) as connection:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        chosen = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE)
        wanted = {f'{label}="{value}"' for label, value in labels.items()}
        return round(sum(float(value) for given, value in chosen if wanted <= set(given.split(","))))


@contextmanager
def serving(folder: Path, chosen: Sequence[Sections], *, workers: int) -> Iterator[list[Serving]]:
    """Gateways that serve while the block runs, one for each of these settings; their files are in the folder."""
    made = []
    try:
        for number, sections in enumerate(chosen):
            made.append(Serving(folder / str(number), sections, workers))
        for each in made:
            each.ready()
        yield made
    finally:
        for each in made:
            each.process.terminate()
        for each in made:
            each.process.wait(PATIENCE)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process stands still while the block runs, and nobody is told: its connections stay."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def loop_beside() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs in a thread of its own, whatever the test itself waits for."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def run(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns in that loop."""
    return asyncio.run_coroutine_threadsafe(work, loop).result(PATIENCE)


@contextmanager
def opened_in(loop: asyncio.AbstractEventLoop, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """What is open in that loop while the block runs here."""
    entered = run(loop, manager.__aenter__())
    try:
        yield entered
    finally:
        run(loop, manager.__aexit__(None, None, None))


def _toml(sections: Sections) -> str:
    """Texts and numbers are written in TOML as in JSON."""
    tables = (
        (name, (f"{key} = {json.dumps(value)}" for key, value in table.items())) for name, table in sections.items()
    )
    return "\n".join("\n".join([f"[{name}]", *lines]) for name, lines in tables) + "\n"
