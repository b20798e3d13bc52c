"""How much a key or an organization may call: the options that say it, and the commands that set it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import click

from gateway.cli.checking import config
from gateway.cli.common import OPERATOR, control
from gateway.cli.reading import LIMITS
from gateway.keys import UNLIMITED_CALLS, CallLimits, limits_words

_NONE = "none"
"""The word that takes one limit away."""

_OPTIONS = (
    click.option("--rate", metavar="CALLS/SECONDS", help="Such as 1000/60: so many at once, refilled in 60 seconds."),
    click.option("--quota", metavar="CALLS/PERIOD", help="Such as 100000/day, or /month: of the calendar, in UTC."),
    click.option("--concurrent", metavar="CALLS", help="Under way at once."),
)


def limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of limits, which the command gets as `limits`: those that were given by name, None for `none`."""

    @wraps(command)
    def read(**options: Any) -> Any:
        written = {name: options.pop(name) for name in LIMITS}
        given = {name: _read(name, text) for name, text in written.items() if text is not None}
        return command(limits=given, **options)

    wrapped: Callable[..., Any] = read
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def _read(name: str, text: str) -> object:
    if text == _NONE:
        return None
    try:
        return LIMITS[name](text)
    except click.BadParameter as fault:
        raise click.BadParameter(fault.message, param_hint=f"'--{name}'") from None


_clear_option = click.option("--clear", is_flag=True, help="Take all limits away that are not given here.")


@click.command("limit")
@config
@limit_options
@_clear_option
@click.argument("key_id")
def limit_key(config: Path | None, key_id: str, *, limits: Mapping[str, Any], clear: bool) -> None:
    """Set how much a key may call, from its next call on. What is not given stays; `none` takes one limit away."""
    edit = _edit(limits, clear=clear)
    limited = control(config, lambda control: control.desk.limiting.set_key_limits(OPERATOR, key_id, edit))
    click.echo(f"limits of {limited.id}: {limits_words(limited.limits)}", err=True)


@click.command("limit")
@config
@limit_options
@_clear_option
@click.argument("organization")
def limit_organization(config: Path | None, organization: str, *, limits: Mapping[str, Any], clear: bool) -> None:
    """Set how much all keys of an organization together may call. What is not given stays; `none` takes one away."""
    edit = _edit(limits, clear=clear)
    work = lambda control: control.desk.limiting.set_organization_limits(OPERATOR, organization, edit)  # noqa: E731
    click.echo(f"limits of {organization}: {limits_words(control(config, work))}", err=True)


def _edit(given: Mapping[str, Any], *, clear: bool) -> Callable[[CallLimits], CallLimits]:
    if not given and not clear:
        raise click.UsageError("say --rate, --quota or --concurrent, or --clear")
    return lambda old: replace(UNLIMITED_CALLS if clear else old, **given)
