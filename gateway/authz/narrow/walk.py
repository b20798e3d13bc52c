"""The walks over a query that the passes share: over its parts, and over its expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from gateway.j1ql import AGGREGATES, tree

GROUPING = AGGREGATES | {"UNWIND", "MERGE"}
"""Functions that make rows of something else than one match."""


class Place(NamedTuple):
    """Where a selector or step stands."""

    start: bool = False
    optional: bool = False
    negated: bool = False
    last: bool = False
    after_negation: bool = False
    """Whether a negated step comes before it in its chain. What follows one may be part of what is negated; no document
    says."""


SelectorVisit = Callable[[tree.Selector, Place], tree.Selector]
StepVisit = Callable[[tree.Step, Place], "tree.Step | None"]


def _same_step(step: tree.Step, _: Place) -> tree.Step:
    return step


def visited(query: tree.Query, selector: SelectorVisit, step: StepVisit = _same_step) -> tree.Query:
    """The query with each selector and step replaced by what the visits return, in the order of the text.

    A step that becomes None is dropped with its target. Subqueries are not entered.
    """
    start = selector(query.selector, Place(start=True))
    return replace(query, selector=start, steps=_visited_steps(query.steps, selector, step, Place()))


def _visited_steps(
    steps: tuple[tree.Step | tree.Optional, ...], selector: SelectorVisit, visit: StepVisit, chain: Place
) -> tuple[tree.Step | tree.Optional, ...]:
    made: list[tree.Step | tree.Optional] = []
    for each, place in _placed(steps, chain):
        if isinstance(each, tree.Optional):
            made.append(replace(each, steps=_visited_steps(each.steps, selector, visit, _inside(place))))
            continue
        step = visit(each, place)
        if step is not None:
            target = selector(step.target, place)
            made.append(step if target is step.target else replace(step, target=target))
    return tuple(made)


def parts(query: tree.Query) -> Iterator[tuple[tree.Selector | tree.Step | tree.Optional, Place]]:
    """Every selector, step and optional group with its place, in the order of the text; subqueries are not entered."""
    yield query.selector, Place(start=True)
    yield from _parts(query.steps, Place())


def _parts(
    steps: tuple[tree.Step | tree.Optional, ...], chain: Place
) -> Iterator[tuple[tree.Selector | tree.Step | tree.Optional, Place]]:
    for each, place in _placed(steps, chain):
        yield each, place
        if isinstance(each, tree.Optional):
            yield from _parts(each.steps, _inside(place))
        else:
            yield each.target, place


def _placed(
    steps: tuple[tree.Step | tree.Optional, ...], chain: Place
) -> Iterator[tuple[tree.Step | tree.Optional, Place]]:
    """Each step and group of a chain with its place; `chain` tells where the chain itself begins."""
    after_negation = chain.after_negation
    for number, each in enumerate(steps, 1):
        negated = isinstance(each, tree.Step) and each.negated
        yield (
            each,
            Place(optional=chain.optional, negated=negated, last=number == len(steps), after_negation=after_negation),
        )
        after_negation = after_negation or negated


def _inside(group: Place) -> Place:
    """Where the chain in an optional group begins."""
    return Place(optional=True, after_negation=group.after_negation)


def heads(head: tree.Head | None) -> Iterator[tree.Head]:
    """What a selector looks for, and what stands in that."""
    if head is None:
        return
    yield head
    if isinstance(head, tree.Union):
        for item in head.items:
            yield from heads(item)
    elif isinstance(head, tree.Smart):
        yield from heads(head.head)


def words(query: tree.Query) -> Iterator[str]:
    """Every word that stands where a name can stand, in lower case, in subqueries too."""
    for part, _ in parts(query):
        yield from words_of(part)
    if isinstance(query.returns, tuple):
        yield from (item.alias.lower() for item in query.returns if item.alias is not None)
    for subquery in subqueries(query):
        yield from words(subquery)


def words_of(part: tree.Selector | tree.Step | tree.Optional) -> Iterator[str]:
    """The words of one part, in lower case; those of a step's target are not its own."""
    if part.alias is not None:
        yield part.alias.lower()
    match part:
        case tree.Selector(head=head):
            yield from (each.name.lower() for each in heads(head) if isinstance(each, tree.Name))
        case tree.Step(verb=tree.Verb(names=names)):
            yield from (name.lower().partition(" ")[0] for name in names)  # RELATES TO
        case _:
            pass


def subqueries(query: tree.Query) -> Iterator[tree.Query]:
    """The subqueries in the conditions of a query, without those in them."""
    selectors = (part.where for part, _ in parts(query) if isinstance(part, tree.Selector))
    for condition in (*selectors, query.where, query.having):
        if condition is not None:
            yield from _subqueries(condition)


def _subqueries(condition: tree.Condition) -> Iterator[tree.Query]:
    match condition:
        case tree.And(items=items) | tree.Or(items=items):
            for item in items:
                yield from _subqueries(item)
        case tree.Comparison(right=tree.Subquery(query=query)):
            yield query
        case _:
            pass


# --- expressions ------------------------------------------------------------------------------------------------------


def spoken_expressions(query: tree.Query) -> Iterator[tree.Expression]:
    """Every expression of the clauses that speak of parts by name: WHERE, RETURN, HAVING, ORDER BY."""
    for condition in (query.where, query.having):
        if condition is not None:
            yield from operands(condition)
    if isinstance(query.returns, tuple):
        yield from (item.value for item in query.returns if not isinstance(item.value, tree.AllProperties))
    yield from (order.value for order in query.order)


def operands(condition: tree.Condition) -> Iterator[tree.Expression]:
    """The expressions of a condition; those of a subquery are its own."""
    match condition:
        case tree.And(items=items) | tree.Or(items=items):
            for item in items:
                yield from operands(item)
        case tree.Comparison(left=left, right=right):
            yield left
            if not isinstance(right, tree.Subquery):
                yield from _values(right)
        case tree.Cidr(operand=operand, network=network):
            yield operand
            yield network


def _values(value: tree.Expression | tree.ValueList) -> Iterator[tree.Expression]:
    if isinstance(value, tree.ValueList):
        for item in value.items:
            yield from _values(item)
    else:
        yield value


def atoms(expression: tree.Expression) -> Iterator[tree.Expression]:
    """An expression and everything in it."""
    yield expression
    match expression:
        case tree.Call(arguments=arguments):
            for argument in arguments:
                yield from atoms(argument)
        case tree.Arithmetic(left=left, right=right):
            yield from atoms(left)
            yield from atoms(right)
        case _:
            pass


def paths(expression: tree.Expression) -> Iterator[tree.Path]:
    return (atom for atom in atoms(expression) if isinstance(atom, tree.Path))


def functions(expression: tree.Expression | tree.AllProperties) -> frozenset[str]:
    """The functions that an expression uses, in upper case."""
    if isinstance(expression, tree.AllProperties):
        return frozenset()
    return frozenset(atom.name.upper() for atom in atoms(expression) if isinstance(atom, tree.Call))


def made_of_rows(query: tree.Query) -> Iterator[tree.Expression]:
    """The expressions behind RETURN: of HAVING and ORDER BY."""
    if query.having is not None:
        yield from operands(query.having)
    yield from (order.value for order in query.order)


def is_aggregated(query: tree.Query) -> bool:
    """Whether rows of the answer stand for groups of objects, or parts of one, so that no row is one match.

    As in SQL, an aggregate in HAVING or ORDER BY makes groups, too.
    """
    items = query.returns if isinstance(query.returns, tuple) else ()
    values = (*(item.value for item in items), *made_of_rows(query))
    return query.unique or any(functions(value) & GROUPING for value in values)


def is_account_parameter(name: str) -> bool:
    """`${param.x}` belongs to the account, any other `${x}` is the caller's."""
    return name.partition(".")[0].lower() == "param"
