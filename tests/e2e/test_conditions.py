"""A key with a condition on `/j1ql`, over real sockets: edge cases 53 to 60, 69 and 70, on a graph that fits a page.

Two people and four repositories; one of these is a secret. Whatever a restricted key asks, the answer must be what the
same question gets where only the visible objects are there.
"""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace

import pytest
from e2e.conftest import Client

from gateway import sandbox
from gateway.app import serving
from gateway.control import NewKey
from gateway.keys import Operator
from gateway.sandbox.graph import Entity, Graph, Relationship
from gateway.settings import validated
from gateway.stores import Organization, create


def entity(name, kind, **properties):
    metadata = {"_id": f"id-{name}", "_key": f"key-{name}", "_type": [kind], "_class": ["Thing"], "displayName": name}
    return Entity(f"vertex-{name}", metadata, {"name": name} | properties)


def relationship(one, other, verb):
    name = f"{one}-{verb}-{other}"
    metadata = {"_id": f"id-{name}", "_key": f"key-{name}", "_type": f"a_{verb.lower()}_b", "_class": verb}
    return Relationship(f"edge-{name}", f"vertex-{one}", f"vertex-{other}", metadata, {"since": "2020"})


ENTITIES = (
    entity("ada", "github_user", team="blue", level=3),
    entity("bob", "github_user", team="red", level=5),
    entity("api", "github_repo", team="blue", stars=1, flag=True, number=1),
    entity("web", "github_repo", team=["blue", "green"], stars=5, flag="true", number="1"),
    entity("lab", "github_repo", team="Blue", stars=9, secret="yes"),
    entity("old", "github_repo", team="", stars=2),
    entity("bare", "github_repo", stars=4),
)
RELATIONSHIPS = (
    relationship("ada", "api", "OWNS"),
    relationship("bob", "web", "OWNS"),
    relationship("api", "web", "USES"),
    relationship("web", "lab", "USES"),
)


class Both:
    """A gateway before a graph, and its keys."""

    def __init__(self, upstream, gateway, loop):
        self.upstream = upstream
        self.client = Client(gateway.data)
        self._gateway = gateway
        self._loop = loop

    def wait(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def key(self, *conditions, effect="ALLOW"):
        reading = {"actions": ["query:ReadGraphData"], "resources": ["*"]}
        permissions = [{"effect": effect} | reading | {"condition": {"stringEquals": each}} for each in conditions]
        if effect == "DENY" or not conditions:
            permissions.append({"effect": "ALLOW"} | reading)
        wanted = NewKey("k", policy=json.dumps({"permissions": permissions}))
        made = self._gateway.control.tokens.create_account_key(Operator(), wanted, organization="acme")
        return self.wait(made).secret

    def names(self, key, text):
        """The names in the rows of all pages, in their order."""
        return [row["properties"]["name"] for row in self.client.rows(key, text)]

    def change(self, changed):
        async def put():
            self.upstream.graph.put_entity(changed)

        self.wait(put())


PLAIN = sandbox.Options(account="acme")


@contextmanager
def running(folder, options=PLAIN, **more):
    loop, ready, stop, made = asyncio.new_event_loop(), threading.Event(), asyncio.Event(), []

    async def serve():
        async with AsyncExitStack() as stack:
            graph = Graph(ENTITIES, RELATIONSHIPS)
            upstream = await stack.enter_async_context(sandbox.running(options, graph))
            gateway = await stack.enter_async_context(serving(settings(folder, upstream, **more)))
            await gateway.control.logins.found(Organization("acme", "Acme"), "one@acme.example")
            made.append(Both(upstream, gateway, loop))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield made[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()


def settings(folder, upstream, sections=(), **graph):
    create(folder / "gateway.db")
    binding = {"j1ql": f"{upstream.url}/j1ql", "graphql": f"{upstream.url}/graphql", "persister": upstream.url}
    return validated(
        {
            **{listener: {"port": 0} for listener in ("data", "admin", "ops")},
            "calibration": {"on": False},
            "secrets": {"identity": "i" * 32, "seal": "s" * 32},
            "store": {"sqlite": folder / "gateway.db"},
            "decision_log": {"file": folder / "decisions.jsonl"},
            "limits": {"page_rows": 2},
            "timeouts": {"again": 0},
            "graph": graph,
            **dict(sections),
            "organizations": {
                "acme": {"upstream": binding | {"account": "acme", "credential": upstream.options.credential}}
            },
        }
    )


@pytest.fixture
def both(tmp_path):
    with running(tmp_path, relationships="induced") as made:
        yield made


@pytest.fixture
def repos(both):
    return both.key({"_type": "github_repo"})


def test_053_another_type_is_empty_and_not_refused(both, repos):
    page = both.client.query(repos, "FIND github_user")
    assert (page.status, page.json["data"]) == (200, [])


@pytest.mark.parametrize(
    ("condition", "seen"),
    [
        ({"team": "blue"}, ["ada", "api", "web"]),  # of a list any element
        ({"team": "green"}, ["web"]),
        ({"secret": "yes"}, ["lab"]),  # absent elsewhere
        ({"team": "none of them"}, []),
    ],
)
def test_054_an_object_without_the_property_is_not_seen_and_a_list_matches_by_any_element(both, condition, seen):
    assert sorted(both.names(both.key(condition), "FIND *")) == sorted(seen)


def test_055_all_properties_of_a_condition_must_match(both):
    key = both.key({"_type": "github_repo", "team": "blue"})
    assert sorted(both.names(key, "FIND *")) == ["api", "web"]


@pytest.mark.parametrize("condition", [{"team": "BLUE"}, {"number": "1"}, {"flag": "true"}, {"level": "3"}])
def test_056_other_letter_case_numbers_and_booleans_are_other_values(both, condition):
    name, value = next(iter(condition.items()))
    seen = {each.properties["name"] for each in ENTITIES if each.properties.get(name) == value}
    page = both.client.rows(both.key(condition), "FIND *")
    assert {row["properties"]["name"] for row in page} == seen


def test_057_a_hidden_neighbour_neither_leaks_nor_changes_an_answer(both):
    key = both.key({"_type": "github_repo"}, {"team": "red"})
    assert both.names(key, "FIND github_repo THAT OWNS github_user") == ["web"]  # api's owner is hidden
    assert "ada" not in json.dumps(both.client.rows(key, "FIND github_repo THAT RELATES TO *"))


def test_058_counts_order_and_limits_are_of_the_visible_objects(both):
    key = both.key({"secret": "yes"}, effect="DENY")
    count = both.client.rows(key, "FIND github_repo AS r RETURN COUNT(r)")
    assert [list(row.values()) for row in count] == [[4]]
    assert both.names(key, "FIND github_repo AS r ORDER BY r.stars DESC") == ["web", "bare", "old", "api"]
    assert both.names(key, "FIND github_repo AS r ORDER BY r.stars DESC SKIP 1 LIMIT 2") == ["bare", "old"]
    rows = both.client.rows(key, "FIND UNIQUE github_repo AS r RETURN r.secret")
    assert all("yes" not in row.values() for row in rows)


def test_059_filters_on_hidden_objects_tell_nothing(both, repos):
    for bound in range(8):
        page = both.client.query(repos, f"FIND github_user WITH level > {bound}")
        assert (page.status, page.json["data"]) == (200, [])
    asked = (f"FIND github_repo THAT OWNS github_user WITH level > {bound}" for bound in range(8))
    assert len({both.client.query(repos, text).body for text in asked}) == 1


def test_060_strict_shows_a_relationship_only_if_it_satisfies_the_condition_itself(tmp_path):
    with running(tmp_path, relationships="strict") as both:
        every = "FIND github_repo AS a THAT USES AS u github_repo AS b RETURN a.name, u._type, b.name"
        assert both.client.rows(both.key({"_type": "github_repo"}), every) == []
        too = both.key({"_type": ["github_repo", "a_uses_b"]})
        assert {row["u._type"] for row in both.client.rows(too, every)} == {"a_uses_b"}


def test_062_a_switch_closes_the_query_fields_to_everybody(tmp_path):
    with running(tmp_path, query_fields=False) as both:
        policy = {"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]}
        tokens = both._gateway.control.tokens
        made = tokens.create_account_key(Operator(), NewKey("k", policy=json.dumps(policy)), organization="acme")
        key = both.wait(made).secret
        answer = both.client.graphql(key, '{ queryV1(query: "FIND *") { data } }').json
        assert answer["data"] is None
        assert "/j1ql" in answer["errors"][0]["message"]
        assert len(both.client.rows(key, "FIND *")) == len(ENTITIES)


def test_069_an_object_that_changes_between_two_pages_is_judged_as_it_is_then(both, repos):
    first = both.client.query(repos, "FIND github_repo")
    assert len(first.json["data"]) == 2
    for each in ENTITIES[4:6]:
        both.change(replace(each, metadata={**each.metadata, "_type": ["github_user"]}))
    second = both.client.query(repos, "FIND github_repo", cursor=first.json["cursor"])
    seen = [row["properties"]["name"] for row in first.json["data"] + second.json["data"]]
    assert seen == ["api", "web", "bare"]
    assert both.names(repos, "FIND *") == ["api", "web", "bare"]  # a new call follows the new value


def test_070_a_cursor_of_one_key_is_refused_to_another(both, repos):
    cursor = both.client.query(repos, "FIND github_repo").json["cursor"]
    same = both.key({"_type": "github_repo"})
    assert both.client.query(same, "FIND github_repo", cursor=cursor).status == 400
    assert both.client.query(both.key(), "FIND github_repo", cursor=cursor).status in {400, 403}
