"""A query narrowed, and the narrowed text proven; what was done for a query is remembered.

What is remembered depends on everything that the result depends on: text, variables, predicate, mode, capabilities,
limits. Measured by loadtests/narrowing.py on 1,384 real queries, the median: 110 µs the first time with a condition of
one value, 160 µs with two ALLOWs and a DENY, 2 µs when seen before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.authz.capabilities import Capabilities, Mode
from gateway.authz.narrow import Binding, Narrowing, NotNarrowed, length_of, narrow
from gateway.authz.rules import Rules
from gateway.authz.verify import verified
from gateway.http1 import Reason, Refusal
from gateway.j1ql import J1QLSyntaxError, Limits, pointed
from gateway.policy import Predicate

_REMEMBERED = 1024
"""Results held: 1 KB each for a usual policy and query."""
_REMEMBERED_TEXT = 4096
"""Characters of query and variables up to which a result is remembered; the longest real query has under 1,000."""
_REMEMBERED_PRODUCT = 250_000
"""Characters of query times those of P and variables, up to which a result is remembered. A step with selector takes 9
characters at least and carry P, or its properties, four times at most, so the largest results have 125 KB."""


@dataclass(frozen=True, slots=True)
class Unproven:
    """The narrowed text was not proven to stay within the policy; `gap` says where."""

    gap: str


def written(variables: Mapping[str, Any] | None) -> str:
    """Variables as one text, whatever the order of their names; empty without any."""
    return json.dumps(variables, sort_keys=True) if variables else ""


def proven(text: str, variables: str, predicate: Predicate, rules: Rules) -> Narrowing | Refusal | Unproven:
    """What to send for a query with these variables, as they are `written`, or why nothing is sent."""
    put_in = _length(predicate) + len(variables)
    small = len(text) + len(variables) <= _REMEMBERED_TEXT and len(text) * put_in <= _REMEMBERED_PRODUCT
    work = _remembered if small else _narrowed
    return work(text, variables, predicate, rules.mode, rules.capabilities, rules.j1ql, rules.narrowed)


def _narrowed(  # noqa: PLR0913, PLR0917 - each one is part of what the result depends on
    text: str,
    variables: str,
    predicate: Predicate,
    mode: Mode,
    capabilities: Capabilities,
    limits: Limits,
    longest: int,
) -> Narrowing | Refusal | Unproven:
    binding = Binding(predicate, mode, capabilities, json.loads(variables) if variables else {}, longest)
    try:
        narrowing = narrow(text, binding, limits)
    except J1QLSyntaxError as fault:
        return Refusal(Reason.INVALID_QUERY, str(fault))
    except NotNarrowed as fault:
        return Refusal(Reason.UNSUPPORTED_QUERY, pointed(fault.message, text, fault.at))
    gap = verified(narrowing.text, predicate, strict=mode is Mode.STRICT)
    return narrowing if gap is None else Unproven(gap)


_remembered = lru_cache(_REMEMBERED)(_narrowed)
_length = lru_cache(_REMEMBERED)(length_of)
