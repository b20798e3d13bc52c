from __future__ import annotations

import pytest

from gateway.sandbox.account import FRAMEWORKS, INTEGRATION_INSTANCE


def code(answer):
    (error,) = answer["errors"]
    return error["extensions"]["code"]


async def test_query_v1_answers_a_list_with_a_cursor(upstream):
    document = """
        query Q($query: String!, $cursor: String, $flags: QueryV1Flags) {
          queryV1(query: $query, cursor: $cursor, deferredResponse: DISABLED, flags: $flags) {
            type data cursor totalCount
          }
        }"""
    first = (await upstream.graphql(document, query="FIND github_repo"))["data"]["queryV1"]
    assert first["type"] == "list"
    assert len(first["data"]) == 250
    rest = (await upstream.graphql(document, query="FIND github_repo", cursor=first["cursor"]))["data"]["queryV1"]
    assert rest["cursor"] is None
    assert len(first["data"]) + len(rest["data"]) == first["totalCount"] == len(upstream.graph.of_type("github_repo"))


async def test_query_v1_and_j1ql_answer_alike(upstream):
    query = "FIND okta_user AS u RETURN u.displayName AS name, u.active ORDER BY name LIMIT 5"
    document = "query($q: String!) { queryV1(query: $q) { type data totalCount } }"
    assert (await upstream.graphql(document, q=query))["data"]["queryV1"] == await upstream.query(query)


async def test_a_tree_speaks_of_both_ends_of_each_edge(upstream):
    document = "query($q: String!) { queryV1(query: $q) { type data } }"
    query = "FIND team WITH name = 'Search' THAT HAS Person RETURN TREE"
    tree = (await upstream.graphql(document, q=query))["data"]["queryV1"]
    assert tree["type"] == "tree"
    vertices = {vertex["id"] for vertex in tree["data"]["vertices"]}
    assert len(tree["data"]["edges"]) == len(vertices) - 1 > 0
    assert all({edge["fromVertexId"], edge["toVertexId"]} <= vertices for edge in tree["data"]["edges"])


async def test_a_fault_of_a_query_is_a_graphql_error_with_status_200(bare):
    answer = await bare.graphql('{ queryV1(query: "FIND * WITH") { type } }')
    assert code(answer) == "PARSER_ERROR"
    assert answer["data"] is None
    assert answer["errors"][0]["path"] == ["queryV1"]


async def test_a_batch_is_answered_in_order_and_a_fault_stays_with_its_element(bare):
    batch = [
        {"query": "{ iamGetAccount { accountId } }"},
        {"query": "{ nothing }"},
        {"query": "query A { entityCount } query B { __typename }", "operationName": "B", "variables": None},
    ]
    first, second, third = await bare.post("/graphql", batch)
    assert first == {"data": {"iamGetAccount": {"accountId": "j1sandbox"}}}
    assert "nothing" in second["errors"][0]["message"]
    assert third == {"data": {"__typename": "Query"}}


async def test_unknown_members_of_a_request_are_passed_over(bare):
    body = {"query": "{ entityCount }", "flags": {"variableResultSize": True}}
    assert await bare.post("/graphql", body) == {"data": {"entityCount": len(bare.graph)}}


@pytest.mark.parametrize("path", ["/", "/graphql", "/api/graphql", "/rules/graphql"])
async def test_graphql_is_served_at_every_path_that_clients_use(bare, path):
    assert (await bare.post(path, {"query": "{ __typename }"})) == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("body", [5, {}, {"query": 5}, {"query": "{ a }", "variables": []}, [{"query": None}]])
async def test_what_is_no_graphql_request_is_a_400(bare, body):
    status, answer = await bare.call("POST", "/graphql", json=body)
    assert status == 400
    assert code(answer) == "BAD_REQUEST"


async def test_dashboards_are_listed_and_found(bare):
    document = """{
      one: getDashboard(dashboardId: "123456") { id widgets { title config { queries { query } } } }
      getDashboards(options: {includeAllJ1ManagedDashboards: true}) { id name }
    }"""
    data = (await bare.graphql(document))["data"]
    assert data["one"]["id"] == "123456"
    assert [dashboard["id"] for dashboard in data["getDashboards"]][:2] == ["123456", "123457"]
    assert code(await bare.graphql('{ getDashboard(dashboardId: "1") { id } }')) == "NOT_FOUND"


async def test_every_query_of_a_dashboard_has_an_answer(upstream):
    document = "{ getDashboards { widgets { config { queries { query } } } } }"
    for dashboard in (await upstream.graphql(document))["data"]["getDashboards"]:
        for widget in dashboard["widgets"]:
            assert (await upstream.query(widget["config"]["queries"][0]["query"]))["data"]


async def test_a_secret_parameter_is_used_by_queries_and_never_shown(upstream):
    listed = await upstream.graphql("{ parameterList { items { name value secret } } }")
    secret = [item for item in listed["data"]["parameterList"]["items"] if item["secret"]]
    assert secret == [{"name": "webhookToken", "value": "[REDACTED]", "secret": True}]
    one = await upstream.graphql('{ parameter(name: "webhookToken") { value } }')
    assert one["data"]["parameter"]["value"] == "[REDACTED]"
    told = await upstream.query("FIND team AS t RETURN ${param.webhookToken} AS v LIMIT 1")
    assert told["data"][0]["v"].startswith("wht-")


async def test_parameters_can_be_set_listed_by_pages_and_deleted(bare):
    document = "mutation($n: String!, $v: ParameterValue!) { setParameter(name: $n, value: $v) { success } }"
    assert (await bare.graphql(document, n="aaa", v=["x"]))["data"]["setParameter"]["success"] is True
    page = """query($c: String) {
      parameterList(limit: 2, cursor: $c) { items { name value } pageInfo { endCursor hasNextPage } }
    }"""
    names, cursor = [], None
    while True:
        got = (await bare.graphql(page, c=cursor))["data"]["parameterList"]
        names += [item["name"] for item in got["items"]]
        cursor = got["pageInfo"]["endCursor"]
        if not got["pageInfo"]["hasNextPage"]:
            break
    assert names == sorted(names)
    assert names[0] == "aaa"
    gone = (
        'mutation { first: deleteParameter(name: "aaa") { success } again: deleteParameter(name: "aaa") { success } }'
    )
    assert (await bare.graphql(gone))["data"] == {"first": {"success": True}, "again": {"success": False}}


async def test_settings_are_read_and_written_by_category(bare):
    write = """mutation {
      setSettings(resourceType: "account", category: "new", data: {a: [1]}) { resultCode resourceId }
    }"""
    assert (await bare.graphql(write))["data"]["setSettings"] == {
        "resultCode": "CREATED",
        "resourceId": "j1sandbox",
    }
    read = 'query { new: getSettings(resourceType: "account", category: "new") { data } }'
    assert (await bare.graphql(read))["data"]["new"]["data"] == {"a": [1]}


async def test_a_compliance_framework_has_a_summary_of_its_results(bare):
    document = """query($i: ComplianceFrameworkInput!) {
      complianceFramework(input: $i) { name summary { totalFrameworkItems gapAnalysisSummary { gapDetected } } }
      complianceFrameworks { standards { id } }
    }"""
    data = (await bare.graphql(document, i={"id": FRAMEWORKS[0].id}))["data"]
    assert data["complianceFramework"]["summary"] == {
        "totalFrameworkItems": 4,
        "gapAnalysisSummary": {"gapDetected": 1},
    }
    assert len(data["complianceFrameworks"]["standards"]) == len(FRAMEWORKS)


async def test_raw_data_is_there_for_what_an_integration_collected(upstream):
    document = "query($i: ID!) { entityRawDataLegacy: entityRawDataV2(entityId: $i) { status payload { data } } }"
    repository = upstream.graph.of_type("github_repo")[0]
    raw = (await upstream.graphql(document, i=repository.get("_id")))["data"]["entityRawDataLegacy"]
    assert raw["status"] == "AVAILABLE"
    assert raw["payload"][0]["data"]["fullName"] == repository.get("fullName")
    article = upstream.graph.of_type("cms_article")[0]
    for entity_id in (article.get("_id"), "nobody"):
        raw = (await upstream.graphql(document, i=entity_id))["data"]["entityRawDataLegacy"]
        assert raw["status"] == "NOT_AVAILABLE_OR_EXPIRED"


async def test_counts_and_integrations_are_those_of_the_account(upstream):
    document = """query($i: String!) {
      allEntityCounts
      getAllAssetProperties
      accountEntity { data }
      integrationInstance(id: $i) { name }
      integrationInstances { instances { id } }
    }"""
    data = (await upstream.graphql(document, i=INTEGRATION_INSTANCE))["data"]
    assert data["allEntityCounts"]["typeCounts"]["github_repo"] == len(upstream.graph.of_type("github_repo"))
    assert "tag.team" in data["getAllAssetProperties"]
    assert data["accountEntity"]["data"][0]["properties"]["accountId"] == "j1sandbox"
    assert data["integrationInstance"]["name"] == "Asset inventory"
    assert INTEGRATION_INSTANCE in {instance["id"] for instance in data["integrationInstances"]["instances"]}
    assert code(await upstream.graphql('{ integrationInstance(id: "x") { id } }')) == "BAD_USER_INPUT"
