"""Pass: the caller's variables become literals of the query, before anything else is decided.

How the platform puts a value in (as a value, or as text) is not documented, so no `${…}` of a caller may reach it. A
value becomes a typed literal, and only where a literal may stand; a list only on the right of `=`, as a list of OR.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.authz.narrow.draft import Draft, NotNarrowed
from gateway.authz.narrow.walk import is_account_parameter, visited
from gateway.j1ql import tree

_EXACT = 2**53
"""Integers beyond it lose digits in the JSON numbers of most languages."""


def fill_variables(draft: Draft) -> Draft:
    if "${" not in draft.text:
        return draft
    filler = _Filler(draft.binding.variables, draft.binding.longest)
    return replace(draft, query=filler.query(draft.query))


class _Filler:
    def __init__(self, values: Mapping[str, Any], longest: int) -> None:
        self._values = values
        self._longest = self._room = longest

    def query(self, query: tree.Query) -> tree.Query:
        def selector(each: tree.Selector, _: object) -> tree.Selector:
            return each if each.where is None else replace(each, where=self.condition(each.where))

        return replace(
            visited(query, selector),
            where=self.condition(query.where) if query.where else None,
            having=self.condition(query.having) if query.having else None,
        )

    def condition(self, condition: tree.Condition) -> tree.Condition:
        match condition:
            case tree.And(items=items) | tree.Or(items=items):
                return replace(condition, items=tuple(self.condition(item) for item in items))
            case tree.Comparison(operator=operator, right=tree.Parameter() as parameter):
                return replace(condition, right=self._value(parameter, lists=operator == "="))
            case tree.Comparison(right=tree.ValueList() as values):
                return replace(condition, right=self._list(values))
            case tree.Comparison(right=tree.Subquery(query=query) as subquery):
                return replace(condition, right=replace(subquery, query=self.query(query)))
            case _:
                return condition

    def _list(self, values: tree.ValueList) -> tree.ValueList:
        items: list[tree.Expression | tree.ValueList] = []
        for item in values.items:
            match item:
                case tree.ValueList():
                    items.append(self._list(item))
                case tree.Parameter():
                    items.append(self._value(item, lists=False))
                case _:
                    items.append(item)
        return replace(values, items=tuple(items))

    def _value(self, parameter: tree.Parameter, *, lists: bool) -> tree.Expression | tree.ValueList:
        name = parameter.name
        if is_account_parameter(name):
            return parameter
        if name not in self._values:
            raise NotNarrowed(f"variable `{name}` has no value: send it in `variables`", parameter.at)
        value = self._values[name]
        self._room -= _length(value)
        if self._room < 0:
            raise NotNarrowed(
                f"with its variables put in, the query would grow by more than {self._longest} characters", parameter.at
            )
        if isinstance(value, list) and lists and value:
            return tree.ValueList("OR", tuple(_literal(each, parameter) for each in value), parameter.at)
        return _literal(value, parameter)


def _length(value: object) -> int:
    """Characters that a value takes in a query, or a few more."""
    if isinstance(value, list):
        return sum(map(_length, value))
    return len(str(value)) + len(" OR ''")


def _literal(value: object, parameter: tree.Parameter) -> tree.Expression:
    at = parameter.at
    match value:
        case bool():
            return tree.Boolean(value, at)
        case str():
            return tree.String(value, at)
        case int() if abs(value) <= _EXACT:
            return tree.Number(str(value), at)
        case float() if math.isfinite(value) and "e" not in repr(value):
            return tree.Number(repr(value), at)
        case _:
            raise NotNarrowed(
                f"variable `{parameter.name}` must be a string, a boolean, a number that every reader keeps exactly, "
                "or, on the right of `=`, a list of these",
                at,
            )
