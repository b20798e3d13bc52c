"""What the operations of the account API do: each calls use cases and tells what came of it, and decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from msgspec import UNSET, Struct, UnsetType, to_builtins

from gateway.control.desk import Desk
from gateway.control.paging import PAGE, Page, search
from gateway.control.people import NewUser
from gateway.control.rapid7.models import (
    KINDS,
    ROLES,
    ApiKeyFilter,
    ManagedOrganizations,
    Message,
    NewApiKey,
    NewUserAccount,
    PageMetadata,
    PageOfOrganizations,
    UserAccount,
    UserChange,
    UserFilter,
    api_key,
    generated,
    organization_entry,
    user_account,
)
from gateway.control.rapid7.reading import cursor_of, link_to, position_of
from gateway.control.rejection import Rejection
from gateway.control.tokens import NewKey
from gateway.http1 import Call, Headers, Reason
from gateway.keys import Identity, Key, Principal, Role
from gateway.stores.values import User

BASE = "/account/api/1"


@dataclass(frozen=True, slots=True)
class Visit:
    """One call of an operation: who calls, the ids in its path, its parameters and its body."""

    desk: Desk
    actor: Principal
    call: Call
    ids: tuple[str, ...]
    query: Any
    body: Any


@dataclass(frozen=True, slots=True)
class Told:
    """`value` is the answer's JSON; None for an answer without a body."""

    value: Any
    headers: Headers = ()


def _told(value: Struct | Sequence[Struct], *headers: tuple[bytes, bytes]) -> Told:
    return Told(to_builtins(value), headers)


def _given(value: str | UnsetType) -> str | None:
    return None if value is UNSET else value


async def validate(_visit: Visit) -> Told:
    """Whoever gets here has a key that works."""
    return _told(Message("Authorized"))


# --- keys ---------------------------------------------------------------------------------------------------------


async def list_api_keys(visit: Visit) -> Told:
    asked: ApiKeyFilter = visit.query
    after = None if asked.cursor is UNSET else position_of(asked.cursor)
    part = "" if asked.search is UNSET else asked.search.casefold()
    fetch = partial(_page_of_keys, visit, asked, PAGE if part else asked.size + 1)
    found = await search(fetch, lambda key: part in key.name.casefold(), _position, limit=asked.size, after=after)
    described = await visit.desk.describing.describe(visit.actor, found.items)
    rows = [api_key(each) for each in described]
    return _told(rows, *_next(visit, found.after))


async def _page_of_keys(
    visit: Visit, asked: ApiKeyFilter, limit: int, after: tuple[int, str] | None
) -> Page[Key, tuple[int, str]]:
    found = await visit.desk.tokens.list_keys(
        visit.actor,
        limit=limit,
        after=after,
        kinds=KINDS.values() if asked.type is UNSET else (KINDS[asked.type],),
        organization=_given(asked.organization_id),
        revoked=False,
    )
    return Page(found, _position(found[-1]) if len(found) == limit else None)


def _position(key: Key) -> tuple[int, str]:
    return key.created_at, key.id


def _next(visit: Visit, after: tuple[int, str] | None) -> Headers:
    return () if after is None else ((b"link", link_to(visit.call, cursor_of(after))),)


async def generate_api_key(visit: Visit) -> Told:
    wanted: NewApiKey = visit.body
    known = await visit.desk.organizations.list_organizations(visit.actor)
    if wanted.organization_id not in {each.id for each in known}:
        raise Rejection(Reason.UNKNOWN_ORGANIZATION, "no organization of this id is yours to see")
    key = NewKey(wanted.name, days=None if wanted.expires_in_days is UNSET else wanted.expires_in_days)
    # Asked before the key is made: whatever fails after that would take its secret away.
    creator = await visit.desk.describing.creator(visit.actor, visit.actor.identity.id)
    tokens = visit.desk.tokens
    if wanted.type == "USER":
        owner = await _owner(visit, wanted)
        issued = await tokens.create_user_key(visit.actor, key, organization=wanted.organization_id, owner=owner)
    elif wanted.user_id is not UNSET:
        raise Rejection(Reason.INVALID_INPUT, "the body is refused: an organization key has no `user_id`")
    else:
        issued = await tokens.create_organization_key(visit.actor, key, organization=wanted.organization_id)
    listed = api_key(visit.desk.describing.new(issued.key, creator))
    place = f"{BASE}/api-keys/{issued.key.id}".encode()
    return _told(generated(listed, issued.secret), (b"location", place))


async def _owner(visit: Visit, wanted: NewApiKey) -> Identity | None:
    """The identity of a user who is named and is not the caller; to be refused by who decides that."""
    if wanted.user_id in (UNSET, visit.actor.identity.user):
        return None
    _, identities = await visit.desk.people.find_user(visit.actor, str(wanted.user_id))
    return next((each for each in identities if each.organization == wanted.organization_id), identities[0])


async def get_api_key(visit: Visit) -> Told:
    key = await visit.desk.tokens.find_key(visit.actor, visit.ids[0], revoked=False)
    (described,) = await visit.desk.describing.describe(visit.actor, (key,))
    return _told(api_key(described))


async def delete_api_key(visit: Visit) -> Told:
    await visit.desk.tokens.revoke_key(visit.actor, visit.ids[0])
    return Told(None)


# --- users --------------------------------------------------------------------------------------------------------


async def list_users(visit: Visit) -> Told:
    asked: UserFilter = visit.query
    if asked.email is not UNSET:
        found = await _users_of_address(visit, asked, asked.email)
    else:
        fetch = partial(_page_of_users, visit, asked)
        after = None if asked.cursor is UNSET else position_of(asked.cursor)
        found = await search(fetch, partial(_fits, asked), _place, limit=asked.size, after=after)
    return _told([user_account(*each) for each in found.items], *_next(visit, found.after))


Known = tuple[User, tuple[Identity, ...]]


async def _users_of_address(visit: Visit, asked: UserFilter, email: str) -> Page[Known, tuple[int, str]]:
    """An address is looked up rather than searched for: clients ask for one user of very many."""
    named = _given(asked.organization_id)
    known = await visit.desk.organizations.list_organizations(visit.actor)
    homes = [each.id for each in known if named in (None, each.id)]
    found = await visit.desk.people.find_user_of(visit.actor, email, homes=homes)
    return Page((found,) if found is not None and _fits(asked, found) else (), None)


async def _page_of_users(
    visit: Visit, asked: UserFilter, after: tuple[int, str] | None
) -> Page[Known, tuple[int, str]]:
    page = await visit.desk.people.list_users(
        visit.actor,
        limit=PAGE,
        after=None if after is None else after[1],
        organization=_given(asked.organization_id),
    )
    return Page(page.items, None if page.after is None else (0, page.after))


def _place(known: Known) -> tuple[int, str]:
    """Users are in the order of their ids alone."""
    return 0, known[0].id


def _fits(asked: UserFilter, known: Known) -> bool:
    user, _ = known
    return (
        asked.status in (UNSET, user.status.upper())
        and asked.platform_admin in (UNSET, user.platform_admin)
        and _same(asked.first_name, user.first_name)
        and _same(asked.last_name, user.last_name)
    )


def _same(asked: str | UnsetType, text: str) -> bool:
    return asked is UNSET or asked.casefold() == text.casefold()


async def create_user(visit: Visit) -> Told:
    wanted: NewUserAccount = visit.body
    role = Role.PLATFORM_ADMIN if wanted.platform_admin else ROLES[wanted.role]
    new = NewUser(wanted.email, role, wanted.first_name, wanted.last_name)
    organization = _given(wanted.organization_id) or visit.actor.organization
    identity = await visit.desk.people.add_user(visit.actor, new, organization=organization)
    account = await _account(visit, identity.user or "")
    return _told(account, (b"location", f"{BASE}/users/{account.id}".encode()))


async def get_user(visit: Visit) -> Told:
    return _told(await _account(visit, visit.ids[0]))


async def _account(visit: Visit, user: str) -> UserAccount:
    return user_account(*await visit.desk.people.find_user(visit.actor, user))


async def change_user(visit: Visit) -> Told:
    (user,) = visit.ids
    people = visit.desk.people
    match visit.body:
        case UserChange(status=str(status), role=UnsetType(), organization_id=UnsetType()):
            await people.set_enabled(visit.actor, user, enabled=status == "ACTIVE")
        case UserChange(status=UnsetType(), role=str(role), organization_id=named):
            organization = _given(named) or visit.actor.organization
            await people.set_role(visit.actor, user, ROLES[role], organization=organization)
        case _:
            message = "the body is refused: name either `status`, or `role` and perhaps the `organization_id` it is in"
            raise Rejection(Reason.INVALID_INPUT, message)
    return _told(await _account(visit, user))


async def delete_user(visit: Visit) -> Told:
    await visit.desk.people.delete_user(visit.actor, visit.ids[0])
    return Told(None)


async def remove_user(visit: Visit) -> Told:
    user, organization = visit.ids
    await visit.desk.people.remove_member(visit.actor, user, organization=organization)
    return Told(None)


# --- organizations ------------------------------------------------------------------------------------------------


async def list_organizations(visit: Visit) -> Told:
    found = await visit.desk.organizations.list_organizations(visit.actor)
    return _told([organization_entry(each) for each in found])


async def list_managed_organizations(visit: Visit) -> Told:
    asked: PageOfOrganizations = visit.query
    found = await visit.desk.organizations.list_managed(visit.actor)
    first = asked.index * asked.size
    data = [organization_entry(each) for each in found[first : first + asked.size]]
    pages = -(-len(found) // asked.size)
    return _told(ManagedOrganizations(data, PageMetadata(asked.index, asked.size, len(found), pages)))
