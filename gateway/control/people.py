"""The use cases about users.

Each is one change of the registry with one audit event, and takes effect on the next call of every key concerned. Every
use case may raise Rejection (nothing was changed) and StoreUnavailable.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from gateway.control.managing import Managing
from gateway.control.paging import Page
from gateway.control.rejection import Rejection, existing
from gateway.control.texts import NAME, is_email, is_id, refuse_email, refuse_text
from gateway.control.trail import name_of
from gateway.http1 import Reason
from gateway.keys import Actor, Identity, Kind, Operation, Principal, Role, extents, may_manage_people
from gateway.stores.base import Change
from gateway.stores.values import Member, User, UserStatus


@dataclass(frozen=True, slots=True)
class NewUser:
    """`role` is in the organization, but for PLATFORM_ADMIN, who is one everywhere."""

    email: str
    role: Role = Role.USER
    first_name: str = ""
    last_name: str = ""


class People(Managing):
    """See the module."""

    async def add_user(self, caller: Actor, wanted: NewUser, *, organization: str) -> Identity:
        """A new member of an organization, who gets in by a login link, see `Logins.create_login`.

        Somebody who has a user already, by the address, becomes a member with it. Of another organization's users a
        platform administrator decides: its administrators manage them, and they are told to no others.
        """
        refuse_text("name", wanted.first_name + wanted.last_name, NAME)
        refuse_email(wanted.email)
        async with self._changes.by(caller) as (change, actor):
            await self._manage(change, actor, organization)
            if wanted.role is Role.PLATFORM_ADMIN:
                self._refuse_not_platform(actor)
            user = await self._user(change, wanted)
            homes = [each.organization for each in await change.identities_of_user(user)]
            if organization in homes:
                raise Rejection(Reason.ALREADY_THERE, "this user is a member of the organization already")
            if homes and not self._manages_all(actor):
                message = "this user is another organization's; contact a platform administrator"
                raise Rejection(Reason.NOT_ALLOWED, message)
            role = Role.ORGANIZATION_ADMIN if wanted.role is Role.PLATFORM_ADMIN else wanted.role
            await change.add_member(user, organization, role)
            identity = await change.identity_of(user, organization)
            if identity is None:  # never a member before
                new = Identity(self._mint.id(), Kind.USER, organization, user=user)
                await change.add_identity(new)
                identity = existing(await change.identity_of(user, organization), Reason.UNKNOWN_USER, "user")
            await self._audit(change, actor, "user.add", organization, user, role=wanted.role, email=wanted.email)
        return identity

    async def _user(self, change: Change, wanted: NewUser) -> str:
        """The id of the user of an address, who is made where there is none."""
        known = await change.user_of(wanted.email)
        if known is not None:
            if wanted.role is Role.PLATFORM_ADMIN and not known.platform_admin:
                await change.change_user(replace(known, platform_admin=True))
            return known.id
        user = self._mint.id()
        platform_admin = wanted.role is Role.PLATFORM_ADMIN
        await change.add_user(user, wanted.email, platform_admin=platform_admin)
        named = User(user, wanted.email, platform_admin, first_name=wanted.first_name, last_name=wanted.last_name)
        await change.change_user(replace(named, created_at=self._mint.now()))
        return user

    async def set_role(self, caller: Actor, user: str, role: Role, *, organization: str) -> None:
        """A member's level; their keys follow. Only a platform administrator makes, or unmakes, another one."""
        async with self._changes.by(caller) as (change, actor):
            await self._manage(change, actor, organization)
            found = await self._member(change, user, organization)
            if found.platform_admin is not (role is Role.PLATFORM_ADMIN):
                self._refuse_not_platform(actor)
                await change.change_user(replace(found, platform_admin=role is Role.PLATFORM_ADMIN))
            level = Role.ORGANIZATION_ADMIN if role is Role.PLATFORM_ADMIN else role
            await change.change_member(user, organization, level)
            await self._audit(change, actor, "user.role", organization, user, role=role)

    async def _end_keys(self, change: Change, actor: Actor, user: str, organization: str | None = None) -> int:
        """Revokes the live user keys and sessions of a user, in one organization or in all; how many these were."""
        owned = await change.keys_of_user(user)
        ended = [key for key in owned if organization in (None, key.identity.organization)]
        now, by = self._mint.now(), name_of(actor)
        for key in ended:
            await change.revoke_key(key.id, at=now, by=by)
        return len(ended)

    async def set_enabled(self, caller: Actor, user: str, *, enabled: bool) -> User:
        """A disabled user's keys and sessions are dead until the user is enabled again."""
        async with self._changes.by(caller) as (change, actor):
            found = await self._own(change, actor, user)
            changed = replace(found, status=UserStatus.ACTIVE if enabled else UserStatus.DISABLED)
            await change.change_user(changed)
            home = _home(await change.identities_of_user(user))
            await self._audit(change, actor, "user.enable" if enabled else "user.disable", home, user)
        return changed

    async def remove_member(self, caller: Actor, user: str, *, organization: str) -> int:
        """Takes a user out of an organization and ends their user keys of it; the number of these.

        What else they made for it works on. If they come back, they come without keys, groups and memberships.
        """
        async with self._changes.by(caller) as (change, actor):
            await self._manage(change, actor, organization)
            await self._member(change, user, organization)
            ended = await self._end_keys(change, actor, user, organization)
            await change.remove_member(user, organization)
            await self._audit(change, actor, "user.remove", organization, user, keys=str(ended))
        return ended

    async def delete_user(self, caller: Actor, user: str) -> int:
        """Ends a user and all of their user keys; the number of these.

        Keys of organizations, accounts, integrations and projects that the user made work on ("deleting a user's
        account does not delete organization keys that they've generated; it only removes their user keys").
        """
        async with self._changes.by(caller) as (change, actor):
            found = await self._own(change, actor, user)
            ended = await self._end_keys(change, actor, user)
            identities = await change.identities_of_user(user)
            for each in identities:
                await change.remove_member(user, each.organization)
            await change.change_user(replace(found, status=UserStatus.DELETED, platform_admin=False))
            home = _home(identities)
            await self._audit(change, actor, "user.delete", home, user, email=found.email, keys=str(ended))
        return ended

    async def list_members(
        self, actor: Actor, *, limit: int, after: str | None = None, organization: str | None = None
    ) -> tuple[Member, ...]:
        """A page of the users that the actor may see, by id: all of an organization, or themselves alone.

        `after` is the user id of the last one of the page before. Of several organizations (None) a user is there once
        for each.
        """
        reach = extents(actor, Operation.SEE_PEOPLE, self._switches)
        homes = {each.organization for each in reach if each.user is None}
        if organization is not None and not is_id(organization):
            return ()
        if None in homes or organization in homes - {None}:
            return await self._registry.members(organization, limit=limit, after=after)
        if organization is None and homes:
            return await self._registry.members(min(home for home in homes if home), limit=limit, after=after)
        return await self._themselves(actor, after, organization)

    async def _themselves(self, actor: Actor, after: str | None, organization: str | None) -> tuple[Member, ...]:
        if not isinstance(actor, Principal) or actor.identity.user is None:
            return ()
        user = await self._registry.user(actor.identity.user)
        if user is None or organization not in (None, actor.organization) or (after or "") >= user.id:
            return ()
        return (Member(user, actor.identity),)

    async def list_users(
        self, actor: Actor, *, limit: int, after: str | None = None, organization: str | None = None
    ) -> Page[tuple[User, tuple[Identity, ...]], str]:
        """A page of the users that the actor may see, by id, each once with their identities that the actor may see.

        `limit` counts identities: a user whose identities may go on after it is left to the next page.
        """
        found = await self.list_members(actor, limit=limit, after=after, organization=organization)
        known: dict[str, tuple[User, tuple[Identity, ...]]] = {}
        for member in found:
            _, before = known.get(member.user.id, (member.user, ()))
            known[member.user.id] = (member.user, (*before, member.identity))
        if len(found) < limit:
            return Page(tuple(known.values()), None)
        if len(known) > 1:
            known.popitem()
        return Page(tuple(known.values()), next(reversed(known)))

    async def find_user_of(
        self, actor: Actor, email: str, *, homes: Iterable[str]
    ) -> tuple[User, tuple[Identity, ...]] | None:
        """The user of an address who is a member of one of these organizations, if the actor may see them there."""
        for home in homes if is_email(email) else ():
            identity = await self._registry.user_identity(email, home)
            if identity is not None and identity.user is not None:
                with suppress(Rejection):
                    return await self.find_user(actor, identity.user)
        return None

    async def find_user(self, actor: Actor, user: str) -> tuple[User, tuple[Identity, ...]]:
        """A user that the actor may see, with their identities in the organizations where the actor may see them."""
        found = await self._registry.user(user) if is_id(user) else None
        reach = extents(actor, Operation.SEE_PEOPLE, self._switches)
        identities = await self._registry.identities_of_user(user) if found else ()
        seen = tuple(each for each in identities if any(extent.holds(each) for extent in reach))
        if found is None or found.status is UserStatus.DELETED or not seen:
            raise Rejection(Reason.UNKNOWN_USER, "there is no user of this id that is yours to see")
        return found, seen

    async def find_member(self, actor: Actor, email: str, *, organization: str) -> Member:
        """The user of an address in an organization, if the actor may see them; letter case makes no difference."""
        identity = await self._registry.user_identity(email, organization) if is_email(email) else None
        reach = extents(actor, Operation.SEE_PEOPLE, self._switches)
        if identity is not None and identity.role is not None and any(extent.holds(identity) for extent in reach):
            user = await self._registry.user(identity.user or "")
            if user is not None and user.status is not UserStatus.DELETED:
                return Member(user, identity)
        raise Rejection(Reason.UNKNOWN_USER, "there is no user of this address that is yours to see")

    async def _own(self, change: Change, actor: Actor, user: str) -> User:
        """A user about whom the actor alone decides: nobody of another organization, no platform administrator."""
        found = await change.user(user) if is_id(user) else None
        homes = [each.organization for each in await change.identities_of_user(user)] if found else []
        managed = [may_manage_people(actor, home, self._switches) is None for home in homes]
        everywhere = self._manages_all(actor)
        if found is None or found.status is UserStatus.DELETED or not (everywhere or any(managed)):
            raise Rejection(
                Reason.UNKNOWN_USER, "no user of this id is yours to manage; contact a platform administrator"
            )
        if not everywhere and (found.platform_admin or not all(managed)):
            message = "this user is more than a user of your organization; contact a platform administrator"
            raise Rejection(Reason.NOT_ALLOWED, message)
        return found


def _home(identities: tuple[Identity, ...]) -> str:
    """The one organization that a user is in, in whose trail a change of them belongs; empty for several or none."""
    return identities[0].organization if len(identities) == 1 else ""
