"""Makes the objects of the example company: seeded, so that every start gives the same graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, TypeVar

from gateway.sandbox.account import INTEGRATIONS
from gateway.sandbox.graph import Entity, Relationship
from gateway.sandbox.origin import Item, Origin, make_entity, make_relationship

T = TypeVar("T")

DAY = 24 * 3600 * 1000
CLOCK = 1_759_276_800_000
"""The company's present, 2025-10-01T00:00:00Z in milliseconds since the epoch: nothing in the graph is younger."""

Value = str | int | float | bool | list[str] | None


class Builder:
    """Collects entities and relationships; a property that is None is left out, as providers leave it out."""

    def __init__(self, account: str, seed: int) -> None:
        self.account = account
        self.random = Random(seed)  # noqa: S311 - the same company for the same seed, nothing secret
        self._entities: dict[str, Entity] = {}
        self._relationships: dict[str, Relationship] = {}

    def origin(self, integration_type: str) -> Origin:
        """The origin of what an integration of the account collects."""
        return Origin(self.account, "integration-managed", integration=INTEGRATIONS[integration_type])

    def uploaded(self, scope: str) -> Origin:
        """The origin of what somebody uploads into a scope of their own."""
        return Origin(self.account, "api", scope)

    def entity(self, origin: Origin, kind: str, key: str, name: str, properties: dict[str, Value]) -> Entity:
        """Adds an entity; `kind` is its type and then its classes (`aws_db_instance Database DataStore`)."""
        present = {"name": name, **{label: value for label, value in properties.items() if value is not None}}
        entity_type, *classes = kind.split()
        item = Item(key, entity_type, tuple(classes), name, present)
        entity = make_entity(origin, item, self.past(700))
        self._entities[entity.id] = entity
        return entity

    def relate(self, origin: Origin, start: Entity, verb: str, end: Entity, **properties: Value) -> None:
        """Adds a relationship, unless these two have it already."""
        key = f"{start.get('_key')}|{verb.lower()}|{end.get('_key')}"
        present = {label: value for label, value in properties.items() if value is not None}
        item = Item(key, relationship_type(start, verb, end), (verb,), verb, present)
        relationship = make_relationship(origin, item, (start, end), self.past(600))
        self._relationships.setdefault(relationship.id, relationship)

    def objects(self) -> tuple[list[Entity], list[Relationship]]:
        """All that was added, in a mixed order: data arrives from many sources at once."""
        entities, relationships = list(self._entities.values()), list(self._relationships.values())
        self.random.shuffle(entities)
        self.random.shuffle(relationships)
        return entities, relationships

    # --- chance ---------------------------------------------------------------------------------------------------

    def past(self, days: int) -> int:
        """A moment within the last so many days."""
        return CLOCK - self.random.randrange(days * DAY)

    def sometimes(self, share: float, value: Any) -> Any:
        """The value in this share of the cases, else None: the property that an object lacks."""
        return value if self.random.random() < share else None

    def likely(self, share: float) -> bool:
        """True in this share of the cases."""
        return self.random.random() < share

    def one(self, options: Sequence[T]) -> T:
        return self.random.choice(options)

    def some(self, options: Sequence[T], most: int, least: int = 0) -> list[T]:
        """Between `least` and `most` of the options, none twice."""
        return self.random.sample(options, min(len(options), self.random.randint(least, most)))

    def weighted(self, options: dict[str, int]) -> str:
        """One of the keys, by weight."""
        return self.random.choices(list(options), list(options.values()))[0]


def relationship_type(start: Entity, verb: str, end: Entity) -> str:
    """`github_account_owns_repo`: the types of the ends around the verb, a common vendor prefix said once."""
    start_type, end_type = start.get("_type")[0], end.get("_type")[0]
    vendor = start_type.split("_")[0] + "_"
    return f"{start_type}_{verb.lower()}_{end_type.removeprefix(vendor)}"


def by_property(entities: Iterable[Entity], name: str) -> dict[Any, list[Entity]]:
    """The entities by the value of a property."""
    groups: dict[Any, list[Entity]] = {}
    for entity in entities:
        groups.setdefault(entity.get(name), []).append(entity)
    return groups
