"""A change under way: one transaction over a database that SQLAlchemy Core speaks to.

What changes what a key may do writes rows of `changes`: one for each key concerned where that is a handful (those of an
identity, of a user), and one for an organization where it may be all of its keys.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Executable, Insert, Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.keys import (
    API_KEYS,
    EVERYONE,
    CallLimits,
    Digest,
    GlobalRole,
    GroupRights,
    Identity,
    Key,
    Kind,
    Membership,
    Role,
    limits_text,
)
from gateway.stores import rows
from gateway.stores.chain import followed
from gateway.stores.faults import faults_named
from gateway.stores.tables import (
    CANARY,
    alarms,
    audit_chains,
    audit_events,
    changes,
    group_members,
    groups,
    identities,
    integration_instances,
    key_uses,
    keys,
    logins,
    members,
    memberships,
    organizations,
    users,
)
from gateway.stores.values import Alarm, AuditEvent, Group, IntegrationInstance, Organization, User, UserStatus

Values = dict[str, Any]


class SqlChange:
    """A transaction under way, see `Change`. What refers to a thing that is not there raises ValueError."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.is_told = False
        """Whether a row of `changes` was written, which tells the gateways what to forget."""

    # --- what is there

    async def organization(self, organization: str) -> Organization | None:
        found = await self._read(select(organizations).where(organizations.c.id == organization))
        return rows.organization(found[0]) if found else None

    async def user(self, user: str) -> User | None:
        found = await self._read(rows.USERS.where(users.c.id == user))
        return rows.user(found[0]) if found else None

    async def user_of(self, email: str) -> User | None:
        found = await self._read(rows.USERS.where(users.c.email_folded == email.casefold()))
        return rows.user(found[0]) if found else None

    async def identities_of_user(self, user: str) -> tuple[Identity, ...]:
        found = await self._read(
            rows.MEMBERS.where(identities.c.user_id == user).order_by(identities.c.organization_id)
        )
        return tuple(rows.identity(row) for row in found)

    async def identity(self, identity: str) -> Identity | None:
        found = await self._read(rows.IDENTITIES.where(identities.c.id == identity))
        return rows.identity(found[0]) if found else None

    async def identity_of(self, user: str, organization: str) -> Identity | None:
        of_member = rows.MEMBERS.where(identities.c.user_id == user, identities.c.organization_id == organization)
        found = await self._read(of_member)
        return rows.identity(found[0]) if found else None

    async def group(self, group: str) -> Group | None:
        found = await self._read(select(groups).where(groups.c.id == group))
        return rows.group(found[0]) if found else None

    async def integration_instance(self, instance: str) -> IntegrationInstance | None:
        own = integration_instances.c.id == instance
        found = await self._read(select(integration_instances).where(own, integration_instances.c.deleted_at.is_(None)))
        return rows.instance(found[0]) if found else None

    async def key(self, key_id: str) -> Key | None:
        found = await self._read(rows.KEYS.where(keys.c.id == key_id))
        return rows.key(found[0]) if found else None

    async def live_key(self, key_id: str) -> Key | None:
        found = await self._read(rows.KEYS.where(keys.c.id == key_id))
        return rows.key(found[0]) if found and not rows.why_not_live(found[0]) else None

    # --- organizations and people

    async def add_organization(self, organization: Organization) -> None:
        row = {"id": organization.id, "name": organization.name, "max_key_days": organization.max_key_days}
        row |= {"limits": limits_text(organization.limits)}
        await self._write(insert(organizations), row)
        description = "All users of the organization"
        everyone = Group(f"everyone.{organization.id}", organization.id, EVERYONE, description, everyone=True)
        await self._write(insert(groups), rows.group_row(replace(everyone, rights=GroupRights((API_KEYS,)))))

    async def set_max_key_days(self, organization: str, days: int | None) -> None:
        own = organizations.c.id == organization
        await self._write(update(organizations).where(own).values(max_key_days=days))
        await self._organization_changed(organization)

    async def set_organization_limits(self, organization: str, limits: CallLimits) -> None:
        own = organizations.c.id == organization
        await self._write(update(organizations).where(own).values(limits=limits_text(limits)))
        await self._organization_changed(organization)

    async def add_user(self, user: str, email: str, *, platform_admin: bool) -> None:
        row = {"id": user, "email": email, "email_folded": email.casefold()}
        await self._write(insert(users), row | {"platform_admin": platform_admin, "status": UserStatus.ACTIVE})

    async def change_user(self, user: User) -> None:
        # No address has a space, so that of a deleted user is nobody's.
        folded = f"deleted {user.id}" if user.status is UserStatus.DELETED else user.email.casefold()
        row = {"email": user.email, "email_folded": folded, "platform_admin": user.platform_admin}
        row |= {"status": user.status, "first_name": user.first_name, "last_name": user.last_name}
        row |= {"created_at": user.created_at, "last_login_at": user.last_login_at}
        await self._write(update(users).where(users.c.id == user.id).values(row))
        await self._user_changed(user.id)

    async def add_member(self, user: str, organization: str, role: Role) -> None:
        await self._write(insert(members), {"user_id": user, "organization_id": organization, "role": role})
        await self._user_changed(user)  # keys left from an earlier membership may come alive again

    async def change_member(self, user: str, organization: str, role: Role) -> None:
        own = (members.c.user_id == user) & (members.c.organization_id == organization)
        await self._write(update(members).where(own).values(role=role))
        await self._user_changed(user)

    async def remove_member(self, user: str, organization: str) -> None:
        for table in (group_members, members):
            own = (table.c.user_id == user) & (table.c.organization_id == organization)
            await self._write(delete(table).where(own))
        own = (identities.c.user_id == user) & (identities.c.organization_id == organization)
        concerned = select(identities.c.id).where(own)
        await self._write(delete(memberships).where(memberships.c.identity_id.in_(concerned)))
        await self._write(update(identities).where(own).values(roles="[]"))
        await self._user_changed(user)

    async def add_group(self, group: Group) -> None:
        await self._write(insert(groups), rows.group_row(group))

    async def change_group(self, group: Group) -> None:
        row = {"name": group.name, "description": group.description, "rights": rows.rights_text(group.rights)}
        await self._write(update(groups).where(groups.c.id == group.id).values(row))
        await self._group_changed(group.id)

    async def remove_group(self, group: str) -> None:
        await self._group_changed(group)
        await self._write(delete(group_members).where(group_members.c.group_id == group))
        await self._write(delete(groups).where(groups.c.id == group))

    async def add_to_group(self, group: Group, user: str) -> None:
        inside = (group_members.c.group_id == group.id) & (group_members.c.user_id == user)
        if await self._read(select(group_members).where(inside)):
            return
        row = {"group_id": group.id, "user_id": user, "organization_id": group.organization}
        await self._write(insert(group_members), row)
        await self._user_changed(user)

    async def remove_from_group(self, group: Group, user: str) -> None:
        inside = (group_members.c.group_id == group.id) & (group_members.c.user_id == user)
        await self._write(delete(group_members).where(inside))
        await self._user_changed(user)

    async def add_integration_instance(self, instance: IntegrationInstance) -> None:
        row = {"id": instance.id, "organization_id": instance.organization, "name": instance.name}
        await self._write(insert(integration_instances), row)

    async def delete_integration_instance(self, instance: str, *, at: int) -> None:
        own = integration_instances.c.id == instance
        await self._write(update(integration_instances).where(own).values(deleted_at=at))

    async def keys_of_instance(self, instance: str) -> tuple[Key, ...]:
        return await self._keys(identities.c.instance_id == instance)

    async def keys_of_user(self, user: str) -> tuple[Key, ...]:
        return await self._keys((identities.c.user_id == user) & keys.c.revoked_at.is_(None))

    # --- identities and keys

    async def add_identity(self, identity: Identity) -> None:
        row = {"id": identity.id, "kind": identity.kind, "organization_id": identity.organization or None}
        row |= {"user_id": identity.user, "instance_id": identity.integration_instance}
        row |= {"description": identity.description, "roles": json.dumps(identity.roles)}
        await self._write(insert(identities), row)
        for position, membership in enumerate(identity.memberships):
            await self._write(insert(memberships), rows.membership_row(identity.id, position, membership))

    async def set_roles(self, identity: str, roles: Sequence[GlobalRole]) -> None:
        own = identities.c.id == identity
        await self._write(update(identities).where(own).values(roles=json.dumps(roles)))
        await self._keys_changed(own)

    async def set_memberships(self, identity: str, project: str, given: Sequence[Membership]) -> None:
        old = (memberships.c.identity_id == identity) & (memberships.c.project == project)
        await self._write(delete(memberships).where(old))
        for position, membership in enumerate(given):
            await self._write(insert(memberships), rows.membership_row(identity, position, membership))
        await self._keys_changed(identities.c.id == identity)

    async def add_key(self, key: Key, digest: Digest) -> None:
        await self._write(insert(keys), rows.key_row(key, digest))
        await self._changed(digest, key.version)

    async def revoke_key(self, key_id: str, *, at: int, by: str) -> None:
        await self._change_key(key_id, {"revoked_at": at, "revoked_by": by})

    async def shorten_key(self, key_id: str, *, expires_at: int) -> None:
        earlier = func.coalesce(keys.c.expires_at, expires_at)
        ends = await self._read(select(earlier).where(keys.c.id == key_id))
        if ends:
            await self._change_key(key_id, {"expires_at": min(ends[0][0], expires_at)})

    async def set_limits(self, key_id: str, limits: CallLimits) -> None:
        await self._change_key(key_id, {"limits": limits_text(limits)})

    async def _change_key(self, key_id: str, values: Values) -> None:
        """Of a live key; its version is raised."""
        live = (keys.c.id == key_id) & keys.c.revoked_at.is_(None)
        for key in await self._read(select(keys.c.digest, keys.c.version).where(live)):
            await self._write(update(keys).where(live).values(values | {"version": key.version + 1}))
            await self._changed(key.digest, key.version + 1)

    # --- canaries

    async def add_canary(self, digest: Digest, *, at: int) -> str:
        """See `Change`. All canaries are of one identity, which is in no organization and has no rights."""
        identity = Identity(f"canary:{CANARY}", Kind.GLOBAL, "")
        if await self.identity(identity.id) is None:
            await self.add_identity(identity)
        key = Key(f"canary:{digest[:32]}", identity, CANARY, None, None, "", at, None, None, None)
        await self._write(insert(keys), rows.key_row(key, digest) | {"kind": CANARY})
        await self._changed(digest, key.version)
        return key.id

    async def remove_canaries(self, *, before: int, at: int) -> None:
        """See `Change`. The newest change stays, whatever it is about: gateways stand there."""
        old = (keys.c.kind == CANARY) & (keys.c.created_at < before)
        for key in await self._read(select(keys.c.id).where(old, keys.c.revoked_at.is_(None))):
            await self.revoke_key(key.id, at=at, by=key.id)
        over = old & (keys.c.revoked_at < before)
        about = changes.c.digest.in_(select(keys.c.digest).where(over))
        newest = select(func.max(changes.c.seq)).scalar_subquery()
        await self._write(delete(changes).where(about, changes.c.seq < newest))
        await self._write(delete(key_uses).where(key_uses.c.key_id.in_(select(keys.c.id).where(over))))
        await self._write(delete(keys).where(over))

    # --- alarms

    async def alarms(self) -> tuple[Alarm, ...]:
        return tuple(map(rows.alarm, await self._read(rows.ALARMS)))

    async def add_alarm(self, alarm: Alarm) -> bool:
        if await self._read(select(alarms.c.id).where(alarms.c.id == alarm.id)):
            return False
        await self._write(insert(alarms), rows.alarm_row(alarm))
        return True

    async def remove_alarm(self, alarm: str) -> None:
        await self._write(delete(alarms).where(alarms.c.id == alarm))

    # --- logins and the audit trail

    async def add_login(self, digest: Digest, identity: str, *, expires_at: int) -> None:
        await self._write(insert(logins), {"digest": digest, "identity_id": identity, "expires_at": expires_at})

    async def use_login(self, digest: Digest, *, now: int) -> Identity | None:
        unused = (logins.c.digest == digest) & logins.c.used_at.is_(None) & (logins.c.expires_at > now)
        of_login = rows.IDENTITIES.join(logins, logins.c.identity_id == identities.c.id).where(unused)
        found = await self._read(of_login)
        if not found or rows.why_powerless(found[0]):
            return None
        await self._write(update(logins).where(logins.c.digest == digest).values(used_at=now))
        return rows.identity(found[0])

    async def audit(self, event: AuditEvent) -> None:
        row = rows.audit_row(event)
        own = audit_chains.c.organization_id == rows.chain_id(event.organization)
        found = await self._read(select(audit_chains).where(own))
        head = followed(rows.head(found[0]) if found else None, row, event.organization)
        await self._write(insert(audit_events), row | {"hash": head.hash})
        recorded = {"events": head.events, "hash": head.hash}
        if found:
            await self._write(update(audit_chains).where(own).values(recorded))
        else:
            await self._write(insert(audit_chains), {"organization_id": rows.chain_id(event.organization)} | recorded)

    async def _changed(self, digest: Digest, version: int) -> None:
        await self._tell({"digest": digest, "version": version})

    async def _organization_changed(self, organization: str) -> None:
        await self._tell({"organization_id": organization})

    async def _group_changed(self, group: str) -> None:
        """Of the organization that it is in, as the database has it."""
        for row in await self._read(select(groups.c.organization_id).where(groups.c.id == group)):
            await self._organization_changed(row.organization_id)

    async def _tell(self, concerned: Values) -> None:
        await self._write(insert(changes), {"nonce": _nonce()} | concerned)
        self.is_told = True

    async def _user_changed(self, user: str) -> None:
        await self._keys_changed(identities.c.user_id == user)

    async def _keys_changed(self, concerned: ColumnElement[bool]) -> None:
        live = select(keys.c.digest, keys.c.version).join(identities).where(concerned, keys.c.revoked_at.is_(None))
        for key in await self._read(live):
            await self._changed(key.digest, key.version)

    async def _keys(self, concerned: ColumnElement[bool]) -> tuple[Key, ...]:
        chosen = rows.KEYS.where(concerned).order_by(keys.c.created_at, keys.c.id)
        return tuple(rows.key(row) for row in await self._read(chosen))

    async def _read(self, statement: Executable) -> Sequence[Row[Any]]:
        with faults_named():
            return (await self._connection.execute(statement)).all()

    async def _write(self, statement: Executable, values: Values | None = None) -> None:
        with faults_named():
            await self._connection.execute(statement, values)


def first_change() -> Insert:
    """The beginning of a database's history: a resolver has a point to stand on."""
    return insert(changes).values(nonce=_nonce(), digest=None, version=None)


def _nonce() -> int:
    return secrets.randbits(63)
