"""Users and groups as the JupiterOne face shows them, and the pages of one inside the other."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from gateway.control.jupiterone.asking import (
    MOST_GROUPS,
    Asking,
    Given,
    Listing,
    later,
    page_of,
    page_size,
    position_at,
)
from gateway.control.jupiterone.tokens import api_keys_of, tokens_of
from gateway.control.rejection import Rejection
from gateway.control.texts import is_email
from gateway.http1 import Reason
from gateway.keys import ADMINISTRATOR, Identity, Role, gives_api_keys
from gateway.stores.values import Group, Member, UserStatus

ACTIVE = "ACTIVE"


def user_node(member: Member) -> dict[str, Any]:
    """A user in an organization, as IamAccountUserNode and IamAccountUser."""
    user, identity = member.user, member.identity
    return {
        "id": user.id,
        "email": user.email,
        "userId": user.id,
        "accountId": identity.organization,
        "nickName": user.first_name or user.email.split("@")[0],
        "username": user.email,
        "firstName": user.first_name or None,
        "lastName": user.last_name or None,
        "lastLogin": _moment(user.last_login_at),
        "previousLogin": None,
        "apiKeyAccess": gives_api_keys(identity),
        "userAbacPermission": {"subject": user.id, "statement": _permissions(identity)},
        "userGroups": later(_groups_of, identity),
        "userApiKeys": later(api_keys_of, identity),
        "tokens": later(tokens_of, identity),
        "status": ACTIVE if user.status is UserStatus.ACTIVE else "DISABLED",
        "profilePicture": None,
        "_timeCreated": _moment(user.created_at),
        "_timeUpdated": None,
    }


def _moment(at: int | None) -> str | None:
    """Milliseconds since the epoch as the platform writes them: a text. 0 is a time that is not known."""
    return str(at) if at else None


def _permissions(identity: Identity) -> list[str]:
    words = {word for group in identity.groups for word in group.permissions}
    if identity.role in (Role.ORGANIZATION_ADMIN, Role.PLATFORM_ADMIN):
        words.add(ADMINISTRATOR)
    return sorted(words)


async def _groups_of(identity: Identity, asking: Asking, given: Given) -> dict[str, Any]:
    return group_page(asking, given, await asking.groups_of(identity))


async def find_member(asking: Asking, user: str, organization: str) -> Member:
    """A user of an organization by id or email address. Raises Rejection for one that the caller may not see."""
    if is_email(user):
        return await asking.desk.people.find_member(asking.actor, user, organization=organization)
    found, identities = await asking.desk.people.find_user(asking.actor, user)
    for identity in identities:
        if identity.organization == organization:
            return Member(found, identity)
    raise Rejection(Reason.UNKNOWN_USER, "there is no user of this id that is yours to see")


async def find_members(asking: Asking, users: Iterable[str], organization: str) -> list[Member]:
    """Users by ids or addresses, all of them before any is touched."""
    wanted = list(users)
    if len(wanted) > USERS:
        raise Rejection(Reason.INVALID_INPUT, f"one call takes up to {USERS} users")
    return [await find_member(asking, user, organization) for user in wanted]


USERS = 100
"""Of one call: each is a change of its own."""


_USERS: Listing[Member] = Listing(item=user_node, position=lambda member: (member.user.id,))


def user_page(asking: Asking, found: tuple[Member, ...], size: int) -> dict[str, Any]:
    """A page of users; there is another where one more was found."""
    return page_of(asking, _USERS, found, size)


async def group_users(group: str, asking: Asking, given: Given) -> dict[str, Any]:
    """A page of a group's users, by id."""
    size, after = page_size(given), position_at(given, str)
    start, groups = after[0] if after else None, asking.desk.groups
    found = await asking.rows(lambda: groups.list_group_members(asking.actor, group, limit=size + 1, after=start))
    return user_page(asking, found, size)


# --- groups -------------------------------------------------------------------------------------------------------


def group_node(group: Group) -> dict[str, Any]:
    """A group as IamGroupNode and IamGroup."""
    policy = [{name: _listed(value) for name, value in each.items()} for each in query_policy(group)]
    times = {"_timeCreated": None, "_timeUpdated": None}
    ids = {"accountId": group.organization, "groupId": group.id}
    return {
        "id": group.id,
        **ids,
        "groupName": group.name,
        "groupDescription": group.description,
        "status": ACTIVE,
        "groupUsers": later(group_users, group.id),
        "groupQueryPolicy": {**ids, "statement": policy, **times},
        "groupAbacPermission": {"subject": group.id, "statement": list(group.rights.permissions)},
        **times,
    }


def query_policy(group: Group) -> list[dict[str, Any]]:
    """As it was given; [] for one that cannot be read, which shows nothing."""
    try:
        found = json.loads(group.rights.query_policy)
    except ValueError:
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _listed(value: Any) -> list[Any]:
    """The Terraform provider reads lists of values alone."""
    return value if isinstance(value, list) else [value]


def short_group(group: Group) -> dict[str, Any]:
    """A group as V1Group."""
    return {"id": group.id, "name": group.name, "description": group.description}


def _place(group: Group) -> tuple[str, str]:
    return group.name, group.id


def _characters(group: Group) -> int:
    return len(group.rights.query_policy) + len(group.description) + sum(map(len, group.rights.permissions))


GROUPS: Listing[Group] = Listing(group_node, _place, _characters)
SHORT_GROUPS: Listing[Group] = Listing(short_group, _place, _characters)


def group_page(
    asking: Asking, given: Given, groups: Iterable[Group], listing: Listing[Group] = GROUPS
) -> dict[str, Any]:
    """A page of groups by name."""
    size, after = page_size(given, MOST_GROUPS), position_at(given, str, str)
    found = sorted((group for group in groups if after is None or _place(group) > after), key=_place)
    return page_of(asking, listing, found, size)
