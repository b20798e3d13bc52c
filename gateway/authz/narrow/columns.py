"""Pass: hidden columns, so that each row of a plain table can be held against P.

For every object of a match `_id` and the properties of P. They add no row, because a row is one match; they are not
added where rows stand for groups (aggregates, UNIQUE, UNWIND), in which they would split what is one.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.authz.capabilities import Mode
from gateway.authz.narrow.draft import Draft
from gateway.authz.narrow.predicate import properties, property_path
from gateway.authz.narrow.walk import Place, is_aggregated, visited
from gateway.authz.outcome import HiddenObject
from gateway.j1ql import tree


def add_hidden_columns(draft: Draft) -> Draft:
    items = draft.query.returns
    if not isinstance(items, tuple) or is_aggregated(draft.query):
        return draft
    if not draft.binding.capabilities.allow("cells_hold_lists"):
        return draft
    columns = _Columns(draft)
    query = visited(draft.query, columns.selector, columns.step)
    return replace(
        draft,
        query=replace(query, returns=items + tuple(columns.items)),
        invented=columns.invented,
        carried=draft.carried + len(columns.hidden),
        hidden=tuple(columns.hidden),
    )


class _Columns:
    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._names = draft.names
        self._wanted = tuple(dict.fromkeys(["_id", *properties(draft.binding.predicate)]))
        self.invented = draft.invented
        self.items: list[tree.Item] = []
        self.hidden: list[HiddenObject] = []

    def selector(self, selector: tree.Selector, place: Place) -> tree.Selector:
        if place.negated:
            return selector
        alias = self._names.current(selector)
        if alias is None:
            alias = self._fresh()
            selector = replace(selector, alias=alias)
        self._hide(alias, place)
        return selector

    def step(self, step: tree.Step, place: Place) -> tree.Step:
        """Relationships count under strict, by the name that they have got there."""
        alias = self._names.current(step)
        if self._draft.binding.mode is Mode.STRICT and alias is not None and not step.negated:
            self._hide(alias, place)
        return step

    def _hide(self, alias: str, place: Place) -> None:
        columns = []
        for name in self._wanted:
            value = tree.Path((tree.Segment(alias), *property_path(name).segments))
            column = self._fresh()
            self.items.append(tree.Item(value, source="", alias=column))
            columns.append((column, name))
        self.hidden.append(HiddenObject(tuple(columns), optional=place.optional or place.after_negation))

    def _fresh(self) -> str:
        name = self._draft.name(self.invented)
        self.invented += 1
        return name
