"""The tables of deploy/SCALING.md, from `scaling`. `scaling_page.py --write` puts them there; else they are printed.

A test holds page and arithmetic together.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

from scaling import (
    CALLS_OF_A_CONNECTION,
    CANARY,
    KEY_KB,
    LEASE,
    MEMORY_KEYS,
    RATES,
    SCRAPE,
    UPSTREAM_SECONDS,
    WORKER_MB,
    WORKERS,
    Costs,
    Demand,
    costs,
    distinct,
)

HERE = Path(__file__).parent
LEAST = 0.001
"""What is less need not be told."""
PAGE = HERE.parent / "deploy" / "SCALING.md"

# --- tables -------------------------------------------------------------------------------------------------------


def unit_table(one: Costs) -> Iterator[str]:
    yield "| what | costs | from |"
    yield "|---|---|---|"
    bench, running, sizing = "bench.json", "running_costs.json", "SIZING.md"
    for what, value, unit, source in (
        ("a call that is passed on unread: CPU of a worker", one.passed, "µs", bench),
        ("a query that is passed on", one.query, "µs", bench),
        ("a query that is narrowed, its answer checked", one.checked, "µs", bench),
        ("a worker that nobody calls, a second", one.idle, "µs", running),
        ("a scrape of `/metrics`, for each worker", one.scrape, "µs", running),
        ("… and its size", one.scrape_bytes / 1e3, "KB", running),
        ("a call in the decision log", one.record, "bytes", running),
        ("a call between client and gateway, both ways", one.client_bytes / 1e3, "KB", running),
        ("a call between gateway and upstream, both ways", one.upstream_bytes / 1e3, "KB", running),
        ("a client's connection that is silent: memory", one.connection_bytes / 1e3, "KB", running),
        ("a look-up by PostgreSQL: its CPU", one.sql_find, "µs", sizing),
        ("… CPU of Redis, asked in vain and then filled", one.redis_fill, "µs", sizing),
        ("a look-up by Redis, or a question about a limit: its CPU", one.redis_find, "µs", sizing),
        ("… CPU of PostgreSQL, which tells whether it is still true", one.sql_true, "µs", sizing),
        ("renewals of a worker's lease, a second: CPU of PostgreSQL", one.renewal, "µs", sizing),
        ("a change: CPU of PostgreSQL", one.change, "µs", sizing),
        ("… and for each worker that hears of it", one.hearer, "µs", sizing),
        ("a key's last use: CPU of PostgreSQL", one.use, "µs", running),
        ("… which is hardly later than what is written", one.use_told, "µs", running),
        ("a change, until it is acknowledged", one.change_ms, "ms", running),
        ("… while last uses of 10,000 keys are written", one.change_beside_ms, "ms", running),
    ):
        yield f"| {what} | {rounded(value)} {unit} | `{source}` |"


def demand_table(each: Sequence[Demand]) -> Iterator[str]:
    yield "| calls a second | " + " | ".join(f"{one.rate:,}" for one in each) + " |"
    yield "|---" * (len(each) + 1) + "|"
    for what, of in _ROWS.items():
        yield f"| {what} | " + " | ".join(of(one) for one in each) + " |"


_ROWS: Mapping[str, Callable[[Demand], str]] = {
    "CPU of a call, in this mix": lambda one: f"{one.cpu:.0f} µs",
    "workers, busy for 60 %": lambda one: f"{one.workers:,}",
    "machines of 12 workers, two at least": lambda one: f"{one.machines:,}",
    "keys in use": lambda one: f"{one.keys:,}",
    "memory of a worker": lambda one: f"{rounded(_memory(one))} MB",
    "look-ups beyond its memory, a second": lambda one: rounded(one.missed),
    "… of these PostgreSQL's": lambda one: rounded(one.of_sql),
    "questions about limits, a second": lambda one: rounded(one.questions),
    "… in a hundred calls": lambda one: rounded(100 * one.questions / one.rate),
    "**Redis: cores** (one server has one)": lambda one: rounded(one.redis_cores),
    "renewals of leases, a second": lambda one: rounded(one.workers / (0.2 * LEASE)),
    "last uses told, a second": lambda one: rounded(one.uses),
    "… of these written": lambda one: rounded(one.uses_written),
    "**PostgreSQL: cores**, canaries apart": lambda one: rounded(one.sql_cores),
    "… canaries, every 60 s": lambda one: rounded(one.canary_cores),
    "`store.canary_seconds` for 0.1 cores": lambda one: _longer(one.canary_seconds, CANARY),
    "connections to PostgreSQL, all": lambda one: f"{8 * (one.workers + one.machines + 1) + 3:,}",
    "connections to Redis, all, at most": lambda one: f"{32 * one.workers:,}",
    "connections of clients, for each worker": lambda one: rounded(_clients(one)),
    "connections to upstreams, for each worker": lambda one: rounded(_upstreams(one)),
    "descriptors of a worker": lambda one: rounded(_descriptors(one)),
    "decision log, all machines": lambda one: f"{rounded(one.rate * one.costs.record / 1e6)} MB/s",
    "… a day": lambda one: f"{rounded(one.rate * one.costs.record * 86_400 / 1e9)} GB",
    "network of a machine, each way": lambda one: f"{rounded(one.network * 8 / 1e6)} Mbit/s",
    "scrapes, of a machine's core": lambda one: f"{rounded(_scrapes(one))} %",
    "**full first**": lambda one: _first(one.full()),
}


def _memory(one: Demand) -> float:
    keys = min(MEMORY_KEYS, distinct(one.keys, inf if one.keys <= MEMORY_KEYS else 1e12))
    return WORKER_MB + keys * KEY_KB / 1e3 + _clients(one) * one.costs.connection_bytes / 1e6


def _clients(one: Demand) -> float:
    return one.rate / CALLS_OF_A_CONNECTION / one.workers


def _upstreams(one: Demand) -> float:
    return one.rate * UPSTREAM_SECONDS / one.workers


def _descriptors(one: Demand) -> float:
    """Twenty beside connections: listeners, the log, the loop's own, files of metrics."""
    return _clients(one) + _upstreams(one) + 8 + 32 + 20


def _scrapes(one: Demand) -> float:
    return WORKERS * one.costs.scrape / SCRAPE / 1e6 * 100


def _longer(seconds: float, usual: float) -> str:
    return "as it is" if seconds <= usual else rounded(seconds)


def _first(full: Mapping[str, float]) -> str:
    name = max(full, key=lambda each: full[each])
    return f"{name}, {full[name]:,.0%}"


def rounded(value: float) -> str:
    """Two digits that mean something; more would be a lie."""
    if 0 < value < LEAST:
        return f"under {LEAST}"
    if value >= 100:  # noqa: PLR2004
        digits = len(str(int(value))) - 2
        return f"{round(value, -digits):,.0f}"
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"  # noqa: PLR2004


def workers_table(running: Mapping[str, Any]) -> Iterator[str]:
    yield "| workers | call | calls a second | CPU of a call | cores: gateway | its busiest worker | upstream | load |"
    yield "|---|---|---|---|---|---|---|---|"
    for count, ways in running["workers"].items():
        for way, of in ways.items():
            cores = " | ".join(f"{of[name]:.2f}" for name in ("gateway", "busiest", "upstream", "load"))
            yield f"| {count} | {way} | {of['rate']:,.0f} | {of['cost']:.0f} µs | {cores} |"


# --- the page -----------------------------------------------------------------------------------------------------


def tables(bench: Mapping[str, Any], running: Mapping[str, Any]) -> Mapping[str, str]:
    one = costs(bench, running)
    every = {
        "unit costs": unit_table(one),
        "demand": demand_table([Demand(rate, one) for rate in RATES]),
        "workers": workers_table(running),
    }
    return {name: "\n".join(lines) for name, lines in every.items()}


def written(page: str, every: Mapping[str, str]) -> str:
    """The page with these tables between their markers."""
    for name, table in every.items():
        page, found = re.subn(
            rf"(?s)(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda match, table=table: f"{match[1]}{table}\n{match[2]}",
            page,
        )
        if found != 1:
            raise SystemExit(f"{PAGE.name} has {found} places for `{name}`")
    return page


def measured() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    bench, running = (json.loads((HERE / name).read_text()) for name in ("bench.json", "running_costs.json"))
    return bench, running


def main() -> None:
    parser = argparse.ArgumentParser(description="What so many calls a second take.")
    parser.add_argument("--write", action="store_true", help="put the tables into deploy/SCALING.md")
    every = tables(*measured())
    if parser.parse_args().write:
        PAGE.write_text(written(PAGE.read_text("utf-8"), every), "utf-8")
    else:
        print("\n\n".join(every.values()))


if __name__ == "__main__":
    main()
