"""A second reading of J1QL: the same trees as `gateway.j1ql.parse` makes, by a grammar of its own.

The grammar in `grammar.lark` is read by a parser generator. Here its parse trees become the gateway's, and here are the
rules that are no matter of grammar. Of the gateway this knows the nodes of `gateway.j1ql.tree` alone. Facts about the
language are from the sources that the grammar names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput, v_args
from lark.exceptions import VisitError
from lark.tree import Meta

from gateway.j1ql import tree

RESERVED = frozenset(
    "count sum avg min max find that with where return order by limit skip has relates to from and or not true false "
    "null undefined as".split()
)
"""No names of parts: the list of the platform's own query validator."""
RESERVED_COLUMNS = RESERVED - {"has", "relates", "from", "not"}
"""No names of columns."""

_MOVED_BY = re.compile(r"([+-])([0-9]+)([a-z]+)", re.IGNORECASE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_NO_COMMENT_OR_ONE = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\[[^\]]+\])|/\*.*?\*/""", re.DOTALL)
"""What may hold the marks of a comment, in the group, or a comment. RETURN has no regular expressions."""
_BLANK = re.compile(r"[ \t\r\n]+")


class Refused(Exception):  # noqa: N818 - a finding about the text, not a fault
    """The text is no query."""


@dataclass(frozen=True, slots=True)
class _Parentheses:
    """An expression in parentheses, until it is known what they mean where they stand."""

    inner: Any


def read(text: str) -> tree.Query:
    """The tree of a query; `Refused` if it is none."""
    try:
        return _Maker(text).transform(_PARSER.parse(text))
    except UnexpectedInput as fault:
        raise Refused(f"unexpected text at {fault.pos_in_stream}") from fault
    except VisitError as fault:
        if isinstance(fault.orig_exc, Refused):
            raise fault.orig_exc from None
        raise


_PARSER = Lark(
    Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8"),
    parser="lalr",
    lexer="contextual",
    propagate_positions=True,
)


def _expression(node: Any) -> tree.Expression:
    """Parentheses say something around an operation only."""
    if not isinstance(node, _Parentheses):
        return node
    inner = _expression(node.inner)
    return replace(inner, bracketed=True) if isinstance(inner, tree.Arithmetic) else inner


def _without_parentheses(node: Any) -> Any:
    while isinstance(node, _Parentheses):
        node = node.inner
    return node


def _nodes(node: Any) -> Iterator[Any]:
    """A node and all below it, but for the parts of a subquery, which has names of its own."""
    yield node
    if is_dataclass(node) and not isinstance(node, tree.Subquery):
        for each in fields(node):
            value = getattr(node, each.name)
            for below in value if isinstance(value, tuple) else (value,):
                yield from _nodes(below)


def _kept(kind: Callable[..., Any]) -> Callable[..., Any]:
    """A method that makes a node of this kind from all children, as a tuple."""

    def make(_: Any, *children: Any) -> Any:
        return kind(children)

    return make


@v_args(inline=True)
class _Maker(Transformer[Token, tree.Query]):
    """Bottom up: each method is named for a rule of the grammar and is given what its parts have become."""

    def __init__(self, text: str) -> None:
        super().__init__(visit_tokens=False)
        self._text = text

    # --- queries

    def query(self, unique: Token | None, selector: tree.Selector, *clauses: Any) -> tree.Query:
        return self._query(selector, *clauses, unique=unique is not None)

    def query_without_find(self, selector: tree.Selector, *clauses: Any) -> tree.Query:
        return self._query(selector, *clauses, find=False)

    def _query(
        self,
        selector: tree.Selector,
        steps: tuple[tree.Step | tree.Optional, ...],
        where: tree.Condition | None,
        returns: tuple[tree.Item, ...] | tree.Tree | None,
        having: tree.Condition | None,
        order: tuple[tree.Order, ...] | None,
        windows: tuple[tree.Window, ...],
        **how: bool,
    ) -> tree.Query:
        return tree.Query(
            selector, steps, where=where, returns=returns, having=having, order=order or (), windows=windows, **how
        )

    # --- what is looked for

    def selector(self, head: tree.Head, where: tree.Condition | None, alias: str | None) -> tree.Selector:
        return tree.Selector(head, where, alias)

    text_selector = selector

    def name(self, name: Token) -> tree.Name:
        return tree.Name(str(name))

    def everything(self) -> tree.Everything:
        return tree.Everything()

    def smart(self, name: Token, head: tree.Head | None = None) -> tree.Smart:
        return tree.Smart(name[1:], head)

    lone_smart = smart

    def full_text(self, text: Token) -> tree.FullText:
        return tree.FullText(self.string(text))

    union = _kept(tree.Union)

    def alias(self, name: Token) -> str:
        return self._unless_reserved(name, RESERVED)

    def column(self, name: Token) -> str:
        return self._unless_reserved(name, RESERVED_COLUMNS)

    def _unless_reserved(self, name: Token, reserved: frozenset[str]) -> str:
        if name.lower() in reserved:
            raise Refused(f"`{name}` is reserved")
        return str(name)

    # --- steps

    def steps(self, *steps: tree.Step | tree.Optional) -> tuple[tree.Step | tree.Optional, ...]:
        return steps

    def step(
        self,
        negated: Token | None,
        somehow: dict[str, Any] | None,
        verb: tree.Verb,
        filler: Token | None,
        *rest: Any,
    ) -> tree.Step:
        *ways, target = rest
        told: dict[str, Any] = {}
        for way in ways:
            if told.keys() & way.keys():
                raise Refused("said twice about one step")
            told |= way
        verb = verb if filler is None else _with_filler(verb)
        return tree.Step(verb, target, negated=negated is not None, **(somehow or {}), **told)

    def somehow(self, hops: Token | None) -> dict[str, Any]:
        return {"somehow": True, "hops": None if hops is None else int(hops)}

    def verb(self, name: str) -> tree.Verb:
        return tree.Verb((str(name),))

    def verbs(self, *names: str) -> tree.Verb:
        return tree.Verb(tuple(str(name) for name in names), bracketed=True)

    def relates_to(self, relates: Token, to: Token) -> str:
        return f"{relates} {to}"

    def way(self, direction: Token) -> dict[str, Any]:
        return {"direction": str(direction)}

    def named(self, alias: str) -> dict[str, Any]:
        return {"alias": alias}

    def optional(self, *parts: Any) -> tree.Optional:
        *steps, alias = parts
        return tree.Optional(tuple(steps), alias)

    # --- conditions

    def where(self, condition: tree.Condition) -> tree.Condition:
        """After WHERE a property is spoken of by the alias of its part ("requires selector")."""
        if any(isinstance(node, tree.Path) and len(node.segments) == 1 for node in _nodes(condition)):
            raise Refused("a property without an alias in WHERE")
        return condition

    def having(self, condition: tree.Condition) -> tree.Condition:
        return condition

    any_of = _kept(tree.Or)
    all_of = _kept(tree.And)

    def comparison(self, left: tree.Expression, operator: Token, right: Any) -> tree.Comparison:
        if isinstance(right, tree.Subquery) and operator not in ("=", "!="):
            raise Refused("a subquery after another operator than = and !=")
        return tree.Comparison(left, str(operator), right)

    def cidr(self, negated: Token | None, operand: tree.Expression, network: Token) -> tree.Cidr:
        return tree.Cidr(operand, self.string(network), negated is not None)

    def value(self, node: Any) -> tree.Expression | tree.ValueList | tree.Subquery:
        return tree.ValueList("OR", (_without_parentheses(node),)) if isinstance(node, _Parentheses) else node

    def subquery(self, query: tree.Query) -> tree.Subquery:
        match query.returns:
            case (tree.Item(value=tree.Path()),):
                return tree.Subquery(query)
            case _:
                raise Refused("a subquery returns exactly one property")

    def value_list(self, node: Any) -> tree.ValueList:
        return node if isinstance(node, tree.ValueList) else tree.ValueList("OR", (node,))

    def item_of_list(self, node: Any) -> tree.Expression | tree.ValueList:
        """Parentheses around one value say nothing among others."""
        match node:
            case tree.ValueList(items=(lone,)):
                return lone
            case _:
                return _without_parentheses(node)

    def any_value(self, *items: Any) -> tree.ValueList:
        return tree.ValueList("OR", items)

    def all_values(self, *items: Any) -> tree.ValueList:
        return tree.ValueList("AND", items)

    def regex(self, source: Token) -> tree.Regex:
        pattern, _, flags = source[1:].rpartition("/")
        return tree.Regex(pattern, flags)

    # --- expressions

    def expression(self, node: Any) -> tree.Expression:
        return _expression(node)

    def arithmetic(self, left: Any, operator: Token, right: Any) -> tree.Arithmetic:
        return tree.Arithmetic(_expression(left), str(operator), _expression(right))

    parentheses = _Parentheses

    def string(self, source: Token) -> tree.String:
        return tree.String(source[1:-1])

    def number(self, source: Token) -> tree.Number:
        return tree.Number(str(source))

    def negative(self, source: Token) -> tree.Number:
        return tree.Number(f"-{source}")

    def true(self, _: Token) -> tree.Boolean:
        return tree.Boolean(value=True)

    def false(self, _: Token) -> tree.Boolean:
        return tree.Boolean(value=False)

    def undefined(self, _: Token) -> tree.Undefined:
        return tree.Undefined()

    def parameter(self, source: Token) -> tree.Parameter:
        return tree.Parameter(_BLANK.sub("", source[2:-1]))

    def now(self, _: Token) -> tree.Now:
        return tree.Now()

    def moved_now(self, source: Token) -> tree.Now:
        sign, amount, unit = _MOVED_BY.search(_BLANK.sub("", _COMMENT.sub("", source))).groups()
        return tree.Now(int(sign + amount), unit)

    def date(self, source: Token) -> tree.Date:
        return tree.Date(_BLANK.sub("", source[source.index("(") + 1 : -1]))

    def call(self, name: Token, *arguments: tree.Expression | None) -> tree.Call:
        return tree.Call(str(name), tuple(each for each in arguments if each is not None))

    def path(self, *names: Token) -> tree.Path:
        return tree.Path(
            tuple(
                tree.Segment(name[1:-1], bracketed=True) if name.type == "BRACKETED" else tree.Segment(str(name))
                for name in names
            )
        )

    # --- what is returned

    def returns(self, *items: tree.Item) -> tuple[tree.Item, ...]:
        return items

    def whole_tree(self, _: Token) -> tree.Tree:
        return tree.Tree()

    def item(self, spelt: tuple[Any, str], alias: str | tree.String | None) -> tree.Item:
        value, source = spelt
        if isinstance(alias, tree.String):
            return tree.Item(value, source, alias.value, quoted=True)
        return tree.Item(value, source, alias)

    @v_args(inline=False, meta=True)
    def item_value(self, meta: Meta, children: list[Any]) -> tuple[Any, str]:
        """The platform names a column after the text as it was written, without comments."""
        written = self._text[meta.start_pos : meta.end_pos]
        return _expression(children[0]), _NO_COMMENT_OR_ONE.sub(lambda found: found[1] or "", written)

    def all_properties(self, alias: Token) -> tree.AllProperties:
        return tree.AllProperties(str(alias))

    quoted = string

    def order(self, *orders: tree.Order) -> tuple[tree.Order, ...]:
        return orders

    def ordering(self, value: tree.Expression, way: Token | None) -> tree.Order:
        return tree.Order(value, descending=way is not None and way.lower() == "desc")

    def windows(self, *windows: tree.Window) -> tuple[tree.Window, ...]:
        """An old client appends a second pair to any query."""
        keywords = [window.keyword for window in windows]
        if any(keywords.count(keyword) > 2 for keyword in keywords):
            raise Refused("a third SKIP or LIMIT")
        return windows

    def window(self, keyword: Token, count: Token) -> tree.Window:
        return tree.Window(keyword.upper(), int(count))


def _with_filler(verb: tree.Verb) -> tree.Verb:
    """RELATES TO has its TO already."""
    if verb.names[-1].upper().endswith(" TO"):
        raise Refused("a second TO")
    return replace(verb, to=True)
