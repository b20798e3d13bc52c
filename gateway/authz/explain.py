"""Why is a call decided as it is? For people, and for `gateway explain` and `gateway replay`."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from gateway.authz.narrow import Binding, NotNarrowed, narrow
from gateway.authz.rules import Rules
from gateway.j1ql import J1QLSyntaxError, parse, pointed, render
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


def explain(policy: Policy, query: str | None, rules: Rules) -> Explanation:
    """How `POST /j1ql` would be decided for a key with this policy, whatever the query if None is given."""
    verdict = decide(policy, READ_GRAPH, ANY)
    match verdict:
        case Refused(because=because):
            why = "a DENY refuses it" if because else f"no ALLOW grants {READ_GRAPH}"
            return Explanation("refuse", why, because)
        case Allowed(because=because):
            return Explanation("allow", f"{READ_GRAPH} is granted without a condition", because, query)
        case Narrowed(because=because):
            return _narrowed(verdict, query, rules)


def _narrowed(verdict: Narrowed, query: str | None, rules: Rules) -> Explanation:
    mode = str(rules.mode)
    if query is None:
        return Explanation("narrow", "objects must satisfy the conditions", verdict.because, mode=mode)
    try:
        sent = narrow(query, Binding(verdict.predicate, rules.mode, rules.capabilities), rules.j1ql).text
    except J1QLSyntaxError as fault:
        return Explanation("refuse", str(fault), verdict.because, mode=mode)
    except NotNarrowed as fault:
        return Explanation("refuse", pointed(fault.message, query, fault.at), verdict.because, mode=mode)
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
