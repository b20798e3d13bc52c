"""The use cases about organizations: the longest life of their keys, and the integrations that keys are bound to.

Each is one change of the registry with one audit event. Every use case may raise Rejection (nothing was changed) and
StoreUnavailable.
"""

from __future__ import annotations

import re

from gateway.control.managing import Managing
from gateway.control.rejection import Rejection
from gateway.control.texts import NAME, is_id, refuse_organization_id, refuse_text
from gateway.control.trail import name_of
from gateway.http1 import Reason
from gateway.keys import Actor, Operation, Principal, extents, may_manage_people
from gateway.stores.base import Conflict
from gateway.stores.values import IntegrationInstance, Organization

_INSTANCE = re.compile(r"[\w.-]{1,128}", re.ASCII)


class Organizations(Managing):
    """See the module."""

    async def add_organization(self, caller: Actor, organization: Organization) -> None:
        """Another organization, for platform administrators; its group Everyone enables API keys."""
        refuse_organization_id(organization.id)
        refuse_text("name", organization.name, NAME)
        async with self._changes.by(caller) as (change, actor):
            self._refuse_not_platform(actor)
            try:
                await change.add_organization(organization)
            except Conflict:
                raise Rejection(Reason.ALREADY_THERE, "there is an organization of this id already") from None
            await self._audit(change, actor, "organization.add", organization.id, organization.id)

    async def list_organizations(self, actor: Actor) -> tuple[Organization, ...]:
        """Those whose people or keys the actor may see, and the actor's own, by id."""
        known = await self._registry.organizations()
        reach = extents(actor, Operation.SEE_PEOPLE, self._switches)
        if any(each.organization is None and each.user is None for each in reach):
            return known
        homes = {each.organization for each in reach} | {actor.organization}
        if isinstance(actor, Principal) and actor.identity.user is not None:
            homes |= {each.organization for each in await self._registry.identities_of_user(actor.identity.user)}
        return tuple(each for each in known if each.id in homes)

    async def list_managed(self, actor: Actor) -> tuple[Organization, ...]:
        """Those whose people the actor manages, by id."""
        known = await self._registry.organizations()
        return tuple(each for each in known if may_manage_people(actor, each.id, self._switches) is None)

    async def set_max_key_days(self, caller: Actor, organization: str, days: int | None) -> None:
        """The longest life of an organization's keys, also of those that are there; None is none of its own."""
        if days is not None and not 1 <= days <= self._options.lifetimes.max_days:
            message = f"the longest life of a key is 1 to {self._options.lifetimes.max_days} days"
            raise Rejection(Reason.INVALID_INPUT, message)
        async with self._changes.by(caller) as (change, actor):
            await self._manage(change, actor, organization)
            await change.set_max_key_days(organization, days)
            told = "none" if days is None else str(days)
            await self._audit(change, actor, "organization.max_key_days", organization, organization, days=told)

    async def add_integration_instance(self, caller: Actor, instance: IntegrationInstance) -> None:
        """A configuration of an integration of the platform, so that keys can be bound to it."""
        if not _INSTANCE.fullmatch(instance.id):
            raise Rejection(Reason.INVALID_INPUT, "an instance's id is up to 128 letters, digits, `-`, `_` and `.`")
        async with self._changes.by(caller) as (change, actor):
            await self._manage(change, actor, instance.organization)
            try:
                await change.add_integration_instance(instance)
            except Conflict:
                message = "there is, or was, an integration instance of this id already"
                raise Rejection(Reason.ALREADY_THERE, message) from None
            details = {"name": instance.name}
            await self._audit(change, actor, "integration.add", instance.organization, instance.id, **details)

    async def delete_integration_instance(self, caller: Actor, instance: str) -> int:
        """Ends a configuration and its keys, for ever; the number of these."""
        async with self._changes.by(caller) as (change, actor):
            found = await change.integration_instance(instance) if is_id(instance) else None
            if found is None or may_manage_people(actor, found.organization, self._switches):
                raise Rejection(Reason.INVALID_INPUT, "no integration instance of this id is yours to manage")
            now = self._mint.now()
            live = [key for key in await change.keys_of_instance(instance) if key.revoked_at is None]
            for key in live:
                await change.revoke_key(key.id, at=now, by=name_of(actor))
            await change.delete_integration_instance(instance, at=now)
            details = {"keys": str(len(live))}
            await self._audit(change, actor, "integration.delete", found.organization, instance, **details)
        return len(live)
