"""The graph over REST: the bulk export, and the raw data of an entity.

    GET /entities, /relationships                       flat objects, page by page
    GET /entities/{id}/raw-data
    GET /entities/{id}/raw-data-versions
    GET /entities/{id}/raw-data/{name}/versions         and .../versions/latest

Parameters, members and the 422 of the export are what the CLI of JupiterOne's integration SDK works with: it halves
`limit` when it is told that an answer would be too large. No public document shows an answer of the raw data routes;
they answer as the root fields of GraphQL do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from aiohttp import web

from gateway.sandbox.graph import Entity, Graph, Relationship
from gateway.sandbox.graph_reads import raw_data, raw_data_versions

DEFAULT_LIMIT = 1000
"""Objects on a page."""

TOO_LARGE = 2000
"""Objects that do not fit into one answer; the CLI begins with 4,000."""


@dataclass(frozen=True, slots=True)
class Exports:
    """The routes over a graph."""

    graph: Graph

    def routes(self) -> list[web.RouteDef]:
        """The routes of this upstream."""
        one = "/entities/{id}"
        return [
            web.get("/entities", partial(self._export, lambda: self.graph.entities)),
            web.get("/relationships", partial(self._export, lambda: self.graph.relationships)),
            web.get(f"{one}/raw-data", partial(self._raw, raw_data)),
            web.get(f"{one}/raw-data-versions", partial(self._raw, raw_data_versions)),
            web.get(f"{one}/raw-data/{{name}}/versions", partial(self._raw, raw_data_versions)),
            web.get(f"{one}/raw-data/{{name}}/versions/latest", partial(self._raw, raw_data)),
        ]

    async def _export(
        self, things: Callable[[], Iterable[Entity | Relationship]], request: web.Request
    ) -> web.Response:
        """The cursor is the number of objects before. Nothing deleted is kept, so `includeDeleted` changes nothing."""
        limit, begin = _number(request, "limit", DEFAULT_LIMIT), _number(request, "cursor", 0)
        if limit > TOO_LARGE:
            raise web.HTTPUnprocessableEntity(text=f"limit {limit} is too large")
        page = [_flat(thing) for thing in islice(things(), begin, begin + limit + 1)]
        more = {"endCursor": str(begin + limit)} if len(page) > limit else {}
        return web.json_response({"items": page[:limit], **more})

    async def _raw(self, read: Callable[[Graph, str], dict[str, Any]], request: web.Request) -> web.Response:
        return web.json_response(read(self.graph, request.match_info["id"]))


def _number(request: web.Request, name: str, default: int) -> int:
    value = request.query.get(name, str(default))
    if not (value.isascii() and value.isdigit()):
        raise web.HTTPBadRequest(text=f"{name} should be a number")
    return int(value)


def _flat(thing: Entity | Relationship) -> dict[str, Any]:
    """Metadata and properties beside each other; `_type` is a text here."""
    wire = thing.wire()
    metadata = wire["entity" if isinstance(thing, Entity) else "relationship"]
    kind = metadata["_type"][0] if isinstance(thing, Entity) else metadata["_type"]
    return {**wire["properties"], **metadata, "_type": kind}
