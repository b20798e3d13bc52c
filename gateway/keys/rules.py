"""Who may create, see, revoke and limit which key, give which rights, and manage whom. These rules alone decide it; no
policy does. The table is in `matrix`; here is what it means for one caller and one thing.

A thing that the caller may not see is answered like one that there is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.http1 import Reason, Refusal
from gateway.keys.matrix import CREATING, GRANTABLE, LIMITING, MATRIX, REVOKING, SEEING, Operation, Reach, Standing
from gateway.keys.model import GlobalRole, Identity, Key, Kind, Principal, Role
from gateway.keys.permissions import gives_api_keys
from gateway.keys.projects import ADMIN

SESSION = "session"
"""The category of a user's key that came from a login; such a key is no API key and is not listed as one."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Whoever has the command line of this installation: manages the keys of one organization, or of all for None."""

    organization: str | None = None


Actor = Principal | Operator


@dataclass(frozen=True, slots=True)
class Switches:
    """Where the sources say two things."""

    organization_keys_manage: bool = False
    """Whether an organization's key, "a super key", may manage its organization's keys, those of users apart. By
    default it may not: generating takes "a platform or organization administrator", which a key is none."""
    user_keys_reach_all: bool = True
    """Whether the user key of a platform administrator manages keys across organizations ("anything you can do, your
    API key can do"), or those of its own organization alone ("a specific user in an organization")."""


DEFAULT_SWITCHES = Switches()


@dataclass(frozen=True, slots=True)
class Extent:
    """Identities of one organization, of one user, or with a membership in one project; None is any."""

    organization: str | None = None
    user: str | None = None
    project: str | None = None

    def holds(self, identity: Identity) -> bool:
        return (
            self.organization in (None, identity.organization)
            and self.user in (None, identity.user)
            and (self.project is None or self.project in projects_of(identity))
        )


def projects_of(identity: Identity) -> frozenset[str]:
    return frozenset(membership.project for membership in identity.memberships)


def standings(actor: Actor, switches: Switches = DEFAULT_SWITCHES) -> frozenset[Standing]:
    """All that a caller is."""
    if isinstance(actor, Operator):
        return frozenset({Standing.OPERATOR})
    identity = actor.identity
    found = {_GLOBAL[role] for role in identity.roles if role in _GLOBAL}
    if administered(actor):
        found.add(Standing.PROJECT_ADMIN)
    if identity.kind is Kind.USER and identity.role is not None:
        found |= {Standing.USER, *_levels(actor, switches)}
    if identity.kind is Kind.ORGANIZATION and switches.organization_keys_manage:
        found.add(Standing.MANAGING_KEY)
    return frozenset(found)


_GLOBAL = {
    GlobalRole.SUPER_ADMIN: Standing.PLATFORM_ADMIN,
    GlobalRole.PROJECT_ADMIN: Standing.GLOBAL_PROJECT_ADMIN,
    GlobalRole.MONITOR: Standing.MONITOR,
}


def _levels(actor: Principal, switches: Switches) -> Iterable[Standing]:
    role = actor.identity.role
    if role is Role.PLATFORM_ADMIN and (actor.session or switches.user_keys_reach_all):
        yield Standing.PLATFORM_ADMIN
    elif role in (Role.PLATFORM_ADMIN, Role.ORGANIZATION_ADMIN):
        yield Standing.ORGANIZATION_ADMIN


def administered(actor: Actor) -> frozenset[str]:
    """The projects in which the caller has the role `admin`."""
    if isinstance(actor, Operator):
        return frozenset()
    return frozenset(each.project for each in actor.identity.memberships if each.role == ADMIN)


def extents(actor: Actor, operation: Operation, switches: Switches = DEFAULT_SWITCHES) -> tuple[Extent, ...]:
    """On which identities the caller may do something: on those of any of the extents, on none where there is none."""
    found: dict[Extent, None] = {}
    for standing in sorted(standings(actor, switches), key=lambda each: each.value):
        found |= dict.fromkeys(_extents(actor, MATRIX[operation][standing]))
    return (Extent(),) if Extent() in found else tuple(found)


def _extents(actor: Actor, reach: Reach) -> Iterable[Extent]:
    match reach:
        case Reach.ALL if isinstance(actor, Operator) and actor.organization is not None:
            yield Extent(organization=actor.organization)
        case Reach.ALL:
            yield Extent()
        case Reach.ORGANIZATION:
            yield Extent(organization=actor.organization)
        case Reach.PROJECT:
            # a name that the configuration gave to another organization leads nowhere
            yield from (Extent(actor.organization, project=project) for project in sorted(administered(actor)))
        case Reach.OWN if isinstance(actor, Principal) and actor.identity.user is not None:
            yield Extent(user=actor.identity.user)
        case _:
            return


def reaches(actor: Actor, operation: Operation, identity: Identity, switches: Switches = DEFAULT_SWITCHES) -> bool:
    return any(extent.holds(identity) for extent in extents(actor, operation, switches))


# --- creating -----------------------------------------------------------------------------------------------------


def may_create(actor: Actor, owner: Identity, switches: Switches = DEFAULT_SWITCHES) -> Refusal | None:
    """Whether the actor may create a key that stands for `owner`; None is yes.

    What the key can do then is another question, see `may_give_roles` and, for memberships, `policy.covers`.
    """
    if not reaches(actor, CREATING[owner.kind], owner, switches):
        return Refusal(Reason.NOT_ALLOWED, _why_not(actor, owner, switches))
    if owner.kind is Kind.USER and isinstance(actor, Principal):
        return _elsewhere(actor, owner) or _without_access(owner)
    return None


def _elsewhere(actor: Principal, owner: Identity) -> Refusal | None:
    """A user key is for "a specific user in an organization": one that leaked does not lead into the next."""
    if actor.session or owner.organization == actor.organization:
        return None
    return Refusal(Reason.NOT_ALLOWED, "a key for another of your organizations can be generated after a login only")


def _without_access(owner: Identity) -> Refusal | None:
    if gives_api_keys(owner):
        return None
    message = "API key access is not enabled for any of your groups; contact a platform administrator"
    return Refusal(Reason.NOT_ALLOWED, message)


def _why_not(actor: Actor, owner: Identity, switches: Switches) -> str:
    if owner.kind is Kind.USER:
        return "a user key can be generated by its own user only"
    if extents(actor, CREATING[owner.kind], switches):
        return "you can create keys for your own organization and projects only; contact a platform administrator"
    if not standings(actor, switches):
        return "only a user's key can create keys, whatever the policy allows; contact a platform administrator"
    return "you need to be an administrator to create this kind of key; contact a platform administrator"


def may_give_roles(
    actor: Actor, roles: Iterable[GlobalRole], operation: Operation, switches: Switches = DEFAULT_SWITCHES
) -> Refusal | None:
    """Whether the actor may give, or take away, these global roles; `operation` is that which does so."""
    allowed = extents(actor, operation, switches) and set(roles) <= grantable(actor, switches)
    return None if allowed else Refusal(Reason.NOT_ALLOWED, "you cannot give or take away these global roles")


def grantable(actor: Actor, switches: Switches = DEFAULT_SWITCHES) -> frozenset[GlobalRole]:
    """The global roles that the actor deals in; an operator of one organization in none, for they hold everywhere."""
    if isinstance(actor, Operator):
        return frozenset(GlobalRole) if actor.organization is None else frozenset()
    found = standings(actor, switches)
    if Standing.PLATFORM_ADMIN in found:
        return frozenset(GlobalRole)
    return GRANTABLE if Standing.GLOBAL_PROJECT_ADMIN in found else frozenset()


# --- seeing and ending --------------------------------------------------------------------------------------------


def visible(actor: Actor, switches: Switches = DEFAULT_SWITCHES) -> dict[Kind, tuple[Extent, ...]]:
    """The keys in the actor's listings: for each kind, those of identities in any of the extents."""
    return {kind: extents(actor, operation, switches) for kind, operation in SEEING.items()}


def may_see(actor: Actor, key: Key, switches: Switches = DEFAULT_SWITCHES) -> bool:
    """Whether a key is in the actor's listings."""
    return may_know(actor, key.identity, switches)


def may_know(actor: Actor, identity: Identity, switches: Switches = DEFAULT_SWITCHES) -> bool:
    """Whether the actor sees the keys of an identity, and so may know that there is one."""
    return reaches(actor, SEEING[identity.kind], identity, switches)


def revocable(actor: Actor, key: Key | None, switches: Switches = DEFAULT_SWITCHES) -> Key | Refusal:
    """The key, if the actor may revoke it; `key` None is one that there is not, and is refused in the same words.

    One that the actor sees and may not revoke is refused in words of its own.
    """
    if key is not None and (is_itself(actor, key) or _may_revoke(actor, key.identity, switches)):
        return key
    if key is not None and may_see(actor, key, switches):
        return Refusal(Reason.NOT_ALLOWED, "you cannot revoke this key; contact a platform administrator")
    return Refusal(Reason.UNKNOWN_KEY, "no key of this id is yours to manage; contact a platform administrator")


def _may_revoke(actor: Actor, identity: Identity, switches: Switches) -> bool:
    return reaches(actor, REVOKING[identity.kind], identity, switches) and ranks(actor, identity, switches)


def ranks(actor: Actor, identity: Identity, switches: Switches = DEFAULT_SWITCHES) -> bool:
    """Whether nothing about an identity is above the actor: neither a global role, nor another project's membership.

    Asked of projects' and global keys alone: an organization administrator manages the user keys of everybody in the
    organization ("manage API keys within your assigned organization").
    """
    if identity.kind not in (Kind.PROJECT, Kind.GLOBAL):
        return True
    if identity.roles and not set(identity.roles) <= grantable(actor, switches):
        return False
    inside = extents(actor, Operation.EDIT_MEMBERSHIPS, switches)
    wide = any(extent.project is None and extent.holds(identity) for extent in inside)
    return wide or identity.kind is Kind.GLOBAL or projects_of(identity) <= administered(actor)


def is_itself(actor: Actor, key: Key) -> bool:
    return isinstance(actor, Principal) and actor.key_id == key.id


def is_session(key: Key) -> bool:
    return key.identity.kind is Kind.USER and key.category == SESSION


def suspended(key: Key) -> bool:
    """Whether a user's API key does not work at present, because no group of the user enables API keys."""
    return key.identity.kind is Kind.USER and not is_session(key) and not gives_api_keys(key.identity)


# --- people -------------------------------------------------------------------------------------------------------


def may_manage_people(actor: Actor, organization: str, switches: Switches = DEFAULT_SWITCHES) -> Refusal | None:
    """Users, groups and the switch for API keys of an organization; None is yes."""
    allowed = _in_extents(actor, Operation.MANAGE_PEOPLE, organization, switches)
    message = "you need to be an administrator to manage users and groups; contact a platform administrator"
    return None if allowed else Refusal(Reason.NOT_ALLOWED, message)


# --- limits -------------------------------------------------------------------------------------------------------


def limitable(actor: Actor, key: Key | None, switches: Switches = DEFAULT_SWITCHES) -> Key | Refusal:
    """The key, if the actor may set its limits; `key` None is one that there is not, and is refused in the same words.

    No key sets its own, so that a leaked one cannot lift them. A login's session is no API key.
    """
    unknown = Refusal(Reason.UNKNOWN_KEY, "no key of this id is yours to manage; contact a platform administrator")
    if key is None or is_session(key):
        return unknown
    if is_itself(actor, key):
        return Refusal(Reason.NOT_ALLOWED, "no key sets its own limits; contact an administrator")
    refusal = may_limit(actor, key.identity, switches)
    if refusal is None:
        return key
    return refusal if may_see(actor, key, switches) else unknown


def may_limit(actor: Actor, owner: Identity, switches: Switches = DEFAULT_SWITCHES) -> Refusal | None:
    """Whether the actor may set the limits of keys that stand for `owner`, new ones too; None is yes."""
    if reaches(actor, LIMITING[owner.kind], owner, switches) and ranks(actor, owner, switches):
        return None
    return Refusal(Reason.NOT_ALLOWED, "you cannot set limits of this key; contact an administrator")


def may_limit_organization(actor: Actor, organization: str, switches: Switches = DEFAULT_SWITCHES) -> Refusal | None:
    """Whether the actor may set the limits of an organization, whether there is one or not; None is yes."""
    if _in_extents(actor, Operation.LIMIT_ORGANIZATIONS, organization, switches):
        return None
    return Refusal(Reason.NOT_ALLOWED, "only a platform administrator sets the limits of an organization")


def may_see_organization_limits(
    actor: Actor, organization: str, switches: Switches = DEFAULT_SWITCHES
) -> Refusal | None:
    """Whether the actor may ask for the limits of an organization; None is yes."""
    if _in_extents(actor, Operation.SEE_ORGANIZATION_LIMITS, organization, switches):
        return None
    message = "you need to be an administrator to see the limits of an organization; `GET /whoami` tells those of a key"
    return Refusal(Reason.NOT_ALLOWED, message)


def _in_extents(actor: Actor, operation: Operation, organization: str, switches: Switches) -> bool:
    return any(each.organization in (None, organization) for each in extents(actor, operation, switches))
