"""What a GraphQL document asks for."""

from __future__ import annotations

import pytest

from gateway.authz.documents import Field, Outlines, fields, strings
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
    assert field == Field("f", {"a": "x", "b": "7", "c": "k", "e": {"in": ["7"]}}, frozenset())


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
        ("{ f(a: 1, a: 2) }", "`a` is given twice"),
        ("query Q($a: Int, $a: Int) { f(a: $a) }", "`$a` is declared twice"),
        ("subscription S { f }", "subscriptions"),
        ("{a" * 5000 + "}" * 5000, "nested too deeply"),
        ("fragment A on Q { x }", "one operation"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(query, told):
    refusal = read(query)
    assert isinstance(refusal, Refusal)
    assert told in refusal.message


def test_the_number_of_tokens_is_limited():
    assert isinstance(read("{ a b c d }", tokens=3), Refusal)


def test_the_number_of_roots_is_limited_also_through_fragments():
    assert isinstance(read("{ ...F c } fragment F on Q { a b }", roots=2), Refusal)


def test_fragments_that_double_each_other_cost_no_more_than_their_text():
    """Forty levels would be 2^40 fields, were each spread opened anew."""
    levels = "".join(f"fragment F{n} on Q {{ ...F{n + 1} ...F{n + 1} }} " for n in range(40))
    assert names("{ ...F0 f { ...F0 } } " + levels + "fragment F40 on Q { end }") == ["end", "f"]


def test_strings_are_found_decoded_wherever_they_stand():
    query = r'query Q($a: String = "in default") { f(a: "lit \u0024{x}", b: {c: ["""block ${y}"""]}) { g(h: "${z}") } }'
    request = GraphQLRequest(query, {"v": ["in list", {"member ${m}": "value"}]}, None)
    found = set(strings(request))
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


def remembered(outlines, text):
    outlines.of(GraphQLRequest(text, {}, None), GraphQLLimits())
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
    assert not remembered(Outlines(), text)
