"""Pass, for strict mode: every relationship that a match goes over must satisfy P as well.

A relationship has no WITH, so P stands in WHERE, by the step's alias. What that can and cannot say:

    positive step        exact where each edge makes a match of its own (A17): one over a hidden edge is dropped
    its verb decides P   a relationship's `_class` is its verb, so P may hold, or fail, whatever else it has
    optional group       exact only where an unmatched alias has no properties (A4)
    negated step         only where the verb decides: an edge under `!` cannot be spoken of
    step after it        only where the verb decides: it may be part of what is negated
    LIMIT, SKIP          only where they count after WHERE (A5), else a hidden edge uses up a place
    aggregates, UNIQUE   only where they see what WHERE has left (A6)
    TREE                 the same; its edges are filtered by the row check

Induced mode shows every relationship between two visible entities, and needs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

from gateway.authz.capabilities import Mode
from gateway.authz.narrow.draft import Draft, NotNarrowed
from gateway.authz.narrow.names import default_name
from gateway.authz.narrow.predicate import all_of, conditions
from gateway.authz.narrow.walk import Place, is_aggregated, subqueries, visited, words, words_of
from gateway.j1ql import tree
from gateway.policy import Condition, Predicate


def narrow_relationships(draft: Draft) -> Draft:
    if draft.binding.mode is not Mode.STRICT:
        return draft
    for step in _steps_in_subqueries(draft.query):
        raise NotNarrowed(
            "a traversal in a subquery cannot be used by a key that sees relationships strictly: "
            "its relationships are not held to the key's condition; ask in two queries",
            step.at,
        )
    strict = _Strict(draft)
    query = visited(draft.query, lambda selector, _: selector, strict.step)
    _refuse_empty_groups(query.steps)
    if not strict.parts:
        return replace(draft, query=query)
    capabilities = draft.binding.capabilities
    if query.windows and not capabilities.allow("limit_after_where"):
        raise NotNarrowed(
            f"{query.windows[0].keyword} with a traversal cannot be used by a key that sees relationships strictly: "
            "the upstream may count matches over hidden relationships; leave it out and read fewer pages",
            query.windows[0].at,
        )
    grouped = is_aggregated(query) or isinstance(query.returns, tree.Tree)
    if grouped and not capabilities.allow("where_before_aggregates"):
        raise NotNarrowed(
            "UNIQUE, TREE and aggregates over a traversal cannot be used by a key that sees relationships strictly: "
            "the upstream counts matches over hidden relationships",
            query.selector.at,
        )
    where = all_of(*strict.parts, *([query.where] if query.where is not None else []))
    carried = draft.carried + len(strict.parts)
    return replace(draft, query=replace(query, where=where), invented=strict.invented, carried=carried)


def verb_decides(predicate: Predicate, verb: str) -> bool | None:
    """P on a relationship of this verb: True or False where its `_class` alone decides, else None."""
    allows = [_condition_decides(condition, verb) for condition in predicate.allows]
    denies = [_condition_decides(condition, verb) for condition in predicate.denies]
    if any(denied is True for denied in denies) or all(allowed is False for allowed in allows):
        return False
    if any(allowed is True for allowed in allows) and all(denied is False for denied in denies):
        return True
    return None


def _condition_decides(condition: Condition, verb: str) -> bool | None:
    """A verb is stored in capitals whatever its spelling in a query (JupiterOne documentation, J1QL)."""
    undecided = False
    for name, values in condition.equals:
        if name != "_class":
            undecided = True
        elif verb.upper() not in values:
            return False
    return None if undecided else True


class _Strict:
    """What has been found on the way along the steps."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._names = draft.names
        self.invented = draft.invented
        self.parts: list[tree.Condition] = []

    def step(self, step: tree.Step, place: Place) -> tree.Step | None:
        decided = [self._decides(verb) for verb in step.verb.names]
        if all(each is True for each in decided):
            return step
        if step.negated:
            return self._negated(step, place, decided)
        if place.after_negation:
            raise NotNarrowed(
                "a step after a negated one (THAT !…) cannot be used by a key that sees relationships strictly: "
                "whether it is part of what is negated is not certain",
                step.at,
            )
        if place.optional and not self._draft.binding.capabilities.allow("optional_is_union"):
            raise NotNarrowed(
                "an optional group (THAT …)? cannot be used by a key that sees relationships strictly: "
                "what an unmatched group leaves is not certain (see the setting graph.verified)",
                step.at,
            )
        return self._positive(step, place)

    def _decides(self, verb: str) -> bool | None:
        predicate = self._draft.binding.predicate
        if " " in verb:  # RELATES TO
            return None if conditions(predicate) else True
        return verb_decides(predicate, verb)

    def _positive(self, step: tree.Step, place: Place) -> tree.Step:
        if not self._draft.binding.capabilities.allow("paths_are_matches"):
            raise NotNarrowed(
                "a traversal cannot be used by a key that sees relationships strictly: "
                "the upstream may show one of several relationships between two objects, a hidden one for instance",
                step.at,
            )
        alias = self._names.current(step)
        if alias is None:
            alias = self._draft.name(self.invented)
            self.invented += 1
            step = replace(step, alias=alias)
        elif not self._is_only(alias, step):
            raise NotNarrowed(
                f"`{alias}` is a word of another part of the query, or a column, as well, so that it is not certain "
                "which of them it names; name the relationship with AS and another word",
                step.at,
            )
        visible = all_of(*conditions(self._draft.binding.predicate, alias))
        if place.optional:
            unmatched = tree.Comparison(tree.Path((tree.Segment(alias), tree.Segment("_class"))), "=", tree.Undefined())
            visible = tree.Or((visible, unmatched))
        self.parts.append(visible)
        return step

    def _is_only(self, name: str, step: tree.Step) -> bool:
        """Whether no word outside of a step is its name; the scanner takes no other one for certain."""
        word = name.lower()
        return self._words[word] == list(words_of(step)).count(word)

    @cached_property
    def _words(self) -> Counter[str]:
        """How often each word stands in the query: counted once, and only if a step has a name of its own."""
        return Counter(words(self._draft.query))

    def _negated(self, step: tree.Step, place: Place, decided: list[bool | None]) -> tree.Step | None:
        """`!` over edges that are all visible, or all hidden: the hidden ones are not there."""
        if None in decided:
            raise NotNarrowed(
                "a negated step (THAT !…) cannot be used by a key that sees relationships strictly: "
                "a hidden relationship between two visible objects cannot be told from a visible one",
                step.at,
            )
        names = tuple(name for name, holds in zip(step.verb.names, decided, strict=True) if holds)
        if len(names) == 1 and names[0] in self._names.spoken:
            raise NotNarrowed(
                f"`{names[0]}` could stand for this negated step, of whose verbs only that one is visible to the key; "
                "name the one meant with AS",
                step.at,
            )
        if names:
            return replace(step, verb=replace(step.verb, names=names))
        if not place.last:
            raise NotNarrowed(
                "this negated step cannot be followed by another one: it goes over relationships that are hidden from "
                "the key, so that nothing of it is left; leave it out",
                step.at,
            )
        for name in (step.alias, step.target.alias or default_name(step.target)):
            if name in self._names.spoken:
                raise NotNarrowed(
                    f"`{name}` is part of a negated step over relationships that are hidden from the key, and stands "
                    "for nothing; leave it out",
                    step.at,
                )
        return None


def _refuse_empty_groups(steps: tuple[tree.Step | tree.Optional, ...]) -> None:
    for step in steps:
        if isinstance(step, tree.Optional):
            if not step.steps:
                raise NotNarrowed(
                    "this optional group goes over relationships that are hidden from the key, so that nothing of it "
                    "is left; leave it out",
                    step.at,
                )
            _refuse_empty_groups(step.steps)


def _steps_in_subqueries(query: tree.Query) -> Iterator[tree.Step | tree.Optional]:
    for subquery in subqueries(query):
        yield from subquery.steps
        yield from _steps_in_subqueries(subquery)
