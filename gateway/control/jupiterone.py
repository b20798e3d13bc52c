"""The JupiterOne face: `createToken` and `revokeToken` on `/graphql`.

Names, types and the calls themselves are those of the JupiterOne documentation, "Creating User and Account API Keys".
The secret is in the answer to `createToken` and nowhere after it. Fields of the platform's own schema that we could
not answer truthfully are left out, so asking for them is a validation error.

Clients act on words in messages (see `answers.TRIGGERS`). No message carries them, even where it quotes the caller.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    build_schema,
    execute,
    parse,
    validate,
)

from gateway.answers import TRIGGERS
from gateway.authz.outcome import GraphQLRequest
from gateway.control.desk import Desk
from gateway.control.rejection import Rejection
from gateway.control.tokens import NewKey
from gateway.http1 import Reason
from gateway.keys import Key, Kind, Principal
from gateway.stores.base import StoreUnavailable

_log = logging.getLogger(__name__)

SCHEMA = """
scalar Long  # milliseconds since the epoch

input TokenInput { name: String  category: String  policy: String }

enum IamTokenType { ACCOUNT RESOURCE USER_API }

type IamToken {
  id: ID!
  token: String         # the secret, in the answer to createToken only
  name: String!
  category: String
  type: IamTokenType!
  accountId: String!
  policy: String
  revoked: Boolean!
  createdAt: Long!
  expiresAt: Long       # null for an integration key without an end
}

type Mutation {
  # Nullable: an error in one of several root fields must not take away the secret that another has just made.
  createToken(token: TokenInput!): IamToken
  revokeToken(id: String!): IamToken
}
"""


@dataclass(frozen=True, slots=True)
class GraphQLAnswer:
    """The JSON of an answer and the HTTP status that it means where it travels alone.

    200: executed, refusals in `errors`. 400: not executed, for the document does not fit the schema or the variables
    do not fit the document. 503: the store is away and nothing was done.
    """

    status: int
    body: dict[str, Any]


class JupiterOne:
    """Executes operations whose root fields are all ours; `max_tokens` limits the lexical tokens of a document.

    A document of 2,000 tokens makes some hundred keys; the documented calls have about 30.
    """

    def __init__(self, desk: Desk, *, max_tokens: int = 2_000) -> None:
        self._desk = desk
        self._max_tokens = max_tokens

    async def execute(self, request: GraphQLRequest, actor: Principal, call_id: str | None = None) -> GraphQLAnswer:
        """The answer, with the call's id in each error. Never raises for what the caller sent or the store is in."""
        document = self._read(request.query)
        answer = document if isinstance(document, GraphQLAnswer) else await self._run(document, request, actor)
        for error in answer.body.get("errors", ()):
            if call_id is not None:
                error["extensions"]["requestId"] = call_id
        return answer

    async def _run(self, document: DocumentNode, request: GraphQLRequest, actor: Principal) -> GraphQLAnswer:
        pending = execute(
            _SCHEMA,
            document,
            context_value=_Context(self._desk, actor),
            variable_values=request.variables,
            operation_name=request.operation_name,
        )
        result = await pending if isawaitable(pending) else pending
        return _answer(result)

    def _read(self, text: str) -> DocumentNode | GraphQLAnswer:
        try:
            document = parse(text, max_tokens=self._max_tokens)
            faults = validate(_SCHEMA, document, max_errors=10)
        except GraphQLError as fault:
            return _not_executed([fault], "GRAPHQL_PARSE_FAILED")
        except RecursionError:
            return _not_executed([GraphQLError("the document is nested too deeply")], "GRAPHQL_PARSE_FAILED")
        return _not_executed(faults, "GRAPHQL_VALIDATION_FAILED") if faults else document


# --- the root fields ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Context:
    desk: Desk
    actor: Principal


async def _create_token(
    _root: None, info: GraphQLResolveInfo[_Context], *, token: dict[str, str | None]
) -> dict[str, Any]:
    context = info.context
    wanted = NewKey(name=token.get("name") or "", category=token.get("category"), policy=token.get("policy"))
    issued = await context.desk.tokens.create_account_key(context.actor, wanted)
    return _iam_token(issued.key, issued.secret)


async def _revoke_token(_root: None, info: GraphQLResolveInfo[_Context], *, id: str) -> dict[str, Any]:  # noqa: A002
    context = info.context
    return _iam_token(await context.desk.tokens.revoke_key(context.actor, id), None)


_TYPES = {Kind.ACCOUNT: "ACCOUNT", Kind.INTEGRATION: "RESOURCE", Kind.USER: "USER_API"}


def _iam_token(key: Key, secret: str | None) -> dict[str, Any]:
    return {
        "id": key.id,
        "token": secret,
        "name": key.name,
        "category": key.category,
        "type": _TYPES[key.identity.kind],
        "accountId": key.identity.organization,
        "policy": key.policy,
        "revoked": key.revoked_at is not None,
        "createdAt": key.created_at,
        "expiresAt": key.expires_at,
    }


def _schema() -> GraphQLSchema:
    schema = build_schema(SCHEMA, assume_valid=True)  # there is no Query type, since no query is answered here
    mutation = schema.mutation_type
    assert mutation is not None  # noqa: S101 (it is in the text above)
    mutation.fields["createToken"].resolve = _create_token
    mutation.fields["revokeToken"].resolve = _revoke_token
    return schema


_SCHEMA = _schema()


# --- answers ------------------------------------------------------------------------------------------------------

_CODES = {
    Reason.INVALID_KEY: "UNAUTHENTICATED",
    Reason.NOT_ALLOWED: "FORBIDDEN",
    Reason.UNKNOWN_KEY: "FORBIDDEN",
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
    return GraphQLAnswer(503 if away and not any(result.data.values()) else 200, body)


def _not_executed(faults: list[GraphQLError], code: str) -> GraphQLAnswer:
    errors = [_formatted(fault, fault.message, code, Reason.MALFORMED_BODY) for fault in faults]
    return GraphQLAnswer(400, {"errors": errors})


def _executed(fault: GraphQLError) -> dict[str, Any]:
    match fault.original_error:
        case Rejection(refusal=refusal):
            reason, message = refusal.reason, refusal.message
        case StoreUnavailable():
            reason, message = Reason.STORE_UNAVAILABLE, "the key store is away; this field changed nothing"
        case error:
            _log.error("a root field failed", exc_info=error)
            reason, message = Reason.INTERNAL, "an internal error; nothing more is known to you"
    return _formatted(fault, message, _CODES.get(reason, "BAD_USER_INPUT"), reason)


def _formatted(fault: GraphQLError, message: str, code: str, reason: Reason) -> dict[str, Any]:
    formatted: dict[str, Any] = dict(fault.formatted)
    formatted["message"] = _ACTED_ON.sub("…", message)
    formatted["extensions"] = {"code": code, "reason": reason.value}
    return formatted
