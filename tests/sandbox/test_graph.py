from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sandbox.graph import Entity, Graph, Relationship, iso, scope_name, scope_of


def test_metadata_decides_for_names_with_an_underscore_and_for_the_display_name(entity):
    thing = entity("a", **{"displayName": "shadow", "_type": "shadow", "tag.team": "data"})
    assert thing.get("displayName") == "a"
    assert thing.get("_type") == ["t"]
    assert thing.get("tag.team") == "data"
    assert thing.get("missing") is None
    assert thing.get("_missing") is None


def test_times_are_numbers_inside_and_text_on_the_wire(entity):
    thing = entity("a", createdOn=1_565_383_812_173)
    dated = Entity(thing.id, {**thing.metadata, "_createdOn": 1_565_383_812_173}, thing.properties)
    assert dated.get("_createdOn") == 1_565_383_812_173
    assert dated.wire()["entity"]["_createdOn"] == "2019-08-09T20:50:12.173Z"
    assert dated.wire()["properties"]["createdOn"] == 1_565_383_812_173


def test_iso_text_has_three_digits_of_milliseconds():
    assert iso(0) == "1970-01-01T00:00:00.000Z"
    assert iso(1_000_000_000_007) == "2001-09-09T01:46:40.007Z"


def test_a_relationship_says_where_it_leads(entity, relationship):
    a, b = entity("a"), entity("b")
    edge = relationship("ab", a, b)
    assert edge.other_end(a.id) == b.id
    assert edge.other_end(b.id) == a.id
    assert relationship("loop", a, a).other_end(a.id) == a.id
    assert edge.wire()["fromVertexId"] == "v-a"
    assert edge.wire()["relationship"]["_class"] == "HAS"


def test_no_upload_scope_imitates_an_integration():
    assert scope_name("api", "integration:x", None) != scope_name("integration-managed", None, "x")
    assert scope_name("integration-managed", None, "x") == scope_name("integration-external", None, "x")


def test_entities_are_found_by_type_class_id_and_key(entity):
    a, b = entity("a", kind="user", classes=("User", "Person")), entity("b", kind="host")
    graph = Graph([a, b])
    assert len(graph) == 2
    assert graph.of_type("user") == [a]
    assert graph.of_class("Person") == [a]
    assert graph.of_class("person") == []
    assert graph.entity_by_id("id-b") is b
    assert graph.entity_by_id("v-b") is None
    assert graph.entity_by_key("api:s", "key-a") is a
    assert graph.entity_by_key("api:other", "key-a") is None


def test_a_changed_entity_keeps_its_place_and_loses_its_old_type(entity):
    graph = Graph([entity("a"), entity("b"), entity("c")])
    changed = entity("a", kind="other")
    graph.put_entity(changed)
    assert [thing.id for thing in graph.entities] == ["v-a", "v-b", "v-c"]
    assert [thing.id for thing in graph.of_type("t")] == ["v-b", "v-c"]
    assert graph.of_type("other") == [changed]
    graph.put_entity(entity("a"))
    assert [thing.id for thing in graph.of_type("t")] == ["v-a", "v-b", "v-c"]


def test_deleting_an_entity_takes_its_relationships_along(entity, relationship):
    a, b, c = entity("a"), entity("b"), entity("c")
    edges = [relationship("ab", a, b), relationship("bc", b, c), relationship("bb", b, b), relationship("ac", a, c)]
    graph = Graph([a, b, c], edges)
    graph.delete_entity(b.id)
    assert [edge.id for edge in graph.relationships] == ["e-ac"]
    assert [edge.id for edge in graph.outgoing(a.id)] == ["e-ac"]
    assert list(graph.around(b.id)) == []
    with pytest.raises(KeyError):
        graph.entity(b.id)


def test_a_loop_touches_its_vertex_once(entity, relationship):
    a = entity("a")
    graph = Graph([a], [relationship("aa", a, a)])
    assert [edge.id for edge in graph.around(a.id)] == ["e-aa"]


def test_a_relationship_may_move_to_another_end(entity, relationship):
    a, b, c = entity("a"), entity("b"), entity("c")
    graph = Graph([a, b, c], [relationship("x", a, b)])
    graph.put_relationship(relationship("x", a, c))
    assert list(graph.incoming(b.id)) == []
    assert [edge.to_id for edge in graph.outgoing(a.id)] == ["v-c"]


def test_a_relationship_needs_both_ends(entity, relationship):
    a, b = entity("a"), entity("b")
    graph = Graph([a])
    with pytest.raises(KeyError):
        graph.put_relationship(relationship("ab", a, b))
    assert list(graph.relationships) == []


def test_two_objects_cannot_have_one_key_in_a_scope(entity):
    graph = Graph([entity("a")])
    other = entity("b")
    with pytest.raises(ValueError, match="key-a"):
        graph.put_entity(Entity("v-b", {**other.metadata, "_key": "key-a"}, {}))
    elsewhere = Entity("v-b", {**other.metadata, "_key": "key-a", "_scope": "other"}, {})
    graph.put_entity(elsewhere)
    assert graph.entity_by_key("api:other", "key-a") is elsewhere


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "delete", "relate", "unrelate"]),
        st.integers(0, 5),
        st.integers(0, 5),
        st.integers(0, 2),
    ),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=2 * settings().max_examples)
def test_after_any_changes_the_indexes_say_what_a_new_graph_would_say(steps):
    graph = Graph()
    for step in steps:
        _take(graph, *step)
    fresh = Graph(graph.entities, graph.relationships)
    assert [thing.id for thing in graph.entities] == [thing.id for thing in fresh.entities]
    for name in ("t0", "t1", "t2"):
        assert graph.of_type(name) == fresh.of_type(name)
        assert graph.of_class(name.upper()) == fresh.of_class(name.upper())
    for thing in graph.entities:
        assert graph.entity_by_id(thing.get("_id")) is thing
        assert graph.entity_by_key(scope_of(thing), thing.get("_key")) is thing
        assert {edge.id for edge in graph.around(thing.id)} == {edge.id for edge in fresh.around(thing.id)}
    for edge in graph.relationships:
        assert graph.relationship_by_id(edge.get("_id")) is edge
        assert graph.relationship_by_key(scope_of(edge), edge.get("_key")) is edge


def _take(graph: Graph, action: str, first: int, second: int, kind: int) -> None:
    ids = {thing.id for thing in graph.entities}
    edges = {edge.id for edge in graph.relationships}
    start, end, edge_id = f"v{first}", f"v{second}", f"e{kind}"
    if action == "put":
        metadata = {"_id": f"id{first}", "_key": f"k{first}", "_type": [f"t{kind}"], "_class": [f"T{kind}"]}
        graph.put_entity(Entity(start, metadata, {}))
    elif action == "delete" and start in ids:
        graph.delete_entity(start)
    elif action == "relate" and {start, end} <= ids:
        metadata = {"_id": f"rid{kind}", "_key": f"rk{kind}", "_type": "t", "_class": "HAS"}
        graph.put_relationship(Relationship(edge_id, start, end, metadata, {}))
    elif action == "unrelate" and edge_id in edges:
        graph.delete_relationship(edge_id)
