"""The one place where a refusal becomes an answer, in the shape of its face.

    REST      status of the reason    {"error": {"code", "reason", "message", "requestId"}}
    GraphQL   200 for what a key may not do and for a wrong query in a field, else the status of the reason
              {"data": null, "errors": [{"message", "extensions": {"code", "reason", "requestId"}}]}

`code` is coarse, one for each status, in the words that clients of the platform know; `reason` is ours and stable.
Why 200: the official clients repeat other answers for nine seconds or for ever, and show an `errors` member at once.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from gateway.authz import Face, route_of
from gateway.http1 import Headers, Reason, Refusal, Reply

CODES: dict[int, str] = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_ERROR",
    502: "BAD_GATEWAY",
    503: "SERVICE_UNAVAILABLE",
    504: "GATEWAY_TIMEOUT",
}
"""`error.code` and `extensions.code` by status."""

TRIGGERS = ("429", "not found", "does not exist", "could not find")
"""Words in a GraphQL message that clients act on: the Python client takes "429" for a rate limit and tries again, the
Terraform provider takes the others for a deletion, forgets the resource and makes it a second time."""

_PASSING = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_RETRY: Headers = ((b"retry-after", b"1"),)
"""Seconds to wait when we are short of something; stores come back within moments or not at all."""

_PLAIN = "the gateway refused this call; `reason` says why"
_INVALID_KEY = "the API key is not valid"
_REALM = b'Bearer realm="gateway"'
_TENANT_MESSAGES = {
    Reason.NO_CREDENTIAL: "Authentication required",
    # that server also says why and since when; here an unusable key learns nothing about itself
    Reason.INVALID_KEY: "Authorization failure: the API key is not valid",
    Reason.INTERNAL: "Internal server error",
}
_CHALLENGES: dict[Reason, bytes] = {
    # RFC 6750, section 3.1: a call that carried no credential gets no error code
    Reason.NO_CREDENTIAL: _REALM,
    Reason.INVALID_KEY: _REALM + b', error="invalid_token"',
    Reason.TWO_CREDENTIALS: _REALM + b', error="invalid_request"',
}


def answered(value: Any, call_id: str, *, status: int = 200, more: Headers = ()) -> Reply:
    """A JSON answer of our own, with `more` headers; without any, a 503 says when to try again."""
    hints = _RETRY if status == HTTPStatus.SERVICE_UNAVAILABLE else ()
    return _reply(status, value, call_id, more or hints)


def empty(call_id: str, status: int, more: Headers = ()) -> Reply:
    """An answer without a body."""
    return Reply(status, b"", headers(call_id)[1:] + more)


def refused(refusal: Refusal, call_id: str, path: str) -> Reply:
    """The answer to a refused call; `path` decides in whose words, and may be one that no route has."""
    route = route_of(path)
    methods = route.methods if route is not None else frozenset[str]()
    hints = _hints(refusal, methods)
    match route.face if route is not None else None:
        case Face.TENANT:
            return _reply(refusal.status, _tenant_error(refusal), call_id, (*hints, *_why(refusal)))
        case Face.ACCOUNT:
            body, more = account_refusal(refusal, methods)
            return _reply(refusal.status, body, call_id, more)
        case _:
            pass
    if route is None or route.face is Face.REST:
        return _reply(refusal.status, _rest_error(refusal, call_id), call_id, (*hints, *_why(refusal)))
    told = refusal.status == HTTPStatus.FORBIDDEN or refusal.reason is Reason.INVALID_QUERY
    status = 200 if told else refusal.status
    return _reply(status, graphql_error(refusal, call_id), call_id, hints)


def headers(call_id: str) -> Headers:
    """The headers of every JSON answer of our own."""
    return (
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"x-request-id", call_id.encode()),
    )


def encoded(value: Any) -> bytes:
    """JSON in ASCII, whatever a caller made us quote."""
    return json.dumps(value, separators=(",", ":")).encode()


def graphql_error(refusal: Refusal, call_id: str) -> dict[str, Any]:
    """A GraphQL answer that is one refusal: a whole body, or one element of a batch."""
    message = _message(refusal)
    if any(trigger in message.lower() for trigger in TRIGGERS):
        message = _PLAIN  # a resource's name may hold any of the words
    extensions = {"code": CODES[refusal.status], "reason": refusal.reason, "requestId": call_id}
    return {"data": None, "errors": [{"message": message, "extensions": extensions}]}


def account_refusal(refusal: Refusal, methods: frozenset[str]) -> tuple[dict[str, Any], Headers]:
    """A refusal as Rapid7's platform says it: one body for every credential that does not work."""
    message = "Unauthorized" if refusal.status == HTTPStatus.UNAUTHORIZED else refusal.message
    hints = _hints(refusal, methods)
    return {"message": message}, (*hints, *_reset(refusal, hints), *_why(refusal))


def _reply(status: int, value: Any, call_id: str, more: Headers = ()) -> Reply:
    return Reply(status, encoded(value), headers(call_id) + more)


def _rest_error(refusal: Refusal, call_id: str) -> dict[str, Any]:
    members = {"code": CODES[refusal.status], "reason": refusal.reason}
    return {"error": members | {"message": _message(refusal), "requestId": call_id}}


def _tenant_error(refusal: Refusal) -> dict[str, Any]:
    """Outside GraphQL, as Contember's server says it; what there is no member for is in headers."""
    message = _TENANT_MESSAGES.get(refusal.reason, refusal.message)
    return {"errors": [{"code": refusal.status, "message": message}]}


def _reset(refusal: Refusal, hints: Headers) -> Headers:
    """What this platform's command line waits for, in whole seconds; it knows no `Retry-After`."""
    if refusal.status != HTTPStatus.TOO_MANY_REQUESTS:
        return ()
    return tuple((b"x-ratelimit-reset", value) for name, value in hints if name == b"retry-after")


def _why(refusal: Refusal) -> Headers:
    """In a header also where the body has it: some clients print an answer's headers and leave out its body."""
    return ((b"gateway-reason", refusal.reason.encode()),)


def _message(refusal: Refusal) -> str:
    """An unusable key is refused in one sentence, whether it is garbage, unknown, expired or revoked."""
    return _INVALID_KEY if refusal.reason is Reason.INVALID_KEY else refusal.message


def _hints(refusal: Refusal, methods: frozenset[str]) -> Headers:
    """The headers that tell a client what it could do instead."""
    if challenge := _CHALLENGES.get(refusal.reason):
        return ((b"www-authenticate", challenge),)
    if refusal.reason is Reason.METHOD_NOT_ALLOWED:
        return ((b"allow", ", ".join(sorted(methods)).encode()),)
    if refusal.retry_after is not None:
        return ((b"retry-after", str(refusal.retry_after).encode()),)
    return _RETRY if refusal.status in _PASSING else ()
