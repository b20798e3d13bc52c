"""The sample rules for Prometheus: of metrics that there are, with labels and values that these have."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from deploy.composing import read
from prometheus_client import Counter, Histogram

from gateway import metrics, stores
from gateway.authz import State
from gateway.metrics import Metrics

RULES = [rule for group in read("alerts.yaml")["groups"] for rule in group["rules"]]
PROMETHEUS_OWN = {"up": {"job", "instance"}}
SELECTOR = re.compile(r"(?<![\w{])(up|gateway_\w+)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
VALUES = {
    "gateway_requests_total": {"outcome": set(metrics.Outcome)},
    "gateway_key_lookups_total": {"level": set(get_args(stores.Level)), "outcome": set(get_args(stores.Outcome))},
    "gateway_redis_faults_total": {"fault": set(get_args(stores.RedisFault))},
    "gateway_answers_withheld_total": {"seen": {"once", "twice"}},
    "gateway_alarms": {"state": {"open", "unwritten"}},
    "gateway_upstream_capability": {"state": set(State)},
    "gateway_policy_conditions_probed_total": {"state": set(State)},
    "gateway_store_up": {"store": {"sql", "redis"}},
}
SEVERITIES = {"page", "ticket"}


def exposed():
    """By the name of a sample, the labels that it may have."""
    known = dict(PROMETHEUS_OWN)
    for metric in Metrics().registry._collector_to_names:
        labels = {*metric._labelnames, "instance", "job"}
        if isinstance(metric, Histogram):
            known |= {f"{metric._name}{end}": labels | {"le"} for end in ("_bucket", "_sum", "_count")}
        else:
            known[f"{metric._name}_total" if isinstance(metric, Counter) else metric._name] = labels
    return known


EXPOSED = exposed()


def faults(expression):
    found = []
    for name, matchers in SELECTOR.findall(expression):
        if name not in EXPOSED:
            found.append(f"there is no {name}")
            continue
        for label, _, value in MATCHER.findall(matchers):
            if label not in EXPOSED[name]:
                found.append(f"{name} has no {label}")
            elif value not in VALUES.get(name, {}).get(label, {value}):
                found.append(f"{label} of {name} is never {value}")
    return found


def test_what_is_exposed_is_what_is_known_here():
    text = Metrics().text().decode()
    names = {line.split("{")[0].split()[0] for line in text.splitlines() if not line.startswith("#")}
    assert {name for name in names if not name.endswith("_created")} <= EXPOSED.keys()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_is_about_metrics_that_there_are(rule):
    assert faults(rule["expr"]) == []
    assert re.search(r"\b(up|gateway_\w+)", rule["expr"])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_has_the_members_that_prometheus_knows_and_tells_labels_that_are_left(rule):
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["annotations"]["summary"]
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
    told = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    kept = re.findall(r"sum(?: by \(([^)]*)\))?", rule["expr"])
    if kept:
        assert told <= set(kept[0].split(", "))
    else:
        assert all(told <= EXPOSED[name] for name, _ in SELECTOR.findall(rule["expr"]))


def test_no_two_rules_have_one_name():
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(
    "wrong",
    [
        "gateway_requests > 0",
        'gateway_store_up{store="disk"} == 0',
        'gateway_workers{route="/j1ql"} < 2',
        "histogram_quantile(0.9, gateway_overhead_seconds) > 1",
    ],
)
def test_what_is_wrong_with_a_rule_is_noticed(wrong):
    assert len(faults(wrong)) == 1
