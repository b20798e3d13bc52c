"""Pages are a function of the visible rows, however the upstream's partitions lie around them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.authz import Mode
from gateway.authz.outcome import Check, HiddenObject, Seal
from gateway.http1 import Reason
from gateway.metrics import Metrics
from gateway.policy import Condition, Predicate
from gateway.proxy import PageOptions, Pages, Seals
from gateway.proxy.line import Whole
from gateway.proxy.wire import Stop

SEALS = Seals("a secret for the cursors of a test")
REPOS = Predicate((Condition((("_type", ("github_repo",)),)),))


def row(number: int, kind: str = "github_repo") -> dict:
    return {
        "id": str(number),
        "entity": {"_id": str(number), "_type": [kind], "_class": ["CodeRepo"]},
        "properties": {},
    }


SEAL = Seal("key", REPOS, Mode.STRICT, "query", "")


def check(page: int = 3, cursor: str | None = None, seal: Seal = SEAL, **more) -> Check:
    made = dict(predicate=REPOS, shape="list", hidden=(), page=page, seal=seal, cursor=cursor, request={"query": "q"})
    return Check(**(made | more))


class Partitions:
    """An upstream whose n-th answer holds the n-th list of rows; cursors are their numbers."""

    def __init__(self, *partitions: list[dict]) -> None:
        self.partitions = partitions
        self.asked: list[dict] = []

    async def __call__(self, body: bytes) -> Whole:
        request = json.loads(body)
        self.asked.append(request)
        index = int(request.get("cursor", "0"))
        value = {"type": "list", "data": self.partitions[index], "totalCount": 12345, "cursor": None, "url": "secret"}
        if index + 1 < len(self.partitions):
            value["cursor"] = str(index + 1)
        return Whole(200, (), json.dumps(value).encode())


def pages(metrics: Metrics | None = None, **options) -> Pages:
    clock = options.pop("clock", lambda: 0.0)
    return Pages(SEALS, metrics or Metrics(), PageOptions(**{"again_seconds": 0} | options), clock=clock)


async def stopped(asked, wanted: Check | None = None, metrics: Metrics | None = None, **options) -> Stop:
    with pytest.raises(Stop) as caught:
        await pages(metrics, **options).answer(wanted or check(), asked)
    return caught.value


async def walk(asked, page: int) -> list[list[str]]:
    """The ids of each page, from the first to the last."""
    found, cursor = [], None
    while True:
        answer = json.loads((await pages().answer(check(page, cursor), asked)).envelope())
        found.append([each["id"] for each in answer["data"]])
        cursor = answer.get("cursor")
        if cursor is None:
            return found


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(1, 5))
async def test_pages_do_not_depend_on_the_partitions(sizes, page):
    numbers = iter(range(100))
    partitions = [[row(next(numbers)) for _ in range(size)] for size in sizes]
    ids = [str(number) for number in range(sum(sizes))]
    expected = [ids[at : at + page] for at in range(0, len(ids), page)] or [[]]
    assert await walk(Partitions(*partitions), page) == expected


async def test_no_cursor_follows_when_only_empty_partitions_do():
    answer = json.loads((await pages().answer(check(2), Partitions([row(1), row(2)], [], []))).envelope())
    assert len(answer["data"]) == 2
    assert "cursor" not in answer


async def test_the_envelope_is_ours_and_the_rows_are_the_upstream_s_bytes():
    spelt = b'{"id" : "1", "entity":{"_id":"1","_type":["github_repo"],"x":1e2,"y":"\\u00e9"},"properties":{}}'

    async def asked(_: bytes) -> Whole:
        return Whole(200, (), b'{"totalCount": 9, "data": [' + spelt + b'], "type":"list", "correlationId":"c"}')

    assert (await pages().answer(check(), asked)).envelope() == b'{"type":"list","data":[' + spelt + b"]}"


async def test_what_is_asked_is_the_plan_s_request_and_the_upstream_s_cursor():
    upstream = Partitions([row(1)], [row(2)])
    await pages().answer(check(), upstream)
    assert upstream.asked == [{"query": "q"}, {"query": "q", "cursor": "1"}]


async def test_all_cursors_are_of_one_length():
    lengths = set()
    for partitions in ([[row(n) for n in range(9)]], [[row(1)], [], [row(2), row(3)], [row(4)]]):
        answer = json.loads((await pages().answer(check(3), Partitions(*partitions))).envelope())
        lengths.add(len(answer["cursor"]))
    assert len(lengths) == 1


async def test_a_cursor_is_good_for_its_own_query_only():
    upstream = Partitions([row(n) for n in range(9)])
    cursor = json.loads((await pages().answer(check(3), upstream)).envelope())["cursor"]
    for foreign in (
        check(3, cursor, replace(SEAL, query="another")),
        check(3, cursor[:-1]),
        check(3, "1"),
        check(3, ""),
    ):
        asked_before = len(upstream.asked)
        stop = await stopped(upstream, foreign)
        assert stop.refusal.reason is Reason.MALFORMED_BODY
        assert len(upstream.asked) == asked_before


async def test_a_forbidden_row_is_asked_for_once_more():
    metrics = Metrics()
    answers = [[row(1), row(2, "secret")], [row(1)]]

    async def asked(_: bytes) -> Whole:
        return Whole(200, (), json.dumps({"type": "list", "data": answers.pop(0)}).encode())

    answer = json.loads((await pages(metrics).answer(check(), asked)).envelope())
    assert [each["id"] for each in answer["data"]] == ["1"]
    assert metrics.registry.get_sample_value("gateway_answers_withheld_total", {"seen": "once"}) == 1
    assert metrics.registry.get_sample_value("gateway_answers_withheld_total", {"seen": "twice"}) is None


async def test_a_row_that_stays_forbidden_is_an_incident(caplog):
    metrics = Metrics()
    upstream = Partitions([row(1), row(2, "a_hidden_thing")])
    stop = await stopped(upstream, metrics=metrics)
    assert stop.refusal.reason is Reason.ANSWER_WITHHELD
    assert len(upstream.asked) == 2
    assert metrics.registry.get_sample_value("gateway_answers_withheld_total", {"seen": "twice"}) == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "a_hidden_thing" not in caplog.text + stop.detail


@pytest.mark.parametrize(
    "whole",
    [
        Whole(200, (), b""),
        Whole(200, (), b"null"),
        Whole(200, (), b"<html>"),
        Whole(200, (), b'{"type":"list","data":[{]}'),
        Whole(200, (), b'{"type":"table","data":[]}'),
        Whole(200, (), b'{"type":"list","data":null}'),
        Whole(200, (), b'{"type":"deferred","data":null,"url":"https://bucket/secret"}'),
        Whole(200, (), b'{"type":"list","data":[],"cursor":7}'),
        Whole(200, (), b'{"type":"list","data":[{"id":"1"}]}'),
        Whole(200, (), b'\xff{"type":"list","data":[]}'),
        Whole(204, (), b""),
        Whole(400, (), b'{"error":"type `secret_thing` is unknown"}'),
        Whole(429, (), b""),
        Whole(500, (), b'{"type":"list","data":[]}'),
    ],
    ids=lambda whole: f"{whole.status} {whole.body[:40]!r}",
)
async def test_every_unusable_answer_looks_the_same(whole):
    async def asked(_: bytes) -> Whole:
        return whole

    stop = await stopped(asked)
    assert stop.refusal.reason is Reason.UPSTREAM_FAILED
    assert stop.refusal == (await stopped(Partitions(), check(request={}), calls=0)).refusal


async def test_a_page_that_takes_too_long_is_sent_as_it_is_and_goes_on_where_it_ended():
    time = iter([0.0, 1.0, 2.0, 3.0, 99.0])
    upstream = Partitions([row(1)], [], [], [row(2)])
    answer = json.loads((await pages(seconds=2.5, clock=lambda: next(time)).answer(check(), upstream)).envelope())
    assert [each["id"] for each in answer["data"]] == ["1"]
    rest = json.loads((await pages().answer(check(cursor=answer["cursor"]), upstream)).envelope())
    assert [each["id"] for each in rest["data"]] == ["2"]


async def test_an_upstream_without_end_has_failed():
    async def circle(body: bytes) -> Whole:
        cursor = json.loads(body).get("cursor", "a")
        return Whole(200, (), json.dumps({"type": "list", "data": [], "cursor": "ba"[cursor == "b"]}).encode())

    async def standstill(_: bytes) -> Whole:
        return Whole(200, (), b'{"type":"list","data":[],"cursor":"same"}')

    for asked in (circle, standstill):
        assert (await stopped(asked, calls=20)).refusal.reason is Reason.UPSTREAM_FAILED


async def test_a_cursor_that_cannot_be_hidden_is_not_given_out():
    async def asked(_: bytes) -> Whole:
        return Whole(200, (), json.dumps({"type": "list", "data": [], "cursor": "x" * 4000}).encode())

    time = iter([0.0, 99.0])
    assert (await stopped(asked, seconds=1.0, clock=lambda: next(time))).refusal.reason is Reason.UPSTREAM_FAILED


async def test_a_table_loses_its_hidden_columns():
    cells = {"a.name": "x", "h0": "1", "h1": ["github_repo"]}

    async def asked(_: bytes) -> Whole:
        return Whole(200, (), json.dumps({"type": "table", "data": [cells]}).encode())

    wanted = check(shape="table", hidden=(HiddenObject((("h0", "_id"), ("h1", "_type"))),), columns=("a.name",))
    assert json.loads((await pages().answer(wanted, asked)).envelope()) == {"type": "table", "data": [{"a.name": "x"}]}


async def test_a_tree_is_passed_on_as_one():
    vertex = row(1)
    tree = {"type": "tree", "data": {"vertices": [vertex], "edges": []}, "cursor": None}

    async def asked(_: bytes) -> Whole:
        return Whole(200, (), json.dumps(tree).encode())

    answer = json.loads((await pages().answer(check(shape="tree"), asked)).envelope())
    assert answer == {"type": "tree", "data": {"vertices": [vertex], "edges": []}}


async def test_checked_rows_are_counted():
    metrics = Metrics()
    await pages(metrics).answer(check(), Partitions([row(1)], [row(2)]))
    assert metrics.registry.get_sample_value("gateway_rows_checked_total") == 2


@pytest.mark.parametrize(
    ("before", "between", "after"),
    [
        ("", ",", ""),
        ("", ", ", ""),
        ("", " ,", ""),
        ("", ",\n", ""),
        ("", "\r,", ""),
        ("", ",\t ", ""),
        (" ", ",", ""),
        ("", ",", " "),
        ("\n", ",", "\n"),
    ],
)
async def test_what_stands_between_rows_does_not_tell_where_the_upstream_s_answers_end(before, between, after):
    """Many rows, which are not cut apart if they stand close."""
    rows = [
        json.dumps(row(number) | {"properties": {"n": "{ } " * 9_000}}, separators=(",", ":")) for number in range(4)
    ]
    expected = f'{{"type":"list","data":[{",".join(rows)}]}}'.encode()
    for ends in ([4], [2, 4], [1, 4], [1, 2, 3, 4]):
        parts = [rows[start:end] for start, end in zip([0, *ends], ends, strict=False)]

        async def asked(body: bytes, parts=parts) -> Whole:
            at = int(json.loads(body).get("cursor", "0"))
            cursor = f',"cursor":"{at + 1}"' if at + 1 < len(parts) else ""
            data = before + between.join(parts[at]) + after
            return Whole(200, (), f'{{"type":"list","data":[{data}]{cursor}}}'.encode())

        assert (await pages().answer(check(9), asked)).envelope() == expected


async def test_rows_that_are_read_too_far_are_cut_off_and_come_first_in_the_next_page():
    rows = [row(number) | {"properties": {"n": "x" * 30_000}} for number in range(5)]
    upstream = Partitions(rows[:4], rows[4:])
    assert await walk(upstream, 3) == [["0", "1", "2"], ["3", "4"]]
    assert await walk(upstream, 4) == [["0", "1", "2", "3"], ["4"]]
