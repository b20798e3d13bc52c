"""Groups from the command line: users with rights in common, and the switch that lets them have API keys."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import click

from gateway.app import Control
from gateway.cli.checking import config
from gateway.cli.common import (
    OPERATOR,
    confirmed,
    control,
    home,
    json_option,
    organization_option,
    tell,
    yes_option,
)
from gateway.cli.people import user_argument, user_id
from gateway.control import Rejection
from gateway.http1 import Reason
from gateway.keys import API_KEYS, GroupRights
from gateway.stores.values import Group

_group = click.argument("group", metavar="NAME|ID")


@click.group()
def groups() -> None:
    """Users with rights in common."""


_switch = click.option(
    "--api-keys/--no-api-keys", "api_keys", default=None, help="Whether its users may have API keys."
)
_permission = click.option("--permission", "permissions", multiple=True, help="All of them, each by one of these.")
_query_policy = click.option(
    "--query-policy", type=click.File("r", "utf-8"), help="What its permission to read the graph shows: a JSON list."
)
_description = click.option("--description")


@groups.command("list")
@config
@organization_option
@json_option
def list_groups(config: Path | None, organization: str | None, *, as_json: bool) -> None:
    """List the groups of an organization."""

    async def work(control: Control) -> tuple[Group, ...]:
        return await control.desk.groups.list_groups(OPERATOR, organization=await home(control, organization))

    for group in control(config, work):
        _tell_group(group, as_json=as_json)


def _tell_group(group: Group, *, as_json: bool) -> None:
    rights = group.rights
    members = {
        "id": group.id,
        "organization": group.organization,
        "name": group.name,
        "description": group.description,
        "everyone": group.everyone,
        "apiKeys": API_KEYS in rights.permissions,
        "permissions": list(rights.permissions),
        "queryPolicy": rights.query_policy,
    }
    switch = "API keys on" if API_KEYS in rights.permissions else "API keys off"
    others = " ".join(word for word in rights.permissions if word != API_KEYS)
    tell(members, as_json=as_json, columns=(group.id, group.organization, group.name, switch, others))


@groups.command("create")
@config
@organization_option
@_switch
@_permission
@_query_policy
@_description
@json_option
@click.argument("name")
def create_group(  # noqa: PLR0913, PLR0917 (the options of the command)
    config: Path | None,
    organization: str | None,
    api_keys: bool | None,  # noqa: FBT001
    permissions: tuple[str, ...],
    query_policy: TextIO | None,
    description: str | None,
    name: str,
    *,
    as_json: bool,
) -> None:
    """Make a group; nobody is in it yet."""
    rights = _rights(GroupRights(), api_keys, permissions, query_policy)

    async def work(control: Control) -> Group:
        where = await home(control, organization)
        return await control.desk.groups.add_group(OPERATOR, Group("", where, name, description or "", rights=rights))

    _tell_group(control(config, work), as_json=as_json)


@groups.command("change")
@config
@organization_option
@_switch
@_permission
@_query_policy
@_description
@click.option("--name", help="Its new name.")
@json_option
@_group
def change_group(  # noqa: PLR0913, PLR0917 (the options of the command)
    config: Path | None,
    organization: str | None,
    api_keys: bool | None,  # noqa: FBT001
    permissions: tuple[str, ...],
    query_policy: TextIO | None,
    description: str | None,
    name: str | None,
    group: str,
    *,
    as_json: bool,
) -> None:
    """Change what is named, and nothing else; keys of its users follow at once."""

    async def work(control: Control) -> Group:
        found = await _found(control, organization, group)
        rights = _rights(found.rights, api_keys, permissions, query_policy)
        return await control.desk.groups.change_group(
            OPERATOR, found.id, name=name, description=description, rights=rights
        )

    _tell_group(control(config, work), as_json=as_json)


def _rights(
    before: GroupRights,
    api_keys: bool | None,  # noqa: FBT001
    permissions: tuple[str, ...],
    query_policy: TextIO | None,
) -> GroupRights:
    words = permissions or tuple(word for word in before.permissions if word != API_KEYS)
    on = API_KEYS in (*before.permissions, *permissions) if api_keys is None else api_keys
    kept = tuple(word for word in words if word != API_KEYS)
    text = before.query_policy if query_policy is None else query_policy.read()
    return GroupRights((*kept, API_KEYS) if on else kept, text)


@groups.command("delete")
@config
@organization_option
@yes_option
@_group
def delete_group(config: Path | None, organization: str | None, group: str, *, yes: bool) -> None:
    """Delete a group; what its users had by it alone is gone."""

    async def work(control: Control) -> Group:
        found = await _found(control, organization, group)
        confirmed(f"Delete the group {found.name} of {found.organization}?", yes=yes)
        return await control.desk.groups.delete_group(OPERATOR, found.id)

    click.echo(f"deleted {control(config, work).name}", err=True)


@groups.command("add")
@config
@organization_option
@_group
@user_argument
def add_to_group(config: Path | None, organization: str | None, group: str, user: str) -> None:
    """Put a user into a group."""

    async def work(control: Control) -> Group:
        found = await _found(control, organization, group)
        return await control.desk.groups.add_to_group(OPERATOR, found.id, await user_id(control, user))

    click.echo(f"{user} is in {control(config, work).name}", err=True)


@groups.command("remove")
@config
@organization_option
@_group
@user_argument
def remove_from_group(config: Path | None, organization: str | None, group: str, user: str) -> None:
    """Take a user out of a group."""

    async def work(control: Control) -> Group:
        found = await _found(control, organization, group)
        return await control.desk.groups.remove_from_group(OPERATOR, found.id, await user_id(control, user))

    click.echo(f"{user} is not in {control(config, work).name}", err=True)


async def _found(control: Control, organization: str | None, group: str) -> Group:
    """A group by its name or its id."""
    where = await home(control, organization)
    for each in await control.desk.groups.list_groups(OPERATOR, organization=where):
        if group in (each.id, each.name):
            return each
    raise Rejection(Reason.UNKNOWN_GROUP, f"{where} has no group of this name or id")
