"""Alarms from the command line: what is refused because an answer was withheld, and letting it through again."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.checking import config
from gateway.cli.common import OPERATOR, confirmed, control, date, json_option, tell, yes_option
from gateway.stores import Alarm


@click.group()
def alarms() -> None:
    """Queries that are refused because an upstream answered with objects outside the key's policy."""


@alarms.command("list")
@config
@json_option
def list_alarms(config: Path | None, *, as_json: bool) -> None:
    """List the open alarms, oldest first: which queries, since when, why, and the call that met it."""
    for alarm in control(config, lambda control: control.desk.alarming.list_alarms(OPERATOR)):
        columns = (alarm.id, date(alarm.at), alarm.organization, f"{alarm.shape:5}", f"key {alarm.key}")
        told = (f"request {alarm.call}", alarm.why, alarm.policy)
        tell(_members(alarm), as_json=as_json, columns=(*columns, *told))


def _members(alarm: Alarm) -> dict[str, object]:
    return {
        "id": alarm.id,
        "organization": alarm.organization,
        "shape": alarm.shape,
        "policy": alarm.policy,
        "at": alarm.at,
        "key": alarm.key,
        "request": alarm.call,
        "why": alarm.why,
    }


@alarms.command("reset")
@config
@yes_option
@click.option("--all", "every", is_flag=True, help="Every open alarm.")
@click.argument("alarm", required=False)
def reset(config: Path | None, alarm: str | None, *, every: bool, yes: bool) -> None:
    """Let a class of queries through again, once its upstream or its narrowing is right; or all of them, by --all."""
    if (alarm is None) is not every:
        raise click.UsageError("say the ID of one alarm, or --all")
    what = "every alarm" if alarm is None else f"the alarm {alarm}"
    confirmed(f"Reset {what}? If the cause is still there, somebody may learn of a hidden object once more.", yes=yes)
    if alarm is not None:
        control(config, lambda control: control.desk.alarming.reset(OPERATOR, alarm))
        click.echo(f"reset {alarm}", err=True)
        return
    count = control(config, lambda control: control.desk.alarming.reset_all(OPERATOR))
    click.echo(f"reset {count} alarms", err=True)
