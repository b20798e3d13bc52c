from __future__ import annotations

import json
import os
import select
import threading
from datetime import datetime
from pathlib import Path

import pytest

from gateway.authz.outcome import Grounds
from gateway.http1 import Reason, Refusal
from gateway.keys import Identity, Kind, Principal
from gateway.metrics import Outcome
from gateway.policy import Policy
from gateway.proxy import DecisionLog, DecisionOptions, decisions
from gateway.proxy.decisions import _pieces, line, record
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


def told(of: Trace, **options) -> dict:
    """The record as it is read from the file."""
    return json.loads(line(record(of, now=NOW, options=DecisionOptions(**options))))


def test_a_record_tells_who_asked_for_what_and_why_it_ended_so():
    members = told(trace())
    assert members.pop("ms") >= members.pop("upstreamMs") == 0
    assert members == {
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
    assert "FIND" not in json.dumps(told(trace()))
    assert told(trace(), bodies=True, body_bytes=14)["body"] == '{"query":"FIND'


def test_a_batch_tells_of_each_element():
    made = trace()
    made.elements = (
        Element(Grounds("a:b", "c", ("permissions[1]",)), Outcome.FORWARDED),
        Element(Grounds(), Outcome.REFUSED, Reason.KEYS_DECIDE),
    )
    assert told(made)["elements"] == [
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
        def write(self, piece):
            written.set()
            go.wait()
            return len(piece)

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
    members = told(made)
    assert (members["action"], members["resource"], members["also"]) == ("a:b", "c", [["d:e", "f"]])
    assert members["elements"][0]["also"] == [["d:e", "f"]]


def full_trace() -> Trace:
    """A trace of which every member says something."""
    made = trace()
    made.detail, made.mode, made.upstream_seconds = "why", "strict", 0.0012344
    made.grounds = Grounds("a:b", "c", ("permissions[0]",), also=(("d:e", "f"),))
    made.elements = (Element(made.grounds, Outcome.REFUSED, Reason.KEYS_DECIDE),)
    return made


def test_every_member_is_where_its_name_says():
    members = told(full_trace(), bodies=True)
    members.pop("ms")
    part = {"action": "a:b", "resource": "c", "statements": ["permissions[0]"], "also": [["d:e", "f"]]}
    assert members == part | {
        "time": "2023-11-14T22:13:20.123+00:00",
        "request": "call-1",
        "method": "POST",
        "route": "j1ql",
        "status": 403,
        "outcome": "refused",
        "upstreamMs": 1.234,
        "reason": "not_allowed",
        "detail": "why",
        "key": "key-1",
        "keyVersion": 7,
        "organization": "acme",
        "relationships": "strict",
        "elements": [part | {"outcome": "refused", "reason": "keys_decide"}],
        "body": '{"query":"FIND secret_project"}',
    }


def test_members_that_say_nothing_are_left_out():
    members = told(Trace("call-1", ""))
    assert members.keys() == {"time", "request", "route", "status", "outcome", "ms", "upstreamMs"}


def test_times_are_those_of_each_call_within_a_second_and_after_it():
    moments = [NOW, NOW + 1, NOW + 900, NOW - 123, NOW + 60_000]
    lines = [json.loads(line(record(trace(), now=now, options=DecisionOptions())))["time"] for now in moments]
    assert [datetime.fromisoformat(each).timestamp() for each in lines] == [now / 1000 for now in moments]
    assert {len(each) for each in lines} == {len("2023-11-14T22:13:20.123+00:00")}


@pytest.mark.parametrize("detail", ["\ud800", "a\nb\r\x00\u2028", '"\\', "ž\U0001f600"])
def test_whatever_is_told_is_one_line_of_json(detail):
    made = full_trace()
    made.detail = detail
    encoded = line(record(made, now=NOW, options=DecisionOptions()))
    assert (encoded.count(b"\n"), encoded[-1:]) == (1, b"\n")
    assert json.loads(encoded)["detail"] == detail


def test_lines_of_several_workers_are_whole_in_one_file(tmp_path):
    path = tmp_path / "decisions.jsonl"
    with DecisionLog(DecisionOptions(path=path)) as one, DecisionLog(DecisionOptions(path=path)) as other:
        for _ in range(500):
            one.write(trace(), NOW)
            other.write(trace(), NOW)
    assert len([json.loads(each) for each in path.read_bytes().splitlines()]) == 1000


def test_many_lines_that_go_into_a_pipe_are_whole_between_those_of_others():
    """POSIX: a write of up to PIPE_BUF bytes is not mixed with others."""
    lines = [b"x" * size + b"\n" for size in (100, 3_000, 996, 1, 4_095, 5_000, 2)]
    pieces = list(_pieces(lines, select.PIPE_BUF))
    assert b"".join(pieces) == b"".join(lines)
    assert all(each.endswith(b"\n") for each in pieces)
    assert [len(each) for each in pieces if len(each) > select.PIPE_BUF] == [5_001]
    assert len(pieces) == 5


def test_a_pipe_that_is_full_costs_the_lines_that_are_not_in_it(monkeypatch):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    dropped = []
    monkeypatch.setattr(decisions, "_STDOUT", writing)
    with DecisionLog(DecisionOptions(), dropped=lambda: dropped.append(1)) as log:
        for _ in range(1000):
            log.write(trace(), NOW)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        written = pipe.read().count(b"\n")
    assert written
    assert written + len(dropped) == 1000
