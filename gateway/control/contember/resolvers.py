"""How the Contember face answers what is asked: the types of its schema and the queries.

Who may see what is the use cases' to say. What somebody may not see is null, or not in the list, as on Contember's
server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from graphql import GraphQLResolveInfo

from gateway.control.contember.reading import KeyShown, Reading
from gateway.http1 import Reason
from gateway.keys import ADMIN, Identity, Kind, Membership, Project, ProjectRole
from gateway.stores.values import User

Info = GraphQLResolveInfo[Reading]
Resolver = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """An identity as the caller sees it. `told`: with its rights. `project`: it was found there, among others."""

    identity: Identity
    told: bool
    project: str | None = None


@dataclass(frozen=True, slots=True)
class _Person:
    user: User
    identity: Shown


@dataclass(frozen=True, slots=True)
class Member:
    """An identity in a project."""

    project: Project
    identity: Shown


def iso(milliseconds: int | None) -> str | None:
    """A time as JavaScript's `toISOString` writes it; None for none, and for one after the year 9999."""
    if milliseconds is None or milliseconds >= _END:
        return None
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


_END = 253_402_300_800_000


# --- queries ------------------------------------------------------------------------------------------------------


def _me(_root: None, info: Info) -> Shown:
    return Shown(info.context.actor.identity, told=True)


def _projects(_root: None, info: Info) -> Sequence[Project]:
    reading = info.context
    return reading.listed(reading.desk.grants.projects(reading.actor), info)


def _project_by_slug(_root: None, info: Info, *, slug: str) -> Project | None:
    return info.context.desk.grants.project_of(info.context.actor, slug)


async def _project_memberships(
    _root: None, info: Info, *, project_slug: str, identity_id: str
) -> Sequence[dict[str, Any]]:
    reading = info.context
    own = reading.actor.identity
    found = own if own.id == identity_id else await reading.member(project_slug, identity_id)
    return [] if found is None else _memberships_in(project_slug, found)


async def _global_api_keys(_root: None, info: Info) -> Sequence[KeyShown]:
    return info.context.listed(await info.context.global_keys(), info)


# --- identities, people, keys -------------------------------------------------------------------------------------


async def _person(shown: Shown, info: Info) -> _Person | None:
    identity = shown.identity
    user = await info.context.person(identity.user) if identity.user is not None else None
    return None if user is None else _Person(user, shown)


async def _api_key(shown: Shown, info: Info) -> KeyShown | None:
    """People are no keys, whatever keys they have; a key is always told of itself."""
    reading, identity = info.context, shown.identity
    actor = reading.actor
    if identity.kind is Kind.USER:
        return None
    if identity.id == actor.identity.id:
        return KeyShown(actor.key_id, identity, actor.name, expires_at=actor.expires_at)
    return await reading.key_of(identity, shown.project)


def _identity_projects(shown: Shown, info: Info) -> Sequence[Member]:
    """Of somebody else those alone whose members the caller sees."""
    reading = info.context
    grants, actor = reading.desk.grants, reading.actor
    own = shown.identity.id == actor.identity.id
    slugs = list(dict.fromkeys(each.project for each in shown.identity.memberships))
    listed = reading.listed(slugs, info)
    visible = (grants.project_of(actor, slug) for slug in listed if own or grants.sees_members(actor, slug))
    return [Member(project, shown) for project in visible if project is not None]


def _roles(shown: Shown, _info: Info) -> list[str] | None:
    return [role.value for role in shown.identity.roles] if shown.told else None


def _permissions(shown: Shown, _info: Info) -> dict[str, bool] | None:
    return {"canCreateProject": False, "canDeployEntrypoint": False} if shown.told else None


def _name(person: _Person, _info: Info) -> str | None:
    return f"{person.user.first_name} {person.user.last_name}".strip() or None


def _member_memberships(member: Member, info: Info) -> Sequence[dict[str, Any]]:
    return info.context.listed(_memberships_in(member.project.slug, member.identity.identity), info)


def _memberships_in(project: str, identity: Identity) -> list[dict[str, Any]]:
    return [_membership(each) for each in identity.memberships if each.project == project]


def _membership(membership: Membership) -> dict[str, Any]:
    variables = [{"name": name, "values": list(values)} for name, values in membership.variables]
    return {"role": membership.role, "variables": variables}


# --- projects -----------------------------------------------------------------------------------------------------


async def _project_keys(project: Project, info: Info) -> Sequence[KeyShown]:
    return info.context.listed(await info.context.project_keys(project.slug), info)


async def _members(
    project: Project,
    info: Info,
    *,
    input: Mapping[str, Any] | None = None,  # noqa: A002 (the schema's word)
    member_type: str | None = None,
) -> Sequence[Member]:
    reading = info.context
    if input is not None and member_type is not None:
        message = "Cannot use both deprecated memberType parameter and new input parameter"
        raise reading.refuse(Reason.INVALID_INPUT, message)
    wanted = input or {"filter": {"member_type": member_type}}
    everybody = await reading.members(project.slug)
    reading.spend(len(everybody))
    found = await _filtered(reading, everybody, wanted.get("filter") or {})
    page = reading.listed(_page(reading, found, wanted.get("limit"), wanted.get("offset")), info)
    known = reading.desk.grants.knows
    return [Member(project, Shown(each, known(reading.actor, each), project.slug)) for each in page]


async def _filtered(reading: Reading, found: Sequence[Identity], wanted: Mapping[str, Any]) -> list[Identity]:
    """Members of the wanted type, with one of the ids, of one of the people."""
    kind, emails, people = wanted.get("member_type"), wanted.get("email"), wanted.get("person_id")
    if kind == "API_KEY" and emails is not None:
        raise reading.refuse(Reason.INVALID_INPUT, "Cannot use email filter for ApiKey member type.")
    if kind == "API_KEY" and people is not None:
        raise reading.refuse(Reason.INVALID_INPUT, "Cannot use personId  filter for ApiKey member type.")
    identities = wanted.get("identity_id")
    chosen = [
        each
        for each in found
        if kind in (None, "PERSON" if each.kind is Kind.USER else "API_KEY")
        and (identities is None or each.id in identities)
        and (people is None or each.user in people)
    ]
    if people is not None:  # by whom the caller may not see, nobody is found
        chosen = [each for each in chosen if each.user is not None and await reading.person(each.user) is not None]
    return chosen if emails is None else await _of_emails(reading, chosen, emails)


async def _of_emails(reading: Reading, found: Sequence[Identity], emails: Sequence[str]) -> list[Identity]:
    folded = {each.casefold() for each in emails}
    people = [(each, await reading.person(each.user)) for each in found if each.user is not None]
    return [each for each, user in people if user is not None and user.email.casefold() in folded]


def _page(reading: Reading, found: Sequence[Identity], limit: int | None, offset: int | None) -> Sequence[Identity]:
    if (limit or 0) < 0 or (offset or 0) < 0:
        raise reading.refuse(Reason.INVALID_INPUT, "`limit` and `offset` of members cannot be negative")
    start = offset or 0
    return found[start:] if limit is None else found[start : start + limit]


def _project_roles(project: Project, info: Info) -> Sequence[dict[str, Any]]:
    """Those of the configuration, and the administrator that every project has."""
    names = dict.fromkeys((*project.roles, ADMIN))
    roles = ((name, project.role(name)) for name in names)
    return info.context.listed([_role(name, role) for name, role in roles if role is not None], info)


def _role(name: str, role: ProjectRole) -> dict[str, Any]:
    variables = [
        {"__typename": "RolePredefinedVariableDefinition", "name": each, "value": variable.predefined.value}
        if variable.predefined
        else {"__typename": "RoleConditionVariableDefinition", "name": each}
        for each, variable in role.variables.items()
    ]
    return {"name": name, "variables": variables}


def _always(value: Any) -> Resolver:
    return lambda _source, _info: value


TYPES: dict[str, dict[str, Resolver]] = {
    "Query": {
        "me": _me,
        "projects": _projects,
        "projectBySlug": _project_by_slug,
        "projectMemberships": _project_memberships,
        "globalApiKeys": _global_api_keys,
    },
    "Identity": {
        "id": lambda shown, _: shown.identity.id,
        "description": lambda shown, _: shown.identity.description or None,
        "person": _person,
        "apiKey": _api_key,
        "projects": _identity_projects,
        "permissions": _permissions,
        "roles": _roles,
        "sessions": _always([]),
    },
    "Person": {
        "id": lambda person, _: person.user.id,
        "email": lambda person, _: person.user.email,
        "name": _name,
        "otpEnabled": _always(value=False),
        "passwordlessEnabled": _always(None),
        "emailOtpEnabled": _always(value=False),
        "emailVerified": _always(value=False),
        "identityProviders": _always([]),
    },
    "ApiKey": {
        "identity": lambda key, _: Shown(key.identity, told=True),
        "description": lambda key, _: key.name,
        "type": _always("PERMANENT"),
        "createdAt": lambda key, _: iso(key.created_at),
        "lastUsedAt": lambda key, _: iso(key.used_at),
        "expiresAt": lambda key, _: iso(key.expires_at),
    },
    "Project": {
        "id": lambda project, _: project.slug,
        "config": _always({}),
        "roles": _project_roles,
        "members": _members,
        "apiKeys": _project_keys,
        "secrets": _always([]),
    },
    "IdentityProjectRelation": {"memberships": _member_memberships},
    "ProjectIdentityRelation": {"memberships": _member_memberships},
}
"""By type and field; a field that is not here is the attribute, or the member, of its name."""
