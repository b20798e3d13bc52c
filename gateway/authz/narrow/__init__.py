"""The first enforcer: rewrites a query so that all it can see is the visible graph G|P.

    FIND User WITH a = 1 OR b = 2 THAT HAS Device RETURN User.name
    FIND User WITH (P) AND (a = 1 OR b = 2) THAT HAS Device AS gw0 WITH (P) RETURN User.name, …hidden columns

Why this cannot widen an answer. The answer of a query depends on the graph through the sets S_i of entities that match
its selectors, and the relationships between them. With P conjoined to every selector, each S_i is what it would be on
G|P, and so are the relationships between visible ends; whatever the engine does with them (optional groups, negation,
windows, aggregates, UNIQUE, TREE, undefined values) it does alike on both. That is exact for induced mode whatever the
local reading of the language is; strict mode hides edges too, and needs more (see `relationships`). What depends on the
graph in another way (best hits, paths through unnamed nodes, counts before WHERE) is refused, or rests on a capability
of the upstream that was probed.

Nothing of the text is spliced: the tree is rewritten by an ordered tuple of passes and printed anew. What a pass does
not know is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import count

from gateway.authz.capabilities import Mode
from gateway.authz.narrow.columns import add_hidden_columns
from gateway.authz.narrow.conjoin import conjoin_predicate
from gateway.authz.narrow.draft import Binding, Draft, NotNarrowed, Pass
from gateway.authz.narrow.full_text import impose_order, is_full_text
from gateway.authz.narrow.names import Names
from gateway.authz.narrow.predicate import length_of
from gateway.authz.narrow.relationships import narrow_relationships
from gateway.authz.narrow.supported import refuse_unsupported
from gateway.authz.narrow.variables import fill_variables
from gateway.authz.outcome import HiddenObject
from gateway.j1ql import Limits, parse, render, tree

__all__ = ["PASSES", "Binding", "Mode", "Narrowing", "NotNarrowed", "length_of", "narrow"]


_BEGINNING = re.compile("gw([0-9]+)_")


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The text to send, and what its answer must look like (see outcome.Check)."""

    text: str
    shape: str
    columns: tuple[str, ...]
    whole: tuple[str, ...]
    hidden: tuple[HiddenObject, ...]
    sort: bool
    connected: bool


PASSES: tuple[Pass, ...] = (
    fill_variables,
    refuse_unsupported,
    impose_order,
    conjoin_predicate,
    narrow_relationships,
    add_hidden_columns,
)


def narrow(text: str, binding: Binding, limits: Limits | None = None, passes: tuple[Pass, ...] = PASSES) -> Narrowing:
    """The query of `text` bound to the predicate. Raises J1QLSyntaxError, NotNarrowed.

    `passes` is for the tests that leave one out.
    """
    query = parse(text, limits=limits or Limits())
    draft = Draft(query, Names.of(query), binding, text, _fresh(text))
    for apply in passes:
        draft = apply(draft)
        _refuse_too_long(draft)
    items = query.returns if isinstance(query.returns, tuple) else ()
    return Narrowing(
        text=render(draft.query),
        shape=_shape(query),
        columns=tuple(map(_column, items)),
        whole=tuple(item.column for item in items if _is_whole(item)),
        hidden=draft.hidden,
        sort=is_full_text(query),
        connected=_is_connected(query),
    )


def _refuse_too_long(draft: Draft) -> None:
    binding = draft.binding
    if draft.carried * length_of(binding.predicate) > binding.longest:
        raise NotNarrowed(
            f"with the key's condition at its {draft.carried} places the query would grow by more than "
            f"{binding.longest} characters; use fewer steps",
            draft.query.selector.at,
        )


def _shape(query: tree.Query) -> str:
    if query.returns is None:
        return "list"
    return "tree" if isinstance(query.returns, tree.Tree) else "table"


def _column(item: tree.Item) -> str:
    """As answers name it, whatever blanks stand in the query's `u . *`."""
    return f"{item.value.alias}.*" if isinstance(item.value, tree.AllProperties) else item.column


def _is_connected(query: tree.Query) -> bool:
    """Whether each entity of a match is at the end of one of its relationships, as far as is certain."""
    first = query.steps[0] if query.steps else None
    return isinstance(first, tree.Step) and not first.negated and _negates_last(query.steps)


def _negates_last(steps: tuple[tree.Step | tree.Optional, ...]) -> bool:
    """Whether no step follows a negated one: it may be part of what is negated, and then its end of nothing."""
    ends = all(isinstance(step, tree.Optional) or not step.negated for step in steps[:-1])
    return ends and all(_negates_last(step.steps) for step in steps if isinstance(step, tree.Optional))


def _is_whole(item: tree.Item) -> bool:
    """`RETURN user`: the cell is the object."""
    return isinstance(item.value, tree.Path) and len(item.value.segments) == 1


def _fresh(text: str) -> str:
    """The beginning of names that cannot meet one of the query's own, in any letter case."""
    lower = text.lower()
    if "gw" not in lower:
        return "gw"
    taken = frozenset(_BEGINNING.findall(lower))  # one look at the text, however many it holds
    return next(f"gw{number}_" for number in count() if str(number) not in taken)
