"""The JupiterOne face: what `/graphql` answers about keys, users, groups and the account.

The calls about keys are those of the JupiterOne documentation, "Creating User and Account API Keys", those about users
and groups of its "IAM" API; see `schema`. Here is how an operation is executed and how its errors look; the
root fields are in the modules beside it.

Clients act on words in messages (see `answers.TRIGGERS`). No message carries them, even where it quotes the caller.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any

from graphql import DocumentNode, ExecutionResult, GraphQLError, parse, validate

from gateway.answers import TRIGGERS
from gateway.authz.outcome import GraphQLRequest
from gateway.control.answer import AWAY
from gateway.control.desk import Desk
from gateway.control.graphql_execution import opened_fields, run
from gateway.control.jupiterone import account, groups, limits, tokens, users
from gateway.control.jupiterone.asking import FIELDS, LONG, Asking, Resolve
from gateway.control.jupiterone.schema import schema
from gateway.control.rejection import Rejection
from gateway.http1 import Reason
from gateway.keys import Principal
from gateway.stores.base import StoreUnavailable

_log = logging.getLogger(__name__)

ROOTS: dict[str, Resolve] = {
    **tokens.ROOTS,
    **groups.ROOTS,
    **users.ROOTS,
    **account.ROOTS,
    **limits.ROOTS,
}
"""By name; `authz.roots.OURS` has the same names."""

_SCHEMA = schema()


@dataclass(frozen=True, slots=True)
class GraphQLAnswer:
    """The JSON of an answer and the HTTP status that it means where it travels alone.

    200: executed, refusals in `errors`. 400: not executed, for the document does not fit the schema or the variables
    do not fit the document. 503: the store is away and nothing is known to be done.
    """

    status: int
    body: dict[str, Any]


class JupiterOne:
    """Executes operations whose root fields are all ours; `max_tokens` limits the lexical tokens of a document.

    A document of 2,000 tokens makes some hundred keys; the documented calls have 30 to 100.
    """

    def __init__(self, desk: Desk, *, max_tokens: int = 2_000) -> None:
        self._desk = desk
        self._max_tokens = max_tokens

    async def execute(self, request: GraphQLRequest, actor: Principal, call_id: str | None = None) -> GraphQLAnswer:
        """The answer, with the call's id in each error. Never raises for what the caller sent or the store is in."""
        read = self._read(request.query)
        answer = read if isinstance(read, GraphQLAnswer) else await self._run(*read, request, actor)
        for error in answer.body.get("errors", ()):
            if call_id is not None:
                error["extensions"]["requestId"] = call_id
        return answer

    async def _run(
        self, document: DocumentNode, fields: int, request: GraphQLRequest, actor: Principal
    ) -> GraphQLAnswer:
        asking = Asking(self._desk, actor, fields, opened_fields(document, LONG))
        return _answer(await run(_SCHEMA, document, request, asking, ROOTS))

    def _read(self, text: str) -> tuple[DocumentNode, int] | GraphQLAnswer:
        """The document and how many fields it opens, counted before it is validated, see `graphql_execution`."""
        try:
            document = parse(text, max_tokens=self._max_tokens)
            fields = opened_fields(document)
            faults = validate(_SCHEMA, document, max_errors=10) if fields <= FIELDS else []
        except GraphQLError as fault:
            return _not_executed([fault], "GRAPHQL_PARSE_FAILED")
        except RecursionError:
            return _not_executed([GraphQLError("the document is nested too deeply")], "GRAPHQL_PARSE_FAILED")
        if fields > FIELDS:
            faults = [GraphQLError(f"the document asks for more than {FIELDS} fields, with its fragments opened")]
        return _not_executed(faults, "GRAPHQL_VALIDATION_FAILED") if faults else (document, fields)


# --- answers ------------------------------------------------------------------------------------------------------

_CODES = {
    Reason.INVALID_KEY: "UNAUTHENTICATED",
    Reason.NOT_ALLOWED: "FORBIDDEN",
    Reason.UNKNOWN_KEY: "FORBIDDEN",
    Reason.UNKNOWN_USER: "NOT_FOUND",
    Reason.UNKNOWN_GROUP: "NOT_FOUND",
    Reason.UNKNOWN_ORGANIZATION: "NOT_FOUND",
    Reason.INVALID_INPUT: "BAD_USER_INPUT",
    Reason.INVALID_POLICY: "BAD_USER_INPUT",
    Reason.POLICY_REQUIRED: "POLICY_REQUIRED",
    Reason.STORE_UNAVAILABLE: "SERVICE_UNAVAILABLE",
    Reason.INTERNAL: "INTERNAL_SERVER_ERROR",
}
_ACTED_ON = re.compile("|".join(TRIGGERS), re.IGNORECASE)


def _answer(result: ExecutionResult) -> GraphQLAnswer:
    faults = result.errors or []
    if result.data is None:  # every root field is nullable, so nothing was executed
        return _not_executed(faults, "BAD_USER_INPUT")
    body: dict[str, Any] = {"data": result.data}
    if faults:
        body["errors"] = [_executed(fault) for fault in faults]
    away = any(isinstance(fault.original_error, StoreUnavailable) for fault in faults)
    return GraphQLAnswer(503 if away and _is_nothing(result.data) else 200, body)


def _is_nothing(value: Any) -> bool:
    """Whether there is nothing but nulls in an answer: fields that do something may stand below a root field."""
    return value is None or (isinstance(value, dict) and all(map(_is_nothing, value.values())))


def _not_executed(faults: list[GraphQLError], code: str) -> GraphQLAnswer:
    errors = [_formatted(fault, fault.message, code, Reason.MALFORMED_BODY) for fault in faults]
    return GraphQLAnswer(400, {"errors": errors})


def _executed(fault: GraphQLError) -> dict[str, Any]:
    match fault.original_error:
        case Rejection(refusal=refusal):
            reason, message = refusal.reason, refusal.message
        case StoreUnavailable():
            reason, message = Reason.STORE_UNAVAILABLE, AWAY
        case error:
            _log.error("a root field failed", exc_info=error)
            reason, message = Reason.INTERNAL, "an internal error; nothing more is known to you"
    return _formatted(fault, message, _CODES.get(reason, "BAD_USER_INPUT"), reason)


def _formatted(fault: GraphQLError, message: str, code: str, reason: Reason) -> dict[str, Any]:
    formatted: dict[str, Any] = dict(fault.formatted)
    formatted["message"] = _ACTED_ON.sub("…", message)
    formatted["extensions"] = {"code": code, "reason": reason.value}
    return formatted
