"""What may be given: global roles, memberships and another key, checked before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.control.rejection import Rejection, accepted
from gateway.http1 import Reason
from gateway.keys import (
    UNLIMITED_CALLS,
    Actor,
    CallLimits,
    Extent,
    GlobalRole,
    Identity,
    Kind,
    Membership,
    Operation,
    Principal,
    Project,
    Projects,
    Switches,
    extents,
    is_session,
    limits_refused,
    may_give_roles,
    may_limit,
    membership_faults,
    policy_of,
    reaches,
)
from gateway.policy import PolicyOptions, covers
from gateway.stores.base import Change
from gateway.stores.values import UserStatus


@dataclass(frozen=True, slots=True)
class Granting:
    projects: Projects
    policy: PolicyOptions
    switches: Switches
    max_memberships: int
    """Of an identity in one project."""

    def project(self, actor: Actor, slug: str, operation: Operation) -> Project:
        """A project in which the actor may do that.

        One that there is not is told to those alone who may do it in any; to others it is one that is not theirs.
        """
        found = self.projects.get(slug)
        if found is not None and reaches(actor, operation, anybody_in(found), self.switches):
            return found
        if found is None and Extent() in extents(actor, operation, self.switches):
            raise Rejection(Reason.UNKNOWN_PROJECT, "there is no project of this slug")
        message = "you are not allowed to do this in this project; contact a platform administrator"
        raise Rejection(Reason.NOT_ALLOWED, message)

    def roles(self, actor: Actor, words: Iterable[str], operation: Operation) -> tuple[GlobalRole, ...]:
        """Global roles by their names, each once, that the actor may deal in."""
        names = list(dict.fromkeys(words))
        known = [GlobalRole(name) for name in names if name in _GLOBAL_ROLES]
        accepted(may_give_roles(actor, known, operation, self.switches))
        if len(known) != len(names):
            unknown = next(name for name in names if name not in _GLOBAL_ROLES)
            registered = ", ".join(sorted(GlobalRole))
            raise Rejection(Reason.UNKNOWN_ROLE, f"`{unknown[:64]}` is no global role; there are {registered}")
        return tuple(known)

    def refuse_memberships(
        self, actor: Actor, project: Project, owner: Identity, memberships: Sequence[Membership]
    ) -> None:
        """Refuses memberships that do not fit the project's roles, or give more than the actor has."""
        if len(memberships) > self.max_memberships:
            message = f"an identity has up to {self.max_memberships} memberships in a project"
            raise Rejection(Reason.INVALID_INPUT, message)
        if any(len(each.variables) > _VARIABLES for each in memberships):
            raise Rejection(Reason.INVALID_INPUT, f"a membership gives values for up to {_VARIABLES} variables")
        faults = tuple(fault for each in memberships for fault in membership_faults(project, each, self.policy))
        if faults:
            message = "; ".join(fault.message for fault in faults)
            raise Rejection(Reason.INVALID_MEMBERSHIP, message, faults)
        self.refuse_more_than_own(actor, owner)

    def refuse_limits(self, actor: Actor, owner: Identity, limits: CallLimits) -> None:
        """Refuses limits of a new key that cannot be, or that the actor could not set afterwards."""
        if limits != UNLIMITED_CALLS:
            refuse_impossible(limits)
            accepted(may_limit(actor, owner, self.switches))

    def refuse_more_than_own(self, actor: Actor, owner: Identity) -> None:
        """Nobody can give more than they have: a project's administrator what their own memberships give."""
        if owner.kind is not Kind.PROJECT or not isinstance(actor, Principal):
            return
        wide = [each for each in extents(actor, Operation.EDIT_MEMBERSHIPS, self.switches) if each.project is None]
        if any(each.organization in (None, owner.organization) for each in wide):
            return
        if not covers(policy_of(actor.identity, self.projects), policy_of(owner, self.projects)):
            raise Rejection(
                Reason.NOT_ALLOWED, "you cannot give more than you have: a role or its values go beyond yours"
            )


_GLOBAL_ROLES = frozenset(GlobalRole)
_VARIABLES = 200
"""Of one membership: each has a fault of its own to be told of, and other changes wait. Roles have a handful."""
USER_KEYS = 500
"""API keys that a user may have at a time, expired ones too: what changes a user ends or tells of all of them in one
change, and other changes wait for it no longer than `sql_wait`. An operator, who imports keys, may make more."""


async def refuse_many_keys(change: Change, user: str) -> None:
    """Refuses another key of a user who has very many."""
    owned = [key for key in await change.keys_of_user(user) if not is_session(key)]
    if len(owned) >= USER_KEYS:
        message = f"a user has up to {USER_KEYS} keys: revoke those that you do not need any more"
        raise Rejection(Reason.INVALID_INPUT, message)


async def refuse_gone(change: Change, owner: Identity) -> None:
    """Refuses a key of a user who is not active."""
    user = await change.user(owner.user or "")
    if user is None or user.status is not UserStatus.ACTIVE:
        raise Rejection(Reason.NOT_ALLOWED, "the user is not active; contact a platform administrator")


def refuse_impossible(limits: CallLimits) -> None:
    """Refuses limits that cannot be."""
    if fault := limits_refused(limits):
        raise Rejection(Reason.INVALID_INPUT, fault)


def anybody_in(project: Project) -> Identity:
    """Stands for the identities of a project where the question is what may be done to any of them."""
    return Identity("", Kind.PROJECT, project.organization, memberships=(Membership(project.slug, ""),))
