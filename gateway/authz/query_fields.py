"""`queryV1` and `queryV2` for a key whose policy has a condition, where `graph.query_fields` is `enforce`.

Each of these fields is a call of `/j1ql` in other words: its arguments are narrowed, its answer is checked, and
`Queried` holds what that takes. Nothing of the caller's document goes upstream: J1QL does, to where `/j1ql` asks.

Types and names are those of the schema in the platform's public Go client, and those of `queryV2` those of the document
that its public MCP server sends. The caller's operation is validated and executed against them here, so that aliases,
fragments, directives, variables and defaults mean what GraphQL says: once to learn which queries it asks, and once more
when they are answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import isfinite
from typing import Any

import msgspec
from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    Undefined,
    build_schema,
    execute_sync,
    specified_scalar_types,
    validate,
)
from graphql.language import DocumentNode

from gateway.authz.account_parameters import parameters_granted, texts
from gateway.authz.conditioned import conditioned
from gateway.authz.documents import Field, selected_document
from gateway.authz.outcome import Check, Deny, GraphQLRequest, Grounds, Queried, together
from gateway.authz.rules import ENFORCE, Rules
from gateway.http1 import Reason, Refusal
from gateway.keys import Principal
from gateway.policy import ANY, READ_GRAPH, Narrowed, Predicate, decide

_Info = GraphQLResolveInfo[Any]

V1 = "queryV1"
V2 = "queryV2"
FIELDS = frozenset({V1, V2})

TOKENS = 300
"""Lexical tokens of a document that is executed here; a client's has some 70. Validation compares fields in pairs, so
twice as many take four times as long."""

_PLATFORM = build_schema("""
    scalar JSON
    scalar Long
    enum DeferredResponseOption { DISABLED OPTIONAL FORCE }
    enum DeferredResponseFormat { JSON CSV }
    input QueryV1Flags { computedProperties: Boolean, rowMetadata: Boolean, variableResultSize: Boolean }
    input SourceMetadataInput { appName: String, appVersion: String, resourceType: String, resourceId: String }
    type QueryV1Response {
      type: String!, data: JSON, url: String, totalCount: Long, cursor: String, correlationId: String
    }
    type QueryV2Response {
      type: String!, data: JSON, url: String, totalCount: Long, cursor: String, correlationId: String
    }
    type Query {
      queryV1(
        query: String!, variables: JSON, dryRun: Boolean, deferredResponse: DeferredResponseOption,
        deferredFormat: DeferredResponseFormat, remember: Boolean, includeDeleted: Boolean, flags: QueryV1Flags,
        cursor: String, scopeFilters: [JSON!], sourceMetadata: SourceMetadataInput
      ): QueryV1Response!
      queryV2(
        query: String!, variables: JSON, cursor: String, scopeFilters: JSON, includeDeleted: Boolean,
        returnRowMetadata: Boolean, returnComputedProperties: Boolean
      ): QueryV2Response!
    }
""")
_SCHEMA = GraphQLSchema(_PLATFORM.query_type, types=[*_PLATFORM.type_map.values(), *specified_scalar_types.values()])
"""With the scalars that only a caller's variables may have: `query ($n: Int) { queryV1(variables: {n: $n}, …) … }`."""


# --- on the way up ------------------------------------------------------------------------------------------------


class Room:
    """What query fields one call may still have narrowed, an array in all of its elements: nobody else is served then.

    A field counts whether or not it is refused, so that refusals cost no more than answers. All texts together have the
    room that one has on `/j1ql`.
    """

    def __init__(self, body: bytes, rules: Rules) -> None:
        self._left = self._most = rules.graphql.queries
        self._too_large = len(body) > rules.query_body
        self._bytes = rules.query_body

    def refused(self, fields: int) -> Refusal | None:
        """Takes room for so many fields, or says why there is none."""
        if self._too_large:
            return Refusal(Reason.TOO_LARGE, f"with `{V1}` for a key with a condition, a body has {self._bytes} bytes")
        self._left -= fields
        if self._left < 0:
            message = f"a key with a condition may have {self._most} query fields in one call, arrays included"
            return Refusal(Reason.MALFORMED_BODY, message)
        return None


def plan_queries(
    request: GraphQLRequest, roots: Sequence[Field], principal: Principal, rules: Rules, room: Room
) -> Queried | Deny | None:
    """An operation that asks queries; one that is refused refuses all of it, before anything is sent.

    None where that is none of ours: for fields without a query, for a key without a condition, and without the setting.
    """
    verdict = decide(principal.policy, READ_GRAPH, ANY)
    is_query = [root.name in FIELDS for root in roots]
    if rules.query_fields != ENFORCE or not any(is_query) or not isinstance(verdict, Narrowed):
        return None
    grounds = Grounds(READ_GRAPH, ANY, verdict.because)
    if refusal := _roots_refused(roots) or room.refused(sum(is_query)):
        return Deny(refusal, grounds)
    asked = _asked(request)
    if isinstance(asked, Refusal):
        return Deny(asked, grounds)
    planned = []
    for key, root in asked.items():
        plan = _planned(root, principal, verdict.predicate, rules, grounds)
        if isinstance(plan, Deny):
            return Deny(of_query(plan.refusal, key, len(asked)), plan.grounds)
        planned.append(plan)
    checks = tuple(zip(asked, (check for check, _ in planned), strict=True))
    granted = together([grounds, *(each for _, its in planned for each in its)])
    return Queried(request, checks, granted, rules.mode, calls=len(roots))


def of_query(refusal: Refusal, key: str, queries: int) -> Refusal:
    """A refusal that says which of several queries it speaks of, by its response key."""
    return refusal if queries == 1 else replace(refusal, message=f"`{key}`: {refusal.message}")


def _roots_refused(roots: Sequence[Field]) -> Refusal | None:
    """What else is in the operation would have to be asked of another upstream, and the answers made one."""
    for root in roots:
        if root.name not in FIELDS and root.name != "__typename":
            message = f"with a condition, `{V1}` cannot be in one operation with `{root.name}`: send them apart"
            return Refusal(Reason.UNSUPPORTED_QUERY, message)
    return None


@dataclass(slots=True)
class _Root:
    """A query field that is executed: its arguments by name, as GraphQL coerces them, absent ones left out."""

    name: str
    arguments: dict[str, Any]
    data: int = 0
    """Under how many names its rows are asked for."""

    def count_data(self, _: _Info) -> None:
        self.data += 1


def _asked(request: GraphQLRequest) -> dict[str, _Root] | Refusal:
    """The query fields that are executed, by response key."""
    asked: dict[str, _Root] = {}
    try:
        faults = _executed(request, {name: partial(_noted, asked, name) for name in FIELDS}).errors
    except GraphQLError as fault:
        faults = [fault]
    except (RecursionError, ValueError) as fault:  # the latter: a number of more digits than the interpreter converts
        return Refusal(Reason.MALFORMED_BODY, f"the document cannot be executed: {fault}")
    if faults:
        return Refusal(Reason.MALFORMED_BODY, f"the document cannot be executed: {faults[0].message}")
    if any(root.data > 1 for root in asked.values()):
        return Refusal(Reason.MALFORMED_BODY, "ask for `data` once in each query: its rows would be sent several times")
    return asked


def _noted(asked: dict[str, _Root], name: str, info: _Info, **arguments: Any) -> dict[str, Any]:
    """Answers a query field with nothing, and notes what it asks."""
    root = asked[str(info.path.key)] = _Root(name, _plain(arguments))
    return {"type": "", "data": root.count_data}


def _plain(value: Any) -> Any:
    """A value as JSON has it. Of a variable without a value, inside of another one, a member is left out, an item null.

    The GraphQL specification says so of input objects and lists, and its reference implementation of scalars as well.
    Raises ValueError for a number that JSON cannot say: one beyond the range of a double, or of too many digits, which
    that implementation reads as no number.
    """
    match value:
        case float() if not isfinite(value):
            raise ValueError("a number is beyond the range of a double")
        case dict():
            return {name: _plain(member) for name, member in value.items() if member is not Undefined}
        case list():
            return [None if item is Undefined else _plain(item) for item in value]
        case _:
            return value


def _planned(
    root: _Root, principal: Principal, predicate: Predicate, rules: Rules, grounds: Grounds
) -> tuple[Check, Sequence[Grounds]] | Deny:
    """What a field is answered from, and the grounds on which parameters of the account are put into it."""
    arguments = root.arguments if root.name == V1 else _as_of_v1(root.arguments)
    parameters = parameters_granted(texts(arguments), principal.policy)
    if isinstance(parameters, Refusal):
        return Deny(parameters, grounds)
    check = conditioned(arguments, principal, predicate, rules, grounds)
    return check if isinstance(check, Deny) else (check, parameters)


_FLAGS = {"returnRowMetadata": "rowMetadata", "returnComputedProperties": "computedProperties"}


def _as_of_v1(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `queryV2`, which defers every answer, in the words of `queryV1`."""
    flags = {_FLAGS[name]: value for name, value in arguments.items() if name in _FLAGS}
    same = {name: value for name, value in arguments.items() if name not in _FLAGS}
    return same | {"flags": flags, "deferredResponse": "FORCE"}


# --- on the way back ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """The answer to one query field, `data` as JSON, `cursor` sealed; or the address of ours that it will be at.

    What else the platform tells, the number of rows, tells of hidden objects, and is null.
    """

    type: str
    data: bytes = b"null"
    cursor: str | None = None
    url: str | None = None


def shown(queried: Queried, answers: Mapping[str, Shown], correlation: str) -> bytes:
    """The JSON of the caller's answer, from those to its queries by response key."""

    def resolve(info: _Info, **_: object) -> dict[str, Any]:
        answer = answers[str(info.path.key)]
        return {
            "type": answer.type,
            "data": msgspec.Raw(answer.data),
            "cursor": answer.cursor,
            "url": answer.url,
            "correlationId": correlation,
        }

    result = _executed(queried.request, dict.fromkeys(FIELDS, resolve))
    if result.errors:
        raise RuntimeError("an operation that could be planned can be answered")
    return _encode({"data": result.data})


_encode = msgspec.json.Encoder().encode


# --- GraphQL ------------------------------------------------------------------------------------------------------

_REMEMBERED = 64
"""Documents held, of up to 300 tokens and so 100 KB each."""
_REMEMBERED_TEXT = 4096
"""Characters up to which a document is remembered; a client's has 500."""


def _executed(request: GraphQLRequest, roots: Mapping[str, Callable[..., Any]]) -> ExecutionResult:
    """Raises GraphQLError for what is no operation of our schema, RecursionError and ValueError."""
    work = _remembered if len(request.query) <= _REMEMBERED_TEXT else _validated
    document = work(request.query, request.operation_name)
    return execute_sync(_SCHEMA, document, roots, variable_values=request.variables)


def _validated(query: str, operation: str | None) -> DocumentNode:
    """The selected operation with the fragments that it uses. Raises as `_executed` does."""
    document = selected_document(query, operation, tokens=TOKENS)
    if faults := validate(_SCHEMA, document, max_errors=1):
        raise faults[0]
    return document


_remembered = lru_cache(_REMEMBERED)(_validated)
