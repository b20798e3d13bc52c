"""Names: each one must speak of one thing, however names are read, and each column have one value."""

from __future__ import annotations

from gateway.authz.narrow.draft import Draft, NotNarrowed
from gateway.authz.narrow.full_text import is_full_text
from gateway.authz.narrow.names import Names, default_name
from gateway.authz.narrow.predicate import properties
from gateway.authz.narrow.sublanguage import check_source, check_text
from gateway.authz.narrow.walk import parts, paths, spoken_expressions
from gateway.j1ql import tree


def check_names(draft: Draft) -> None:
    """Raises NotNarrowed for a name that could speak of another thing than its writer means."""
    query = draft.query
    _check_properties(draft)
    if draft.names.given:
        _check_aliases(query)
    items = query.returns if isinstance(query.returns, tuple) else ()
    columns = frozenset(item.alias for item in items if item.alias is not None)
    for expression in spoken_expressions(query):
        for path in paths(expression):
            _check_name(path, draft.names, columns)
    _check_items(items, draft.names)


def _check_properties(draft: Draft) -> None:
    """A part called `tag` could be what the `tag.team` of P speaks of."""
    begun = {name.casefold().partition(".")[0] for name in properties(draft.binding.predicate) if "." in name}
    if not begun:
        return
    for part, _ in parts(draft.query):
        name = part.alias or default_name(part)
        if name is not None and name.casefold() in begun:
            raise NotNarrowed(
                f"`{name}` begins the name of a property in the key's condition; give this part another, with AS",
                part.at,
            )


def _check_aliases(query: tree.Query) -> None:
    """No two names may be one in another letter case, but those of selectors, of which P does not speak.

    `Device AS device` is one that the vendor ships. The order of a full-text search does speak of its selector.
    """
    unnamed = [(part, name) for part, _ in parts(query) if part.alias is None and (name := default_name(part))]
    texts = {name for _, name in unnamed}
    ordered = is_full_text(query)
    firm = {name.casefold() for part, name in unnamed if ordered or isinstance(part, tree.Step)}
    loose = {name.casefold() for _, name in unnamed}
    for part, _ in parts(query):
        if part.alias is not None:
            name = part.alias.casefold()
            if part.alias in texts or name in firm or (name in loose and not isinstance(part, tree.Selector)):
                raise NotNarrowed(
                    f"`{part.alias}` names another part of the query as well; choose another name", part.at
                )
            firm.add(name)


def _check_name(path: tree.Path, names: Names, columns: frozenset[str]) -> None:
    name = path.segments[0].name
    if name in names.ambiguous:
        raise NotNarrowed(f"`{name}` stands for several parts of the query; name one of them with AS", path.at)
    if name not in names.known and not (len(path.segments) == 1 and name in columns):
        raise _unknown(name, names, path.at)


def _unknown(name: str, names: Names, at: int) -> NotNarrowed:
    known = ", ".join(f"`{name}`" for name in sorted(names.known)) or "no name yet: give one with AS"
    return NotNarrowed(f"`{name}` names no part of the query, which has {known}", at)


def _check_items(items: tuple[tree.Item, ...], names: Names) -> None:
    seen: dict[str, tree.Expression | tree.AllProperties] = {}
    for item in items:
        check_source(item.source, item.at)
        if seen.setdefault(item.column, item.value) != item.value:
            raise NotNarrowed(
                f"column `{item.column}` is returned twice with different values; name one of them with AS", item.at
            )
        if item.alias is not None:
            _check_column(item.alias, item.at)
        if isinstance(item.value, tree.AllProperties):
            _check_all_properties(item, item.value, names)


def _check_all_properties(item: tree.Item, value: tree.AllProperties, names: Names) -> None:
    if value.alias not in names.known:
        raise _unknown(value.alias, names, item.at)
    if item.alias is not None:
        raise NotNarrowed(
            f"`{value.alias}.*` stands for many columns, which cannot all be called `{item.alias}`", item.at
        )


def _check_column(name: str, at: int) -> None:
    check_text(name, at)
    if "." in name:
        raise NotNarrowed(
            f"column `{name}` is called like a property, which ORDER BY would take it for; choose a name without a dot",
            at,
        )
