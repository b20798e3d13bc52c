"""Pass: what cannot be narrowed, or not be printed so that every lexer reads it alike, is refused.

The text that goes upstream is a sublanguage whose every token reads the same whether backslashes escape or not and
whether comments are stripped first or not; otherwise what is one string here could be the end of P there. Hence no
string with a backslash, a comment mark, `${`, a control character or both kinds of quotes, and the like for names in
brackets and regular expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from gateway.authz.narrow.draft import Draft, NotNarrowed, parts
from gateway.authz.narrow.names import AGGREGATES, Names, atoms, calls, operands, paths, spoken_expressions
from gateway.j1ql import tree

_TEXT = re.compile(r"\\|/\*|\*/|\$\{|[\x00-\x1f\x7f-\x9f\u2028\u2029]|[\ud800-\udfff]")
_NAME = re.compile(r"[\\\[\]'\"\x00-\x1f\x7f-\x9f\u2028\u2029]|/\*|\*/|\$\{|[\ud800-\udfff]")
_REGEX = re.compile(r"[/'\"\x00-\x1f\x7f-\x9f]|\*/|\$\{|[\ud800-\udfff]")


_STRUCTURE = frozenset("AND OR FIND THAT WITH WHERE RETURN".split())


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
            case _:
                pass
    if any(place.negated for _, place in parts(query)):
        _need(draft, "negation_binds", "a negated step (THAT !…)", query.selector.at)
    for condition in (query.where, query.having):
        if condition is not None:
            _check_condition(condition, draft)
    for expression in spoken_expressions(query):
        _check_expression(expression, draft)
    names = Names.of(query)
    _check_names(query, names)
    if isinstance(query.returns, tuple):
        _check_items(query.returns, names)
    return draft


def is_aggregated(query: tree.Query) -> bool:
    """Whether rows of the answer stand for groups of objects, or parts of one, so that no row is one match."""
    if query.unique:
        return True
    items = query.returns if isinstance(query.returns, tuple) else ()
    return any(calls(item) & (AGGREGATES | {"UNWIND", "MERGE"}) for item in items)


def is_full_text(query: tree.Query) -> bool:
    """Whether the query begins with a search whose best hits come first."""
    return any(isinstance(head, tree.FullText) for head in _heads(query.selector.head))


def check_text(text: str, at: int) -> None:
    """Refuse a string about which lexers differ."""
    if _TEXT.search(text) or ("'" in text and '"' in text):
        raise NotNarrowed(
            "a string may hold no backslash, comment mark, `${`, control character or both kinds of quotes, "
            "for a key with a condition",
            at,
        )


def is_account_parameter(name: str) -> bool:
    """`${param.x}` belongs to the account, any other `${x}` is the caller's."""
    return name.partition(".")[0].lower() == "param"


def check_path(path: tree.Path) -> None:
    """Refuse a property name about which lexers differ."""
    first = path.segments[0]
    if not first.bracketed and first.name.upper() in _STRUCTURE:
        raise NotNarrowed(f"`{first.name}` could be read as a keyword; write it as [{first.name}]", path.at)
    if any(_NAME.search(segment.name) for segment in path.segments):
        raise NotNarrowed("this property name cannot be used by a key with a condition", path.at)


def _need(draft: Draft, capability: str, construct: str, at: int) -> None:
    if not draft.binding.capabilities.allow(capability):
        raise NotNarrowed(
            f"{construct} cannot be used by a key with a condition: "
            "the upstream has not been seen to treat it in the way that is safe (see the setting graph.verified)",
            at,
        )


def _check_selector(selector: tree.Selector, *, start: bool, draft: Draft) -> None:
    for head in _heads(selector.head):
        match head:
            case tree.FullText(text=text):
                _check_full_text(text, start=start, draft=draft)
            case tree.Smart():
                _need(draft, "smart_class_binds", "a smart class (#…)", head.at)
            case _:
                pass
    if selector.where is not None:
        _check_condition(selector.where, draft)
        for expression in operands(selector.where):
            _check_expression(expression, draft)


def _heads(head: tree.Head | None) -> Iterator[tree.Head]:
    """A head and those in it."""
    if head is None:
        return
    yield head
    if isinstance(head, tree.Union):
        for item in head.items:
            yield from _heads(item)
    elif isinstance(head, tree.Smart):
        yield from _heads(head.head)


def _check_full_text(text: tree.String, *, start: bool, draft: Draft) -> None:
    """Best hits come first by statistics over all objects, hidden ones too, so no order or choice may rest on them."""
    query = draft.query
    _need(draft, "full_text_binds", "full-text search", text.at)
    check_text(text.value, text.at)
    if not start:
        raise NotNarrowed("full-text search can only begin a query, for a key with a condition", text.at)
    if query.unique:
        raise NotNarrowed("full-text search does not go with UNIQUE, for a key with a condition", text.at)
    if isinstance(query.returns, tree.Tree) and query.windows:
        raise NotNarrowed("full-text search with TREE can have no LIMIT or SKIP, for a key with a condition", text.at)
    if query.windows:
        _need(draft, "limit_after_where", f"full-text search with {query.windows[0].keyword}", query.windows[0].at)
    items = query.returns if isinstance(query.returns, tuple) else ()
    if any(calls(item) & {"UNWIND", "MERGE"} for item in items):
        raise NotNarrowed("full-text search goes with neither UNWIND nor MERGE, for a key with a condition", text.at)
    aggregated = [bool(calls(item) & AGGREGATES) for item in items]
    if any(aggregated) and not all(aggregated):
        raise NotNarrowed("full-text search can count but not group, for a key with a condition", text.at)


def _check_condition(condition: tree.Condition, draft: Draft) -> None:
    match condition:
        case tree.And(items=items) | tree.Or(items=items):
            for item in items:
                _check_condition(item, draft)
        case tree.Comparison(right=tree.Subquery(query=query, at=at)):
            _need(draft, "subquery_is_membership", "a subquery", at)
            if is_full_text(query):
                raise NotNarrowed("full-text search cannot be a subquery, for a key with a condition", at)
            refuse_unsupported(replace(draft, query=query))
        case _:
            pass


def _check_expression(expression: tree.Expression, draft: Draft) -> None:
    for atom in atoms(expression):
        match atom:
            case tree.String(value=value, at=at):
                check_text(value, at)
            case tree.Regex(pattern=pattern, at=at) if _REGEX.search(pattern):
                raise NotNarrowed("a regular expression may hold no `/` or quotes, for a key with a condition", at)
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
                _need(draft, "parameters_by_value", "a parameter (${…})", at)
            case _:
                pass


def _check_names(query: tree.Query, names: Names) -> None:
    """Each name must speak of one part, in whatever letter case names are read: P may stand under it."""
    taken: set[str] = set()
    others = {text.casefold() for text in names.texts | names.ambiguous}
    for part, _ in parts(query):
        if part.alias is not None:
            name = part.alias.casefold()
            if name in taken or name in others:
                raise NotNarrowed(
                    f"`{part.alias}` names another part of the query as well; choose another name", part.at
                )
            taken.add(name)
    columns = _column_names(query)
    for expression in spoken_expressions(query):
        for path in paths(expression):
            _check_spoken(path, names, columns)


def _column_names(query: tree.Query) -> frozenset[str]:
    items = query.returns if isinstance(query.returns, tuple) else ()
    return frozenset(item.alias for item in items if item.alias is not None)


def _check_spoken(path: tree.Path, names: Names, columns: frozenset[str]) -> None:
    name = path.segments[0].name
    if name in names.ambiguous:
        raise NotNarrowed(f"`{name}` stands for several parts of the query; name one of them with AS", path.at)
    if name not in names.known and not (len(path.segments) == 1 and name in columns):
        known = ", ".join(f"`{name}`" for name in sorted(names.known)) or "no name yet: give one with AS"
        raise NotNarrowed(f"`{name}` names no part of the query, which has {known}", path.at)


def _check_items(items: tuple[tree.Item, ...], names: Names) -> None:
    seen = set()
    for item in items:
        if item.column in seen:
            raise NotNarrowed(f"column `{item.column}` is returned twice; name one of them with AS", item.at)
        seen.add(item.column)
        if item.alias is not None:
            check_text(item.alias, item.at)
            if "." in item.alias:
                raise NotNarrowed(
                    f"column `{item.alias}` is called like a property, which ORDER BY would take it for; "
                    "choose a name without a dot",
                    item.at,
                )
        if isinstance(item.value, tree.AllProperties) and item.value.alias not in names.known:
            raise NotNarrowed(f"`{item.value.alias}` names no part of the query", item.at)


def impose_order(draft: Draft) -> Draft:
    """Pass: full-text search is sorted by `_id`, last of all, so that what comes first does not tell of hidden text.

    A tree is sorted by the row check, because no document says that ORDER BY goes with TREE.
    """
    query = draft.query
    if not is_full_text(query) or is_aggregated(query) or isinstance(query.returns, tree.Tree):
        return draft
    names = Names.of(query)
    alias = names.current(query.selector)
    invented = draft.invented
    if alias is None:
        alias, invented = draft.name(invented), invented + 1
        query = replace(query, selector=replace(query.selector, alias=alias))
    last = tree.Order(tree.Path((tree.Segment(alias), tree.Segment("_id"))))
    return replace(draft, query=replace(query, order=(*query.order, last)), invented=invented)
