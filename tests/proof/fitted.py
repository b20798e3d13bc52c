"""Graphs that a given query finds something in: entities made for its selectors, relationships made for its steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.j1ql import tree
from gateway.sandbox.graph import Entity, Relationship, is_metadata
from proof.cases import NOW
from proof.chance import Chance
from proof.worlds import Objects

SEEN = "seen"
"""The property by which a policy shows about half of a fitted graph; no real query speaks of it."""

MOST = 3
"""Entities that are made for one selector."""


class Fitted:
    """Collects the objects, from selector to selector."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._entities: list[Entity] = []
        self._relationships: list[Relationship] = []

    def objects(self, query: tree.Query) -> Objects:
        self._steps(query.steps, self._found_by(query.selector))
        return tuple(self._entities), tuple(self._relationships)

    def _steps(self, steps: tuple[tree.Step | tree.Optional, ...], starts: list[Entity]) -> None:
        for step in steps:
            if isinstance(step, tree.Optional):
                self._steps(step.steps, starts)
                continue
            ends = self._found_by(step.target)
            self._joined(step, starts, ends)
            starts = ends

    def _found_by(self, selector: tree.Selector) -> list[Entity]:
        return [self._entity(selector) for _ in range(self._chance.between(1, MOST))]

    def _entity(self, selector: tree.Selector) -> Entity:
        number = len(self._entities)
        metadata: dict[str, Any] = {"_id": f"e{number}", "_key": f"k{number}", "_type": ["thing"], "_class": ["Thing"]}
        metadata |= {"displayName": f"name {number % 3}", "_createdOn": NOW - 86_400_000 * self._chance.between(0, 60)}
        properties: dict[str, Any] = {}
        if name := self._name(selector.head):
            metadata["_class" if name[0].isupper() else "_type"] = [name]
        for path, value in self._satisfying(selector.where):
            if path in ("_id", "_key"):  # no two objects may have the same
                continue
            (metadata if is_metadata(path) else properties)[path] = [value] if path in ("_type", "_class") else value
        made = Entity(f"v{number}", metadata, properties | self._shown())
        self._entities.append(made)
        return made

    def _name(self, head: tree.Head | None) -> str | None:
        match head:
            case tree.Name(name):
                return name
            case tree.Union(items):
                return self._name(self._chance.one(items))
            case tree.Smart(head=inner):
                return self._name(inner)
            case _:
                return None

    def _joined(self, step: tree.Step, starts: list[Entity], ends: list[Entity]) -> None:
        for start in starts:
            for end in ends:
                if self._chance.yes(0.6):
                    self._relationship(step, start, end)

    def _relationship(self, step: tree.Step, start: Entity, end: Entity) -> None:
        number = len(self._relationships)
        if step.direction == "<<" or (step.direction is None and self._chance.yes(0.3)):
            start, end = end, start
        name = self._chance.one(step.verb.names).upper()
        verb = "HAS" if " " in name else name
        metadata = {"_id": f"r{number}", "_key": f"l{number}", "_type": "thing_has_thing", "_class": verb}
        self._relationships.append(Relationship(f"w{number}", start.id, end.id, metadata, self._shown()))

    def _shown(self) -> dict[str, Any]:
        return {SEEN: "yes"} if self._chance.yes(0.6) else {}

    def _satisfying(self, condition: tree.Condition | None) -> Iterator[tuple[str, Any]]:
        """Values that make most of the comparisons with literals true."""
        match condition:
            case tree.And(items) | tree.Or(items):
                for item in items:
                    yield from self._satisfying(item)
            case tree.Comparison(tree.Path(segments), _, right) if self._chance.yes(0.8):
                if (value := self._value(right)) is not None:
                    yield ".".join(segment.name for segment in segments), value
            case _:
                return

    def _value(self, right: tree.Expression | tree.ValueList | tree.Subquery) -> Any:
        match right:
            case tree.ValueList(items=items):
                return self._value(self._chance.one(items))
            case tree.String(value) | tree.Boolean(value):
                return value
            case tree.Number(source):
                return float(source) + self._chance.between(-1, 1)
            case tree.Now() | tree.Date():
                return NOW - 86_400_000 * self._chance.between(-60, 60)
            case tree.Regex(pattern):
                return pattern
            case _:
                return None
