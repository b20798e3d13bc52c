"""Settings on the command line: read, checked, shown. Nothing else of the gateway is loaded for it."""

from __future__ import annotations

import time
from pathlib import Path

import click

from gateway.settings import (
    Settings,
    SettingsError,
    check_certificates,
    effective,
    load,
    stale_certificates,
    table,
)

config = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file with the settings; GATEWAY_… variables win over it.",
)


class BadSettings(click.ClickException):
    """Every fault of the settings, a line each."""

    exit_code = 2

    def format_message(self) -> str:
        return "the settings do not hold\n" + self.message


def settings_of(file: Path | None) -> Settings:
    try:
        return load(file)
    except SettingsError as fault:
        raise BadSettings(str(fault)) from None


def settings_to_serve(file: Path | None) -> Settings:
    """Those with which a gateway can serve: the files that it needs for that are as they should be."""
    settings = settings_of(file)
    try:
        check_certificates(settings)
    except SettingsError as fault:
        raise BadSettings(str(fault)) from None
    return settings


@click.command()
@config
@click.option("--markdown", is_flag=True, help="Print the table of all settings instead.")
def check(config: Path | None, *, markdown: bool) -> None:
    """Validate the settings, and print them as they take effect, secrets masked."""
    if markdown:
        click.echo(table())
        return
    settings = settings_to_serve(config)
    click.echo(effective(settings))
    for stale in stale_certificates(settings, time.time_ns() // 1_000_000):
        click.echo(f"warning: {stale}", err=True)
