"""What account keys may do and never did: from a decision log, with a policy that would have been enough."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import click

from gateway.app import REAL_WORLD, Control
from gateway.cli.checking import config
from gateway.cli.common import (
    OPERATOR,
    PAGE,
    control,
    json_option,
    tell,
)
from gateway.cli.decision_log import by_policy, log_option, records
from gateway.control import Rejection
from gateway.http1 import Reason
from gateway.keys import DAY, Key, Kind, expired
from gateway.metrics import Outcome
from gateway.policy import (
    ANY,
    READ_GRAPH,
    UNLIMITED,
    Calls,
    PolicyError,
    Unused,
    parse,
    permissions,
    tightened,
)
from gateway.policy import (
    unused as unused_of,
)

KEYS = 20_000
"""Keys whose calls are held at once, a few kilobytes each; a report about one key has no limit."""


@click.command("unused")
@config
@log_option
@click.option("--key", "key_id", metavar="ID", help="Only this key.")
@click.option("--days", type=click.IntRange(1), help="Only calls of the last so many days.")
@json_option
def unused(config: Path | None, log: TextIO, key_id: str | None, days: int | None, *, as_json: bool) -> None:
    """What keys may do and never did, from a decision log, and a policy that would have been enough.

    Of each live account key: the statements, actions and resources of its policy that no call needed, and a policy
    that decides all calls of the log as before and allows nothing else. Conditions and DENY stay as they are. It is as
    good as the log is long: what happens once a year is not in the log of a month.
    """
    since = None if days is None else REAL_WORLD.now() - days * DAY
    calls = _calls(log, key_id, since)

    async def work(control: Control) -> None:
        async for key in _account_keys(control, key_id):
            _tell(key, calls.get(key.id, Calls()), as_json=as_json)

    control(config, work)


# --- the log ------------------------------------------------------------------------------------------------------


def _calls(log: TextIO, key_id: str | None, since: int | None) -> dict[str, Calls]:
    """What each key asked for; the log is read once, and only what is new about a key is held."""
    found: dict[str, Calls] = {}
    for record in records(log):
        key = record.get("key")
        if not isinstance(key, str) or key_id not in (None, key) or not _is_since(record, since):
            continue
        if key not in found and len(found) == KEYS:
            raise click.ClickException(f"the log is about more than {KEYS} keys: name one with --key")
        calls = found.setdefault(key, Calls())
        for action, resource in _asked(record):
            calls.add(action, resource)
    return found


def _is_since(record: dict[str, Any], since: int | None) -> bool:
    if since is None:
        return True
    try:
        time = datetime.fromisoformat(record["time"])
    except (KeyError, TypeError, ValueError):
        return False
    return time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1000 >= since


def _asked(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The permissions that a record's call, or the elements of its batch, needed."""
    for call in by_policy(record):
        for action, resource in [(call.get("action"), call.get("resource")), *map(tuple, call.get("also", ()))]:
            narrowed = call.get("outcome") == Outcome.NARROWED  # so it was asked as `/j1ql` is (`enforce`)
            if action == READ_GRAPH and record.get("route") == "graphql" and not narrowed:
                yield ANY, ANY  # fields of GraphQL that read the graph are open to keys that may do everything
            elif isinstance(action, str) and isinstance(resource, str):
                yield action, resource


# --- the keys -----------------------------------------------------------------------------------------------------


async def _account_keys(control: Control, key_id: str | None) -> AsyncIterator[Key]:
    """The live ones, or the one that was named; a page at a time."""
    if key_id is not None:
        key = await control.tokens.find_key(OPERATOR, key_id)
        if key.identity.kind is not Kind.ACCOUNT:
            raise Rejection(Reason.INVALID_INPUT, f"a key of kind {key.identity.kind} has no policy of its own")
        yield key
        return
    after = None
    while True:
        page = await control.tokens.list_keys(OPERATOR, limit=PAGE, after=after, kinds=(Kind.ACCOUNT,), revoked=False)
        for key in page:
            if not expired(key.expires_at, REAL_WORLD.now()):
                yield key
        if len(page) < PAGE:
            return
        after = (page[-1].created_at, page[-1].id)


# --- telling ------------------------------------------------------------------------------------------------------


def _tell(key: Key, calls: Calls, *, as_json: bool) -> None:
    try:
        policy = parse(key.policy or "", UNLIMITED)
    except PolicyError:
        return  # it allows nothing, see `keys.authority`
    idle = unused_of(policy, calls)
    enough = tightened(policy, calls)
    if as_json:
        told: dict[str, object] = {"key": key.id, "organization": key.identity.organization, "name": key.name}
        told |= {"unused": [_members(each) for each in idle], "policy": enough and permissions(enough)}
        tell(told, as_json=True)
        return
    click.echo(f"{key.id}  {key.identity.organization}  {key.name}")
    for each in idle:
        click.echo(f"  {each.statement}: " + ("never used" if each.whole else _parts(each)))
    if enough is None:
        click.echo("  no call of the log was allowed: is this key needed?")
    elif idle:
        click.echo(f"  enough: {json.dumps(permissions(enough), ensure_ascii=False)}")
    else:
        click.echo("  all that its policy names was used")


def _members(each: Unused) -> dict[str, object]:
    told: dict[str, object] = {"statement": each.statement, "whole": each.whole}
    return told | {"actions": list(each.actions), "resources": list(each.resources)}


def _parts(each: Unused) -> str:
    return "never used: " + ", ".join((*each.actions, *each.resources))
