"""Who and what belongs to an organization: users and integration instances. For the operator's command line only.

Each use case is one change of the registry with its audit event; it may raise Rejection (nothing was changed) and
StoreUnavailable.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.control.minting import Mint
from gateway.control.rejection import Rejection
from gateway.control.tokens import OPERATOR
from gateway.http1 import Reason
from gateway.keys import Identity, Kind, Role
from gateway.stores.base import AuditEvent, Change, Conflict, IntegrationInstance, Registry

_ID = re.compile(r"[\w.-]{1,128}", re.ASCII)
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")


class Enrolment:
    """`now` is milliseconds since the epoch, `randomness(n)` is n bytes fit for secrets."""

    def __init__(self, registry: Registry, now: Callable[[], int], randomness: Callable[[int], bytes]) -> None:
        self._registry = registry
        self._mint = Mint(now, randomness)

    async def add_user(self, email: str, organization: str, role: Role) -> Identity:
        """A new user of an organization, who gets in by a login link; see `Logins.create_login`."""
        if not _EMAIL.fullmatch(email):
            raise Rejection(Reason.INVALID_INPUT, "this is no email address")
        user = self._mint.id()
        identity = Identity(self._mint.id(), Kind.USER, organization, user=user, role=role)
        platform_admin = role is Role.PLATFORM_ADMIN
        try:
            async with self._registry.change() as change:
                await _refuse_unknown(change, organization)
                await change.add_user(user, email, platform_admin=platform_admin)
                await change.add_member(user, organization, Role.ORGANIZATION_ADMIN if platform_admin else role)
                await change.add_identity(identity)
                await change.audit(self._event(organization, "user.add", user, ("role", role.value)))
        except Conflict:
            raise Rejection(Reason.INVALID_INPUT, "there is a user of this email address already") from None
        return identity

    async def add_integration_instance(self, instance: IntegrationInstance) -> None:
        """An integration instance of the platform, so that keys can be bound to it."""
        if not _ID.fullmatch(instance.id):
            raise Rejection(Reason.INVALID_INPUT, "an instance's id is up to 128 letters, digits, `-`, `_` and `.`")
        try:
            async with self._registry.change() as change:
                await _refuse_unknown(change, instance.organization)
                await change.add_integration_instance(instance)
                event = self._event(instance.organization, "integration.add", instance.id, ("name", instance.name))
                await change.audit(event)
        except Conflict:
            raise Rejection(Reason.INVALID_INPUT, "there is an integration instance of this id already") from None

    def _event(self, organization: str, event: str, subject: str, *details: tuple[str, str]) -> AuditEvent:
        return AuditEvent(self._mint.now(), OPERATOR, organization, event, subject, details)


async def _refuse_unknown(change: Change, organization: str) -> None:
    if await change.organization(organization) is None:
        raise Rejection(Reason.INVALID_INPUT, "there is no organization of this id")
