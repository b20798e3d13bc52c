"""`parameterList` for a key that may see some of the parameters; see `lists` for why it is made here.

Nothing of the caller's document goes upstream. A cursor is the last name of the page before. Names that a policy has
are no secret to its key, and of a list without those that a DENY names only what is left has a say in what is a page.

Types and names are those of the schema in the platform's public Go client. The caller's operation is validated and
executed against them here, so that fragments, aliases, directives and variables mean what GraphQL says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from graphql import ExecutionResult, GraphQLError, build_schema, execute_sync, validate
from graphql.language import DocumentNode
from msgspec.structs import replace

from gateway.authz.documents import Field, selected_document
from gateway.authz.lists import (
    LIST_BYTES,
    PAGES,
    PARAMETERS,
    AllBut,
    Named,
    asked,
    denied,
    only_field,
    things,
    whole,
)
from gateway.authz.outcome import Assemble, Deny, Forward, GraphQLRequest, More, Unusable
from gateway.authz.rules import GraphQLLimits
from gateway.http1 import Reason
from gateway.policy import Policy

TOKENS = 300
"""Lexical tokens of a document that is executed here, once for each of up to PAGE items; a client's has some 40."""

PAGE = 100
"""Parameters on a page at most: the list is executed here, field by field."""

_SCHEMA = build_schema("""
    scalar ParameterValue
    type ParameterResponse { name: String!, value: ParameterValue!, lastUpdatedOn: String!, secret: Boolean! }
    type PageInfo { endCursor: String, hasNextPage: Boolean! }
    type ParameterListPagedResponse { items: [ParameterResponse!]!, pageInfo: PageInfo! }
    type Query { parameterList(limit: Int, cursor: String): ParameterListPagedResponse! }
""")

_ITEM = "{ name value lastUpdatedOn secret }"


# --- on the way up ------------------------------------------------------------------------------------------------


def plan_parameters(
    request: GraphQLRequest, roots: Sequence[Field], part: Named | AllBut, policy: Policy, limits: GraphQLLimits
) -> Forward | Deny:
    """An operation among whose root fields is `parameterList`."""
    field = only_field(roots, PARAMETERS)
    if isinstance(field, Deny):
        return field
    if fault := _fault(request):
        return denied(Reason.MALFORMED_BODY, fault, PARAMETERS)
    if isinstance(part, AllBut):
        made = asked(PARAMETERS, Assemble(request, PARAMETERS.field, only=policy), _page(None), (), policy)
    else:
        cursor = field.arguments.get("cursor")
        after = [name for name in part.names if cursor is None or name > cursor]
        names = tuple(after[: limits.roots])
        answer = Assemble(request, PARAMETERS.field, names, more=len(after) > len(names))
        made = asked(PARAMETERS, answer, _question(names), names, policy)
    return made if isinstance(made, Deny) else replace(made, calls=len(roots))


def _fault(request: GraphQLRequest) -> str | None:
    """What is wrong with an operation, if it could not be executed on any list, be it empty."""
    try:
        document = _document(request)
        nothing = Assemble(request, PARAMETERS.field)
        faults = validate(_SCHEMA, document, max_errors=1) or _executed(nothing, ()).errors
    except GraphQLError as fault:
        faults = [fault]
    return f"`{PARAMETERS.field}`: {faults[0].message}" if faults else None


def _document(request: GraphQLRequest) -> DocumentNode:
    """Raises GraphQLError for a document of too many tokens."""
    return selected_document(request.query, request.operation_name, tokens=TOKENS)


def _question(names: Sequence[str]) -> bytes:
    """The request that asks for each parameter; names are data, so they are variables."""
    if not names:  # past the last page; one way for all answers, in an array as well
        return json.dumps({"query": "{ __typename }"}).encode()
    declared = ", ".join(f"$n{number}: String!" for number in range(len(names)))
    fields = " ".join(f"p{number}: parameter(name: $n{number}) {_ITEM}" for number in range(len(names)))
    variables = {f"n{number}": name for number, name in enumerate(names)}
    return json.dumps({"query": f"query ({declared}) {{ {fields} }}", "variables": variables}).encode()


def _page(cursor: str | None) -> bytes:
    """The request for a page of the upstream's own list."""
    fields = f"items {_ITEM} pageInfo {{ endCursor hasNextPage }}"
    query = f"query ($cursor: String) {{ {PARAMETERS.field}(cursor: $cursor) {{ {fields} }} }}"
    return json.dumps({"query": query, "variables": {"cursor": cursor}}).encode()


# --- on the way back ----------------------------------------------------------------------------------------------


class _Parameter(msgspec.Struct, rename="camel"):
    name: str
    value: msgspec.Raw
    last_updated_on: str
    secret: bool


class _PageInfo(msgspec.Struct, rename="camel"):
    has_next_page: bool
    end_cursor: str | None = None


class _Page(msgspec.Struct, rename="camel"):
    items: list[msgspec.Raw]
    page_info: _PageInfo


_parameter = msgspec.json.Decoder(_Parameter)
_page_of = msgspec.json.Decoder(_Page)
_encode = msgspec.json.Encoder().encode


def assembled_parameters(body: bytes, assemble: Assemble) -> bytes | More | Unusable:
    """The JSON of the caller's answer, from the upstream's to what `plan_parameters` asked."""
    try:
        return _by_name(body, assemble) if assemble.only is None else _of_all(body, assemble, assemble.only)
    except (msgspec.DecodeError, RecursionError):
        return Unusable("it is not JSON of the expected shape")


def _by_name(body: bytes, assemble: Assemble) -> bytes | Unusable:
    found = things(body, assemble.names)
    if isinstance(found, Unusable):
        return found
    there = [(name, _parameter.decode(item)) for name, item in found]
    if any(parameter.name != name for name, parameter in there):
        return Unusable("it shows another parameter than was asked for")
    return _shown_as(assemble, [parameter for _, parameter in there], len(body))


def _of_all(body: bytes, assemble: Assemble, policy: Policy) -> bytes | More | Unusable:
    read = whole(body, PARAMETERS.field)
    if isinstance(read, Unusable):
        return read
    page = _page_of.decode(read)
    kept = tuple(bytes(item) for item in page.items if PARAMETERS.allows(policy, _parameter.decode(item).name))
    items = assemble.items + kept
    size = sum(map(len, items))
    if size > LIST_BYTES or assemble.calls == PAGES:
        return Unusable("the upstream's list does not end")
    if page.page_info.has_next_page:
        going_on = Assemble(assemble.request, assemble.field, only=policy, items=items, calls=assemble.calls + 1)
        return More(_page(page.page_info.end_cursor), going_on)
    by_name = {parameter.name: parameter for parameter in map(_parameter.decode, items)}
    return _shown_as(assemble, [by_name[name] for name in sorted(by_name)], size)


def _shown_as(assemble: Assemble, there: Sequence[_Parameter], size: int) -> bytes | Unusable:
    """`size` is in bytes, of what there is."""
    if size * max(1, assemble.request.query.count("value")) > LIST_BYTES:
        return Unusable("the list would be too large")
    result = _executed(assemble, there)
    return Unusable("no list could be made of it") if result.errors else _encode({"data": result.data})


def _executed(assemble: Assemble, there: Iterable[_Parameter]) -> ExecutionResult:
    """The caller's operation on the parameters that are there, in the order of names."""

    def parameter_list(_: object, limit: int | None = None, cursor: str | None = None) -> dict[str, Any]:
        if limit is not None and limit < 1:
            raise GraphQLError("`limit` must be at least 1")
        after = [parameter for parameter in there if cursor is None or parameter.name > cursor]
        page = after[: min(limit or PAGE, PAGE)]
        end = page[-1].name if len(page) < len(after) else assemble.names[-1] if assemble.more else None
        return {
            "items": [_shown(parameter) for parameter in page],
            "pageInfo": {"endCursor": end, "hasNextPage": end is not None},
        }

    request = assemble.request
    roots = {PARAMETERS.field: parameter_list}
    return execute_sync(_SCHEMA, _document(request), roots, variable_values=request.variables)


def _shown(parameter: _Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "value": parameter.value,
        "lastUpdatedOn": parameter.last_updated_on,
        "secret": parameter.secret,
    }
