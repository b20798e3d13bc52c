"""How long a query takes to be narrowed and proven: the first time, and when it was seen before.

In microseconds of one process, the median and the 95th percentile over many queries; of each query the best of some
rounds over all of them, so that no query is timed in a loop of its own. `parse` is the part of the first time that
reading the query takes. The queries are those of a file of JSON lines, `{"query": "FIND …"}`, by default the collection
of real ones where it lies beside the checkout, else those of the golden pairs of the tests.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.authz import Rules
from gateway.authz.capabilities import Mode
from gateway.authz.narrow import Narrowing
from gateway.authz.proven import proven
from gateway.j1ql import parse
from gateway.policy import READ_GRAPH, Narrowed, Predicate, decide
from gateway.policy import parse as parse_policy

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "j1ql" / "queries.jsonl"
GOLDEN = ROOT / "tests" / "authz" / "cases" / "narrow.txt"

POLICIES = {
    "one value": [{"effect": "ALLOW", "condition": {"stringEquals": {"_type": "github_repo"}}}],
    "all kinds": [
        {"effect": "ALLOW", "condition": {"stringEquals": {"_type": "github_repo", "tag.team": ["core", "data"]}}},
        {"effect": "ALLOW", "condition": {"stringEquals": {"_class": "User"}}},
        {"effect": "DENY", "condition": {"stringEquals": {"classification": "secret"}}},
    ],
}
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description="How long narrowing takes.")
    parser.add_argument("--queries", type=Path, help='JSON lines: {"query": "FIND …"}')
    texts = list(queries(parser.parse_args().queries))
    print(f"{len(texts)} queries; median (95th percentile), in microseconds")
    print(f"{'policy':12}{'mode':10}{'narrowed':>10}{'first time':>16}{'parse':>16}{'seen before':>16}")
    for name, statements in POLICIES.items():
        for mode in Mode:
            print(f"{name:12}{mode.value:10}{told(texts, predicate(statements), mode)}", flush=True)


def queries(file: Path | None) -> Iterator[str]:
    """Those of a file, or of the place that is there."""
    chosen = file or (REAL if REAL.is_file() else None)
    if chosen is not None:
        yield from (json.loads(line)["query"] for line in chosen.read_text(encoding="utf-8").splitlines())
        return
    for line in GOLDEN.read_text(encoding="utf-8").splitlines():
        if " | " in line and line[0] not in ">!#@":
            yield line.partition(" | ")[2]


def predicate(statements: list[dict[str, object]]) -> Predicate:
    permissions = [{"actions": [READ_GRAPH], "resources": ["*"], **statement} for statement in statements]
    verdict = decide(parse_policy(json.dumps({"permissions": permissions})), READ_GRAPH, "*")
    if not isinstance(verdict, Narrowed):
        raise SystemExit("the policy has no condition")
    return verdict.predicate


def told(texts: list[str], of: Predicate, mode: Mode) -> str:
    """One line of the table, over the queries that are narrowed."""
    rules = [Rules(mode=mode, narrowed=1_000_000 + number) for number in range(ROUNDS)]
    texts = [text for text in texts if isinstance(proven(text, "", of, Rules(mode=mode)), Narrowing)]
    first, again, parsed = ([float("inf")] * len(texts) for _ in range(3))
    for each in rules:  # a limit of its own for each round, so that nothing is remembered of the round before
        for number, text in enumerate(texts):
            first[number] = min(first[number], microseconds(lambda text=text, each=each: proven(text, "", of, each)))
            again[number] = min(again[number], microseconds(lambda text=text, each=each: proven(text, "", of, each)))
            parsed[number] = min(parsed[number], microseconds(lambda text=text: parse(text)))
    return f"{len(texts):>10}" + "".join(f"{shown(times):>16}" for times in (first, parsed, again))


def microseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - began) / 1000


def shown(times: list[float]) -> str:
    return f"{statistics.median(times):.1f} ({statistics.quantiles(times, n=20)[-1]:.0f})"


if __name__ == "__main__":
    main()
