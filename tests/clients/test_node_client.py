"""The platform's Node client, `@jupiterone/jupiterone-client-nodejs` 0.21.2, through the gateway.

It sends each GraphQL request in an array, waits for deferred results in two steps, pages by `SKIP n LIMIT 250`, and
tries five times what is not answered with 200.
"""

from __future__ import annotations

import json

import pytest

from clients.world import ACCOUNT, DASHBOARD, HERE, REPOS, SUPER, allow

INSTANCES = "{ integrationInstances { instances { id name } pageInfo { endCursor hasNextPage } } }"
DASHBOARD_BY_ALIAS = '{ mine: getDashboard(dashboardId: "123456") { id name } }'
COUNT = "{ entityCount }"


@pytest.fixture
def client(world, node):
    """Makes calls in rounds and gives the outcomes, one for each call."""
    return client_of(world, node)


def client_of(world, node):
    def calls(secret, *rounds, **more):
        told = {"url": world.url, "account": ACCOUNT, "key": secret, "do": rounds, **more}
        ended = node.run(str(HERE / "node_client.cjs"), json.dumps(told))
        assert ended.code == 0, ended.said
        return ended.lines

    return calls


def sent(world):
    """The GraphQL bodies that reached the platform."""
    return [json.loads(call.body) for call in world.received if call.path == "/graphql"]


def test_it_lists_integration_instances(world, client):
    (told,) = client(world.key(*SUPER).secret, [["graphql", INSTANCES]])
    instances = told["value"]["integrationInstances"]["instances"]
    assert {each["id"] for each in instances} == {each.id for each in world.upstream.account.integrations}


@pytest.mark.parametrize("rules", [False, True])
def test_calls_at_once_are_one_array_with_an_answer_each(world, client, rules):
    world.forget()
    told = client(world.key(*SUPER).secret, [["graphql", INSTANCES], ["graphql", DASHBOARD_BY_ALIAS]], rules=rules)
    assert "integrationInstances" in told[0]["value"]
    assert told[1]["value"]["mine"]["id"] == "123456"
    (body,) = sent(world)
    assert len(body) == 2


def test_of_an_array_only_what_the_key_may_not_do_is_refused(world, client):
    world.forget()
    told = client(world.key(*DASHBOARD).secret, [["graphql", INSTANCES], ["graphql", DASHBOARD_BY_ALIAS]])
    assert "needs a key that may do everything" in told[0]["error"]
    assert told[1]["value"]["mine"]["id"] == "123456"
    (body,) = sent(world)
    assert "getDashboard" in json.dumps(body)
    assert "integrationInstances" not in json.dumps(body)


@pytest.mark.parametrize("statements", [DASHBOARD, REPOS, (allow("persister:Synchronize"),)])
def test_a_refusal_is_told_once_and_in_words(world, client, statements):
    world.forget()
    before = len(world.decisions())
    told = client(world.key(*statements).secret, [["queryV1", "FIND *"]], [["graphql", COUNT]])
    assert "/j1ql" in told[0]["error"]
    assert "open to keys that may do everything" in told[1]["error"]
    assert world.received == []
    assert len(world.decisions()) == before + 2


def test_a_revoked_key_is_tried_five_times_and_then_told(world, client):
    """It repeats every answer but 200. That is the client's own: a 401 is what every other client acts upon."""
    world.forget()
    before = len(world.decisions())
    (told,) = client(world.revoked(*SUPER), [["graphql", COUNT]])
    assert "401" in told["error"]
    assert world.received == []
    assert [each["reason"] for each in world.decisions()[before:]] == ["invalid_key"] * 5


def test_a_query_is_answered_through_deferred_results_page_by_page(world, client):
    world.forget()
    (told,) = client(world.key(*SUPER).secret, [["queryV1", "FIND *"]])
    assert sorted(row["entity"]["_id"] for row in told["value"]) == sorted(world.entities)
    asked = [element["variables"] for body in sent(world) for element in body]
    pages = len(world.entities) // 250 + 1
    assert [each["query"] for each in asked] == [f"FIND * SKIP {page * 250} LIMIT 250" for page in range(pages)]
    assert {each["deferredResponse"] for each in asked} == {"FORCE"}


def test_two_queries_at_once_are_one_array(world, client):
    world.forget()
    queries = ["FIND github_repo WITH name = undefined", "FIND Host AS h RETURN COUNT(h) AS n"]
    told = client(world.key(*SUPER).secret, [["queryV1", query] for query in queries])
    hosts = sum("Host" in entity.get("_class") for entity in world.upstream.graph.entities)
    assert [each["value"] for each in told] == [[], [{"n": hosts}]]
    (body,) = sent(world)
    assert len(body) == 2


def test_a_tree_is_answered_at_once(world, client):
    (told,) = client(world.key(*SUPER).secret, [["queryV1", "FIND github_repo THAT RELATES TO * RETURN TREE"]])
    assert told["value"]["vertices"]
    assert told["value"]["edges"]


# --- a key with a condition, where `queryV1` is open to it ----------------------------------------------------------


@pytest.fixture
def restricted(enforcing, node):
    """Makes calls with a key that sees the objects of one type."""
    calls, secret = client_of(enforcing, node), enforcing.key(*REPOS).secret
    return lambda *rounds: calls(secret, *rounds)


def test_a_key_with_a_condition_reads_what_it_may_see_and_nothing_else(enforcing, restricted):
    """250 rows to each page but the last: the client takes a shorter one for the end."""
    repos = {entity.get("_id") for entity in enforcing.upstream.graph.of_type("github_repo")}
    assert len(repos) > 250
    (told,) = restricted([["queryV1", "FIND *"]])
    assert sorted(row["entity"]["_id"] for row in told["value"]) == sorted(repos)


def test_a_key_with_a_condition_counts_what_it_may_see(enforcing, restricted):
    told = restricted([["queryV1", "FIND * AS e RETURN COUNT(e) AS n"], ["queryV1", "FIND User AS u RETURN u.email"]])
    assert [each["value"] for each in told] == [[{"n": enforcing.count("github_repo")}], []]


def test_what_cannot_be_narrowed_is_refused_once_and_in_words(enforcing, restricted):
    before = len(enforcing.decisions())
    (told,) = restricted([["queryV1", "FIND github_repo THAT SOMEHOW RELATES TO User"]])
    assert "SOMEHOW" in told["error"]
    assert len(enforcing.decisions()) == before + 1
