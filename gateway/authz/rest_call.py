"""The graph's REST routes beside `/j1ql`: bulk export, and what providers said of an entity (raw data).

    GET /entities, /relationships                                  query:ReadGraphData, without a condition
    GET /entities/{id}/raw-data, …/raw-data-versions,
        …/raw-data/{name}/versions, …/versions/latest              persister:GetEntityRawData on entity:{id}

Export pages are partitions of the whole graph, and a relationship in them says nothing of what its ends are, so a
condition cannot be held against them. Raw data is decided by its own permission, whatever the key may see of the graph:
whoever may get the raw data of an entity learns whether there is any, and so that there is the entity.

Facts: the paths and the parameters of the export are those of the public JupiterOne SDK (`j1` command line); those of
raw data have the names of the GraphQL fields for it. A parameter that is not known could name another thing than the
path does, so it needs what an unknown field needs: everything.
"""

from __future__ import annotations

import re

from gateway.authz.outcome import Deny, Forward, Grounds, Pass, Upstream
from gateway.authz.routes import Route
from gateway.http1 import Call, Reason, Refusal, has_body
from gateway.policy import ANY, READ_GRAPH, Allowed, Narrowed, Policy, decide, decide_unknown, decide_written

GET_RAW_DATA = "persister:GetEntityRawData"

_EXPORT_PARAMETERS = frozenset({"limit", "cursor", "includeDeleted"})
_RAW_DATA_PARAMETERS = frozenset({"source", "name", "versionId", "startVersion", "maxResults", "limit", "cursor"})

_VALUE = re.compile(r"[0-9A-Za-z._~%+/=:,-]*")
"""Without what some servers take for the end of a parameter (`;`)."""


def plan_export(call: Call, policy: Policy) -> Forward | Deny:
    """`GET /entities` and `GET /relationships`."""
    verdict = decide(policy, READ_GRAPH, ANY)
    grounds = Grounds(READ_GRAPH, ANY, verdict.because)
    if isinstance(verdict, Narrowed):
        message = f"{call.path} gives the whole graph, and this key may see a part of it: send a query to POST /j1ql"
        return Deny(Refusal(Reason.UNSUPPORTED_QUERY, message), grounds)
    if not isinstance(verdict, Allowed):
        return Deny(Refusal(Reason.NOT_ALLOWED, f"this key may not {READ_GRAPH}"), grounds)
    return _forward(call, _EXPORT_PARAMETERS, policy, grounds)


def plan_raw_data(call: Call, route: Route, policy: Policy) -> Forward | Deny:
    """`GET /entities/{id}/raw-data` and what is like it."""
    resource = f"entity:{route.entity}"
    verdict = decide_written(policy, GET_RAW_DATA, resource)
    grounds = Grounds(GET_RAW_DATA, resource, verdict.because)
    if not isinstance(verdict, Allowed):
        return Deny(Refusal(Reason.NOT_ALLOWED, f"this key may not {GET_RAW_DATA} on {resource}"), grounds)
    return _forward(call, _RAW_DATA_PARAMETERS, policy, grounds)


def _forward(call: Call, known: frozenset[str], policy: Policy, grounds: Grounds) -> Forward | Deny:
    if has_body(call.headers):
        return Deny(Refusal(Reason.MALFORMED_REQUEST, f"GET {call.path} takes no body"), grounds)
    unknown = _unknown_parameter(call.query, known)
    if unknown is not None and not isinstance(decide_unknown(policy), Allowed):
        message = f"{call.path} takes {', '.join(sorted(known))}, each once; `{unknown}` is for keys that may do all"
        return Deny(Refusal(Reason.UNSUPPORTED_ARGUMENT, message), grounds)
    return Forward(Upstream.PERSISTER, call.method, call.path, call.query, None, Pass(), grounds)


def _unknown_parameter(query: str, known: frozenset[str]) -> str | None:
    """The first parameter that is not known, is there a second time, or whose value has two readings."""
    seen = set[str]()
    for parameter in query.split("&") if query else ():
        name, _, value = parameter.partition("=")
        if name not in known or name in seen or not _VALUE.fullmatch(value):
            return name
        seen.add(name)
    return None
