"""The page about outages of upstreams cannot rot: every test, metric and setting that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.metrics import Metrics
from gateway.settings import Settings, fields

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "gateway" / "proxy" / "OUTAGES.md").read_text()
ROWS = [re.split(r" \| ", line.strip("| ")) for line in PAGE.splitlines() if line.startswith("|")]


def test_every_row_is_whole_and_names_tests_that_there_are():
    text = "\n".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"^ *(?:async )?def (test_\w+)\(", text, re.MULTILINE))
    head, _, *rows = ROWS
    assert len(rows) > 5
    for row in rows:
        assert len(row) == len(head), row
        assert re.fullmatch(r"`test_\w+`(, `test_\w+`)*", row[-1]), row
        assert set(re.findall(r"`(test_\w+)`", row[-1])) <= there, row


def test_every_metric_and_setting_that_is_named_is_there():
    samples = {metric.name for metric in Metrics().registry.collect()}
    metrics = re.findall(r"`(gateway_\w+)", PAGE)
    assert {name.removesuffix("_total") for name in metrics} <= samples
    settings = re.findall(r"`((?:upstreams|timeouts)\.\w+)`", PAGE)
    assert len(settings) > 5
    assert set(settings) <= {path for path, _ in fields(Settings)}
