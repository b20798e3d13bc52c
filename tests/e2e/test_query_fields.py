"""`queryV1` with `graph.query_fields = "enforce"`, through real gateways: the vendor's client with a restricted key.

The rows are those of /j1ql, and the bytes the same where graphs differ in nothing but what is hidden.
"""

from __future__ import annotations

import json
import warnings
from contextlib import AsyncExitStack
from random import Random

import aiohttp
import pytest
from e2e.conftest import Client
from e2e.test_conditions import ENTITIES, running
from e2e.test_secrecy import TALKATIVE, fixed_world, masked
from e2e.test_secrecy import settings as settings_for
from jupiterone import JupiterOneClient
from jupiterone.errors import JupiterOneApiError

from collection import needs_collection, real_queries
from gateway import sandbox
from gateway.app import serving
from gateway.authz.capabilities import Mode
from gateway.control import NewKey
from gateway.keys import Operator
from gateway.sandbox.graph import Graph
from gateway.settings import validated
from gateway.stores import Organization
from proof.cases import policy
from proof.chance import Chance
from proof.generate import drawn
from proof.secrecy import otherwise

# --- clients ------------------------------------------------------------------------------------------------------


@pytest.fixture
def both(tmp_path):
    with running(tmp_path, relationships="induced", query_fields="enforce") as made:
        yield made


@pytest.fixture
def repos(both):
    return both.key({"_type": "github_repo"})


@pytest.fixture
def client(both):
    """The vendor's Python client, unchanged, with a key."""
    url = both.client.url
    return lambda key: JupiterOneClient(account="acme", token=key, url=url + "/graphql", sync_url=url)


def names(rows):
    return [row["properties"]["name"] for row in rows]


def test_the_python_client_reads_all_pages_with_a_restricted_key(both, repos, client):
    rows = client(repos).query_v1("FIND *")["data"]
    assert rows == both.client.rows(repos, "FIND *")
    assert names(rows) == ["api", "web", "lab", "old", "bare"]  # in pages of two


def test_the_python_client_reads_trees_tables_and_limits(both, repos, client):
    tree = client(repos).query_v1("FIND github_repo THAT USES github_repo RETURN TREE")
    assert tree == both.client.query(repos, "FIND github_repo THAT USES github_repo RETURN TREE").json["data"]
    assert len(tree["edges"]) == 2
    assert client(repos).query_v1("FIND * AS e RETURN COUNT(e) AS n")["data"] == [{"n": 5}]
    assert len(client(repos).query_v1("FIND * LIMIT 3")["data"]) == 3


def test_the_python_client_pages_by_skip_and_limit(both, repos, client):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        rows = client(repos).query_v1("FIND github_repo AS r ORDER BY r.name", skip=2, limit=2)["data"]
    assert names(rows) == ["api", "bare", "lab", "old", "web"]


def test_a_refusal_ends_at_once_with_a_message_a_person_understands(both, repos, client):
    for query, words in (("FIND * THAT RELATES TO * RETURN *", "column"), ("FIND", "expected"), ("FIND #Smart", "")):
        with pytest.raises(JupiterOneApiError) as refused:
            client(repos).query_v1(query)
        assert words in str(refused.value)
    with pytest.raises(JupiterOneApiError) as refused:
        client(repos).query_v1("FIND *", include_deleted=True)
    assert "includeDeleted" in str(refused.value)


NODE = """query QueryLanguageV1($query: String!, $variables: JSON, $includeDeleted: Boolean,
    $deferredResponse: DeferredResponseOption, $flags: QueryV1Flags, $cursor: String) {
  queryV1(query: $query, variables: $variables, includeDeleted: $includeDeleted, deferredResponse: $deferredResponse,
    flags: $flags, cursor: $cursor) { type data url cursor __typename }
}"""


def node(query, **variables):
    """As the Node client sends it: one element of an array."""
    sent = {"deferredResponse": "DISABLED", "flags": {"variableResultSize": True}, "includeDeleted": False}
    return {"operationName": "QueryLanguageV1", "query": NODE, "variables": {"query": query} | sent | variables}


def test_an_array_as_the_node_client_sends_it(both, repos):
    refused = {"query": "query E { entityCount }", "operationName": "E"}
    answer = both.client.post("/graphql", [node("FIND *"), refused, node("FIND github_user")], repos)
    assert (answer.status, answer.headers["gateway-narrowed"]) == (200, "induced")
    first, denied, none = answer.json
    page = both.client.query(repos, "FIND *").json
    assert first["data"]["queryV1"]["data"] == page["data"]
    assert (first["data"]["queryV1"]["type"], first["data"]["queryV1"]["__typename"]) == ("list", "QueryV1Response")
    assert denied["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert none["data"]["queryV1"]["data"] == []
    rest, cursor = [], first["data"]["queryV1"]["cursor"]
    while cursor:
        (page,) = both.client.post("/graphql", [node("FIND *", cursor=cursor)], repos).json
        rest += page["data"]["queryV1"]["data"]
        cursor = page["data"]["queryV1"]["cursor"]
    assert names(rest) == ["lab", "old", "bare"]


# --- deferred answers -----------------------------------------------------------------------------------------------

V2 = """query J1QLv2($query: String!, $variables: JSON, $cursor: String, $scopeFilters: JSON, $includeDeleted: Boolean,
    $returnRowMetadata: Boolean, $returnComputedProperties: Boolean) {
  queryV2(query: $query, variables: $variables, cursor: $cursor, scopeFilters: $scopeFilters,
    includeDeleted: $includeDeleted, returnRowMetadata: $returnRowMetadata,
    returnComputedProperties: $returnComputedProperties) { type url correlationId }
}"""


def fetched(both, url):
    """As clients poll: without a key."""
    assert url.startswith(both.client.url + "/deferred/")
    return both.client.call("GET", url.removeprefix(both.client.url))


def test_the_python_client_reads_deferred_answers_with_a_restricted_key(both, repos, client):
    rows = client(repos).query_with_deferred_response("FIND *")
    assert rows == both.client.rows(repos, "FIND *")
    assert len(rows) == 5


@pytest.mark.parametrize(
    ("query", "cursor"), [("FIND", None), ("FIND * THAT RELATES TO SOMEHOW *", None), ("FIND *", "a cursor of another")]
)
def test_a_refused_deferred_call_ends_at_once(both, repos, client, query, cursor):
    """After any other status than 200, this client would ask again for ever."""
    with pytest.raises(TypeError, match="NoneType"):
        client(repos).query_with_deferred_response(query, cursor)


def test_the_node_client_fetches_results_in_two_hops(both, repos):
    asked = [node("FIND *", deferredResponse="FORCE"), node("FIND github_user", deferredResponse="FORCE")]
    answers = [each["data"]["queryV1"] for each in both.client.post("/graphql", asked, repos).json]
    assert [(each["type"], each["data"]) for each in answers] == [("deferred", None)] * 2
    states = [fetched(both, each["url"]) for each in answers]
    assert [state.json["status"] for state in states] == ["COMPLETED"] * 2
    assert states[0].headers["gateway-narrowed"] == "induced"
    first, none = (fetched(both, state.json["url"]).json for state in states)
    assert first["data"] == both.client.query(repos, "FIND *").json["data"]
    assert none["data"] == []


def test_query_v2_is_deferred_and_goes_on_by_its_cursor(both, repos):
    rows, cursor = [], None
    while True:
        answer = both.client.post("/graphql", {"query": V2, "variables": {"query": "FIND *", "cursor": cursor}}, repos)
        shown = answer.json["data"]["queryV2"]
        assert (shown["type"], shown["correlationId"]) == ("deferred", answer.headers["x-request-id"])
        page = fetched(both, shown["url"]).json
        rows += page["data"]
        cursor = page.get("cursor")
        if not cursor:
            break
    assert rows == both.client.rows(repos, "FIND *")


def test_a_key_that_may_read_everything_gets_addresses_of_ours_as_well(both):
    key = both.key()  # `query:ReadGraphData`, which alone does not open the field without `enforce`
    shown = both.client.post("/graphql", {"query": V2, "variables": {"query": "FIND *"}}, key).json["data"]["queryV2"]
    assert len(fetched(both, shown["url"]).json["data"]) == len(ENTITIES)


def test_the_admin_listener_answers_no_query(both, repos):
    admin = Client(both._gateway.admin)
    for body in (node("FIND *"), [node("FIND *"), node("FIND github_user")]):
        said = admin.post("/graphql", body, repos).json
        for each in said if isinstance(said, list) else [said]:
            assert each["data"] is None
            assert "forwards nothing" in each["errors"][0]["message"]


def test_a_hidden_object_shows_nowhere(both, repos):
    hidden = {each.properties["name"] for each in ENTITIES if "github_user" in each.metadata["_type"]}
    for query in ("FIND *", "FIND github_user", "FIND github_repo THAT OWNS github_user", "FIND * RETURN TREE"):
        body = both.client.post("/graphql", [node(query)], repos).body.decode()
        assert not [name for name in hidden if f'"{name}"' in body]


# --- the same answers as on /j1ql -----------------------------------------------------------------------------------

WHOLE = """query ($query: String!, $variables: JSON, $cursor: String) {
  queryV1(query: $query, variables: $variables, cursor: $cursor) { type data url totalCount cursor correlationId }
}"""


async def by_j1ql(session, gateway, key, text, variables, cursor):
    """Status, headers, bytes; what they say: type, rows and cursor, or the reason of a refusal."""
    body = {"query": text, "variables": variables} | ({"cursor": cursor} if cursor else {})
    got = await posted(session, f"{gateway}/j1ql", key, body)
    said = json.loads(got[2])
    page = (said["error"]["reason"],) if "error" in said else (said["type"], said["data"], said.get("cursor"))
    return got, page


async def by_field(session, gateway, key, text, variables, cursor):
    body = {"query": WHOLE, "variables": {"query": text, "variables": variables, "cursor": cursor}}
    got = await posted(session, f"{gateway}/graphql", key, body)
    said = json.loads(got[2])
    if "errors" in said:
        return got, (said["errors"][0]["extensions"]["reason"],)
    shown = said["data"]["queryV1"]
    assert (shown["url"], shown["totalCount"]) == (None, None)
    return got, (shown["type"], shown["data"], shown["cursor"])


async def posted(session, url, key, body):
    async with session.post(url, json=body, headers={"Authorization": f"Bearer {key}"}) as answer:
        content = await answer.read()
        return answer.status, masked(str(list(answer.headers.items())).encode()), content


async def conversation(door, session, gateway, key, text, variables=None):
    """All pages of an answer by one of the doors: what was seen, byte for byte, and what it says."""
    seen, said, cursor = [], [], None
    for _ in range(20):
        (status, headers, content), page = await door(session, gateway, key, text, variables, cursor)
        seen.append((status, headers, masked(content)))
        said.append(page[:2])
        cursor = page[2] if len(page) == 3 else None
        if not cursor:
            break
    return seen, said


def enforcing(folder, upstream, mode, **limits):
    made = settings_for(folder, upstream, mode)
    graph = made.graph.model_copy(update={"query_fields": "enforce"})
    changed = made.model_copy(update={"graph": graph, "limits": made.limits.model_copy(update=limits)})
    return validated(changed.model_dump())


async def issued(gateway, permissions):
    made = NewKey("k", policy=policy(permissions))
    key = await gateway.control.tokens.create_account_key(Operator(), made, organization="acme")
    return key.secret


async def started(stack, folder, upstream, mode, **limits):
    settings = enforcing(folder, upstream, mode, **limits)
    gateway = await stack.enter_async_context(serving(settings, world=fixed_world()))
    await gateway.control.logins.found(Organization("acme", "Acme"), "one@acme.example")
    return gateway


@needs_collection
async def test_real_queries_get_the_same_rows_by_both_doors(tmp_path):
    """On the graph of the example company, with a policy under which many of them show something."""
    reading = {"actions": ["query:ReadGraphData"], "resources": ["*"]}
    few = {"stringEquals": {"_class": ["User", "Host", "CodeRepo", "HAS", "OWNS"]}}
    told = 0
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(sandbox.running(sandbox.Options(account="acme")))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        for mode in Mode:
            gateway = await started(stack, tmp_path, upstream, mode, page_rows=50)
            key = await issued(gateway, [{"effect": "ALLOW"} | reading | {"condition": few}])
            for text in real_queries()[::23]:
                asking = (session, gateway.data, key, text)
                (_, rows), (_, same) = [await conversation(door, *asking) for door in (by_j1ql, by_field)]
                assert same == rows, text
                told += bool(rows[0][1:] and rows[0][1])
    assert told > 10


async def test_two_graphs_with_the_same_visible_part_give_the_same_bytes(tmp_path):
    """And the rows of /j1ql. As in `test_secrecy`, with an upstream that tells much."""
    random = Random(11)
    told = asked = 0
    async with AsyncExitStack() as stack:
        options = sandbox.Options(account="acme", serving=TALKATIVE)
        upstream = await stack.enter_async_context(sandbox.running(options, Graph()))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        for mode in Mode:
            gateway = await started(stack, tmp_path, upstream, mode)
            for _ in range(15):
                round_ = drawn(random, mode)
                one = round_.graphs[0]
                key = await issued(gateway, round_.permissions)
                graphs = (one, otherwise(Chance(random), round_.permissions, one, mode))
                for question in round_.questions:
                    seen = []
                    for objects in graphs:
                        upstream.graph.__init__(*objects)
                        asking = (session, gateway.data, key, question.query, question.variables)
                        seen.append(await conversation(by_field, *asking))
                        assert (await conversation(by_j1ql, *asking))[1] == seen[-1][1]
                    assert seen[0] == seen[1], (round_.permissions, question.query, *graphs)
                    asked += seen[0][0][0][0] == 200
                    told += any(page[1:] and page[1] for page in seen[0][1])
    assert asked > 50
    assert told > 25
