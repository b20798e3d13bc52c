"""Makers of predicates for the tests of the two enforcers, and an upstream of which all is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.authz.capabilities import CAPABILITIES, Capabilities, State
from gateway.policy import EVERYTHING, Condition, Predicate

VERIFIED = Capabilities(**dict.fromkeys(CAPABILITIES, State.VERIFIED))

Equals = Mapping[str, str | Iterable[str]]


def condition(equals: Equals) -> Condition:
    """Of the object in a policy's `stringEquals`."""
    return Condition(
        tuple((name, (values,) if isinstance(values, str) else tuple(values)) for name, values in equals.items())
    )


def predicate(allow: Iterable[Equals] = (), deny: Iterable[Equals] = ()) -> Predicate:
    """Of the conditions of ALLOW and of DENY; without any of ALLOW it allows everything."""
    return Predicate(tuple(map(condition, allow)) or (EVERYTHING,), tuple(map(condition, deny)))
