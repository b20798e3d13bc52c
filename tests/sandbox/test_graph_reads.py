"""The root fields that read the graph without a query."""

from __future__ import annotations

import csv
import io
import json

import aiohttp
import pytest

from gateway.sandbox import Graph


@pytest.fixture
async def small(started, entity, relationship):
    """a -HAS-> b -HAS-> c, and d alone."""
    a, b = entity("a", kind="repo", size=1, tags=["x", "y"]), entity("b", kind="repo", size=2)
    c, d = entity("c", kind="user", classes=("User",), size=2), entity("d", kind="user", classes=("User", "Person"))
    edges = (relationship("ab", a, b), relationship("bc", b, c, "USES"))
    return await started(graph=Graph([a, b, c, d], edges))


async def ask(upstream, text, **variables):
    answer = await upstream.graphql(text, **variables)
    assert "errors" not in answer, answer
    return answer["data"]


def names(vertices):
    return [vertex["entity"]["displayName"] for vertex in vertices]


async def test_a_vertex_shows_what_is_around_it(small):
    around = "entity { displayName } edges { id } neighbors(depth: 2) { vertices { entity { displayName } } }"
    vertex = (await ask(small, f'{{ vertex(id: "v-a") {{ {around} }} }}'))["vertex"]
    assert [edge["id"] for edge in vertex["edges"]] == ["e-ab"]
    assert names(vertex["neighbors"]["vertices"]) == ["a", "b", "c"]
    assert (await ask(small, '{ vertex(filters: {_key: "key-d"}) { id } }'))["vertex"] == {"id": "v-d"}
    assert (await ask(small, '{ vertex(id: "nobody") { id } }'))["vertex"] is None


@pytest.mark.parametrize("field", ["listVertices", "listVerticesV2"])
@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ("", "abcd"),
        ('filters: {_type: ["repo"]}', "ab"),
        ('filters: {_class: ["User"]}, propertyFilters: {size: 2}', "c"),
        ('filters: {_type: ["repo"]}, propertyFilters: {size: [2]}, filterType: OR', "abc"),
        ('propertyFilters: {tags: "y"}', "a"),
        ('search: "ID-D"', "d"),
        ('sort: [{field: "size", order: DESC}]', "bcad"),
    ],
)
async def test_vertices_are_listed_by_filters(small, field, arguments, found):
    called = f"{field}({arguments})" if arguments else field
    listed = (await ask(small, f"{{ {called} {{ total vertices {{ entity {{ displayName }} }} }} }}"))[field]
    assert (listed["total"], "".join(names(listed["vertices"]))) == (len(found), found)


async def test_vertices_are_listed_page_by_page(small):
    page = """query($after: String) {
      listVertices(size: 3, after: $after) { vertices { id } pageInfo { endCursor hasNextPage } }
    }"""
    first = (await ask(small, page))["listVertices"]
    assert first["pageInfo"]["hasNextPage"] is True
    last = (await ask(small, page, after=first["pageInfo"]["endCursor"]))["listVertices"]
    assert [each["id"] for each in (*first["vertices"], *last["vertices"])] == ["v-a", "v-b", "v-c", "v-d"]
    assert last["pageInfo"] == {"endCursor": None, "hasNextPage": False}


async def test_an_edge_is_found_by_id_label_or_key(small):
    for arguments in ('id: "e-bc"', 'label: "USES"', 'filters: {_key: "key-bc"}'):
        edge = (await ask(small, f"{{ edge({arguments}) {{ fromVertexId relationship {{ _key }} }} }}"))["edge"]
        assert edge == {"fromVertexId": "v-b", "relationship": {"_key": "key-bc"}}
    assert (await ask(small, '{ edge(label: "OWNS") { id } }'))["edge"] is None


async def test_the_whole_graph_is_one_field(small):
    graph = (await ask(small, "{ queryGraph { vertices { id } edges { id } } }"))["queryGraph"]
    assert (len(graph["vertices"]), len(graph["edges"])) == (4, 2)


async def test_the_graph_is_counted_and_described(small):
    assert await ask(
        small,
        """{
          entityCount users: entityCount(filters: {_class: ["User"]}) typeCounts(classes: ["User"])
          getEntityCounts { types classes } entityProperties(filters: {_type: ["repo"]}) { properties }
          entityPropertyValues(property: "size") { values { value count } } assetCategories { name }
          queryRelatedEntities(leftEntityTypesOrClasses: ["repo"]) { rightEntityTypeOrClass }
          queryProperties(entity: "repo") { name count }
          queryRelationships(sourceEntity: "repo", sourceVerbs: ["USES"]) { targetEntity count }
          queryUniqueRelationships(leftEntityTypesOrClasses: ["repo"]) { verb }
        }""",
    ) == {
        "entityCount": 4,
        "users": 2,
        "typeCounts": {"user": 2},
        "getEntityCounts": {"types": {"repo": 2, "user": 2}, "classes": {"C": 2, "User": 2, "Person": 1}},
        "entityProperties": {"properties": ["size", "tags"]},
        "entityPropertyValues": {"values": [{"value": "1", "count": 1}, {"value": "2", "count": 2}]},
        "assetCategories": [{"name": "C"}, {"name": "Person"}, {"name": "User"}],
        "queryRelatedEntities": [{"rightEntityTypeOrClass": "repo"}, {"rightEntityTypeOrClass": "user"}],
        "queryProperties": [{"name": "size", "count": 2}, {"name": "tags", "count": 1}],
        "queryRelationships": [{"targetEntity": "user", "count": 1}],
        "queryUniqueRelationships": [{"verb": "HAS"}, {"verb": "USES"}],
    }


async def test_one_object_is_fetched_by_its_own_id(small):
    got = await ask(
        small,
        """{
          fetchEntityById(entityId: "id-a") { entity }
          fetchEntityContributionsById(entityId: "id-a") { contributions }
          fetchRelationshipById(relationshipId: "id-ab") { relationship }
        }""",
    )
    assert got["fetchEntityById"]["entity"] == small.graph.entity("v-a").wire()
    assert got["fetchEntityContributionsById"]["contributions"] == [small.graph.entity("v-a").wire()]
    assert got["fetchRelationshipById"]["relationship"]["fromVertexId"] == "v-a"
    for field in (
        'fetchEntityById(entityId: "x") { entity }',
        'fetchRelationshipById(relationshipId: "x") { __typename }',
    ):
        answer = await small.graphql(f"{{ {field} }}")
        assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_every_root_of_raw_data_answers_alike(upstream):
    repository = upstream.graph.of_type("github_repo")[0]
    raw = "entityId payload { name data }"
    versions = "versions { versionId latest }"
    got = await ask(
        upstream,
        f"""query($i: String!) {{
          entityRawData(entityId: $i, source: "s") {{ {raw} }}
          entityRawDataLegacy(entityId: $i, source: "s") {{ {raw} }}
          entityRawDataV2(entityId: $i) {{ {raw} }}
          entityRawDataVersions(entityId: $i, source: "s", name: "default") {{ {versions} }}
          entityRawDataVersionsLegacy(entityId: $i, source: "s", name: "default") {{ {versions} }}
        }}""",
        i=repository.get("_id"),
    )
    assert got["entityRawData"] == got["entityRawDataLegacy"] == got["entityRawDataV2"]
    assert got["entityRawData"]["payload"][0]["data"]["fullName"] == repository.get("fullName")
    assert got["entityRawDataVersions"] == got["entityRawDataVersionsLegacy"]
    assert got["entityRawDataVersions"] == {"versions": [{"versionId": "1", "latest": True}]}


async def test_exports_are_built_into_files_that_need_no_credential(small):
    build = """mutation {
      buildCsv(filters: {_type: ["repo"]}) { stateFileUrl } buildJson(propertyFilters: {size: 2}) { stateFileUrl }
    }"""
    built = await ask(small, build)
    async with aiohttp.ClientSession() as stranger:

        async def file(url):
            async with stranger.get(url) as state, stranger.get((await state.json())["url"]) as result:
                return await result.text()

        rows = csv.DictReader(io.StringIO(await file(built["buildCsv"]["stateFileUrl"])))
        assert [row["displayName"] for row in rows] == ["a", "b"]
        assert names(json.loads(await file(built["buildJson"]["stateFileUrl"]))["data"]) == ["b", "c"]


# --- REST ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["entities", "relationships"])
async def test_the_bulk_export_walks_all_of_the_graph(upstream, kind):
    items, cursor = [], ""
    while True:
        status, page = await upstream.call("GET", f"/{kind}?limit=900&includeDeleted=true{cursor}")
        assert status == 200
        items += page["items"]
        if "endCursor" not in page:
            break
        cursor = f"&cursor={page['endCursor']}"
    assert [item["_id"] for item in items] == [thing.get("_id") for thing in getattr(upstream.graph, kind)]
    assert all(isinstance(item["_type"], str) for item in items)


async def test_an_export_that_is_too_large_or_no_number_is_refused(bare):
    assert (await bare.call("GET", "/entities?limit=4000"))[0] == 422
    assert (await bare.call("GET", "/relationships?cursor=x"))[0] == 400


async def test_raw_data_over_rest(upstream):
    entity_id = upstream.graph.of_type("github_repo")[0].get("_id")
    for path in ("raw-data", "raw-data/default/versions/latest"):
        status, answer = await upstream.call("GET", f"/entities/{entity_id}/{path}")
        assert (status, answer["entityId"], answer["status"]) == (200, entity_id, "AVAILABLE")
    for path in ("raw-data-versions", "raw-data/default/versions"):
        assert len((await upstream.call("GET", f"/entities/{entity_id}/{path}"))[1]["versions"]) == 1
    assert (await upstream.call("GET", "/entities/nobody/raw-data-versions"))[1]["versions"] == []
