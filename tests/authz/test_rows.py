"""The row check: what it lets through, and what it stops."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gateway.authz.outcome import Check, HiddenObject
from gateway.authz.rows import Page, Withheld, checked
from gateway.policy import Condition, Predicate

REPOS = Predicate((Condition((("_type", ("github_repo",)),)),))
TEAM = Predicate((Condition((("tag.team", ("a", "b")),)),), (Condition((("env", ("prod",)), ("zone", ("eu",)))),))


def check(predicate=REPOS, shape="list", hidden=(), columns=()):
    return Check(predicate, shape, tuple(hidden), 250, b"", None, {}, tuple(columns))


def row(entity=None, properties=None, **more):
    return {
        "id": "v1",
        "entity": {"_id": "1", "_type": ["github_repo"]} | (entity or {}),
        "properties": properties or {},
    } | more


def answer(*rows, shape="list", **more):
    return json.dumps({"type": shape, "data": list(rows), **more}).encode()


def verdict(predicate, *rows):
    return isinstance(checked(answer(*rows), check(predicate)), Page)


def test_rows_pass_as_the_upstreams_own_bytes():
    own = b'{"id" : "v1","entity":{"_type":["github_repo"]},"properties":{"n":1.50}}'
    page = checked(b'{"type":"list","data":[ ' + own + b' ],"cursor":"c"}', check())
    assert page == Page((own,), "c")


def test_one_forbidden_row_withholds_the_whole_answer():
    result = checked(answer(row(), row({"_type": ["github_user"]}), row()), check())
    assert result == Withheld("an object does not satisfy the predicate", violation=True)


@pytest.mark.parametrize(
    ("value", "equal"),
    [
        ("github_repo", True),
        (["x", "github_repo"], True),
        ("GITHUB_REPO", False),
        ("github_repo ", False),
        ([], False),
        (None, False),
        ("", False),
        (1, False),
        (True, False),
        ([["github_repo"]], False),
        ({"github_repo": 1}, False),
    ],
)
def test_a_property_equals_a_value_only_as_text_or_as_an_element(value, equal):
    assert verdict(REPOS, row({"_type": value})) is equal


def test_an_absent_property_equals_nothing():
    assert not verdict(TEAM, row())


def test_all_properties_of_a_condition_must_hold():
    both = Predicate((Condition((("a", ("1",)), ("b", ("2",)))),))
    assert verdict(both, row(properties={"a": "1", "b": "2"}))
    assert not verdict(both, row(properties={"a": "1"}))
    assert not verdict(both, row(properties={"a": "1", "b": "3"}))


def test_any_of_two_conditions_is_enough():
    either = Predicate((Condition((("a", ("1",)),)), Condition((("b", ("2",)),))))
    assert verdict(either, row(properties={"b": "2"}))


def test_a_condition_of_a_deny_takes_away_what_it_holds_on():
    assert verdict(TEAM, row(properties={"tag.team": "a", "env": "prod"}))
    assert not verdict(TEAM, row(properties={"tag.team": "a", "env": "prod", "zone": "eu"}))
    assert not verdict(TEAM, row(properties={"tag.team": "a", "env": ["x", "prod"], "zone": "eu"}))


def test_metadata_decides_over_a_property_of_the_same_name():
    """And a property that says otherwise fails the row."""
    assert not verdict(REPOS, row({"_type": ["github_user"]}, {"_type": "github_repo"}))
    assert not verdict(REPOS, row({"_type": ["github_repo"]}, {"_type": "github_user"}))
    assert verdict(REPOS, row({"_type": ["github_repo"]}, {"_type": ["github_repo"]}))
    hidden = Predicate((Condition((("env", ("prod",)),)),))
    assert not verdict(hidden, row({"env": "prod"}))
    assert not verdict(hidden, row({"env": "test"}, {"env": "prod"}))


def test_an_object_may_have_no_properties():
    assert verdict(REPOS, {"entity": {"_type": "github_repo"}})
    assert not verdict(TEAM, {"entity": {"_type": "github_repo"}})


@pytest.mark.parametrize(
    ("deleted", "passes"), [(True, False), (1, False), ("true", False), (False, True), (None, True)]
)
def test_a_deleted_object_is_stopped(deleted, passes):
    result = checked(answer(row({"_deleted": deleted})), check())
    assert isinstance(result, Page) if passes else result.violation


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"type":"list"}',
        b'{"type":"list","data":null}',
        b'{"type":"list","data":{}}',
        b'{"type":"table","data":[]}',
        b'{"type":"deferred","data":null,"url":"http://x"}',
        b'{"type":"list","data":[1]}',
        b'{"type":"list","data":[{"id":"e","relationship":{"_type":"github_repo"},"properties":{}}]}',
        b'{"type":"list","data":[{"entity":null}]}',
        b'{"type":"list","data":[]} trailing',
        b'{"type":"list","data":[],"cursor":7}',
    ],
)
def test_an_answer_of_unknown_shape_is_withheld_without_alarm(body):
    result = checked(body, check())
    assert isinstance(result, Withheld)
    assert not result.violation


HIDDEN = (HiddenObject((("gw0", "_id"), ("gw1", "_type"))),)


def test_hidden_columns_are_checked_and_taken_off():
    body = answer({"u.name": "x", "gw0": "1", "gw1": ["github_repo"], "n": None}, shape="table")
    page = checked(body, check(shape="table", hidden=HIDDEN, columns=("u.name", "n")))
    assert page == Page((b'{"u.name":"x","n":null}',), None)


@pytest.mark.parametrize("cells", [{}, {"gw0": "1"}, {"gw1": "github_repo"}, {"gw0": None, "gw1": "github_repo"}])
def test_a_table_row_without_its_hidden_columns_is_stopped(cells):
    result = checked(
        answer({"u.name": "x"} | cells, shape="table"), check(shape="table", hidden=HIDDEN, columns=("u.name",))
    )
    assert isinstance(result, Withheld)
    assert result.violation


def test_columns_that_nobody_asked_for_are_taken_off():
    body = answer({"COUNT(u)": 3, "_meta": {"byAlias": {}}}, shape="table")
    assert checked(body, check(shape="table", columns=("COUNT(u)",))) == Page((b'{"COUNT(u)":3}',), None)


# --- trees ----------------------------------------------------------------------------------------------------------


def vertex(number, kind="github_repo"):
    return {"id": f"v{number}", "entity": {"_id": str(number), "_type": [kind]}, "properties": {}}


def edge(number, start, end, **properties):
    metadata = {"_id": f"r{number}", "_class": "HAS", "_type": "repo_has_repo"}
    ends = {"fromVertexId": f"v{start}", "toVertexId": f"v{end}"}
    return {"id": f"e{number}", **ends, "relationship": metadata, "properties": properties}


def tree(vertices, edges, **more):
    """The tree that is passed on, or why none is."""
    predicate = Predicate((Condition((("_type", ("github_repo",)),)), Condition((("open", ("yes",)),))))
    body = json.dumps({"type": "tree", "data": {"vertices": vertices, "edges": edges}}).encode()
    result = checked(body, Check(predicate, "tree", (), 250, b"", None, {}, **more))
    return json.loads(result.rows[0]) if isinstance(result, Page) else result


def test_under_strict_the_edges_that_may_not_be_seen_are_taken_out():
    """Which edges TREE shows is not documented, so one that no WHERE spoke of is no alarm."""
    edges = [edge(1, 1, 2), edge(2, 1, 2, open="yes"), edge(3, 2, 3, open="yes")]
    assert tree([vertex(1), vertex(2)], edges)["edges"] == [edges[1]]


def test_under_induced_every_edge_between_visible_vertices_stays_and_any_other_is_an_alarm():
    edges = [edge(1, 1, 2), edge(2, 2, 2)]
    assert tree([vertex(1), vertex(2)], edges, strict=False)["edges"] == edges
    assert tree([vertex(1)], edges, strict=False).violation


@pytest.mark.parametrize("ends", [(1, 2), (2, 1), (2, 2)])
def test_an_edge_needs_both_ends(ends):
    assert tree([vertex(1)], [edge(1, *ends, open="yes")])["edges"] == []
    assert tree([vertex(1)], [edge(1, *ends, open="yes")], strict=False).violation


@pytest.mark.parametrize("strict", [True, False])
def test_a_forbidden_vertex_withholds_a_tree(strict):
    assert tree([vertex(1), vertex(2, "github_user")], [], strict=strict).violation


def test_a_tree_whose_order_tells_is_put_in_the_order_of_ids():
    sorted_tree = tree([vertex(2), vertex(1)], [edge(2, 1, 2), edge(1, 1, 2)], strict=False, sort=True)
    assert [each["id"] for each in sorted_tree["vertices"] + sorted_tree["edges"]] == ["v1", "v2", "e1", "e2"]


def test_any_other_tree_keeps_the_upstreams_order():
    vertices, edges = [vertex(2), vertex(1)], [edge(2, 1, 2), edge(1, 1, 2)]
    assert tree(vertices, edges, strict=False) == {"vertices": vertices, "edges": edges}


def test_edges_without_an_id_come_first_in_the_order_of_ids():
    edges = [edge(1, 1, 1) | {"id": "A1"}, edge(2, 1, 1) | {"id": None}, edge(3, 1, 1) | {"id": None}]
    assert tree([vertex(1)], edges, strict=False, sort=True)["edges"] == [*edges[1:], edges[0]]


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"vertices": []},
        {"vertices": [edge(1, 1, 2)], "edges": []},
        {"vertices": [vertex(1) | {"id": None}], "edges": [edge(1, 1, 1) | {"fromVertexId": None, "toVertexId": None}]},
        {"vertices": [], "edges": [vertex(1)]},
    ],
)
def test_a_tree_of_unknown_shape_is_withheld_without_alarm(data):
    body = json.dumps({"type": "tree", "data": data}).encode()
    assert checked(body, check(shape="tree")) in [
        Withheld(why, violation=False)
        for why in ("the answer has an unknown shape", "a vertex is no entity", "an edge is no relationship")
    ]


# --- whole objects and optional ones in tables ------------------------------------------------------------------------


def test_whole_objects_in_cells_are_checked():
    def table(cell, **more):
        body = json.dumps({"type": "table", "data": [{"u": cell}]}).encode()
        return checked(body, Check(REPOS, "table", (), 250, b"", None, {}, ("u",), ("u",), **more))

    assert isinstance(table(vertex(1)), Page)
    assert isinstance(table(None), Page)
    assert table(vertex(1, "github_user")).violation
    assert table(edge(1, 1, 2)).violation
    assert isinstance(table(edge(1, 1, 2), strict=False), Page)
    assert isinstance(table({"relationship": {"_type": "github_repo"}}), Page)
    assert isinstance(table({}), Withheld)
    assert isinstance(table({}, strict=False), Withheld)
    assert isinstance(table(edge(1, 1, 2) | {"entity": {"_type": "github_repo"}}, strict=False), Withheld)
    nothing = Check(REPOS, "table", (), 250, b"", None, {}, ("u",), ("u",))
    assert checked(b'{"type":"table","data":[{}]}', nothing).rows == (b"{}",)
    assert isinstance(table("text"), Withheld)


def test_an_optional_object_may_be_absent_but_not_in_part():
    hidden = (HiddenObject((("gw0", "_id"), ("gw1", "_type")), optional=True),)
    for cells, passes in (
        ({}, True),
        ({"gw0": None, "gw1": None}, True),
        ({"gw0": "1", "gw1": "github_repo"}, True),
        ({"gw0": "1", "gw1": "github_user"}, False),
        ({"gw1": "github_user"}, False),
        ({"gw0": None, "gw1": "github_repo"}, False),
    ):
        result = checked(answer(cells, shape="table"), check(shape="table", hidden=hidden))
        assert isinstance(result, Page) is passes, cells


@pytest.mark.parametrize(("cell", "passes"), [("a,b", True), ("c,a,b", True), ("a,b,c", True), ("a,c,b", False)])
def test_a_value_with_a_comma_may_be_an_element_of_the_joined_text(cell, passes):
    predicate = Predicate((Condition((("env", ("a,b",)),)),))
    hidden = (HiddenObject((("gw0", "_id"), ("gw1", "env"))),)
    result = checked(answer({"gw0": "1", "gw1": cell}, shape="table"), check(predicate, shape="table", hidden=hidden))
    assert isinstance(result, Page) is passes


def test_all_properties_of_an_object_are_columns_that_were_asked_for():
    body = answer({"u.a": 1, "u.b": 2, "other.a": 3, "u": 4}, shape="table")
    assert checked(body, check(shape="table", columns=("u.*",))) == Page((b'{"u.a":1,"u.b":2}',), None)


@pytest.mark.parametrize(
    ("cell", "passes"),
    [("a,b", True), ("b,a", True), ("a", True), ("b", False), ("b,c", False), ("prod,a", True), ("a,prod", True)],
)
def test_a_hidden_cell_may_hold_a_list_as_joined_text(cell, passes):
    predicate = Predicate((Condition((("env", ("a",)),)),), (Condition((("env", ("prod",)),)),))
    hidden = (HiddenObject((("gw0", "_id"), ("gw1", "env"))),)
    result = checked(answer({"gw0": "1", "gw1": cell}, shape="table"), check(predicate, shape="table", hidden=hidden))
    assert isinstance(result, Page) is passes


# --- what an attack came upon


def test_a_member_that_is_not_known_is_not_passed_on():
    own = '{"id": "v1", "entity": {"_type": ["github_repo"]}, "properties": {"n": 1.50}}'
    scored = own.replace("{", '{"score": 0.25, "more": [{"id": 2}], ', 1)
    assert checked(f'{{"type":"list","data":[{own},{scored}]}}'.encode(), check()).rows == (
        own.encode(),
        b'{"id":"v1","entity":{"_type": ["github_repo"]},"properties":{"n": 1.50}}',
    )
    cell = checked(
        answer({"r": row(score=1)}, shape="table"), replace(check(shape="table", columns=["r"]), whole=("r",))
    )
    assert json.loads(cell.rows[0]) == {"r": row()}
    drawn = answer(shape="tree").replace(b"[]", json.dumps({"vertices": [row(score=1)], "edges": []}).encode())
    assert json.loads(checked(drawn, check(shape="tree")).rows[0]) == {"vertices": [row()], "edges": []}


BOTH = row(relationship={"_type": "github_repo", "secret": 1})


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        ("list", [BOTH]),
        ("tree", {"vertices": [BOTH], "edges": []}),
        ("tree", {"vertices": [row()], "edges": [BOTH | {"fromVertexId": "v1", "toVertexId": "v1"}]}),
    ],
)
def test_an_object_that_is_entity_and_relationship_at_once_is_neither(shape, data):
    body = json.dumps({"type": shape, "data": data}).encode()
    assert isinstance(checked(body, check(shape=shape)), Withheld)


@pytest.mark.parametrize(
    "value", [b'"\xff"', b"[" * 2_000 + b"]" * 2_000, b'{"a":' * 2_000 + b"1" + b"}" * 2_000], ids=("bytes", "[", "{")
)
def test_what_is_no_text_or_nested_too_deep_is_withheld_wherever_it_stands(value):
    body = b'{"type":"list","data":[{"id":"v1","entity":{"_type":["github_repo"]},"properties":{"n":' + value + b"}}]}"
    assert checked(body, check()) == Withheld("the answer has an unknown shape", violation=False)
    cell = b'{"type":"table","data":[{"n":' + value + b"}]}"
    assert isinstance(checked(cell, check(shape="table", columns=["n"])), Withheld)


@pytest.mark.parametrize(
    ("edges", "shown"),
    [
        ([edge(1, 1, 2, open="yes")], True),
        ([edge(1, 1, 2)], False),
        ([], False),
        ([edge(1, 1, 1, open="yes"), edge(2, 1, 2)], False),
    ],
)
def test_an_entity_that_is_in_a_tree_for_a_hidden_relationship_is_stopped(edges, shown):
    """Under strict, where each entity of a match is at the end of a relationship: WHERE was not honoured."""
    vertices = [vertex(1), vertex(2)]
    found = tree(vertices, edges, connected=True)
    assert isinstance(found, dict) if shown else found.violation
    assert isinstance(tree(vertices, edges), dict)


def test_induced_has_no_hidden_relationship_for_which_an_entity_could_be_there():
    assert isinstance(tree([vertex(1), vertex(2)], [], connected=True, strict=False), dict)


@pytest.mark.parametrize(
    ("cell", "passes"),
    [("z,b", True), ("c,z", True), (5, False), (["x", "a"], True), (["x"], False), ("xa,b", False), ("ax,b", False)],
)
def test_a_hidden_cell_holds_any_of_the_values(cell, passes):
    """And a number is no text, whatever it looks like."""
    predicate = Predicate((Condition((("env", ("a", "z", "5")),)),))
    hidden = (HiddenObject((("gw0", "_id"), ("gw1", "env"))),)
    result = checked(answer({"gw0": "1", "gw1": cell}, shape="table"), check(predicate, shape="table", hidden=hidden))
    assert isinstance(result, Page) is passes


@pytest.mark.parametrize(
    ("cell", "passes"),
    [
        ("prod", False),
        (["x", "prod"], False),
        ("a,b", True),
        (["a,b"], False),
        ("test", True),
        (None, True),
        (7, True),
    ],
)
def test_a_row_whose_hidden_cell_says_that_its_object_is_denied_is_stopped(cell, passes):
    """A text with a comma may be joined of a visible list, so that it says nothing."""
    predicate = Predicate(REPOS.allows, (Condition((("env", ("prod", "a,b")),)),))
    hidden = (HiddenObject((("gw0", "_id"), ("gw1", "_type"), ("gw2", "env"))),)
    body = answer({"gw0": "1", "gw1": "github_repo", "gw2": cell}, shape="table")
    result = checked(body, check(predicate, shape="table", hidden=hidden))
    assert isinstance(result, Page) is passes
    assert isinstance(result, Page) or result.violation
