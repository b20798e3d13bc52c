"""Side by side in one run: how many calls the gateway and others carry, with how much CPU, and what they add to a call.

A fixed upstream, and in front of it, one after the other, each of

    direct                  nobody: the CPU is the upstream's
    nginx, HAProxy,         plain proxies, those that are there
    Caddy, Traefik
    aiohttp                 a plain proxy of its server and client, on asyncio's loop and on uvloop, the gateway's
    gateway, key            a call that is passed on unread for a key that may do everything
    gateway, /j1ql          a query, for such a key
    gateway, condition      a query that is narrowed (it was seen before), and the answer checked
    gateway, GraphQL        a document

Those who are measured share one core, upstream and load the others; all are started at once and take turns, in several
rounds. A call has one of 10,000 keys, drawn at random. CPU is user and system time of the contender's processes: nearly
the same whatever the load generator can do, and whatever the machine does besides. Requests a second and times of a
shared machine mean little: compare the ratios of one run. The small call is made over TLS, too, to those who
can; to the upstream all of them speak plain HTTP.

Linux alone: CPU is read from /proc, and calls are made with epoll.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from calls import CASES, Case, Way, answer
from certificate import certificate
from contenders import Contender, Secure, proxies
from distinct_keys import redis_server
from figures import DIRECT, Delay, Measured, Run, document, notes, tables
from generator import Generator, Most, Target, undisturbed
from measured_gateway import CONDITIONED, EVERYTHING, founded, made_keys, serving, with_tls, written
from picture import picture
from processes import Cores, cores, cpu_seconds, idle_seconds, pin, started

DOES = "key, expiry, policy, limits; decision log, metrics, request id"
GATEWAY = {
    "gateway, key": (Way.KEY, DOES),
    "gateway, /j1ql": (Way.QUERY, f"{DOES}; parameters in the query"),
    "gateway, condition": (Way.CONDITION, f"{DOES}; narrows the query, checks every row"),
    "gateway, GraphQL": (Way.GRAPHQL, f"{DOES}; every root field"),
}
Keys = dict[bool, list[str]]
"""By whether they have a condition."""


# --- who is there -------------------------------------------------------------------------------------------------


@contextmanager
def everybody(folder: Path, on: Cores, count: int, *, redis: bool) -> Iterator[tuple[list[Contender], Keys, Path]]:
    """Who is measured, the keys, and the certificate of them all."""
    with ExitStack() as stack:
        pid, told = stack.enter_context(started(Path(__file__).with_name("upstream.py"), on=on.others))
        port = int(told["url"].rpartition(":")[2])
        found = [Contender(DIRECT, Way.PROXIED, "the upstream's own CPU", pid, port)]
        own = certificate(folder)
        found += stack.enter_context(proxies(folder, port, on.measured, own))
        address = stack.enter_context(redis_server(folder)) if redis else None
        store = f'redis = "{address}"' if address else ""
        config = written(folder, {"url": told["url"], "account": "theirs", "credential": "theirs"}, store=store)
        keys = asyncio.run(both_kinds(config, count))
        pid, port = stack.enter_context(serving(config, on.measured))
        secure = Secure(*stack.enter_context(serving(with_tls(config, own), on.measured)))
        found += [Contender(name, way, does, pid, port, tls=secure) for name, (way, does) in GATEWAY.items()]
        yield found, keys, own


async def both_kinds(config: Path, count: int) -> Keys:
    options = await founded(config)
    return {
        False: await made_keys(options, "everything", EVERYTHING, count),
        True: await made_keys(options, "condition", CONDITIONED, count),
    }


def takes(contender: Contender, case: Case) -> bool:
    return contender.way in case.calls and (contender.tls is not None or not case.tls)


# --- one of them --------------------------------------------------------------------------------------------------


class Bench:
    """Measures one contender at a time."""

    def __init__(self, keys: Keys, certificate: Path, direct: Contender, on: Cores, seconds: float) -> None:
        self._keys = keys
        self._trusted = ssl.create_default_context(cafile=certificate)
        self._on = on
        self._direct = direct
        self._seconds = seconds
        self._requests: dict[tuple[str, Way], list[bytes]] = {}

    def run(self, number: int, case: Case, contender: Contender) -> Run:
        pid = contender.tls.pid if case.tls and contender.tls else contender.pid
        with Generator(self._target(case, contender)) as generator:
            judge(generator.first(), case, contender)
            generator.warm()
            with undisturbed():
                before, idle = cpu_seconds(pid), idle_seconds(self._on.measured)
                most = generator.most(self._seconds)
                used, idle = cpu_seconds(pid) - before, idle_seconds(self._on.measured) - idle
                delay = self._delay(generator, case, most) if case.latency and contender is not self._direct else None
        rest = idle / most.seconds
        return Run(number, case.name, contender.name, most.calls, most.seconds, used, rest, most.busy, delay)

    def _delay(self, generator: Generator, case: Case, most: Most) -> Delay:
        rate = most.calls / most.seconds / 2
        through = generator.at_rate(rate, self._seconds)
        with Generator(self._target(case, self._direct)) as direct:
            past = direct.at_rate(rate, self._seconds)
        return Delay(rate, *percentiles(through), *percentiles(past))

    def _target(self, case: Case, contender: Contender) -> Target:
        way = contender.way
        if (case.name, way) not in self._requests:
            keys = self._keys[way is Way.CONDITION][: case.keys]
            self._requests[case.name, way] = [case.calls[way].request(key) for key in keys]
        requests = self._requests[case.name, way]
        if case.tls and contender.tls:
            return Target(contender.name, contender.tls.port, requests, case.connections, self._trusted)
        return Target(contender.name, contender.port, requests, case.connections)


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """Milliseconds: the median and the 99th percentile."""
    found = sorted(seconds)
    return statistics.median(found) * 1000, found[len(found) * 99 // 100] * 1000


def judge(body: bytes, case: Case, contender: Contender) -> None:
    """The upstream's bytes; of a checked answer its rows, which are put into an envelope of the gateway's."""
    call = case.calls[contender.way]
    expected = answer("POST", call.path, call.body)
    right = body == expected
    if contender.way is Way.CONDITION:
        right = json.loads(body)["data"] == json.loads(expected)["data"]
    if not right:
        raise SystemExit(f"{contender.name} answered {body[:300]!r} to {case.name}")


# --- all of them --------------------------------------------------------------------------------------------------


def measured(chosen: argparse.Namespace) -> Measured:
    on = cores()
    pin(on.others)
    with (
        tempfile.TemporaryDirectory() as folder,
        everybody(Path(folder), on, chosen.keys, redis=chosen.redis) as (contenders, keys, own),
    ):
        wanted = [each for each in contenders if not chosen.only or each.name.startswith(tuple(chosen.only))]
        bench = Bench(keys, own, contenders[0], on, chosen.seconds)
        runs, load = [], []
        for number in range(chosen.rounds):
            for case in (each for each in CASES if each.name in chosen.cases):
                runs += [bench.run(number, case, each) for each in wanted if takes(each, case)]
            load.append(os.getloadavg()[0])
            say(f"round {number + 1} of {chosen.rounds}, load average {load[-1]:.1f}")
    return Measured(wanted, runs, load)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How much the gateway costs, and others.")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keys", type=int, default=10_000, help="of each kind")
    parser.add_argument("--redis", action="store_true", help="keys in Redis too, and limits counted there")
    parser.add_argument("--cases", nargs="+", default=[each.name for each in CASES], help="of %(default)s")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="contenders whose names begin like this")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where all figures go")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="where an SVG goes")
    return parser.parse_args()


def main() -> None:
    if sys.platform != "linux":
        raise SystemExit("this needs Linux: CPU is read from /proc, and calls are made with epoll")
    chosen = arguments()
    found = measured(chosen)
    for line in (*tables(found), *notes(found)):
        say(line)
    if chosen.json:
        settings = {"seconds": chosen.seconds, "rounds": chosen.rounds, "keys": chosen.keys, "redis": chosen.redis}
        chosen.json.write_text(json.dumps(document(found, settings), indent=1) + "\n")
    if chosen.picture:
        chosen.picture.write_text(picture(found))


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
