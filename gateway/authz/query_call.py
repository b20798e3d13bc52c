"""`POST /j1ql`: the one route on which `query:ReadGraphData` may carry a condition.

No public document gives the body of this route; it is modelled with the argument names of the GraphQL field
`queryV1`, and its answer equals a QueryV1Response. A key without a condition passes byte for byte. A key with one
sends a query that is narrowed, and nothing else of its body reaches the upstream: every flag is set by us, so that
none can widen the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gateway.authz.capabilities import Mode
from gateway.authz.outcome import Check, Deny, Forward, Grounds, NeedBody, Pass, Plan, Seal, Upstream, together
from gateway.authz.proven import Unproven, proven, written
from gateway.authz.rules import Rules
from gateway.http1 import Call, Reason, Refusal
from gateway.keys import Principal
from gateway.policy import ANY, READ_GRAPH, Allowed, Narrowed, Policy, Predicate, Refused, decide, is_verb
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
            return Forward(Upstream.J1QL, call.method, "", "", call.body, Pass(), grounds)
        case Narrowed():
            return _conditioned(body, principal, verdict, rules, grounds)


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
            verdict = decide(policy, GET_PARAMETER, resource)
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


# --- a key with a condition ---------------------------------------------------------------------------------------


def _is_off(value: object) -> bool:
    return value is None or value is False


def _is_empty(value: object) -> bool:
    return value in (None, [], {})


def _flags_off(value: object) -> bool:
    return value is None or (
        isinstance(value, dict) and all(_is_off(flag) for name, flag in value.items() if name != "variableResultSize")
    )


_ACCEPTED: dict[str, tuple[Callable[[object], bool], str]] = {
    "query": (lambda _: True, ""),
    "cursor": (lambda value: value is None or isinstance(value, str), "must be a string"),
    "variables": (lambda value: value is None or isinstance(value, dict), "must be an object"),
    "includeDeleted": (_is_off, "would show objects that are gone"),
    "dryRun": (_is_off, "cannot be used"),
    "remember": (_is_off, "cannot be used"),
    "deferredResponse": (lambda value: value in (None, "DISABLED", "OPTIONAL"), "cannot be FORCE yet"),
    "deferredFormat": (lambda value: value in (None, "JSON"), "must be JSON: no other format can be checked"),
    "flags": (_flags_off, "must be off: computed properties and row metadata are not checked"),
    "scopeFilters": (_is_empty, "take precedence over the query's own filters, so they could switch the policy off"),
    "sourceMetadata": (lambda _: True, ""),
}
"""Arguments that a conditioned key may send, the values they may have, and why no others. Any other name is refused."""

FORCED: dict[str, object] = {
    "variables": {},
    "includeDeleted": False,
    "dryRun": False,
    "remember": False,
    "deferredResponse": "DISABLED",
    "flags": {"computedProperties": False, "rowMetadata": False, "variableResultSize": True},
}
"""What is sent upstream instead, each one explicitly: a default that changes there must not matter here."""


_NOT_PROVEN = Refusal(
    Reason.UNSUPPORTED_QUERY,
    "this query was not proven to stay within the policy of your key, so it was not sent; please write it in another "
    "way, and report it: the reason is in the decision log",
)


def _conditioned(
    body: dict[str, Any], principal: Principal, verdict: Narrowed, rules: Rules, grounds: Grounds
) -> Forward | Deny:
    if refusal := relationships_refused(verdict.predicate, rules.mode) or _argument_refused(body):
        return Deny(refusal, grounds)
    query, variables = body["query"], written(body.get("variables"))
    narrowing = proven(query, variables, verdict.predicate, rules)
    if isinstance(narrowing, Refusal):
        return Deny(narrowing, grounds)
    if isinstance(narrowing, Unproven):
        because = (*grounds.because, f"not proven: {narrowing.gap}")
        return Deny(_NOT_PROVEN, Grounds(grounds.action, grounds.resource, because, grounds.also))
    check = Check(
        predicate=verdict.predicate,
        shape=narrowing.shape,
        hidden=narrowing.hidden,
        page=rules.page,
        seal=Seal(principal.key_id, verdict.predicate, rules.mode, query, variables),
        cursor=body.get("cursor"),
        request={"query": narrowing.text, **FORCED},
        columns=narrowing.columns,
        whole=narrowing.whole,
        strict=rules.mode is Mode.STRICT,
        sort=narrowing.sort,
        connected=narrowing.connected,
    )
    return Forward(Upstream.J1QL, "POST", "", "", None, check, grounds, rules.mode)


_DENIED_RELATIONSHIPS = Refusal(
    Reason.UNSUPPORTED_QUERY,
    "this key's policy denies relationships, but relationships are shown as `induced` here: every one between two "
    "visible entities; the policy, or the setting, must change",
)


def relationships_refused(predicate: Predicate, mode: Mode) -> Refusal | None:
    """A DENY that names a verb, which is a relationship's `_class`, in capitals, would not win under induced."""
    denied = (value for condition in predicate.denies for value in dict(condition.equals).get("_class", ()))
    return _DENIED_RELATIONSHIPS if mode is Mode.INDUCED and any(map(is_verb, denied)) else None


def _argument_refused(body: dict[str, Any]) -> Refusal | None:
    for name, value in body.items():
        accepted, why = _ACCEPTED.get(name, (None, "is not known"))
        if accepted is None or not accepted(value):
            return Refusal(Reason.UNSUPPORTED_ARGUMENT, f"`{name}` {why}, for a key whose policy has a condition")
    return None
