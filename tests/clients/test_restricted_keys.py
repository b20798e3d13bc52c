"""The platform's clients with keys whose policy has a condition, where `graph.query_fields` is `enforce`.

They ask `queryV1` and read what the key may see, as if that were all there is.
"""

from __future__ import annotations

import json

import pytest

from clients.world import ACCOUNT, DASHBOARD, HERE, REPOS, allow, installation


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("restricted"), graph={"query_fields": "enforce"}) as world:
        yield world


@pytest.fixture(scope="module")
def visible(world):
    """The repositories, which fill more than a page, by the ids of their entities."""
    found = {entity.get("_id") for entity in world.upstream.graph.of_type("github_repo")}
    assert len(found) > 250
    return found


@pytest.fixture
def node_client(world, node):
    """Makes calls in rounds and gives the outcomes, one for each call."""

    def calls(secret, *rounds):
        told = {"url": world.url, "account": ACCOUNT, "key": secret, "do": rounds}
        ended = node.run(str(HERE / "node_client.cjs"), json.dumps(told))
        assert ended.code == 0, ended.said
        return ended.lines

    return calls


def ids(rows):
    return [row["entity"]["_id"] for row in rows]


def test_the_node_client_reads_all_pages_of_what_the_key_may_see(world, node_client, visible):
    world.forget()
    (told,) = node_client(world.key(*REPOS).secret, [["queryV1", "FIND *"]])
    assert sorted(ids(told["value"])) == sorted(visible)
    assert {call.path for call in world.received if call.method == "POST"} == {"/j1ql"}
    assert not [call for call in world.received if b"FIND * SKIP" in call.body]  # none left as it came


def test_of_the_node_client_s_array_only_what_may_not_pass_is_refused(world, node_client, visible):
    told = node_client(
        world.key(*REPOS).secret,
        [["queryV1", "FIND github_repo LIMIT 3"], ["graphql", "{ entityCount }"], ["queryV1", "FIND github_user"]],
    )
    assert len(visible.intersection(ids(told[0]["value"]))) == 3
    assert "open to keys that may do everything" in told[1]["error"]
    assert told[2]["value"] == []


def test_what_cannot_be_narrowed_is_told_once_and_in_words(world, node_client):
    before = len(world.decisions())
    (told,) = node_client(world.key(*REPOS).secret, [["queryV1", "FIND #Any"]])
    assert "smart class" in told["error"]
    assert len(world.decisions()) == before + 1


@pytest.mark.parametrize("statements", [DASHBOARD, (allow("persister:Synchronize"),)])
def test_a_key_that_may_not_read_the_graph_is_told_so(world, node_client, statements):
    (told,) = node_client(world.key(*statements).secret, [["queryV1", "FIND *"]])
    assert "may not query:ReadGraphData" in told["error"]


def test_the_python_client_reads_all_pages_directly_and_deferred(world, visible):
    client = world.python_client(world.key(*REPOS).secret)
    rows = client.query_v1("FIND *")["data"]
    assert sorted(ids(rows)) == sorted(visible)
    assert client.query_with_deferred_response("FIND *") == rows
    assert client.query_v1("FIND * AS e RETURN e._type AS type, COUNT(e) AS n")["data"] == [
        {"type": ["github_repo"], "n": len(visible)}
    ]
