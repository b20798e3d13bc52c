"""The page about outages cannot rot: each row names tests, and every test, metric and setting it names is there."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.metrics import Metrics
from gateway.stores import StoreOptions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "gateway" / "stores" / "OUTAGES.md").read_text()

COLUMNS = ["what", "calls get", "for how long", "changes get", "metric and log", "ready", "test"]


def table():
    """The rows of the one table, by their first cell."""
    head, _, *rows = (re.split(r" \| ", line.strip("| ")) for line in PAGE.splitlines() if line.startswith("|"))
    assert head == COLUMNS
    return rows


def all_tests():
    text = "\n".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    return set(re.findall(r"^(?:async )?def (test_\w+)\(", text, re.MULTILINE))


def test_every_row_is_whole_and_names_a_test():
    for row in table():
        assert len(row) == len(COLUMNS), row
        assert all(cell.strip() for cell in row), row
        assert re.fullmatch(r"`test_\w+`(, `test_\w+`)*", row[-1]), row
    assert len({row[0] for row in table()}) == len(table())


def test_every_test_that_is_named_is_there():
    named = {name for row in table() for name in re.findall(r"`(test_\w+)`", row[-1])}
    assert named <= all_tests(), named - all_tests()


def test_every_outage_that_was_promised_has_a_row():
    rows = "\n".join(row[0] for row in table())
    for outage in (
        *(f"Redis {state}" for state in ("away", "slow", "failed over", "back with old data", "full")),
        *(f"PostgreSQL {state}" for state in ("away", "slow", "read-only", "is a standby", "restored")),
        *("Redis and PostgreSQL away", "clock steps forward", "clock steps back", "frozen", "locked", "gone"),
    ):
        assert outage in rows


def test_every_metric_and_setting_that_is_named_is_there():
    samples = {metric.name for metric in Metrics().registry.collect()}
    for name in re.findall(r"`(gateway_\w+)", PAGE):
        assert name.removesuffix("_total") in samples, name
    for name in re.findall(r"`(?:store\.)?((?:redis|sql|lookup)_\w+|lease)\b", PAGE):
        assert name in StoreOptions.__dataclass_fields__, name
