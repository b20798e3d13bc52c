"""What a query returns, in which order, and how much of it. One function a rule."""

from __future__ import annotations

from gateway.j1ql.expressions import RESERVED_COLUMNS, alias, expression, integer
from gateway.j1ql.lexer import Tokens
from gateway.j1ql.tree import AllProperties, Expression, Item, Order, Tree, Window


def returns(t: Tokens) -> tuple[Item, ...] | Tree | None:
    """[ RETURN ( TREE | item { "," item } ) ] ;"""
    if not t.consume("RETURN"):
        return None
    if t.check("TREE"):
        return Tree(t.read().at)
    items = [_item(t)]
    while t.consume(","):
        items.append(_item(t))
    return tuple(items)


def _item(t: Tokens) -> Item:
    """item = ( name "." "*" | expression ) [ AS ( column | string ) ] ;   column = name, but no aggregate ;"""
    at = t.next.at
    value: Expression | AllProperties
    if t.check("name") and t.peek(1).kind == "." and t.peek(2).kind == "*":
        value = AllProperties(t.read().text, at)
        t.read()
        t.read()
    else:
        value = expression(t, "`TREE`, an alias or `alias.property`")
    source = t.source_from(at)
    if t.check("AS") and t.peek().kind == "string":
        t.read()
        return Item(value, source, t.read().text[1:-1], quoted=True, at=at)
    return Item(value, source, alias(t, RESERVED_COLUMNS), at=at)


def orders(t: Tokens) -> tuple[Order, ...]:
    """[ ORDER BY order { "," order } ] ;"""
    if not t.consume("ORDER"):
        return ()
    t.expect("BY")
    found = [_order(t)]
    while t.consume(","):
        found.append(_order(t))
    return tuple(found)


def _order(t: Tokens) -> Order:
    """order = expression [ ASC | DESC ] ;"""
    at = t.next.at
    value = expression(t, "`alias.property` or the alias of a column")
    descending = t.consume("DESC")
    if not descending:
        t.consume("ASC")
    return Order(value, descending, at)


def windows(t: Tokens) -> tuple[Window, ...]:
    """{ ( SKIP | LIMIT ) integer } ;   each twice at most: an old client appends a pair to any query"""
    found: list[Window] = []
    while t.check("SKIP", "LIMIT"):
        token = t.read()
        if sum(window.keyword == token.kind for window in found) == 2:  # noqa: PLR2004
            raise t.error(f"`{token.text}` stands here for the third time", token.at)
        found.append(Window(token.kind, integer(t, "a number of rows"), token.at))
    return tuple(found)
