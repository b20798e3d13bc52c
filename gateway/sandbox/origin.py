"""Where graph objects come from, and how they are made: metadata is given by the platform, never by who uploads.

Ids follow from account, scope and key, so the same object has the same ids on every start and after every upload.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID, uuid5

from gateway.sandbox.graph import Entity, Relationship, scope_name

_IDS = UUID("6f1c6a3e-0b52-4f0e-9a0f-8a1d3f0c5b77")


@dataclass(frozen=True, slots=True)
class Integration:
    """An integration instance; `kind` is the class of thing it integrates (`SCM`, `CSP`)."""

    id: str
    name: str
    type: str
    kind: str

    @property
    def definition(self) -> str:
        """The id of what this is an instance of."""
        return _definition(self.type)


@cache
def _definition(integration_type: str) -> str:
    return str(uuid5(_IDS, integration_type))


@dataclass(frozen=True, slots=True)
class Origin:
    """The scope of an upload: an integration instance, or a source with a scope of the caller's choice."""

    account: str
    source: str
    scope: str | None = None
    integration: Integration | None = None

    @property
    def name(self) -> str:
        """The scope as `Graph.entity_by_key` takes it."""
        return scope_name(self.source, self.scope, self.integration.id if self.integration else None)

    def metadata(self) -> dict[str, Any]:
        """The part of the metadata that every object of this origin has."""
        shared: dict[str, Any] = {"_accountId": self.account, "_source": self.source}
        if self.scope is not None:
            shared["_scope"] = self.scope
        if self.integration is not None:
            shared |= {
                "_integrationType": self.integration.type,
                "_integrationClass": [self.integration.kind],
                "_integrationName": self.integration.name,
                "_integrationInstanceId": self.integration.id,
                "_integrationDefinitionId": self.integration.definition,
            }
        return shared

    def id(self, kind: str, key: str) -> str:
        """The id of a kind (`vertex`, `entity`, `edge`, `relationship`) for a key of this scope."""
        return str(uuid5(_IDS, repr((self.account, self.name, kind, key))))


@dataclass(frozen=True, slots=True)
class Item:
    """What an upload says about one object; `classes` of a relationship is its one verb."""

    key: str
    type: str
    classes: tuple[str, ...]
    display_name: str
    properties: Mapping[str, Any]


def make_entity(origin: Origin, item: Item, now: int, before: Entity | None = None) -> Entity:
    """The entity that an upload at `now` makes; `before` is the one it takes the place of."""
    metadata = {
        "_id": before.get("_id") if before else origin.id("entity", item.key),
        "_key": item.key,
        "_type": [item.type],
        "_class": list(item.classes),
        "displayName": item.display_name,
        **origin.metadata(),
        **_versions(now, before),
    }
    return Entity(before.id if before else origin.id("vertex", item.key), metadata, dict(item.properties))


def make_relationship(
    origin: Origin, item: Item, ends: tuple[Entity, Entity], now: int, before: Relationship | None = None
) -> Relationship:
    """The relationship that an upload at `now` makes between two entities."""
    from_entity, to_entity = ends
    metadata = {
        "_id": before.get("_id") if before else origin.id("relationship", item.key),
        "_key": item.key,
        "_type": item.type,
        "_class": item.classes[0],
        "displayName": item.display_name,
        "_fromEntityId": from_entity.get("_id"),
        "_toEntityId": to_entity.get("_id"),
        "_fromEntityKey": from_entity.get("_key"),
        "_toEntityKey": to_entity.get("_key"),
        **origin.metadata(),
        **_versions(now, before),
    }
    edge_id = before.id if before else origin.id("edge", item.key)
    return Relationship(edge_id, from_entity.id, to_entity.id, metadata, dict(item.properties))


def _versions(now: int, before: Entity | Relationship | None) -> dict[str, Any]:
    """`_createdOn` is when the object first came, `_beginOn` when this version of it did."""
    version, created = (1, now) if before is None else (before.get("_version") + 1, before.get("_createdOn"))
    return {"_version": version, "_deleted": False, "_createdOn": created, "_beginOn": now}
