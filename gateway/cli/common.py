"""What the commands share: settings, the way from a fault to a clear message, and how things are told.

Exit codes: 0 done, 1 it could not be done, or was not confirmed, 2 the command or the settings are wrong.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop

from gateway.app import Control, StartError, opened_control
from gateway.cli.checking import BadSettings, settings_of
from gateway.control import Rejection
from gateway.keys import Operator
from gateway.settings import SettingsError
from gateway.stores import StoreError, StoreUnavailable

T = TypeVar("T")

OPERATOR = Operator()
"""Whoever has the command line."""

PAGE = 500
"""Entries that a listing reads at once: a page is a few hundred kilobytes."""

organization_option = click.option("--organization", metavar="ID", help="Needed where there are several organizations.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


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


def control(file: Path | None, work: Callable[[Control], Awaitable[T]]) -> T:
    """What `work` makes of the control plane of an installation, which is open meanwhile."""
    settings = settings_of(file)

    async def opened() -> T:
        async with opened_control(settings) as found:
            return await work(found)

    return run(opened())


async def home(control: Control, named: str | None) -> str:
    """The organization that was named, or the only one."""
    if named is not None:
        return named
    known = await control.store.registry.organizations()
    if len(known) != 1:
        raise click.UsageError("say --organization: there are " + (", ".join(one.id for one in known) or "none yet"))
    return known[0].id


def confirmed(question: str, *, yes: bool) -> None:
    """Ends the command unless somebody says yes; who cannot be asked has not said it."""
    if not yes:
        click.confirm(question, abort=True, err=True)


def tell(members: Mapping[str, object], *, as_json: bool, columns: Iterable[str] = ()) -> None:
    """One thing on standard output: as JSON, or its columns for people."""
    if as_json:
        click.echo(json.dumps(members, ensure_ascii=False))
    else:
        click.echo("  ".join(columns).rstrip())


def date(at: int) -> str:
    """Milliseconds since the epoch, for people."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


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
