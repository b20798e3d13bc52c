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
    if not narrowing:
        return draft
    conjoin = _Conjoin(narrowing)
    return replace(draft, query=conjoin.query(draft.query), carried=conjoin.selectors)


class _Conjoin:
    """`selectors` counts those that have got the predicate."""

    def __init__(self, narrowing: tuple[tree.Condition, ...]) -> None:
        self._narrowing = narrowing
        self.selectors = 0

    def query(self, query: tree.Query) -> tree.Query:
        query = visited(query, self._selector)
        return replace(query, where=self._clause(query.where), having=self._clause(query.having))

    def _selector(self, selector: tree.Selector, _: Place) -> tree.Selector:
        self.selectors += 1
        own = self._clause(selector.where)
        return replace(selector, where=all_of(*self._narrowing) if own is None else all_of(*self._narrowing, own))

    def _clause(self, condition: tree.Condition | None) -> tree.Condition | None:
        return None if condition is None else self._in_subqueries(condition)

    def _in_subqueries(self, condition: tree.Condition) -> tree.Condition:
        match condition:
            case tree.And(items=items) | tree.Or(items=items):
                return replace(condition, items=tuple(map(self._in_subqueries, items)))
            case tree.Comparison(right=tree.Subquery(query=query) as subquery):
                return replace(condition, right=replace(subquery, query=self.query(query)))
            case _:
                return condition
