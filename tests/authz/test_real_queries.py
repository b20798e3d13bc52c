"""The queries of the wild under ten policies: each one is narrowed and proven, or refused with its place and reason.

Those that are no J1QL tests/j1ql/test_corpus.py lists by name.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from collection import needs_collection, real_queries
from gateway.authz.capabilities import Mode
from gateway.authz.narrow import Binding, NotNarrowed, narrow
from gateway.authz.narrow.walk import heads, is_aggregated, parts
from gateway.authz.verify import verified
from gateway.j1ql import J1QLSyntaxError, parse, tree
from gateway.policy import READ_GRAPH, decide
from gateway.policy import parse as parse_policy

ROOT = Path(__file__).resolve().parents[2]

pytestmark = needs_collection

POLICIES = {
    "a type": [("ALLOW", {"_type": "github_repo"})],
    "a list of types": [("ALLOW", {"_type": ["aws_instance", "aws_s3_bucket", "azure_vm"]})],
    "a class": [("ALLOW", {"_class": "User"})],
    "a type and a tag": [("ALLOW", {"_type": "github_repo", "tag.team": ["core", "data"]})],
    "a source": [("ALLOW", {"_source": "api"})],
    "several statements": [("ALLOW", {"_type": "github_repo", "tag.team": "core"}), ("ALLOW", {"_class": "Person"})],
    "all but secrets": [("ALLOW", None), ("DENY", {"classification": ["secret", "top secret"]})],
    "some but secrets": [("ALLOW", {"_class": "DataStore"}), ("DENY", {"classification": "secret", "env": "prod"})],
    "classes and verbs": [("ALLOW", {"_class": ["User", "Device", "HAS", "IS", "OWNS"]})],
    "odd names and values": [("ALLOW", {"my-property": "it's", "order": 'said "no"', "displayName": "a,b"})],
}


def predicate(name):
    permissions = [
        {"effect": effect, "actions": [READ_GRAPH], "resources": ["*"]}
        | ({"condition": {"stringEquals": equals}} if equals else {})
        for effect, equals in POLICIES[name]
    ]
    return decide(parse_policy(json.dumps({"permissions": permissions})), READ_GRAPH, "*").predicate


def judged(query, binding):
    """What is sent, or None where the query is refused at a place for a reason."""
    try:
        return narrow(query, binding).text
    except (NotNarrowed, J1QLSyntaxError) as refused:
        return None if refused.message and 0 <= refused.at <= len(query) else "refused for no reason, or nowhere"


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("policy", POLICIES)
def test_each_is_narrowed_and_proven_or_refused_at_a_place_for_a_reason(policy, mode):
    binding = Binding(predicate(policy), mode)
    sent = [text for query in real_queries() if (text := judged(query, binding)) is not None]
    strict = mode is Mode.STRICT
    assert {text: gap for text in sent if (gap := verified(text, binding.predicate, strict=strict))} == {}
    assert all(map(parse, sent))
    assert len(sent) >= (0.8 if strict else 0.96) * len(real_queries())


# --- the shares that README states ------------------------------------------------------------------------------------


def test_readme_states_the_shares():
    readme = (ROOT / "README.md").read_text()
    assert readme.partition("<!-- shares -->\n")[2].partition("<!-- /shares -->")[0] == shares()


def shares() -> str:
    """The table of README: for the policy of a type, how many queries of each construct meet which fate."""
    counted: Counter[tuple[str, str]] = Counter()
    for query in real_queries():
        try:
            read = parse(query)
        except J1QLSyntaxError:
            continue
        for construct in ("all of them", *constructs(read)):
            counted[construct, "queries"] += 1
            counted.update((construct, fate) for fate in fates(query, read))
    names = sorted({construct for construct, _ in counted}, key=lambda name: -counted[name, "queries"])
    columns = ("queries", "induced answered", "induced refused", "strict answered", "strict empty", "strict refused")
    lines = ["| construct | queries | induced: answered | refused | strict: answered | empty | refused |"]
    lines.append("|---|---|---|---|---|---|---|")
    lines += [f"| {name} | {' | '.join(f'{counted[name, column]:,}' for column in columns)} |" for name in names]
    return "\n".join(lines) + "\n"


def fates(query: str, read: tree.Query) -> Iterator[str]:
    """`empty`: answered, but with nothing as long as no relationship has the type that the policy asks for."""
    for mode in Mode:
        try:
            narrow(query, Binding(predicate("a type"), mode))
        except NotNarrowed:
            yield f"{mode} refused"
        else:
            yield f"{mode} empty" if mode is Mode.STRICT and goes_over_a_relationship(read) else f"{mode} answered"


def goes_over_a_relationship(read: tree.Query) -> bool:
    return any(isinstance(step, tree.Step) and not step.negated for step in read.steps)


def constructs(read: tree.Query) -> Iterator[str]:
    found = [part for part, _ in parts(read)]
    groups = any(isinstance(part, tree.Optional) for part in found)
    steps = [part for part in found if isinstance(part, tree.Step)]
    each = [head for part in found if isinstance(part, tree.Selector) for head in heads(part.head)]
    has = {
        "no step": not steps,
        "plain steps": bool(steps) and not groups and not any(step.negated or step.somehow for step in steps),
        "negated step": any(step.negated for step in steps),
        "optional group": groups,
        "SOMEHOW": any(step.somehow for step in steps),
        "TREE": isinstance(read.returns, tree.Tree),
        "aggregate, UNIQUE, UNWIND or MERGE": is_aggregated(read),
        "LIMIT or SKIP": bool(read.windows),
        "LIMIT or SKIP with a step": bool(read.windows and steps),
        "full text": any(isinstance(head, tree.FullText) for head in each),
        "smart class": any(isinstance(head, tree.Smart) for head in each),
        "WHERE": read.where is not None,
    }
    yield from (name for name, holds in has.items() if holds)


if __name__ == "__main__":
    print(shares(), end="")  # noqa: T201
