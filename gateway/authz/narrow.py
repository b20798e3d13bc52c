"""The first enforcer: rewrites a query so that every selector is bound to the objects that satisfy the predicate P.

    FIND User WITH a = 1 OR b = 2 RETURN User.name
    FIND User WITH (P) AND (a = 1 OR b = 2) RETURN User.name, User._id AS gw0

Why this cannot widen an answer. A query without traversal sees the graph only through the set of entities that match
its selector. With P conjoined (the caller's own condition in parentheses, so that no OR of it can reach out), that set
is the one which the caller's query would have on the visible graph, and everything after it (sorting, windows,
counting, columns) is a function of that set. Nothing of the text is spliced: the tree is rewritten and printed anew,
in a sublanguage whose every token reads the same whether backslashes escape or not and whether comments are stripped
first or not. What the passes do not know is refused.

A leaf `p = v|w` is pushed as `p = ('v' OR 'w')`, its negation as `((p != 'v' AND p != 'w') OR p = undefined)`: never
`!=` over a list, whose De Morgan reading differs between the platform's documents, and never an unguarded `!=`, whose
value on an absent property is not certain.

The hidden columns let `rows` check a table, which otherwise says nothing about the objects it was made of. They are not
added to aggregates, where they would become grouping keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from gateway.j1ql import RESERVED_WORDS, render, render_expression, tree
from gateway.policy import Condition, Predicate


class NotNarrowed(Exception):  # noqa: N818 - a refusal, not a fault
    """The query, or the policy, holds something that cannot be narrowed; `at` is its offset in the query text."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The text to send, and what its answer must look like (see outcome.Check)."""

    text: str
    shape: str
    columns: tuple[str, ...]
    hidden: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Draft:
    query: tree.Query
    predicate: Predicate
    hidden: tuple[tuple[str, str], ...] = ()


def narrow(query: tree.Query, predicate: Predicate) -> Narrowing:
    """The query bound to the predicate. Raises NotNarrowed."""
    draft = _Draft(query, predicate)
    for apply in PASSES:
        draft = apply(draft)
    items = query.returns if isinstance(query.returns, tuple) else ()
    return Narrowing(
        text=render(draft.query),
        shape="table" if items else "list",
        columns=tuple(item.column for item in items),
        hidden=draft.hidden,
    )


# --- pass 1: what is not narrowed yet is refused ------------------------------------------------------------------


def refuse_unsupported(draft: _Draft) -> _Draft:
    """Single selectors with WITH, RETURN of properties, COUNT, ORDER BY, SKIP and LIMIT remain."""
    query = draft.query
    for present, construct, at in _unsupported(query):
        if present:
            raise NotNarrowed(f"{construct} cannot be used with this key yet, because its policy has a condition", at)
    if query.selector.where:
        _check_condition(query.selector.where)
    if isinstance(query.returns, tuple):
        _check_items(query.returns, _alias(query.selector))
    for order in query.order:
        _check_order(order, query)
    return draft


def _unsupported(query: tree.Query) -> Iterator[tuple[bool, str, int]]:
    head = query.selector.head
    yield isinstance(head, tree.FullText), "full-text search", head.at
    yield any(isinstance(part, tree.Smart) for part in _heads(head)), "a smart class (#…)", head.at
    yield bool(query.steps), "a traversal (THAT …)", query.steps[0].at if query.steps else 0
    yield query.unique, "FIND UNIQUE", head.at
    yield query.where is not None, "WHERE", getattr(query.where, "at", 0)
    yield isinstance(query.returns, tree.Tree), "RETURN TREE", getattr(query.returns, "at", 0)
    yield query.having is not None, "HAVING", getattr(query.having, "at", 0)


def _heads(head: tree.Head) -> tuple[tree.Head, ...]:
    return head.items if isinstance(head, tree.Union) else (head,)


def _alias(selector: tree.Selector) -> str | None:
    """The name by which RETURN and ORDER BY speak of the selector; without AS that is a single name's own text."""
    if selector.alias is not None:
        return selector.alias
    return selector.head.name if isinstance(selector.head, tree.Name) else None


def _check_condition(condition: tree.Condition) -> None:
    match condition:
        case tree.And(items=items) | tree.Or(items=items):
            for item in items:
                _check_condition(item)
        case tree.Comparison(left=tree.Path() as path, right=right):
            _check_path(path)
            _check_value(right)
        case tree.Cidr(at=at):
            raise NotNarrowed("cidr() cannot be used with this key yet, because its policy has a condition", at)
        case tree.Comparison(at=at):
            raise NotNarrowed("the left side of a comparison must be a property, for a key with a condition", at)


def _check_value(value: tree.Expression | tree.ValueList | tree.Subquery) -> None:
    match value:
        case tree.ValueList(items=items):
            for item in items:
                _check_value(item)
        case tree.String(value=text, at=at):
            _check_text(text, at)
        case tree.Number() | tree.Boolean() | tree.Undefined():
            pass
        case tree.Subquery():
            raise NotNarrowed("a subquery cannot be used with this key, because its policy has a condition", value.at)
        case _:
            raise NotNarrowed(
                "only strings, numbers, booleans and undefined can be compared with, for a key with a condition",
                value.at,
            )


_UNSAFE_TEXT = re.compile(r"\\|/\*|\*/|\$\{|[\x00-\x1f\x7f-\x9f]|[\ud800-\udfff]")
_UNSAFE_NAME = re.compile(r"[\\\[\]'\"\x00-\x1f\x7f-\x9f]|/\*|\*/|\$\{|[\ud800-\udfff]")


def _check_text(text: str, at: int) -> None:
    """Lexers differ about these texts, so that what is one string here could be the end of P there."""
    if _UNSAFE_TEXT.search(text) or ("'" in text and '"' in text):
        raise NotNarrowed(
            "a string may hold no backslash, comment mark, `${`, control character or both kinds of quotes, "
            "for a key with a condition",
            at,
        )


def _check_path(path: tree.Path) -> None:
    if any(segment.name == "*" or _UNSAFE_NAME.search(segment.name) for segment in path.segments):
        raise NotNarrowed("this property name cannot be used by a key with a condition", path.at)


def _check_items(items: tuple[tree.Item, ...], alias: str | None) -> None:
    seen = set()
    for item in items:
        _check_item(item, alias)
        if item.column in seen:
            raise NotNarrowed(f"column `{item.column}` is returned twice", item.at)
        seen.add(item.column)
        if item.alias is not None:
            _check_text(item.alias, item.at)


def _check_item(item: tree.Item, alias: str | None) -> None:
    match item.value:
        case tree.Path(segments=[first, _, *_]) as path if first.name == alias:
            _check_path(path)
        case tree.Call() as call if _is_count(call, alias):
            pass
        case _:
            expected = f"`{alias}.property` or COUNT({alias})" if alias else "a name for the selector (AS name) first"
            raise NotNarrowed(f"RETURN needs {expected}, for a key with a condition", item.at)


def _is_count(call: tree.Call, alias: str | None) -> bool:
    match call:
        case tree.Call(name=name, arguments=[tree.Path(segments=[first, *_]) as path]) if name.upper() == "COUNT":
            _check_path(path)
            return first.name == alias
    return False


def _check_order(order: tree.Order, query: tree.Query) -> None:
    alias = _alias(query.selector)
    columns = {item.alias for item in query.returns if item.alias} if isinstance(query.returns, tuple) else set()
    match order.value:
        case tree.Path(segments=[first, _, *_]) as path if first.name == alias:
            _check_path(path)
        case tree.Path(segments=[only]) if only.name in columns:
            pass
        case tree.Call() as call if _is_count(call, alias):
            pass
        case _:
            raise NotNarrowed(
                "ORDER BY needs `alias.property` or a column's name, for a key with a condition", order.at
            )


# --- pass 2: P on the selector ------------------------------------------------------------------------------------


def conjoin_predicate(draft: _Draft) -> _Draft:
    """`WITH x` becomes `WITH (P) AND (x)`; the selector's text and alias stay, because they name columns."""
    selector = draft.query.selector
    where = _all_of(*_predicate(draft.predicate), *([selector.where] if selector.where else []))
    return replace(draft, query=replace(draft.query, selector=replace(selector, where=where)))


def _predicate(predicate: Predicate) -> Iterator[tree.Condition]:
    """P as a list to be conjoined: one of the allows, and the negation of each of the denies."""
    if not any(condition.equals == () for condition in predicate.allows):
        yield _any_of(*(_holds(condition) for condition in predicate.allows))
    for condition in predicate.denies:
        yield _any_of(*(_differs(name, values) for name, values in condition.equals))


def _holds(condition: Condition) -> tree.Condition:
    return _all_of(*(tree.Comparison(_path(name), "=", _value(values)) for name, values in condition.equals))


def _differs(name: str, values: tuple[str, ...]) -> tree.Condition:
    path = _path(name)
    unequal = _all_of(*(tree.Comparison(path, "!=", _string(value)) for value in values))
    return tree.Or((unequal, tree.Comparison(path, "=", tree.Undefined())))


def _value(values: tuple[str, ...]) -> tree.String | tree.ValueList:
    strings = tuple(_string(value) for value in values)
    return strings[0] if len(strings) == 1 else tree.ValueList("OR", strings)


def _string(value: str) -> tree.String:
    _check_text(value, 0)  # refused when the policy was made; held again here, because everything rests on it
    return tree.String(value)


_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


def _path(name: str) -> tree.Path:
    """`tag.team` as it is, and any other name, or one that a reader could take for a keyword, in brackets."""
    parts = name.split(".")
    if _PLAIN_NAME.fullmatch(name) and not any(part.upper() in RESERVED_WORDS for part in parts):
        return tree.Path(tuple(tree.Segment(part) for part in parts))
    path = tree.Path((tree.Segment(name, bracketed=True),))
    _check_path(path)
    return path


def _all_of(*items: tree.Condition) -> tree.Condition:
    return items[0] if len(items) == 1 else tree.And(items)


def _any_of(*items: tree.Condition) -> tree.Condition:
    return items[0] if len(items) == 1 else tree.Or(items)


# --- pass 3: hidden columns ---------------------------------------------------------------------------------------


def add_hidden_columns(draft: _Draft) -> _Draft:
    """`_id` and every property of P, so that each row of a plain table can be checked."""
    items = draft.query.returns
    alias = _alias(draft.query.selector)
    if not isinstance(items, tuple) or alias is None or any(isinstance(item.value, tree.Call) for item in items):
        return draft
    hidden = []
    added = []
    taken = {item.column for item in items}
    names = dict.fromkeys(["_id", *_properties(draft.predicate)])
    fresh = (name for number in range(len(names) + len(taken)) if (name := f"gw{number}") not in taken)
    for column, name in zip(fresh, names, strict=False):
        value = tree.Path((tree.Segment(alias), *_path(name).segments))
        added.append(tree.Item(value, render_expression(value), alias=column))
        hidden.append((column, name))
    return replace(draft, query=replace(draft.query, returns=items + tuple(added)), hidden=tuple(hidden))


def _properties(predicate: Predicate) -> Iterator[str]:
    for condition in predicate.allows + predicate.denies:
        for name, _ in condition.equals:
            yield name


PASSES: tuple[Callable[[_Draft], _Draft], ...] = (refuse_unsupported, conjoin_predicate, add_hidden_columns)
