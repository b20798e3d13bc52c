"""The gateway itself, as one process or as several that share the addresses, and the sandbox alone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import click

from gateway import sandbox
from gateway.app import StartError, serving
from gateway.app.garbage import kept_aside
from gateway.app.workers import WorkerOptions, Workers, shared_address, supervised
from gateway.cli.checking import config, settings_to_serve
from gateway.cli.common import run, stop_requested
from gateway.settings import PREFIX, Settings, SettingsError, check_certificates, load

_LISTENERS = ("data", "admin", "ops")


@click.command()
@config
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes that serve.")
@click.option("--ready-fd", type=int, hidden=True, help="Where a worker says that it serves.")
def serve(config: Path | None, workers: int, ready_fd: int | None) -> None:
    """Serve until SIGTERM or SIGINT; then let the calls under way end. SIGHUP renews the workers, if there are several,
    with the settings of that moment."""
    settings = settings_to_serve(config)
    run(_serve(settings, ready_fd) if workers == 1 else _supervise(settings, config, workers))


async def _serve(settings: Settings, ready_fd: int | None) -> None:
    stop = stop_requested()
    async with AsyncExitStack() as opened:
        gateway = await opened.enter_async_context(serving(settings, shared=ready_fd is not None))
        opened.enter_context(kept_aside())
        if ready_fd is None:
            click.echo(f"serving: data {gateway.data}  admin {gateway.admin}  ops {gateway.ops}", err=True)
        else:
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)  # it ends when the supervisor does
            os.write(ready_fd, b"1")
            os.close(ready_fd)
        await stop.wait()
        click.echo("stopping: calls under way may end", err=True)


async def _supervise(settings: Settings, config: Path | None, count: int) -> None:
    stop, renew = stop_requested(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, renew.set)
    with ExitStack() as held:
        ports = {name: _address(held, settings, name) for name in _LISTENERS}
        command = [sys.executable, "-m", "gateway", "serve", *(["--config", str(config)] if config else [])]
        chosen = {f"{PREFIX}{name.upper()}__PORT": str(port) for name, port in ports.items()}
        stopping = settings.timeouts.drain + 20
        async with supervised(WorkerOptions(command, count, stop_seconds=stopping, environment=chosen)) as workers:
            told = "  ".join(f"{name} port {port}" for name, port in ports.items())
            click.echo(f"serving with {count} workers: {told}", err=True)
            await _renew_until(stop, renew, workers, config)
            click.echo("stopping: calls under way may end", err=True)


def _address(held: ExitStack, settings: Settings, name: str) -> int:
    listener = getattr(settings, name)
    try:
        return held.enter_context(shared_address(listener.host, listener.port))
    except OSError as fault:
        message = f"the {name} listener cannot have {listener.host}:{listener.port}: {fault.strerror}; choose another"
        raise StartError(message) from fault


async def _renew_until(stop: asyncio.Event, renew: asyncio.Event, workers: Workers, config: Path | None) -> None:
    while not stop.is_set():
        waiting = [asyncio.ensure_future(event.wait()) for event in (stop, renew)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if renew.is_set() and not stop.is_set():
            renew.clear()
            await _renew(workers, config)


async def _renew(workers: Workers, config: Path | None) -> None:
    """With settings that do not hold, or with which no worker comes up, everything stays as it is."""
    try:
        check_certificates(load(config))
        await workers.renew()
    except (SettingsError, StartError) as fault:
        click.echo(f"nothing was renewed: {fault}", err=True)
    else:
        click.echo("renewed", err=True)


@click.command("sandbox")
@click.option("--port", type=click.IntRange(0, 65535), required=True, help="Port to listen on; 0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--credential-file", type=click.File("r", "utf-8"), help="What it asks of callers; else a published one.")
def run_sandbox(port: int, host: str, credential_file: TextIO | None) -> None:
    """Serve the sandbox upstreams alone: a small graph that speaks J1QL."""
    options = sandbox.Options(host=host, port=port)
    if credential_file is None:
        run(_sandbox(options, options.credential))
    else:
        run(_sandbox(replace(options, credential=_credential(credential_file)), f"as in {credential_file.name}"))


def _credential(file: TextIO) -> str:
    if credential := file.read().strip():
        return credential
    raise click.BadParameter(f"{file.name} is empty", param_hint="--credential-file")


async def _sandbox(options: sandbox.Options, credential: str) -> None:
    """`credential` is what is told of it: a secret is in its file alone."""
    stop = stop_requested()
    try:
        async with sandbox.running(options) as running:
            click.echo(f"sandbox: {running.url}  account {options.account}  credential {credential}", err=True)
            await stop.wait()
    except OSError as fault:
        why = os.strerror(fault.errno) if fault.errno and fault.errno > 0 else fault.strerror
        raise click.ClickException(f"{options.host}:{options.port} cannot be had: {why}") from None
