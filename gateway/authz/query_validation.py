"""`POST /j1ql/validate`: are these queries well formed? Answered by our parser for a key with a condition.

Body and answer are those which JupiterOne's integration SDK sends and reads: `{"queries": [...]}`, and an array of
`{"query", "valid", "error": {"message", "code"}}`. Nothing of the graph is in it. A key without a condition asks the
platform itself, whose parser may know more.
"""

from __future__ import annotations

from typing import Any

from gateway.authz.json_body import read_json
from gateway.authz.outcome import Computed, Deny, Forward, Grounds, Local, NeedBody, Pass, Plan, Upstream
from gateway.authz.rules import Rules
from gateway.http1 import Call, Reason, Refusal
from gateway.j1ql import J1QLSyntaxError, Limits, parse
from gateway.policy import ANY, READ_GRAPH, Allowed, Policy, Refused, decide


def plan_validate(call: Call, policy: Policy, rules: Rules) -> Plan:
    verdict = decide(policy, READ_GRAPH, ANY)
    grounds = Grounds(READ_GRAPH, ANY, verdict.because)
    if isinstance(verdict, Refused):
        return Deny(Refusal(Reason.NOT_ALLOWED, f"this key may not {READ_GRAPH}"), grounds)
    if call.body is None:
        return NeedBody(rules.query_body)  # what takes as long to read as one call may
    queries = _queries(call.body, rules.validated_queries)
    if isinstance(queries, Refusal):
        return Deny(queries, grounds)
    if isinstance(verdict, Allowed):
        return Forward(Upstream.J1QL, call.method, "/validate", "", call.body, Pass(), grounds)
    return Local(Computed([_validated(query, rules.j1ql) for query in queries]), grounds)


def _queries(text: bytes, limit: int) -> list[str] | Refusal:
    body = read_json(text)
    if isinstance(body, Refusal):
        return body
    queries = body.get("queries") if isinstance(body, dict) else None
    if not isinstance(queries, list) or not all(isinstance(query, str) for query in queries):
        return Refusal(Reason.MALFORMED_BODY, 'the body must be {"queries": [...]}, each a string')
    if len(queries) > limit:
        return Refusal(Reason.MALFORMED_BODY, f"{limit} queries at most can be validated in one call")
    return queries


def _validated(query: str, limits: Limits) -> dict[str, Any]:
    try:
        parse(query, limits=limits)
    except J1QLSyntaxError as fault:
        return {"query": query, "valid": False, "error": {"message": str(fault), "code": "PARSER_ERROR"}}
    return {"query": query, "valid": True}
