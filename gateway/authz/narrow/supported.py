"""Pass: what cannot be narrowed, or not be printed so that every lexer reads it alike, is refused."""

from __future__ import annotations

from dataclasses import replace

from gateway.authz.narrow.draft import Draft, NotNarrowed
from gateway.authz.narrow.full_text import check_full_text, is_full_text
from gateway.authz.narrow.names import Names
from gateway.authz.narrow.naming import check_names
from gateway.authz.narrow.sublanguage import check_path, check_regex, check_text
from gateway.authz.narrow.walk import (
    GROUPING,
    atoms,
    functions,
    heads,
    is_account_parameter,
    operands,
    parts,
    spoken_expressions,
)
from gateway.j1ql import tree


def refuse_unsupported(draft: Draft) -> Draft:
    query = draft.query
    for part, place in parts(query):
        match part:
            case tree.Selector():
                _check_selector(part, start=place.start, draft=draft)
            case tree.Step(somehow=True):
                raise NotNarrowed(
                    "THAT SOMEHOW cannot be used by a key with a condition: paths through hidden objects would show; "
                    "name each step instead",
                    part.at,
                )
            case tree.Step(negated=True):
                draft.need("negation_binds", "a negated step (THAT !…)", part.at)
            case _:
                pass
    for condition in (query.where, query.having):
        if condition is not None:
            _check_condition(condition, draft)
    if query.where is not None:
        _refuse_grouping(query.where)
    for expression in spoken_expressions(query):
        _check_expression(expression, draft)
    check_names(draft)
    return draft


def _check_selector(selector: tree.Selector, *, start: bool, draft: Draft) -> None:
    for head in heads(selector.head):
        match head:
            case tree.FullText(text=text):
                check_full_text(text, start=start, draft=draft)
            case tree.Smart():
                draft.need("smart_class_binds", "a smart class (#…)", head.at)
            case _:
                pass
    if selector.where is not None:
        _check_condition(selector.where, draft)
        _refuse_grouping(selector.where)
        for expression in operands(selector.where):
            _check_expression(expression, draft)


def _check_condition(condition: tree.Condition, draft: Draft) -> None:
    match condition:
        case tree.And(items=items) | tree.Or(items=items):
            for item in items:
                _check_condition(item, draft)
        case tree.Comparison(right=tree.Subquery(query=query, at=at)):
            draft.need("subquery_is_membership", "a subquery", at)
            if is_full_text(query):
                raise NotNarrowed("full-text search cannot be a subquery, for a key with a condition", at)
            refuse_unsupported(replace(draft, query=query, names=Names.of(query)))
        case _:
            pass


def _refuse_grouping(condition: tree.Condition) -> None:
    """An aggregate of what WITH or WHERE is still choosing from could be one over hidden objects."""
    for expression in operands(condition):
        for name in sorted(functions(expression) & GROUPING):
            raise NotNarrowed(
                f"{name} can stand in RETURN, HAVING and ORDER BY alone, for a key with a condition", expression.at
            )


def _check_expression(expression: tree.Expression, draft: Draft) -> None:
    for atom in atoms(expression):
        match atom:
            case tree.String(value=value, at=at):
                check_text(value, at)
            case tree.Regex():
                check_regex(atom)
            case tree.Date(text=text, at=at):
                check_text(text, at)
            case tree.Path():
                check_path(atom)
            case tree.Call(name=name, arguments=(), at=at):
                raise NotNarrowed(f"`{name}` needs something in its parentheses, for a key with a condition", at)
            case tree.Parameter(name=name, at=at) if not is_account_parameter(name):
                raise NotNarrowed(
                    f"variable `{name}` can stand only on the right side of a comparison, for a key with a condition",
                    at,
                )
            case tree.Parameter(at=at):
                draft.need("parameters_by_value", "a parameter (${…})", at)
            case _:
                pass
