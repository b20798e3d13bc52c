"""Selectors, turned once into tests of an entity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from zlib import crc32

from gateway.j1ql import tree
from gateway.sandbox.conditions import Test, compile_condition
from gateway.sandbox.context import Context, EvaluationError
from gateway.sandbox.dialect import SearchOrder
from gateway.sandbox.expressions import Getter, Scope
from gateway.sandbox.graph import Entity, Graph
from gateway.sandbox.values import elements

SEARCHED = 10
"""Hits that a capped search finds."""

CRITICAL_CLASSES = frozenset({"Application", "CodeRepo", "DataStore", "Function", "Host", "Logs"})


def compile_start(selector: tree.Selector, context: Context) -> Callable[[], Iterator[Entity]]:
    """Finds what the first selector selects, in the order of the graph. Raises EvaluationError."""
    head = selector.head
    if isinstance(head, tree.FullText):
        fits = _full_text(head)
        return _searched(fits, _with(selector, context), context)
    selects = compile_selector(selector, context)

    def starts() -> Iterator[Entity]:
        run = context.run
        for entity in _candidates(head, run.graph):
            run.spend()
            if selects(entity):
                yield entity

    return starts


def _searched(fits: Test[Entity], where: Test[Entity], context: Context) -> Callable[[], Iterator[Entity]]:
    """OPEN (assumption A7): WITH is part of the search, or chooses among its first hits."""
    scored, capped = context.dialect.search_order is SearchOrder.SCORE, context.dialect.search_capped

    def starts() -> Iterator[Entity]:
        hits = _hits(fits, context)
        ordered = _best_first(hits) if scored else hits
        return filter(where, islice(ordered, SEARCHED) if capped else ordered)

    return starts


def _hits(fits: Test[Entity], context: Context) -> Iterator[Entity]:
    for entity in context.run.graph.entities:
        context.run.spend()
        if fits(entity):
            yield entity


def _best_first(found: Iterable[Entity]) -> list[Entity]:
    """OPEN (assumption A2): an order that any hit, selected or not, can change, as statistics of a search engine do."""
    hits = list(found)
    return sorted(hits, key=lambda entity: crc32(f"{len(hits)} {entity.id}".encode()))


def compile_selector(selector: tree.Selector, context: Context) -> Test[Entity]:
    """Whether a later selector selects an entity. Raises EvaluationError."""
    head, where = selector.head, _with(selector, context)
    fits = _head(head)
    if isinstance(head, tree.Smart) and not context.dialect.smart_class_binds:
        return lambda entity: fits(entity) and (_is_tagged(entity, head.name) or where(entity))
    return lambda entity: fits(entity) and where(entity)


def _candidates(head: tree.Head, graph: Graph) -> Iterable[Entity]:
    """All that a head can select, and perhaps more: the graph has indexes for names."""
    if isinstance(head, tree.Name):
        return graph.of_class(head.name) if _is_class(head.name) else graph.of_type(head.name)
    return graph.entities


def _head(head: tree.Head) -> Test[Entity]:
    match head:
        case tree.Everything():
            return lambda _: True
        case tree.Name(name):
            field = "_class" if _is_class(name) else "_type"
            return lambda entity: name in entity.metadata[field]
        case tree.Union(items):
            tests = [_head(item) for item in items]
            return lambda entity: any(test(entity) for test in tests)
        case tree.Smart(name, inner):
            fits = _head(inner or tree.Everything())
            return lambda entity: fits(entity) and _is_smart(entity, name)
        case tree.FullText():
            # OPEN (ambiguity 6): every public query has it at the start.
            raise EvaluationError("Full text search is only supported at the start of a query")


def _is_class(name: str) -> bool:
    """Classes are in TitleCase, types in snake_case (J1QL specification, "FIND")."""
    return name[:1].isupper()


def _is_smart(entity: Entity, name: str) -> bool:
    """The expansions that the J1QL specification gives ("Smart classes"); administrators may define more.

    OPEN (assumption A7): the OR in an expansion binds within it, and a WITH after it narrows the whole.
    """
    return _is_tagged(entity, name) or (
        name == "CriticalAsset"
        and not CRITICAL_CLASSES.isdisjoint(entity.metadata["_class"])
        and entity.get("tag.Production") is True
        and entity.get("classification") == "critical"
    )


def _is_tagged(entity: Entity, name: str) -> bool:
    return name in elements(entity.get("tags"))


def _full_text(head: tree.FullText) -> Test[Entity]:
    """OPEN (ambiguity 8): each word occurs in some string of the entity, whatever its case; there is no score."""
    words = head.text.value.lower().split()

    def fits(entity: Entity) -> bool:
        values = chain(entity.metadata.values(), entity.properties.values())
        strings = [item.lower() for value in values for item in elements(value) if isinstance(item, str)]
        return all(any(word in string for string in strings) for word in words)

    return fits


# --- WITH ---------------------------------------------------------------------------------------------------------


class _Properties(Scope[Entity]):
    """The scope of WITH: a path is a property of the entity that the selector looks at."""

    def path(self, path: tree.Path) -> Getter[Entity]:
        name = property_name(path.segments)
        return lambda entity: entity.get(name)


def property_name(segments: tuple[tree.Segment, ...]) -> str:
    """`tag.team` and `[tag.team]` are one flat property."""
    return ".".join(segment.name for segment in segments)


def _with(selector: tree.Selector, context: Context) -> Test[Entity]:
    if selector.where is None:
        return lambda _: True
    return compile_condition(selector.where, _Properties(context))
