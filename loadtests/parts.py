"""What each call pays beside its way: CPU microseconds of the parts that count, remember and tell, each by itself.

Of this process alone, the thread of the decision log included; the best of several rounds, because others on the
machine only ever add. `hot` is one key that is called all the time, `slow` many keys in turn, each of them once in two
seconds: nothing that is kept for a moment helps those. Limits are of every kind one, and none is reached.

Then how long the garbage collector holds up everything while that many keys are in memory, without and with what a
gateway does about it at its start, see `gateway.app.garbage`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from gateway.app.garbage import kept_aside
from gateway.authz.outcome import Grounds
from gateway.keys import CallLimits, Identity, Kind, Period, Principal, Quota, Rate
from gateway.metrics import Ending, Metrics, Outcome
from gateway.policy import Policy, parse
from gateway.proxy import DecisionLog, DecisionOptions, Identities, IdentityOptions, Limiter, LimitOptions
from gateway.proxy.charging import Charge, Charges
from gateway.proxy.trace import Trace
from gateway.proxy.uses import Uses

NOW = 1_800_000_000_000
"""Milliseconds since the epoch."""
BETWEEN = 2.0
"""Seconds between two calls of a slow key."""
KEY = CallLimits(Rate(6_000_000, 60), Quota(1_000_000_000, Period.DAY), 100)
ORGANIZATION = CallLimits(Rate(60_000_000, 60), Quota(1_000_000_000, Period.DAY), 1_000)
ONE = Charges(1, 1)
GROUNDS = Grounds("query:ReadGraphData", "*", ("permissions[0]",))


@dataclass(frozen=True, slots=True)
class Sizes:
    keys: int
    calls: int
    rounds: int


def principals(count: int) -> list[Principal]:
    policy = Policy(())
    return [
        Principal(f"key-{number}", 1, f"key {number}", Identity(f"id-{number}", Kind.ACCOUNT, "acme"), policy, None)
        for number in range(count)
    ]


def ended(number: int, principal: Principal) -> Trace:
    """A call that was passed on."""
    trace = Trace(f"{number:032x}", "POST")
    trace.route = "j1ql"
    trace.principal = principal
    trace.grounds = GROUNDS
    trace.outcome = Outcome.FORWARDED
    trace.status = 200
    trace.upstream_seconds = 0.00123
    return trace


# --- the parts ----------------------------------------------------------------------------------------------------


def cpu(work: Callable[[], object], calls: int) -> float:
    """Microseconds a call, of all threads."""
    began = time.process_time_ns()
    work()
    return (time.process_time_ns() - began) / 1000 / calls


def of_traces(sizes: Sizes) -> float:
    who = principals(1)[0]

    def work() -> None:
        for number in range(sizes.calls):
            ended(number, who).elapsed()

    return cpu(work, sizes.calls)


def of_metrics(sizes: Sizes) -> float:
    """All that one call tells, and a scrape at the end of so many."""
    metrics = Metrics()

    def work() -> None:
        for _ in range(sizes.calls):
            metrics.begun()
            metrics.looked_up("memory", "found")
            metrics.upstream_answered("j1ql", 0.00123)
            metrics.answering("j1ql", 0.00012)
            metrics.ended("j1ql", Ending("POST", 200, Outcome.FORWARDED, None), 0.0014)
        metrics.text()

    return cpu(work, sizes.calls)


def of_log(sizes: Sizes) -> float:
    """Until all of it is in the file, as many waiting at once as a busy second leaves behind."""
    trace = ended(1, principals(1)[0])

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            options = DecisionOptions(path=Path(folder) / "decisions.jsonl", room=sizes.calls)
            with DecisionLog(options) as log:
                for number in range(sizes.calls):
                    log.write(trace, NOW + number)
                    if number % 100 == 0:  # else the thread never gets a turn
                        time.sleep(0.001)

    return cpu(work, sizes.calls)


def of_uses(sizes: Sizes) -> float:
    uses = Uses()
    traces = [ended(1, who) for who in principals(sizes.keys)]

    def work() -> None:
        for number in range(sizes.calls):
            uses.note(traces[number % sizes.keys], NOW)

    return cpu(work, sizes.calls)


def of_identity(sizes: Sizes, *, keys: int, reuse: int) -> float:
    identities = Identities(IdentityOptions("s" * 32, kept=sizes.keys, reuse=reuse))
    everyone = principals(keys)

    def work() -> None:
        for number in range(sizes.calls):
            identities.token(everyone[number % keys], NOW)

    return cpu(work, sizes.calls)


async def of_limits(sizes: Sizes, *, keys: int) -> float:
    """The last of some turns in which every key is called once; with what is given back every second."""
    clock = [0.0]
    options = LimitOptions(KEY, ORGANIZATION, room=2 * sizes.keys)
    limiter = Limiter(options, timer=lambda: clock[0], now=lambda: NOW)
    everyone = principals(keys)

    async def calls(first: int, count: int) -> None:
        for number in range(first, first + count):
            before = int(clock[0])
            clock[0] += BETWEEN / sizes.keys
            charge = limiter.charge(everyone[number % keys], ONE)
            if await charge.make() is not None or not charge.headers():
                raise SystemExit("a limit was reached that is not there")
            charge.leave()
            if int(clock[0]) > before:
                await limiter.tidy()

    await calls(0, 3 * sizes.keys)
    began = time.process_time_ns()
    await calls(3 * sizes.keys, sizes.calls)
    return (time.process_time_ns() - began) / 1000 / sizes.calls


def parts(sizes: Sizes) -> dict[str, Callable[[], float | Awaitable[float]]]:
    return {
        "trace": lambda: of_traces(sizes),
        "metrics": lambda: of_metrics(sizes),
        "decision log": lambda: of_log(sizes),
        "last uses": lambda: of_uses(sizes),
        "identity token, hot": lambda: of_identity(sizes, keys=1, reuse=30),
        "identity token, signed each time": lambda: of_identity(sizes, keys=sizes.keys, reuse=0),
        "limits, hot": lambda: of_limits(sizes, keys=1),
        "limits, slow": lambda: of_limits(sizes, keys=sizes.keys),
    }


async def measured(sizes: Sizes) -> dict[str, float]:
    """Of each part the best round; in turns, so that a bad moment of the machine hits one round of each."""
    best: dict[str, float] = {}
    for _ in range(sizes.rounds):
        for name, part in parts(sizes).items():
            found = part()
            cost = found if isinstance(found, float) else await found
            best[name] = min(cost, best.get(name, cost))
    return best


# --- the garbage collector ----------------------------------------------------------------------------------------

STATEMENT = {
    "effect": "ALLOW",
    "actions": ["query:ReadGraphData"],
    "resources": ["*"],
    "condition": {"stringEquals": {"_type": "github_repo"}},
}
UNDER_WAY = 100
"""Calls."""
FAILING = 10
"""Each so many calls, one leaves a cycle behind."""


class Pauses:
    """What the collector did, and for how long; milliseconds by generation. To be put into `gc.callbacks`."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []
        self._began = 0.0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.seen.append((info["generation"], (time.perf_counter() - self._began) * 1000))

    def __str__(self) -> str:
        """Of each generation how many collections, and the longest."""
        told = []
        for generation in range(3):
            found = [pause for which, pause in self.seen if which == generation]
            told.append(f"{len(found):>6}{max(found, default=0.0):>8.1f}")
        return "".join(told) + f"{sum(pause for _, pause in self.seen):>10.0f}"


async def paused(sizes: Sizes, aside: AbstractContextManager[None]) -> Pauses:
    """While all keys come in, and then call."""
    text = json.dumps({"permissions": [STATEMENT]})
    pauses = Pauses()
    with aside:
        gc.callbacks.insert(0, pauses)
        everyone = [structs.replace(each, policy=parse(text)) for each in principals(sizes.keys)]
        limiter = Limiter(LimitOptions(KEY, ORGANIZATION, room=2 * sizes.keys))
        under_way: deque[tuple[Trace, Charge]] = deque()
        for number in range(sizes.calls):
            who = everyone[number % sizes.keys]
            charge = limiter.charge(who, ONE)
            await charge.make()
            under_way.append((ended(number, who), charge))
            if len(under_way) > UNDER_WAY:
                under_way.popleft()[1].leave()
            if number % FAILING == 0:
                failed()
        gc.callbacks.remove(pauses)
    return pauses


def failed() -> None:
    """Leaves a cycle behind: an exception that is held by a frame that its traceback holds."""
    try:
        int("")
    except ValueError as fault:
        kept = fault  # noqa: F841


def main() -> None:
    parser = argparse.ArgumentParser(description="What each call pays beside its way.")
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=50_000, help="of each part, in each round")
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    sizes = Sizes(chosen.keys, chosen.calls, chosen.rounds)
    print(f"{sizes.keys:,} keys, best of {sizes.rounds} rounds; CPU µs a call", flush=True)
    for name, cost in asyncio.run(measured(sizes)).items():
        print(f"  {name:34}{cost:>8.2f}")
    print("Collections by generation, how many and the longest, ms; and all of them together, ms")
    print(f"  {'':34}{'young':>14}{'middle':>14}{'full':>14}{'all':>10}")
    for name, aside in (("as Python does it", nullcontext()), ("as the gateway does it", kept_aside())):
        print(f"  {name:34}{asyncio.run(paused(sizes, aside))}", flush=True)


if __name__ == "__main__":
    main()
