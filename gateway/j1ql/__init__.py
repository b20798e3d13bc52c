"""The query language: text -> tree (`parse`) and tree -> text (`render`); parse(render(query)) == query."""

from gateway.j1ql import tree
from gateway.j1ql.errors import J1QLSyntaxError, pointed
from gateway.j1ql.expressions import AGGREGATES, RESERVED_WORDS
from gateway.j1ql.lexer import Limits
from gateway.j1ql.parser import parse
from gateway.j1ql.render import render, render_condition, render_expression

__all__ = [
    "AGGREGATES",
    "RESERVED_WORDS",
    "J1QLSyntaxError",
    "Limits",
    "parse",
    "pointed",
    "render",
    "render_condition",
    "render_expression",
    "tree",
]
