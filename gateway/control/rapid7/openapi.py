"""The OpenAPI document of the account API, made from the table of its operations.

OpenAPI 3.1, whose schemas are JSON Schema 2020-12, as those that msgspec makes of a type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from msgspec import json

from gateway.control.rapid7.handlers import BASE
from gateway.control.rapid7.models import KEY_ID, Message
from gateway.control.rapid7.operations import OPERATIONS, Operation

PLACE = f"{BASE}/openapi.json"
"""Where the document is; it is told to anybody."""

_EVERYWHERE = (400, 401, 403, 503)
_MEANINGS = {
    400: "The call is malformed; the message says where.",
    401: "There is no API key, or none that works; the answer is the same for all of these.",
    403: "The key works, and may not do this.",
    404: "There is no such thing, or it is hidden from you.",
    409: "It is there already.",
    413: "The body is too large.",
    415: "The body is not `application/json`.",
    503: "The key store is away; a change was made as a whole or not at all.",
}
_HOLE = re.compile(r"\{(\w+)\}")
_REFERENCE = "#/components/schemas/{name}"
_TEXT = {"schema": {"type": "string"}}
_HEADERS = {
    "X-Request-Id": _TEXT | {"description": "By which an operator finds the call."},
    "Gateway-Reason": _TEXT | {"description": "The stable code of the refusal."},
    "Link": _TEXT | {"description": 'The next page, `rel="next"` (RFC 8288); absent on the last one.'},
    "Location": _TEXT | {"description": "Where what was made is."},
    "WWW-Authenticate": _TEXT | {"description": "RFC 6750."},
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."},
}


def document() -> dict[str, Any]:
    """The whole document as a JSON value."""
    paths: dict[str, dict[str, Any]] = {}
    for each in OPERATIONS:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Account API",
            "version": "1",
            "description": "Keys, users and organizations, in the words of Rapid7's Insight Account API. Unknown "
            "members of bodies and unknown parameters are refused. Any other method of a path is a 405 with `Allow`.",
        },
        "servers": [{"url": "/"}],
        "security": [{"ApiKeyAuth": []}],
        "paths": paths,
        "components": {
            "schemas": json.schema_components(_types(), ref_template=_REFERENCE)[1],
            "headers": _HEADERS,
            "responses": {str(status): _refusal(status) for status in _MEANINGS},
            "securitySchemes": {"ApiKeyAuth": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}},
        },
    }


def _types() -> list[Any]:
    """Those of bodies; parameters stand with their operations."""
    types = [kind for each in OPERATIONS for kind in (each.body, each.answer) if kind is not None]
    return [Message, *types]


def _schema(kind: Any) -> Any:
    return json.schema_components([kind], ref_template=_REFERENCE)[0][0]


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {"operationId": operation.id, "summary": operation.summary}
    if parameters := [*_ids(operation), *_parameters(operation)]:
        described["parameters"] = parameters
    if operation.body is not None:
        content = {"schema": _schema(operation.body), "examples": {"plain": {"value": operation.example}}}
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    refusals = sorted({*_EVERYWHERE, *operation.refusals})
    described["responses"] = {str(operation.status): _success(operation)} | {
        str(status): {"$ref": f"#/components/responses/{status}"} for status in refusals
    }
    return described


def _ids(operation: Operation) -> Iterator[dict[str, Any]]:
    """Ids are looked up as they stand in the path, in the alphabet that a path may have at all."""
    for name in _HOLE.findall(operation.path):
        schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"}
        yield {"name": name, "in": "path", "required": True, "schema": schema, "example": KEY_ID}


def _parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    _, components = json.schema_components([operation.query], ref_template=_REFERENCE)
    for name, schema in components[operation.query.__name__]["properties"].items():
        bare = {key: value for key, value in schema.items() if key != "description"}
        parameter = {"name": name, "in": "query", "required": False, "schema": bare}
        if "description" in schema:
            parameter["description"] = schema["description"]
        yield parameter


def _success(operation: Operation) -> dict[str, Any]:
    names = ["X-Request-Id"] + ["Link"] * operation.paged + ["Location"] * operation.located
    answer: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase, "headers": _headers(*names)}
    if operation.answer is not None:
        answer["content"] = {"application/json": {"schema": _schema(operation.answer)}}
    return answer


def _refusal(status: int) -> dict[str, Any]:
    hints = {401: ["WWW-Authenticate"], 503: ["Retry-After"]}.get(status, [])
    example = "Unauthorized" if status == HTTPStatus.UNAUTHORIZED else _MEANINGS[status]
    content = {"schema": _schema(Message), "examples": {"plain": {"value": {"message": example}}}}
    return {
        "description": _MEANINGS[status],
        "headers": _headers("X-Request-Id", "Gateway-Reason", *hints),
        "content": {"application/json": content},
    }


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
