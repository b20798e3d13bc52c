"""The pattern of a query (selectors, steps, optional groups, WHERE), turned once into a walk that finds its matches.

A match is one way through the graph that the pattern fits. Matches come in the order of the graph, so that the same
query on the same graph has the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.j1ql import AGGREGATES, tree
from gateway.sandbox.aliases import ANY_VERB, Aliases
from gateway.sandbox.conditions import Test, compile_condition
from gateway.sandbox.context import Context, EvaluationError
from gateway.sandbox.dialect import Negation, OptionalGroup, Parallel, Unmatched, WhereUnasked, Window
from gateway.sandbox.expressions import Getter, Scope, calls
from gateway.sandbox.graph import Entity, Graph, Relationship
from gateway.sandbox.selectors import compile_selector, compile_start, property_name
from gateway.sandbox.values import Thing
from gateway.sandbox.windows import compile_windows

DEFAULT_HOPS = 5
"""What SOMEHOW means without a number (JupiterOne documentation, path finding)."""

Hop = tuple[Relationship, Entity]
Trail = tuple[Hop, ...]
"""The hops that one step makes: one, or several for SOMEHOW."""


@dataclass(frozen=True, slots=True)
class Match:
    """One way through the graph. `here` is where the next step begins."""

    here: Entity
    bound: Mapping[str, Thing]
    """What the aliases stand for. Those of a group that was not entered, and of a negated step, are not in it."""

    vertices: tuple[Entity, ...]
    edges: tuple[Relationship, ...]
    listed: tuple[Entity, ...]
    """What a list answer shows: the start, and where each optional group led."""

    def along(self, trail: Trail, edge_alias: str | None, target_alias: str | None) -> Match:
        """This match, gone on along a trail."""
        edges, vertices = tuple(edge for edge, _ in trail), tuple(vertex for _, vertex in trail)
        bound = {**self.bound, **_named(edge_alias, edges[-1]), **_named(target_alias, vertices[-1])}
        return Match(vertices[-1], bound, self.vertices + vertices, self.edges + edges, self.listed)


def _named(alias: str | None, thing: Thing) -> dict[str, Thing]:
    return {} if alias is None else {alias: thing}


Walk = Callable[[Match], Iterable[Match]]
"""The ways that lead on from a match."""


def compile_pattern(query: tree.Query, aliases: Aliases, context: Context) -> Callable[[], list[Match]]:
    """Finds the matches of a query. Raises EvaluationError."""
    starts = compile_start(query.selector, context)
    walk = _chain(query.steps, aliases, context)
    where = _where(query, aliases, context)
    alias = aliases.of(query.selector)
    of_starts = compile_windows(query.windows, Window.STARTS, context)
    of_matches = compile_windows(query.windows, Window.MATCHES, context)

    def found() -> list[Match]:
        begun = (Match(start, _named(alias, start), (start,), (), (start,)) for start in of_starts(list(starts())))
        return [match for match in of_matches([match for first in begun for match in walk(first)]) if where(match)]

    return found


def _chain(steps: Sequence[tree.Step | tree.Optional], aliases: Aliases, context: Context) -> Walk:
    walks = list(_walks(steps, aliases, context))

    def walk(match: Match) -> Iterable[Match]:
        reached: Iterable[Match] = (match,)
        for onward in walks:
            reached = [further for before in reached for further in onward(before)]
        return reached

    return walk


def _walks(steps: Sequence[tree.Step | tree.Optional], aliases: Aliases, context: Context) -> Iterator[Walk]:
    """OPEN (undocumented): what follows a negated step goes on where it began, or is part of what is negated.

    OPEN (assumption A1): WITH on the target of a negated step is asked, or it is not.
    """
    for number, each in enumerate(steps):
        step = each
        if isinstance(step, tree.Optional):
            yield _optional(step, aliases, context)
            continue
        if step.negated and not context.dialect.negated_with:
            step = replace(step, target=replace(step.target, where=None))
        if step.negated and context.dialect.negation is Negation.CHAIN:
            yield _nowhere(_chain((replace(step, negated=False), *steps[number + 1 :]), aliases, context))
            return
        else:
            yield _step(step, aliases, context)


# --- steps --------------------------------------------------------------------------------------------------------

_Reach = Callable[[Entity, Collection[str]], Iterator[Trail]]
"""The trails of a step from an entity, none through the vertices of these ids."""


def _step(step: tree.Step, aliases: Aliases, context: Context) -> Walk:
    reach = _somehow(step, context) if step.somehow else _one_hop(step, context)
    if step.negated:
        return _without(reach)
    edge_alias, target_alias = aliases.of(step), aliases.of(step.target)

    revisits = context.dialect.revisits

    def walk(match: Match) -> Iterator[Match]:
        # OPEN (undocumented): a match comes to an entity once; a public client says so of the platform's engine.
        visited = () if revisits else {vertex.id for vertex in match.vertices}
        return (match.along(trail, edge_alias, target_alias) for trail in reach(match.here, visited))

    return walk


def _without(reach: _Reach) -> Walk:
    """A negated step keeps the matches that lead nowhere; all neighbours count, visited or not."""
    return lambda match: () if any(True for _ in reach(match.here, ())) else (match,)


def _nowhere(onward: Walk) -> Walk:
    """The same for a negated chain."""
    return lambda match: () if any(True for _ in onward(replace(match, vertices=()))) else (match,)


def _one_hop(step: tree.Step, context: Context) -> _Reach:
    neighbours, selects = _neighbours(step, context), compile_selector(step.target, context)
    parallel = context.dialect.parallel

    def reach(start: Entity, barred: Collection[str]) -> Iterator[Trail]:
        hops = neighbours(start) if parallel is Parallel.EACH else _first_of_parallels(neighbours(start), parallel)
        for edge, other in hops:
            if other.id not in barred and selects(other):
                yield ((edge, other),)

    return reach


def _first_of_parallels(hops: Iterable[Hop], parallel: Parallel) -> Iterator[Hop]:
    """OPEN (assumption A17): relationships that lead to the same entity make one match, or one for each verb."""
    first: dict[tuple[str, str], Hop] = {}
    for edge, other in hops:
        verb = edge.metadata["_class"] if parallel is Parallel.VERB else ""
        first.setdefault((other.id, verb), (edge, other))
    yield from first.values()


def _somehow(step: tree.Step, context: Context) -> _Reach:
    """Path finding: each target within so many hops, by a shortest way.

    OPEN (ALPHA in the documentation): which of several ways is shown; all of them would be too many to go.
    """
    hops = DEFAULT_HOPS if step.hops is None else step.hops
    if not 1 <= hops <= context.limits.hops:
        raise EvaluationError(f"SOMEHOW takes a number of hops between 1 and {context.limits.hops}")
    if step.alias is not None:
        raise EvaluationError("SOMEHOW goes along several relationships, which no alias can stand for")
    neighbours, selects = _neighbours(step, context), compile_selector(step.target, context)

    def reach(start: Entity, barred: Collection[str]) -> Iterator[Trail]:
        seen = {start.id, *barred}
        ends: list[tuple[Entity, Trail]] = [(start, ())]
        for _ in range(hops):
            ends = list(_further(ends, neighbours, seen))
            yield from (trail for end, trail in ends if selects(end))

    return reach


def _further(
    ends: Iterable[tuple[Entity, Trail]], neighbours: Callable[[Entity], Iterator[Hop]], seen: set[str]
) -> Iterator[tuple[Entity, Trail]]:
    """One hop on from each end, to what was not seen yet."""
    for end, trail in ends:
        for edge, other in neighbours(end):
            if other.id not in seen:
                seen.add(other.id)
                yield other, (*trail, (edge, other))


_EDGES: Mapping[str | None, Callable[[Graph, str], Iterable[Relationship]]] = {
    ">>": Graph.outgoing,
    "<<": Graph.incoming,
    None: Graph.around,
}


def _neighbours(step: tree.Step, context: Context) -> Callable[[Entity], Iterator[Hop]]:
    """The hops from an entity in the step's direction by one of its verbs."""
    edges_of = _EDGES[step.direction]
    named = compile_verbs(step.verb.names)

    def neighbours(start: Entity) -> Iterator[Hop]:
        run = context.run
        for edge in edges_of(run.graph, start.id):
            run.spend()
            if named(edge):
                yield edge, run.graph.entity(edge.other_end(start.id))

    return neighbours


def compile_verbs(names: Iterable[str]) -> Test[Relationship]:
    """Whether a relationship has one of these verbs, whose case does not matter."""
    verbs = frozenset(name.upper() for name in names)
    if ANY_VERB in verbs:
        return lambda _: True
    return lambda edge: edge.metadata["_class"].upper() in verbs


# --- optional groups ----------------------------------------------------------------------------------------------


def _optional(group: tree.Optional, aliases: Aliases, context: Context) -> Walk:
    """OPEN (ambiguity 5, assumption A4): union. The match without the group stays, also where the group leads on.

    What follows works on "the combined results" (J1QL specification, "Optional traversals"). The alias of the group
    stands for where a match is after it, whether it went through the group or not. In a left join the match without the
    group stays only where the group leads nowhere.
    """
    inner = _chain(group.steps, aliases, context)
    alias = aliases.of(group)
    joined = context.dialect.optional_group is OptionalGroup.LEFT_JOIN

    def named(match: Match) -> Match:
        return match if alias is None else replace(match, bound={**match.bound, **_named(alias, match.here)})

    def walk(match: Match) -> Iterator[Match]:
        reached = [named(replace(each, listed=(*each.listed, each.here))) for each in inner(match)]
        if not (joined and reached):
            yield named(match)
        yield from reached

    return walk


# --- WHERE --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Matched(Scope[Match]):
    """The scope of a match: a path is an alias, or a property of what an alias stands for.

    `clause` is the platform's word for where the path stands, for the error about an unknown alias. `spoken` are the
    aliases of the paths so far.
    """

    aliases: Aliases
    clause: str
    spoken: set[str] = field(default_factory=set)

    def path(self, path: tree.Path) -> Getter[Match]:
        alias = self.aliases.checked(path.segments[0].name, self.clause)
        self.spoken.add(alias)
        name = property_name(path.segments[1:])
        if not name:
            return lambda match: match.bound.get(alias)
        return lambda match: match.bound[alias].get(name) if alias in match.bound else None


def _where(query: tree.Query, aliases: Aliases, context: Context) -> Test[Match]:
    """OPEN (ambiguity 5): a match without what WHERE speaks of has no properties there, or is dropped.

    OPEN (assumption A6): what is made of the matches is made of those that WHERE has left, or of all.
    """
    if query.where is None:
        return lambda _: True
    scope = Matched(context, aliases, "predicate filter")
    test = compile_condition(query.where, scope)
    if _is_unasked(query, context.dialect.where_unasked):
        return lambda _: True
    if context.dialect.unmatched is Unmatched.UNDEFINED:
        return test
    return lambda match: scope.spoken <= match.bound.keys() and test(match)


def _is_unasked(query: tree.Query, unasked: WhereUnasked) -> bool:
    match unasked:
        case WhereUnasked.NOTHING:
            return False
        case WhereUnasked.AGGREGATES:
            items = query.returns if isinstance(query.returns, tuple) else ()
            values = [item.value for item in items if not isinstance(item.value, tree.AllProperties)]
            return any(call.name.upper() in AGGREGATES for value in values for call in calls(value))
        case WhereUnasked.UNIQUE:
            return query.unique
        case WhereUnasked.TREE:
            return isinstance(query.returns, tree.Tree)
