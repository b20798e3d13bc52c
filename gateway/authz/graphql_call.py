"""`POST /graphql`: each root field of the selected operation is decided by name, after fragments.

All roots of one operation belong to one side, ours or the upstream's. An array is a batch of operations, as Apollo's
link and the real Node client send it; its elements are decided one by one. Fields that are not passed on as they are:
see `lists` and `query_fields`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.authz.account_parameters import may_hold_parameters, parameters_granted, request_texts
from gateway.authz.documents import Field, fields
from gateway.authz.json_body import read_json
from gateway.authz.lists_made_here import MADE_HERE, plan_list
from gateway.authz.outcome import (
    Batch,
    Deny,
    Forward,
    GraphQLRequest,
    Grounds,
    Link,
    Local,
    NeedBody,
    Pass,
    Plan,
    Queried,
    Relink,
    Upstream,
    counted,
    together,
)
from gateway.authz.query_fields import FIELDS, Room, plan_queries
from gateway.authz.roots import (
    ADDRESSES,
    COMPLIANCE,
    GRAPH,
    INTROSPECTION,
    KEYS_DECIDE,
    NEVER,
    NEVER_BELOW,
    ORGANIZATION,
    OURS,
    QUERIES,
    Needs,
    asks_for_evidence,
    asks_for_results,
)
from gateway.authz.rules import ENFORCE, Introspection, Rules
from gateway.http1 import Call, Reason, Refusal
from gateway.keys import Principal
from gateway.policy import ANY, READ_GRAPH, Allowed, Policy, decide, decide_unknown, decide_whole_graph, decide_written


def plan_graphql(call: Call, principal: Principal, rules: Rules) -> Plan:
    """`POST /graphql` and its other spellings."""
    if call.body is None:
        return NeedBody(rules.graphql_body)
    body = read_json(call.body)
    if isinstance(body, Refusal):
        return Deny(body)
    room = Room(call.body, rules)
    if not isinstance(body, list):
        return _operation(body, call.body, call, principal, rules, room)
    if not 1 <= len(body) <= rules.graphql.batch:
        return _malformed(f"a batch holds 1 to {rules.graphql.batch} operations")
    if _length(body) > rules.graphql.characters:
        return _malformed(f"the documents of a batch may have {rules.graphql.characters} characters together")
    elements = tuple(_operation(element, None, call, principal, rules, room) for element in body)
    if all(isinstance(element, Forward) and element.answer == Pass() for element in elements):
        return _forward(
            call, call.body, together(each.grounds for each in elements), sum(map(counted, elements)), Pass()
        )
    return Batch(elements)


def _length(batch: list[object]) -> int:
    """Characters of all documents: each takes work of its own, and there may be as many as elements."""
    texts = (element.get("query") for element in batch if isinstance(element, dict))
    return sum(len(text) for text in texts if isinstance(text, str))


def _operation(  # noqa: PLR0913, PLR0917 - each one is part of what is decided
    body: object, text: bytes | None, call: Call, principal: Principal, rules: Rules, room: Room
) -> Deny | Local | Forward | Queried:
    """One operation; `text` is its own bytes where it came alone, else it is printed anew."""
    request = _request(body)
    if isinstance(request, Refusal):
        return Deny(request)
    roots = fields(request, rules.graphql)
    if isinstance(roots, Refusal):
        return Deny(roots)
    ours = [field.name in OURS for field in roots if field.name != "__typename"]
    if ours and all(ours):
        return Local(request, Grounds("keys", ANY), calls=len(roots))
    if any(ours):
        return _malformed("an operation's fields must all be the gateway's own, or none of them")
    if any(field.name in MADE_HERE for field in roots) and (made := plan_list(request, roots, principal.policy, rules)):
        return made
    if planned := plan_queries(request, roots, principal, rules, room):
        return planned
    decided = [decide_field(field, principal, rules) for field in roots]
    for decision in decided:
        if isinstance(decision, Deny):
            return decision
    parameters = _parameters(request, call, principal.policy)
    if isinstance(parameters, Refusal):
        return Deny(parameters)
    grounds = together([*(each for each in decided if isinstance(each, Grounds)), *parameters])
    body_text = text if text is not None else json.dumps(body).encode()
    return _forward(call, body_text, grounds, len(roots), _relink(roots))


def _parameters(request: GraphQLRequest, call: Call, policy: Policy) -> list[Grounds] | Refusal:
    if call.body is not None and not may_hold_parameters(call.body):
        return []
    return parameters_granted(request_texts(request), policy)


def _forward(call: Call, body: bytes, grounds: Grounds, calls: int, answer: Pass | Relink) -> Forward:
    return Forward(Upstream.GRAPHQL, call.method, "", "", body, answer, grounds, calls=calls)


def _relink(roots: Sequence[Field]) -> Pass | Relink:
    """Where the answer may have addresses of results that were put aside. A field may be asked for in several places,
    which GraphQL makes one."""
    links: dict[str, Link] = {}
    for root in roots:
        if members := [key for key, name in root.selected if name == ADDRESSES.get(root.name)]:
            known = links[root.key].members if root.key in links else ()
            links[root.key] = Link(("data", root.key), tuple(dict.fromkeys((*known, *members))), root.name)
    small = len(roots) == 1 and _is_small(roots[0])
    return Relink(tuple(links.values()), small) if links else Pass()


_ROWS = "data"
_BESIDE_ROWS = frozenset({"type", "url", "cursor", "totalCount", "correlationId", "__typename"})
_SELECTED = 16
"""Members that a client selects, at most; it has five. As many addresses, of 3,000 bytes each, are still small."""
_NAMES = 1000
"""Characters of their names in the answer: a caller makes it as large as they are."""


def _is_small(root: Field) -> bool:
    """Whether an answer without rows is small."""
    names = [root.key, *(key for key, _ in root.selected)]
    known = all(name == _ROWS or name in _BESIDE_ROWS for _, name in root.selected)
    return root.name in FIELDS and known and len(root.selected) <= _SELECTED and sum(map(len, names)) <= _NAMES


def _malformed(message: str) -> Deny:
    return Deny(Refusal(Reason.MALFORMED_BODY, message))


_MEMBERS = frozenset({"query", "variables", "operationName"})
_STORED = frozenset({"id", "documentid", "doc_id", "queryid", "persistedquery"})
_INHERITED = "__proto__"
_AMBIGUOUS = _STORED | {name.casefold() for name in _MEMBERS} | {_INHERITED}
"""Members that some servers take for the document: other spellings, as decoders may ignore case (Go's takes U+017F for
an `s`, as case folding does and `lower` does not), and stored ones; or out of which a copy of the body in JavaScript
inherits `variables` and `operationName`."""


def _request(body: object) -> GraphQLRequest | Refusal:
    """`{"query", "variables", "operationName"}`; other members are the client's own business and pass on.

    But none by which an upstream could find another document than the one that is decided here.
    """
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        return Refusal(Reason.MALFORMED_BODY, "a GraphQL request is a JSON object with a string `query`")
    more = body.keys() - _MEMBERS
    if more and (other := next((name for name in body if name in more and name.casefold() in _AMBIGUOUS), None)):
        return Refusal(Reason.MALFORMED_BODY, f"`{other}` could name another operation than `query` does")
    extensions = body.get("extensions")
    if isinstance(extensions, dict) and any(name.casefold() == "persistedquery" for name in extensions):
        return Refusal(Reason.MALFORMED_BODY, "persisted queries are not served: send the document as `query`")
    variables, name = body.get("variables"), body.get("operationName")
    if not (variables is None or isinstance(variables, dict)):
        return Refusal(Reason.MALFORMED_BODY, "`variables` must be an object")
    if not (name is None or isinstance(name, str)):
        return Refusal(Reason.MALFORMED_BODY, "`operationName` must be a string")
    return GraphQLRequest(body["query"], variables or {}, name)


# --- one root field -----------------------------------------------------------------------------------------------


def decide_field(field: Field, principal: Principal, rules: Rules) -> Grounds | Deny:
    """The grounds on which a field goes upstream, or why it does not."""
    name = field.name
    if name == "__typename":
        return Grounds()
    if name in KEYS_DECIDE:
        message = f"`{name}` is about keys and people, which no policy opens, and this gateway does not answer it"
        return Deny(Refusal(Reason.KEYS_DECIDE, message))
    if name in NEVER or NEVER_BELOW.get(name) in field.below:
        message = f"`{name}` hands out an upstream credential or a public address, so no key may use it"
        return Deny(Refusal(Reason.NEVER_FORWARDED, message))
    if name in INTROSPECTION:
        return _decide_introspection(name, principal.policy, rules.introspection)
    if name in QUERIES and not rules.query_fields:
        message = f"`{name}` is not served here; send the query to POST /j1ql instead"
        return Deny(Refusal(Reason.QUERYV1_NEEDS_J1QL, message))
    if name in FIELDS and rules.query_fields == ENFORCE:
        return _decide_query(principal.policy)
    if name in GRAPH:
        return _decide_graph(name, principal.policy)
    needs = rules.roots.get(name)
    if needs is None:
        return _decide_unknown(name, principal.policy)
    if needs[0].action.startswith(COMPLIANCE):
        return _decide_compliance(field, needs, principal)
    return _decide_needs(field, needs, principal)


def _decide_query(policy: Policy) -> Grounds | Deny:
    """As on `/j1ql`, for a key without a condition."""
    verdict = decide(policy, READ_GRAPH, ANY)
    grounds = Grounds(READ_GRAPH, ANY, verdict.because)
    if isinstance(verdict, Allowed):
        return grounds
    return Deny(Refusal(Reason.NOT_ALLOWED, f"this key may not {READ_GRAPH}"), grounds)


def _decide_graph(name: str, policy: Policy) -> Grounds | Deny:
    verdict = decide_whole_graph(policy)
    grounds = Grounds(READ_GRAPH, ANY, verdict.because)
    if isinstance(verdict, Allowed):
        return grounds
    message = (
        f"`{name}` is open to keys that may do everything; with {READ_GRAPH}, send the query to POST /j1ql instead"
    )
    return Deny(Refusal(Reason.QUERYV1_NEEDS_J1QL, message), grounds)


def _decide_compliance(field: Field, needs: tuple[Needs, ...], principal: Principal) -> Grounds | Deny:
    """A standard is one permission, how far it is met another, and what its queries found is the graph itself."""
    if asks_for_results(field.below):
        needs = (*needs, Needs("compliance:GetSummary", needs[0].resource))
    decided = _decide_needs(field, needs, principal)
    if isinstance(decided, Deny) or not asks_for_evidence(field.below):
        return decided
    verdict = decide_whole_graph(principal.policy)
    grounds = Grounds(READ_GRAPH, ANY, verdict.because)
    if isinstance(verdict, Allowed):
        return together((decided, grounds))
    message = f"evidence of a standard is data of the graph: `{field.name}` shows it to keys that may do everything"
    return Deny(Refusal(Reason.NOT_ALLOWED, message), grounds)


def _decide_introspection(name: str, policy: Policy, allowed: Introspection) -> Grounds | Deny:
    match allowed:
        case Introspection.EVERYBODY:
            return Grounds()
        case Introspection.UNRESTRICTED:
            return _decide_unknown(name, policy)
        case Introspection.NOBODY:
            return Deny(Refusal(Reason.NOT_ALLOWED, f"`{name}` is switched off here (`graph.introspection`)"))


def _decide_unknown(name: str, policy: Policy) -> Grounds | Deny:
    verdict = decide_unknown(policy)
    grounds = Grounds(ANY, ANY, verdict.because)
    if isinstance(verdict, Allowed):
        return grounds
    message = f"`{name}` needs a key that may do everything: ALLOW * on *, and no DENY"
    return Deny(Refusal(Reason.NOT_ALLOWED, message), grounds)


def _decide_needs(field: Field, needs: tuple[Needs, ...], principal: Principal) -> Grounds | Deny:
    granted = []
    for need in needs:
        resource = _resource(need.resource, field.arguments, principal.organization)
        if resource is None:
            return _malformed(f"`{field.name}` needs a string that names its resource ({need.resource})")
        verdict = decide_written(principal.policy, need.action, resource)
        grounds = Grounds(need.action, resource, verdict.because)
        if not isinstance(verdict, Allowed):
            return Deny(Refusal(Reason.NOT_ALLOWED, f"this key may not {need.action} on {resource}"), grounds)
        granted.append(grounds)
    return together(granted)


_HOLE = re.compile(r"\{([@A-Za-z0-9_.]+)\}")


def _resource(template: str, arguments: Mapping[str, Any], organization: str) -> str | None:
    """The resource that a call names; `*` where the argument is absent, None where it is not a text."""
    match = _HOLE.search(template)
    if match is None:
        return template
    if match[1] == ORGANIZATION:
        return template.replace(match[0], organization)
    value: Any = arguments
    for part in match[1].split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
        if value is None:
            return ANY
    return template.replace(match[0], value) if isinstance(value, str) and value else None
