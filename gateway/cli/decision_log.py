"""Reading a decision log, a record at a time: a log may be of any size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

import click

from gateway.http1 import Reason

log_option = click.option(
    "--log", "log", type=click.File(encoding="utf-8", errors="replace"), required=True, help="A decision log."
)


def records(log: TextIO) -> Iterator[dict[str, Any]]:
    """Its records. Ends the command at a line that is none."""
    for number, line in enumerate(log, 1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise click.ClickException(f"{log.name}, line {number}: not a record of a decision log")
        yield record


_BY_POLICY = frozenset({Reason.NOT_ALLOWED, Reason.QUERYV1_NEEDS_J1QL})


def by_policy(record: dict[str, Any], *, others: bool = False) -> Iterator[dict[str, Any]]:
    """What a policy decided in a record: itself, or the elements of a batch.

    `others`: also what was refused for another reason than the policy.
    """
    for call in record.get("elements") or [record]:
        refused = call.get("outcome") == "refused" and call.get("reason") not in _BY_POLICY
        if call.get("action") and (not refused or others):
            yield {name: value for name, value in record.items() if name != "elements"} | call
