"""The row check: what it lets through, and what it stops."""

from __future__ import annotations

import json

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
    """Edge cases 54 and 56."""
    assert verdict(REPOS, row({"_type": value})) is equal


def test_an_absent_property_equals_nothing():
    assert not verdict(TEAM, row())


def test_all_properties_of_a_condition_must_hold():
    """Edge case 55."""
    both = Predicate((Condition((("a", ("1",)), ("b", ("2",)))),))
    assert verdict(both, row(properties={"a": "1", "b": "2"}))
    assert not verdict(both, row(properties={"a": "1"}))
    assert not verdict(both, row(properties={"a": "1", "b": "3"}))


def test_any_of_two_conditions_is_enough():
    """Edge case 67."""
    either = Predicate((Condition((("a", ("1",)),)), Condition((("b", ("2",)),))))
    assert verdict(either, row(properties={"b": "2"}))


def test_a_condition_of_a_deny_takes_away_what_it_holds_on():
    assert verdict(TEAM, row(properties={"tag.team": "a", "env": "prod"}))
    assert not verdict(TEAM, row(properties={"tag.team": "a", "env": "prod", "zone": "eu"}))
    assert not verdict(TEAM, row(properties={"tag.team": "a", "env": ["x", "prod"], "zone": "eu"}))


def test_metadata_decides_over_a_property_of_the_same_name():
    """G3: and a property that says otherwise fails the row."""
    assert not verdict(REPOS, row({"_type": ["github_user"]}, {"_type": "github_repo"}))
    assert not verdict(REPOS, row({"_type": ["github_repo"]}, {"_type": "github_user"}))
    hidden = Predicate((Condition((("env", ("prod",)),)),))
    assert not verdict(hidden, row({"env": "prod"}))
    assert not verdict(hidden, row({"env": "test"}, {"env": "prod"}))


def test_a_deleted_object_is_stopped():
    result = checked(answer(row({"_deleted": True})), check())
    assert isinstance(result, Withheld)
    assert result.violation


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
