from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import gateway
from gateway.sandbox import CONTENT_SCOPE, example_graph
from gateway.sandbox.account import INTEGRATION_INSTANCE, INTEGRATIONS
from gateway.sandbox.company_builder import CLOCK
from gateway.sandbox.graph import scope_of

ROOT = Path(gateway.__file__).parents[1]

DUMP = """
import hashlib, json
from gateway.sandbox import example_graph
graph = example_graph("j1demo", 7)
text = json.dumps([thing.wire() for thing in (*graph.entities, *graph.relationships)])
print(hashlib.sha256(text.encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def graph():
    return example_graph("j1demo")


def test_the_company_is_large_enough_to_be_believable(graph):
    assert len(graph) >= 2000
    assert len(list(graph.relationships)) >= 6000
    assert len({thing.get("_type")[0] for thing in graph.entities}) >= 25


def test_every_start_gives_the_same_graph_whatever_the_hash_seed():
    digests = {
        subprocess.run(
            [sys.executable, "-c", DUMP], check=True, capture_output=True, cwd=ROOT, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_another_seed_gives_another_company(graph):
    other = example_graph("j1demo", 2)
    assert [thing.get("displayName") for thing in other.entities] != [
        thing.get("displayName") for thing in graph.entities
    ]


def test_each_graph_is_its_own(graph):
    changed = example_graph("j1demo")
    changed.delete_entity(next(iter(changed.entities)).id)
    assert len(changed) == len(graph) - 1


def test_repositories_need_two_pages(graph):
    assert len(graph.of_type("github_repo")) > 250


def test_shapes_are_those_of_the_platform(graph):
    for thing in graph.entities:
        assert isinstance(thing.get("_type"), list)
        assert isinstance(thing.get("_class"), list)
        assert thing.id != thing.get("_id")
        assert thing.get("_accountId") == "j1demo"
        assert not any(name.startswith("_") or name == "displayName" for name in thing.properties)
        assert not any(value is None or isinstance(value, dict) for value in thing.properties.values())
    for edge in graph.relationships:
        assert isinstance(edge.get("_type"), str)
        assert isinstance(edge.get("_class"), str)
        assert edge.get("_fromEntityId") == graph.entity(edge.from_id).get("_id")
        assert edge.get("_toEntityKey") == graph.entity(edge.to_id).get("_key")
        assert f"_{edge.get('_class').lower()}_" in edge.get("_type")


def test_a_common_vendor_prefix_is_said_once_in_a_relationship_type(graph):
    types = {edge.get("_type") for edge in graph.relationships}
    assert "github_account_owns_repo" in types
    assert "okta_user_is_employee" in types


def test_ids_are_unique_and_times_are_past(graph):
    things = [*graph.entities, *graph.relationships]
    assert len({thing.get("_id") for thing in things}) == len(things)
    assert max(thing.get("_createdOn") for thing in things) < CLOCK


@pytest.mark.parametrize(
    "verb", ["HAS", "OWNS", "USES", "ASSIGNED", "IS", "MANAGES", "ALLOWS", "CONTRIBUTES", "TRUSTS"]
)
def test_the_verbs_of_real_queries_occur(graph, verb):
    assert any(edge.get("_class") == verb for edge in graph.relationships)


@pytest.mark.parametrize("name", ["Person", "User", "Device", "Host", "CodeRepo", "DataStore", "Finding", "Issue"])
def test_the_classes_of_real_queries_occur(graph, name):
    assert graph.of_class(name)


def test_documents_have_a_language_and_their_files_have_none(graph):
    articles = graph.of_type("cms_article")
    assert set(Counter(article.get("language") for article in articles)) == {"cs", "en", "de"}
    assert len(articles) >= 60
    assert {scope_of(article) for article in articles} == {f"api:{CONTENT_SCOPE}"}
    assert all(asset.get("language") is None for asset in graph.of_type("cms_asset"))


def test_some_objects_lack_a_property_and_some_hold_lists(graph):
    repositories = graph.of_type("github_repo")
    teams = [repository.get("tag.team") for repository in repositories]
    assert None in teams
    assert "security" in teams
    assert any(isinstance(repository.get("languages"), list) for repository in repositories)
    assert any(repository.get("topics") is None for repository in repositories)


def test_names_are_not_all_ascii_and_one_has_a_quote(graph):
    names = " ".join(person.get("displayName") for person in graph.of_class("Person"))
    assert not names.isascii()
    assert "'" in names


def test_the_integration_for_trying_out_has_nothing_in_its_scope(graph):
    assert INTEGRATIONS["custom"].id == INTEGRATION_INSTANCE
    assert not any(scope_of(thing) == f"integration:{INTEGRATION_INSTANCE}" for thing in graph.entities)


def test_the_graph_is_json(graph):
    text = json.dumps([thing.wire() for thing in graph.entities])
    assert re.search(r'"_createdOn": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"', text)
