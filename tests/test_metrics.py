from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.parser import text_string_to_metric_families

from gateway.http1 import Reason
from gateway.metrics import BUCKETS, Ending, Metrics, Outcome
from gateway.stores import base


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def total(metrics: Metrics, name: str) -> float:
    return sum(value for (sample, _), value in samples(metrics).items() if sample == name)


def test_a_call_is_counted_once_it_ended():
    metrics = Metrics()
    metrics.begun()
    assert total(metrics, "gateway_inflight_requests") == 1
    metrics.answering("j1ql", 0.001)
    metrics.ended("j1ql", Ending("POST", 403, Outcome.REFUSED, Reason.NOT_ALLOWED), 0.002)
    seen = samples(metrics)
    labels = dict(route="j1ql", method="POST", code="403", outcome="refused", reason="not_allowed")
    assert seen["gateway_requests_total", tuple(sorted(labels.items()))] == 1
    assert total(metrics, "gateway_inflight_requests") == 0
    assert total(metrics, "gateway_request_duration_seconds_count") == 1
    assert total(metrics, "gateway_overhead_seconds_count") == 1


def test_a_method_that_nobody_knows_is_no_label_of_its_own():
    metrics = Metrics()
    for method in ("BREW", "a" * 1000, ""):
        metrics.begun()
        metrics.ended("unknown", Ending(method, 405, Outcome.REFUSED, Reason.METHOD_NOT_ALLOWED), 0)
    methods = {dict(labels).get("method") for (name, labels) in samples(metrics) if name == "gateway_requests_total"}
    assert methods == {"OTHER"}


def test_the_fastest_calls_can_be_told_apart():
    metrics = Metrics()
    metrics.upstream_answered("j1ql", 0.0004)
    bounds = [
        float(dict(labels)["le"])
        for name, labels in samples(metrics)
        if name.endswith("upstream_duration_seconds_bucket")
    ]
    assert min(bounds) == 0.0005


def test_it_observes_the_stores():
    metrics = Metrics()
    observer: base.Observer = metrics
    for level in get_args(base.Level):
        for outcome in get_args(base.Outcome):
            observer.looked_up(level, outcome)
    for fault in get_args(base.RedisFault):
        observer.redis_failed(fault)
    observer.change_acknowledged(0.02)
    assert total(metrics, "gateway_change_acknowledged_seconds_count") == 1
    assert total(metrics, "gateway_key_lookups_total") == len(get_args(base.Level)) * len(get_args(base.Outcome))
    assert total(metrics, "gateway_redis_faults_total") == len(get_args(base.RedisFault))


@pytest.mark.parametrize(
    ("act", "name", "value"),
    [
        (lambda metrics: metrics.rows_checked(250), "gateway_rows_checked_total", 250),
        (lambda metrics: metrics.answer_withheld(again=True), "gateway_answers_withheld_total", 1),
        (lambda metrics: metrics.alarms(3, unwritten=0), "gateway_alarms", 3),
        (lambda metrics: metrics.refused_by_address("bad_keys"), "gateway_refused_by_address_total", 1),
        (lambda metrics: metrics.decision_unlogged(), "gateway_decisions_unlogged_total", 1),
        (lambda metrics: metrics.store_checked("sql", up=True), "gateway_store_up", 1),
        (lambda metrics: metrics.store_checked("sql", up=False), "gateway_store_up", 0),
        (lambda metrics: metrics.upstream_checked("j1ql", up=True), "gateway_upstream_up", 1),
        (lambda metrics: metrics.upstream_circuit("acme/j1ql", 0, 2), "gateway_upstream_circuit", 2),
        (lambda metrics: metrics.upstream_retried("j1ql", "sent"), "gateway_upstream_retries_total", 1),
        (lambda metrics: metrics.canary_ended("late"), "gateway_revocation_canaries_total", 1),
        (lambda metrics: metrics.revocation_acknowledged(0.02), "gateway_revocation_lag_seconds_count", 1),
        (lambda _: None, "gateway_build_info", 1),
    ],
)
def test_every_metric_can_be_read(act, name, value):
    metrics = Metrics()
    act(metrics)
    assert total(metrics, name) == value
    assert any(sample == name for sample, _ in samples(metrics))


def test_two_registries_share_nothing():
    one, other = Metrics(), Metrics()
    one.rows_checked(1)
    assert total(other, "gateway_rows_checked_total") == 0


@given(st.lists(st.floats(0, 100) | st.sampled_from(BUCKETS)), st.integers(1, 5))
def test_what_is_tallied_is_what_a_histogram_would_have_observed(seconds, every):
    metrics, registry = Metrics(), CollectorRegistry()
    expected = Histogram("gateway_upstream_duration_seconds", "", ("upstream",), registry=registry, buckets=BUCKETS)
    for number, each in enumerate(seconds):
        metrics.upstream_answered("j1ql", each)
        expected.labels("j1ql").observe(each)
        if number % every == 0:
            metrics.fold()
    ours = {name: value for (name, labels), value in samples(metrics).items() if name.endswith("_count")}
    assert ours.get("gateway_upstream_duration_seconds_count", 0) == len(seconds)
    for bound in (*map(str, BUCKETS), "+Inf"):
        labels = {"upstream": "j1ql", "le": bound}
        value = metrics.registry.get_sample_value("gateway_upstream_duration_seconds_bucket", labels)
        assert value == registry.get_sample_value("gateway_upstream_duration_seconds_bucket", labels)
    total_ = metrics.registry.get_sample_value("gateway_upstream_duration_seconds_sum", {"upstream": "j1ql"})
    assert math.isclose(total_ or 0.0, sum(seconds))


def test_reading_twice_counts_nothing_twice():
    metrics = Metrics()
    metrics.looked_up("memory", "found")
    metrics.counted("redis")
    before = samples(metrics)
    assert samples(metrics) == before
    metrics.looked_up("memory", "found")
    assert total(metrics, "gateway_key_lookups_total") == 2


WORKER = """
import json, sys
from gateway.http1 import Reason
from gateway.metrics import Ending, Metrics, Outcome
metrics = Metrics()
for _ in range(3):
    metrics.begun()
metrics.answering("j1ql", 0.001)
metrics.ended("j1ql", Ending("POST", 403, Outcome.REFUSED, Reason.NOT_ALLOWED), 0.002)
metrics.looked_up("memory", "found")
metrics.fold()
print(flush=True)
sys.stdin.read()
"""


def test_what_other_workers_told_is_read_once_they_brought_it_up_to_date(tmp_path):
    """Each worker's numbers are in files, which `prometheus_client` reads; the sum is of all of them."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", WORKER]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    workers = [subprocess.Popen(command, cwd=root, env=environment, **pipes) for _ in range(2)]
    try:
        for worker in workers:
            worker.stdout.readline()
        reader = "import json; from gateway.metrics import Metrics; print(json.dumps(Metrics().text().decode()))"
        read = subprocess.run(
            [sys.executable, "-c", reader], cwd=root, env=environment, capture_output=True, check=True
        )
    finally:
        for worker in workers:
            worker.communicate()
    families = text_string_to_metric_families(json.loads(read.stdout))
    found = {(sample.name, sample.labels.get("le")): sample.value for family in families for sample in family.samples}
    assert found["gateway_requests_total", None] == 2
    assert found["gateway_inflight_requests", None] == 4
    assert found["gateway_key_lookups_total", None] == 2
    assert found["gateway_request_duration_seconds_count", None] == 2
    assert found["gateway_request_duration_seconds_bucket", "0.001"] == 0
    assert found["gateway_request_duration_seconds_bucket", "0.0025"] == 2
