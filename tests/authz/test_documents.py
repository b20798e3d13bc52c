"""What a GraphQL document asks for."""

from __future__ import annotations

import sys

import pytest
from graphql import get_introspection_query

from gateway.authz.account_parameters import request_texts
from gateway.authz.documents import Field, Outlines, fields
from gateway.authz.outcome import GraphQLRequest
from gateway.authz.rules import GraphQLLimits
from gateway.http1 import Reason, Refusal


def read(query, variables=None, name=None, **limits):
    return fields(GraphQLRequest(query, variables or {}, name), GraphQLLimits(**limits))


def names(query, variables=None, name=None):
    found = read(query, variables, name)
    assert not isinstance(found, Refusal), found
    return [field.name for field in found]


def test_an_alias_does_not_hide_a_field():
    assert names("{ harmless: queryV1(query: 1) { data } }") == ["queryV1"]


def test_fragments_are_opened_before_and_after_the_operation():
    query = """
    fragment A on Query { one ...B }
    query Q { ...A ... on Query { two } ... { three } }
    fragment B on Query { four }
    """
    assert names(query) == ["one", "four", "two", "three"]


@pytest.mark.parametrize("directive", ["@include(if: false)", "@skip(if: true)", "@anything"])
def test_a_directive_does_not_hide_a_field(directive):
    assert names(f"{{ one {directive} ... {directive} {{ two }} }}") == ["one", "two"]


def test_only_the_selected_operation_counts():
    query = "query A { one } mutation B { two }"
    assert names(query, name="B") == ["two"]


@pytest.mark.parametrize("name", [None, "", "C"])
def test_an_operation_must_be_selected_without_doubt(name):
    refusal = read("query A { one } query B { two }", name=name)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.MALFORMED_BODY
    assert "operation" in refusal.message


def test_two_operations_of_one_name_are_refused():
    assert isinstance(read("query A { one } query A { two }", name="A"), Refusal)


def test_arguments_come_from_literals_variables_and_defaults():
    query = (
        'query Q($id: ID, $kind: String = "k", $left: String) { f(a: "x", b: $id, c: $kind, d: $left, e: {in: [$id]}) }'
    )
    (field,) = read(query, {"id": "7", "unused": 1})
    assert field == Field("f", {"a": "x", "b": "7", "c": "k", "e": {"in": ["7"]}}, frozenset(), "f")


def test_a_variable_that_was_not_declared_has_no_value():
    (field,) = read("query Q { f(a: $sneaked) }", {"sneaked": "x"})
    assert field.arguments == {}


def test_a_null_in_the_variables_overrides_a_default():
    (field,) = read('query Q($a: String = "x") { f(a: $a) }', {"a": None})
    assert field.arguments == {"a": None}


def test_names_below_a_root_are_found_through_fragments():
    query = "fragment F on T { deep { deeper } } { f { ...F shallow ... on T { other } } }"
    (field,) = read(query)
    assert field.below == {"deep", "deeper", "shallow", "other"}


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "line 1, column 1"),
        ("{", "line 1, column 2"),
        ("{ a ", "line 1"),
        ("{ ...Missing }", "`Missing` is not defined"),
        ("{ ...A } fragment A on Q { ...B } fragment B on Q { x ...A }", "contains itself"),
        ("{ a } fragment A on Q { ...A }", "contains itself"),
        ("{ f(a: 1, a: 2) }", "an argument `a` is there twice (line 1, column 11)"),
        ("{ f(a: {b: 1, b: 2}) }", "a member `b` is there twice (line 1, column 15)"),
        ("query Q($a: Int, $a: Int) { f(a: $a) }", "a variable `a` is there twice (line 1, column 19)"),
        ("{ ...F } fragment F on Q { a } fragment F on Q { b }", "a fragment `F` is there twice (line 1, column 41)"),
        ("query A { a } query A { b }", "an operation `A` is there twice"),
        ("subscription S { f }", "subscriptions are not offered (line 1, column 1)"),
        ("{a" * 2000 + "}" * 2000, "nested too deeply"),
        ("{ f(a: " + "[" * 2000 + "]" * 2000 + ") }", "nested too deeply"),
        ("{" + "...{" * 600 + "a" + "}" * 600 + "}", "nested too deeply"),
        ("fragment A on Q { x }", "one operation"),
        ("{ a } type Query { a: Int }", "operations and fragments only (line 1, column 7)"),
        ("extend schema @x { query: Q } query { a }", "operations and fragments only (line 1, column 1)"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(query, told):
    refusal = read(query)
    assert isinstance(refusal, Refusal)
    assert told in refusal.message


CHAIN = "".join(f"fragment F{n} on Q {{ ...F{n + 1} }} " for n in range(24)) + "fragment F24 on Q { a }"

OVER_A_LIMIT = [
    ("{ a b c d }", {"tokens": 3}, "3 tokens", 7),
    ("{ a b c d }", {"characters": 10}, "10 characters", None),
    ("{ ...F c } fragment F on Q { a b }", {"roots": 2}, "2 root fields", 8),
    ("{ a { b { c } } }", {"depth": 2}, "2 deep", 3),
    ("{ a { ... on T { c } } }", {"depth": 2}, "2 deep", 3),
    ("{ a { ...F } } fragment F on T { c }", {"depth": 2}, "2 deep", 3),
    ("{ a } fragment F on T { b { c { d } } }", {"depth": 2}, "2 deep", 25),
    ("query A { a } query B { a { b { c } } }", {"depth": 2}, "2 deep", 25),
    ("{ ...F0 } " + CHAIN, {"depth": 24}, "24 deep", 30),
    ("{ a b { c d } }", {"fields": 3}, "3 fields", 5),
    ("{ a { ...F } b { ...F } } fragment F on T { c d }", {"fields": 5}, "5 fields", 14),
    ("{ a: x b: x }", {"aliases": 1}, "1 aliases", 8),
    ("{ a { ...F } b { ...F } } fragment F on T { c: d }", {"aliases": 1}, "1 aliases", 14),
    ("{ a @x @y }", {"directives": 1}, "1 directives", 3),
    ("query @x { a @y }", {"directives": 1}, "1 directives", 1),
    ("query ($a: Int @x) { a @y }", {"directives": 1}, "1 directives", 1),
    ("{ ... @x { a @y } }", {"directives": 1}, "1 directives", 3),
    ("{ ...F @x } fragment F on Q @y { a }", {"directives": 1}, "1 directives", 3),
    ("{ f(a: [{b: [1]}]) }", {"values": 3}, "nested 3 deep", 14),
    ("{ a { f @x(a: [{b: [1]}]) } }", {"values": 3}, "nested 3 deep", 21),
    ("query ($a: X = [{b: [1]}]) { a }", {"values": 3}, "nested 3 deep", 22),
]


@pytest.mark.parametrize(("query", "limits", "told", "column"), OVER_A_LIMIT)
def test_what_is_over_a_limit_is_refused_at_its_place(query, limits, told, column):
    refusal = read(query, name="A" if "query A" in query else None, **limits)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.MALFORMED_BODY
    assert told in refusal.message
    assert refusal.message.endswith(f"(line 1, column {column})") is (column is not None)
    higher = {limit: most + 20 for limit, most in limits.items()}
    assert not isinstance(read(query, name="A" if "query A" in query else None, **higher), Refusal)


def test_the_introspection_of_a_schema_stays_under_half_of_each_limit_but_that_of_depth():
    query = get_introspection_query(specified_by_url=True, directive_is_repeatable=True, input_value_deprecation=True)
    half = {"tokens": 2_500, "fields": 1_000, "aliases": 25, "directives": 25, "roots": 25, "depth": 18}
    assert not isinstance(read(query, **half), Refusal)
    assert isinstance(read(query, depth=17), Refusal)


def calls_made(query, **limits):
    """How many functions are called to read a document: work that is the same on any machine."""
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        read(query, **limits)
    finally:
        sys.setprofile(None)
    return calls


def doubling(levels):
    """Of so many levels, two to their power in fields, were each spread opened anew."""
    fragments = "".join(f"fragment F{n} on Q {{ a {{ ...F{n + 1} }} b {{ ...F{n + 1} }} }} " for n in range(levels))
    return "{ ...F0 } " + fragments + f"fragment F{levels} on Q {{ end }}"


def spreads(first, end):
    return " ".join(f"...F{n}" for n in range(first, end))


FLOODS = {
    "fragments that double each other": doubling,
    "fragments that spread all others": lambda size: (
        "{ ...F0 } "
        + "".join(
            f"fragment F{n} on Q {{ {' '.join(f'...F{m}' for m in range(n + 1, size))} x }} " for n in range(size)
        )
    ),
    "aliases": lambda size: "{" + "".join(f"a{n}: f " for n in range(size * 10)) + "}",
    "directives": lambda size: "{ f " + "@a " * size * 10 + "}",
    "selections": lambda size: "{a" * size * 10 + "}" * size * 10,
    "lists": lambda size: "{ f(a: " + "[" * size * 10 + "]" * size * 10 + ") }",
    "a cycle": lambda size: "".join(f"fragment F{n} on Q {{ ...F{(n + 1) % size} }} " for n in range(size)) + "{ a }",
    "variables": lambda size: "query (" + "".join(f"$a{n}: Int " for n in range(size * 10)) + ") { f }",
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_the_work_for_a_flood_grows_no_faster_than_its_text(flood):
    """Also without the limits that end it early."""
    wide = dict.fromkeys(("characters", "tokens", "fields", "aliases", "directives", "depth", "values"), 10**99)
    small, large = flood(10), flood(40)
    growth = calls_made(large, **wide) / calls_made(small, **wide)
    assert growth < 1.5 * len(large) / len(small)


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_is_refused_before_much_is_done(flood):
    text = flood(200)
    assert isinstance(read(text), Refusal)
    assert calls_made(text) < 50 * len(text)


def test_a_fragment_may_be_spread_in_many_places():
    query = "{ a { ...F } b { ...F } ...G } fragment F on Q { c { ...G } } fragment G on Q { d }"
    assert names(query) == ["a", "b", "d"]


def test_strings_are_found_decoded_wherever_they_stand():
    query = r'query Q($a: String = "in default") { f(a: "lit \u0024{x}", b: {c: ["""block ${y}"""]}) { g(h: "${z}") } }'
    request = GraphQLRequest(query, {"v": ["in list", {"member ${m}": "value"}]}, None)
    found = set(request_texts(request))
    assert found >= {"in default", "lit ${x}", "block ${y}", "${z}", "in list", "member ${m}", "value"}


# --- documents that were seen before ------------------------------------------------------------------------------


def test_a_document_that_was_seen_before_has_the_values_of_its_own_call():
    query = 'query Q($a: String = "d", $b: In) { f(a: $a, b: [$a, {c: $a}], k: "k") { g } h(b: $b) }'
    given = [{"a": "1", "b": "2"}, {"b": {"x": 1}}, {"a": None}, {}, {"a": "3", "b": "4", "c": "5"}]
    found = [[field.arguments for field in read(query, variables)] for variables in given]
    assert found == [
        [{"a": "1", "b": ["1", {"c": "1"}], "k": "k"}, {"b": "2"}],
        [{"a": "d", "b": ["d", {"c": "d"}], "k": "k"}, {"b": {"x": 1}}],
        [{"a": None, "b": [None, {"c": None}], "k": "k"}, {}],
        [{"a": "d", "b": ["d", {"c": "d"}], "k": "k"}, {}],
        [{"a": "3", "b": ["3", {"c": "3"}], "k": "k"}, {"b": "4"}],
    ]


def test_what_is_done_with_a_value_is_not_seen_by_the_next_call():
    query = 'query Q($a: In = {b: ["c"]}) { f(a: $a, d: {e: ["f"]}) }'
    for _ in range(2):
        (field,) = read(query)
        assert field.arguments == {"a": {"b": ["c"]}, "d": {"e": ["f"]}}
        field.arguments["a"]["b"].append("changed")
        field.arguments["d"]["e"].append("changed")


def test_a_document_that_was_seen_before_is_read_anew_for_another_operation_or_other_limits():
    query = "query A { one } query B { two three }"
    assert [names(query, name=name) for name in ("A", "B", "A")] == [["one"], ["two", "three"], ["one"]]
    assert isinstance(read(query, name="B", roots=1), Refusal)
    assert isinstance(read(query, name="B", tokens=5), Refusal)
    assert isinstance(read(query), Refusal)


def test_a_document_that_was_refused_is_refused_again():
    first, second = (read("{ a(b: 1, b: 2) }") for _ in range(2))
    assert isinstance(first, Refusal)
    assert first == second


def remembered(outlines, text, **limits):
    outlines.of(GraphQLRequest(text, {}, None), GraphQLLimits(**limits))
    return text in outlines


def test_what_is_remembered_of_documents_has_an_end():
    outlines = Outlines()
    texts = [f"{{ f{number}(a: [{'1 ' * 1_500}]) }}" for number in range(200)]
    assert all(remembered(outlines, text) for text in texts)
    held = [text in outlines for text in texts]
    assert 10 < sum(held) < 100
    assert held == sorted(held), "the oldest went first"


NAMES = " ".join(f"a{number}" for number in range(900))


@pytest.mark.parametrize(
    "text",
    ["{ f(a: [" + "1 " * 4_000 + "]) }", "{" + "a { ...F } " * 50 + "} fragment F on Q {" + NAMES + "}"],
    ids=["long", "many names many times"],
)
def test_a_document_that_takes_much_room_is_not_remembered(text):
    assert not remembered(Outlines(), text, fields=100_000)
