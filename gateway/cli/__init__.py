"""The commands. A user's fault ends in one clear message, never in a traceback."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from gateway import __version__, sandbox
from gateway.app import serving
from gateway.cli.common import config, run, settings_of, stop_requested
from gateway.cli.demo import demo
from gateway.cli.explaining import explain_command, replay
from gateway.cli.keeping import audit, migrate
from gateway.cli.operating import init, integrations, keys, users
from gateway.settings import Settings, effective, table


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="gateway")
def main() -> None:
    """An authorizing API gateway for a JupiterOne-like graph platform."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # the commands tell what was migrated


@main.command()
@config
@click.option("--markdown", is_flag=True, help="Print the table of all settings instead.")
def check(config: Path | None, *, markdown: bool) -> None:
    """Validate the settings, and print them as they take effect, secrets masked."""
    click.echo(table() if markdown else effective(settings_of(config)))


@main.command()
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


@main.command("sandbox")
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


for command in (demo, init, keys, users, integrations, migrate, audit, explain_command, replay):
    main.add_command(command)
