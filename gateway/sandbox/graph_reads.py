"""Root fields that read the graph without a query: vertices, neighbours, counts, properties, raw data, exports."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from graphql import GraphQLError

from gateway.sandbox.deferred import Store
from gateway.sandbox.graph import Entity, Graph, Relationship, iso
from gateway.sandbox.values import elements, text

Arguments = Mapping[str, Any]
"""The arguments of a root field, checked against the schema."""

Actions = Mapping[str, Callable[[Arguments], Any]]
"""Root field -> what it does with its arguments."""

LAST_PAGE = {"endCursor": None, "hasNextPage": False}

_DEEPEST = 5
"""Steps to a neighbour (the schema's documentation: 1 to 5)."""


@dataclass(frozen=True, slots=True)
class GraphReads:
    """`page` is the number of vertices in a list that does not say how many."""

    graph: Graph
    results: Store
    page: int

    def actions(self) -> Actions:
        """What each of these root fields does."""
        return {
            "accountEntity": self._account_entity,
            "vertex": self._vertex,
            "listVertices": self._list_vertices,
            "listVerticesV2": self._list_vertices,
            "edge": self._edge,
            "queryGraph": lambda _: self._part(self.graph.entities, self.graph.relationships),
            "entityCount": lambda arguments: len(self._selected(arguments)),
            "typeCounts": lambda arguments: _counts(self._of_classes(arguments), "_type"),
            "allEntityCounts": lambda _: _all_counts(self.graph, "typeCounts", "classCounts"),
            "getEntityCounts": lambda _: _all_counts(self.graph, "types", "classes"),
            "entityProperties": lambda arguments: {
                "properties": _property_names(self._selected(arguments)),
                "pageInfo": LAST_PAGE,
            },
            "entityPropertyValues": self._property_values,
            "getAllAssetProperties": lambda _: _property_names(self.graph.entities),
            "assetCategories": lambda _: [
                {"id": name, "name": name} for name in sorted(_counts(self.graph.entities, "_class"))
            ],
            "queryRelatedEntities": self._related,
            "queryProperties": self._properties,
            "queryRelationships": self._relationships,
            "queryUniqueRelationships": self._verbs,
            "fetchEntityById": lambda arguments: {"entity": self._entity(arguments["entityId"]).wire()},
            "fetchEntityContributionsById": lambda arguments: {
                "contributions": [self._entity(arguments["entityId"]).wire()]
            },
            "fetchRelationshipById": self._fetch_relationship,
            "entityRawData": lambda arguments: raw_data(self.graph, arguments["entityId"]),
            "entityRawDataLegacy": lambda arguments: raw_data(self.graph, arguments["entityId"]),
            "entityRawDataV2": lambda arguments: raw_data(self.graph, arguments["entityId"]),
            "entityRawDataVersions": lambda arguments: raw_data_versions(self.graph, arguments["entityId"]),
            "entityRawDataVersionsLegacy": lambda arguments: raw_data_versions(self.graph, arguments["entityId"]),
            "buildCsv": partial(self._build, as_csv=True),
            "buildJson": partial(self._build, as_csv=False),
        }

    # --- vertices and edges ---------------------------------------------------------------------------------------

    def _account_entity(self, _: Arguments) -> dict[str, Any]:
        accounts = [entity.wire() for entity in self.graph.of_type("jupiterone_account")]
        return {"type": "list", "data": accounts, "totalCount": len(accounts)}

    def _vertex(self, arguments: Arguments) -> dict[str, Any] | None:
        wanted = arguments.get("id")
        found = self._selected(arguments) if wanted is None else self.graph.entities
        return next((self._shown(entity) for entity in found if wanted in {None, entity.id}), None)

    def _list_vertices(self, arguments: Arguments) -> dict[str, Any]:
        """In the order of the graph, unless `sort` says otherwise; the cursor is the number of vertices before."""
        found = self._selected(arguments)
        for by in reversed(arguments.get("sort") or []):
            found.sort(key=partial(_written, by["field"]), reverse=by.get("order") == "DESC")
        begin = int(arguments.get("after") or 0)
        end = begin + max(1, arguments.get("size") or self.page)
        more = end < len(found)
        return {
            "total": len(found),
            "vertices": [self._shown(entity) for entity in found[begin:end]],
            "pageInfo": {"endCursor": str(end) if more else None, "hasNextPage": more},
        }

    def _edge(self, arguments: Arguments) -> dict[str, Any] | None:
        wanted = {**(arguments.get("filters") or {}), "_class": arguments.get("label")}
        asked = {name: value for name, value in wanted.items() if value is not None}
        for edge in self.graph.relationships:
            if arguments.get("id") in {None, edge.id} and all(edge.get(name) == asked[name] for name in asked):
                return _edge(edge)
        return None

    def _shown(self, entity: Entity) -> dict[str, Any]:
        """A vertex; what is around it is looked up only when it is asked for."""
        return {
            "id": entity.id,
            "entity": entity.metadata,
            "properties": dict(entity.properties),
            "neighbors": lambda _, depth=1: self._neighbors(entity, depth),
            "edges": lambda _: [_edge(edge) for edge in self.graph.around(entity.id)],
        }

    def _neighbors(self, entity: Entity, depth: int) -> dict[str, Any]:
        reached, edges = {entity.id: entity}, dict[str, Relationship]()
        for _ in range(min(depth, _DEEPEST)):
            for vertex_id in list(reached):
                for edge in self.graph.around(vertex_id):
                    edges[edge.id] = edge
                    other = edge.other_end(vertex_id)
                    reached[other] = self.graph.entity(other)
        return self._part(reached.values(), edges.values())

    def _part(self, entities: Iterable[Entity], edges: Iterable[Relationship]) -> dict[str, Any]:
        return {"vertices": [self._shown(entity) for entity in entities], "edges": [_edge(edge) for edge in edges]}

    def _selected(self, arguments: Arguments) -> list[Entity]:
        """The entities that fit all filters, or with OR any of them, and hold the words of a search."""
        asked = {**(arguments.get("filters") or {}), **(arguments.get("propertyFilters") or {})}
        enough = any if arguments.get("filterType") == "OR" else all
        wanted = [(name, value) for name, value in asked.items() if value is not None]
        search = (arguments.get("search") or "").lower()
        return [
            entity
            for entity in self.graph.entities
            if (not wanted or enough(_has(entity, name, value) for name, value in wanted))
            and search in str(entity.wire()).lower()
        ]

    def _of_classes(self, arguments: Arguments) -> list[Entity]:
        classes = arguments.get("classes")
        filters = {"_class": classes} if classes else {}
        return self._selected({**arguments, "filters": filters})

    # --- what there is --------------------------------------------------------------------------------------------

    def _property_values(self, arguments: Arguments) -> dict[str, Any]:
        name = arguments["property"]
        counted = Counter(text(value) for entity in self._selected(arguments) for value in elements(entity.get(name)))
        values = [{"value": value, "count": count} for value, count in counted.items()]
        return {"values": values, "pageInfo": LAST_PAGE}

    def _related(self, arguments: Arguments) -> list[dict[str, Any]]:
        left = arguments["leftEntityTypesOrClasses"]
        pairs = {(start, end) for start, _, end in self._triples() if start in left}
        return [{"leftEntityTypeOrClass": start, "rightEntityTypeOrClass": end} for start, end in sorted(pairs)]

    def _properties(self, arguments: Arguments) -> list[dict[str, Any]]:
        wanted = arguments.get("entity")
        counted = Counter(
            (kind, name)
            for entity in self.graph.entities
            for kind in entity.get("_type")
            for name in entity.properties
            if wanted in {None, kind}
        )
        return [{"entity": kind, "name": name, "count": count} for (kind, name), count in counted.items()]

    def _relationships(self, arguments: Arguments) -> list[dict[str, Any]]:
        wanted, verbs = arguments.get("sourceEntity"), arguments.get("sourceVerbs")
        counted = Counter(
            triple for triple in self._triples() if wanted in {None, triple[0]} and (not verbs or triple[1] in verbs)
        )
        return [
            {"sourceEntity": start, "name": verb, "targetEntity": end, "count": count}
            for (start, verb, end), count in counted.items()
        ]

    def _verbs(self, arguments: Arguments) -> list[dict[str, Any]]:
        left, right = arguments["leftEntityTypesOrClasses"], arguments.get("rightEntityTypesOrClasses")
        verbs = {verb for start, verb, end in self._triples() if start in left and (not right or end in right)}
        return [{"verb": verb} for verb in sorted(verbs)]

    def _triples(self) -> Iterator[tuple[str, str, str]]:
        """Type, verb and type of each relationship."""
        for edge in self.graph.relationships:
            start, end = self.graph.entity(edge.from_id), self.graph.entity(edge.to_id)
            yield start.get("_type")[0], edge.get("_class"), end.get("_type")[0]

    # --- one object, and files ------------------------------------------------------------------------------------

    def _entity(self, entity_id: str) -> Entity:
        entity = self.graph.entity_by_id(entity_id)
        if entity is None:
            raise GraphQLError("Entity not found", extensions={"code": "NOT_FOUND"})
        return entity

    def _fetch_relationship(self, arguments: Arguments) -> dict[str, Any]:
        edge = self.graph.relationship_by_id(arguments["relationshipId"])
        if edge is None:
            raise GraphQLError("Relationship not found", extensions={"code": "NOT_FOUND"})
        return {"relationship": edge.wire()}

    def _build(self, arguments: Arguments, *, as_csv: bool) -> dict[str, Any]:
        rows = [entity.wire() for entity in self._selected(arguments)]
        url, _ = self.results.keep({"type": "list", "data": rows, "totalCount": len(rows)}, as_csv=as_csv)
        return {"stateFileUrl": url}


# --- raw data, for REST too ------------------------------------------------------------------------------------------


def raw_data(graph: Graph, entity_id: str) -> dict[str, Any]:
    """What a provider said of an entity, here its properties. An address beside the id is not compared with it."""
    entity = _collected(graph, entity_id)
    if entity is None:
        message = "Raw data is not available for this entity"
        return {"entityId": entity_id, "status": "NOT_AVAILABLE_OR_EXPIRED", "message": message, "payload": []}
    payload = {"name": "default", "contentType": "application/json", "data": dict(entity.properties)}
    collected = iso(entity.get("_beginOn"))
    return {"entityId": entity_id, "status": "AVAILABLE", "collectedAt": collected, "payload": [payload]}


def raw_data_versions(graph: Graph, entity_id: str) -> dict[str, Any]:
    """The versions of an entity's raw data; only the last one is kept."""
    entity = _collected(graph, entity_id)
    versions = []
    if entity is not None:
        size = len(json.dumps(entity.properties))
        modified, number = entity.get("_beginOn"), str(entity.get("_version"))
        versions = [{"versionId": number, "lastModifiedTimestamp": modified, "sizeBytes": size, "latest": True}]
    return {"entityId": entity_id, "versions": versions}


def _collected(graph: Graph, entity_id: str) -> Entity | None:
    entity = graph.entity_by_id(entity_id)
    return entity if entity is not None and entity.get("_integrationInstanceId") is not None else None


def _edge(edge: Relationship) -> dict[str, Any]:
    return {**edge.wire(), "relationship": edge.metadata}


def _written(name: str, entity: Entity) -> str:
    return text(entity.get(name))


def _has(entity: Entity, name: str, value: Any) -> bool:
    """Whether any element of the property is any of the values."""
    wanted = value if isinstance(value, list) else [value]
    return any(held in wanted for held in elements(entity.get(name)))


def _counts(entities: Iterable[Entity], name: str) -> dict[str, int]:
    return dict(Counter(value for entity in entities for value in entity.get(name)))


def _all_counts(graph: Graph, types: str, classes: str) -> dict[str, Any]:
    return {types: _counts(graph.entities, "_type"), classes: _counts(graph.entities, "_class")}


def _property_names(entities: Iterable[Entity]) -> list[str]:
    return sorted({name for entity in entities for name in entity.properties})
