"""Query fields with `graph.query_fields = "enforce"`, over sockets: what an upstream is asked, and how it may fail."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from proxy.test_pages import REPOS, check, pages, row

from gateway.authz import Rules
from gateway.metrics import Metrics
from gateway.proxy import ConditionOptions, Conditions, Rulebook
from gateway.proxy.line import Whole

ONE = {"query": '{ queryV1(query: "FIND *") { type data url totalCount cursor correlationId } }'}
TWO = {"query": '{ a: queryV1(query: "FIND a") { data cursor } b: queryV1(query: "FIND b") { data cursor } }'}
DASHBOARD = {"query": '{ getDashboard(dashboardId: "7") { id } }'}
KEY = "repos and dashboard"


@pytest.fixture
def setup(setup):
    setup.changes = {"rules": Rulebook(Rules(query_fields="enforce", page=2))}
    return setup


@pytest.fixture
def ask(gateway):
    return lambda value, key=KEY: gateway.ask("POST", "/graphql", json.dumps(value).encode(), key, "X-Mine: 1")


class Answers:
    """An upstream that answers each query as it is told, and GraphQL arrays with a dashboard for each element."""

    def __init__(self, says, **by_word):
        self.says, self.by_word = says, by_word
        self.queries = []

    async def __call__(self, received, writer):
        asked = json.loads(received.body)
        if "/graphql" in received.line:
            writer.write(self.says(json.dumps([{"data": {"n": 1}} for _ in asked]).encode()))
            return
        self.queries.append(asked["query"])
        word = asked["query"].split()[1]
        answer = self.by_word.get(word, self.by_word.get("rest"))
        if isinstance(answer, bytes):
            writer.write(answer)
        else:
            value = {"type": "list", "data": answer, "totalCount": 17, "correlationId": "SECRET", "url": "SECRET"}
            writer.write(self.says(json.dumps(value).encode(), "200 OK", "X-Total: 17"))


def ids(shown):
    return [each["id"] for each in shown["data"]]


# --- what is asked and answered -----------------------------------------------------------------------------------


async def test_the_query_is_narrowed_and_goes_where_j1ql_asks(gateway, upstream, says, ask):
    upstream.script = Answers(says, rest=[row(1), row(2)])
    answer = await ask(ONE)
    assert answer.status == 200
    shown = answer.json["data"]["queryV1"]
    assert shown == {
        "type": "list",
        "data": [row(1), row(2)],
        "url": None,
        "totalCount": None,
        "cursor": None,
        "correlationId": answer.headers["x-request-id"],
    }
    assert (answer.headers["gateway-narrowed"], answer.headers["cache-control"]) == ("strict", "no-store")
    assert "x-total" not in answer.headers
    (received,) = upstream.received
    assert received.line == "POST /j1ql HTTP/1.1"
    assert received.header("x-mine") == []
    assert json.loads(received.body)["query"] == "FIND * WITH _type = 'github_repo'"
    (told,) = await gateway.records()
    assert (told["outcome"], told["action"], told["relationships"]) == ("narrowed", "query:ReadGraphData", "strict")


async def test_pages_are_cut_and_their_cursors_sealed_as_on_j1ql(gateway, upstream, says, ask):
    upstream.script = Answers(says, rest=[row(1), row(2), row(3)])
    first = (await ask(ONE)).json["data"]["queryV1"]
    assert ids(first) == ["1", "2"]
    document = 'query ($c: String) { queryV1(query: "FIND *", cursor: $c) { data cursor } }'
    second = (await ask({"query": document, "variables": {"c": first["cursor"]}})).json["data"]["queryV1"]
    assert (ids(second), second["cursor"]) == (["3"], None)
    body = json.dumps({"query": "FIND *", "cursor": first["cursor"]}).encode()
    assert ids((await gateway.ask("POST", "/j1ql", body, KEY)).json) == ["3"]  # one seal for both doors
    foreign = await ask({"query": document.replace("FIND *", "FIND a"), "variables": {"c": first["cursor"]}})
    assert foreign.status == 200  # the Python client's deferred calls are repeated for ever after a 400
    assert foreign.json["errors"][0]["extensions"]["reason"] == "unsupported_argument"


async def test_several_queries_are_asked_one_after_the_other(upstream, says, ask):
    upstream.script = script = Answers(says, a=[row(1)], b=[row(2), row(3), row(4)])
    shown = (await ask(TWO)).json["data"]
    assert list(shown) == ["a", "b"]
    assert (ids(shown["a"]), ids(shown["b"])) == (["1"], ["2", "3"])
    assert shown["b"]["cursor"]
    assert [text.split()[1] for text in script.queries] == ["a", "b"]


async def test_a_query_that_may_not_pass_keeps_all_of_its_operation_back(upstream, ask):
    for more in ('b: queryV1(query: "FIND b", includeDeleted: true) { data }', "entityCount"):
        answer = await ask({"query": '{ a: queryV1(query: "FIND a") { data } ' + more + " }"})
        assert answer.status == 200
        assert answer.json["data"] is None
        assert answer.json["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert upstream.received == []


async def test_an_operation_that_skips_its_queries_asks_nothing(upstream, ask):
    answer = await ask({"query": '{ __typename queryV1(query: "FIND *") @skip(if: true) { data } }'})
    assert answer.json == {"data": {"__typename": "Query"}}
    assert upstream.received == []


# --- an upstream that fails ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"type":"list","data":[]}', "500 Internal Server Error"),
        (b'{"error":"SECRET"}', "400 Bad Request"),
        (b'{"errors":[{"message":"SECRET"}]}', "401 Unauthorized"),
        (b"<html>SECRET</html>", "200 OK"),
        (b'{"type":"table","data":[{"SECRET":1}]}', "200 OK"),
        (b'{"type":"deferred","data":null,"url":"https://bucket/SECRET"}', "200 OK"),
        (b"", "429 Too Many Requests"),
    ],
)
async def test_a_failed_upstream_is_a_502_that_tells_nothing(gateway, upstream, says, ask, body, status):
    upstream.script = upstream.says(says(body, status))
    answer = await ask(ONE)
    assert answer.status == 502
    assert answer.json["data"] is None
    assert answer.json["errors"][0]["extensions"]["reason"] == "upstream_failed"
    assert b"SECRET" not in answer.raw
    (told,) = await gateway.records()
    assert told["outcome"] == "failed"


async def test_a_forbidden_row_withholds_the_whole_operation(gateway, upstream, says, ask):
    upstream.script = Answers(says, a=[row(1)], b=[row(2), row(3, "SECRET")])
    answer = await ask(TWO)
    assert answer.status == 502
    (error,) = answer.json["errors"]
    assert error["extensions"]["reason"] == "answer_withheld"
    assert error["message"].startswith("`b`: ")
    assert answer.json["data"] is None
    assert b"SECRET" not in answer.raw
    assert gateway.value("gateway_answers_withheld_total", seen="twice") == 1


# --- in an array --------------------------------------------------------------------------------------------------


async def test_in_an_array_queries_other_fields_and_refusals_keep_their_places(gateway, upstream, says, ask):
    upstream.script = Answers(says, rest=[row(1)])
    refused = {"query": "{ entityCount }"}
    answer = await ask([ONE, DASHBOARD, refused, TWO, DASHBOARD])
    assert (answer.status, answer.headers["gateway-narrowed"]) == (200, "strict")
    one, dashboard, denied, two, other = answer.json
    assert ids(one["data"]["queryV1"]) == ["1"]
    assert dashboard == other == {"data": {"n": 1}}
    assert denied["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert list(two["data"]) == ["a", "b"]
    assert [received.line.split()[1] for received in upstream.received] == ["/graphql", "/j1ql", "/j1ql", "/j1ql"]
    assert [each["query"] for each in json.loads(upstream.received[0].body)] == [DASHBOARD["query"]] * 2
    (told,) = await gateway.records()
    ended = [element["outcome"] for element in told["elements"]]
    assert ended == ["narrowed", "forwarded", "refused", "narrowed", "forwarded"]


async def test_in_an_array_a_failed_query_takes_nothing_else_away(gateway, upstream, says, ask):
    upstream.script = Answers(says, a=says(b'{"error":"SECRET"}', "500 Internal Server Error"), rest=[row(1)])
    answer = await ask([TWO, ONE, DASHBOARD])
    failed, one, dashboard = answer.json
    assert failed["data"] is None
    assert failed["errors"][0]["extensions"]["reason"] == "upstream_failed"
    assert failed["errors"][0]["message"].startswith("`a`: ")
    assert ids(one["data"]["queryV1"]) == ["1"]
    assert dashboard == {"data": {"n": 1}}
    assert b"SECRET" not in answer.raw
    (told,) = await gateway.records()
    assert [element["outcome"] for element in told["elements"]] == ["failed", "narrowed", "forwarded"]


async def test_an_array_without_queries_says_nothing_of_narrowing(upstream, says, ask):
    upstream.script = Answers(says)
    assert "gateway-narrowed" not in (await ask([DASHBOARD, {"query": "{ entityCount }"}])).headers


# --- policy probes ------------------------------------------------------------------------------------------------


class TestProbes:
    @pytest.fixture
    def conditions(self):
        return Conditions(ConditionOptions())

    @pytest.fixture
    def setup(self, setup, conditions):
        setup.changes["conditions"] = conditions
        return setup

    @pytest.mark.parametrize("body", [ONE, TWO, [DASHBOARD, ONE], [TWO]])
    async def test_the_condition_of_a_policy_that_comes_by_a_query_field_is_probed(
        self, upstream, says, ask, conditions, body
    ):
        upstream.script = Answers(says, rest=[row(1)])
        assert (await ask(body)).status == 200
        assert conditions.take() == ("acme", REPOS)
        assert conditions.take() is None

    async def test_what_asks_no_query_notes_nothing(self, upstream, says, ask, conditions):
        upstream.script = Answers(says)
        await ask([DASHBOARD, {"query": "{ entityCount }"}])
        assert conditions.take() is None


# --- bounds -------------------------------------------------------------------------------------------------------


class TestMemory:
    @pytest.fixture
    def setup(self, setup):
        setup.proxy = replace(setup.proxy, buffered_bytes=20_000)
        return setup

    async def test_rows_are_held_out_of_the_budget_of_all_calls(self, upstream, says, ask):
        """The upstream's answer once, its rows once in one piece, and once in the answer."""
        long = row(1) | {"properties": {"text": "x" * 8_000}}
        upstream.script = Answers(says, rest=[long])
        answer = await ask(ONE)
        assert answer.status == 503
        assert answer.json["errors"][0]["extensions"]["reason"] == "overloaded"
        upstream.script = Answers(says, rest=[row(1)])
        assert (await ask(ONE)).status == 200  # all of it was given back


async def test_several_pages_share_one_deadline_and_each_gets_on():
    """A page after the deadline is what one answer of the upstream brings, with a cursor."""
    time = [0.0]
    filling = pages(Metrics(), seconds=10.0, clock=lambda: time[0])

    async def slow(body: bytes) -> Whole:
        time[0] += 6.0
        number = int(json.loads(body).get("cursor", "0"))
        value = {"type": "list", "data": [row(number)], "cursor": str(number + 1)}
        return Whole(200, (), json.dumps(value).encode())

    deadline = filling.deadline()
    lengths = []
    for _ in range(3):
        page = json.loads((await filling.answer(check(page=50), slow, deadline=deadline)).envelope())
        lengths.append(len(page["data"]))
        assert page["cursor"]
    assert lengths == [2, 1, 1]
