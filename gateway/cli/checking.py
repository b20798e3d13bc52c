"""Settings on the command line: read, checked, shown. Nothing else of the gateway is loaded for it."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.settings import Settings, SettingsError, effective, load, table

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


@click.command()
@config
@click.option("--markdown", is_flag=True, help="Print the table of all settings instead.")
def check(config: Path | None, *, markdown: bool) -> None:
    """Validate the settings, and print them as they take effect, secrets masked."""
    click.echo(table() if markdown else effective(settings_of(config)))
