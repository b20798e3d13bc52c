"""What the use cases about people share: who manages whom, and what a name may be."""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.control.changing import Changes
from gateway.control.minting import Mint
from gateway.control.rejection import Rejection
from gateway.control.tokens import TokenOptions
from gateway.control.trail import event, is_id
from gateway.http1 import Reason
from gateway.keys import Actor, Operation, Operator, extents, may_manage_people
from gateway.stores.base import Change, Registry, User

NAME = 256
"""Characters of the name of a person, a group or an organization."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def refuse_text(what: str, text: str, limit: int) -> None:
    if len(text) > limit or _UNPRINTABLE.search(text):
        raise Rejection(Reason.INVALID_INPUT, f"a {what} has up to {limit} characters, and no control characters")


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
        everywhere = any(each.organization is None for each in extents(actor, Operation.MANAGE_PEOPLE, self._switches))
        if not everywhere or (isinstance(actor, Operator) and actor.organization is not None):
            raise Rejection(Reason.NOT_ALLOWED, "only a platform administrator can do this")

    async def _member(self, change: Change, user: str, organization: str) -> User:
        found = await change.user(user) if is_id(user) else None
        if found is None or await change.identity_of(user, organization) is None:
            raise Rejection(Reason.UNKNOWN_USER, "the organization has no user of this id")
        return found

    async def _audit(
        self, change: Change, actor: Actor, what: str, organization: str, subject: str, **details: str
    ) -> None:
        await change.audit(event(self._mint.now(), actor, what, organization, subject, **details))
