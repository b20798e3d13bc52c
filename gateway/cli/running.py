"""The gateway itself, and the sandbox alone."""

from __future__ import annotations

from pathlib import Path

import click

from gateway import sandbox
from gateway.app import serving
from gateway.cli.checking import config, settings_of
from gateway.cli.common import run, stop_requested
from gateway.settings import Settings


@click.command()
@config
def serve(config: Path | None) -> None:
    """Serve until SIGTERM or SIGINT; then let the calls under way end."""
    run(_serve(settings_of(config)))


async def _serve(settings: Settings) -> None:
    stop = stop_requested()
    async with serving(settings) as gateway:
        click.echo(f"serving: data {gateway.data}  admin {gateway.admin}  ops {gateway.ops}", err=True)
        await stop.wait()
        click.echo("stopping: calls under way may end", err=True)


@click.command("sandbox")
@click.option("--port", type=click.IntRange(0, 65535), required=True, help="Port on the loopback; 0 takes a free one.")
def run_sandbox(port: int) -> None:
    """Serve the sandbox upstreams alone: a small graph that speaks J1QL."""
    run(_sandbox(port))


async def _sandbox(port: int) -> None:
    stop = stop_requested()
    try:
        async with sandbox.running(sandbox.Options(port=port)) as running:
            account, credential = running.options.account, running.options.credential
            click.echo(f"sandbox: {running.url}  account {account}  credential {credential}", err=True)
            await stop.wait()
    except OSError as fault:
        raise click.ClickException(f"port {port} cannot be had: {fault.strerror}") from None
