"""The value that goes from pass to pass, and the walk over a query that the passes share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.authz.capabilities import Capabilities, Mode
from gateway.authz.outcome import HiddenObject
from gateway.j1ql import tree
from gateway.policy import Predicate


class NotNarrowed(Exception):  # noqa: N818 - a refusal, not a fault
    """The query holds something that cannot be narrowed; `at` is its offset in the query text."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


@dataclass(frozen=True, slots=True)
class Binding:
    """What a narrowing depends on besides the query."""

    predicate: Predicate
    mode: Mode = Mode.STRICT
    capabilities: Capabilities = field(default_factory=Capabilities)
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """`text` is the query as the caller wrote it; `fresh` begins the names that passes invent, and is not in it."""

    query: tree.Query
    binding: Binding
    text: str
    fresh: str
    invented: int = 0
    hidden: tuple[HiddenObject, ...] = ()

    def name(self, number: int) -> str:
        return f"{self.fresh}{number}"


Pass = Callable[[Draft], Draft]


@dataclass(frozen=True, slots=True)
class Place:
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
    for number, each in enumerate(steps):
        if isinstance(each, tree.Optional):
            inner = _visited_steps(
                each.steps, selector, visit, Place(optional=True, after_negation=chain.after_negation)
            )
            made.append(replace(each, steps=inner))
            continue
        last = number == len(steps) - 1
        place = Place(optional=chain.optional, negated=each.negated, last=last, after_negation=chain.after_negation)
        step = visit(each, place)
        if step is not None:
            made.append(replace(step, target=selector(step.target, place)))
        if each.negated:
            chain = Place(optional=chain.optional, after_negation=True)
    return tuple(made)


def parts(query: tree.Query) -> Iterator[tuple[tree.Selector | tree.Step | tree.Optional, Place]]:
    """Every selector, step and optional group with its place, in the order of the text; subqueries are not entered."""
    yield query.selector, Place(start=True)
    yield from _parts(query.steps, optional=False)


def _parts(
    steps: tuple[tree.Step | tree.Optional, ...], *, optional: bool
) -> Iterator[tuple[tree.Selector | tree.Step | tree.Optional, Place]]:
    for number, each in enumerate(steps):
        last = number == len(steps) - 1
        if isinstance(each, tree.Optional):
            yield each, Place(optional=optional, last=last)
            yield from _parts(each.steps, optional=True)
        else:
            place = Place(optional=optional, negated=each.negated, last=last)
            yield each, place
            yield each.target, place
