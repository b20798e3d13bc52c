"""What Prometheus may read. Every label has a closed set of values: routes have names, never paths; no key, no query.

Names and units follow the Prometheus naming practices: base units, `_total`, `_seconds`, `_info`.

What every call tells is tallied in plain numbers, and put into the metrics once a second and before they are read: the
locks, label look-ups and mapped files of the metrics themselves would cost each call ten times as much. So what another
worker tells is a second old at most, and that second is all that is lost with one that is killed.
"""

from __future__ import annotations

import os
import platform
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from gateway import __version__
from gateway.authz import State
from gateway.http1 import Reason
from gateway.http1.front import METHODS

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds. Those of OpenTelemetry's HTTP conventions begin at 5 ms, which is above what the gateway adds to a call."""


class Outcome(StrEnum):
    """How a call ended."""

    FORWARDED = "forwarded"
    """The upstream's answer was passed on."""
    NARROWED = "narrowed"
    """The upstream's answer to a narrowed query was checked and passed on."""
    ANSWERED = "answered"
    """The gateway itself answered."""
    BATCH = "batch"
    """A GraphQL array whose elements ended in several ways."""
    REFUSED = "refused"
    FAILED = "failed"
    """An upstream, a store or the gateway itself could not do its part."""
    CANCELLED = "cancelled"
    """The client left first."""


class Ending(NamedTuple):
    """How a call ended; status 0 stands for one that was never answered."""

    method: str
    status: int
    outcome: Outcome
    reason: Reason | None


AddressLimit = Literal["bad_keys", "connections"]


class _Seconds(Histogram):
    """A histogram to which many observations can be added at once."""

    def add(self, counts: Sequence[int], total: float) -> None:
        """`counts` of observations by bucket, the last for those above all bounds; `total` is their sum."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


class _Times:
    """Observations that are not in a histogram yet."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds


class _Tallies:
    """What calls told since the metrics were brought up to date."""

    def __init__(self) -> None:
        self.endings: defaultdict[tuple[str, Ending], int] = defaultdict(int)
        self.lookups: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.durations: defaultdict[str, _Times] = defaultdict(_Times)
        self.overheads: defaultdict[str, _Times] = defaultdict(_Times)
        self.upstreams: defaultdict[str, _Times] = defaultdict(_Times)


class Metrics:
    """All metrics of one process, in a registry of their own. It is the `Observer` of the stores, too."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._tallies = _Tallies()
        self._under_way = 0
        counter = partial(Counter, registry=registry)
        gauge = partial(Gauge, registry=registry)
        seconds = partial(_Seconds, registry=registry, buckets=BUCKETS)
        self._requests = counter(
            "gateway_requests",
            "Calls by how they ended; `reason` is empty unless refused or failed.",
            ("route", "method", "code", "outcome", "reason"),
        )
        self._duration = seconds(
            "gateway_request_duration_seconds",
            "From the head of a call to the end of its answer.",
            ("route",),
        )
        self._overhead = seconds(
            "gateway_overhead_seconds",
            "From the head of a call to the head of its answer, without the time spent waiting for upstreams.",
            ("route",),
        )
        self._upstream = seconds(
            "gateway_upstream_duration_seconds",
            "From sending a request upstream to the head of a streamed answer, or the end of one that is read whole.",
            ("upstream",),
        )
        self._inflight = gauge("gateway_inflight_requests", "Calls that are being served.", multiprocess_mode="livesum")
        self._lookups = counter("gateway_key_lookups", "Look-ups of keys, by level of the cache.", ("level", "outcome"))
        self._redis_faults = counter("gateway_redis_faults", "Look-ups that Redis failed and SQL answered.", ("fault",))
        self._counts = counter(
            "gateway_limit_counts",
            "Questions to counters of limits; `process`: counted here alone, as Redis is away or there is none.",
            ("where",),
        )
        self._by_address = counter(
            "gateway_refused_by_address",
            "Calls with keys that nobody knows, and connections, refused because their address had too many.",
            ("limit",),
        )
        self._rows = counter("gateway_rows_checked", "Rows held against a key's predicate.")
        self._withheld = counter(
            "gateway_answers_withheld",
            "Answers that held an object outside the predicate; `twice` in a row is an incident.",
            ("seen",),
        )
        self._capability = gauge(
            "gateway_upstream_capability",
            "Whether what is assumed of an organization's upstream was last found in this state.",
            ("organization", "capability", "state"),
            multiprocess_mode="livemax",
        )
        self._conditions = counter(
            "gateway_policy_conditions_probed",
            "Conditions of policies that an upstream was asked about; a `failed` one is an incident.",
            ("organization", "state"),
        )
        self._alarms = gauge(
            "gateway_alarms",
            "Classes of queries that are refused until an operator resets them; `unwritten`: one worker alone does.",
            ("state",),
            multiprocess_mode="livemax",
        )
        self._unlogged = counter("gateway_decisions_unlogged", "Decisions that the log had no room for.")
        self._use_rounds = counter(
            "gateway_key_use_rounds",
            "Rounds in which last uses of keys were written down.",
            ("outcome",),
        )
        self._uses_lag = gauge(
            "gateway_key_uses_lag_seconds",
            "Age of the oldest use of a key that could not be written down; 0 when all could.",
            multiprocess_mode="livemax",
        )
        self._uses_lost = counter("gateway_key_uses_lost", "Uses of keys that there was no room to remember.")
        self._revocation_lag = seconds(
            "gateway_revocation_lag_seconds",
            "From the beginning of a canary's revocation until no gateway accepts it any more, as acknowledged.",
        )
        self._canaries = counter(
            "gateway_revocation_canaries",
            "Canaries by how they ended; `late`, one that was found after its revocation, is an incident.",
            ("outcome",),
        )
        self._acknowledged = seconds(
            "gateway_change_acknowledged_seconds",
            "From the commit of a change of what keys may do until it was acknowledged; canaries are among them.",
        )
        self._expiring = gauge(
            "gateway_keys_expiring",
            "Live keys that end within so many days, as counted last; there may be more than the highest count.",
            ("within_days",),
            multiprocess_mode="livemax",
        )
        self._store_up = gauge(
            "gateway_store_up",
            "Whether a store answered last.",
            ("store",),
            multiprocess_mode="livemin",
        )
        self._upstream_up = gauge(
            "gateway_upstream_up",
            "Whether an upstream could be connected to last.",
            ("upstream",),
            multiprocess_mode="livemin",
        )
        self._circuit = gauge(
            "gateway_upstream_circuit",
            "An upstream's address, by its place in the settings' list: 0 works, 1 is being tried, 2 fails.",
            ("upstream", "address"),
            multiprocess_mode="livemax",
        )
        self._retries = counter(
            "gateway_upstream_retries",
            "Requests sent once more, or that would have been but for the budget (`over_budget`).",
            ("upstream", "outcome"),
        )
        workers = gauge("gateway_workers", "Processes that serve.", multiprocess_mode="livesum")
        workers.set(1)
        build = gauge(
            "gateway_build_info",
            "The build that runs.",
            ("version", "python"),
            multiprocess_mode="livemax",
        )
        build.labels(__version__, platform.python_version()).set(1)

    @property
    def registry(self) -> CollectorRegistry:
        """The metrics of this process, up to date."""
        self.fold()
        return self._registry

    def fold(self) -> None:
        """Brings the metrics up to date; to be done every second, and when the process ends."""
        tallies, self._tallies = self._tallies, _Tallies()
        self._inflight.set(self._under_way)
        for (route, ending), calls in tallies.endings.items():
            reason = ending.reason or ""
            self._requests.labels(route, ending.method, ending.status, ending.outcome, reason).inc(calls)
        for labels, number in tallies.lookups.items():
            self._lookups.labels(*labels).inc(number)
        for where, number in tallies.counts.items():
            self._counts.labels(where).inc(number)
        for histogram, tallied in (
            (self._duration, tallies.durations),
            (self._overhead, tallies.overheads),
            (self._upstream, tallies.upstreams),
        ):
            for label, times in tallied.items():
                histogram.labels(label).add(times.counts, times.total)

    # --- calls

    def begun(self) -> None:
        """A call came in; `ended` follows."""
        self._under_way += 1

    def ended(self, route: str, ending: Ending, seconds: float) -> None:
        """A call is over."""
        if ending.method not in METHODS:
            ending = ending._replace(method="OTHER")
        self._under_way -= 1
        tallies = self._tallies
        tallies.endings[route, ending] += 1
        tallies.durations[route].observe(seconds)

    def answering(self, route: str, overhead: float) -> None:
        """The head of an answer is ready."""
        self._tallies.overheads[route].observe(max(0.0, overhead))

    def refused_by_address(self, limit: AddressLimit) -> None:
        """A call or a connection was refused because of the address that it came from."""
        self._by_address.labels(limit).inc()

    def upstream_answered(self, upstream: str, seconds: float) -> None:
        """A request to an upstream was answered or failed."""
        self._tallies.upstreams[upstream].observe(seconds)

    # --- the check

    def rows_checked(self, count: int) -> None:
        """Rows passed the check."""
        self._rows.inc(count)

    def answer_withheld(self, *, again: bool) -> None:
        """An answer held an object outside the predicate; `again` when it did so twice in a row."""
        self._withheld.labels("twice" if again else "once").inc()

    def calibrated(self, organization: str, states: Mapping[str, State]) -> None:
        """The upstream of an organization was probed; by name of the capability or assumption."""
        for name, found in states.items():
            for state in State:
                self._capability.labels(organization, name, state.value).set(state is found)

    def condition_probed(self, organization: str, state: State) -> None:
        """An upstream was asked about the condition of a policy."""
        self._conditions.labels(organization, state.value).inc()

    def alarms(self, count: int, *, unwritten: int) -> None:
        """So many alarms are open; those that are `unwritten` no other worker can know."""
        self._alarms.labels("open").set(count)
        self._alarms.labels("unwritten").set(unwritten)

    # --- keys

    def uses_written(self, *, failed: bool, lag: float, lost: int) -> None:
        """A round of writing last uses down ended; `lag` is seconds, `lost` uses without room since the last round."""
        self._use_rounds.labels("failed" if failed else "written").inc()
        self._uses_lag.set(lag)
        self._uses_lost.inc(lost)

    def keys_expiring(self, days: int, count: int) -> None:
        """Live keys that end within so many days were counted; `days` is a setting, so there is one label."""
        self._expiring.labels(str(days)).set(count)

    # --- revocations

    def revocation_acknowledged(self, seconds: float) -> None:
        """A canary's revocation is over, so many seconds after it began."""
        self._revocation_lag.observe(seconds)

    def canary_ended(self, outcome: Literal["kept", "late", "failed"]) -> None:
        """A canary was refused after its revocation, or was not, or nobody could tell."""
        self._canaries.labels(outcome).inc()

    def change_acknowledged(self, seconds: float) -> None:
        """See `stores.Observer`."""
        self._acknowledged.observe(seconds)

    # --- stores, upstreams, log

    def looked_up(self, level: str, outcome: str) -> None:
        """See `stores.Observer`."""
        self._tallies.lookups[level, outcome] += 1

    def counted(self, where: str) -> None:
        """See `stores.Observer`."""
        self._tallies.counts[where] += 1

    def redis_failed(self, fault: str) -> None:
        """See `stores.Observer`."""
        self._redis_faults.labels(fault).inc()

    def store_checked(self, store: str, *, up: bool) -> None:
        """A store was asked for its health."""
        self._store_up.labels(store).set(up)

    def upstream_checked(self, upstream: str, *, up: bool) -> None:
        """An upstream was connected to, or could not be."""
        self._upstream_up.labels(upstream).set(up)

    def upstream_circuit(self, upstream: str, address: int, circuit: int) -> None:
        """The circuit of an upstream's address is now this one, see `proxy.addresses.Circuit`."""
        self._circuit.labels(upstream, str(address)).set(circuit)

    def upstream_retried(self, upstream: str, outcome: Literal["sent", "over_budget"]) -> None:
        """A request is sent once more, or is not because others were."""
        self._retries.labels(upstream, outcome).inc()

    def decision_unlogged(self) -> None:
        """A record was dropped."""
        self._unlogged.inc()

    def text(self) -> bytes:
        """The exposition in Prometheus's text format; of several workers all together."""
        registry = self.registry  # also where it is not read itself: what it knows is in the files then
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
