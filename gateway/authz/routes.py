"""The table path -> route. A path is matched exactly as it stood on the wire; what is not here is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from gateway.http1.front import METHODS


class Face(StrEnum):
    """In whose words a route answers and refuses."""

    REST = "rest"
    GRAPHQL = "graphql"
    TENANT = "tenant"
    """Contember's tenant API."""
    ACCOUNT = "account"
    """Rapid7's account API."""


@dataclass(frozen=True, slots=True)
class Route:
    """`name` is the closed label of metrics and logs; `job` and `part` are set below a synchronization job, `entity`
    below an entity.

    `json` routes decide by the body of a POST, so it must say that it is JSON; the others pass on whatever the upstream
    takes.
    """

    name: str
    methods: frozenset[str]
    face: Face = Face.REST
    json: bool = False
    job: str | None = None
    part: str = ""
    entity: str | None = None


_POST = frozenset({"POST"})
_GET = frozenset({"GET"})
_GRAPHQL = Route("graphql", _POST, Face.GRAPHQL, json=True)
_ACCOUNT_ROUTE = Route("account", METHODS, Face.ACCOUNT)

ROUTES: dict[str, Route] = {
    "/j1ql": Route("j1ql", _POST, json=True),
    "/j1ql/validate": Route("validate", _POST, json=True),
    # four spellings, because the real clients (Go, Node, Python, Terraform) use four
    "/graphql": _GRAPHQL,
    "/": _GRAPHQL,
    "/api/graphql": _GRAPHQL,
    "/rules/graphql": _GRAPHQL,
    "/whoami": Route("whoami", _GET),
    "/entities": Route("export", _GET),
    "/relationships": Route("export", _GET),
    "/persister/synchronization/jobs": Route("sync_create", _POST, json=True),
    "/tenant": Route("tenant", _POST, Face.TENANT, json=True),
    "/validate": Route("account", _GET, Face.ACCOUNT),
    "/account/api/1/openapi.json": Route("account", _GET, Face.ACCOUNT),
}

_ACCOUNT = "/account/api/1/"
"""What is below it, and which methods that takes, is the account face's to say."""

RESULTS = "/deferred/"
"""Below it, what stands for a result that an upstream has put aside; see `deferred`."""
_RESULT_ROUTE = Route("deferred", _GET)

_JOB = re.compile(
    r"/persister/synchronization/jobs/(?P<job>[0-9A-Za-z-]{1,64})"
    r"(?:/(?P<part>entities|relationships|upload|uploadUrl|events|finalize|abort))?"
)
"""Job ids are UUIDs upstream; the SDK's own pattern is `[0-9a-fA-F-]+`."""
_LONGEST_JOB = len("/persister/synchronization/jobs/") + 64 + len("/relationships")
"""Characters."""

_RAW_DATA = re.compile(
    r"/entities/(?P<entity>[0-9A-Za-z_-]{1,128})"
    r"/(?:raw-data|raw-data-versions|raw-data/[0-9A-Za-z_-]{1,128}/versions(?:/latest)?)"
)
"""Ids of entities are UUIDs upstream. Neither they nor the names of raw data may hold a character that is written in
more than one way, or means something in a path: what was decided must be what is asked for."""
_LONGEST_RAW_DATA = len("/entities/") + 128 + len("/raw-data/") + 128 + len("/versions/latest")
"""Characters."""

ROUTE_NAMES: frozenset[str] = frozenset(
    {route.name for route in ROUTES.values()} | {"deferred", "raw_data", "sync_job", "unknown"}
)


def route_of(path: str) -> Route | None:
    """The route of a raw path, or None."""
    if route := ROUTES.get(path):
        return route
    if path.startswith(_ACCOUNT):
        return _ACCOUNT_ROUTE
    if path.startswith(RESULTS):
        return _RESULT_ROUTE
    if path.startswith("/entities/"):
        return _raw_data_route(path) if len(path) <= _LONGEST_RAW_DATA else None
    return _job_route(path) if len(path) <= _LONGEST_JOB else None


@lru_cache(1024)  # a job has some dozen calls one after the other; what is no route takes no more room than one
def _job_route(path: str) -> Route | None:
    match = _JOB.fullmatch(path)
    if match is None:
        return None
    part = match["part"] or ""
    return Route("sync_job", _POST if part else _GET, job=match["job"], part=part)


def _raw_data_route(path: str) -> Route | None:
    match = _RAW_DATA.fullmatch(path)
    return Route("raw_data", _GET, entity=match["entity"]) if match else None
