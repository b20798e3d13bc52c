"""Entities, relationships, and the graph that holds them: values, and one container that keeps its indexes right.

The shapes are those that the platform answers with (JupiterOne documentation, "JupiterOne Data Model" and "JupiterOne
API"): on entities `_type` and `_class` are lists, on relationships strings; a tag is one flat property (`tag.team`).
Times in metadata are held as milliseconds since the epoch, because queries compare numbers; `wire()` writes them as ISO
text, because answers do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

TIMES = ("_createdOn", "_beginOn", "_endOn")
"""Metadata that is a number in queries and ISO text in answers."""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - what it is added to is in UTC


def is_metadata(name: str) -> bool:
    """Whether a name is looked for in the metadata; any other name is a property."""
    return name.startswith("_") or name == "displayName"


@lru_cache(maxsize=16_384)  # every page of a list writes the same few thousand times again
def iso(milliseconds: int) -> str:
    """A time as answers write it: `2019-08-09T20:50:12.173Z`."""
    return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds") + "Z"


@dataclass(frozen=True, slots=True)
class Entity:
    """A vertex. `id` is the vertex id, which differs from the entity's own `_id`.

    No value is None: what an object does not have is absent.
    """

    id: str
    metadata: Mapping[str, Any]
    properties: Mapping[str, Any]

    def __hash__(self) -> int:
        return hash(self.id)

    def get(self, name: str) -> Any:
        """The value of a metadata field or a property; None when it is absent."""
        return (self.metadata if is_metadata(name) else self.properties).get(name)

    def wire(self) -> dict[str, Any]:
        """The object as a row of a list answer, or as a vertex of a tree."""
        return {"id": self.id, "entity": _wire_metadata(self.metadata), "properties": dict(self.properties)}


@dataclass(frozen=True, slots=True)
class Relationship:
    """A directed edge; `from_id` and `to_id` are the vertex ids of its ends, `_class` is its verb."""

    id: str
    from_id: str
    to_id: str
    metadata: Mapping[str, Any]
    properties: Mapping[str, Any]

    def __hash__(self) -> int:
        return hash(self.id)

    def get(self, name: str) -> Any:
        """The value of a metadata field or a property; None when it is absent."""
        return (self.metadata if is_metadata(name) else self.properties).get(name)

    def other_end(self, vertex_id: str) -> str:
        """The vertex id at the other end; a loop leads back to itself."""
        return self.to_id if vertex_id == self.from_id else self.from_id

    def wire(self) -> dict[str, Any]:
        """The object as an edge of a tree, or as the value of a returned alias."""
        return {
            "id": self.id,
            "fromVertexId": self.from_id,
            "toVertexId": self.to_id,
            "relationship": _wire_metadata(self.metadata),
            "properties": dict(self.properties),
        }


def _wire_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {**metadata, **{name: iso(metadata[name]) for name in TIMES if name in metadata}}


def scope_of(thing: Entity | Relationship) -> str:
    """The scope that a `_key` is unique in: the integration instance, else source and scope of the upload."""
    metadata = thing.metadata
    return scope_name(metadata.get("_source"), metadata.get("_scope"), metadata.get("_integrationInstanceId"))


def scope_name(source: str | None, scope: str | None, instance: str | None) -> str:
    """The name of a scope; no integration's can be imitated by an upload with a scope of its own choice."""
    return f"integration:{instance}" if instance is not None else f"{source or ''}:{scope or ''}"


def _refuse_taken(thing: Entity | Relationship, ids: dict[str, str], keys: dict[tuple[str, str], str]) -> None:
    own_id, key = thing.metadata["_id"], thing.metadata["_key"]
    if ids.get(own_id, thing.id) != thing.id or keys.get((scope_of(thing), key), thing.id) != thing.id:
        raise ValueError(f"`_id` {own_id} or `_key` {key} belongs to another object")


class Graph:
    """A graph in memory. Every sequence it hands out is in order of first arrival; a changed object keeps its place.

    Not safe for threads: one event loop owns it, and each public method finishes in one step.
    """

    def __init__(self, entities: Iterable[Entity] = (), relationships: Iterable[Relationship] = ()) -> None:
        self._entities: dict[str, Entity] = {}
        self._relationships: dict[str, Relationship] = {}
        self._places: dict[str, int] = {}  # vertex id -> order of arrival
        self._arrivals = 0
        self._types: dict[str, set[str]] = {}
        self._classes: dict[str, set[str]] = {}
        self._vertex_of: dict[str, str] = {}  # entity `_id` -> vertex id
        self._edge_of: dict[str, str] = {}  # relationship `_id` -> edge id
        self._entity_keys: dict[tuple[str, str], str] = {}  # (scope, `_key`) -> vertex id
        self._relationship_keys: dict[tuple[str, str], str] = {}
        self._outgoing: dict[str, dict[str, Relationship]] = {}
        self._incoming: dict[str, dict[str, Relationship]] = {}
        for entity in entities:
            self.put_entity(entity)
        for relationship in relationships:
            self.put_relationship(relationship)

    # --- reading --------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """The number of entities."""
        return len(self._entities)

    @property
    def entities(self) -> Iterable[Entity]:
        return self._entities.values()

    @property
    def relationships(self) -> Iterable[Relationship]:
        return self._relationships.values()

    def of_type(self, name: str) -> list[Entity]:
        """The entities whose `_type` list holds the name; spelling is exact."""
        return self._in_order(self._types.get(name, ()))

    def of_class(self, name: str) -> list[Entity]:
        """The entities whose `_class` list holds the name; spelling is exact."""
        return self._in_order(self._classes.get(name, ()))

    def entity(self, vertex_id: str) -> Entity:
        """The entity of a vertex id. Raises KeyError."""
        return self._entities[vertex_id]

    def relationship(self, edge_id: str) -> Relationship:
        """The relationship of an edge id. Raises KeyError."""
        return self._relationships[edge_id]

    def entity_by_id(self, entity_id: str) -> Entity | None:
        """The entity whose `_id` this is."""
        vertex_id = self._vertex_of.get(entity_id)
        return None if vertex_id is None else self._entities[vertex_id]

    def relationship_by_id(self, relationship_id: str) -> Relationship | None:
        """The relationship whose `_id` this is."""
        edge_id = self._edge_of.get(relationship_id)
        return None if edge_id is None else self._relationships[edge_id]

    def entity_by_key(self, scope: str, key: str) -> Entity | None:
        """The entity of a `_key` in a scope (see `scope_of`)."""
        vertex_id = self._entity_keys.get((scope, key))
        return None if vertex_id is None else self._entities[vertex_id]

    def relationship_by_key(self, scope: str, key: str) -> Relationship | None:
        """The relationship of a `_key` in a scope (see `scope_of`)."""
        edge_id = self._relationship_keys.get((scope, key))
        return None if edge_id is None else self._relationships[edge_id]

    def outgoing(self, vertex_id: str) -> Iterable[Relationship]:
        """The relationships that begin at a vertex."""
        return self._outgoing.get(vertex_id, {}).values()

    def incoming(self, vertex_id: str) -> Iterable[Relationship]:
        """The relationships that end at a vertex."""
        return self._incoming.get(vertex_id, {}).values()

    def around(self, vertex_id: str) -> Iterator[Relationship]:
        """The relationships that touch a vertex, those that begin there first; a loop comes once."""
        yield from self.outgoing(vertex_id)
        yield from (edge for edge in self.incoming(vertex_id) if edge.from_id != vertex_id)

    def _in_order(self, vertex_ids: Iterable[str]) -> list[Entity]:
        return [self._entities[vertex_id] for vertex_id in sorted(vertex_ids, key=self._places.__getitem__)]

    # --- changing -------------------------------------------------------------------------------------------------

    def put_entity(self, entity: Entity) -> None:
        """Adds an entity, or puts it in the place of the one that has its vertex id.

        Raises ValueError when another entity has its `_id`, or its `_key` in the same scope.
        """
        _refuse_taken(entity, self._vertex_of, self._entity_keys)
        before = self._entities.get(entity.id)
        if before is not None:
            self._forget_entity(before)
        else:
            self._places[entity.id] = self._arrivals
            self._arrivals += 1
        self._entities[entity.id] = entity
        for name in entity.metadata["_type"]:
            self._types.setdefault(name, set()).add(entity.id)
        for name in entity.metadata["_class"]:
            self._classes.setdefault(name, set()).add(entity.id)
        self._vertex_of[entity.metadata["_id"]] = entity.id
        self._entity_keys[scope_of(entity), entity.metadata["_key"]] = entity.id

    def put_relationship(self, relationship: Relationship) -> None:
        """Adds a relationship, or puts it in the place of the one that has its edge id.

        Raises KeyError when an end is not in the graph, ValueError as `put_entity` does.
        """
        _refuse_taken(relationship, self._edge_of, self._relationship_keys)
        for end in (relationship.from_id, relationship.to_id):
            if end not in self._entities:
                raise KeyError(end)
        before = self._relationships.get(relationship.id)
        if before is not None:
            self._forget_relationship(before, keep=(relationship.from_id, relationship.to_id))
        self._relationships[relationship.id] = relationship
        self._edge_of[relationship.metadata["_id"]] = relationship.id
        self._relationship_keys[scope_of(relationship), relationship.metadata["_key"]] = relationship.id
        self._outgoing.setdefault(relationship.from_id, {})[relationship.id] = relationship
        self._incoming.setdefault(relationship.to_id, {})[relationship.id] = relationship

    def delete_entity(self, vertex_id: str) -> None:
        """Takes an entity out, and every relationship that touches it. Raises KeyError."""
        entity = self._entities[vertex_id]
        for relationship in list(self.around(vertex_id)):
            self.delete_relationship(relationship.id)
        self._forget_entity(entity)
        del self._entities[vertex_id], self._places[vertex_id]
        self._outgoing.pop(vertex_id, None)
        self._incoming.pop(vertex_id, None)

    def delete_relationship(self, edge_id: str) -> None:
        """Takes a relationship out. Raises KeyError."""
        self._forget_relationship(self._relationships[edge_id])
        del self._relationships[edge_id]

    def _forget_entity(self, entity: Entity) -> None:
        for index, names in ((self._types, entity.metadata["_type"]), (self._classes, entity.metadata["_class"])):
            for name in set(names):
                index[name].discard(entity.id)
                if not index[name]:
                    del index[name]
        del self._vertex_of[entity.metadata["_id"]]
        del self._entity_keys[scope_of(entity), entity.metadata["_key"]]

    def _forget_relationship(self, relationship: Relationship, keep: tuple[str, str] = ("", "")) -> None:
        """Takes a relationship out of the indexes; where its ends stay, so does its place among their neighbours."""
        del self._edge_of[relationship.metadata["_id"]]
        del self._relationship_keys[scope_of(relationship), relationship.metadata["_key"]]
        if relationship.from_id != keep[0]:
            del self._outgoing[relationship.from_id][relationship.id]
        if relationship.to_id != keep[1]:
            del self._incoming[relationship.to_id][relationship.id]
