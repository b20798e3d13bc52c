"""`POST /j1ql`: the one route on which `query:ReadGraphData` may carry a condition.

No public document gives the body of this route; it is modelled with the argument names of the GraphQL field
`queryV1`, and its answer equals a QueryV1Response. A key without a condition passes byte for byte; for one with a
condition see `conditioned`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from gateway.authz.conditioned import conditioned
from gateway.authz.outcome import Deny, Forward, Grounds, Link, NeedBody, Plan, Relink, Upstream, together
from gateway.authz.rules import Rules
from gateway.http1 import Call, Reason, Refusal
from gateway.keys import Principal
from gateway.policy import ANY, READ_GRAPH, Allowed, Narrowed, Policy, Refused, decide, decide_written
from gateway.strict_json import StrictJSONError, loads

GET_PARAMETER = "parameters:GetParameter"


def plan_query(call: Call, principal: Principal, rules: Rules) -> Plan:
    """`POST /j1ql`."""
    verdict = decide(principal.policy, READ_GRAPH, ANY)
    grounds = Grounds(READ_GRAPH, ANY, verdict.because)
    if isinstance(verdict, Refused):
        return Deny(Refusal(Reason.NOT_ALLOWED, f"this key may not {READ_GRAPH}"), grounds)
    if call.body is None:
        return NeedBody(rules.query_body)
    body = _body(call.body)
    if isinstance(body, Refusal):
        return Deny(body, grounds)
    parameters = parameters_granted(texts(body), principal.policy) if may_hold_parameters(call.body) else []
    if isinstance(parameters, Refusal):
        return Deny(parameters, grounds)
    grounds = together((grounds, *parameters)) if parameters else grounds
    match verdict:
        case Allowed():
            return Forward(Upstream.J1QL, call.method, "", "", call.body, _RELINKED, grounds)
        case Narrowed(predicate=predicate):
            check = conditioned(body, principal, predicate, rules, grounds)
            if isinstance(check, Deny):
                return check
            return Forward(Upstream.J1QL, "POST", "", "", None, check, grounds, rules.mode)


_RELINKED = Relink((Link((), ("url",)),), small=True)


def _body(text: bytes) -> dict[str, Any] | Refusal:
    try:
        body = loads(text)
    except StrictJSONError as fault:
        return Refusal(Reason.MALFORMED_BODY, f"the body is not usable JSON: {fault}")
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        return Refusal(
            Reason.MALFORMED_BODY, 'the body must be a JSON object with a string `query`: {"query": "FIND …"}'
        )
    return body


# --- parameters, for every key ------------------------------------------------------------------------------------

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
