"""Pass: what cannot be narrowed, or not be printed so that every lexer reads it alike, is refused."""

from __future__ import annotations

from dataclasses import replace

from gateway.authz.capabilities import Mode
from gateway.authz.narrow.draft import Draft, NotNarrowed
from gateway.authz.narrow.full_text import check_full_text, is_full_text
from gateway.authz.narrow.names import Names, default_name
from gateway.authz.narrow.sublanguage import check_path, check_regex, check_text
from gateway.authz.narrow.walk import atoms, heads, is_account_parameter, operands, parts, paths, spoken_expressions
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
    items = query.returns if isinstance(query.returns, tuple) else ()
    _check_aliases(draft)
    columns = frozenset(item.alias for item in items if item.alias is not None)
    for expression in spoken_expressions(query):
        _check_spoken(expression, columns, draft)
    _check_items(items, draft)
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


def _check_spoken(expression: tree.Expression, columns: frozenset[str], draft: Draft) -> None:
    """What stands in a clause that speaks of parts by name."""
    _check_expression(expression, draft)
    for path in paths(expression):
        _check_name(path, draft.names, columns)


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
            case tree.Parameter(name=name, at=at) if not is_account_parameter(name):
                raise NotNarrowed(
                    f"variable `{name}` can stand only on the right side of a comparison, for a key with a condition",
                    at,
                )
            case tree.Parameter(at=at):
                draft.need("parameters_by_value", "a parameter (${…})", at)
            case _:
                pass


def _check_aliases(draft: Draft) -> None:
    """Each name must speak of one part, in whatever letter case names are read: P may stand under it.

    It stands under the names of steps, so that selectors may be called like selectors: `Device AS device`.
    """
    unnamed = [(part, name) for part, _ in parts(draft.query) if part.alias is None and (name := default_name(part))]
    verbs = {name.casefold() for part, name in unnamed if isinstance(part, tree.Step)}
    heads = {name.casefold() for part, name in unnamed if isinstance(part, tree.Selector)}
    taken: set[str] = set()
    for part, _ in parts(draft.query):
        if part.alias is not None:
            name = part.alias.casefold()
            if name in taken or name in verbs or (name in heads and not isinstance(part, tree.Selector)):
                raise NotNarrowed(
                    f"`{part.alias}` names another part of the query as well; choose another name", part.at
                )
            taken.add(name)


def _check_name(path: tree.Path, names: Names, columns: frozenset[str]) -> None:
    name = path.segments[0].name
    if name in names.ambiguous:
        raise NotNarrowed(f"`{name}` stands for several parts of the query; name one of them with AS", path.at)
    if name not in names.known and not (len(path.segments) == 1 and name in columns):
        known = ", ".join(f"`{name}`" for name in sorted(names.known)) or "no name yet: give one with AS"
        raise NotNarrowed(f"`{name}` names no part of the query, which has {known}", path.at)


def _check_items(items: tuple[tree.Item, ...], draft: Draft) -> None:
    steps = _names_of_steps(draft)
    seen: dict[str, tree.Expression | tree.AllProperties] = {}
    for item in items:
        if seen.setdefault(item.column, item.value) != item.value:
            raise NotNarrowed(
                f"column `{item.column}` is returned twice with different values; name one of them with AS", item.at
            )
        if item.alias is not None:
            _check_column(item.alias, item.at, steps)
        if isinstance(item.value, tree.AllProperties) and item.value.alias not in draft.names.known:
            raise NotNarrowed(f"`{item.value.alias}` names no part of the query", item.at)


def _names_of_steps(draft: Draft) -> frozenset[str]:
    """Under which P may stand, in lower case; none in induced mode."""
    if draft.binding.mode is not Mode.STRICT:
        return frozenset()
    steps = (part for part, _ in parts(draft.query) if isinstance(part, tree.Step))
    return frozenset(name.casefold() for step in steps if (name := step.alias or default_name(step)))


def _check_column(name: str, at: int, steps: frozenset[str]) -> None:
    check_text(name, at)
    if "." in name:
        raise NotNarrowed(
            f"column `{name}` is called like a property, which ORDER BY would take it for; choose a name without a dot",
            at,
        )
    if name.casefold() in steps:
        raise NotNarrowed(
            f"column `{name}` is called like a relationship, of which the key's condition speaks by this name; "
            "choose another name",
            at,
        )
