"""The use cases together: all that a face needs to answer its calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.control.alarming import Alarming
from gateway.control.describing import Describing
from gateway.control.grants import Grants
from gateway.control.groups import Groups
from gateway.control.limiting import Limiting
from gateway.control.organizations import Organizations
from gateway.control.people import People
from gateway.control.tokens import TokenOptions, Tokens
from gateway.control.trail import Trail
from gateway.stores.base import Registry


@dataclass(frozen=True, slots=True)
class Desk:
    """`now` is milliseconds since the epoch."""

    tokens: Tokens
    grants: Grants
    people: People
    groups: Groups
    organizations: Organizations
    limiting: Limiting
    alarming: Alarming
    trail: Trail
    describing: Describing
    now: Callable[[], int]


def desk_over(
    registry: Registry, options: TokenOptions, now: Callable[[], int], randomness: Callable[[int], bytes]
) -> Desk:
    """The use cases over a registry; `randomness(n)` is n bytes fit for secrets."""
    return Desk(
        Tokens(registry, options, now, randomness),
        Grants(registry, options, now),
        People(registry, options, now, randomness),
        Groups(registry, options, now, randomness),
        Organizations(registry, options, now, randomness),
        Limiting(registry, options, now, randomness),
        Alarming(registry, options, now, randomness),
        Trail(registry, options.switches),
        Describing(registry, options, now),
        now,
    )
