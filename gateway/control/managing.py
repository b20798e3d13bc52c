"""What the use cases about people share: who manages whom."""

from __future__ import annotations

from collections.abc import Callable

from gateway.control.changing import Changes
from gateway.control.minting import Mint
from gateway.control.rejection import Rejection
from gateway.control.texts import is_id
from gateway.control.tokens import TokenOptions
from gateway.control.trail import event
from gateway.http1 import Reason
from gateway.keys import Actor, Extent, Operation, extents, may_manage_people
from gateway.stores.base import Change, Registry
from gateway.stores.values import User


class Managing:
    """The base of these use cases. `now` is milliseconds since the epoch, `randomness(n)` n bytes fit for secrets."""

    def __init__(
        self, registry: Registry, options: TokenOptions, now: Callable[[], int], randomness: Callable[[int], bytes]
    ) -> None:
        self._registry = registry
        self._options = options
        self._switches = options.switches
        self._mint = Mint(now, randomness)
        self._changes = Changes(registry, options.projects, now)

    async def _manage(self, change: Change, actor: Actor, organization: str) -> None:
        """Refuses who does not manage the people of an organization; of another one nobody learns that it is there."""
        if is_id(organization) and await change.organization(organization) is not None:
            refusal = may_manage_people(actor, organization, self._switches)
            if refusal is None:
                return
            if actor.organization == organization:
                raise Rejection(refusal.reason, refusal.message)
        raise Rejection(Reason.UNKNOWN_ORGANIZATION, "no organization of this id is yours to manage")

    def _refuse_not_platform(self, actor: Actor) -> None:
        if not self._manages_all(actor):
            raise Rejection(Reason.NOT_ALLOWED, "only a platform administrator can do this")

    def _manages_all(self, actor: Actor) -> bool:
        """Whether the actor manages the people of all organizations."""
        return Extent() in extents(actor, Operation.MANAGE_PEOPLE, self._switches)

    async def _member(self, change: Change, user: str, organization: str) -> User:
        found = await change.user(user) if is_id(user) else None
        if found is None or await change.identity_of(user, organization) is None:
            raise Rejection(Reason.UNKNOWN_USER, "the organization has no user of this id")
        return found

    async def _audit(
        self, change: Change, actor: Actor, what: str, organization: str, subject: str, **details: str
    ) -> None:
        await change.audit(event(self._mint.now(), actor, what, organization, subject, **details))
