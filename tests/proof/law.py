"""The law of the product, and the plain reading of the visible graph that it stands on.

    gateway(query, G, policy, mode, dialect) == evaluate(query, G|P, dialect)

The left side is the product's: policy, narrowing, scanner and row check around the sandbox's evaluator, which plays the
upstream. The right side knows no predicate: `visible` reads the statements of the policy as the sentence in the design
says them, and the evaluator is given what is left of the graph.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import orjson

from gateway.authz.capabilities import Mode
from gateway.authz.narrow import PASSES, Binding, Narrowing, NotNarrowed, narrow
from gateway.authz.narrow.draft import Pass
from gateway.authz.outcome import Check
from gateway.authz.rows import Page, checked
from gateway.j1ql import J1QLSyntaxError, parse, tree
from gateway.policy import READ_GRAPH, Narrowed, Predicate, decide
from gateway.policy import parse as parse_policy
from gateway.sandbox.dialect import Dialect
from gateway.sandbox.evaluate import EvaluationError, Result, evaluate
from gateway.sandbox.graph import Entity, Graph, Relationship
from proof.cases import NOW, PARAMETERS, Case, policy

Thing = Entity | Relationship

# --- the visible graph, from the sentence in the design ---------------------------------------------------------------


def visible(graph: Graph, permissions: Iterable[dict[str, Any]], mode: Mode) -> Graph:
    """G|P: the entities that satisfy P, and the relationships between them; under strict those that satisfy P."""
    statements = tuple(permissions)
    entities = [entity for entity in graph.entities if may_see(statements, entity)]
    ids = {entity.id for entity in entities}
    between = [edge for edge in graph.relationships if edge.from_id in ids and edge.to_id in ids]
    if mode is Mode.STRICT:
        between = [edge for edge in between if may_see(statements, edge)]
    return Graph(entities, between)


def may_see(statements: Iterable[dict[str, Any]], thing: Thing) -> bool:
    """Some ALLOW for reading the graph holds on the object, and no DENY does."""
    effects = {each["effect"] for each in statements if _reads_graph(each) and _holds(each, thing)}
    return effects == {"ALLOW"}


def _reads_graph(statement: dict[str, Any]) -> bool:
    return any(action in ("*", READ_GRAPH) for action in statement["actions"]) and "*" in statement["resources"]


def _holds(statement: dict[str, Any], thing: Thing) -> bool:
    equals = statement["condition"]["stringEquals"] if "condition" in statement else {}
    return all(_equal(_value(thing, name), wanted) for name, wanted in equals.items())


def _equal(value: Any, wanted: str | list[str]) -> bool:
    held = value if isinstance(value, list | tuple) else [value]
    return any(each in held for each in ([wanted] if isinstance(wanted, str) else wanted))


def _value(thing: Thing, name: str) -> Any:
    if name.startswith("_") or name == "displayName":
        return thing.metadata.get(name)
    return thing.properties.get(name)


def contradicts_itself(thing: Thing, names: Iterable[str]) -> bool:
    """Whether a property differs from the metadata of its name: such an object is withheld from who asks by it."""
    named = set(names) & thing.properties.keys()
    return any(
        (name.startswith("_") or name == "displayName") and thing.properties[name] != thing.metadata.get(name)
        for name in named
    )


# --- answers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """`kind` is list, table, tree, error or withheld; rows are JSON, and a tree is one row."""

    kind: str
    rows: tuple[bytes, ...] = ()


ERROR = Answer("error")
WITHHELD = Answer("withheld")


def asked(query: tree.Query, graph: Graph, case: Case, variables: dict[str, Any] | None = None) -> Answer:
    """The upstream's answer, unchecked."""
    result = _evaluated(query, graph, case, case.variables if variables is None else variables)
    if result is None:
        return ERROR
    rows = [result.data] if result.type == "tree" else result.data
    return Answer(result.type, tuple(map(orjson.dumps, rows)))


def _evaluated(query: tree.Query, graph: Graph, case: Case, variables: dict[str, Any]) -> Result | None:
    try:
        return evaluate(query, graph, variables=variables, parameters=PARAMETERS, now=NOW, dialect=case.dialect)
    except EvaluationError:
        return None


def comparable(answer: Answer, *, ordered: bool) -> object:
    """What must be equal of two answers: sets of a tree, the sequence of rows that ORDER BY fixes, else a multiset."""
    if answer.kind == "tree":
        drawn = orjson.loads(answer.rows[0])
        return {part: {orjson.dumps(each) for each in drawn[part]} for part in ("vertices", "edges")}
    return answer.kind, answer.rows if ordered else sorted(answer.rows)


# --- the two sides ----------------------------------------------------------------------------------------------------


def predicate_of(permissions: Iterable[dict[str, Any]]) -> Predicate:
    return _predicate(policy(permissions))


@lru_cache(maxsize=64)
def _predicate(text: str) -> Predicate:
    verdict = decide(parse_policy(text), READ_GRAPH, "*")
    assert isinstance(verdict, Narrowed), verdict
    return verdict.predicate


def narrowed(case: Case, predicate: Predicate, passes: tuple[Pass, ...] = PASSES) -> Narrowing | None:
    """None where the gateway refuses the query."""
    try:
        return narrow(case.query, Binding(predicate, case.mode, case.capabilities, case.variables), passes=passes)
    except (NotNarrowed, J1QLSyntaxError):
        return None


def through_the_gateway(
    narrowing: Narrowing, sent: tree.Query, predicate: Predicate, graph: Graph, case: Case
) -> Answer:
    """What the key's owner gets; `sent` is the parsed text of the narrowing."""
    result = _evaluated(sent, graph, case, {})
    if result is None:
        return ERROR
    page = checked(orjson.dumps({"type": result.type, "data": result.data}), _check(narrowing, predicate, case))
    return Answer(narrowing.shape, page.rows) if isinstance(page, Page) else WITHHELD


def _check(narrowing: Narrowing, predicate: Predicate, case: Case) -> Check:
    return Check(
        predicate=predicate,
        shape=narrowing.shape,
        hidden=narrowing.hidden,
        page=250,
        seal=b"",
        cursor=None,
        request={},
        columns=narrowing.columns,
        whole=narrowing.whole,
        strict=case.mode is Mode.STRICT,
        sort=narrowing.sort,
    )


def reference_query(text: str) -> tree.Query:
    """The query whose answer on G|P is the right one: the caller's own.

    Only a full-text search comes in an order that nobody promised. The gateway's choice is `_id`, after the caller's own
    ORDER BY, so that is what a sequence, or what SKIP and LIMIT leave, is compared with.
    """
    query = parse(text)
    if not (isinstance(query.selector.head, tree.FullText) and (query.windows or query.order)):
        return query
    name = query.selector.alias or "found"
    by_id = tree.Order(tree.Path((tree.Segment(name), tree.Segment("_id"))))
    return replace(query, selector=replace(query.selector, alias=name), order=(*query.order, by_id))


def rightly_withheld(answer: Answer, graph: Graph, predicate: Predicate) -> bool:
    """Whether an object of the answer contradicts itself."""
    names = {name for condition in predicate.allows + predicate.denies for name, _ in condition.equals}
    wrong = [thing.id.encode() for thing in graph.entities if contradicts_itself(thing, names)]
    return any(b'"id":"%b"' % thing_id in row for thing_id in wrong for row in answer.rows)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`agrees` is None where the query was refused; `telling`: the answers on G and on G|P differ."""

    agrees: bool | None
    telling: bool = False
    got: Answer | None = None
    right: Answer | None = None


REFUSED = Outcome(agrees=None)


class Trial:
    """One query of one key, narrowed once, to be held against any graph; also in other dialects than its case has."""

    def __init__(self, case: Case, *, passes: tuple[Pass, ...] = PASSES) -> None:
        self._case = case
        self._predicate = predicate_of(case.permissions)
        self._narrowing = narrowed(case, self._predicate, passes)
        if self._narrowing is not None:
            self._sent = parse(self._narrowing.text)
            self._query = reference_query(case.query)

    @property
    def accepted(self) -> bool:
        return self._narrowing is not None

    @property
    def text(self) -> str | None:
        """What is sent."""
        return self._narrowing and self._narrowing.text

    def answer(self, graph: Graph, dialect: Dialect | None = None) -> Answer:
        """What the gateway gives away of a graph."""
        assert self._narrowing is not None
        return through_the_gateway(self._narrowing, self._sent, self._predicate, graph, self._in(dialect))

    def right(self, shown: Graph, dialect: Dialect | None = None) -> Answer:
        """The answer on a graph of which all is visible."""
        return asked(self._query, shown, self._in(dialect))

    def held(self, graph: Graph, shown: Graph, dialect: Dialect | None = None) -> Outcome:
        """The law on a graph and what is visible of it."""
        if self._narrowing is None:
            return REFUSED
        got, right = self.answer(graph, dialect), self.right(shown, dialect)
        expected = self.comparable(right)
        agrees = self.comparable(got) == expected
        if not agrees and got is WITHHELD:
            agrees = rightly_withheld(right, shown, self._predicate)
        telling = self.comparable(self.right(graph, dialect)) != expected
        return Outcome(agrees, telling, got, right)

    def comparable(self, answer: Answer) -> object:
        return comparable(answer, ordered=bool(self._query.order))

    def _in(self, dialect: Dialect | None) -> Case:
        return self._case if dialect is None else replace(self._case, dialect=dialect)


def judged(case: Case, *, passes: tuple[Pass, ...] = PASSES) -> Outcome:
    """The law on one case."""
    graph = case.graph
    return Trial(case, passes=passes).held(graph, visible(graph, case.permissions, case.mode))
