"""Printing of trees that no text was read into: what a program made prints so that it reads back as it was meant."""

import pytest

from gateway.j1ql import parse, render, render_condition, render_expression, tree

A, B = (tree.Path((tree.Segment(name),)) for name in "ab")


def query(**parts):
    return tree.Query(tree.Selector(tree.Name("User")), **parts)


def equals(name, value):
    return tree.Comparison(tree.Path((tree.Segment(name),)), "=", tree.String(value))


def test_and_inside_or_and_the_reverse_are_in_parentheses():
    both = tree.And((equals("a", "1"), equals("b", "2")))
    assert render_condition(tree.Or((both, equals("c", "3")))) == "(a = '1' AND b = '2') OR c = '3'"
    assert render_condition(tree.And((both, tree.Or((both, both))))).count("(") == 4


def test_an_item_that_no_one_wrote_is_printed_from_its_value():
    items = (
        tree.Item(tree.Call("COUNT", (A,)), "", alias="n"),
        tree.Item(tree.AllProperties("u"), ""),
        tree.Item(A, "", alias="it's", quoted=True),
    )
    assert render(query(returns=items)) == 'FIND User RETURN COUNT(a) AS n, u.*, a AS "it\'s"'


def test_an_item_that_was_written_is_printed_as_it_was():
    assert render(query(returns=(tree.Item(A, "count( u )"),))) == "FIND User RETURN count( u )"


@pytest.mark.parametrize(
    ("value", "printed"),
    [("", "''"), ("a", "'a'"), ('"', "'\"'"), ("'", '"\'"'), (r"a\b", r"'a\b'"), (r"'\"", r""""'\"" """.strip())],
)
def test_a_string_is_printed_in_quotes_that_it_does_not_contain(value, printed):
    assert render_expression(tree.String(value)) == printed
    assert parse(f"FIND User WITH a = {printed}").selector.where.right == tree.String(value)


@pytest.mark.parametrize("value", ["'\"", "\\", "'\\", "a\\\\\\"])
def test_a_string_that_no_quotes_can_hold_is_not_printed(value):
    with pytest.raises(ValueError, match="cannot be written"):
        render_expression(tree.String(value))


@pytest.mark.parametrize(
    ("expression", "printed"),
    [
        (tree.Arithmetic(tree.Arithmetic(A, "+", B), "*", B), "(a + b) * b"),
        (tree.Arithmetic(A, "-", tree.Arithmetic(A, "-", B)), "a - (a - b)"),
        (tree.Arithmetic(tree.Arithmetic(A, "-", B), "-", B), "a - b - b"),
        (tree.Arithmetic(A, "+", tree.Arithmetic(A, "*", B)), "a + a * b"),
        (tree.Arithmetic(tree.Arithmetic(A, "^", B), "^", B), "(a ^ b) ^ b"),
        (tree.Arithmetic(A, "^", tree.Arithmetic(A, "^", B)), "a ^ (a ^ b)"),
        (tree.Arithmetic(A, "*", tree.Arithmetic(A, "/", B, bracketed=True)), "a * (a / b)"),
    ],
)
def test_arithmetic_keeps_its_grouping_also_when_no_one_wrote_the_parentheses(expression, printed):
    assert render_expression(expression) == printed


def test_a_printed_query_is_one_line_without_comments():
    text = "FIND User /* a */\n WITH a = ('b'\n OR /* c */ 'd')\n\tRETURN User.a,\n User.b /* e */"
    assert render(parse(text)) == "FIND User WITH a = ('b' OR 'd') RETURN User.a, User.b"


def test_only_an_item_written_over_two_lines_keeps_its_line_break():
    """Its text is the name of the column."""
    assert render(parse("FIND User RETURN User.a\n + 1")) == "FIND User RETURN User.a\n + 1"
