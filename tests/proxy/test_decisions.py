from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from gateway.authz.outcome import Grounds
from gateway.http1 import Reason, Refusal
from gateway.keys import Identity, Kind, Principal
from gateway.metrics import Outcome
from gateway.policy import Policy
from gateway.proxy import DecisionLog, DecisionOptions
from gateway.proxy.decisions import record
from gateway.proxy.trace import Element, Trace

NOW = 1_700_000_000_123


def trace() -> Trace:
    made = Trace("call-1", "POST", "j1ql")
    made.principal = Principal("key-1", 7, "ci", Identity("id-1", Kind.ACCOUNT, "acme"), Policy(()), None)
    made.grounds = Grounds("query:ReadGraphData", "*", ("permissions[0]",))
    made.refused(Refusal(Reason.NOT_ALLOWED, "no"))
    made.status = 403
    made.body = b'{"query":"FIND secret_project"}'
    return made


def test_a_record_tells_who_asked_for_what_and_why_it_ended_so():
    told = record(trace(), now=NOW, options=DecisionOptions())
    assert told.pop("ms") >= told.pop("upstreamMs") == 0
    assert told == {
        "time": "2023-11-14T22:13:20.123+00:00",
        "request": "call-1",
        "method": "POST",
        "route": "j1ql",
        "status": 403,
        "outcome": "refused",
        "reason": "not_allowed",
        "key": "key-1",
        "keyVersion": 7,
        "organization": "acme",
        "action": "query:ReadGraphData",
        "resource": "*",
        "statements": ["permissions[0]"],
    }


def test_what_was_asked_is_told_only_when_switched_on_and_only_its_beginning():
    assert "FIND" not in json.dumps(record(trace(), now=NOW, options=DecisionOptions()))
    told = record(trace(), now=NOW, options=DecisionOptions(bodies=True, body_bytes=14))
    assert told["body"] == '{"query":"FIND'


def test_a_batch_tells_of_each_element():
    made = trace()
    made.elements = (
        Element(Grounds("a:b", "c", ("permissions[1]",)), Outcome.FORWARDED),
        Element(Grounds(), Outcome.REFUSED, Reason.KEYS_DECIDE),
    )
    assert record(made, now=NOW, options=DecisionOptions())["elements"] == [
        {"outcome": "forwarded", "action": "a:b", "resource": "c", "statements": ["permissions[1]"]},
        {"outcome": "refused", "reason": "keys_decide"},
    ]


def test_records_are_appended_one_to_a_line(tmp_path):
    path = tmp_path / "decisions.jsonl"
    path.write_text('{"request":"before"}\n')
    with DecisionLog(DecisionOptions(path=path)) as log:
        log.write(trace(), NOW)
        log.write(trace(), NOW)
    assert [json.loads(line)["request"] for line in path.read_text().splitlines()] == ["before", "call-1", "call-1"]


def test_they_go_to_standard_output_by_default(capfdbinary):
    with DecisionLog(DecisionOptions()) as log:
        log.write(trace(), NOW)
    assert json.loads(capfdbinary.readouterr().out)["request"] == "call-1"


def test_a_log_that_cannot_be_opened_is_told_at_start(tmp_path):
    with pytest.raises(FileNotFoundError), DecisionLog(DecisionOptions(path=tmp_path / "none" / "log")):
        pass


def test_a_full_disk_costs_records_and_nothing_else(caplog):
    dropped = []
    with DecisionLog(DecisionOptions(path=Path("/dev/full")), dropped=lambda: dropped.append(1)) as log:
        log.write(trace(), NOW)
    assert dropped
    assert "could not be logged" in caplog.text


def test_a_reader_that_stands_still_costs_records_and_nothing_else():
    dropped, written, go = [], threading.Event(), threading.Event()

    class Slow:
        def write(self, _):
            written.set()
            go.wait()

        def close(self):
            pass

    with DecisionLog(DecisionOptions(room=2), dropped=lambda: dropped.append(1)) as log:
        log._stream = Slow()
        log.write(trace(), NOW)
        written.wait()
        for _ in range(5):
            log.write(trace(), NOW)
        assert len(dropped) == 3
        go.set()


def test_a_call_that_needed_several_permissions_tells_all_of_them():
    made = trace()
    made.grounds = Grounds("a:b", "c", ("permissions[0]",), also=(("d:e", "f"),))
    made.elements = (Element(made.grounds, Outcome.FORWARDED),)
    told = record(made, now=NOW, options=DecisionOptions())
    assert (told["action"], told["resource"], told["also"]) == ("a:b", "c", [("d:e", "f")])
    assert told["elements"][0]["also"] == [("d:e", "f")]
