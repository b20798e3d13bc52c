"""What the operator of an installation does from the command line: first start, users, integration instances, keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import click

from gateway.app import REAL_WORLD, Control, opened_control, options
from gateway.cli.common import config, run, settings_of
from gateway.control import Issued, NewKey, NewUser, OneTimeLogin
from gateway.keys import Key, Operator, Role, expired
from gateway.settings import Settings
from gateway.stores import IntegrationInstance, Organization, make_store

OPERATOR = Operator()

_organization = click.option("--organization", metavar="ID", help="Needed where there are several organizations.")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


# --- the first start ----------------------------------------------------------------------------------------------


@click.command()
@config
@click.option("--organization", metavar="ID", required=True, help="The first organization: the account of its clients.")
@click.option("--name", help="Its name for people; its id unless given.")
@click.option("--email", required=True, help="Its first administrator, who is one of the whole platform.")
def init(config: Path | None, organization: str, name: str | None, email: str) -> None:
    """Make the store, the first organization and its administrator; prints a login link that works once."""
    settings = settings_of(config)
    run(_init(settings, Organization(organization, name or organization), email))


async def _init(settings: Settings, organization: Organization, email: str) -> None:
    await make_store(options.store(settings))
    async with opened_control(settings) as control:
        _tell_login(settings, await control.logins.found(organization, email))
    if organization.id not in settings.organizations:
        click.echo(
            f"[organizations.{organization.id}.upstream] is not in the settings yet: it has no upstream", err=True
        )


def _tell_login(settings: Settings, login: OneTimeLogin) -> None:
    """The link alone goes to standard output; its code is in the fragment, which browsers send to nobody."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.admin.host, settings.admin.host)  # noqa: S104
    click.echo(f"works once, until {_date(login.expires_at)}, while `gateway serve` runs:", err=True)
    click.echo(f"http://{host}:{settings.admin.port}/login#{login.code}")


# --- users and integration instances ------------------------------------------------------------------------------


@click.group()
def users() -> None:
    """People."""


@users.command("add")
@config
@_organization
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.USER.value, show_default=True)
@click.argument("email")
def add_user(config: Path | None, organization: str | None, role: str, email: str) -> None:
    """Add a user; prints a login link that works once."""
    settings = settings_of(config)

    async def work() -> OneTimeLogin:
        async with opened_control(settings) as control:
            home = await _home(control, organization)
            await control.people.add_user(OPERATOR, NewUser(email, Role(role)), organization=home)
            return await control.logins.create_login(email, home)

    _tell_login(settings, run(work()))


@users.command("login")
@config
@_organization
@click.argument("email")
def login(config: Path | None, organization: str | None, email: str) -> None:
    """Print a new login link for a user."""
    settings = settings_of(config)

    async def work() -> OneTimeLogin:
        async with opened_control(settings) as control:
            return await control.logins.create_login(email, await _home(control, organization))

    _tell_login(settings, run(work()))


@click.group()
def integrations() -> None:
    """Integration instances, which integration keys are bound to."""


@integrations.command("add")
@config
@_organization
@click.option("--name", help="For people; the id unless given.")
@click.argument("instance")
def add_integration(config: Path | None, organization: str | None, name: str | None, instance: str) -> None:
    """Make an integration instance of the platform known, by its id there."""
    settings = settings_of(config)

    async def work() -> None:
        async with opened_control(settings) as control:
            home = await _home(control, organization)
            added = IntegrationInstance(instance, home, name or instance)
            await control.organizations.add_integration_instance(OPERATOR, added)

    run(work())


# --- keys ---------------------------------------------------------------------------------------------------------


@click.group()
def keys() -> None:
    """API keys: create, list, revoke."""


@keys.command("create")
@config
@_organization
@click.option("--name", required=True)
@click.option(
    "--policy",
    type=click.File("r", "utf-8"),
    help="An account key, limited by this policy; `-` reads it from standard input.",
)
@click.option("--integration-instance", metavar="ID", help="An integration key for this instance.")
@click.option("--user", metavar="EMAIL", help="A user key: it can do what its user can.")
@click.option("--category", help="A word for listings; account keys only.")
@click.option("--days", type=int, help="Days until it expires.")
def create_key(  # noqa: PLR0913, PLR0917 (the options of the command)
    config: Path | None,
    organization: str | None,
    name: str,
    policy: TextIO | None,
    integration_instance: str | None,
    user: str | None,
    category: str | None,
    days: int | None,
) -> None:
    """Create a key. Its secret is printed to standard output once, and never again."""
    if [policy, integration_instance, user].count(None) != 2:  # noqa: PLR2004
        raise click.UsageError("say one of --policy, --integration-instance and --user: it decides what the key may do")
    settings = settings_of(config)
    wanted = NewKey(name=name, days=days, category=category, policy=policy.read() if policy else None)

    async def work() -> Issued:
        async with opened_control(settings) as control:
            home = await _home(control, organization)
            if integration_instance is not None:
                return await control.tokens.create_integration_key(OPERATOR, wanted, instance=integration_instance)
            if user is not None:
                owner = await control.store.registry.user_identity(user, home)
                return await control.tokens.create_user_key(OPERATOR, wanted, owner=owner)
            return await control.tokens.create_account_key(OPERATOR, wanted, organization=home)

    issued = run(work())
    click.echo(f"key {issued.key.id}, {_end(issued.key)}; its secret, shown once:", err=True)
    click.echo(issued.secret)


@keys.command("list")
@config
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_keys(config: Path | None, *, as_json: bool) -> None:
    """List the keys, oldest first; the secrets are nowhere."""
    settings = settings_of(config)

    async def work() -> tuple[Key, ...]:
        async with opened_control(settings) as control:
            return await control.tokens.list_keys(OPERATOR, limit=1000)

    for key in run(work()):
        click.echo(json.dumps(_members(key)) if as_json else _line(key))


@keys.command("revoke")
@config
@_yes
@click.argument("key_id")
def revoke_key(config: Path | None, key_id: str, *, yes: bool) -> None:
    """Revoke a key for ever: its next call is refused."""
    settings = settings_of(config)
    if not yes:
        key = run(_find(settings, key_id))
        click.echo(_line(key) if key else f"no key {key_id}", err=True)
        click.confirm("Revoke it for ever?", abort=True, err=True)

    async def work() -> Key:
        async with opened_control(settings) as control:
            return await control.tokens.revoke_key(OPERATOR, key_id)

    click.echo(f"revoked {run(work()).id}", err=True)


async def _find(settings: Settings, key_id: str) -> Key | None:
    async with opened_control(settings) as control:
        return await control.store.registry.key(key_id)


async def _home(control: Control, named: str | None) -> str:
    """The organization that was named, or the only one."""
    if named is not None:
        return named
    known = await control.store.registry.organizations()
    if len(known) != 1:
        raise click.UsageError("say --organization: there are " + (", ".join(one.id for one in known) or "none yet"))
    return known[0].id


def _members(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "kind": key.identity.kind,
        "organization": key.identity.organization,
        "name": key.name,
        "category": key.category,
        "start": key.start,
        "state": _state(key),
        "createdAt": key.created_at,
        "expiresAt": key.expires_at,
        "revokedAt": key.revoked_at,
    }


def _line(key: Key) -> str:
    identity = key.identity
    return "  ".join(
        (key.id, f"{key.start}…", f"{identity.kind:11}", identity.organization, f"{_state(key):7}", _end(key), key.name)
    )


def _state(key: Key) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if expired(key.expires_at, REAL_WORLD.now()) else "live"


def _end(key: Key) -> str:
    return "without an end" if key.expires_at is None else f"until {_date(key.expires_at)}"


def _date(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
