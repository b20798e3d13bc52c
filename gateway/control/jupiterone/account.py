"""The root fields about the account: itself, its invitations, its audit events.

An invitation is the place in a group of a user who has never logged in. It is there at once, with all that the group
gives, and it is "accepted" by the first login. Nobody is mailed: whoever runs the gateway hands out the login link.
"""

from __future__ import annotations

from typing import Any

from gateway.control.jupiterone.asking import (
    MOST,
    MOST_GROUPS,
    Asking,
    Given,
    Listing,
    Resolve,
    later,
    page_of,
    page_size,
    position_at,
)
from gateway.control.jupiterone.groups import get_group_list
from gateway.control.jupiterone.people import ACTIVE, find_member
from gateway.control.jupiterone.users import get_user_list
from gateway.control.people import NewUser
from gateway.control.rejection import Rejection
from gateway.control.texts import refuse_email
from gateway.http1 import Reason
from gateway.stores.values import AuditEvent, Group, Member


async def _get_account(asking: Asking, _given: Given) -> dict[str, Any]:
    known = await asking.desk.organizations.list_organizations(asking.actor)
    found = next((each for each in known if each.id == asking.organization), None)
    if found is None:
        raise Rejection(Reason.UNKNOWN_ORGANIZATION, "this key belongs to no account")
    return {
        "id": found.id,
        "accountId": found.id,
        "accountSubdomain": found.id,
        "accountName": found.name,
        "status": ACTIVE,
        "accountUsers": later(get_user_list),
        "accountGroups": later(get_group_list),
        "accountInvitations": later(_invitations),
    }


# --- invitations --------------------------------------------------------------------------------------------------


async def _invite(asking: Asking, given: Given) -> dict[str, Any]:
    """In up to two changes; asked again, it goes on where it was."""
    wanted = given["input"]
    refuse_email(wanted["email"])
    group = await asking.desk.groups.find_group(asking.actor, wanted["groupId"])
    try:
        member = await find_member(asking, wanted["email"], group.organization)
    except Rejection:
        await asking.desk.people.add_user(asking.actor, NewUser(wanted["email"]), organization=group.organization)
        member = await find_member(asking, wanted["email"], group.organization)
    await asking.desk.groups.add_to_group(asking.actor, group.id, member.user.id)
    return _invitation(member, group)


async def _update_invitation(asking: Asking, given: Given) -> dict[str, Any]:
    wanted = given["input"]
    if wanted["status"] != "REVOKED":
        raise Rejection(Reason.INVALID_INPUT, "an invitation is accepted by logging in; here it can be REVOKED")
    member, group = await _invited(asking, wanted["invitationId"])
    if member.user.last_login_at is not None:
        message = "the user has logged in: take them out of the group instead"
        raise Rejection(Reason.INVALID_INPUT, message)
    await asking.desk.groups.remove_from_group(asking.actor, group.id, member.user.id)
    return _invitation(member, group) | {"status": "REVOKED"}


async def _invited(asking: Asking, invitation: str) -> tuple[Member, Group]:
    """The user and the group of an invitation that the caller may see."""
    user, _, group_id = invitation.partition(".")
    group = await asking.desk.groups.find_group(asking.actor, group_id)
    member = await find_member(asking, user, group.organization)
    if group in await asking.desk.groups.groups_of(member.identity):
        return member, group
    raise Rejection(Reason.UNKNOWN_USER, "no invitation of this id is yours to manage")


def _invitation(member: Member, group: Group) -> dict[str, Any]:
    name = f"{member.user.id}.{group.id}"
    return {
        "id": name,
        "invitationId": name,
        "userId": member.user.id,
        "email": member.user.email,
        "accountId": group.organization,
        "groupId": group.id,
        "groupName": group.name,
        "status": "PENDING" if member.user.last_login_at is None else "ACCEPTED",
    }


async def _invitations(asking: Asking, given: Given) -> dict[str, Any]:
    """By group and user. The built-in group is left out: nobody is invited to it, and it holds everybody."""
    size, after = page_size(given, MOST_GROUPS), position_at(given, str, str)
    groups = await asking.desk.groups.list_groups(asking.actor, organization=asking.organization)
    found: list[tuple[Member, Group]] = []
    for group in sorted((each for each in groups if not each.everyone), key=lambda each: each.id):
        if after is None or group.id >= after[0]:
            start = after[1] if after is not None and group.id == after[0] else None
            found += await _pending(asking, group, start, size + 1 - len(found))
        if len(found) > size:
            break
    return page_of(asking, _INVITATIONS, found, size)


async def _pending(asking: Asking, group: Group, after: str | None, wanted: int) -> list[tuple[Member, Group]]:
    """Users of a group who have never logged in, up to `wanted`, by id after `after`."""
    found: list[tuple[Member, Group]] = []
    while len(found) < wanted:
        members = await asking.desk.groups.list_group_members(asking.actor, group.id, limit=MOST, after=after)
        found += [(member, group) for member in members if member.user.last_login_at is None]
        if len(members) < MOST:
            break
        after = members[-1].user.id
    return found[:wanted]


_INVITATIONS: Listing[tuple[Member, Group]] = Listing(
    item=lambda invited: _invitation(*invited), position=lambda invited: (invited[1].id, invited[0].user.id)
)


# --- audit events -------------------------------------------------------------------------------------------------


async def _audit_events(asking: Asking, given: Given) -> dict[str, Any]:
    size, after = page_size(given), position_at(given, int)
    start, home, trail = after[0] if after else None, asking.organization or None, asking.desk.trail
    found = await asking.rows(lambda: trail.read(asking.actor, limit=size + 1, before=start, organization=home))
    return page_of(asking, _EVENTS, found, size)


def _history_item(event: AuditEvent) -> dict[str, Any]:
    return {
        "id": str(event.number),
        "resourceType": event.event.partition(".")[0],
        "resourceId": event.subject,
        "category": event.event,
        "timestamp": event.at,
        "performedByUserId": later(_performer, event.actor),
        "data": {**dict(event.details), "actor": event.actor},
    }


_EVENTS: Listing[AuditEvent] = Listing(
    item=_history_item,
    position=lambda event: (event.number or 0,),
    characters=lambda event: sum(len(value) for _, value in event.details),
)


async def _performer(identity: str, asking: Asking, _given: Given) -> str | None:
    return await asking.user_of(identity)


ROOTS: dict[str, Resolve] = {
    "iamGetAccount": later(_get_account),
    "invite": later(_invite),
    "updateInvitation": later(_update_invitation),
    "getAuditEventsForAccount": later(_audit_events),
}
