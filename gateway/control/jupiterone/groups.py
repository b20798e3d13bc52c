"""The root fields about groups.

Permissions and query policies are overwritten by what is given ("Setting this property via the IAM API will overwrite
any existing permissions"). An explicit null empties too: so the Terraform provider says that it has none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from gateway.control.jupiterone.asking import MOST, Asking, Given, Resolve, later
from gateway.control.jupiterone.people import (
    SHORT_GROUPS,
    find_member,
    find_members,
    group_node,
    group_page,
    query_policy,
    short_group,
)
from gateway.control.rejection import Rejection
from gateway.http1 import Reason
from gateway.keys import GroupRights
from gateway.stores.values import Group, Member

# --- making and changing ------------------------------------------------------------------------------------------


async def _create(asking: Asking, given: Given) -> dict[str, Any]:
    wanted = Group("", asking.organization, given["name"], given.get("description") or "")
    rights = _rights(given, "abacPermissions", "queryPolicy")
    return short_group(await asking.desk.groups.add_group(asking.actor, wanted, rights=rights))


async def _update(asking: Asking, given: Given) -> dict[str, Any]:
    changed = await asking.desk.groups.change_group(
        asking.actor,
        given["id"],
        name=given.get("name"),
        description=given.get("description"),
        rights=_rights(given, "abacPermissions", "queryPolicy"),
    )
    return short_group(changed)


def _rights(given: Given, permissions: str, query_policy: str) -> Callable[[GroupRights], GroupRights]:
    """Makes of rights those with what is given under these names; what is left out stays as it was."""

    def changed(before: GroupRights) -> GroupRights:
        words = tuple(given[permissions] or ()) if permissions in given else before.permissions
        policy = json.dumps(given[query_policy] or []) if query_policy in given else before.query_policy
        return replace(before, permissions=words, query_policy=policy)

    return changed


async def _set(asking: Asking, given: Given) -> dict[str, Any]:
    wanted = given["input"]
    before = None
    if wanted.get("groupId") is not None:
        before = await asking.desk.groups.find_group(asking.actor, wanted["groupId"])
    users = await _exchange(asking, wanted.get("groupUsers"), before)
    found = await _write(asking, wanted, before)
    for user in sorted(users.coming):
        await asking.desk.groups.add_to_group(asking.actor, found.id, user)
    for user in sorted(users.going):
        await asking.desk.groups.remove_from_group(asking.actor, found.id, user)
    return group_node(found)


async def _write(asking: Asking, wanted: Given, before: Group | None) -> Group:
    name, description = wanted.get("groupName"), wanted.get("groupDescription")
    rights = _rights(wanted, "groupAbacPermission", "groupQueryPolicy")
    if before is None:
        new = Group("", asking.organization, name or "", description or "")
        return await asking.desk.groups.add_group(asking.actor, new, rights=rights)
    return await asking.desk.groups.change_group(
        asking.actor, before.id, name=name, description=description, rights=rights
    )


@dataclass(frozen=True, slots=True)
class _Users:
    """Ids of users who come into a group and who go out of it."""

    coming: frozenset[str] = frozenset()
    going: frozenset[str] = frozenset()


async def _exchange(asking: Asking, users: Iterable[str] | None, group: Group | None) -> _Users:
    """Who comes and goes so that these alone are in the group; nobody where none are named."""
    if users is None:
        return _Users()
    organization = asking.organization if group is None else group.organization
    wanted = frozenset(member.user.id for member in await find_members(asking, users, organization))
    if group is None:
        return _Users(coming=wanted)
    present = await asking.desk.groups.list_group_members(asking.actor, group.id, limit=MOST + 1)
    if len(present) > MOST:
        raise Rejection(Reason.INVALID_INPUT, f"a group of more than {MOST} users is changed by adding and deleting")
    before = frozenset(member.user.id for member in present)
    return _Users(wanted - before, before - wanted)


# --- deleting -----------------------------------------------------------------------------------------------------


async def _delete_by_name(asking: Asking, given: Given) -> dict[str, Any]:
    groups = asking.desk.groups
    for group in await groups.list_groups(asking.actor, organization=asking.organization):
        if group.name == given["name"]:
            await groups.delete_group(asking.actor, group.id)
            return {"success": True}
    raise Rejection(Reason.UNKNOWN_GROUP, "no group of this name is yours to manage")


async def _delete(asking: Asking, given: Given) -> dict[str, Any]:
    await asking.desk.groups.delete_group(asking.actor, given["input"]["group"])
    return {"success": True}


# --- users of groups ----------------------------------------------------------------------------------------------


async def _add_users(asking: Asking, given: Given) -> dict[str, Any]:
    group, members = await _named(asking, given["input"])
    for member in members:
        group = await asking.desk.groups.add_to_group(asking.actor, group.id, member.user.id)
    return group_node(group)


async def _delete_users(asking: Asking, given: Given) -> dict[str, Any]:
    group, members = await _named(asking, given["input"])
    for member in members:
        await asking.desk.groups.remove_from_group(asking.actor, group.id, member.user.id)
    return {"success": True}


async def _named(asking: Asking, wanted: Given) -> tuple[Group, list[Member]]:
    group = await asking.desk.groups.find_group(asking.actor, wanted["group"])
    return group, await find_members(asking, wanted["users"], group.organization)


async def _add_by_email(asking: Asking, given: Given) -> dict[str, Any]:
    group = await asking.desk.groups.find_group(asking.actor, given["groupId"])
    member = await find_member(asking, given["userEmail"], group.organization)
    await asking.desk.groups.add_to_group(asking.actor, group.id, member.user.id)
    return {"success": True}


async def _remove_by_email(asking: Asking, given: Given) -> dict[str, Any]:
    group = await asking.desk.groups.find_group(asking.actor, given["groupId"])
    member = await find_member(asking, given["userEmail"], group.organization)
    await asking.desk.groups.remove_from_group(asking.actor, group.id, member.user.id)
    return {"success": True}


# --- looking ------------------------------------------------------------------------------------------------------


async def _get(asking: Asking, given: Given) -> dict[str, Any]:
    return group_node(await asking.desk.groups.find_group(asking.actor, given["group"]))


async def get_group_list(asking: Asking, given: Given) -> dict[str, Any]:
    """A page of the groups of the caller's organization that the caller may see."""
    part = (given.get("groupNameFilter") or "").casefold()
    groups = await _listed(asking)
    return group_page(asking, given, [group for group in groups if part in group.name.casefold()])


async def _listed(asking: Asking) -> tuple[Group, ...]:
    groups, home = asking.desk.groups, asking.organization
    return await asking.rows(lambda: groups.list_groups(asking.actor, organization=home))


async def _groups(asking: Asking, given: Given) -> dict[str, Any]:
    groups = await _listed(asking)
    return group_page(asking, given, groups, SHORT_GROUPS)


async def _query_policy(asking: Asking, given: Given) -> dict[str, Any]:
    group = await asking.desk.groups.find_group(asking.actor, given["groupId"])
    return {"id": group.id, "queryPolicy": query_policy(group)}


ROOTS: dict[str, Resolve] = {
    "createIamGroup": later(_create),
    "updateIamGroup": later(_update),
    "deleteIamGroup": later(_delete_by_name),
    "iamSetGroup": later(_set),
    "iamDeleteGroup": later(_delete),
    "iamAddGroupUsers": later(_add_users),
    "iamDeleteGroupUsers": later(_delete_users),
    "addIamUserToGroupByEmail": later(_add_by_email),
    "removeIamUserFromGroupByEmail": later(_remove_by_email),
    "iamGetGroup": later(_get),
    "iamGetGroupList": later(get_group_list),
    "iamGroups": later(_groups),
    "iamGroupQueryPolicy": later(_query_policy),
}
