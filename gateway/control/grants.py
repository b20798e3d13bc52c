"""The use cases about what identities hold: global roles, and memberships in projects.

Each is one change of the registry with one audit event, and takes effect on the next call of every key of the
identity. Every use case may raise Rejection (nothing was changed) and StoreUnavailable.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from gateway.control.changing import Changes
from gateway.control.granting import Granting, anybody_in
from gateway.control.paging import PAGE
from gateway.control.rejection import Rejection, existing
from gateway.control.texts import is_id
from gateway.control.tokens import TokenOptions
from gateway.control.trail import event
from gateway.http1 import Reason
from gateway.keys import (
    Actor,
    GlobalRole,
    Identity,
    Kind,
    Membership,
    Operation,
    Principal,
    Project,
    extents,
    may_know,
    projects_of,
    ranks,
    reaches,
)
from gateway.stores.base import Change, Registry

_MEMBERS = frozenset({Kind.USER, Kind.PROJECT})
"""Kinds that can be members of a project; the others have their rights from elsewhere."""


class Grants:
    """`now` is milliseconds since the epoch."""

    def __init__(self, registry: Registry, options: TokenOptions, now: Callable[[], int]) -> None:
        self._registry = registry
        self._projects = options.projects
        self._switches = options.switches
        self._granting = Granting(options.projects, options.policy, options.switches, options.max_memberships)
        self._changes = Changes(registry, options.projects, now)
        self._now = now

    # --- global roles

    async def add_roles(self, actor: Actor, identity: str, roles: Iterable[str]) -> Identity:
        """Gives an identity global roles, those that it has already included; the identity as it is then."""
        return await self._set_roles(actor, identity, roles, "roles.add", lambda held, given: {*held, *given})

    async def remove_roles(self, actor: Actor, identity: str, roles: Iterable[str]) -> Identity:
        """Takes global roles away, those that it does not have included; the identity as it is then."""
        return await self._set_roles(actor, identity, roles, "roles.remove", lambda held, given: {*held} - {*given})

    async def _set_roles(
        self,
        caller: Actor,
        identity: str,
        words: Iterable[str],
        what: str,
        changed: Callable[[Iterable[GlobalRole], Iterable[GlobalRole]], set[GlobalRole]],
    ) -> Identity:
        async with self._changes.by(caller) as (change, actor):
            given = self._granting.roles(actor, words, Operation.EDIT_GLOBAL_ROLES)
            found = await change.identity(identity) if is_id(identity) else None
            found = existing(found, Reason.UNKNOWN_IDENTITY, "identity")
            inside = reaches(actor, Operation.EDIT_GLOBAL_ROLES, found, self._switches)
            if not inside or not ranks(actor, found, self._switches):
                raise Rejection(Reason.NOT_ALLOWED, "you cannot change the roles of this identity")
            kept = changed(found.roles, given)
            roles = tuple(sorted(kept))
            await change.set_roles(found.id, roles)
            told = {"before": " ".join(sorted(found.roles)), "after": " ".join(sorted(roles))}
            await change.audit(event(self._now(), actor, what, found.organization, found.id, **told))
        return replace(found, roles=roles)

    # --- memberships

    async def add_member(
        self, caller: Actor, project: str, identity: str, memberships: Sequence[Membership]
    ) -> Identity:
        """Makes an identity a member of a project; ALREADY_THERE for one that is."""
        async with self._changes.by(caller) as (change, actor):
            scope = self._granting.project(actor, project, Operation.EDIT_MEMBERSHIPS)
            found = existing(await self._member(change, actor, scope, identity), Reason.UNKNOWN_IDENTITY, "identity")
            if scope.slug in projects_of(found):
                raise Rejection(Reason.ALREADY_THERE, "the identity is a member of this project already")
            return await self._set(change, actor, scope, found, memberships, "member.add")

    async def change_member(
        self, caller: Actor, project: str, identity: str, memberships: Sequence[Membership]
    ) -> Identity:
        """Gives a member other memberships instead of those that it has in the project."""
        async with self._changes.by(caller) as (change, actor):
            scope = self._granting.project(actor, project, Operation.EDIT_MEMBERSHIPS)
            found = await self._member(change, actor, scope, identity)
            return await self._set(change, actor, scope, _inside(scope, found), memberships, "member.change")

    async def remove_member(self, caller: Actor, project: str, identity: str) -> Identity:
        """Takes an identity out of a project; its keys still say who they are."""
        async with self._changes.by(caller) as (change, actor):
            scope = self._granting.project(actor, project, Operation.EDIT_MEMBERSHIPS)
            found = await self._member(change, actor, scope, identity)
            return await self._set(change, actor, scope, _inside(scope, found), (), "member.remove")

    async def _member(self, change: Change, actor: Actor, project: Project, identity: str) -> Identity | None:
        """An identity that can be a member, and that the actor may know of."""
        found = await change.identity(identity) if is_id(identity) else None
        if found is None or found.kind not in _MEMBERS or found.organization != project.organization:
            return None
        if found.kind is Kind.USER and found.role is None:
            return None
        known = found.kind is Kind.USER or reaches(actor, Operation.SEE_PROJECT_KEYS, found, self._switches)
        return found if known else None

    async def _set(  # noqa: PLR0913, PLR0917 (who gives whom what, and what it is called)
        self,
        change: Change,
        actor: Actor,
        project: Project,
        found: Identity,
        memberships: Sequence[Membership],
        what: str,
    ) -> Identity:
        if not self._may_edit(actor, project, found):
            raise Rejection(Reason.NOT_ALLOWED, "you cannot change the memberships of this identity")
        given = Identity(found.id, Kind.PROJECT, project.organization, user=found.user, memberships=tuple(memberships))
        self._granting.refuse_memberships(actor, project, given, memberships)
        await change.set_memberships(found.id, project.slug, memberships)
        told = json.dumps([[each.role, dict(each.variables)] for each in memberships])
        details = {"project": project.slug, "memberships": told}
        await change.audit(event(self._now(), actor, what, found.organization, found.id, **details))
        others = (each for each in found.memberships if each.project != project.slug)
        return replace(found, memberships=(*others, *memberships))

    def _may_edit(self, actor: Actor, project: Project, found: Identity) -> bool:
        """Only what lies in the actor's own projects is edited by a project's administrator, and no higher rank."""
        if found.roles and not ranks(actor, replace(found, memberships=()), self._switches):
            return False
        extent = extents(actor, Operation.EDIT_MEMBERSHIPS, self._switches)
        return any(each.project in (None, project.slug) for each in extent)

    # --- looking

    async def identity(self, actor: Actor, identity: str) -> Identity:
        """An identity that the actor may know of: their own, or one of keys that they see."""
        found = await self._registry.identity(identity) if is_id(identity) else None
        if found is None or not self.knows(actor, found):
            raise Rejection(Reason.UNKNOWN_IDENTITY, "there is no identity of this id that is yours to see")
        return found

    def knows(self, actor: Actor, found: Identity) -> bool:
        """Whether the actor may know what an identity holds: it is their own, or they see its keys."""
        own = isinstance(actor, Principal) and actor.identity.id == found.id
        return own or may_know(actor, found, self._switches)

    def projects(self, actor: Actor) -> tuple[Project, ...]:
        """The projects that the actor may know of: all, those of the organization, or those they are a member of."""
        return tuple(each for _, each in sorted(self._projects.items()) if self.project_of(actor, each.slug))

    def project_of(self, actor: Actor, slug: str) -> Project | None:
        """A project that the actor may know of; None as well for one that there is not."""
        found = self._projects.get(slug)
        if found is None:
            return None
        inside = isinstance(actor, Principal) and slug in projects_of(actor.identity)
        own = inside and actor.organization == found.organization
        return found if own or self.sees_members(actor, slug) else None

    def sees_members(self, actor: Actor, project: str) -> bool:
        """Whether the actor sees who is in a project: whoever sees its keys."""
        found = self._projects.get(project)
        return found is not None and reaches(actor, Operation.SEE_PROJECT_KEYS, anybody_in(found), self._switches)

    async def members(self, actor: Actor, project: str) -> tuple[Identity, ...]:
        """The identities with a membership in a project, by id; none where the actor may not see the project's keys.

        A user who has left the organization is not among them, nor can be given or lose a membership.
        """
        if not self.sees_members(actor, project):
            return ()
        found: list[Identity] = []
        after = None
        while True:
            page = await self._registry.identities_of_project(project, limit=PAGE, after=after)
            found += filter(_is_there, page)
            if len(page) < PAGE:
                return tuple(found)
            after = page[-1].id

    async def member(self, actor: Actor, project: str, identity: str) -> Identity | None:
        """An identity out of `members`."""
        if not self.sees_members(actor, project) or not is_id(identity):
            return None
        found = await self._registry.identity(identity)
        return found if found and _is_there(found) and project in projects_of(found) else None


def _is_there(found: Identity) -> bool:
    return found.kind is not Kind.USER or found.role is not None


def _inside(project: Project, found: Identity | None) -> Identity:
    if found is None or project.slug not in projects_of(found):
        raise Rejection(Reason.NOT_MEMBER, "the identity is no member of this project")
    return found
