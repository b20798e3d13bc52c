"""API keys from the command line: everything that an administrator can do, for all organizations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import click

from gateway.app import REAL_WORLD, Control
from gateway.cli.checking import config
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
from gateway.cli.limiting import limit_key, limit_options
from gateway.cli.reading import Faults, imported, membership, seconds
from gateway.cli.telling import columns, end_of, members, rights, words
from gateway.control import Issued, NewKey, Rejection
from gateway.control.describing import Description
from gateway.control.importing import ImportRejected, import_keys
from gateway.http1 import Reason
from gateway.keys import CallLimits, GlobalRole, Identity, Key, Kind, Membership, expires_soon


@click.group()
def keys() -> None:
    """API keys: create, list, limit, replace, revoke, import."""


# --- creating -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Owner:
    """What a new key stands for: exactly one of the first six is given."""

    policy: str | None
    user: str | None
    organization_key: bool
    instance: str | None
    project: str | None
    everywhere: bool
    organization: str | None
    memberships: tuple[Membership, ...]
    roles: tuple[str, ...]

    def kind(self) -> Kind:
        """Raises UsageError unless it is one, with what belongs to it."""
        said = {
            Kind.ACCOUNT: self.policy is not None,
            Kind.USER: self.user is not None,
            Kind.ORGANIZATION: self.organization_key,
            Kind.INTEGRATION: self.instance is not None,
            Kind.PROJECT: self.project is not None,
            Kind.GLOBAL: self.everywhere,
        }
        kinds = [kind for kind, named in said.items() if named]
        if len(kinds) != 1:
            raise click.UsageError(
                "say one of --policy, --user, --organization-key, --integration-instance, --project and --global: "
                "it decides what the key may do"
            )
        if (self.memberships and not self.project) or (self.roles and not self.everywhere):
            raise click.UsageError("--membership goes with --project, and --role with --global")
        return kinds[0]

    async def create(self, control: Control, kind: Kind, wanted: NewKey) -> Issued:
        tokens = control.tokens
        match kind:
            case Kind.ACCOUNT:
                where = await home(control, self.organization)
                return await tokens.create_account_key(OPERATOR, wanted, organization=where)
            case Kind.USER:
                return await tokens.create_user_key(OPERATOR, wanted, owner=await self._user(control))
            case Kind.ORGANIZATION:
                where = await home(control, self.organization)
                return await tokens.create_organization_key(OPERATOR, wanted, organization=where)
            case Kind.INTEGRATION:
                return await tokens.create_integration_key(OPERATOR, wanted, instance=self.instance or "")
            case Kind.PROJECT:
                project, given = self.project or "", self.memberships
                return await tokens.create_project_key(OPERATOR, wanted, project=project, memberships=given)
            case Kind.GLOBAL:
                return await tokens.create_global_key(OPERATOR, wanted, roles=self.roles)

    async def _user(self, control: Control) -> Identity:
        where = await home(control, self.organization)
        found = await control.store.registry.user_identity(self.user or "", where)
        if found is None:
            raise Rejection(Reason.UNKNOWN_USER, "there is no user of this email address in this organization")
        return found


@keys.command("create")
@config
@organization_option
@click.option("--name", required=True)
@click.option(
    "--policy",
    type=click.File("r", "utf-8"),
    help="An account key, limited by this policy; `-` reads it from standard input.",
)
@click.option("--user", metavar="EMAIL", help="A user key: it can do what its user can.")
@click.option("--organization-key", is_flag=True, help="A super key: it can do everything in its organization's data.")
@click.option("--integration-instance", metavar="ID", help="An integration key for this instance.")
@click.option("--project", metavar="SLUG", help="A project key, with --membership.")
@click.option(
    "--membership",
    "memberships",
    metavar="ROLE[:VARIABLE=VALUE,…]",
    multiple=True,
    help="A role in the project, such as editor:language=cs,language=en; can be given again.",
)
@click.option("--global", "everywhere", is_flag=True, help="A global key, with --role.")
@click.option(
    "--role", "roles", type=click.Choice([role.value for role in GlobalRole]), multiple=True, help="Can be given again."
)
@click.option("--category", help="A word for listings; account keys only.")
@click.option("--days", type=int, help="Days until it expires.")
@click.option("--digest", metavar="SHA256", help="Of a secret that its owner chose: none is made or printed.")
@limit_options
@click.option("--yes", is_flag=True, help="Do not ask; only for an integration key there is a question.")
@json_option
def create_key(  # noqa: PLR0913, PLR0917 (the options of the command)
    config: Path | None,
    organization: str | None,
    name: str,
    policy: TextIO | None,
    user: str | None,
    organization_key: bool,  # noqa: FBT001
    integration_instance: str | None,
    project: str | None,
    memberships: tuple[str, ...],
    everywhere: bool,  # noqa: FBT001
    roles: tuple[str, ...],
    category: str | None,
    days: int | None,
    digest: str | None,
    *,
    limits: Mapping[str, Any],
    yes: bool,
    as_json: bool,
) -> None:
    """Create a key. Its secret is printed to standard output once, and never again."""
    owner = _Owner(
        policy=policy.read() if policy else None,
        user=user,
        organization_key=organization_key,
        instance=integration_instance,
        project=project,
        everywhere=everywhere,
        organization=organization,
        memberships=tuple(membership(each, project or "") for each in memberships),
        roles=roles,
    )
    kind = owner.kind()
    if kind is Kind.INTEGRATION:  # "When prompted, click Create again to confirm" (JupiterOne documentation)
        confirmed(f"Create a key that can synchronize the data of {integration_instance}?", yes=yes)
    chosen = CallLimits(**limits)
    wanted = NewKey(name, days=days, category=category, policy=owner.policy, digest=digest, limits=chosen)
    issued = control(config, lambda control: owner.create(control, kind, wanted))
    _tell_issued(issued, as_json=as_json)


def _tell_issued(issued: Issued, *, as_json: bool) -> None:
    key = issued.key
    if as_json:
        tell({"id": key.id, "kind": key.identity.kind, "expiresAt": key.expires_at, "secret": issued.secret or None},
             as_json=True)  # fmt: skip
        return
    shown = "; its secret, shown once:" if issued.secret else ", for the secret of this digest"
    click.echo(f"key {key.id}, {end_of(key)}{shown}", err=True)
    if issued.secret:
        click.echo(issued.secret)


# --- looking ------------------------------------------------------------------------------------------------------


@keys.command("list")
@config
@click.option("--organization", metavar="ID", help="Those of one organization.")
@click.option(
    "--kind", "kinds", type=click.Choice([kind.value for kind in Kind]), multiple=True, help="Can be given again."
)
@click.option(
    "--expiring", metavar="DAYS", type=click.IntRange(1), help="Those that work, and end within so many days."
)
@json_option
def list_keys(
    config: Path | None, organization: str | None, kinds: tuple[str, ...], expiring: int | None, *, as_json: bool
) -> None:
    """List the keys, oldest first; the secrets are nowhere."""
    chosen = tuple(Kind(word) for word in kinds) or tuple(Kind)

    async def work(control: Control) -> None:
        async for described in _all(control, organization, chosen):
            if expiring is None or _ends_within(described.key, expiring):
                tell(members(described), as_json=as_json, columns=columns(described))

    control(config, work)


async def _all(control: Control, organization: str | None, kinds: tuple[Kind, ...]) -> AsyncIterator[Description]:
    """All keys, a page at a time, so that any number of them takes the memory of a page."""
    after = None
    while True:
        page = await control.tokens.list_keys(OPERATOR, limit=PAGE, after=after, kinds=kinds, organization=organization)
        for described in await control.desk.describing.describe(OPERATOR, page):
            yield described
        if len(page) < PAGE:
            return
        after = (page[-1].created_at, page[-1].id)


def _ends_within(key: Key, days: int) -> bool:
    return key.revoked_at is None and expires_soon(key.expires_at, REAL_WORLD.now(), days)


@keys.command("show")
@config
@json_option
@click.argument("key_id")
def show_key(config: Path | None, key_id: str, *, as_json: bool) -> None:
    """Show all that is known about one key."""

    async def work(control: Control) -> None:
        described = await _described(control, key_id)
        if as_json:
            tell(members(described) | rights(described.key), as_json=True)
            return
        for name, value in words(described).items():
            if value not in (None, "", [], False):
                click.echo(f"{name:20} {date(value) if name.endswith('At') and isinstance(value, int) else value}")

    control(config, work)


async def _described(control: Control, key_id: str) -> Description:
    (found,) = await control.desk.describing.describe(OPERATOR, [await control.tokens.find_key(OPERATOR, key_id)])
    return found


# --- ending, replacing --------------------------------------------------------------------------------------------


@keys.command("revoke")
@config
@yes_option
@click.argument("key_id")
def revoke_key(config: Path | None, key_id: str, *, yes: bool) -> None:
    """Revoke a key for ever: its next call is refused."""

    async def work(control: Control) -> Key:
        await _asked(control, key_id, "Revoke it for ever?", yes=yes)
        return await control.tokens.revoke_key(OPERATOR, key_id)

    click.echo(f"revoked {control(config, work).id}", err=True)


@keys.command("rotate")
@config
@yes_option
@click.option(
    "--overlap",
    metavar="TIME",
    default="24h",
    show_default=True,
    help="How long the old secret still works, at most until its own end: 90s, 15m, 24h, 7d; 0 for a leaked one.",
)
@json_option
@click.argument("key_id")
def rotate_key(config: Path | None, overlap: str, key_id: str, *, yes: bool, as_json: bool) -> None:
    """Replace a key by a new one that may do the same. The new secret is printed to standard output once."""
    length = seconds(overlap)
    until = f"in {overlap}, or at its own end" if length else "at once"

    async def work(control: Control) -> Issued:
        await _asked(control, key_id, f"Replace it? The old secret stops working {until}.", yes=yes)
        return await control.tokens.rotate_key(OPERATOR, key_id, overlap_seconds=length)

    _tell_issued(control(config, work), as_json=as_json)


async def _asked(control: Control, key_id: str, question: str, *, yes: bool) -> None:
    """Shows the key and asks, unless it was said before that there is nothing to ask."""
    if not yes:
        click.echo("  ".join(columns(await _described(control, key_id))), err=True)
    confirmed(question, yes=yes)


keys.add_command(limit_key)


# --- importing ----------------------------------------------------------------------------------------------------


@keys.command("import")
@config
@organization_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def import_command(config: Path | None, organization: str | None, file: Path) -> None:
    """Take over keys that live elsewhere: their digests, never their secrets. All of a file, or nothing.

    FILE is CSV with a header, or a JSON object a line: digest (SHA-256 of the secret in hexadecimal), name, kind,
    organization, category, days or expires_at (milliseconds since the epoch), rate, quota and concurrent as `limit`
    takes them; and by kind: policy, user (email), integration_instance, project and memberships, roles. In CSV a list
    has `;` between its entries.
    """

    async def work(control: Control) -> int:
        known = await control.store.registry.organizations()
        only = known[0].id if len(known) == 1 else None
        return await import_keys(control.store.registry, control.tokens, imported(file, organization or only))

    try:
        count = control(config, work)
    except (Faults, ImportRejected) as rejected:
        lines = "\n".join(f"{file.name}, line {line}: {fault}" for line, fault in rejected.faults)
        raise click.ClickException(f"nothing was imported\n{lines}") from None
    click.echo(f"imported {count} keys", err=True)
