"""What is known of one upstream, from round to round, and what follows from it for the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.authz.calibration.asking import Finding
from gateway.authz.capabilities import CAPABILITIES, TRUSTED, Capabilities, State

KEPT = 24 * 3_600_000
"""Milliseconds that a capability stays verified while later rounds show nothing: long enough for an outage or an empty
graph of a day; whatever shows otherwise counts at once."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a capability or an assumption; `at` is when it was found, milliseconds since the epoch."""

    state: State
    why: str
    at: int


Knowledge = Mapping[str, Known]
"""By name of the capability or assumption."""


def renewed(before: Knowledge, findings: Mapping[str, Finding], now: int) -> dict[str, Known]:
    """What is known after a round. One that shows nothing about a thing leaves it failed, or verified for a while."""
    return {**before, **{name: _after(before.get(name), found, now) for name, found in findings.items()}}


def _after(before: Known | None, found: Finding, now: int) -> Known:
    if found.state is State.UNWITNESSED and before is not None:
        lasts = before.state is State.FAILED or (before.state is State.VERIFIED and now - before.at < KEPT)
        if lasts:
            return before
    return Known(found.state, found.why, now)


def together(first: Finding, second: Finding) -> Finding:
    """Of two findings about one thing the one that says more: failed, then verified, then unwitnessed."""
    order = (State.FAILED, State.VERIFIED, State.UNWITNESSED)
    return min((first, second), key=lambda finding: order.index(finding.state))


def capabilities_of(settled: Capabilities, knowledge: Knowledge) -> Capabilities:
    """What plans read: the operator's word where there is one, else what was found."""
    found = {name: known.state for name, known in knowledge.items() if name in CAPABILITIES}
    open_ = {name: state for name, state in found.items() if getattr(settled, name) is State.UNWITNESSED}
    return replace(settled, **open_)


@dataclass(frozen=True, slots=True)
class Meaning:
    """`number` is that of the assumption in the threat model; `cost` says what is refused without it."""

    number: str
    cost: str


MEANINGS: Mapping[str, Meaning] = {
    "negation_binds": Meaning("A1", "negated steps (THAT !…)"),
    "optional_is_union": Meaning(
        "A4", "strict: optional groups (THAT …)? over relationships that the verb hides or may"
    ),
    "limit_after_where": Meaning("A5", "strict: LIMIT and SKIP with a step; always: full-text search with them"),
    "where_before_aggregates": Meaning("A6", "strict: aggregates, UNIQUE and TREE over a step"),
    "paths_are_matches": Meaning("A17", "strict: steps"),
    "smart_class_binds": Meaning("A7", "smart classes (#…)"),
    "full_text_binds": Meaning("A7", "full-text search"),
    "subquery_is_membership": Meaning("A9", "subqueries"),
    "cells_hold_lists": Meaning("", "nothing is refused, but plain tables cannot be checked"),
    "parameters_by_value": Meaning("", "account parameters (${param.…})"),
    "equality_is_exact": Meaning("A3", "nothing by itself; each policy's condition is probed when it is first used"),
    "texts_equal_texts": Meaning("A8", "nothing by itself; each policy's condition is probed when it is first used"),
    "unknown_names_are_empty": Meaning("A11", "nothing: errors of the upstream are one answer to such a key"),
    "totals_are_exact": Meaning("A13", "nothing: totals are never passed on to such a key"),
    "pages_tell_nothing": Meaning("A14", "nothing: pages are cut anew for such a key"),
    "find_gives_entities": Meaning("A15", "nothing: a list with anything else is withheld"),
}
"""By the name of what is probed."""


def refused_without(name: str, state: State) -> str | None:
    """What a state costs; None where nothing is refused for it. An unwitnessed one is used where it is trusted."""
    if state is State.VERIFIED or (state is State.UNWITNESSED and (name in TRUSTED or name not in CAPABILITIES)):
        return None
    return MEANINGS[name].cost
