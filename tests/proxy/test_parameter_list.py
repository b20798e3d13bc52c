"""Edge case 47 over sockets: lists that are put together of the upstream's answers, and upstreams that fail."""

from __future__ import annotations

import json

import pytest

QUERY = {"query": "{ parameterList { items { name value } pageInfo { hasNextPage } } }"}
DASHBOARD = {"query": '{ getDashboard(dashboardId: "7") { id } }'}
NAMES = ['"ü"', "X", "a:b"]


def item(name):
    return {"name": name, "value": 1, "lastUpdatedOn": "2026-01-01T00:00:00.000Z", "secret": False}


FOUND = {"data": {"p0": None, "p1": item("X"), "p2": item("a:b")}}
SHOWN = {
    "data": {
        "parameterList": {
            "items": [{"name": "X", "value": 1}, {"name": "a:b", "value": 1}],
            "pageInfo": {"hasNextPage": False},
        }
    }
}


@pytest.fixture
def ask(gateway):
    return lambda value: gateway.ask("POST", "/graphql", json.dumps(value).encode(), "parameters", "X-Mine: 1")


async def test_047_the_upstream_is_asked_for_the_named_parameters_alone(gateway, upstream, says, ask):
    upstream.script = upstream.says(says(json.dumps(FOUND).encode(), "200 OK", "X-Parameters-Total: 17"))
    answer = await ask(QUERY)
    assert (answer.status, answer.json) == (200, SHOWN)
    assert "x-parameters-total" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    (received,) = upstream.received
    assert received.header("x-mine") == []
    assert received.header("authorization") == ["Bearer upstream-credential"]
    sent = json.loads(received.body)
    assert sent["variables"] == {f"n{number}": name for number, name in enumerate(NAMES)}
    assert "parameterList" not in sent["query"]
    (told,) = await gateway.records()
    assert told["outcome"] == "narrowed"
    assert told["action"] == "parameters:GetParameterList"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (json.dumps(FOUND).encode(), "500 Internal Server Error"),
        (json.dumps(FOUND).encode(), "201 Created"),
        (b'{"errors":[{"message":"Unauthorized"}]}', "401 Unauthorized"),
        (b'{"errors":[{"message":"SECRET"}]}', "400 Bad Request"),
        (b"", "302 Found"),
        (b"<html>SECRET</html>", "200 OK"),
        (b'{"data":null,"errors":[{"message":"SECRET"}]}', "200 OK"),
        (json.dumps({"data": FOUND["data"] | {"p0": item("SECRET")}}).encode(), "200 OK"),
    ],
)
async def test_047_a_failed_upstream_is_a_502_that_tells_nothing(upstream, says, ask, body, status):
    upstream.script = upstream.says(says(body, status))
    answer = await ask(QUERY)
    assert answer.status == 502
    assert answer.json["data"] is None
    (error,) = answer.json["errors"]
    assert error["extensions"]["reason"] == "upstream_failed"
    assert b"SECRET" not in answer.raw


async def test_047_an_answer_that_breaks_off_is_a_502(upstream, says, ask):
    async def broken(_, writer):
        writer.write(says(json.dumps(FOUND).encode())[:-5])
        writer.close()

    upstream.script = broken
    assert (await ask(QUERY)).status == 502


async def test_047_in_an_array_the_list_is_put_together_as_well(gateway, upstream, says, ask):
    upstream.script = upstream.says(says(json.dumps([{"data": {"n": 1}}, FOUND]).encode()))
    answer = await ask([DASHBOARD, QUERY])
    assert answer.json == [{"data": {"n": 1}}, SHOWN]
    (received,) = upstream.received
    assert [sorted(element) for element in json.loads(received.body)] == [["query"], ["query", "variables"]]
    (told,) = await gateway.records()
    assert [element["outcome"] for element in told["elements"]] == ["forwarded", "narrowed"]


async def test_047_in_an_array_a_failed_list_takes_nothing_else_away(gateway, upstream, says, ask):
    upstream.script = upstream.says(says(b'[{"data":{"n":1}},{"data":null,"errors":[{"message":"SECRET"}]}]'))
    answer = await ask([DASHBOARD, QUERY])
    assert answer.json[0] == {"data": {"n": 1}}
    assert answer.json[1]["errors"][0]["extensions"]["reason"] == "upstream_failed"
    assert b"SECRET" not in answer.raw
    (told,) = await gateway.records()
    assert [element["outcome"] for element in told["elements"]] == ["forwarded", "failed"]


# --- all but some -------------------------------------------------------------------------------------------------


def page(names, cursor=None):
    info = {"endCursor": cursor, "hasNextPage": cursor is not None}
    return {"data": {"parameterList": {"items": [item(name) for name in names], "pageInfo": info}}}


WITHOUT_X = {"data": {"parameterList": {"items": [{"name": name, "value": 1} for name in "abc"]}}}
WITHOUT_X["data"]["parameterList"]["pageInfo"] = {"hasNextPage": False}


@pytest.fixture
def ask_most(gateway):
    return lambda value: gateway.ask("POST", "/graphql", json.dumps(value).encode(), "most", "X-Mine: 1")


async def test_047_the_upstreams_list_is_read_page_by_page(gateway, upstream, says, ask_most):
    pages = [page("cX", "1"), page("X", "2"), page("ba")]
    upstream.script = upstream.says(*[says(json.dumps(each).encode(), "200 OK", "X-Total: 5") for each in pages])
    answer = await ask_most(QUERY)
    assert (answer.status, answer.json) == (200, WITHOUT_X)
    assert "x-total" not in answer.headers
    sent = [json.loads(received.body) for received in upstream.received]
    assert [each["variables"]["cursor"] for each in sent] == [None, "1", "2"]
    assert {each["query"] for each in sent} == {sent[0]["query"]}
    assert all(received.header("x-mine") == [] for received in upstream.received)
    (told,) = await gateway.records()
    assert (told["outcome"], told["action"], told["resource"]) == (
        "narrowed",
        "parameters:GetParameterList",
        "parameter:*",
    )


async def test_047_a_page_that_fails_is_a_502_that_tells_nothing(upstream, says, ask_most):
    upstream.script = upstream.says(says(json.dumps(page("a", "1")).encode()), says(b"SECRET", "500 Oh no"))
    answer = await ask_most(QUERY)
    assert answer.status == 502
    assert b"SECRET" not in answer.raw
    assert len(upstream.received) == 2


async def test_047_in_an_array_further_pages_are_asked_for_alone(gateway, upstream, says, ask_most):
    first = json.dumps([{"data": {"n": 1}}, page("cX", "1"), page("", "9")]).encode()
    rest = [says(json.dumps(page(names)).encode()) for names in ("Xba", "abcX")]
    upstream.script = upstream.says(says(first), *rest)
    answer = await ask_most([DASHBOARD, QUERY, QUERY])
    assert answer.json == [{"data": {"n": 1}}, WITHOUT_X, WITHOUT_X]
    sent = [json.loads(received.body) for received in upstream.received]
    assert [len(sent[0]), *(each["variables"]["cursor"] for each in sent[1:])] == [3, "1", "9"]
    (told,) = await gateway.records()
    assert [element["outcome"] for element in told["elements"]] == ["forwarded", "narrowed", "narrowed"]


async def test_047_in_an_array_a_page_that_fails_takes_nothing_else_away(upstream, says, ask_most):
    first = json.dumps([{"data": {"n": 1}}, page("cX", "1")]).encode()
    upstream.script = upstream.says(says(first), says(b"SECRET", "429 Too Many Requests"))
    answer = await ask_most([DASHBOARD, QUERY])
    assert answer.json[0] == {"data": {"n": 1}}
    assert answer.json[1]["errors"][0]["extensions"]["reason"] == "upstream_failed"
    assert b"SECRET" not in answer.raw


# --- dashboards ---------------------------------------------------------------------------------------------------

DASHBOARDS = {"query": "{ getDashboards { title: name } }"}


def dashboard(its_id):
    return {"gatewayDashboardId": its_id, "title": f"board {its_id}"}


async def test_a_list_of_dashboards_is_made_of_those_that_a_policy_names(gateway, upstream, says):
    upstream.script = upstream.says(says(json.dumps({"data": {"p0": dashboard("7")}}).encode()))
    answer = await gateway.ask("POST", "/graphql", json.dumps(DASHBOARDS).encode(), "dashboard")
    assert answer.json == {"data": {"getDashboards": [{"title": "board 7"}]}}
    (received,) = upstream.received
    assert "getDashboards" not in json.loads(received.body)["query"]


async def test_a_denied_dashboard_is_not_in_the_list_and_its_errors_are_nobodys(gateway, upstream, says, ask_most):
    there = {"getDashboards": [dashboard("8"), dashboard("9"), dashboard("10")]}
    error = {"message": "SECRET", "path": ["getDashboards", 1, "title"]}
    upstream.script = upstream.says(
        says(json.dumps({"data": there, "extensions": {"count": 3}}).encode()),
        says(json.dumps({"data": there, "errors": [error]}).encode()),
    )
    answer = await ask_most(DASHBOARDS)
    assert answer.json == {"data": {"getDashboards": [{"title": "board 8"}, {"title": "board 10"}]}}
    answer = await ask_most(DASHBOARDS)
    assert answer.status == 502
    assert b"SECRET" not in answer.raw
