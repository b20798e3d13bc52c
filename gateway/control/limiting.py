"""The use cases about limits: how much a key may call, and how much all keys of an organization together.

Each is one change of the registry with one audit event, which tells the limits before and after. Every use case may
raise Rejection (nothing was changed) and StoreUnavailable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gateway.control.granting import refuse_impossible
from gateway.control.managing import Managing
from gateway.control.rejection import Rejection, accepted, existing
from gateway.control.texts import is_id
from gateway.control.trail import key_event
from gateway.http1 import Reason
from gateway.keys import (
    Actor,
    CallLimits,
    Key,
    limitable,
    limits_words,
    may_limit_organization,
    may_see_organization_limits,
)

Edit = Callable[[CallLimits], CallLimits]
"""The limits as they shall be, of those that are: two who set different limits at once both get what they set."""


class Limiting(Managing):
    """See the module."""

    async def set_key_limits(self, caller: Actor, key_id: str, edit: Edit) -> Key:
        """Limits of a key, from its next call on; the key as it is then."""
        async with self._changes.by(caller) as (change, actor):
            found = await change.key(key_id) if is_id(key_id) else None
            key = accepted(limitable(actor, found, self._switches))
            if key.revoked_at is not None:
                raise Rejection(Reason.INVALID_INPUT, "the key is revoked: its limits mean nothing any more")
            limits = _edited(key.limits, edit)
            await change.set_limits(key.id, limits)
            limited = replace(key, limits=limits, version=key.version + 1)
            told = {"limits": limits_words(limits), "before": limits_words(key.limits)}
            await change.audit(key_event(self._mint.now(), actor, "key.limits", limited, **told))
        return limited

    async def set_organization_limits(self, caller: Actor, organization: str, edit: Edit) -> CallLimits:
        """Limits that all keys of an organization share, from the next call on; the limits as they are then."""
        async with self._changes.by(caller) as (change, actor):
            accepted(may_limit_organization(actor, organization, self._switches))
            known = await change.organization(organization) if is_id(organization) else None
            found = existing(known, Reason.UNKNOWN_ORGANIZATION, "organization")
            limits = _edited(found.limits, edit)
            await change.set_organization_limits(organization, limits)
            told = {"limits": limits_words(limits), "before": limits_words(found.limits)}
            await self._audit(change, actor, "organization.limits", organization, organization, **told)
        return limits

    async def organization_limits(self, actor: Actor, organization: str) -> CallLimits:
        """Those that all keys of an organization share."""
        accepted(may_see_organization_limits(actor, organization, self._switches))
        known = {each.id: each for each in await self._registry.organizations()}
        return existing(known.get(organization), Reason.UNKNOWN_ORGANIZATION, "organization").limits


def _edited(limits: CallLimits, edit: Edit) -> CallLimits:
    edited = edit(limits)
    refuse_impossible(edited)
    return edited
