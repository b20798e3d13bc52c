"""Pass: P on every selector, also in optional groups, below negations, and in subqueries.

`WITH x` becomes `WITH P AND (x)`: the caller's own condition is one operand, so that no OR of it can reach out. The
selector's text and alias stay as they are written, because they name columns.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.authz.narrow.draft import Draft
from gateway.authz.narrow.predicate import all_of, conditions
from gateway.authz.narrow.walk import Place, visited
from gateway.j1ql import tree


def conjoin_predicate(draft: Draft) -> Draft:
    narrowing = conditions(draft.binding.predicate)
    return replace(draft, query=_conjoined(draft.query, narrowing))


def _conjoined(query: tree.Query, narrowing: tuple[tree.Condition, ...]) -> tree.Query:
    def selector(each: tree.Selector, _: Place) -> tree.Selector:
        own = () if each.where is None else (_in_subqueries(each.where, narrowing),)
        conditions = (*narrowing, *own)
        return replace(each, where=all_of(*conditions) if conditions else None)

    query = visited(query, selector)
    if query.where is None:
        return query
    return replace(query, where=_in_subqueries(query.where, narrowing))


def _in_subqueries(condition: tree.Condition, narrowing: tuple[tree.Condition, ...]) -> tree.Condition:
    match condition:
        case tree.And(items=items) | tree.Or(items=items):
            return replace(condition, items=tuple(_in_subqueries(item, narrowing) for item in items))
        case tree.Comparison(right=tree.Subquery(query=query) as subquery):
            return replace(condition, right=replace(subquery, query=_conjoined(query, narrowing)))
        case _:
            return condition
