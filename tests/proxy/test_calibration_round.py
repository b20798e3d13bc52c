"""A calibration over the wire: the sandbox as the upstream, with its faults; what is planted is removed again."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import jwt
import pytest

from calibration.interview import company
from gateway.authz.calibration import EXAMPLES, PROBES, Silent, canary
from gateway.authz.calibration.asking import rows as rows_of
from gateway.authz.capabilities import State
from gateway.authz.outcome import Upstream
from gateway.metrics import Metrics
from gateway.proxy import (
    Asker,
    AskingOptions,
    Binding,
    CalibrationOptions,
    Identities,
    IdentityOptions,
    Service,
    Upstreams,
    calibrated,
    own_lines,
)
from gateway.sandbox.faults import Fault, Faults, Kind
from gateway.sandbox.queries import Serving
from gateway.sandbox.server import Options, Running, running, wall_clock

SECRET = "an identity secret of 32 bytes or more"
OPTIONS = CalibrationOptions(AskingOptions(pause=0, question_seconds=30))
HOUR = canary.LEFT_AFTER


@dataclass
class Bench:
    upstream: Running
    asker: Asker

    async def calibrate(self, now: int | None = None, **options):
        chosen = replace(OPTIONS, **options)
        return await calibrated(self.asker, chosen, secrets.token_bytes, wall_clock() if now is None else now)

    def canaries(self) -> list[str]:
        """What is left in graph and account."""
        graph, account = self.upstream.graph, self.upstream.account
        objects = [each.get("_key") for each in (*graph.entities, *graph.relationships)]
        return [name for name in (*objects, *account.parameters) if "canary" in name]

    @property
    def faults(self) -> Faults:
        return self.upstream.faults


@asynccontextmanager
async def opened(serving: Serving | None = None) -> AsyncIterator[Bench]:
    options = Options() if serving is None else Options(serving=serving)
    async with running(options, company()) as upstream, Upstreams() as sender:
        binding = Binding(
            j1ql=Service.at(f"{upstream.url}/j1ql"),
            graphql=Service.at(f"{upstream.url}/graphql"),
            persister=Service.at(upstream.url),
            account=options.account,
            credential=options.credential,
        )
        identities = Identities(IdentityOptions(SECRET))
        lines = own_lines("acme", binding, sender, Metrics(), identities, lambda: "call", wall_clock)
        yield Bench(upstream, Asker(lines, OPTIONS.asking))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with opened() as bench:
        yield bench


def states(done, state: State) -> set[str]:
    return {name for name, finding in done.findings.items() if finding.state is state}


async def test_with_canaries_everything_is_seen_and_nothing_is_left(bench):
    done = await bench.calibrate(write=True)
    assert states(done, State.VERIFIED) == set(PROBES)
    assert done.asked == len(bench.upstream.received.calls)
    assert not bench.canaries()


async def test_without_them_nothing_is_written(bench):
    done = await bench.calibrate()
    assert "limit_after_where" in states(done, State.VERIFIED)
    assert {(call.method, call.path) for call in bench.upstream.received.calls} == {
        ("POST", "/j1ql"),
        ("POST", "/j1ql/validate"),
    }


async def test_it_asks_by_the_gateways_own_credential_and_as_nobody_else(bench):
    await bench.calibrate()
    for call in bench.upstream.received.calls:
        headers = dict(call.headers)
        assert headers["authorization"] == f"Bearer {bench.upstream.options.credential}"
        claims = jwt.decode(headers["gateway-identity"], SECRET, ["HS256"])
        assert (claims["sub"], claims["key"], claims["org"], claims["kind"]) == ("gateway", "", "acme", "gateway")


async def test_every_flag_of_its_queries_is_set(bench):
    await bench.calibrate()
    bodies = [json.loads(call.body) for call in bench.upstream.received.calls if call.path == "/j1ql"]
    assert all(body["includeDeleted"] is False and body["deferredResponse"] == "DISABLED" for body in bodies)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_upstream_that_is_away_has_failed_nothing(bench, status):
    bench.faults.inject(Fault(Kind.STATUS, "/j1ql", status=status, times=10_000))
    done = await bench.calibrate(write=True)
    assert states(done, State.UNWITNESSED) == set(PROBES)
    assert not any(finding.heard for finding in done.findings.values())
    assert not bench.canaries()


async def test_one_answer_that_does_not_come_ends_one_probe(bench):
    """Others go on, and what was not answered is no failure."""
    before = await bench.calibrate()
    queries = [call for call in bench.upstream.received.calls if call.path == "/j1ql"]
    asked = next(number for number, call in enumerate(queries) if b"THAT !" in call.body)
    bench.faults.inject(Fault(Kind.STATUS, "/j1ql", skip=asked))
    done = await bench.calibrate()
    assert done.findings["negation_binds"].state is State.UNWITNESSED
    assert states(before, State.VERIFIED) - states(done, State.VERIFIED) == {"negation_binds"}


async def test_the_time_of_a_round_is_bounded_and_what_was_planted_is_removed_after_it(bench):
    bench.faults.inject(Fault(Kind.STALL, "/j1ql", seconds=0.2, times=10_000))
    done = await bench.calibrate(write=True, round_seconds=0.1)
    assert all(finding.state is State.UNWITNESSED for finding in done.findings.values())
    assert not bench.canaries()


async def test_a_calibration_that_is_broken_off_leaves_nothing(bench):
    task = asyncio.ensure_future(bench.calibrate(write=True))
    while not bench.canaries():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not bench.canaries()


async def test_what_a_killed_one_left_behind_is_removed_by_a_later_one_but_not_that_of_one_that_goes_on(bench, caplog):
    now = wall_clock()
    await plant(bench, "aaaa", now - HOUR - 1)
    await plant(bench, "bbbb", now - HOUR + 60_000)
    assert len(bench.canaries()) > 100
    done = await bench.calibrate(now, write=True)
    assert "paths_are_matches" in states(done, State.VERIFIED)
    assert not [name for name in bench.canaries() if "aaaa" in name]
    assert [name for name in bench.canaries() if "bbbb" in name]
    assert "run aaaa" in caplog.text


async def plant(bench: Bench, run: str, now: int) -> None:
    """As a process does that is killed then."""
    ask, jobs = bench.asker.command, "/persister/synchronization/jobs"
    job = (await ask(Upstream.PERSISTER, "POST", jobs, canary.job_of(canary.scope(run))))["job"]["id"]
    for path, body in canary.uploads(run, now):
        await ask(Upstream.PERSISTER, "POST", f"{jobs}/{job}/{path}", body)
    await ask(Upstream.PERSISTER, "POST", f"{jobs}/{job}/finalize", {})


async def test_objects_that_look_like_canaries_of_many_runs_are_no_work_without_end(bench, caplog):
    """They are somebody else's, of another scope, so that they stay."""
    known = {"_type": canary.TYPE, "_class": canary.CLASS, "canaryMade": 0}
    named = (f"{number:04x}" for number in range(15))
    forged = [known | {"_key": f"forged-{run}", "canaryScope": canary.scope(run)} for run in named]
    ask, jobs = bench.asker.command, "/persister/synchronization/jobs"
    job = (await ask(Upstream.PERSISTER, "POST", jobs, canary.job_of("another")))["job"]["id"]
    await ask(Upstream.PERSISTER, "POST", f"{jobs}/{job}/entities", {"entities": forged})
    await ask(Upstream.PERSISTER, "POST", f"{jobs}/{job}/finalize", {})
    done = await bench.calibrate(write=True)
    assert states(done, State.VERIFIED) == set(PROBES)
    assert caplog.text.count("of an earlier calibration are removed") == 10
    assert len([each for each in bench.upstream.graph.entities if "forged" in str(each.get("_key"))]) == 15
    assert not bench.canaries()


async def test_answers_without_an_end_end_the_question(bench):
    """What is read of them is bounded, and it is no answer."""
    rows = [{"id": "x" * 1_000_000} for _ in range(6)]
    body = json.dumps({"type": "table", "data": rows, "cursor": "on"})
    bench.faults.inject(Fault(Kind.STATUS, "/j1ql", status=200, body=body, times=10_000))
    with pytest.raises(Silent, match="bytes"):
        await bench.asker.converse(rows_of("FIND *"))
    assert len(bench.upstream.received.calls) < 10


async def test_what_cannot_be_removed_is_told(bench, caplog):
    with caplog.at_level(logging.ERROR):
        bench.faults.inject(Fault(Kind.STATUS, "/persister/synchronization/jobs", skip=1, times=9))
        await bench.calibrate(write=True)
    assert "could not be removed" in caplog.text


async def test_two_at_once_do_not_disturb_each_other(bench):
    both = await asyncio.gather(bench.calibrate(write=True), bench.calibrate(write=True))
    assert [states(done, State.VERIFIED) for done in both] == [set(PROBES)] * 2
    assert not bench.canaries()


async def test_what_the_parser_does_not_take_is_not_asked(bench):
    """As a platform without smart classes would answer."""
    told = [{"query": query, "valid": name != "smart_class_binds"} for name, query in EXAMPLES.items()]
    headers = {"Content-Type": "application/json"}
    bench.faults.inject(Fault(Kind.STATUS, "/j1ql/validate", status=200, headers=headers, body=json.dumps(told)))
    done = await bench.calibrate(write=True)
    assert done.findings["smart_class_binds"].why == "the upstream's parser does not take it"
    assert states(done, State.VERIFIED) == set(PROBES) - {"smart_class_binds"}
    assert not [call for call in bench.upstream.received.calls if call.path == "/j1ql" and b"FIND #" in call.body]
