"""The Contember face: `POST /tenant`, the part of Contember's tenant API that is about keys, roles and members.

Names, types, codes and messages are those of Contember's server, so that its clients work here. HTTP statuses as well:
200 wherever an operation was executed, its refusals in the answer; 400 where it was not, or where a refused field could
not be null; 503 where the store is away and nothing is known to be done.

It is not as that server is where that would be a trap: `monitor` is a role, and no word that is none makes a key; the
last role can be taken away; ids of any form get the codes of unknown ones; a token's hash that is in use is an error of
input; a variable with no values is an empty one; and whoever administers a project disables its keys.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
)

from gateway.authz.outcome import GraphQLRequest
from gateway.control.answer import AWAY, FaceAnswer
from gateway.control.contember.mutations import MUTATIONS
from gateway.control.contember.reading import Reading
from gateway.control.contember.resolvers import TYPES, Resolver
from gateway.control.contember.schema import SCHEMA
from gateway.control.desk import Desk
from gateway.control.graphql_execution import DocumentLimits, read, run
from gateway.http1 import Call, Reason
from gateway.keys import Principal
from gateway.stores.base import StoreUnavailable
from gateway.strict_json import StrictJSONError, loads

_log = logging.getLogger(__name__)

_LIMITS = DocumentLimits()


class Contember:
    """Answers calls of this face."""

    def __init__(self, desk: Desk, limits: DocumentLimits = _LIMITS) -> None:
        self._desk = desk
        self._limits = limits

    async def __call__(self, call: Call, actor: Principal, call_id: str) -> FaceAnswer:
        """Never raises for what the caller sent or the store is in."""
        request = _request(call.body or b"")
        if isinstance(request, str):
            return _not_executed([{"message": request}])
        document = read(_SCHEMA, request, self._limits)
        if isinstance(document, list):
            return _not_executed([dict(fault.formatted) for fault in document])
        reading = Reading(self._desk, actor)
        result = await run(_SCHEMA, document, request, reading)
        for fault in filter(_failed, result.errors or ()):
            if _failure(fault) is Reason.INTERNAL:
                _log.error("call %s: a field failed", call_id, exc_info=fault.original_error)
        return _answer(result, reading.reasons)


def _request(body: bytes) -> GraphQLRequest | str:
    """`{"query", "variables", "operationName"}`, or what is wrong with it."""
    try:
        value = loads(body)
    except StrictJSONError as fault:
        return f"the body is not usable JSON: {fault}"
    if not isinstance(value, dict) or not isinstance(value.get("query"), str) or not value["query"]:
        return "Missing request query"
    variables, name = value.get("variables"), value.get("operationName")
    if not (variables is None or isinstance(variables, dict)):
        return "`variables` must be an object"
    if not (name is None or isinstance(name, str)):
        return "`operationName` must be a string"
    return GraphQLRequest(value["query"], variables or {}, name or None)


# --- answers ------------------------------------------------------------------------------------------------------


def _not_executed(errors: list[dict[str, Any]]) -> FaceAnswer:
    return FaceAnswer(400, {"errors": errors}, Reason.MALFORMED_BODY)


def _answer(result: ExecutionResult, reasons: list[Reason]) -> FaceAnswer:
    """Clients take any member `errors` for a failure, so there is none where nothing failed."""
    faults = result.errors or []
    if result.data is None and all(fault.path is None for fault in faults):  # its variables do not fit
        return _not_executed([dict(fault.formatted) for fault in faults])
    errors = [_formatted(fault) for fault in faults]
    body = {"data": result.data} | ({"errors": errors} if errors else {})
    reason = next((_failure(fault) for fault in faults if _failed(fault)), None)
    done = result.data is not None and any(value is not None for value in result.data.values())
    if reason is Reason.STORE_UNAVAILABLE and not done:
        return FaceAnswer(503, body, reason)
    if result.data is not None:
        return FaceAnswer(200, body, reason or next(iter(reasons), None))
    if reason is Reason.INTERNAL:
        return FaceAnswer(500, body, reason)
    return FaceAnswer(400, body, next(iter(reasons), Reason.MALFORMED_BODY))


def _failed(fault: GraphQLError) -> bool:
    """Whether it was neither the caller's fault nor a refusal."""
    return fault.original_error is not None and not isinstance(fault.original_error, GraphQLError)


def _failure(fault: GraphQLError) -> Reason:
    return Reason.STORE_UNAVAILABLE if isinstance(fault.original_error, StoreUnavailable) else Reason.INTERNAL


def _formatted(fault: GraphQLError) -> dict[str, Any]:
    if not _failed(fault):
        return dict(fault.formatted)
    if isinstance(fault.original_error, StoreUnavailable):
        extensions = {"code": "ServiceUnavailable", "reason": Reason.STORE_UNAVAILABLE.value}
        return dict(fault.formatted) | {"message": AWAY, "extensions": extensions}
    return {"message": "Internal server error"}


# --- the schema ---------------------------------------------------------------------------------------------------


def _schema() -> GraphQLSchema:
    schema = build_schema(SCHEMA)
    for each in schema.type_map.values():
        if each.name.startswith("__"):  # those of introspection, which all schemas share
            continue
        if isinstance(each, GraphQLObjectType):
            _resolved(each, _RESOLVERS.get(each.name, {}))
        elif isinstance(each, GraphQLInputObjectType):
            for name, member in each.fields.items():
                member.out_name = _snake(name)
    return schema


def _resolved(named: GraphQLObjectType, resolvers: Mapping[str, Resolver]) -> None:
    """Gives a type its resolvers, to which arguments come in Python's spelling of their names."""
    for field, resolver in resolvers.items():
        named.fields[field].resolve = resolver
    for described in named.fields.values():
        for name, argument in described.args.items():
            argument.out_name = _snake(name)


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", name)


_RESOLVERS = TYPES | {"Mutation": MUTATIONS}
_SCHEMA = _schema()
