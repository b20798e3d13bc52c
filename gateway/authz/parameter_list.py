"""`parameterList` for a key whose policy names parameters: the list as the key sees it, made of those alone.

The upstream's own list tells of every parameter, by its items as by its pages. So it is not asked for: each parameter
that the policy names is asked for by `parameter(name)`, and the gateway makes list and pages of the answers. Nothing of
the caller's document goes upstream. A cursor is the last name of the page before: the names in a policy are no secret
to its key.

Types and names are those of the schema in the platform's public Go client. The caller's operation is validated and
executed against them here, so that fragments, aliases, directives and variables mean what GraphQL says.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from graphql import ExecutionResult, GraphQLError, build_schema, execute_sync, parse, validate
from graphql.language import DocumentNode
from graphql.utilities import separate_operations

from gateway.authz.documents import Field
from gateway.authz.outcome import Assemble, Deny, Forward, GraphQLRequest, Grounds, Unusable, Upstream, together
from gateway.authz.query_call import parameters_granted
from gateway.authz.rules import GraphQLLimits
from gateway.http1 import Reason, Refusal
from gateway.policy import ANY, Allowed, Policy, decide, decide_named

FIELD = "parameterList"
ACTION = "parameters:GetParameterList"

TOKENS = 300
"""Lexical tokens of a document that is executed here, once for each of up to 50 items; a client's has some 40."""

LIST_BYTES = 32 * 1024 * 1024
"""Of an answer made here, which may hold each value as often as the operation selects it under another alias."""

_SCHEMA = build_schema("""
    scalar ParameterValue
    type ParameterResponse { name: String!, value: ParameterValue!, lastUpdatedOn: String!, secret: Boolean! }
    type PageInfo { endCursor: String, hasNextPage: Boolean! }
    type ParameterListPagedResponse { items: [ParameterResponse!]!, pageInfo: PageInfo! }
    type Query { parameterList(limit: Int, cursor: String): ParameterListPagedResponse! }
""")

_PREFIX = "parameter:"


# --- on the way up ------------------------------------------------------------------------------------------------


def named_parameters(policy: Policy) -> tuple[str, ...]:
    """The names that the list is made of, in order; none for a key that may list all parameters, or no single one."""
    if isinstance(decide(policy, ACTION, ANY), Allowed):
        return ()
    resources = decide_named(policy, ACTION)
    return tuple(sorted(each.removeprefix(_PREFIX) for each in resources if each.startswith(_PREFIX)))


def plan_list(
    request: GraphQLRequest, roots: Sequence[Field], names: Sequence[str], policy: Policy, limits: GraphQLLimits
) -> Forward | Deny:
    """An operation among whose root fields is `parameterList`; `names` are those of `named_parameters`."""
    fields = [field for field in roots if field.name != "__typename"]
    if len(fields) > 1:
        message = f"with a policy that names parameters, `{FIELD}` must be the only field of its operation"
        return _denied(Reason.UNSUPPORTED_QUERY, message)
    if fault := _fault(request):
        return _denied(Reason.MALFORMED_BODY, fault)
    cursor = fields[0].arguments.get("cursor")
    after = [name for name in names if cursor is None or name > cursor]
    asked = tuple(after[: limits.roots])
    filled_in = parameters_granted(asked, policy)
    if isinstance(filled_in, Refusal):
        return Deny(filled_in)
    answer = Assemble(request, asked, more=len(after) > len(asked))
    grounds = together([*(_granted(name, policy) for name in asked), *filled_in])
    return Forward(Upstream.GRAPHQL, "POST", "", "", _question(asked), answer, grounds, calls=len(roots))


def _denied(reason: Reason, message: str) -> Deny:
    return Deny(Refusal(reason, message), Grounds(ACTION, ANY))


def _granted(name: str, policy: Policy) -> Grounds:
    resource = _PREFIX + name
    return Grounds(ACTION, resource, decide(policy, ACTION, resource).because)


def _fault(request: GraphQLRequest) -> str | None:
    """What is wrong with an operation, if it could not be executed on any list, be it empty."""
    try:
        document = _document(request)
        faults = validate(_SCHEMA, document, max_errors=1) or _executed(Assemble(request, (), more=False), ()).errors
    except GraphQLError as fault:
        faults = [fault]
    return f"`{FIELD}`: {faults[0].message}" if faults else None


def _document(request: GraphQLRequest) -> DocumentNode:
    """The selected operation with the fragments that it uses. Raises GraphQLError for a document of too many tokens."""
    operations = separate_operations(parse(request.query, max_tokens=TOKENS))
    return operations[request.operation_name] if request.operation_name else next(iter(operations.values()))


def _question(names: Sequence[str]) -> bytes:
    """The request that asks for each parameter; names are data, so they are variables."""
    if not names:  # past the last page; one way for all answers, in an array as well
        return json.dumps({"query": "{ __typename }"}).encode()
    declared = ", ".join(f"$n{number}: String!" for number in range(len(names)))
    asked = " ".join(
        f"p{number}: parameter(name: $n{number}) {{ name value lastUpdatedOn secret }}" for number in range(len(names))
    )
    variables = {f"n{number}": name for number, name in enumerate(names)}
    return json.dumps({"query": f"query ({declared}) {{ {asked} }}", "variables": variables}).encode()


# --- on the way back ----------------------------------------------------------------------------------------------


class _Parameter(msgspec.Struct, rename="camel"):
    name: str
    value: msgspec.Raw
    last_updated_on: str
    secret: bool


class _Error(msgspec.Struct):
    message: str
    path: list[str | int] | None = None
    extensions: dict[str, Any] | None = None


class _Answer(msgspec.Struct):
    data: dict[str, msgspec.Raw]
    errors: list[_Error] | None = None


_answer = msgspec.json.Decoder(_Answer)
_parameter = msgspec.json.Decoder(_Parameter | None)
_encode = msgspec.json.Encoder().encode


def assembled(body: bytes, assemble: Assemble) -> bytes | Unusable:
    """The JSON of the caller's answer, from the upstream's to what `plan_list` asked.

    A parameter that is null, with an error or without, is not in the list. An error that speaks of anything but absence
    makes the answer unusable: a list without a parameter that is there would be taken for its deletion.
    """
    try:
        body.decode()  # values are passed on as they came
        answer = _answer.decode(body)
        found = {name: _parameter.decode(answer.data[f"p{number}"]) for number, name in enumerate(assemble.names)}
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return Unusable("it is not JSON of the expected shape")
    except KeyError as missing:
        return Unusable(f"it says nothing about {missing}")
    if len(body) * max(1, assemble.request.query.count("value")) > LIST_BYTES:
        return Unusable("the list would be too large")
    absent = {f"p{number}" for number, parameter in enumerate(found.values()) if parameter is None}
    if any(_is_failure(error, absent) for error in answer.errors or ()):
        return Unusable("it has an error that is not about an absent parameter")
    if any(parameter is not None and parameter.name != name for name, parameter in found.items()):
        return Unusable("it shows another parameter than was asked for")
    result = _executed(assemble, [parameter for parameter in found.values() if parameter is not None])
    return Unusable("no list could be made of it") if result.errors else _encode({"data": result.data})


_ABSENT = ("not found", "does not exist", "could not find")
"""Words by which the platform's Terraform provider knows that a thing is not there."""

_FAILURES = frozenset(
    "INTERNAL_SERVER_ERROR UNAUTHENTICATED FORBIDDEN RATE_LIMITED TOO_MANY_REQUESTS SERVICE_UNAVAILABLE".split()
)
"""Codes of errors that tell nothing about whether a thing is there: some are Apollo's, others in common use."""


def _is_failure(error: _Error, absent: Collection[str]) -> bool:
    """Whether an error is about anything but one of the absent parameters, by their names in the question."""
    if not error.path or error.path[0] not in absent:
        return True
    if any(words in error.message.lower() for words in _ABSENT):
        return False
    return "429" in error.message or (error.extensions or {}).get("code") in _FAILURES


def _executed(assemble: Assemble, there: Sequence[_Parameter]) -> ExecutionResult:
    """The caller's operation on the parameters that are there, in the order of names."""

    def parameter_list(_: object, limit: int | None = None, cursor: str | None = None) -> dict[str, Any]:
        del cursor  # it decided what was asked for
        if limit is not None and limit < 1:
            raise GraphQLError("`limit` must be at least 1")
        page = there[:limit]
        end = page[-1].name if len(page) < len(there) else assemble.names[-1] if assemble.more else None
        return {
            "items": [_shown(parameter) for parameter in page],
            "pageInfo": {"endCursor": end, "hasNextPage": end is not None},
        }

    request = assemble.request
    return execute_sync(_SCHEMA, _document(request), {FIELD: parameter_list}, variable_values=request.variables)


def _shown(parameter: _Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "value": parameter.value,
        "lastUpdatedOn": parameter.last_updated_on,
        "secret": parameter.secret,
    }
