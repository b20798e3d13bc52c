"""What was measured, and what is told of it: medians over the rounds with their spread, ratios within each round."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from calls import CASES, Case
from contenders import Contender

COMPARED = ("Traefik", "Caddy", "nginx", "aiohttp")
"""Whom the ratios are to."""
DIRECT = "direct"
IDLE = 0.1
"""Of a core: whose core had so much time left could carry more, and the load did not ask for it."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Milliseconds that calls took at `rate` calls a second, and those that went to the upstream directly."""

    rate: float
    median: float
    worst: float
    """The 99th percentile."""
    direct_median: float
    direct_worst: float


@dataclass(frozen=True, slots=True)
class Run:
    """One contender in one case and round.

    `idle` is the part of the time in which its core had nothing to do, `busy` that in which the generator computed.
    """

    round: int
    case: str
    contender: str
    calls: int
    seconds: float
    cpu_seconds: float
    idle: float
    busy: float
    delay: Delay | None

    @property
    def rate(self) -> float:
        return self.calls / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of CPU a call."""
        return self.cpu_seconds / self.calls * 1e6

    @property
    def core(self) -> float:
        """The part of its core that it used."""
        return self.cpu_seconds / self.seconds

    @property
    def others(self) -> float:
        """The part of its core that other programs of the machine used, or the machine's other guests."""
        return max(0.0, 1 - self.core - self.idle)


@dataclass(frozen=True, slots=True)
class Spread:
    """Of one figure over the rounds."""

    median: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} ({self.low:{spec}}-{self.high:{spec}})"


def spread(values: Iterable[float]) -> Spread:
    found = sorted(values)
    return Spread(statistics.median(found), found[0], found[-1])


@dataclass(frozen=True, slots=True)
class Measured:
    """All of a measurement. `load` is the load average of the machine at the end of each round."""

    contenders: Sequence[Contender]
    runs: Sequence[Run]
    load: Sequence[float]

    def of(self, case: str, contender: str) -> list[Run]:
        return [run for run in self.runs if (run.case, run.contender) == (case, contender)]

    def cost(self, case: str, contender: str) -> Spread:
        return spread(run.cost for run in self.of(case, contender))

    def ratio(self, case: str, contender: str, other: str) -> Spread | None:
        """How many calls one carries with the CPU of one call of the other; None if the other was not measured."""
        pairs = list(zip(self.of(case, contender), self.of(case, other), strict=False))
        return spread(theirs.cost / ours.cost for ours, theirs in pairs if ours.cost) if pairs else None


# --- the tables ---------------------------------------------------------------------------------------------------


def tables(measured: Measured) -> Iterable[str]:
    for case in CASES:
        if any(run.case == case.name for run in measured.runs):
            yield from ("", f"{case.name}: {case.title}", _head(case))
            yield from (
                _line(measured, case, each) for each in measured.contenders if measured.of(case.name, each.name)
            )


def _head(case: Case) -> str:
    ratios = "".join(f"{'x ' + each:>18}" for each in COMPARED)
    delays = f"{'ms at calls/s: median':>24}{'99th':>9}{'added':>16}" if case.latency else ""
    return f"{'':20}{'requests/s':>11}{'core':>7}{'others':>8}{'CPU µs/request':>18}{ratios}{delays}   does"


def _line(measured: Measured, case: Case, contender: Contender) -> str:
    runs = measured.of(case.name, contender.name)
    core, others, idle = (
        statistics.median(each) for each in zip(*((r.core, r.others, r.idle) for r in runs), strict=True)
    )
    mark = "≥" if idle >= IDLE and contender.name != DIRECT else ""
    used = f"{core:>7.0%}{others:>8.0%}" if contender.name != DIRECT else f"{'':15}"
    rate = f"{mark}{statistics.median(run.rate for run in runs):,.0f}"
    ratios = ""
    for other in COMPARED:
        ratio = measured.ratio(case.name, contender.name, other) if contender.name != DIRECT else None
        ratios += f"{f'{ratio:.2f}' if ratio else '':>18}"
    costs = f"{measured.cost(case.name, contender.name):.0f}"
    delays = _delays([run.delay for run in runs if run.delay]) if case.latency else ""
    return f"{contender.name:20}{rate:>11}{used}{costs:>18}{ratios}{delays}   {contender.checks}"


def _delays(delays: Sequence[Delay]) -> str:
    """Medians over the rounds; what is added is the difference to direct calls at the same rate."""
    if not delays:
        return f"{'':49}"

    def middle(figure: Callable[[Delay], float]) -> float:
        return statistics.median(map(figure, delays))

    at = f"{middle(lambda each: each.median):.2f} at {middle(lambda each: each.rate):,.0f}"
    added = (middle(lambda each: each.median - each.direct_median), middle(lambda each: each.worst - each.direct_worst))
    return f"{at:>24}{middle(lambda each: each.worst):>9.2f}{f'{added[0]:+.2f} {added[1]:+.2f}':>16}"


def notes(measured: Measured) -> Iterable[str]:
    yield ""
    yield "core: how much of its core the contender used, and others of the machine; ≥ where a tenth of it was left."
    yield "x Traefik and so on: as many calls with the same CPU; in parentheses the least and the most of all rounds."
    yield "ms: at half of its own most; added: to direct calls at that rate, median and 99th percentile."
    busy = max(run.busy for run in measured.runs)
    yield f"The load generator computed {busy:.0%} of its time at most, beside the upstream on its core."
    yield f"Load average {min(measured.load):.1f} to {max(measured.load):.1f}, on {os.cpu_count()} cores."


# --- for programs -------------------------------------------------------------------------------------------------


def document(measured: Measured, settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "machine": machine(),
        "settings": settings,
        "load": list(measured.load),
        "contenders": [
            {"name": each.name, "does": each.checks, "version": each.version} for each in measured.contenders
        ],
        "runs": [asdict(run) for run in measured.runs],
    }


def machine() -> dict[str, Any]:
    cpu = "unknown"
    if (file := Path("/proc/cpuinfo")).exists():
        models = (line.partition(":")[2].strip() for line in file.read_text().splitlines() if "model name" in line)
        cpu = next(models, cpu)
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
    }
