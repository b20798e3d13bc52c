"""A query of a key whose policy has a condition: what goes upstream for it, and what its answer is held against.

A query is narrowed, and nothing else of a caller's arguments reaches the upstream: every flag is set by us, so that
none can widen the answer. The arguments are those of the GraphQL field `queryV1` in the platform's public schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.authz.capabilities import Mode
from gateway.authz.outcome import Check, Deny, Grounds, Seal
from gateway.authz.proven import Unproven, proven, written
from gateway.authz.rules import Rules
from gateway.http1 import Reason, Refusal
from gateway.keys import Principal
from gateway.policy import Predicate, is_verb


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
    "deferredResponse": (
        lambda value: value in (None, "DISABLED", "OPTIONAL", "FORCE"),
        "must be DISABLED, OPTIONAL or FORCE",
    ),
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


def conditioned(
    arguments: Mapping[str, Any], principal: Principal, predicate: Predicate, rules: Rules, grounds: Grounds
) -> Check | Deny:
    """What to send for a query, and what its answer is held against. `arguments` have a `query`, a string."""
    if refusal := relationships_refused(predicate, rules.mode) or _argument_refused(arguments):
        return Deny(refusal, grounds)
    query, variables = arguments["query"], written(arguments.get("variables"))
    narrowing = proven(query, variables, predicate, rules)
    if isinstance(narrowing, Refusal):
        return Deny(narrowing, grounds)
    if isinstance(narrowing, Unproven):
        because = (*grounds.because, f"not proven: {narrowing.gap}")
        return Deny(_NOT_PROVEN, Grounds(grounds.action, grounds.resource, because, grounds.also))
    if predicate in rules.doubted and narrowing.shape == "table" and not narrowing.hidden:
        return Deny(_DOUBTED, grounds)
    return Check(
        predicate=predicate,
        shape=narrowing.shape,
        hidden=narrowing.hidden,
        page=rules.page,
        seal=Seal(principal.key_id, predicate, rules.mode, query, variables),
        cursor=arguments.get("cursor") or None,  # clients send an empty one for the first page
        request={"query": narrowing.text, **FORCED},
        columns=narrowing.columns,
        whole=narrowing.whole,
        strict=rules.mode is Mode.STRICT,
        sort=narrowing.sort,
        connected=narrowing.connected,
        deferred=arguments.get("deferredResponse") == "FORCE",
        organization=principal.organization,
    )


_DOUBTED = Refusal(
    Reason.UNSUPPORTED_QUERY,
    "aggregates and UNIQUE cannot be used by this key now: the service behind the gateway reads the condition of its "
    "policy in another way than the gateway does, and what they show cannot be checked; ask for the rows themselves, "
    "and tell your operator",
)

_DENIED_RELATIONSHIPS = Refusal(
    Reason.UNSUPPORTED_QUERY,
    "this key's policy denies relationships, but relationships are shown as `induced` here: every one between two "
    "visible entities; the policy, or the setting, must change",
)


def relationships_refused(predicate: Predicate, mode: Mode) -> Refusal | None:
    """A DENY that names a verb, which is a relationship's `_class`, in capitals, would not win under induced."""
    denied = (value for condition in predicate.denies for value in dict(condition.equals).get("_class", ()))
    return _DENIED_RELATIONSHIPS if mode is Mode.INDUCED and any(map(is_verb, denied)) else None


def _argument_refused(arguments: Mapping[str, Any]) -> Refusal | None:
    for name, value in arguments.items():
        accepted, why = _ACCEPTED.get(name, (None, "is not known"))
        if accepted is None or not accepted(value):
            return Refusal(Reason.UNSUPPORTED_ARGUMENT, f"`{name}` {why}, for a key whose policy has a condition")
    return None
