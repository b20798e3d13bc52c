"""The gateway under the load of `locustfile.py`: first more and more of it, then the same for long. `make load`.

    ramp    more users step by step, until more of them no longer get more done: calls a second, latency, failures, and
            who was full then: the gateway's cores, or who makes the load (then the gateway could do more). In front of
            an upstream with fixed answers, because the sandbox would be full before the gateway is; waits are a tenth
            of those of real callers, so that few users make much load
    soak    all kinds of users in front of the sandbox: memory, descriptors and threads of all processes of the gateway
            are watched; they must not grow after the warm-up, and descriptors must be back when the users have gone

Any failure that a user sees, and any growth, ends in exit status 1. A refusal that a user had to get is none. Linux
alone: processes are watched in /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from installation import Installation, Wanted, installed
from processes import Cores, cores, cpu_seconds, pin
from watching import DESCRIPTORS, Holding, growths, holding

STEPS = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
"""Users."""
MORE = 1.05
"""Steps that get less than this times the most of all before them show that something is full."""
FULL = 0.85
"""The part of its cores that a process uses at least when it is full."""
SETTLING = 1.0
"""Seconds after a step has begun in which nothing is measured: users come one by one."""
RAMP_PACE, SOAK_PACE = 0.1, 0.25
OVERLOADED = ": 503 "
"""What a call may be answered on a ramp, which ends where there is too much to do; not in a soak."""
READINGS = 20
"""In one soak."""
LEAVING = 20.0
"""Seconds that connections may take to close when the users have gone."""


# --- the users, in a process of their own -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """What users got in some seconds. `busy` is the part of its core that their process used; times are ms."""

    users: int
    seconds: float
    busy: float
    times: Mapping[str, Counter[float]]
    failures: Mapping[str, int]

    @property
    def calls(self) -> int:
        return sum(each.total() for each in self.times.values())

    @property
    def rate(self) -> float:
        return self.calls / self.seconds

    def percentile(self, part: float) -> float:
        return percentile(sum(self.times.values(), Counter()), part)


def percentile(times: Counter[float], part: float) -> float:
    """The least time within which such a part of all calls ended; 0 where there were none."""
    left = part * times.total()
    for each in sorted(times):
        left -= times[each]
        if left <= 0:
            return each
    return 0.0


class Users:
    """They are there while `driven` is."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def step(self, users: int, seconds: float, settle: float = SETTLING) -> Step:
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101, PT018
        print(json.dumps({"users": users, "seconds": seconds, "settle": settle}), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the users have died")
        told = json.loads(line)
        times = {name: Counter({int(k) / 10: v for k, v in each.items()}) for name, each in told["times"].items()}
        return Step(told["users"], told["seconds"], told["busy"], times, told["failures"])


@contextmanager
def driven(on: Installation, *, pace: float, fixed: bool) -> Iterator[Users]:
    environment = os.environ | {"GATEWAY_LOAD_FILE": str(on.told), "GATEWAY_LOAD_PACE": str(pace)}
    words = [sys.executable, Path(__file__).with_name("driving.py"), *(["--fixed"] if fixed else [])]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield Users(process)
        finally:
            process.terminate()


# --- the ramp -----------------------------------------------------------------------------------------------------


def grew(rates: Sequence[float]) -> bool:
    """Whether one of the last two steps got more done than all before them: a single one may have had bad luck."""
    return len(rates) < 3 or max(rates[-2:]) >= MORE * max(rates[:-2])  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class Rung:
    """A step of the ramp; `cores` is how many the gateway used."""

    step: Step
    cores: float

    def __str__(self) -> str:
        step = self.step
        cost = self.cores * step.seconds / step.calls * 1e6 if step.calls else 0.0
        return (
            f"{step.users:>6}{step.rate:>9,.0f}{step.percentile(0.5):>11.1f}{step.percentile(0.99):>9.1f}"
            f"{sum(step.failures.values()):>8}{cost:>13.0f}{self.cores:>9.2f}{step.busy:>7.2f}"
        )


def ramp(folder: Path, wanted: Wanted, chosen: argparse.Namespace) -> bool:
    """Whether nobody saw a failure."""
    say(f"ramp: {wanted.workers} worker(s), {'a fixed upstream' if wanted.fixed else 'the sandbox'}")
    head = f"{'users':>6}{'calls/s':>9}{'median ms':>11}{'p99 ms':>9}{'failed':>8}"
    say(f"{head}{'CPU µs/call':>13}{'gateway':>9}{'load':>7}")
    rungs: list[Rung] = []
    failures = Counter[str]()
    with installed(folder, wanted) as on, driven(on, pace=RAMP_PACE, fixed=wanted.fixed) as users:
        for count in (each for each in STEPS if each <= chosen.most_users):
            failures.update(users.step(count, 0).failures)
            before = cpu_seconds(on.gateway)
            step = users.step(count, chosen.ramp_seconds, settle=0)
            rungs.append(Rung(step, (cpu_seconds(on.gateway) - before) / step.seconds))
            failures.update(step.failures)
            say(str(rungs[-1]))
            if not grew([each.step.rate for each in rungs]):
                break
        tell_log(on)
    tell_best(rungs, wanted.workers)
    return told_failures(failures, but=OVERLOADED)


def tell_best(rungs: Sequence[Rung], workers: int) -> None:
    best = max(rungs, key=lambda each: each.step.rate)
    say(f"of the {best.step.users} users' calls:")
    tell_by_name(best.step.times)
    end = (
        "the ramp ended before more users got no more done" if grew([each.step.rate for each in rungs]) else "saturated"
    )
    say(f"{end}: {best.step.rate:,.0f} calls/s at best")
    say(full(best.cores, workers, best.step.busy))


def full(gateway: float, workers: int, load: float) -> str:
    """Who was full, from how many cores the gateway used and what part of its core the users' process did."""
    if load >= FULL:
        return "the users' process was full: the gateway could do more, see `CPU µs/call`"
    if gateway >= FULL * workers:
        return "the gateway was full: its workers used their cores"
    return "neither the gateway nor the users' process was full: the upstream or the machine was, or users waited"


# --- the soak -----------------------------------------------------------------------------------------------------


def soak(folder: Path, wanted: Wanted, chosen: argparse.Namespace) -> bool:
    """Whether nobody saw a failure and nothing grew."""
    say(
        f"soak: {wanted.workers} worker(s), {'a fixed upstream' if wanted.fixed else 'the sandbox'}, "
        f"{chosen.users} users, {chosen.soak_seconds:g} s"
    )
    say(
        f"{'s':>7}{'calls/s':>9}{'p99 ms':>9}{'failed':>8}{'processes':>11}{'PSS MB':>9}{'RSS MB':>9}{'files':>7}"
        f"{'threads':>9}{'upstream PSS':>14}"
    )
    readings, failures, times = [], Counter[str](), dict[str, Counter[float]]()
    with installed(folder, wanted) as on, driven(on, pace=SOAK_PACE, fixed=wanted.fixed) as users:
        first, began = holding(on.gateway), time.monotonic()
        for _ in range(READINGS):
            step = users.step(chosen.users, chosen.soak_seconds / READINGS, settle=0)
            readings.append(holding(on.gateway))
            failures.update(step.failures)
            for name, each in step.times.items():
                times.setdefault(name, Counter()).update(each)
            say(_watched(time.monotonic() - began, step, readings[-1], holding(on.upstream).pss))
        failures.update(users.step(0, 0, settle=0).failures)
        left = emptied(on.gateway, first)
        tell_log(on)
    tell_by_name(times)
    found = list(growths(readings))
    for growth in found:
        say(str(growth))
    back = left.descriptors <= first.descriptors + DESCRIPTORS * left.processes
    say(
        f"descriptors before the users came: {first.descriptors}; after they went: {left.descriptors}: "
        f"{'closed' if back else 'LEFT OPEN'}"
    )
    return told_failures(failures) and back and all(each.bounded for each in found)


def _watched(seconds: float, step: Step, now: Holding, upstream: float) -> str:
    return (
        f"{seconds:>7.0f}{step.rate:>9,.0f}{step.percentile(0.99):>9.1f}{sum(step.failures.values()):>8}"
        f"{now.processes:>11}{now.pss:>9.1f}{now.rss:>9.1f}{now.descriptors:>7}{now.threads:>9}{upstream:>14.1f}"
    )


def emptied(pid: int, first: Holding) -> Holding:
    """What is held once connections are closed, or when the time for that is over."""
    end = time.monotonic() + LEAVING
    while (now := holding(pid)).descriptors > first.descriptors + DESCRIPTORS and time.monotonic() < end:
        time.sleep(0.5)
    return now


# --- both ---------------------------------------------------------------------------------------------------------


def tell_by_name(times: Mapping[str, Counter[float]]) -> None:
    say(f"{'':34}{'calls':>9}{'median ms':>11}{'p99 ms':>9}{'longest':>9}")
    for name, each in sorted(times.items()):
        three = f"{percentile(each, 0.5):>11.1f}{percentile(each, 0.99):>9.1f}{max(each):>9.1f}"
        say(f"{name:34}{each.total():>9,}{three}")


def told_failures(failures: Counter[str], *, but: str | None = None) -> bool:
    """Whether there was none, apart from those that hold `but`."""
    for fault, count in failures.most_common():
        say(f"{'turned away' if but and but in fault else 'FAILED'} {count} x {fault}")
    if not failures:
        say("no failure")
    return all(but is not None and but in fault for fault in failures)


def tell_log(on: Installation) -> None:
    """What the gateway said beside that it serves: under load nothing should be worth it."""
    said = on.log.read_text().splitlines()[1:]
    for line in said[:20]:
        say(f"the gateway said: {line}")
    if len(said) > 20:  # noqa: PLR2004
        say(f"… and {len(said) - 20} lines more")


def placed(workers: int) -> Cores:
    """A core for each worker and the rest for everybody else; where there is no rest, all share all."""
    on = cores()
    every = sorted(on.measured | on.others)
    if len(every) <= workers:
        return Cores(frozenset(), frozenset())
    return Cores(frozenset(every[:workers]), frozenset(every[workers:]))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The gateway under load.")
    parser.add_argument("--only", choices=("ramp", "soak"), help="both unless told otherwise")
    parser.add_argument("--workers", type=int, nargs="+", default=[1], help="a ramp for each, the soak for the first")
    parser.add_argument("--upstream", choices=("fixed", "sandbox"), help="ramp: fixed, soak: sandbox")
    parser.add_argument("--keys", type=int, default=1000, help="of readers, and as many restricted ones")
    parser.add_argument("--ramp-seconds", type=float, default=5.0, help="of each step")
    parser.add_argument("--most-users", type=int, default=STEPS[-1], help="at which the ramp ends in any case")
    seconds = float(os.environ.get("GATEWAY_SOAK_SECONDS", "120"))
    parser.add_argument("--soak-seconds", type=float, default=seconds, help="or GATEWAY_SOAK_SECONDS")
    parser.add_argument("--users", type=int, default=25, help="of the soak: as many as the sandbox can serve")
    return parser.parse_args()


def main() -> None:
    if sys.platform != "linux":
        raise SystemExit("this needs Linux: processes are watched in /proc")
    chosen, well = arguments(), True
    plan = [(ramp, count, "fixed") for count in chosen.workers] if chosen.only != "soak" else []
    plan += [(soak, chosen.workers[0], "sandbox")] if chosen.only != "ramp" else []
    for run, workers, upstream in plan:
        on = placed(workers)
        pin(on.others)
        fixed = (chosen.upstream or upstream) == "fixed"
        wanted = Wanted(workers, chosen.keys, fixed, gateway_cores=on.measured, other_cores=on.others)
        with tempfile.TemporaryDirectory() as folder:
            well &= run(Path(folder), wanted, chosen)
        say("")
    sys.exit(not well)


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
