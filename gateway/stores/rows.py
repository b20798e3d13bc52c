"""What is selected, and the rows as values.

The role of an identity is no column of it: it is read from the user and the membership each time, so that a key
follows its owner at once.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, Row, bindparam, case, select

from gateway.keys import Digest, Identity, Key, Kind, Role
from gateway.stores.base import AuditEvent
from gateway.stores.chain import Head
from gateway.stores.journal import Mark, Record
from gateway.stores.tables import audit_events, changes, identities, keys, members, users

_ROLE: ColumnElement[str | None] = case((users.c.platform_admin, Role.PLATFORM_ADMIN.value), else_=members.c.role)
_IDENTITY = (
    identities.c.id.label("identity_id"),
    identities.c.kind,
    identities.c.organization_id,
    identities.c.user_id,
    identities.c.instance_id,
    _ROLE.label("role"),
    users.c.status,
)
_KEY = (
    keys.c.id,
    keys.c.name,
    keys.c.category,
    keys.c.policy,
    keys.c.start,
    keys.c.created_at,
    keys.c.created_by,
    keys.c.expires_at,
    keys.c.revoked_at,
    keys.c.version,
    *_IDENTITY,
)
_OWNER = (users, identities.c.user_id == users.c.id)
_MEMBER = (
    members,
    (identities.c.user_id == members.c.user_id) & (identities.c.organization_id == members.c.organization_id),
)
IDENTITIES = select(*_IDENTITY).select_from(identities.outerjoin(*_OWNER).outerjoin(*_MEMBER))
KEYS = select(*_KEY).select_from(keys.join(identities).outerjoin(*_OWNER).outerjoin(*_MEMBER))

_newest = select(changes.c.seq, changes.c.nonce).order_by(changes.c.seq.desc()).limit(1).subquery("newest")
BY_DIGEST = select(_newest, *_KEY).select_from(
    _newest.outerjoin(keys, keys.c.digest == bindparam("digest"))
    .outerjoin(identities, keys.c.identity_id == identities.c.id)
    .outerjoin(*_OWNER)
    .outerjoin(*_MEMBER)
)

BEFORE_ALL = -(2**63)
EVENTS_AFTER = (
    select(audit_events)
    .where(audit_events.c.id > bindparam("after", type_=BigInteger))
    .order_by(audit_events.c.id)
    .limit(bindparam("page", type_=Integer))
)


def identity(row: Row[Any]) -> Identity:
    return Identity(
        id=row.identity_id,
        kind=Kind(row.kind),
        organization=row.organization_id,
        user=row.user_id,
        role=None if row.role is None else Role(row.role),
        integration_instance=row.instance_id,
    )


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
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        version=row.version,
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
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "version": key.version,
    }


def record(digest: Digest, row: Row[Any]) -> Record:
    why = _why_not_live(row)
    return Record(digest, Mark(row.seq, row.nonce), None if why else key(row), why)


def _why_not_live(row: Row[Any]) -> str:
    if row.id is None:
        return "unknown"
    if row.revoked_at is not None:
        return "revoked"
    return why_powerless(row)


def why_powerless(row: Row[Any]) -> str:
    """Why a user's credentials are dead whatever they are: they never outlive what their owner may do."""
    if row.kind != Kind.USER:
        return ""
    if row.status != "active":
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
    return AuditEvent(row.at, row.actor, row.organization_id, row.event, row.subject, details)


def chain_id(organization: str | None) -> str:
    return organization or ""


def head(row: Row[Any]) -> Head:
    return Head(row.organization_id or None, row.events, row.hash)
