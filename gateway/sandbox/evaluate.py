"""The query engine of the sandbox, and the oracle of the tests: what a query means on a graph.

Made to be read. The parts, each of which turns its part of a query into functions once and then runs them:

    values        what values are, and what two of them have to do with each other
    expressions   paths, constants, arithmetic, functions
    patterns      regular expressions
    conditions    comparisons, AND, OR
    selectors     classes, types, full text, WITH
    aliases       what WHERE and RETURN may name
    matching      steps, optional groups, WHERE: the matches
    returns       columns, aggregates, HAVING, UNIQUE, ORDER BY: the rows
    windows       SKIP, LIMIT

Where the documentation is silent or contradicts itself one reading is taken, in one place, with a comment that begins
with OPEN and names the question: the plainest one, unless the `dialect` says otherwise. Faults of a query are found
before the graph is read, except for the limit on what one query may look at.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, Literal

from gateway.j1ql import tree
from gateway.sandbox.aliases import ANY_VERB, Aliases
from gateway.sandbox.context import Context, EvaluationError, Limits, Run
from gateway.sandbox.dialect import PLAINEST, Dialect, Membership, TreeEdges, Window
from gateway.sandbox.graph import Entity, Graph, Relationship
from gateway.sandbox.matching import Match, compile_pattern, compile_verbs
from gateway.sandbox.returns import Group, Returns, distinct
from gateway.sandbox.selectors import compile_start
from gateway.sandbox.values import Value
from gateway.sandbox.windows import compile_windows

__all__ = ["DEFAULT_LIMITS", "Dialect", "EvaluationError", "Limits", "Result", "compile_query", "evaluate"]

DEFAULT_LIMITS = Limits()

CANDIDATES = 10
"""What a capped subquery looks at."""


@dataclass(frozen=True, slots=True)
class Result:
    """An answer in the shapes of the wire (JupiterOne documentation, "J1QL" and "JupiterOne API").

    `list`: rows `{"id", "entity", "properties"}`; `table`: rows keyed by column; `tree`: `{"vertices", "edges"}`.
    """

    type: Literal["list", "table", "tree"]
    data: Any


def evaluate(  # noqa: PLR0913  # what an answer depends on, and nothing else
    query: tree.Query,
    graph: Graph,
    *,
    variables: Mapping[str, object],
    parameters: Mapping[str, object],
    now: int,
    limits: Limits = DEFAULT_LIMITS,
    dialect: Dialect = PLAINEST,
    row_metadata: bool = False,
) -> Result:
    """The answer to a query. `now` is in milliseconds since the epoch.

    `${x}` is looked up in `variables`, `${param.x}` in `parameters` under `x`. Raises EvaluationError and nothing else;
    its message may be shown to the caller.
    """
    answer = compile_query(
        query,
        variables=variables,
        parameters=parameters,
        now=now,
        limits=limits,
        dialect=dialect,
        row_metadata=row_metadata,
    )
    return answer(graph)


def compile_query(  # noqa: PLR0913
    query: tree.Query,
    *,
    variables: Mapping[str, object],
    parameters: Mapping[str, object],
    now: int,
    limits: Limits = DEFAULT_LIMITS,
    dialect: Dialect = PLAINEST,
    row_metadata: bool = False,
) -> Callable[[Graph], Result]:
    """The query as a function from a graph to its answer: `evaluate` for several graphs, one after the other."""
    context = Context(variables, parameters, now, limits, dialect, _subquery)
    answer = _answer(query, context, row_metadata=row_metadata)

    def on(graph: Graph) -> Result:
        context.run = Run(graph, limits.examined)
        return answer()

    return on


def _answer(query: tree.Query, context: Context, *, row_metadata: bool) -> Callable[[], Result]:
    window = compile_windows(query.windows, Window.ROWS, context)
    returns, found = _rows(query, context)
    match query.returns:
        case None:
            return lambda: Result("list", [entity.wire() for entity in window(_listed(found()))])
        case tree.Tree():
            return lambda: Result("tree", _tree([group[0].match for group in window(found())], query, context))
        case _ if row_metadata:
            return lambda: Result("table", [returns.cells(row) | returns.metadata(row) for row in window(found())])
        case _:
            return lambda: Result("table", [returns.cells(row) for row in window(found())])


def _rows(query: tree.Query, context: Context) -> tuple[Returns, Callable[[], list[Group]]]:
    """What a query returns, before SKIP and LIMIT."""
    aliases = Aliases.of_query(query)
    returns = Returns(query, aliases, context)
    matches = compile_pattern(query, aliases, context)
    return returns, lambda: returns.groups(matches())


def _listed(groups: Sequence[Group]) -> list[Entity]:
    """Without RETURN: the start of each match, once.

    OPEN (ambiguity 5): and what optional groups led to, which are "added to the list of results" (J1QL specification).
    """
    return distinct((entity for group in groups for entity in group[0].match.listed), key=lambda entity: entity.id)


def _tree(matches: Sequence[Match], query: tree.Query, context: Context) -> dict[str, Any]:
    found = distinct(chain.from_iterable(match.vertices for match in matches), key=lambda vertex: vertex.id)
    edges = _edges(matches, {vertex.id for vertex in found}, query, context)
    return {"vertices": [vertex.wire() for vertex in found], "edges": [edge.wire() for edge in edges]}


def _edges(
    matches: Iterable[Match], vertices: Collection[str], query: tree.Query, context: Context
) -> Iterable[Relationship]:
    """OPEN (dialect of TREE): what the matches went along, or what else there is between the vertices."""
    if context.dialect.tree_edges is TreeEdges.MATCHED:
        return distinct(chain.from_iterable(match.edges for match in matches), key=lambda edge: edge.id)
    drawn = compile_verbs(_verbs(query.steps) if context.dialect.tree_edges is TreeEdges.VERBS else (ANY_VERB,))
    inside = (edge for edge in context.run.graph.relationships if edge.from_id in vertices and edge.to_id in vertices)
    return filter(drawn, inside)


def _verbs(steps: Iterable[tree.Step | tree.Optional]) -> Iterator[str]:
    for step in steps:
        yield from _verbs(step.steps) if isinstance(step, tree.Optional) else step.verb.names


def _subquery(query: tree.Query, context: Context) -> Callable[[], list[Value]]:
    """The values of a query that stands as the right side of a comparison."""
    items = query.returns
    if not isinstance(items, tuple) or len(items) != 1 or not _is_property(items[0]):
        raise EvaluationError("A subquery must return exactly one property")
    window = compile_windows(query.windows, Window.ROWS, context)
    returns, found = _rows(query, context)
    if context.dialect.membership is Membership.CAPPED:
        found = _of_first_candidates(query, found, context)
    return lambda: [value for group in window(found()) for value in returns.values(group)]


def _of_first_candidates(
    query: tree.Query, found: Callable[[], list[Group]], context: Context
) -> Callable[[], list[Group]]:
    """OPEN (assumption A9): a subquery may look at so many candidates, whether they satisfy its WITH or not."""
    candidates = compile_start(replace(query.selector, where=None), context)

    def of_first() -> list[Group]:
        first = {entity.id for entity in islice(candidates(), CANDIDATES)}
        return [group for group in found() if group and group[0].match.vertices[0].id in first]

    return of_first


def _is_property(item: tree.Item) -> bool:
    match item.value:
        case tree.AllProperties() | tree.Path((_,)):
            return False
        case _:
            return True
