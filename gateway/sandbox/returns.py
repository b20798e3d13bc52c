"""RETURN, HAVING, UNIQUE and ORDER BY: what becomes of the matches (JupiterOne documentation, "J1QL").

The way of a table: matches; a row for each combination of what UNWIND unwinds; groups of rows; HAVING, UNIQUE, ORDER
BY; cells. Without aggregates every row is a group of its own, so that one kind of function computes every column.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, product, takewhile
from statistics import fmean
from typing import Any, TypeVar

from gateway.j1ql import tree
from gateway.sandbox.aliases import Aliases
from gateway.sandbox.conditions import compile_condition
from gateway.sandbox.context import Context, EvaluationError
from gateway.sandbox.dialect import AbsentCell, Dialect, Grouping, ListCell
from gateway.sandbox.expressions import Getter, Scope, calculated, calls, compile_expression
from gateway.sandbox.graph import TIMES, Entity, iso
from gateway.sandbox.matching import Match, Matched
from gateway.sandbox.selectors import property_name
from gateway.sandbox.values import Number, Thing, Value, elements, identity, is_number, sort_key, text

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Row:
    match: Match
    unwound: Mapping[tree.Call, Value]


Group = Sequence[Row]
"""The rows that one row of the answer speaks of; empty only for aggregates over nothing."""

# --- aggregates ------------------------------------------------------------------------------------------------------


def _of_numbers(calculate: Callable[[Sequence[Any]], Number]) -> Callable[[Sequence[Value]], Value]:
    """An aggregate that looks at numbers only."""
    return lambda values: calculated(lambda *numbers: calculate(numbers), list(filter(is_number, values)))


AGGREGATES: Mapping[str, Callable[[Sequence[Value]], Value]] = {
    "COUNT": lambda values: len({identity(value) for value in values}),
    "MIN": lambda values: min(values, key=sort_key, default=None),
    "MAX": lambda values: max(values, key=sort_key, default=None),
    "AVG": _of_numbers(fmean),
    "SUM": _of_numbers(sum),
}
"""From the values of a group, undefined ones left out. "count always returns the number of distinct entities or
attributes" (J1QL specification). OPEN (undocumented): the others take a value once for every way to it."""


@dataclass(frozen=True, slots=True)
class _Grouped(Scope[Group]):
    """The scope of RETURN, HAVING and ORDER BY.

    A path means what it means in the group's first row; `columns` are the names that RETURN gave, which HAVING and
    ORDER BY may use; `unwound` are the calls that every row has a value for.
    """

    matched: Matched
    unwound: frozenset[tree.Call]
    columns: Mapping[str, Getter[Group]]

    def path(self, path: tree.Path) -> Getter[Group]:
        column = self.columns.get(property_name(path.segments))
        if column is not None:
            return column
        value = self.matched.path(path)
        return lambda group: value(group[0].match) if group else None

    def call(self, call: tree.Call) -> Getter[Group]:
        if call in self.unwound:
            return lambda group: group[0].unwound[call] if group else None
        aggregate = AGGREGATES.get(call.name.upper())
        if aggregate is None:
            return Scope.call(self, call)
        argument = compile_expression(self._argument(call), self)
        return lambda group: aggregate([value for row in group if (value := argument((row,))) is not None])

    def _argument(self, call: tree.Call) -> tree.Expression:
        if len(call.arguments) != 1 or any(_is_aggregate(inner) for inner in calls(call.arguments[0])):
            raise EvaluationError(f"{call.name} takes one argument that is no aggregate")
        return call.arguments[0]


def _is_aggregate(call: tree.Call) -> bool:
    return call.name.upper() in AGGREGATES


# --- columns ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Column:
    """`value` decides what is equal in UNIQUE and grouping; `cells` is what the answer shows of it."""

    name: str
    value: Getter[Group]
    cells: Callable[[Any], dict[str, Any]]
    aggregated: bool


def _column(item: tree.Item, scope: _Grouped) -> _Column:
    if isinstance(item.value, tree.AllProperties):
        alias = item.value.alias
        whole = scope.path(tree.Path((tree.Segment(alias),)))
        return _Column(item.column, whole, partial(_all_cells, alias, scope.context.dialect), aggregated=False)
    value = compile_expression(item.value, scope)
    cells = partial(_time_cell if _is_time(item.value) else _cell, item.column, scope.context.dialect)
    return _Column(item.column, value, cells, aggregated=any(map(_is_aggregate, calls(item.value))))


def _is_time(expression: tree.Expression) -> bool:
    return isinstance(expression, tree.Path) and property_name(expression.segments[1:]) in TIMES


def _cell(name: str, dialect: Dialect, value: Value) -> dict[str, Any]:
    """OPEN (ambiguity 5): what is undefined leaves its column out of the row, or is null."""
    if isinstance(value, Thing):
        return {name: value.wire()}
    shown = _shown(value, dialect.list_cell)
    return {} if shown is None and dialect.absent_cell is AbsentCell.MISSING else {name: shown}


def _shown(value: Value, as_: ListCell) -> object:
    """OPEN (undocumented): the example of UNWIND has `DataStore,Disk` in a cell; whether it is text, no one says."""
    if not isinstance(value, (list, tuple)):
        return value
    match as_:
        case ListCell.LIST:
            return list(value)
        case ListCell.TEXT:
            return text(value)
        case ListCell.FIRST:
            return next(iter(value), None)


def _time_cell(name: str, dialect: Dialect, value: Value) -> dict[str, Any]:
    """Times of the metadata are numbers in queries, and ISO text in answers."""
    return _cell(name, dialect, iso(int(value)) if is_number(value) else value)  # type: ignore[arg-type]  # a number


def _all_cells(alias: str, dialect: Dialect, thing: Thing | None) -> dict[str, Any]:
    """`alias.*`: a flat row of the metadata and the properties."""
    if thing is None:
        return {}
    wire = thing.wire()
    metadata = wire["entity" if "entity" in wire else "relationship"]
    values = {**metadata, **wire["properties"]}
    return {
        name: cell for own, value in values.items() for name, cell in _cell(f"{alias}.{own}", dialect, value).items()
    }


def _named(thing: Thing) -> dict[str, Any]:
    """The documentation shows it for entities only."""
    kind = "entity" if isinstance(thing, Entity) else "relationship"
    return {"id": thing.id, kind: {"_id": thing.get("_id")}}


# --- the way of a table ----------------------------------------------------------------------------------------------


class Returns:
    """RETURN and what follows it, but for SKIP and LIMIT, turned once into functions. Raises EvaluationError."""

    def __init__(self, query: tree.Query, aliases: Aliases, context: Context) -> None:
        items = query.returns if isinstance(query.returns, tuple) else ()
        self._context = context
        self._unwinds = dict(_unwinds(items, aliases, context))

        def scope(clause: str, columns: Mapping[str, Getter[Group]]) -> _Grouped:
            return _Grouped(context, Matched(context, aliases, clause), frozenset(self._unwinds), columns)

        self._columns = [_column(item, scope("return", {})) for item in items]
        named = {column.name: column.value for column in self._columns}
        self._having = None if query.having is None else compile_condition(query.having, scope("having", named))
        self._unique = query.unique
        order = scope("order", named)
        self._order = [(compile_expression(by.value, order), by.descending) for by in query.order]

    def groups(self, matches: Iterable[Match]) -> list[Group]:
        """The rows of the answer, in order, before SKIP and LIMIT."""
        rows = [row for match in matches for row in self._rows(match)]
        groups: Iterable[Group] = self._grouped(rows)
        if self._having is not None:
            groups = filter(self._having, groups)
        if self._unique and self._columns:
            groups = distinct(groups, lambda group: identities(self.values(group)))
        return self._ordered(groups)

    def values(self, group: Group) -> list[Value]:
        """What the columns hold in a row of the answer."""
        return [column.value(group) for column in self._columns]

    def cells(self, group: Group) -> dict[str, Any]:
        """A row of a table answer. Of several columns of one name the last shows."""
        return {name: cell for column in self._columns for name, cell in column.cells(column.value(group)).items()}

    def metadata(self, group: Group) -> dict[str, Any]:
        """`_meta` of a row: what its aliases stand for. Rows that stand for more than one match have none."""
        if self._unique or any(column.aggregated for column in self._columns):
            return {}
        return {"_meta": {"byAlias": {alias: _named(thing) for alias, thing in group[0].match.bound.items()}}}

    def _rows(self, match: Match) -> Iterator[Row]:
        """Lists of x and y elements make x * y rows (JupiterOne documentation, "Unwind"), an empty one none."""
        run = self._context.run
        lists = [elements(value(match)) for value in self._unwinds.values()]
        for values in product(*lists):
            run.spend()
            yield Row(match, dict(zip(self._unwinds, values, strict=True)))

    def _grouped(self, rows: Sequence[Row]) -> Iterable[Group]:
        if not any(column.aggregated for column in self._columns):
            return [(row,) for row in rows]
        keys = [column.value for column in self._keys()]
        groups: dict[Hashable, list[Row]] = {} if keys else {(): []}
        for row in rows:
            groups.setdefault(identities(key((row,)) for key in keys), []).append(row)
        return groups.values()

    def _keys(self) -> list[_Column]:
        """OPEN (ambiguity 4): every column that is no aggregate is part of the key, or "the last one before"."""
        keys = [column for column in self._columns if not column.aggregated]
        if self._context.dialect.grouping is Grouping.ALL:
            return keys
        before = list(takewhile(lambda column: not column.aggregated, self._columns))
        return (before or keys)[-1:]

    def _ordered(self, groups: Iterable[Group]) -> list[Group]:
        """Stable. OPEN (undocumented): undefined comes last, whatever the direction."""
        ordered = list(groups)
        for value, descending in reversed(self._order):
            keyed = [(value(group), group) for group in ordered]
            present = [pair for pair in keyed if pair[0] is not None]
            present.sort(key=lambda pair: sort_key(pair[0]), reverse=descending)
            ordered = [group for _, group in present] + [group for held, group in keyed if held is None]
        return ordered


def _unwinds(
    items: Iterable[tree.Item], aliases: Aliases, context: Context
) -> Iterator[tuple[tree.Call, Getter[Match]]]:
    """The UNWIND calls in RETURN, each with the list that it unwinds."""
    for call in chain.from_iterable(
        calls(item.value) for item in items if not isinstance(item.value, tree.AllProperties)
    ):
        if call.name.upper() == "UNWIND":
            if len(call.arguments) != 1:
                raise EvaluationError("UNWIND takes one argument")
            yield call, compile_expression(call.arguments[0], Matched(context, aliases, "return"))


def identities(values: Iterable[Value]) -> Hashable:
    """A key that rows share when their values are the same."""
    return tuple(map(identity, values))


def distinct(items: Iterable[Item], key: Callable[[Item], Hashable]) -> list[Item]:
    """The first item of each key."""
    first: dict[Hashable, Item] = {}
    for item in items:
        first.setdefault(key(item), item)
    return list(first.values())
