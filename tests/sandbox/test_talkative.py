from __future__ import annotations

from gateway.sandbox.queries import Serving

TALKATIVE = Serving(talkative=True)


async def test_an_unknown_root_is_answered_with_all_there_is(started):
    upstream = await started(TALKATIVE)
    document = """
      query($x: Unknown) { iamGetUserList(a: $x) { b } other: notAField @nowhere ...F ... on Query { third } }
      fragment F on Query { fourth ...F }
    """
    data = (await upstream.graphql(document))["data"]
    assert list(data) == ["iamGetUserList", "other", "fourth", "third"]
    for known in data.values():
        assert len(known["vertices"]) == len(upstream.graph)
        assert len(known["edges"]) == len(list(upstream.graph.relationships))
        assert known["parameters"]["webhookToken"].startswith("wht-")
        assert known["dashboards"][0]["id"] == "123456"


async def test_of_a_mixed_document_only_the_unknown_part_is_told(started):
    upstream = await started(TALKATIVE)
    data = (await upstream.graphql("mutation { entityCount __typename a: unheardOf }"))["data"]
    assert (data["entityCount"], data["__typename"], len(data["a"]["vertices"])) == (None, None, len(upstream.graph))
    assert "errors" in await upstream.graphql("mutation { entityCount }")


async def test_a_known_root_is_answered_as_ever(started):
    upstream = await started(TALKATIVE)
    assert (await upstream.graphql('mutation { setSettings(resourceType: "a", category: "b") { category } }'))[
        "data"
    ] == {"setSettings": {"category": "b"}}
    assert "errors" in await upstream.graphql("{ unfinished")


async def test_an_unknown_path_is_answered_too(started):
    upstream = await started(TALKATIVE)
    for method, path in (("GET", "/entities/x/history"), ("DELETE", "/j1ql"), ("POST", "/nowhere")):
        status, answer = await upstream.call(method, path)
        assert (status, len(answer["vertices"])) == (200, len(upstream.graph))


async def test_others_are_not_talkative(bare):
    assert "errors" in await bare.graphql("{ iamGetUserList { b } }")
    assert (await bare.call("GET", "/entities/x/history"))[0] == 404
