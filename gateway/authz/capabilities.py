"""What narrowing depends on besides query and policy: the mode, and what is known about the upstream.

A narrowing must be right under every local reading of the language (what an optional group means, what `!=` says about
an absent property), or be refused. What is not local (where LIMIT counts, whether a smart class binds as a whole) can
only be asked of the real upstream, so each assumption is a capability with one of three states. A capability that
failed is never used. One that was not witnessed is used where the platform's own documents or queries rest on it, and
a wrong guess could not show a hidden object by itself (`TRUSTED`), and refused otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum


class Mode(StrEnum):
    """Which relationships a conditioned key sees.

    STRICT: those that satisfy the predicate themselves and whose ends are visible.
    INDUCED: every one between two visible entities.
    """

    STRICT = "strict"
    INDUCED = "induced"


class State(StrEnum):
    """What a probe found: it holds, no data to tell by, it does not hold."""

    VERIFIED = "verified"
    UNWITNESSED = "unwitnessed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The assumptions, with their numbers in the threat model."""

    negation_binds: State = State.UNWITNESSED
    """A1: WITH on the target of a negated step is honoured."""
    optional_is_union: State = State.UNWITNESSED
    """A4: a row of an optional group is added to the base rows, and an unmatched alias has no properties."""
    limit_after_where: State = State.UNWITNESSED
    """A5: LIMIT and SKIP count what WHERE has left."""
    where_before_aggregates: State = State.UNWITNESSED
    """A6: aggregates, UNIQUE and TREE see what WHERE has left."""
    paths_are_matches: State = State.UNWITNESSED
    """A17: two relationships between the same two entities make two matches, each with its own."""
    smart_class_binds: State = State.UNWITNESSED
    """A7: WITH after a smart class restricts the whole of what the class stands for."""
    full_text_binds: State = State.UNWITNESSED
    """A7: WITH after a full-text search restricts what is searched, not the best hits of all."""
    subquery_is_membership: State = State.UNWITNESSED
    """A9: `= (FIND …)` is membership, `!=` its negation, without a cap that hidden objects use up."""
    cells_hold_lists: State = State.UNWITNESSED
    """A cell of a table shows a list whole, as a list or as joined text; else no hidden column can be checked."""
    parameters_by_value: State = State.UNWITNESSED
    """`${param.x}` is put in as a value, not as text that could close a parenthesis."""

    def allow(self, name: str) -> bool:
        """Whether a rewriting may rest on the capability of this name."""
        state: State = getattr(self, name)
        return state is State.VERIFIED or (state is State.UNWITNESSED and name in TRUSTED)


CAPABILITIES = tuple(field.name for field in fields(Capabilities))

TRUSTED = frozenset(
    {"negation_binds", "where_before_aggregates", "paths_are_matches", "full_text_binds", "cells_hold_lists"}
)
"""Documented by the platform or used in the queries it ships, so that they are answered before a probe has spoken."""
