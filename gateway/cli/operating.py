"""An installation from the command line: its first start, organizations, integration instances, projects."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.app import Control, opened_control, options
from gateway.cli.checking import config, settings_of
from gateway.cli.common import (
    OPERATOR,
    confirmed,
    control,
    date,
    home,
    json_option,
    organization_option,
    run,
    tell,
    yes_option,
)
from gateway.cli.limiting import limit_organization
from gateway.control import OneTimeLogin
from gateway.keys import UNLIMITED_CALLS, Project, limits_members, limits_words
from gateway.settings import Settings
from gateway.stores import IntegrationInstance, Organization, make_store

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
        tell_login(settings, await control.logins.found(organization, email))
    _tell_unbound(settings, organization.id)


def tell_login(settings: Settings, login: OneTimeLogin) -> None:
    """The link alone goes to standard output; its code is in the fragment, which browsers send to nobody."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.admin.host, settings.admin.host)  # noqa: S104
    click.echo(f"works once, until {date(login.expires_at)}, while `gateway serve` runs:", err=True)
    click.echo(f"{settings.admin.scheme}://{host}:{settings.admin.port}/login#{login.code}")


def _tell_unbound(settings: Settings, organization: str) -> None:
    if organization not in settings.organizations:
        click.echo(f"[organizations.{organization}.upstream] is not in the settings yet: it has no upstream", err=True)


# --- organizations ------------------------------------------------------------------------------------------------


@click.group()
def organizations() -> None:
    """Organizations, how long their keys may live, and how much they may call."""


@organizations.command("add")
@config
@click.option("--name", help="For people; the id unless given.")
@click.argument("organization")
def add_organization(config: Path | None, name: str | None, organization: str) -> None:
    """Add an organization: the account of its clients."""
    added = Organization(organization, name or organization)
    control(config, lambda control: control.organizations.add_organization(OPERATOR, added))
    _tell_unbound(settings_of(config), organization)


@organizations.command("list")
@config
@json_option
def list_organizations(config: Path | None, *, as_json: bool) -> None:
    """List the organizations."""
    for each in control(config, lambda control: control.organizations.list_organizations(OPERATOR)):
        members: dict[str, object] = {"id": each.id, "name": each.name, "maxKeyDays": each.max_key_days}
        members |= {"limits": limits_members(each.limits)}
        longest = "" if each.max_key_days is None else f"keys live up to {each.max_key_days} days"
        limits = "" if each.limits == UNLIMITED_CALLS else limits_words(each.limits)
        tell(members, as_json=as_json, columns=(each.id, each.name, longest, limits))


@organizations.command("max-key-days")
@config
@yes_option
@click.argument("organization")
@click.argument("days")
def max_key_days(config: Path | None, organization: str, days: str, *, yes: bool) -> None:
    """Limit the life of an organization's keys to DAYS, also of those that are there; `none` takes the limit away."""
    if days != "none" and not days.isdecimal():
        raise click.BadParameter("DAYS is a number of days, or `none`")
    wanted = None if days == "none" else int(days)
    if wanted is not None:
        confirmed(f"Keys of {organization} that are older than {wanted} days stop working at once. Go on?", yes=yes)
    control(config, lambda control: control.organizations.set_max_key_days(OPERATOR, organization, wanted))


organizations.add_command(limit_organization)


# --- integration instances ----------------------------------------------------------------------------------------


@click.group()
def integrations() -> None:
    """Integration instances, which integration keys are bound to."""


@integrations.command("add")
@config
@organization_option
@click.option("--name", help="For people; the id unless given.")
@click.argument("instance")
def add_integration(config: Path | None, organization: str | None, name: str | None, instance: str) -> None:
    """Make an integration instance of the platform known, by its id there."""

    async def work(control: Control) -> None:
        where = await home(control, organization)
        added = IntegrationInstance(instance, where, name or instance)
        await control.organizations.add_integration_instance(OPERATOR, added)

    control(config, work)


@integrations.command("list")
@config
@organization_option
@json_option
def list_integrations(config: Path | None, organization: str | None, *, as_json: bool) -> None:
    """List the integration instances of an organization."""

    async def work(control: Control) -> tuple[IntegrationInstance, ...]:
        return await control.store.registry.integration_instances(await home(control, organization))

    for each in control(config, work):
        members = {"id": each.id, "organization": each.organization, "name": each.name}
        tell(members, as_json=as_json, columns=(each.id, each.organization, each.name))


@integrations.command("delete")
@config
@yes_option
@click.argument("instance")
def delete_integration(config: Path | None, instance: str, *, yes: bool) -> None:
    """Delete an integration instance for ever, and revoke its keys."""
    confirmed(f"Delete the instance {instance} for ever, and revoke its keys?", yes=yes)
    count = control(config, lambda control: control.organizations.delete_integration_instance(OPERATOR, instance))
    click.echo(f"deleted {instance}, revoked {count} keys", err=True)


# --- projects -----------------------------------------------------------------------------------------------------


@click.group()
def projects() -> None:
    """Projects and their roles, as configured."""


@projects.command("list")
@config
@json_option
def list_projects(config: Path | None, *, as_json: bool) -> None:
    """List the projects of the settings, with their roles and what a membership must give."""
    for _, each in sorted(options.projects(settings_of(config)).items()):
        members = {"slug": each.slug, "organization": each.organization, "name": each.name, "roles": _roles(each)}
        roles = (f"{role}({', '.join(names)})" if names else role for role, names in _roles(each).items())
        tell(members, as_json=as_json, columns=(each.slug, each.organization, each.name, " ".join(roles)))


def _roles(project: Project) -> dict[str, list[str]]:
    """The roles, each with the variables that a membership can set."""
    return {
        name: [variable for variable, each in role.variables.items() if each.predefined is None]
        for name, role in project.roles.items()
    }
