"""What others' queries found: widgets, questions, alerts."""

from __future__ import annotations

import aiohttp

WIDGET = "123456-1"
QUERY = "FIND github_repo WITH public = true"


async def ask(upstream, text, **variables):
    answer = await upstream.graphql(text, **variables)
    assert "errors" not in answer, answer
    return answer["data"]


async def test_a_widget_shows_what_its_query_finds(upstream):
    found = await upstream.query(QUERY)
    data = await ask(
        upstream,
        """query($d: String!, $w: String!, $q: WidgetQueryInput!) {
          getDashboardQueryWidgetData(dashboardId: $d, widgetId: $w, ownerId: "o") { widgetId data { name url data } }
          getDashboardQuestionWidgetData(
            dashboardId: $d, widgetId: $w, ownerId: "o", beginTimestamp: 0, endTimestamp: 1
          ) { data { results } }
          getPaginatedQueryWidgetData(queryInput: $q) { type data totalCount }
          getWidget(boardId: $d, boardType: "ACCOUNT", widgetId: $w) { widget }
          getDashboardTemplates { name }
          dashboardParameter(id: "none") { name }
          getDashboardWidgetSettings(dashboardId: $d, ownerId: "o") { data }
          getDashboardLayoutSettings(dashboardId: $d, ownerId: "o") { dashboardId }
        }""",
        d="123456",
        w=WIDGET,
        q={"query": QUERY},
    )
    assert (data["getDashboardTemplates"], data["dashboardParameter"]) == ([], None)
    assert data["getWidget"]["widget"]["config"]["queries"][0]["query"] == QUERY
    (result,) = data["getDashboardQueryWidgetData"]["data"]
    assert (result["name"], result["data"]) == ("Public repositories", found["data"])
    async with aiohttp.ClientSession() as stranger, stranger.get(result["url"]) as state:
        assert (await state.json())["data"] == found["data"]
    assert data["getDashboardQuestionWidgetData"]["data"]["results"] == [found]
    assert data["getPaginatedQueryWidgetData"] == found
    assert data["getDashboardWidgetSettings"]["data"]["widgets"] == ["Public repositories", "Repositories by team"]
    assert data["getDashboardLayoutSettings"]["dashboardId"] == "123456"


async def test_every_widget_is_a_question_with_an_answer(upstream):
    data = await ask(
        upstream,
        """query($id: ID!) {
          questions { totalHits questions { id } }
          question(id: $id) { title queries { query } }
          findSimilarQuestions(termsToMatch: ["a"]) { totalHits }
          evaluateQuestion(id: $id) { answerText }
          listCollectionResults(
            collectionType: QUESTION, collectionOwnerId: "123456-1", beginTimestamp: 0, endTimestamp: 1
          ) { results { outputs { name value } } }
        }""",
        id=WIDGET,
    )
    count = (await upstream.query(QUERY))["totalCount"]
    assert data["question"] == {"title": "Public repositories", "queries": [{"query": QUERY}]}
    assert data["questions"]["totalHits"] == data["findSimilarQuestions"]["totalHits"] == 5
    assert data["evaluateQuestion"]["answerText"] == f"Public repositories: {count}"
    assert data["listCollectionResults"]["results"][0]["outputs"][0] == {"name": "count", "value": count}


async def test_an_alert_fires_for_what_a_question_finds(upstream, bare):
    document = """{
      listAlertInstances { instances { id lastEvaluationResult { answerText } } }
      listAlertInstancesInCreatedOnDateRange(beginOn: 0, endOn: 1) { instances { id } }
      countAlertInstances { count }
    }"""
    data = await ask(upstream, document)
    fired = [alert["id"] for alert in data["listAlertInstances"]["instances"]]
    assert WIDGET in fired
    assert data["countAlertInstances"]["count"] == len(fired)
    empty = await ask(bare, document)
    assert WIDGET not in [alert["id"] for alert in empty["listAlertInstances"]["instances"]]
    one = await ask(upstream, "query($id: ID!) { alertInstance(id: $id) { status } }", id=WIDGET)
    assert one["alertInstance"]["status"] == "ACTIVE"


async def test_raw_results_are_files_that_need_no_credential(upstream):
    document = """query($id: ID!) {
      getRawDataDownloadUrl(rawDataKey: "123456-1") getRawResultPresignedDownloadUrl(alertId: $id, queryName: "q")
    }"""
    found = (await upstream.query(QUERY))["data"]
    async with aiohttp.ClientSession() as stranger:
        for url in (await ask(upstream, document, id=WIDGET)).values():
            async with stranger.get(url) as state:
                assert (await state.json())["data"] == found


async def test_what_does_not_exist_is_not_found(bare):
    for field in (
        'question(id: "x") { id }',
        'alertInstance(id: "x") { id }',
        'getDashboardWidgetSettings(dashboardId: "x", ownerId: "o") { data }',
    ):
        (error,) = (await bare.graphql(f"{{ {field} }}"))["errors"]
        assert error["extensions"]["code"] == "NOT_FOUND"
