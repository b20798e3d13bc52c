"""The law of the product, and the plain reading of the visible graph that it stands on.

    gateway(query, G, policy, mode, dialect) == evaluate(query, G|P, dialect)

The left side is the product's: policy, narrowing, scanner and row check around the sandbox's evaluator, which plays the
upstream. The right side knows no predicate: `visible` reads the statements of the policy as the sentence in the threat
model says them, and the evaluator is given what is left of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import orjson

from gateway.authz.capabilities import Mode
from gateway.authz.narrow import PASSES, Binding, Narrowing, NotNarrowed, narrow
from gateway.authz.narrow.draft import Pass
from gateway.authz.outcome import Check
from gateway.authz.rows import Page, checked
from gateway.authz.verify import verified
from gateway.j1ql import J1QLSyntaxError, parse, tree
from gateway.policy import READ_GRAPH, Narrowed, Predicate, decide
from gateway.policy import parse as parse_policy
from gateway.sandbox.dialect import Dialect
from gateway.sandbox.evaluate import EvaluationError, Result, compile_query
from gateway.sandbox.graph import Entity, Graph, Relationship
from proof.cases import NOW, PARAMETERS, Case, policy

Thing = Entity | Relationship

# --- the visible graph, from the sentence in the threat model ---------------------------------------------------------


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


def engine(query: tree.Query, dialect: Dialect, variables: dict[str, Any]) -> Callable[[Graph], Result | None]:
    """The upstream, for one query: None stands for an error."""
    try:
        run = compile_query(query, variables=variables, parameters=PARAMETERS, now=NOW, dialect=dialect)
    except EvaluationError:
        return lambda _: None

    def answer(graph: Graph) -> Result | None:
        try:
            return run(graph)
        except EvaluationError:
            return None

    return answer


def answer_of(result: Result | None) -> Answer:
    """A result as it is, with nothing checked."""
    if result is None:
        return ERROR
    rows = [result.data] if result.type == "tree" else result.data
    return Answer(result.type, tuple(map(orjson.dumps, rows)))


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
    """None where the gateway refuses the query; the scanner has its say unless a pass is left out."""
    try:
        found = narrow(case.query, Binding(predicate, case.mode, case.capabilities, case.variables), passes=passes)
    except (NotNarrowed, J1QLSyntaxError):
        return None
    gap = verified(found.text, predicate, strict=case.mode is Mode.STRICT) if passes == PASSES else None
    return None if gap else found


def through_the_gateway(result: Result | None, narrowing: Narrowing, predicate: Predicate, mode: Mode) -> Answer:
    """What the key's owner gets of the upstream's answer."""
    if result is None:
        return ERROR
    body = orjson.dumps({"type": result.type, "data": result.data})
    page = checked(body, _check(narrowing, predicate, mode))
    return Answer(narrowing.shape, tuple(page.rows)) if isinstance(page, Page) else WITHHELD


def _check(narrowing: Narrowing, predicate: Predicate, mode: Mode) -> Check:
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
        strict=mode is Mode.STRICT,
        sort=narrowing.sort,
        connected=narrowing.connected,
    )


def reference_query(text: str) -> tree.Query:
    """The query whose answer on G|P is the right one: the caller's own.

    Only a full-text search comes in an order that nobody promised. The gateway's choice is `_id`, after what ORDER BY
    says, so that is what a sequence, or what SKIP and LIMIT leave, is compared with.
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
    """One query of one key in one dialect, narrowed once, to be held against any graph."""

    def __init__(self, case: Case, *, passes: tuple[Pass, ...] = PASSES) -> None:
        self._mode = case.mode
        self._predicate = predicate_of(case.permissions)
        self.narrowing = narrowed(case, self._predicate, passes)
        if self.narrowing is not None:
            query = reference_query(case.query)
            self._ordered = bool(query.order)
            self._right = engine(query, case.dialect, case.variables)
            self._upstream = engine(parse(self.narrowing.text), case.dialect, {})

    def answer(self, graph: Graph) -> Answer:
        """What the gateway gives away of a graph."""
        assert self.narrowing is not None
        return through_the_gateway(self._upstream(graph), self.narrowing, self._predicate, self._mode)

    def right(self, shown: Graph) -> Answer:
        """The answer on a graph of which all is visible."""
        return answer_of(self._right(shown))

    def held(self, graph: Graph, shown: Graph) -> Outcome:
        """The law on a graph and what is visible of it."""
        if self.narrowing is None:
            return REFUSED
        got, right = self.answer(graph), self.right(shown)
        expected = self.comparable(right)
        agrees = self.comparable(got) == expected
        if not agrees and got is WITHHELD:
            agrees = rightly_withheld(right, shown, self._predicate)
        telling = got is not WITHHELD and self.comparable(self.right(graph)) != expected
        return Outcome(agrees, telling, got, right)

    def comparable(self, answer: Answer) -> object:
        return comparable(answer, ordered=self._ordered)


def judged(case: Case, *, passes: tuple[Pass, ...] = PASSES) -> Outcome:
    """The law on one case."""
    graph = case.graph
    return Trial(case, passes=passes).held(graph, visible(graph, case.permissions, case.mode))
