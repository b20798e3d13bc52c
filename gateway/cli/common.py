"""What the commands share: settings, and the way from a fault to a clear message.

Exit codes: 0 done, 1 it could not be done, 2 the command or the settings are wrong.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop

from gateway.app import StartError
from gateway.control import Rejection
from gateway.settings import Settings, SettingsError, load
from gateway.stores import StoreError, StoreUnavailable

T = TypeVar("T")

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


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs to the end; what a user can do something about ends in a message."""
    try:
        return uvloop.run(work)
    except (StartError, StoreError, StoreUnavailable) as fault:
        raise click.ClickException(str(fault)) from None
    except Rejection as rejection:
        raise click.ClickException(rejection.refusal.message) from None
    except SettingsError as fault:
        raise BadSettings(str(fault)) from None
    except KeyboardInterrupt:
        raise click.Abort from None


def stop_requested() -> asyncio.Event:
    """Set by SIGTERM or SIGINT; a second signal ends the process as if nobody listened."""
    loop = asyncio.get_running_loop()
    requested = asyncio.Event()

    def request() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        requested.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, request)
    return requested
