"""The graph's other doors through a whole gateway, for keys that see all, some or nothing of what is behind them."""

from __future__ import annotations

import json

import pytest

READ = "query:ReadGraphData"
CREATE = "mutation ($token: TokenInput!) { createToken(token: $token) { token } }"


def statement(effect, action, *resources, **equals):
    made = {"effect": effect, "actions": [action], "resources": list(resources or ("*",))}
    return made | ({"condition": {"stringEquals": equals}} if equals else {})


def allow(action, *resources, **equals):
    return statement("ALLOW", action, *resources, **equals)


def deny(action, *resources, **equals):
    return statement("DENY", action, *resources, **equals)


@pytest.fixture(scope="module")
def key(demo):
    """The secret of a new account key."""

    def make(*permissions):
        token = {"name": "doors", "category": "tests", "policy": json.dumps({"permissions": permissions})}
        answer = demo.gateway.graphql(demo.keys["admin"], CREATE, token=token)
        return answer.json["data"]["createToken"]["token"]

    return make


@pytest.fixture(scope="module")
def ask(demo):
    """The `data` of an answer, which has no errors."""

    def run(secret, query, **variables):
        answer = demo.gateway.graphql(secret, query, **variables)
        assert "errors" not in answer.json, answer.json
        return answer.json["data"]

    return run


# --- dashboards ---------------------------------------------------------------------------------------------------

BOARDS = "{ getDashboards { id } }"
DETAILS = """
query Boards($options: DashboardsOptions, $deep: Boolean = true) {
  __typename
  boards: getDashboards(options: $options) { ...Board }
}
fragment Board on InsightsDashboard { title: name widgets @include(if: $deep) { id config { queries { query } } } }
"""


def ids(data):
    return [each["id"] for each in data["getDashboards"]]


def test_a_list_of_dashboards_holds_what_the_key_may_view(demo, key, ask):
    every = ids(ask(demo.keys["super"], BOARDS))
    assert len(every) == 3
    assert ids(ask(demo.keys["dashboard"], BOARDS)) == ["123456"]
    two = key(allow("dashboard:View", "dashboard:123458", "dashboard:123456", "dashboard:of-nobody"))
    assert ids(ask(two, BOARDS)) == ["123456", "123458"]
    but_one = key(allow("*"), deny("dashboard:View", "dashboard:123457"))
    assert ids(ask(but_one, BOARDS)) == ["123456", "123458"]
    nothing = demo.gateway.graphql(key(allow("settings:GetSettings")), BOARDS)
    assert nothing.json["errors"][0]["extensions"]["reason"] == "not_allowed"


def test_what_is_selected_of_each_is_what_the_dashboard_itself_shows(demo, key, ask):
    one = ask(
        demo.keys["super"],
        '{ getDashboard(dashboardId: "123456") { title: name widgets { id config { queries { query } } } } }',
    )
    variables = {"options": {"includeAllJ1ManagedDashboards": True}}
    expected = {"__typename": "Query", "boards": [one["getDashboard"]]}
    all_but_two = key(allow("dashboard:View"), deny("*", "dashboard:123457", "dashboard:123458"))
    for secret in (demo.keys["dashboard"], all_but_two):
        assert ask(secret, DETAILS, **variables) == expected
        shallow = ask(secret, DETAILS, deep=False)
        assert shallow == {"__typename": "Query", "boards": [{"title": one["getDashboard"]["title"]}]}


# --- parameters ---------------------------------------------------------------------------------------------------

PARAMETERS = """
query ($limit: Int, $cursor: String) {
  parameterList(limit: $limit, cursor: $cursor) { items { name value } pageInfo { endCursor hasNextPage } }
}
"""


def walked(ask, secret, limit):
    names, cursor = [], None
    while True:
        page = ask(secret, PARAMETERS, limit=limit, cursor=cursor)["parameterList"]
        assert len(page["items"]) <= limit
        names += [each["name"] for each in page["items"]]
        cursor = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return names


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_list_of_parameters_holds_what_the_key_may_list(demo, key, ask, limit):
    every = walked(ask, demo.keys["super"], limit)
    assert {"loginUrl", "webhookToken"} < set(every)
    named = key(allow("parameters:GetParameterList", "parameter:loginUrl", "parameter:ofNobody"))
    assert walked(ask, named, limit) == ["loginUrl"]
    but_one = key(allow("parameters:GetParameterList"), deny("parameters:GetParameterList", "parameter:webhookToken"))
    assert walked(ask, but_one, limit) == [name for name in every if name != "webhookToken"]


def test_in_an_array_lists_stand_beside_what_is_passed_on_and_what_is_refused(demo, key):
    secret = key(allow("*"), deny("*", "dashboard:123457", "parameter:webhookToken"))
    body = [
        {"query": "{ accountEntity { type } }"},
        {"query": BOARDS},
        {"query": '{ getDashboard(dashboardId: "123457") { id } }'},
        {"query": "{ parameterList { items { name } } }"},
    ]
    passed, boards, refused, parameters = demo.gateway.post("/graphql", body, secret).json
    assert passed == {"data": {"accountEntity": {"type": "list"}}}
    assert ids(boards["data"]) == ["123456", "123458"]
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert "webhookToken" not in {each["name"] for each in parameters["data"]["parameterList"]["items"]}


# --- REST ---------------------------------------------------------------------------------------------------------


def get(demo, secret, path):
    return demo.gateway.call("GET", path, None, {"Authorization": f"Bearer {secret}"})


@pytest.fixture(scope="module")
def keys(demo, key):
    return {
        "unrestricted": demo.keys["super"],
        "reader": key(allow(READ)),
        "conditioned": demo.keys["repos"],
        "unrelated": demo.keys["dashboard"],
        "all but some objects": key(allow("*"), deny(READ, _type="okta_user")),
    }


@pytest.mark.parametrize("path", ["/entities", "/relationships"])
def test_exports_are_for_who_may_read_all_of_the_graph(demo, keys, path):
    for name, secret in keys.items():
        answer = get(demo, secret, f"{path}?limit=10")
        assert answer.status == (200 if name in {"unrestricted", "reader"} else 403), name
        if answer.status == 200:
            assert len(answer.json["items"]) == 10
            more = get(demo, secret, f"{path}?limit=10&includeDeleted=true&cursor={answer.json['endCursor']}")
            assert more.json["items"] != answer.json["items"]
            assert get(demo, secret, f"{path}?limit=4000").status == 422
        elif name != "unrelated":
            assert "POST /j1ql" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    "part", ["raw-data", "raw-data-versions", "raw-data/default/versions", "raw-data/default/versions/latest"]
)
def test_raw_data_is_for_who_may_get_that_of_the_entity(demo, keys, key, part):
    rows = demo.gateway.query(demo.keys["super"], "FIND github_repo AS r RETURN r._id AS id LIMIT 2").json["data"]
    mine, other = (row["id"] for row in rows)
    granted = key(allow("persister:GetEntityRawData", f"entity:{mine}"))
    assert get(demo, granted, f"/entities/{mine}/{part}").status == 200
    assert get(demo, granted, f"/entities/{other}/{part}").status == 403
    assert get(demo, granted, f"/entities/{mine}/{part}?entityId={other}").status == 403
    for name, secret in keys.items():
        answer = get(demo, secret, f"/entities/{mine}/{part}")
        assert answer.status == (200 if name in {"unrestricted", "all but some objects"} else 403), name
