"""What so many calls a second take: the arithmetic of deploy/SCALING.md. `scaling_page` has its tables.

    unit costs     `bench.json` (CPU of a call), `running_costs.json` (what a gateway costs beside its calls), and
                   those of the stores, as deploy/SIZING.md has them
    demand         workers, stores, connections, bytes, for 10^3 to 10^6 calls a second, and who is full first

CPU of measurements made at different times is compared by what a plain proxy of aiohttp cost at that time, the unit of
SIZING.md: everything here is in microseconds of the machine, and the moment, of `bench.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import ceil, exp, log
from typing import Any

from figures import spread

RATES = (1_000, 10_000, 100_000, 1_000_000)

# --- what one of each costs ---------------------------------------------------------------------------------------

STORE_UNITS = {
    "a look-up by PostgreSQL: CPU of PostgreSQL": 2.2,
    "… CPU of Redis, asked in vain and then filled": 0.18,
    "a look-up by Redis: CPU of Redis": 0.06,
    "… CPU of PostgreSQL, which tells whether it is still true": 0.19,
    "renewals of the lease, CPU of PostgreSQL for each worker": 3,
}
"""By the rows of SIZING.md, in its unit; of renewals the middle, a second."""
CHANGE_UNITS, HEARER_UNITS = 3.4, 0.7
"""Of a change, and for each worker that hears of it: the line through SIZING.md's 4, 5, 7 and 9 for 1, 2, 4 and 8."""
WORKER_MB, KEY_KB = 120, 1.2
"""Memory of a worker without keys, and of a key in it: SIZING.md."""


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU in microseconds, sizes in bytes."""

    passed: float
    query: float
    checked: float
    idle: float
    """Of a worker, a second."""
    scrape: float
    scrape_bytes: float
    record: float
    """Bytes in the decision log, of a call."""
    client_bytes: float
    upstream_bytes: float
    """Both ways, of a call."""
    connection_bytes: float
    sql_find: float
    redis_fill: float
    redis_find: float
    sql_true: float
    renewal: float
    change: float
    hearer: float
    use: float
    use_told: float
    """Of a last use that is hardly later than what is written."""
    change_ms: float
    change_beside_ms: float
    """Milliseconds until a change is acknowledged, and while last uses are written."""


def costs(bench: Mapping[str, Any], running: Mapping[str, Any]) -> Costs:
    def of_call(contender: str) -> float:
        runs = [each for each in bench["runs"] if (each["case"], each["contender"]) == ("small", contender)]
        return spread(each["cpu_seconds"] / each["calls"] * 1e6 for each in runs).median

    unit = of_call("aiohttp")
    figures = running["figures"]
    then = unit / figures["unit, CPU, us"]

    def both_ways(end: str) -> float:
        return float(sum(figures[f"{end} {does}, bytes, condition"] for does in ("sends", "gets")))

    stores = [units * unit for units in STORE_UNITS.values()]
    return Costs(
        passed=of_call("gateway, key"),
        query=of_call("gateway, /j1ql"),
        checked=of_call("gateway, condition"),
        idle=figures["idle worker, CPU, us a second"] * then,
        scrape=figures["scrape, CPU, us"] * then,
        scrape_bytes=figures["scrape, bytes"],
        record=max(figures[f"log, bytes a call, {way}"] for way in ("key", "condition")),
        client_bytes=both_ways("client"),
        upstream_bytes=both_ways("upstream"),
        connection_bytes=figures["silent connection, bytes of memory"],
        sql_find=stores[0],
        redis_fill=stores[1],
        redis_find=stores[2],
        sql_true=stores[3],
        renewal=stores[4],
        change=CHANGE_UNITS * unit,
        hearer=HEARER_UNITS * unit,
        use=figures["last use, CPU of PostgreSQL, us"] * then,
        use_told=figures["last use that is hardly news, CPU of PostgreSQL, us"] * then,
        change_ms=figures["change, ms"] * then,
        change_beside_ms=figures["change beside last uses, ms"] * then,
    )


# --- what is assumed ----------------------------------------------------------------------------------------------

PASSED, CHECKED = 0.05, 0.30
"""Parts of all calls that are passed on unread, and narrowed and checked; all others are queries passed on."""
BUSY = 0.6
"""Of a core: what is left is for bursts, and for workers that are renewed."""
WORKERS = 12
"""On a machine of 16 cores: the kernel's part of the network needs some."""
CALLS_OF_A_KEY = 1
"""A second, on average: as many keys are in use as there are calls a second, by Zipf's law."""
MEMORY_KEYS, REDIS_TTL, LEASE, CANARY, PRECISION, SCRAPE = 100_000, 300, 2, 60, 300, 15
"""Settings, all but the first as they are without one: `store.memory_keys`, `.redis_ttl`, `.lease`, `.canary_seconds`,
`keys.last_used_precision`; and seconds between scrapes."""
USES_ROOM = 50_000
"""Keys whose last use a worker can hold: `proxy/uses.py`."""
CALLS_OF_A_CONNECTION = 2
"""A second, on average, over a client's connection."""
UPSTREAM_SECONDS = 0.05
"""Until an upstream has answered: for so long a call holds a connection to it."""
SHARE_SECONDS, SHARE_CALLS = 1, 1_000
"""A share of a limit lasts a second or so, and is of so many calls at most: `proxy/shares.py`."""
POSTGRESQL_CORES = 8
NETWORK = 10e9 / 8
"""Bytes a second of a machine, each way."""
FEW = 0.1
"""The part of a core that canaries may take."""


# --- callers ------------------------------------------------------------------------------------------------------


EXACT = 1_000
"""Ranks up to which sums are summed."""


@cache
def ranks(keys: int) -> Sequence[tuple[int, float]]:
    """Keys of nearly the same share of all calls, by Zipf's law: how many, and the share of each."""
    edges = sorted({1, *(round(exp(log(keys + 1) * each / 400)) for each in range(401)), keys + 1})
    groups = [(b - a, _harmonic(a, b) / (b - a)) for a, b in pairwise(edges)]
    whole = sum(count * share for count, share in groups)
    return [(count, share / whole) for count, share in groups]


def _harmonic(first: int, end: int) -> float:
    """The sum of 1/rank; by the integral where ranks are so many that it is the same."""
    return sum(1 / rank for rank in range(first, end)) if end <= EXACT else log((end - 0.5) / (first - 0.5))


def distinct(keys: int, calls: float) -> float:
    """How many keys so many calls have."""
    return sum(count * (1 - exp(-share * calls)) for count, share in ranks(keys))


def remembered(keys: int, room: int) -> float:
    """The part of all calls that a memory of so many keys answers: Che's approximation of an LRU cache."""
    if room >= keys:
        return 1.0
    low, high = 0.0, 1e15
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if distinct(keys, middle) < room else (low, middle)
    return sum(count * share * (1 - exp(-share * low)) for count, share in ranks(keys))


def questions(keys: int, rate: float, workers: int) -> float:
    """Of Redis a second, for a limit of each key: a share is asked for by each worker that has none of it."""
    found = 0.0
    for count, share in ranks(keys):
        of_worker = share * rate / workers
        found += count * workers * min(of_worker, max(1 / SHARE_SECONDS, of_worker / SHARE_CALLS))
    return found


# --- what it takes ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Demand:
    """Of so many calls a second. Cores and bytes are a second's; `…_full` are parts of what there is."""

    rate: int
    costs: Costs

    @property
    def cpu(self) -> float:
        """Microseconds of a worker, of a call."""
        one = self.costs
        return PASSED * one.passed + CHECKED * one.checked + (1 - PASSED - CHECKED) * one.query

    @property
    def workers(self) -> int:
        return max(2, ceil(self.rate * self.cpu / 1e6 / (BUSY - self.costs.idle / 1e6)))

    @property
    def machines(self) -> int:
        return max(2, ceil(self.workers / WORKERS))

    @property
    def keys(self) -> int:
        return self.rate // CALLS_OF_A_KEY

    @property
    def missed(self) -> float:
        """Look-ups beyond the memory, a second."""
        return self.rate * (1 - remembered(self.keys, MEMORY_KEYS))

    @property
    def of_sql(self) -> float:
        return min(self.missed, distinct(self.keys, self.rate * REDIS_TTL) / REDIS_TTL)

    @property
    def questions(self) -> float:
        """For the limits of keys, and of one organization, which every worker asks for."""
        of_organization = self.workers * max(1 / SHARE_SECONDS, self.rate / self.workers / SHARE_CALLS)
        return questions(self.keys, self.rate, self.workers) + of_organization

    @property
    def uses(self) -> float:
        """Last uses that are told, a second: each worker tells those that it knows of, twice in a precision."""
        calls = self.rate / self.workers * PRECISION / 2
        return self.workers * min(USES_ROOM, distinct(self.keys, calls)) / (PRECISION / 2)

    @property
    def uses_written(self) -> float:
        """Of these: a key that another worker has told of is not written again."""
        return min(self.uses, distinct(self.keys, self.rate * PRECISION / 2) / (PRECISION / 2))

    @property
    def canary_cores(self) -> float:
        changes = 2 * self.workers / CANARY
        return changes * (self.costs.change + self.workers * self.costs.hearer) / 1e6

    @property
    def sql_cores(self) -> float:
        """Of look-ups, leases and last uses; canaries are told apart."""
        one = self.costs
        found = self.of_sql * one.sql_find + (self.missed - self.of_sql) * one.sql_true
        uses = self.uses_written * one.use + (self.uses - self.uses_written) * one.use_told
        return (found + self.workers * one.renewal + uses) / 1e6

    @property
    def redis_cores(self) -> float:
        one = self.costs
        found = self.of_sql * one.redis_fill + (self.missed - self.of_sql) * one.redis_find
        return (found + self.questions * one.redis_find) / 1e6

    @property
    def canary_seconds(self) -> float:
        """What `store.canary_seconds` must be, so that canaries cost PostgreSQL a FEW of a core."""
        return max(CANARY, CANARY * self.canary_cores / FEW)

    @property
    def network(self) -> float:
        """Bytes a second of one machine, in the busier way: what it gets is what it sends, nearly."""
        return self.rate * (self.costs.client_bytes + self.costs.upstream_bytes) / 2 / self.machines

    def full(self) -> Mapping[str, float]:
        """By who may be full: the part of it that is used."""
        return {
            "one Redis": self.redis_cores,
            "PostgreSQL's cores": (self.sql_cores + self.canary_cores) / POSTGRESQL_CORES,
            "the network of a machine": self.network / NETWORK,
        }
