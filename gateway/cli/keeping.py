"""What keeps an installation whole: raising its database's version, and checking the audit trail."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TextIO

import click

from gateway.app import Control, opened_control, options
from gateway.cli.checking import config, settings_of
from gateway.cli.common import (
    OPERATOR,
    PAGE,
    control,
    date,
    json_option,
    run,
    tell,
)
from gateway.stores import Head, StoreOptions, Verdict, make_store, migrate_store
from gateway.stores.values import AuditEvent


@click.command()
@config
@click.option("--create", is_flag=True, help="Make the tables where there are none, for `gateway init` to come.")
def migrate(config: Path | None, *, create: bool) -> None:
    """Raise the database to this gateway's version. Stop the gateways, and make a backup, before."""
    before, after = run(_migrate(options.store(settings_of(config)), create=create))
    told = f"version {after} already" if before == after else f"from version {before} to {after}"
    click.echo(f"the database: {told}", err=True)


async def _migrate(store: StoreOptions, *, create: bool) -> tuple[int, int]:
    if create:
        await make_store(store)
    return await migrate_store(store)


@click.group()
def audit() -> None:
    """The audit trail."""


@audit.command()
@config
@click.option(
    "--heads",
    type=click.File("r", "utf-8"),
    help="What an earlier check printed, kept where the database's keepers cannot change it.",
)
def verify(config: Path | None, heads: TextIO | None) -> None:
    """Check that no audit event was changed, removed, added or moved. Exit code 1 names the first that does not fit.

    Prints how far each chain goes, one JSON object a line. Keep it elsewhere for the next check: a trail that was made
    anew by somebody who can write to the database, or is that of an old backup, is told by --heads alone.
    """
    settings = settings_of(config)
    noted = _heads(heads) if heads else ()

    async def work() -> tuple[Verdict, ...]:
        async with opened_control(settings) as control:
            return await control.store.registry.check_audit(noted)

    verdicts = run(work())
    for verdict in verdicts:
        if verdict.fault is None:
            click.echo(_line(verdict.head))
    faults = [f"{_chain(verdict.head)}: {verdict.fault}" for verdict in verdicts if verdict.fault is not None]
    if faults:
        raise click.ClickException("the audit trail is not what was written\n" + "\n".join(faults))


@audit.command("list")
@config
@click.option("--organization", metavar="ID", help="Events of one organization.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many of the newest.")
@json_option
def list_events(config: Path | None, organization: str | None, limit: int, *, as_json: bool) -> None:
    """Who did what, newest first."""

    async def work(control: Control) -> None:
        async for event in _newest(control, organization, limit):
            members = {
                "number": event.number,
                "at": event.at,
                "actor": event.actor,
                "organization": event.organization,
                "event": event.event,
                "subject": event.subject,
                "details": dict(event.details),
            }
            details = " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in event.details)
            columns = (date(event.at), event.organization or "-", event.actor, event.event, event.subject, details)
            tell(members, as_json=as_json, columns=columns)

    control(config, work)


async def _newest(control: Control, organization: str | None, limit: int) -> AsyncIterator[AuditEvent]:
    before = None
    while limit > 0:
        size = min(limit, PAGE)
        page = await control.desk.trail.read(OPERATOR, limit=size, before=before, organization=organization)
        for event in page:
            yield event
        if len(page) < size:
            return
        before, limit = page[-1].number, limit - size


def _line(head: Head) -> str:
    return json.dumps({"organization": head.organization, "events": head.events, "hash": head.hash})


def _heads(file: TextIO) -> tuple[Head, ...]:
    try:
        return tuple(Head(**json.loads(line)) for line in file if line.strip())
    except (TypeError, ValueError):  # other text, or other members
        raise click.UsageError("--heads wants what `gateway audit verify` printed") from None


def _chain(head: Head) -> str:
    return "events of no organization" if head.organization is None else f"organization {head.organization}"
