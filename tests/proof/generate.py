"""Rounds of random cases: one policy, a few graphs, and queries that are asked of each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from random import Random
from typing import Any

from gateway.authz.capabilities import Capabilities, Mode, State
from gateway.sandbox.dialect import PLAINEST, Dialect
from proof.cases import Case
from proof.chance import Chance
from proof.constructs import with_needs
from proof.queries import query
from proof.truths import truths
from proof.worlds import Objects, Permissions, named_verbs, objects, permissions

GRAPHS, QUERIES = 4, 4
"""In a round. More of them cost less time a case, and make cases more alike."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query of the round, and the upstream that it is asked of."""

    query: str
    variables: dict[str, Any]
    capabilities: Capabilities
    dialect: Dialect
    constructs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Round:
    mode: Mode
    permissions: Permissions
    graphs: tuple[Objects, ...]
    questions: tuple[Question, ...]

    def case(self, question: Question, number: int) -> Case:
        """A question asked of one of the graphs."""
        entities, relationships = self.graphs[number]
        return Case(
            self.permissions,
            entities,
            relationships,
            question.query,
            question.variables,
            self.mode,
            question.dialect,
            question.capabilities,
        )


def drawn(random: Random, mode: Mode, wanted: Sequence[str | None] = (None,) * QUERIES) -> Round:
    """A round of a mode; each of its queries has one of the wanted constructs, if it can."""
    policy = Chance(random, _for_policy(mode, wanted))
    statements = permissions(policy, mode)
    graphs = tuple(objects(policy, statements) for _ in range(GRAPHS))
    verbs = named_verbs(statements)
    questions = tuple(_question(_for_question(random, name), verbs, policy.made) for name in wanted)
    return Round(mode, statements, graphs, questions)


_DECIDED_BY_VERBS = {
    "negation",
    "chain after negation",
    "optional group",
    "nested optional group",
    "chain after optional",
}


def _for_policy(mode: Mode, wanted: Iterable[str | None]) -> frozenset[str]:
    """What is wanted of the policy: under strict, much can be asked only where verbs decide."""
    needed = {name for name in wanted if name is not None}
    return frozenset(needed | {"policy: verbs"} if mode is Mode.STRICT and needed & _DECIDED_BY_VERBS else needed)


def _for_question(random: Random, name: str | None) -> Chance:
    """What is wanted of a query is asked of an upstream that takes no capability away: it would be refused else."""
    if name is None:
        return Chance(random)
    usual = frozenset() if name.startswith(_DIALECT) else frozenset({_ABLE})
    return Chance(random, with_needs(name) | usual)


def _question(chance: Chance, verbs: tuple[str, ...], constructs: set[str]) -> Question:
    text, variables = query(chance, verbs)
    dialect = dialect_of(chance)
    made = frozenset(chance.made | constructs | set(_unusual(dialect)))
    return Question(text, variables, capabilities_of(chance, dialect), dialect, made)


ASSUMED = {"equality"}
"""Switches of what is assumed outright: under another value of one no rewriting is right."""

_SWITCHES = {each.name: getattr(PLAINEST, each.name) for each in fields(Dialect) if each.name not in ASSUMED}


_DIALECT = "dialect: "
_ABLE = "dialect: with all capabilities"
"""Wanted of a dialect, though no construct."""

_REFUSED = {"search_capped", "smart_class_binds", "negated_with", "parallel", "where_unasked", "membership"}
"""Switches that only take a capability away: much of what is asked under another value of one is refused."""


def dialect_of(chance: Chance) -> Dialect:
    """Most switches as by default, so that each one is met alone and in company; and those that are wanted."""
    wanted = {name: value for name, value in _unusual_values() if chance.wants(_told(name, value))}
    if chance.yes(0.25):
        return Dialect(**wanted)
    drawn = {
        name: chance.one(_values(usual))
        for name, usual in _SWITCHES.items()
        if (chance.yes(0.2) and not chance.wants(_ABLE) if name in _REFUSED else chance.yes(0.35))
    }
    return Dialect(**drawn | wanted)


def _unusual_values() -> Iterator[tuple[str, Any]]:
    for name, usual in _SWITCHES.items():
        yield from ((name, value) for value in _values(usual) if value != usual)


def _values(usual: Any) -> tuple[Any, ...]:
    return (False, True) if isinstance(usual, bool) else tuple(type(usual))


def _unusual(dialect: Dialect) -> Iterator[str]:
    """The switches that are not as by default, as names of constructs."""
    for name, usual in _SWITCHES.items():
        value = getattr(dialect, name)
        if value != usual:
            yield _told(name, value)


def _told(name: str, value: Any) -> str:
    return f"{_DIALECT}{name}={value}"


def capabilities_of(chance: Chance, dialect: Dialect) -> Capabilities:
    """What probes of an upstream could have found out about this dialect."""
    holds = truths(dialect)
    return Capabilities(**{each.name: _state(chance, holds.get(each.name, True)) for each in fields(Capabilities)})


def _state(chance: Chance, holds: bool) -> State:
    """Where there is nothing to tell by, what holds is not witnessed; what does not hold is taken to have failed."""
    if not holds:
        return State.FAILED
    return chance.one((State.VERIFIED, State.VERIFIED, State.VERIFIED, State.UNWITNESSED))
