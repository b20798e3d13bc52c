"""Why is a call decided as it is? For people, and for `gateway explain` and `gateway replay`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.authz.account_parameters import parameters_granted, texts
from gateway.authz.conditioned import relationships_refused
from gateway.authz.proven import Unproven, proven, written
from gateway.authz.rules import Rules
from gateway.http1 import Refusal
from gateway.j1ql import parse, render
from gateway.policy import ANY, READ_GRAPH, Allowed, Narrowed, Policy, Refused, decide


@dataclass(frozen=True, slots=True)
class Explanation:
    """`decision` is allow, narrow or refuse; `statements` are the ids of those that made it.

    `query` is what would be sent upstream, `added` the same with what narrowing has added between « and ».
    """

    decision: str
    reason: str
    statements: tuple[str, ...]
    query: str | None = None
    added: str | None = None
    mode: str | None = None


def explain(policy: Policy, query: str | None, rules: Rules, variables: Mapping[str, Any] | None = None) -> Explanation:
    """How `POST /j1ql` would be decided for a key with this policy, whatever the query if None is given."""
    verdict = decide(policy, READ_GRAPH, ANY)
    refusal = parameters_granted(texts([query, variables]), policy)
    if isinstance(refusal, Refusal) and not isinstance(verdict, Refused):
        return Explanation("refuse", refusal.message, verdict.because)
    match verdict:
        case Refused(because=because):
            why = "a DENY refuses it" if because else f"no ALLOW grants {READ_GRAPH}"
            return Explanation("refuse", why, because)
        case Allowed(because=because):
            return Explanation("allow", f"{READ_GRAPH} is granted without a condition", because, query)
        case Narrowed(because=because):
            return _narrowed(verdict, query, rules, variables or {})


def _narrowed(verdict: Narrowed, query: str | None, rules: Rules, variables: Mapping[str, Any]) -> Explanation:
    mode = str(rules.mode)
    if refusal := relationships_refused(verdict.predicate, rules.mode):
        return Explanation("refuse", refusal.message, verdict.because, mode=mode)
    if query is None:
        return Explanation("narrow", "objects must satisfy the conditions", verdict.because, mode=mode)
    match proven(query, written(variables), verdict.predicate, rules):
        case Refusal(message=message):
            return Explanation("refuse", message, verdict.because, mode=mode)
        case Unproven(gap=gap):
            return Explanation("refuse", f"not proven to stay within the policy: {gap}", verdict.because, mode=mode)
        case narrowing:
            sent = narrowing.text
    marked = _marked(render(parse(query, limits=rules.j1ql)), sent)
    return Explanation("narrow", "objects must satisfy the conditions", verdict.because, sent, marked, mode)


_WORDS = re.compile(r"'[^']*'|\"[^\"]*\"|\[[^\]]*\]|[\w.]+|\s+|.", re.DOTALL)


def _marked(before: str, after: str) -> str:
    """`after` with the words that are not in `before` between « and »."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    parts = []
    for kind, _, _, start, end in matcher.get_opcodes():
        text = "".join(new[start:end])
        parts.append(f"«{text}»" if kind != "equal" and text else text)
    return "".join(parts)
