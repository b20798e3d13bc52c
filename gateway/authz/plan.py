"""May this call pass, and how? One pure function; the handler carries out its answer.

    plan(call, principal, facts, rules, now) -> Deny | Local | Forward | Batch | Collect | NeedBody | NeedJob

A plan never depends on the graph: only on the call, the key's policy, the rules, and facts that were asked for by name.
It is asked again after each Need, so a call that is refused whatever its body holds is refused before the body is read.
"""

from __future__ import annotations

from gateway.authz.deferred import plan_result
from gateway.authz.graphql_call import plan_graphql
from gateway.authz.outcome import Deny, FaceCall, Facts, Grounds, Local, NeedBody, Plan, WhoAmI
from gateway.authz.persister_call import plan_create, plan_job
from gateway.authz.query_call import plan_query
from gateway.authz.query_validation import plan_validate
from gateway.authz.rest_call import plan_export, plan_raw_data
from gateway.authz.routes import Route, route_of
from gateway.authz.rules import Rules
from gateway.http1 import Call, Reason, Refusal, has_body, says_json
from gateway.keys import Principal, expired
from gateway.policy import ANY

ACCOUNT_HEADERS = (b"jupiterone-account", b"lifeomic-account")
"""Which account a client means; the second spelling is the older clients'."""

INVALID_KEY = Refusal(Reason.INVALID_KEY, "the API key is not valid")


def plan(call: Call, principal: Principal, facts: Facts, rules: Rules, now: int) -> Plan:
    """What to do with a call; `now` is milliseconds since the epoch."""
    if expired(principal.expires_at, now):
        return Deny(INVALID_KEY)
    if refusal := _account_refused(call, principal):
        return Deny(refusal)
    route = route_of(call.path)
    if route is None:
        return Deny(Refusal(Reason.UNKNOWN_ROUTE, "there is nothing at this path"))
    if call.method not in route.methods:
        return Deny(Refusal(Reason.METHOD_NOT_ALLOWED, f"{call.path} takes {' or '.join(sorted(route.methods))}"))
    if route.json and call.method == "POST" and not says_json(call):
        return Deny(Refusal(Reason.UNSUPPORTED_MEDIA_TYPE, f"{call.path} takes Content-Type: application/json"))
    if route.name == "deferred":
        return plan_result(facts.postponed, principal, rules, now)
    return _by_route(call, route, principal, facts, rules)


def _by_route(call: Call, route: Route, principal: Principal, facts: Facts, rules: Rules) -> Plan:
    match route.name:
        case "j1ql":
            return plan_query(call, principal, rules)
        case "validate":
            return plan_validate(call, principal.policy, rules)
        case "graphql":
            return plan_graphql(call, principal, rules)
        case "sync_create":
            return plan_create(call, principal.policy, facts, rules)
        case "sync_job":
            return plan_job(call, route, principal.policy, facts, rules)
        case "export":
            return plan_export(call, principal.policy)
        case "raw_data":
            return plan_raw_data(call, route, principal.policy)
        case "whoami":
            return Local(WhoAmI())
        case "tenant" | "account":
            return _plan_face(call, route, rules)
        case _:
            return Deny(Refusal(Reason.UNKNOWN_ROUTE, "there is nothing at this path"))


def _plan_face(call: Call, route: Route, rules: Rules) -> Plan:
    """A call of one of the control plane's faces. Bodies are small, and read whole."""
    if call.body is None and has_body(call.headers):
        return NeedBody(rules.control_body)
    return Local(FaceCall(route.face, call), Grounds("keys", ANY))


def _account_refused(call: Call, principal: Principal) -> Refusal | None:
    """An account that is not the key's is refused in the words of one that nobody has."""
    for name, value in call.headers:
        if name in ACCOUNT_HEADERS and value != principal.organization.encode():
            return Refusal(Reason.WRONG_ACCOUNT, "this key belongs to no such account")
    return None
