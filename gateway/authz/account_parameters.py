"""Account parameters in what a caller sends: `${param.x}` needs the permission that reads it, wherever it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from graphql.language import DocumentNode, parse

from gateway.authz.outcome import GraphQLRequest, Grounds
from gateway.http1 import Reason, Refusal
from gateway.policy import ANY, Allowed, Policy, decide_written

GET_PARAMETER = "parameters:GetParameter"

_PARAMETER = re.compile(r"\$\{([^}]*)\}?")
_PLAIN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_-]+)*)\s*", re.ASCII)


def may_hold_parameters(body: bytes) -> bool:
    """Whether a text in a body of JSON can hold `${`: it stands there as it is, or a part of it as `\\u` and a number.

    That is so also of the texts of a GraphQL document in it, whose own escapes that name a character begin alike.
    """
    return b"${" in body or b"\\u" in body


def parameters_granted(written: Iterable[str], policy: Policy) -> list[Grounds] | Refusal:
    """`${param.x}` prints or compares an account's secret, so it needs the permission that reads it.

    What is written in any other way than `${name}` is not certain to be a caller's variable, and needs them all.
    """
    granted = []
    for text in written:
        for match in _PARAMETER.finditer(text):
            plain = _PLAIN.fullmatch(match[1])
            name = plain[1] if plain else None
            head, _, parameter = name.partition(".") if name else ("param", "", "")
            if head.lower() != "param":
                continue
            resource = f"parameter:{parameter}" if parameter else ANY
            verdict = decide_written(policy, GET_PARAMETER, resource)
            if not isinstance(verdict, Allowed):
                return Refusal(Reason.NOT_ALLOWED, f"this key may not {GET_PARAMETER} on {resource}")
            granted.append(Grounds(GET_PARAMETER, resource, verdict.because))
    return granted


def texts(value: object) -> Iterator[str]:
    """Every text in a JSON value, names of members too."""
    match value:
        case str():
            yield value
        case dict():
            for name, member in value.items():
                yield name
                yield from texts(member)
        case list():
            for item in value:
                yield from texts(item)
        case _:  # numbers, booleans and null hold no text
            return


def request_texts(request: GraphQLRequest) -> Iterator[str]:
    """Every text that a GraphQL request carries, decoded, wherever it stands: literals, defaults, variables."""
    if "${" in request.query or "\\" in request.query:
        yield from _literals(parse(request.query))
    yield from texts(request.variables)


def _literals(document: DocumentNode) -> Iterator[str]:
    """String values of a document, read off its tokens: none can hide in a place that nobody thought of."""
    token = document.loc.start_token if document.loc else None
    while token:
        if token.kind.value in {"String", "BlockString"} and token.value is not None:
            yield token.value
        token = token.next
