"""What the use cases write into the audit trail, and who may read it."""

from __future__ import annotations

from gateway.control.rejection import Rejection
from gateway.http1 import Reason
from gateway.keys import (
    DEFAULT_SWITCHES,
    UNLIMITED_CALLS,
    Actor,
    Key,
    Operation,
    Operator,
    Principal,
    Switches,
    extents,
    limits_words,
)
from gateway.stores.base import Registry
from gateway.stores.values import AuditEvent

OPERATOR = "operator"
"""The command line in the audit trail."""


def name_of(actor: Actor) -> str:
    return OPERATOR if isinstance(actor, Operator) else actor.identity.id


def event(at: int, actor: Actor, what: str, organization: str, subject: str, **details: str) -> AuditEvent:
    """An event; `organization` is empty for what concerns no single one."""
    if isinstance(actor, Principal):
        details["via_key"] = actor.key_id
    return AuditEvent(at, name_of(actor), organization or None, what, subject, tuple(sorted(details.items())))


def key_event(at: int, actor: Actor, what: str, key: Key, **details: str) -> AuditEvent:
    identity = key.identity
    described = {"key": key.name, "kind": identity.kind.value, "identity": identity.id, "start": key.start}
    if key.limits != UNLIMITED_CALLS:
        described["limits"] = limits_words(key.limits)
    return event(at, actor, what, identity.organization, key.id, **(described | details))


class Trail:
    """The audit trail, for reading. Raises Rejection and StoreUnavailable."""

    def __init__(self, registry: Registry, switches: Switches = DEFAULT_SWITCHES) -> None:
        self._registry = registry
        self._switches = switches

    async def read(
        self, actor: Actor, *, limit: int, before: int | None = None, organization: str | None = None
    ) -> tuple[AuditEvent, ...]:
        """The newest events that the actor may see, newest first; `before` is the number of the last one seen.

        Administrators see their organization's (all of `organization`, where they may), users what they did.
        """
        reach = extents(actor, Operation.READ_AUDIT, self._switches)
        if any(extent.organization is None and extent.user is None for extent in reach):
            return await self._registry.audit_events(organization, limit=limit, before=before)
        for extent in reach:
            if extent.organization is not None and organization in (None, extent.organization):
                return await self._registry.audit_events(extent.organization, limit=limit, before=before)
        if reach and isinstance(actor, Principal) and organization in (None, actor.organization):
            own = actor.identity.id
            return await self._registry.audit_events(actor.organization, limit=limit, before=before, actor=own)
        raise Rejection(Reason.NOT_ALLOWED, "you cannot read the audit log; contact a platform administrator")
