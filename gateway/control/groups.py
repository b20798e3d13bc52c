"""The use cases about groups: users with rights in common, and the switch that enables API keys for them.

Each is one change of the registry with one audit event, and takes effect on the next call of every key concerned. Every
use case may raise Rejection (nothing was changed) and StoreUnavailable.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from gateway.control.managing import Managing
from gateway.control.rejection import Rejection, accepted
from gateway.control.texts import NAME, is_id, refuse_text
from gateway.http1 import Reason
from gateway.keys import Actor, GroupRights, Identity, Principal, may_manage_people, query_policy_refused
from gateway.stores.base import Change, Conflict
from gateway.stores.values import Group, Member

_DESCRIPTION = 2_000
"""Characters."""

_PERMISSIONS = 100
"""Of a group; the platform knows some forty."""

_PERMISSION = re.compile(r"[A-Za-z][\w:.-]{0,127}", re.ASCII)


class Groups(Managing):
    """See the module."""

    async def add_group(
        self, caller: Actor, group: Group, *, rights: Callable[[GroupRights], GroupRights] | None = None
    ) -> Group:
        """A new group; its id is made here. Names are unique in an organization.

        Nothing of it is read for who may not make one: policies are long, and a call can hold many. `rights` is a
        function of those of `group`.
        """
        async with self._changes.by(caller) as (change, actor):
            await self._manage(change, actor, group.organization)
            given = group.rights if rights is None else rights(group.rights)
            group = replace(group, id=self._mint.id(), everyone=False, rights=given)
            self._refuse_group(group)
            await self._write_group(change.add_group, group)
            await self._audit_group(change, actor, "group.create", group)
        return group

    async def change_group(
        self,
        caller: Actor,
        group: str,
        *,
        name: str | None = None,
        description: str | None = None,
        rights: GroupRights | Callable[[GroupRights], GroupRights] | None = None,
    ) -> Group:
        """What is named is replaced, the rest stays; keys of its users follow at once.

        `rights` may be a function of those that are there under the lock of the change.
        """
        async with self._changes.by(caller) as (change, actor):
            found = await self._group(change, actor, group)
            if found.everyone and name not in (None, found.name):
                raise Rejection(Reason.INVALID_INPUT, "the built-in group keeps its name")
            changed = replace(
                found,
                name=found.name if name is None else name,
                description=found.description if description is None else description,
                rights=(rights(found.rights) if callable(rights) else rights) or found.rights,
            )
            self._refuse_group(changed)
            await self._write_group(change.change_group, changed)
            await self._audit_group(change, actor, "group.change", changed)
        return changed

    async def delete_group(self, caller: Actor, group: str) -> Group:
        """What its users had by it alone is gone: API keys by which they called are suspended."""
        async with self._changes.by(caller) as (change, actor):
            found = await self._group(change, actor, group)
            if found.everyone:
                raise Rejection(Reason.INVALID_INPUT, "the built-in group cannot be deleted; turn its switch off")
            await change.remove_group(found.id)
            await self._audit_group(change, actor, "group.delete", found)
        return found

    async def add_to_group(self, caller: Actor, group: str, user: str) -> Group:
        """Does nothing, and says so to nobody, for a user who is in it."""
        async with self._changes.by(caller) as (change, actor):
            found = await self._group(change, actor, group)
            await self._member(change, user, found.organization)
            if not found.everyone:
                await change.add_to_group(found, user)
            await self._audit(change, actor, "group.add", found.organization, found.id, user=user)
        return found

    async def remove_from_group(self, caller: Actor, group: str, user: str) -> Group:
        """Does nothing for a user who is not in it; nobody is taken out of the built-in group."""
        async with self._changes.by(caller) as (change, actor):
            found = await self._group(change, actor, group)
            await self._member(change, user, found.organization)
            if found.everyone:
                raise Rejection(Reason.INVALID_INPUT, "all users of the organization are in the built-in group")
            await change.remove_from_group(found, user)
            await self._audit(change, actor, "group.remove", found.organization, found.id, user=user)
        return found

    async def list_groups(self, actor: Actor, *, organization: str) -> tuple[Group, ...]:
        """All groups of an organization by name, for its administrators; those that they are in, for its users."""
        if may_manage_people(actor, organization, self._switches) is None:
            return await self._registry.groups(organization)
        if isinstance(actor, Principal) and actor.identity.user and actor.organization == organization:
            return await self._registry.groups_of_user(actor.identity.user, organization)
        return ()

    async def find_group(self, actor: Actor, group: str) -> Group:
        """A group of an organization whose people the actor manages, or one that the actor is in."""
        found = await self._registry.group(group) if is_id(group) else None
        if found is not None and (
            may_manage_people(actor, found.organization, self._switches) is None
            or found in await self.list_groups(actor, organization=found.organization)
        ):
            return found
        raise Rejection(Reason.UNKNOWN_GROUP, "there is no group of this id that is yours to see")

    async def list_group_members(
        self, actor: Actor, group: str, *, limit: int, after: str | None = None
    ) -> tuple[Member, ...]:
        """A page of the users of a group, by id, for administrators."""
        found = await self.find_group(actor, group)
        accepted(may_manage_people(actor, found.organization, self._switches))
        return await self._registry.members(found.organization, limit=limit, after=after, group=found.id)

    async def groups_of(self, identity: Identity) -> tuple[Group, ...]:
        """The groups of a user in an organization, by name."""
        if identity.user is None:
            return ()
        return await self._registry.groups_of_user(identity.user, identity.organization)

    async def _group(self, change: Change, actor: Actor, group: str) -> Group:
        found = await change.group(group) if is_id(group) else None
        refusal = may_manage_people(actor, found.organization, self._switches) if found else None
        if found is None or (refusal is not None and actor.organization != found.organization):
            raise Rejection(Reason.UNKNOWN_GROUP, "no group of this id is yours to manage")
        accepted(refusal)
        return found

    def _refuse_group(self, group: Group) -> None:
        if not group.name.strip():
            raise Rejection(Reason.INVALID_INPUT, "a group has a name")
        refuse_text("name of a group", group.name, NAME)
        if len(group.description) > _DESCRIPTION or "\0" in group.description:
            raise Rejection(
                Reason.INVALID_INPUT, f"a description has up to {_DESCRIPTION} characters, none of them zero"
            )
        _refuse_permissions(group.rights.permissions)
        if fault := query_policy_refused(group.rights.query_policy, self._options.policy):
            raise Rejection(Reason.INVALID_POLICY, f"the query policy is refused: {fault}")

    async def _write_group(self, write: Callable[[Group], Awaitable[None]], group: Group) -> None:
        try:
            await write(group)
        except Conflict:
            raise Rejection(Reason.ALREADY_THERE, "there is a group of this name already") from None

    async def _audit_group(self, change: Change, actor: Actor, what: str, group: Group) -> None:
        details = {"name": group.name, "permissions": " ".join(group.rights.permissions)}
        details |= {"query_policy": group.rights.query_policy}
        await self._audit(change, actor, what, group.organization, group.id, **details)


def _refuse_permissions(permissions: Iterable[str]) -> None:
    words = list(permissions)
    if len(words) > _PERMISSIONS or len(set(words)) != len(words):
        raise Rejection(Reason.INVALID_INPUT, f"a group has up to {_PERMISSIONS} permissions, each once")
    if unfit := [word for word in words if not _PERMISSION.fullmatch(word)]:
        message = f"`{unfit[0][:64]}` is no permission of a group; one is a word such as `apiKeyUser`"
        raise Rejection(Reason.INVALID_INPUT, message)
