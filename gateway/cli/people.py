"""Users from the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import click

from gateway.app import Control
from gateway.cli.checking import config, settings_of
from gateway.cli.common import (
    OPERATOR,
    PAGE,
    confirmed,
    control,
    date,
    home,
    json_option,
    organization_option,
    tell,
    yes_option,
)
from gateway.cli.operating import tell_login
from gateway.control import NewUser, OneTimeLogin, Rejection
from gateway.http1 import Reason
from gateway.keys import Identity, Role
from gateway.stores.values import Member, User

_role = click.Choice([role.value for role in Role])
user_argument = click.argument("user", metavar="EMAIL|ID")


@click.group()
def users() -> None:
    """People."""


@users.command("add")
@config
@organization_option
@click.option("--role", type=_role, default=Role.USER.value, show_default=True)
@click.option("--first-name", default="")
@click.option("--last-name", default="")
@click.argument("email")
def add_user(  # noqa: PLR0913, PLR0917 (the options of the command)
    config: Path | None, organization: str | None, role: str, first_name: str, last_name: str, email: str
) -> None:
    """Add a user; prints a login link that works once."""

    async def work(control: Control) -> OneTimeLogin:
        where = await home(control, organization)
        wanted = NewUser(email, Role(role), first_name, last_name)
        await control.people.add_user(OPERATOR, wanted, organization=where)
        return await control.logins.create_login(email, where)

    tell_login(settings_of(config), control(config, work))


@users.command("login")
@config
@organization_option
@click.argument("email")
def login(config: Path | None, organization: str | None, email: str) -> None:
    """Print a new login link for a user."""

    async def work(control: Control) -> OneTimeLogin:
        return await control.logins.create_login(email, await home(control, organization))

    tell_login(settings_of(config), control(config, work))


@users.command("list")
@config
@click.option("--organization", metavar="ID", help="Those of one organization.")
@json_option
def list_users(config: Path | None, organization: str | None, *, as_json: bool) -> None:
    """List the users; one of several organizations is there for each."""

    async def work(control: Control) -> None:
        async for member in _members(control, organization):
            identity = member.identity
            told = _user_members(member.user)
            told |= {"organization": identity.organization, "identity": identity.id, "role": identity.role}
            columns = (member.user.id, member.user.email, identity.organization, f"{identity.role}", member.user.status)
            tell(told, as_json=as_json, columns=columns)

    control(config, work)


async def _members(control: Control, organization: str | None) -> AsyncIterator[Member]:
    """A page at a time, one organization after the other: a user is in a page of one organization once."""
    named = organization is not None
    homes = [organization] if named else [each.id for each in await control.store.registry.organizations()]
    for where in homes:
        after = None
        while page := await control.people.list_members(OPERATOR, limit=PAGE, after=after, organization=where):
            for member in page:
                yield member
            after = page[-1].user.id


@users.command("show")
@config
@json_option
@user_argument
def show_user(config: Path | None, user: str, *, as_json: bool) -> None:
    """Show a user, and what they are in each of their organizations."""

    async def work(control: Control) -> tuple[User, tuple[Identity, ...]]:
        return await control.people.find_user(OPERATOR, await user_id(control, user))

    found, identities = control(config, work)
    where = [{"id": each.organization, "identity": each.id, "role": each.role} for each in identities]
    if as_json:
        tell(_user_members(found) | {"organizations": where}, as_json=True)
        return
    for name, value in _user_members(found).items():
        if value not in (None, "", False):
            click.echo(f"{name:14} {date(value) if name.endswith('At') and isinstance(value, int) else value}")
    for each in identities:
        click.echo(f"{'in':14} {each.organization}, {each.role}, identity {each.id}")


def _user_members(user: User) -> dict[str, object]:
    return {
        "id": user.id,
        "email": user.email,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "platformAdmin": user.platform_admin,
        "status": user.status,
        "createdAt": user.created_at,
        "lastLoginAt": user.last_login_at,
    }


@users.command("role")
@config
@organization_option
@user_argument
@click.argument("role", type=_role)
def set_role(config: Path | None, organization: str | None, user: str, role: str) -> None:
    """Give a user another role; their keys follow at once."""

    async def work(control: Control) -> None:
        where = await home(control, organization)
        found = await user_id(control, user)
        await control.people.set_role(OPERATOR, found, Role(role), organization=where)

    control(config, work)


@users.command("disable")
@config
@user_argument
def disable_user(config: Path | None, user: str) -> None:
    """Stop a user's keys and sessions until the user is enabled again."""
    _set_enabled(config, user, enabled=False)


@users.command("enable")
@config
@user_argument
def enable_user(config: Path | None, user: str) -> None:
    """Let a disabled user's keys work again."""
    _set_enabled(config, user, enabled=True)


def _set_enabled(config: Path | None, user: str, *, enabled: bool) -> None:
    async def work(control: Control) -> User:
        return await control.people.set_enabled(OPERATOR, await user_id(control, user), enabled=enabled)

    changed = control(config, work)
    click.echo(f"{changed.email} is {changed.status}", err=True)


@users.command("remove")
@config
@organization_option
@yes_option
@user_argument
def remove_user(config: Path | None, organization: str | None, user: str, *, yes: bool) -> None:
    """Take a user out of an organization: their keys of it stop working, what they made for it works on."""

    async def work(control: Control) -> str:
        where = await home(control, organization)
        found = await user_id(control, user)
        confirmed(f"Take {user} out of {where}? Their keys of it stop working.", yes=yes)
        await control.people.remove_member(OPERATOR, found, organization=where)
        return where

    click.echo(f"removed {user} from {control(config, work)}", err=True)


@users.command("delete")
@config
@yes_option
@user_argument
def delete_user(config: Path | None, user: str, *, yes: bool) -> None:
    """Delete a user and revoke all of their user keys; keys of organizations that they made work on."""

    async def work(control: Control) -> int:
        found = await user_id(control, user)
        confirmed(f"Delete {user} for ever, and revoke their user keys?", yes=yes)
        return await control.people.delete_user(OPERATOR, found)

    click.echo(f"deleted {user}, revoked {control(config, work)} keys", err=True)


async def user_id(control: Control, user: str) -> str:
    """The id of a user by the id, or by an email address in any organization."""
    if "@" not in user:
        return user
    for organization in await control.store.registry.organizations():
        identity = await control.store.registry.user_identity(user, organization.id)
        if identity is not None and identity.user is not None:
            return identity.user
    raise Rejection(Reason.UNKNOWN_USER, "there is no user of this email address")
