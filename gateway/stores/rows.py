"""What is selected, and the rows as values.

Nothing that an identity may do is a column of its keys: role, groups, global roles and memberships are read each time,
so that a key follows them at once. What there may be several of comes as one text, a line for each: of a membership its
JSON, of a group its name, a tab, and its rights as JSON. No name has a control character.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, Row, bindparam, case, exists, func, or_, select

from gateway.keys import (
    ADMINISTRATOR,
    Digest,
    GlobalRole,
    GroupRights,
    Identity,
    Key,
    Kind,
    Membership,
    Role,
    effective,
    limits_of,
    limits_text,
    suspended,
)
from gateway.stores.base import StoreUnavailable
from gateway.stores.chain import Head
from gateway.stores.journal import UNKNOWN, Mark, Record
from gateway.stores.tables import (
    alarms,
    audit_events,
    changes,
    group_members,
    groups,
    identities,
    keys,
    members,
    memberships,
    organizations,
    users,
)
from gateway.stores.values import Alarm, AuditEvent, Group, IntegrationInstance, Member, Organization, User, UserStatus

IN_GROUP: ColumnElement[bool] = or_(
    groups.c.everyone,
    exists()
    .where(group_members.c.group_id == groups.c.id, group_members.c.user_id == members.c.user_id)
    .correlate(groups, members),  # said, because by itself it is taken for any member
)
"""Where both a group and a member of its organization are selected from, at whatever depth."""

_GROUPS = (
    select(func.aggregate_strings(groups.c.name.concat("\t").concat(groups.c.rights), "\n"))
    .where(groups.c.organization_id == members.c.organization_id, IN_GROUP)
    .correlate(members)
    .scalar_subquery()
)
_MEMBERSHIPS = (
    select(func.aggregate_strings(memberships.c.membership, "\n"))
    .where(memberships.c.identity_id == identities.c.id)
    .correlate(identities)
    .scalar_subquery()
)
# Of a member: whoever was removed from an organization has none there, platform administrators included.
_ROLE: ColumnElement[str | None] = case(
    (members.c.role.is_not(None) & users.c.platform_admin, Role.PLATFORM_ADMIN.value), else_=members.c.role
)
_IDENTITY = (
    identities.c.id.label("identity_id"),
    identities.c.kind,
    identities.c.organization_id,
    identities.c.user_id,
    identities.c.instance_id,
    identities.c.description,
    identities.c.roles,
    _ROLE.label("role"),
    users.c.status,
    _GROUPS.label("groups"),
    _MEMBERSHIPS.label("memberships"),
)
_KEY = (
    keys.c.id,
    keys.c.name,
    keys.c.category,
    keys.c.policy,
    keys.c.start,
    keys.c.created_at,
    keys.c.created_by,
    keys.c.created_via,
    keys.c.expires_at,
    keys.c.revoked_at,
    keys.c.revoked_by,
    keys.c.version,
    keys.c.limits,
    organizations.c.max_key_days,
    organizations.c.limits.label("organization_limits"),
    *_IDENTITY,
)
_USER = (
    users.c.email,
    users.c.platform_admin,
    users.c.first_name,
    users.c.last_name,
    users.c.created_at.label("user_created_at"),
    users.c.last_login_at,
)
_OWNER = (users, identities.c.user_id == users.c.id)
_MEMBER = (
    members,
    (identities.c.user_id == members.c.user_id) & (identities.c.organization_id == members.c.organization_id),
)
_ORGANIZATION = (organizations, identities.c.organization_id == organizations.c.id)
IDENTITIES = select(*_IDENTITY).select_from(identities.outerjoin(*_OWNER).outerjoin(*_MEMBER))
USERS = select(users.c.id.label("user_id"), users.c.status, *_USER)
MEMBERS = select(*_IDENTITY, *_USER).select_from(identities.join(*_OWNER).join(*_MEMBER))
KEYS = select(*_KEY).select_from(keys.join(identities).outerjoin(*_OWNER).outerjoin(*_MEMBER).outerjoin(*_ORGANIZATION))

_newest = select(changes.c.seq, changes.c.nonce).order_by(changes.c.seq.desc()).limit(1).subquery("newest")
BY_DIGEST = select(_newest, *_KEY).select_from(
    _newest.outerjoin(keys, keys.c.digest == bindparam("digest"))
    .outerjoin(identities, keys.c.identity_id == identities.c.id)
    .outerjoin(*_OWNER)
    .outerjoin(*_MEMBER)
    .outerjoin(*_ORGANIZATION)
)

BEFORE_ALL = -(2**63)
EVENTS_AFTER = (
    select(audit_events)
    .where(audit_events.c.id > bindparam("after", type_=BigInteger))
    .order_by(audit_events.c.id)
    .limit(bindparam("page", type_=Integer))
)

ALARMS = select(alarms).order_by(alarms.c.at, alarms.c.id)
ALARMED = select(alarms.c.id, alarms.c.organization_id)


# --- identities ---------------------------------------------------------------------------------------------------


def identity(row: Row[Any]) -> Identity:
    its_groups = tuple(_rights(*line.split("\t", 1)) for line in _lines(row.groups))
    return Identity(
        id=row.identity_id,
        kind=Kind(row.kind),
        organization=row.organization_id or "",
        user=row.user_id,
        role=_role(row.role, its_groups),
        integration_instance=row.instance_id,
        description=row.description,
        roles=tuple(GlobalRole(word) for word in json.loads(row.roles) if word in _GLOBAL_ROLES),
        memberships=tuple(_membership(each) for each in sorted(json.loads(line) for line in _lines(row.memberships))),
        groups=its_groups,
    )


_GLOBAL_ROLES = frozenset(GlobalRole)


def _lines(text: str | None) -> list[str]:
    return text.split("\n") if text else []


def _role(word: str | None, its_groups: tuple[GroupRights, ...]) -> Role | None:
    """A group can make a member an administrator; it makes nobody a member."""
    if word is None:
        return None
    role = Role(word)
    administrates = role is Role.USER and any(ADMINISTRATOR in group.permissions for group in its_groups)
    return Role.ORGANIZATION_ADMIN if administrates else role


def _rights(name: str, text: str) -> GroupRights:
    value = json.loads(text)
    return GroupRights(tuple(value["permissions"]), value["query_policy"], name)


def rights_text(rights: GroupRights) -> str:
    return json.dumps({"permissions": rights.permissions, "query_policy": rights.query_policy})


def _membership(value: list[Any]) -> Membership:
    project, _, role, variables = value
    return Membership(project, role, tuple((name, tuple(values)) for name, values in variables))


def membership_row(identity: str, position: int, membership: Membership) -> dict[str, Any]:
    value = [membership.project, position, membership.role, membership.variables]
    row = {"identity_id": identity, "project": membership.project, "position": position}
    return row | {"membership": json.dumps(value)}


def user(row: Row[Any]) -> User:
    """Of a row of USERS or MEMBERS."""
    return User(
        id=row.user_id,
        email=row.email,
        platform_admin=row.platform_admin,
        status=UserStatus(row.status),
        first_name=row.first_name,
        last_name=row.last_name,
        created_at=row.user_created_at,
        last_login_at=row.last_login_at,
    )


def member(row: Row[Any]) -> Member:
    """Of a row of MEMBERS."""
    return Member(user(row), identity(row))


def group(row: Row[Any]) -> Group:
    return Group(row.id, row.organization_id, row.name, row.description, row.everyone, _rights(row.name, row.rights))


def group_row(group: Group) -> dict[str, Any]:
    row = {"id": group.id, "organization_id": group.organization, "name": group.name}
    return row | {"description": group.description, "everyone": group.everyone, "rights": rights_text(group.rights)}


def organization(row: Row[Any]) -> Organization:
    return Organization(row.id, row.name, row.max_key_days, limits_of(row.limits))


def instance(row: Row[Any]) -> IntegrationInstance:
    return IntegrationInstance(row.id, row.organization_id, row.name, row.deleted_at)


# --- keys ---------------------------------------------------------------------------------------------------------


def key(row: Row[Any]) -> Key:
    return Key(
        id=row.id,
        identity=identity(row),
        name=row.name,
        category=row.category,
        policy=row.policy,
        start=row.start,
        created_at=row.created_at,
        created_by=row.created_by,
        created_via=row.created_via,
        expires_at=effective(row.created_at, row.expires_at, row.max_key_days),
        revoked_at=row.revoked_at,
        revoked_by=row.revoked_by,
        version=row.version,
        limits=limits_of(row.limits),
        organization_limits=limits_of(row.organization_limits),
    )


def key_row(key: Key, digest: Digest) -> dict[str, Any]:
    return {
        "id": key.id,
        "digest": digest,
        "identity_id": key.identity.id,
        "name": key.name,
        "category": key.category,
        "policy": key.policy,
        "start": key.start,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "created_via": key.created_via,
        "organization_id": key.identity.organization or None,
        "kind": key.identity.kind,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "version": key.version,
        "limits": limits_text(key.limits),
    }


def record_of(digest: Digest, found: Sequence[Any]) -> Record:
    """Of the rows of BY_DIGEST, whose columns are attributes; it is one. Raises StoreUnavailable."""
    if not found:  # not even the newest change, which is in every row
        raise StoreUnavailable("the database is damaged: its table of changes is empty")
    row = found[0]
    why = why_not_live(row)
    return Record(digest, Mark(row.seq, row.nonce), None if why else key(row), why, row.organization_id or "")


def why_not_live(row: Row[Any]) -> str:
    """Why a key is no credential now, its end apart; empty where it is one."""
    if row.id is None:
        return UNKNOWN
    if row.revoked_at is not None:
        return "revoked"
    return why_powerless(row) or ("the owner's API keys are suspended" if suspended(key(row)) else "")


def why_powerless(row: Row[Any]) -> str:
    """Why a user's credentials are dead whatever they are: they never outlive what their owner may do."""
    if row.kind != Kind.USER:
        return ""
    if row.status != UserStatus.ACTIVE:
        return "the owner is not active"
    return "" if row.role else "the owner is not a member"


def audit_row(event: AuditEvent) -> dict[str, Any]:
    return {
        "at": event.at,
        "actor": event.actor,
        "organization_id": event.organization,
        "event": event.event,
        "subject": event.subject,
        "details": json.dumps(dict(event.details), ensure_ascii=False, sort_keys=True),
    }


def audit_event(row: Row[Any]) -> AuditEvent:
    details = tuple(sorted(json.loads(row.details).items()))
    return AuditEvent(row.at, row.actor, row.organization_id, row.event, row.subject, details, row.id)


def alarm(row: Row[Any]) -> Alarm:
    return Alarm(row.id, row.organization_id, row.policy, row.shape, row.at, row.key_id, row.request_id, row.why)


def alarm_row(alarm: Alarm) -> dict[str, Any]:
    return {
        "id": alarm.id,
        "organization_id": alarm.organization,
        "policy": alarm.policy,
        "shape": alarm.shape,
        "at": alarm.at,
        "key_id": alarm.key,
        "request_id": alarm.call,
        "why": alarm.why,
    }


def chain_id(organization: str | None) -> str:
    return organization or ""


def head(row: Row[Any]) -> Head:
    return Head(row.organization_id or None, row.events, row.hash)
