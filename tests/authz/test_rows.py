"""The row check: what it lets through, and what it stops."""

from __future__ import annotations

import gc
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.authz.outcome import Check, HiddenObject
from gateway.authz.rows import Page, Withheld, checked
from gateway.authz.rows.objects import Objects
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


def told(page):
    return list(page.rows), page.cursor


def verdict(predicate, *rows):
    return isinstance(checked(answer(*rows), check(predicate)), Page)


def test_rows_pass_as_the_upstreams_own_bytes():
    own = b'{"id" : "v1","entity":{"_type":["github_repo"]},"properties":{"n":1.50}}'
    page = checked(b'{"type":"list","data":[ ' + own + b' ],"cursor":"c"}', check())
    assert told(page) == ([own], "c")


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
    assert told(page) == ([b'{"u.name":"x","n":null}'], None)


@pytest.mark.parametrize("cells", [{}, {"gw0": "1"}, {"gw1": "github_repo"}, {"gw0": None, "gw1": "github_repo"}])
def test_a_table_row_without_its_hidden_columns_is_stopped(cells):
    result = checked(
        answer({"u.name": "x"} | cells, shape="table"), check(shape="table", hidden=HIDDEN, columns=("u.name",))
    )
    assert isinstance(result, Withheld)
    assert result.violation


def test_columns_that_nobody_asked_for_are_taken_off():
    body = answer({"COUNT(u)": 3, "_meta": {"byAlias": {}}}, shape="table")
    assert told(checked(body, check(shape="table", columns=("COUNT(u)",)))) == ([b'{"COUNT(u)":3}'], None)


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
    return json.loads(*result.rows) if isinstance(result, Page) else result


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
    assert list(checked(b'{"type":"table","data":[{}]}', nothing).rows) == [b"{}"]
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
    assert told(checked(body, check(shape="table", columns=("u.*",)))) == ([b'{"u.a":1,"u.b":2}'], None)


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
    assert list(checked(f'{{"type":"list","data":[{own},{scored}]}}'.encode(), check()).rows) == [
        own.encode(),
        b'{"id":"v1","entity":{"_type": ["github_repo"]},"properties":{"n": 1.50}}',
    ]
    cell = checked(
        answer({"r": row(score=1)}, shape="table"), replace(check(shape="table", columns=["r"]), whole=("r",))
    )
    assert json.loads(*cell.rows) == {"r": row()}
    drawn = answer(shape="tree").replace(b"[]", json.dumps({"vertices": [row(score=1)], "edges": []}).encode())
    assert json.loads(*checked(drawn, check(shape="tree")).rows) == {"vertices": [row()], "edges": []}


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


# --- what is written twice has two readings ---------------------------------------------------------------------------

REPO, USER = '{"_type":["github_repo"]}', '{"_type":["github_user"]}'
EITHER = Predicate((*REPOS.allows, Condition((("env", ("a",)),))))
"""Too much to be said by the type of one object."""


@pytest.mark.parametrize("predicate", [REPOS, EITHER], ids=["one condition", "two"])
@pytest.mark.parametrize(
    "written",
    [
        f'{{"entity":{USER},"entity":{REPO}}}',
        f'{{"entity":{REPO},"entity":{USER}}}',
        f'{{"\\u0065ntity":{USER},"entity":{REPO}}}',
        f'{{"score":1,"entity":{USER[:-1]},"_type":"github_repo"}}}}',
        '{"entity":{"_type":["github_user"],"_type":["github_repo"]}}',
        '{"entity":{"_type":"github_user","\\u005ftype":"github_repo"}}',
        '{"entity":{"_type":null,"_type":"github_repo"}}',
        '{"entity":{"_type":"github_repo","_deleted":true,"_deleted":false}}',
        f'{{"entity":{REPO},"properties":{{"_type":"github_user"}},"properties":{{}}}}',
    ],
)
def test_a_row_is_withheld_if_something_that_decides_is_written_twice(predicate, written):
    body = f'{{"type":"list","data":[{json.dumps(row())},{written}]}}'.encode()
    assert isinstance(checked(body, check(predicate)), Withheld)
    cell = f'{{"type":"table","data":[{{"u":{written}}}]}}'.encode()
    assert isinstance(checked(cell, Check(predicate, "table", (), 250, b"", None, {}, ("u",), ("u",))), Withheld)


def test_an_unknown_member_takes_the_first_of_two_entities_with_it():
    """What is passed on is written anew, from what was read."""
    body = f'{{"type":"list","data":[{{"score":1,"entity":{USER},"entity":{REPO}}}]}}'.encode()
    assert told(checked(body, check())) == ([f'{{"entity":{REPO}}}'.encode()], None)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"fromVertexId": "v1"', '"fromVertexId": "v9", "fromVertexId": "v1"'),
        ('"toVertexId": "v1"', '"toVertexId": null, "toVertexId": "v1"'),
        ('"relationship": {', '"relationship": {}, "relationship": {'),
        ('"open": "yes"', '"open": "no", "open": "yes"'),
    ],
)
def test_an_edge_is_withheld_if_something_that_decides_is_written_twice(old, new, strict):
    drawn = {"vertices": [vertex(1)], "edges": [edge(1, 1, 1, open="yes")]}
    predicate = Predicate((Condition((("_type", ("github_repo",)),)), Condition((("open", ("yes",)),))))
    body = json.dumps({"type": "tree", "data": drawn})
    of_trees = Check(predicate, "tree", (), 250, b"", None, {}, strict=strict)
    assert isinstance(checked(body.encode(), of_trees), Page)
    assert old in body
    assert isinstance(checked(body.replace(old, new).encode(), of_trees), Withheld)


# --- the two ways to read an entity agree -----------------------------------------------------------------------------

texts = st.sampled_from(["a", "b", "c", "a.", "a\n"])
values = (
    texts | st.none() | st.booleans() | st.integers(0, 1) | st.lists(texts | st.none() | st.lists(texts), max_size=3)
)
names = ("_type", "displayName", "env", "tag.team")
conditions = st.dictionaries(st.sampled_from(names), st.lists(texts, min_size=1, max_size=2), min_size=1, max_size=2)
members = st.dictionaries(st.sampled_from((*names, "_deleted", "other")), values, max_size=4)


def predicate_of(allows, denies):
    made = [
        tuple(Condition(tuple((n, tuple(v)) for n, v in each.items())) for each in some) for some in (allows, denies)
    ]
    return Predicate(*made)


@given(
    st.lists(conditions, min_size=1, max_size=2),
    st.lists(conditions, max_size=2),
    members,
    st.none() | members,
)
def test_what_a_type_lets_through_may_be_seen(allows, denies, metadata, properties):
    predicate = predicate_of(allows, denies)
    written = {"id": "1", "entity": metadata} | ({} if properties is None else {"properties": properties})
    raw = msgspec.Raw(json.dumps(written).encode())
    seen = Objects(predicate).read(raw).visible
    assert Objects(predicate).entity(raw).visible == seen
    assert (Objects(predicate).all_visible(memoryview(b"[" + bytes(raw) + b"]")) is None) or seen
    assert isinstance(checked(answer(written), check(predicate)), Page) == seen


def test_types_that_are_forgotten_take_nothing_with_them():
    """They are made for each predicate, and a decoder that was compiled of one holds on to parts of it."""
    raw = msgspec.Raw(json.dumps(row(properties={"env": ["x", "y"], "tag.team": "a"})).encode())
    for number in range(300):
        predicate = Predicate(
            (*REPOS.allows, *TEAM.allows)[: 1 + number % 2], (Condition((("env", (f"{number}", "z")),)),)
        )
        objects = Objects(predicate)
        assert objects.entity(raw).visible
        assert objects.read(raw).visible
        objects.all_visible(memoryview(b"[" + bytes(raw) + b"]"))
        gc.collect(0)
    gc.collect()


@pytest.mark.parametrize(
    ("allows", "denies", "properties", "certain"),
    [
        ([{"_type": ["a"]}], [], {}, True),
        ([{"_type": ["a", "b"]}], [], {"env": ["secret"]}, True),
        ([{"_type": ["b"]}], [], {}, False),
        ([{"_type": ["a"]}], [{"env": ["secret"]}], {"env": "open"}, True),
        ([{"_type": ["a"]}], [{"env": ["secret"]}], {"env": ["open", 1, None]}, True),
        ([{"_type": ["a"]}], [{"env": ["secret"]}], {"env": ["open", "secret"]}, False),
        ([{"_type": ["a"]}], [{"_type": ["a"]}], {}, False),
        ([{}], [{"env": ["secret"]}], {}, True),
        ([{"_type": ["a"], "env": ["x"]}], [], {"env": "x"}, True),
        ([{"_type": ["a"], "env": ["x"]}], [], {}, False),
    ],
)
def test_the_usual_answer_is_read_at_once(allows, denies, properties, certain):
    array = json.dumps([row({"_type": ["a"], "_deleted": False}, properties)] * 3).encode()
    count = Objects(predicate_of(allows, denies)).all_visible(memoryview(array))
    assert count == (3 if certain else None)


# --- where the rows stand ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        '{"url":"[1]","type":"list","data":[ROW]}',
        '{"type":"list","data":[ROW],"url":"]"}',
        '{"type":"list","data":[ROW],"warnings":[]}',
        '{"warnings":[],"type":"list","data":[ROW]}',
        '{"type":"list","data":[1],"data":[ROW]}',
        '{"type":"list","more":{"data":[]},"data":[ROW]}',
        ' {"\\u0064ata" : [ROW] , "type":"list"} ',
    ],
)
def test_rows_are_found_wherever_other_brackets_stand(body):
    own = json.dumps(row())
    assert told(checked(body.replace("ROW", own).encode(), check())) == ([own.encode()], None)


@pytest.mark.parametrize(
    "body",
    [
        '{"type":"list","more":{"data":[ROW]}}',
        '{"type":"list","more":[ROW],"data":"[]"}',
        '{"type":"list","more":[ROW]}',
        '{"type":"list","data":"[ROW]"}',
        '{"type":"table","data":[ROW]}',
    ],
)
def test_rows_that_stand_elsewhere_are_none(body):
    assert isinstance(checked(body.replace("ROW", json.dumps(row())).encode(), check()), Withheld)


@pytest.mark.parametrize("offset", range(4))
def test_text_is_text_wherever_it_is_cut_for_reading(offset):
    """It is decoded in pieces of 65,536 bytes."""
    padded = row(properties={"n": "x" * (65_536 - 120 - offset) + "\N{KEY}" * 40})
    body = json.dumps({"type": "list", "data": [padded]}, ensure_ascii=False).encode()
    assert body[65_536 - 100 : 65_536 + 60].isascii() is False
    assert isinstance(checked(body, check()), Page)
    for cut in range(1, 4):
        broken = body.replace("\N{KEY}".encode(), "\N{KEY}".encode()[:cut])
        assert isinstance(checked(broken, check()), Withheld)
        assert isinstance(checked(body + "\N{KEY}".encode()[:cut], check()), Withheld)
