"""The root fields about users."""

from __future__ import annotations

from typing import Any

from gateway.control.jupiterone.asking import Asking, Given, Resolve, later, page_size, position_at
from gateway.control.jupiterone.people import find_member, group_users, user_node, user_page
from gateway.control.rejection import Rejection
from gateway.http1 import Reason
from gateway.stores.values import Member


async def _get_user(asking: Asking, given: Given) -> dict[str, Any]:
    return user_node(await find_member(asking, given["user"], asking.organization))


async def _get_current_user(asking: Asking, _given: Given) -> dict[str, Any]:
    user = asking.actor.identity.user
    if user is None:
        raise Rejection(Reason.NOT_ALLOWED, "there is no user behind this key")
    return user_node(await find_member(asking, user, asking.organization))


async def get_user_list(asking: Asking, given: Given) -> dict[str, Any]:
    """A page of the users of the caller's organization, or the one of an address."""
    size, after = page_size(given), position_at(given, str)
    email = given.get("emailFilter")
    if email is not None:
        found = await _by_email(asking, email)
    else:
        start, home, people = after[0] if after else None, asking.organization, asking.desk.people
        found = await asking.rows(
            lambda: people.list_members(asking.actor, limit=size + 1, after=start, organization=home)
        )
    return user_page(asking, found, size)


async def _by_email(asking: Asking, email: str) -> tuple[Member, ...]:
    try:
        return (await asking.desk.people.find_member(asking.actor, email, organization=asking.organization),)
    except Rejection:
        return ()


async def _group_users(asking: Asking, given: Given) -> dict[str, Any]:
    return await group_users(given["groupId"], asking, given)


async def _delete_user(asking: Asking, given: Given) -> dict[str, Any]:
    found = await find_member(asking, given["input"]["user"], asking.organization)
    await asking.desk.people.delete_user(asking.actor, found.user.id)
    return {"success": True}


ROOTS: dict[str, Resolve] = {
    "iamGetUser": later(_get_user),
    "iamGetUserList": later(get_user_list),
    "iamGetCurrentUser": later(_get_current_user),
    "iamGroupUsers": later(_group_users),
    "iamDeleteUser": later(_delete_user),
}
