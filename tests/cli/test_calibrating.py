"""`gateway calibrate`, in this process and as one of its own, against a sandbox."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli.conftest import CONFIG

from calibration.interview import company
from gateway.authz.calibration import MEANINGS
from gateway.sandbox.dialect import Dialect, Window
from gateway.sandbox.queries import PLAINLY, Serving
from gateway.sandbox.server import Options, Running, running


@contextmanager
def upstream(serving: Serving = PLAINLY) -> Iterator[Running]:
    """A sandbox in a thread of its own: the command takes this one."""
    started: list[Running] = []
    loop, ready = asyncio.new_event_loop(), threading.Event()
    over = asyncio.Event()

    async def serve() -> None:
        async with running(Options(serving=serving), company()) as sandbox:
            started.append(sandbox)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def configured(folder: Path, sandbox: Running, more: str = "") -> Path:
    text = CONFIG.format(folder=folder).replace("http://127.0.0.1:9", sandbox.url)
    text = text.replace('account = "acme"', f'account = "{sandbox.options.account}"')
    text = text.replace('credential = "ours"', f'credential = "{sandbox.options.credential}"')
    file = folder / "gateway.toml"
    file.write_text(f"{text}\n[calibration]\npause = 0.001\n{more}")
    return file


def left(sandbox: Running) -> list[str]:
    objects = [*sandbox.graph.entities, *sandbox.graph.relationships]
    return [each.get("_key") for each in objects if "canary" in each.get("_key")]


def test_it_tells_each_thing_why_and_what_it_costs(gateway, tmp_path):
    with upstream() as sandbox:
        result = gateway("calibrate", "--config", configured(tmp_path, sandbox))
    assert result.exit_code == 0, result.output
    for name in MEANINGS:
        assert name in result.stdout
    lines = result.stdout.splitlines()
    smart = next(number for number, line in enumerate(lines) if "smart_class_binds" in line)
    assert "unwitnessed nothing is a #CriticalAsset" in lines[smart]
    assert lines[smart + 1].strip() == "refused: smart classes (#…)"


def test_with_write_all_is_seen_and_the_canaries_are_gone(gateway, tmp_path):
    with upstream() as sandbox:
        result = gateway("calibrate", "--config", configured(tmp_path, sandbox), "--write", "--json")
        assert not left(sandbox)
    assert result.exit_code == 0, result.output
    (told,) = map(json.loads, result.stdout.splitlines())
    assert told["organization"] == "acme"
    assert told["queries"] > 100
    assert {each["name"]: (each["state"], each["refused"]) for each in told["found"]} == dict.fromkeys(
        MEANINGS, ("verified", None)
    )


def test_a_capability_that_fails_ends_in_1_unless_the_settings_know(gateway, tmp_path):
    with upstream(Serving(Dialect(window=Window.STARTS))) as sandbox:
        unknown = gateway("calibrate", "--config", configured(tmp_path, sandbox))
        said = '[graph]\nfailed = ["limit_after_where"]\n'
        known = gateway("calibrate", "--config", configured(tmp_path, sandbox, said))
        wrong = gateway("calibrate", "--config", configured(tmp_path, sandbox, said.replace("failed", "verified")))
    assert (unknown.exit_code, known.exit_code, wrong.exit_code) == (1, 0, 1)
    assert "refused: strict: LIMIT and SKIP with a step" in unknown.stdout
    assert "the settings say: failed, and win" in known.stdout
    assert "the settings say: verified, and win" in wrong.stdout
    assert "LIMIT and SKIP with a step" not in wrong.stdout


def test_an_upstream_that_nobody_can_reach_ends_in_1_and_nothing_has_failed(gateway, config):
    result = gateway("calibrate", "--config", config, "--json")
    assert result.exit_code == 1
    (told,) = map(json.loads, result.stdout.splitlines())
    assert {each["state"] for each in told["found"]} == {"unwitnessed"}
    assert "upstream_unreachable" in told["found"][0]["why"]


@pytest.mark.parametrize("words", [("--organization", "nobody")])
def test_an_organization_without_an_upstream_is_named(gateway, config, words):
    result = gateway("calibrate", "--config", config, *words)
    assert result.exit_code == 2
    assert "no upstream is bound to `nobody`" in result.stderr


def test_no_secret_is_told(gateway, tmp_path):
    with upstream() as sandbox:
        result = gateway("calibrate", "--config", configured(tmp_path, sandbox), "--json")
        assert sandbox.options.credential not in result.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_one_that_is_interrupted_removes_its_canaries(tmp_path, number):
    with upstream() as sandbox:
        file = configured(tmp_path, sandbox)
        command = [sys.executable, "-m", "gateway", "calibrate", "--config", str(file), "--write"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(lambda: any(call.path.endswith("/finalize") for call in list(sandbox.received.calls)))
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert not left(sandbox), errors
    assert process.returncode == 1
    assert b"Traceback" not in errors


def wait_until(holds: Callable[[], object]) -> None:
    while not holds():
        time.sleep(0.02)
