"""Full-text search: best hits come first by statistics over all objects, hidden ones too.

So no order and no choice may rest on them. An order is imposed; what chooses is refused.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.authz.narrow.draft import Draft, NotNarrowed
from gateway.authz.narrow.sublanguage import check_text
from gateway.authz.narrow.walk import functions, heads, is_aggregated, made_of_rows
from gateway.j1ql import AGGREGATES, tree


def is_full_text(query: tree.Query) -> bool:
    """Whether the query begins with a search whose best hits come first."""
    return any(isinstance(head, tree.FullText) for head in heads(query.selector.head))


def check_full_text(text: tree.String, *, start: bool, draft: Draft) -> None:
    """Raises NotNarrowed where something would be chosen, or put in groups, by the order of hits."""
    query = draft.query
    draft.need("full_text_binds", "full-text search", text.at)
    check_text(text.value, text.at)
    if not start:
        raise NotNarrowed("full-text search can only begin a query, for a key with a condition", text.at)
    drawn = isinstance(query.returns, tree.Tree)
    if query.unique and not drawn:
        raise NotNarrowed("full-text search goes with UNIQUE for TREE alone, for a key with a condition", text.at)
    if drawn and query.windows:
        raise NotNarrowed("full-text search with TREE can have no LIMIT or SKIP, for a key with a condition", text.at)
    if query.windows:
        draft.need("limit_after_where", f"full-text search with {query.windows[0].keyword}", query.windows[0].at)
    returned = [functions(item.value) for item in query.returns] if isinstance(query.returns, tuple) else []
    used = frozenset().union(*returned, *map(functions, made_of_rows(query)))
    if used & {"UNWIND", "MERGE"}:
        raise NotNarrowed("full-text search goes with neither UNWIND nor MERGE, for a key with a condition", text.at)
    if used & AGGREGATES and not (returned and all(names & AGGREGATES for names in returned)):
        raise NotNarrowed("full-text search can count but not group, for a key with a condition", text.at)


def impose_order(draft: Draft) -> Draft:
    """Pass: full-text search is sorted by `_id`, last of all, so that what comes first does not tell of hidden text.

    A tree is sorted by the row check, because no document says that ORDER BY goes with TREE.
    """
    query = draft.query
    if not is_full_text(query) or is_aggregated(query) or isinstance(query.returns, tree.Tree):
        return draft
    alias = draft.names.current(query.selector)
    invented = draft.invented
    if alias is None:
        alias, invented = draft.name(invented), invented + 1
        query = replace(query, selector=replace(query.selector, alias=alias))
    last = tree.Order(tree.Path((tree.Segment(alias), tree.Segment("_id"))))
    return replace(draft, query=replace(query, order=(*query.order, last)), invented=invented)
