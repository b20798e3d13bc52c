"""What every part of an evaluation works with: the graph, the values from outside, and the limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.j1ql import tree
from gateway.sandbox.dialect import Dialect
from gateway.sandbox.graph import Graph
from gateway.sandbox.values import Scalar, Value


class EvaluationError(Exception):
    """The query asks for what the platform refuses; the message is in the platform's words where they are known."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one query may go."""

    examined: int = 250_000
    """Entities, relationships and rows looked at, subqueries included. One step from every entity of the demo graph
    looks at each of its 7,000 relationships twice; a chain of such steps would hold up everybody else, since one event
    loop serves them all."""

    page: int = 250
    """The highest LIMIT; the platform says `"limit" must be a value between 1 and 250`."""

    hops: int = 10
    """The longest path of SOMEHOW (JupiterOne documentation: 10)."""

    pattern: int = 64
    """Characters that a regular expression describes, repetitions written out; each costs time for each character of
    each value, and those in public queries describe less than ten."""


@dataclass(slots=True)
class Run:
    """One evaluation: the graph it reads, and how much it may still look at."""

    graph: Graph
    left: int

    def spend(self) -> None:
        """Raises EvaluationError when nothing is left."""
        self.left -= 1
        if self.left < 0:
            raise EvaluationError("Query examines too many rows. Narrow its selectors with WITH")


@dataclass(slots=True)
class Context:
    """What a query is compiled with, and `run`, which changes: a query is compiled once and run on many graphs.

    `now` is in milliseconds since the epoch; `subquery` makes a function that gives the values of a query's one column.
    """

    variables: Mapping[str, object]
    parameters: Mapping[str, object]
    now: int
    limits: Limits
    dialect: Dialect
    subquery: Callable[[tree.Query, Context], Callable[[], Sequence[Value]]]
    run: Run = field(init=False)

    def parameter(self, name: str) -> Value:
        """The value of `${name}` from the variables, or of `${param.name}` from the account's parameters.

        OPEN (ambiguity 1): a parameter stands for a value. It is not text that is put into the query, and `${x}` inside
        a string is part of that string. Raises EvaluationError for an unknown one and for what no literal can be.
        """
        source, key = (self.parameters, name[6:]) if name.startswith("param.") else (self.variables, name)
        value = source.get(key)
        if value is None:
            raise EvaluationError(f'Query parameter "{name}" is not defined')
        if isinstance(value, Scalar):
            return value
        if isinstance(value, (list, tuple)) and all(isinstance(item, Scalar) for item in value):
            return tuple(value)
        raise EvaluationError(f'Query parameter "{name}" must be a string, a number, a boolean, or a list of these')
