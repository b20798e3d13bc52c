"""`POST /j1ql`: the route whose permission, `query:ReadGraphData`, may carry a condition.

No public document gives the body of this route; it is modelled with the argument names of the GraphQL field
`queryV1`, and its answer equals a QueryV1Response. The call of a key without a condition passes byte for byte, and so
does its answer but for the addresses of deferred results; for a key with a condition see `conditioned`, which answers
the GraphQL fields for queries as well (`query_fields`).
"""

from __future__ import annotations

from typing import Any

from gateway.authz.account_parameters import may_hold_parameters, parameters_granted, texts
from gateway.authz.conditioned import conditioned
from gateway.authz.json_body import read_json
from gateway.authz.outcome import Deny, Forward, Grounds, Link, NeedBody, Plan, Relink, Upstream, together
from gateway.authz.rules import Rules
from gateway.http1 import Call, Reason, Refusal
from gateway.keys import Principal
from gateway.policy import ANY, READ_GRAPH, Allowed, Narrowed, Refused, decide


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
    body = read_json(text)
    if isinstance(body, Refusal):
        return body
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        return Refusal(
            Reason.MALFORMED_BODY, 'the body must be a JSON object with a string `query`: {"query": "FIND …"}'
        )
    return body
