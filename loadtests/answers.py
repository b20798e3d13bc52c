"""What a conditioned key's call costs between the sockets: its plan, and the check of its answer.

    large   an answer of 4.5 MB, checked and passed on, beside a gateway that loads it with orjson, filters it and dumps
            it again: a list that is checked for a single condition, one for two and a DENY, and a tree of which some
            edges are taken out. Ratios of CPU, the median of rounds in which both take turns; and the memory that the
            check takes besides the body, and the answer that is made with it.
    small   a query of 500 bytes that was seen before, and its answer of 25 rows: microseconds of CPU.

CPU is that of this thread: what else the machine does matters little.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from itertools import count
from typing import Any

import orjson
from calls import CASES, ROWS, Way, listed

from gateway.authz import Rules, plan
from gateway.authz.outcome import Check, Facts, Forward
from gateway.authz.rows import Page, checked
from gateway.http1 import Call
from gateway.keys import Identity, Kind, Principal
from gateway.metrics import Metrics
from gateway.policy import READ_GRAPH, parse
from gateway.proxy import PageOptions, Pages, Seals
from gateway.proxy.line import Whole
from gateway.proxy.pages import Answered

SECRET = "a" * 32
SINGLE = [{"effect": "ALLOW", "condition": {"stringEquals": {"_type": "github_repo"}}}]
SEVERAL = [
    {"effect": "ALLOW", "condition": {"stringEquals": {"_type": "github_repo", "tag.team": ["core", "data"]}}},
    {"effect": "ALLOW", "condition": {"stringEquals": {"_class": "CodeRepo"}}},
    {"effect": "DENY", "condition": {"stringEquals": {"classification": "secret"}}},
]
OPEN = [*SINGLE, {"effect": "ALLOW", "condition": {"stringEquals": {"open": "yes"}}}]
Answer = dict[str, Any]


# --- answers ------------------------------------------------------------------------------------------------------


def entity(number: int, chance: random.Random) -> Answer:
    """1.8 to 3 KB, as an integration writes them: metadata, and 20 to 40 properties."""
    metadata = {
        "_id": f"{chance.getrandbits(128):032x}",
        "_key": f"github_repo:{number}",
        "_type": ["github_repo"],
        "_class": ["CodeRepo"],
        "_accountId": "acme",
        "_source": "integration-managed",
        "_integrationType": "github",
        "_integrationName": "GitHub",
        "_integrationClass": ["ITS", "SCM"],
        "_integrationInstanceId": f"{chance.getrandbits(128):032x}",
        "_integrationDefinitionId": f"{chance.getrandbits(128):032x}",
        "_beginOn": "2026-10-01T10:00:00.000Z",
        "_createdOn": "2025-10-01T10:00:00.000Z",
        "_version": number % 50,
        "_deleted": False,
        "displayName": f"repository {number}",
    }
    named = {f"property{each}": _value(chance) for each in range(chance.randrange(20, 41))}
    properties = {"name": f"repo-{number}", "tag.team": "core", **named}
    return {"id": metadata["_id"], "entity": metadata, "properties": properties}


def _value(chance: random.Random) -> object:
    return chance.choice(
        (
            True,
            None,
            chance.random() * 1000,
            1_700_000_000_000 + chance.randrange(10**9),
            [f"value {each}" for each in range(chance.randrange(8))],
            f"https://github.com/acme/{chance.getrandbits(chance.randrange(8, 300)):x}",
            f"A sentence of some length about it, with an ümlaut and a number: {chance.getrandbits(64)}. " * 2,
        )
    )


def relationship(number: int, ends: tuple[str, str], chance: random.Random) -> Answer:
    """Of every two, one is `open`."""
    made = entity(number, chance)
    metadata = made["entity"] | {"_type": "github_repo_uses_repo", "_class": "USES"}
    properties = made["properties"] | {"open": "no" if number % 2 else "yes"}
    return {
        "id": made["id"],
        "relationship": metadata,
        "fromVertexId": ends[0],
        "toVertexId": ends[1],
        "properties": properties,
    }


def entities(size: int, chance: random.Random) -> list[Answer]:
    """So many that they have `size` bytes."""
    made: list[Answer] = []
    for number in count():
        if size <= 0:
            break
        made.append(entity(number, chance))
        size -= len(orjson.dumps(made[-1]))
    return made


def tree(size: int, chance: random.Random) -> Answer:
    """Half of it vertices, half of it edges, which make a ring; each vertex is at the end of one that is shown."""
    vertices = entities(size // 2, chance)
    ids = [each["id"] for each in vertices]
    ends = list(zip(ids, [*ids[1:], ids[0]], strict=True))
    return {"vertices": vertices, "edges": [relationship(number, each, chance) for number, each in enumerate(ends)]}


# --- the gateway, and what is usual ---------------------------------------------------------------------------------


def planned(statements: list[dict[str, Any]], query: str, body: bytes | None = None) -> Callable[[], Forward]:
    """Makes the plan of a call for a key with a policy."""
    permissions = [{"actions": [READ_GRAPH], "resources": ["*"], **statement} for statement in statements]
    policy = parse(json.dumps({"permissions": permissions}))
    principal = Principal("key", 1, "key", Identity("identity", Kind.ACCOUNT, "acme"), policy, None)
    sent = json.dumps({"query": query}).encode() if body is None else body
    call = Call("call", "POST", "/j1ql", "", ((b"content-type", b"application/json"),), sent)
    rules = Rules(page=10**6)

    def make() -> Forward:
        made = plan(call, principal, Facts(), rules, 0)
        if not isinstance(made, Forward):
            raise SystemExit(f"{query} is not answered: {made}")
        return made

    return make


def check_of(made: Forward) -> Check:
    if not isinstance(made.answer, Check):
        raise SystemExit(f"the answer would not be checked: {made}")
    return made.answer


def served(pages: Pages, check: Check, body: bytes) -> bytes:
    """What the client gets for an upstream's answer."""

    async def ask(_: bytes) -> Whole:
        return Whole(200, (), body)

    return at_once(pages.answer(check, ask)).envelope()


def at_once(work: Coroutine[Any, Any, Answered]) -> Answered:
    """The result of what has nothing to wait for."""
    try:
        work.send(None)
    except StopIteration as end:
        answered: Answered = end.value
        return answered
    raise SystemExit("it had to wait")


def has(thing: Answer, name: str, *wanted: str) -> bool:
    part = thing.get("entity") or thing["relationship"]
    value = (part if name.startswith("_") else thing["properties"]).get(name)
    return any(each in wanted for each in value) if isinstance(value, list) else value in wanted


def single(thing: Answer) -> bool:
    return has(thing, "_type", "github_repo")


def several(thing: Answer) -> bool:
    shown = (single(thing) and has(thing, "tag.team", "core", "data")) or has(thing, "_class", "CodeRepo")
    return shown and not has(thing, "classification", "secret")


def is_open(thing: Answer) -> bool:
    return single(thing) or has(thing, "open", "yes")


def listed_usually(body: bytes, visible: Callable[[Answer], bool]) -> bytes:
    """Load, filter, dump."""
    answer = orjson.loads(body)
    return orjson.dumps({"type": "list", "data": [row for row in answer["data"] if visible(row)]})


def drawn_usually(body: bytes, visible: Callable[[Answer], bool]) -> bytes:
    drawn = orjson.loads(body)["data"]
    vertices = [vertex for vertex in drawn["vertices"] if visible(vertex)]
    ids = {vertex["id"] for vertex in vertices}
    edges = [
        edge for edge in drawn["edges"] if edge["fromVertexId"] in ids and edge["toVertexId"] in ids and visible(edge)
    ]
    return orjson.dumps({"type": "tree", "data": {"vertices": vertices, "edges": edges}})


@dataclass(frozen=True, slots=True)
class Large:
    name: str
    body: bytes
    make: Callable[[], Forward]
    usual: Callable[[bytes], bytes]


def large(size: int) -> list[Large]:
    chance = random.Random(1)  # noqa: S311 - the same answers each time
    rows = orjson.dumps({"type": "list", "data": entities(size, chance), "totalCount": 1})
    drawn = orjson.dumps({"type": "tree", "data": tree(size, chance)})
    graph = "FIND github_repo THAT USES github_repo RETURN TREE"
    return [
        Large("list, one condition", rows, planned(SINGLE, "FIND *"), lambda body: listed_usually(body, single)),
        Large("list, two and a DENY", rows, planned(SEVERAL, "FIND *"), lambda body: listed_usually(body, several)),
        Large("tree, edges taken out", drawn, planned(OPEN, graph), lambda body: drawn_usually(body, is_open)),
    ]


# --- measuring ----------------------------------------------------------------------------------------------------


def compared(case: Large, pages: Pages, rounds: int) -> tuple[float, float, float]:
    """Milliseconds of the gateway, of what is usual, and how much faster the gateway is: medians over rounds."""
    check = check_of(case.make())
    if orjson.loads(served(pages, check, case.body)) != orjson.loads(case.usual(case.body)):
        raise SystemExit(f"{case.name}: the two do not answer alike")
    pairs = [
        (seconds(lambda: served(pages, check, case.body)), seconds(lambda: case.usual(case.body)))
        for _ in range(rounds)
    ]
    ours, theirs = (statistics.median(each) * 1000 for each in zip(*pairs, strict=True))
    return ours, theirs, statistics.median(usual / own for own, usual in pairs)


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """CPU of one call."""
    began = time.thread_time()
    for _ in range(times):
        work()
    return (time.thread_time() - began) / times


def memory(work: Callable[[], object]) -> int:
    """Bytes that it takes at its most."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def small(pages: Pages, rounds: int, times: int) -> dict[str, float]:
    """Microseconds of each part of a call: medians over rounds."""
    query = next(case for case in CASES if case.name == "rows").calls[Way.CONDITION].body
    make, body = planned(SINGLE, "", query), listed(ROWS)
    check = check_of(make())
    if not isinstance(checked(body, check), Page):
        raise SystemExit("the small answer is withheld")
    parts: dict[str, Callable[[], object]] = {
        "the plan of a query that was seen before": make,
        f"the check of {ROWS} rows ({len(body):,} bytes)": lambda: checked(body, check),
        "question, check and answer": lambda: served(pages, check, body),
    }
    return {name: statistics.median(seconds(work, times) for _ in range(rounds)) * 1e6 for name, work in parts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="What the check of an answer costs.")
    parser.add_argument("--bytes", type=int, default=4_500_000, help="of a large answer")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--times", type=int, default=2000, help="that a small part is repeated in a round")
    chosen = parser.parse_args()
    pages = Pages(Seals(SECRET), Metrics(), PageOptions())
    print(f"{'answer':24}{'bytes':>12}{'gateway, ms':>14}{'orjson, ms':>14}{'ratio':>8}{'check, x body':>16}{'all':>6}")
    for case in large(chosen.bytes):
        ours, theirs, ratio = compared(case, pages, chosen.rounds)
        check, size = check_of(case.make()), len(case.body)
        used = memory(lambda check=check, case=case: checked(case.body, check)) / size
        whole = memory(lambda check=check, case=case: served(pages, check, case.body)) / size
        print(f"{case.name:24}{size:>12,}{ours:>14.2f}{theirs:>14.2f}{ratio:>8.1f}{1 + used:>16.2f}{1 + whole:>6.2f}")
    print("\nmicroseconds of CPU")
    for name, took in small(pages, chosen.rounds, chosen.times).items():
        print(f"{name:50}{took:>8.1f}")


if __name__ == "__main__":
    main()
