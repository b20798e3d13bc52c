"""What a newcomer sees: the demo, its keys, and what each may do. The product's promises, end to end."""

from __future__ import annotations

import json
import stat

import pytest

SEED_POLICY = (
    '{\n\t"permissions": [{\n\t\t"effect":"ALLOW",\n\t\t"actions":[ "dashboard:View" ],'
    '\n\t\t"resources": [ "dashboard:123456" ]\n\t}]\n}'
)
SEED_CREATE = """mutation CreateToken($token: TokenInput!) {
  createToken(token: $token) {
    token
    id
    name
    category
    policy
    revoked
    createdAt
    expiresAt
    __typename
  }
}
"""
SEED_REVOKE = """mutation RevokeToken($id: String!) {
  revokeToken(id: $id) {
    token
    id
    name
    category
    policy
    revoked
    createdAt
    expiresAt
    __typename
  }
}
"""
SEED_TOKEN = {"name": "Token Name", "category": "tags", "policy": SEED_POLICY}
DASHBOARD = "query D($id: ID!) { getDashboard(dashboardId: $id) { id } }"


def is_repo(row):
    return "github_repo" in row["entity"]["_type"]


def test_demo_json_says_where_everything_is_and_is_for_its_owner_only(demo):
    assert set(demo.told) == {"gateway", "admin", "ops", "upstream", "account", "integration_instance", "keys"}
    assert set(demo.keys) == {"platform", "admin", "super", "repos", "dashboard", "integration"}
    assert stat.S_IMODE((demo.dir / "demo.json").stat().st_mode) == 0o600


def test_the_repos_key_sees_exactly_the_repos_that_the_super_key_sees_in_the_same_order(demo):
    mine = demo.gateway.rows(demo.keys["repos"], "FIND *")
    everything = demo.gateway.rows(demo.keys["super"], "FIND *")
    assert mine == [row for row in everything if is_repo(row)]
    assert len(everything) > 2000
    assert len(mine) > 250, "more than one page, else cursors were not tried"


def test_pages_of_a_restricted_key_are_full_and_its_cursors_are_sealed(demo):
    first = demo.gateway.query(demo.keys["repos"], "FIND *")
    assert first.headers["gateway-narrowed"] == "strict"
    assert first.headers["cache-control"] == "no-store"
    assert set(first.json) == {"type", "data", "cursor"}
    assert len(first.json["data"]) == 250
    stolen = first.json["cursor"]
    assert demo.gateway.query(demo.keys["repos"], "FIND * LIMIT 300", cursor=stolen).status == 400
    assert demo.gateway.query(demo.keys["repos"], "FIND *", cursor=stolen[:-4] + "AAAA").status == 400
    upstream = demo.gateway.query(demo.keys["super"], "FIND *").json["cursor"]
    assert demo.gateway.query(demo.keys["repos"], "FIND *", cursor=upstream).status == 400


def test_limits_and_counts_are_those_of_the_visible_graph(demo):
    repos = demo.keys["repos"]
    assert len(demo.gateway.rows(repos, "FIND * LIMIT 5")) == 5
    assert demo.gateway.query(repos, "FIND github_user").json == {"type": "list", "data": []}
    (count,) = demo.gateway.rows(repos, "FIND * AS e RETURN COUNT(e) AS n")
    (whole,) = demo.gateway.rows(demo.keys["super"], "FIND github_repo AS e RETURN COUNT(e) AS n")
    assert count == whole
    by_type = demo.gateway.rows(repos, "FIND * AS e RETURN e._type AS t, COUNT(e) AS n")
    assert [row["n"] for row in by_type] == [count["n"]]


def test_a_table_shows_the_columns_that_were_asked_for_and_no_hidden_ones(demo):
    rows = demo.gateway.rows(
        demo.keys["repos"], "FIND * AS r RETURN r.name AS name, r._key ORDER BY r.name SKIP 1 LIMIT 3"
    )
    assert [set(row) for row in rows] == [{"name", "r._key"}] * 3
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)


def test_a_query_that_cannot_be_narrowed_is_refused_with_its_place(demo):
    answer = demo.gateway.query(demo.keys["repos"], "FIND github_repo\nTHAT SOMEHOW HAS github_user")
    assert answer.status == 403
    error = answer.json["error"]
    assert error["reason"] == "unsupported_query"
    assert "line 2" in error["message"]
    assert answer.headers["x-request-id"] == error["requestId"]


def test_queryv1_is_refused_to_a_restricted_key_and_the_message_names_the_way(demo):
    query = 'query Q { x: queryV1(query: "FIND *") { type data } }'
    refused = demo.gateway.graphql(demo.keys["repos"], query)
    assert refused.status == 200
    assert refused.json["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert "/j1ql" in refused.json["errors"][0]["message"]
    allowed = demo.gateway.graphql(demo.keys["super"], query)
    assert len(allowed.json["data"]["x"]["data"]) == 250


@pytest.mark.parametrize("path", ["/graphql", "/api/graphql", "/"])
def test_the_documented_call_makes_a_key_that_views_one_dashboard_and_nothing_else(demo, path):
    body = {"query": SEED_CREATE, "variables": {"token": SEED_TOKEN}}
    made = demo.gateway.post(path, body, demo.keys["admin"])
    token = made.json["data"]["createToken"]
    assert "errors" not in made.json
    assert list(token) == "token id name category policy revoked createdAt expiresAt __typename".split()
    assert (token["name"], token["category"], token["policy"]) == ("Token Name", "tags", SEED_POLICY)
    assert (token["revoked"], token["__typename"]) == (False, "IamToken")
    assert token["expiresAt"] > token["createdAt"]
    key = token["token"]
    seen = demo.gateway.graphql(key, DASHBOARD, id="123456")
    assert seen.json["data"]["getDashboard"]["id"] == "123456"
    for other in ("123457", "12345", "1234567"):
        refused = demo.gateway.graphql(key, DASHBOARD, id=other).json
        assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert demo.gateway.query(key, "FIND *").status == 403
    for query in (
        '{ getSettings(category: "x") { value } }',
        '{ queryV1(query: "FIND *") { data } }',
        "{ unknownField }",
    ):
        assert demo.gateway.graphql(key, query).json["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert demo.gateway.graphql(key, SEED_CREATE, token=SEED_TOKEN).json["errors"]

    revoked = demo.gateway.graphql(demo.keys["admin"], SEED_REVOKE, id=token["id"]).json["data"]["revokeToken"]
    assert (revoked["token"], revoked["revoked"]) == (None, True)
    assert {name: revoked[name] for name in ("id", "name", "policy")} == {n: token[n] for n in ("id", "name", "policy")}
    assert demo.gateway.graphql(key, DASHBOARD, id="123456").status == 401


@pytest.mark.parametrize("who", ["super", "repos", "dashboard", "integration"])
def test_only_an_administrator_makes_keys(demo, who):
    """A key that may do everything with the graph may do nothing with keys."""
    answer = demo.gateway.graphql(demo.keys[who], SEED_CREATE, token=SEED_TOKEN)
    assert answer.status == 200
    assert answer.json["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_a_key_knows_what_it_may(demo):
    told = demo.gateway.call("GET", "/whoami", headers={"X-Api-Key": demo.keys["repos"]}).json
    assert told["account"] == demo.told["account"]
    assert told["permissions"][0]["condition"] == {"stringEquals": {"_type": ["github_repo"]}}


def test_the_dashboard_key_and_the_integration_key_do_one_thing(demo):
    assert demo.gateway.graphql(demo.keys["dashboard"], DASHBOARD, id="123456").json["data"]["getDashboard"]
    job = {"source": "integration-external", "integrationInstanceId": demo.told["integration_instance"]}
    created = demo.gateway.post("/persister/synchronization/jobs", job, demo.keys["integration"])
    assert created.status == 200
    path = f"/persister/synchronization/jobs/{created.json['job']['id']}"
    assert demo.gateway.post(f"{path}/abort", {}, demo.keys["super"]).status == 200
    for who in ("integration", "dashboard"):
        assert demo.gateway.query(demo.keys[who], "FIND *").status == 403
    assert demo.gateway.post("/persister/synchronization/jobs", job, demo.keys["dashboard"]).status == 403


def test_operators_see_that_it_lives_and_what_it_did(demo):
    demo.gateway.query(demo.keys["repos"], "FIND *")
    assert demo.ops.call("GET", "/livez").status == 200
    assert demo.ops.call("GET", "/readyz").status == 200
    metrics = demo.ops.call("GET", "/metrics").body.decode()
    assert 'route="j1ql"' in metrics
    for key in demo.keys.values():
        assert key not in metrics


def test_no_secret_is_written_down(demo):
    """Keys are shown once; after that only their digests exist, in the database and everywhere else."""
    for made in demo.dir.rglob("*"):
        if made.is_file() and made.name not in {"demo.json", "demo.log"}:
            content = made.read_bytes()
            for name, key in demo.keys.items():
                assert key.encode() not in content, (made, name)


def test_languages_of_the_documents_are_there_for_the_project_roles(demo):
    rows = demo.gateway.rows(
        demo.keys["super"], "FIND * WITH language = ('cs' OR 'en' OR 'de') AS d RETURN d.language AS l, COUNT(d)"
    )
    assert {row["l"] for row in rows} == {"cs", "en", "de"}
    assert json.dumps(rows)
