"""The golden files of the language, and what they cannot show: the tree behind a text."""

from pathlib import Path

import pytest

from gateway.j1ql import J1QLSyntaxError, Limits, parse, render, tree

CASES = Path(__file__).parent / "cases"


def lines(name):
    texts = (CASES / name).read_text(encoding="utf-8").splitlines()
    return [text for text in texts if text and not text.startswith("# ")]


def printed_pairs():
    texts = lines("printed.j1ql")
    return list(zip(texts[::2], texts[1::2], strict=True))


def errors():
    blocks = (CASES / "errors.txt").read_text(encoding="utf-8").strip("\n").split("\n\n")
    return [tuple(block.split("\n---\n")) for block in blocks if not block.startswith("# ")]


def condition(text):
    return parse(f"FIND User WITH {text}").selector.where


def right_side(text):
    return condition(f"a = {text}").right


def item(text):
    [found] = parse(f"FIND User AS u RETURN {text}").returns
    return found


@pytest.mark.parametrize("text", lines("identity.j1ql"))
def test_a_query_in_our_own_spelling_prints_back_unchanged(text):
    assert render(parse(text)) == text


@pytest.mark.parametrize(("text", "printed"), printed_pairs())
def test_a_query_is_printed_in_our_spelling(text, printed):
    assert render(parse(text)) == printed
    assert parse(printed) == parse(text)


@pytest.mark.parametrize(("text", "expected"), errors())
def test_a_wrong_query_is_refused_with_an_error_that_points(text, expected):
    with pytest.raises(J1QLSyntaxError) as fault:
        parse(text)
    assert str(fault.value) == expected


def test_the_tree_of_a_query_with_every_clause():
    query = parse(
        "FIND UNIQUE (User|#Root) WITH active = true AS u THAT !HAS >> AS r Device (THAT IS Person)? AS p "
        "WHERE r.a != undefined RETURN u.name AS 'Name', u.* HAVING n > 1 ORDER BY u.name DESC SKIP 1 LIMIT 2"
    )
    assert query == tree.Query(
        unique=True,
        selector=tree.Selector(
            head=tree.Union((tree.Name("User"), tree.Smart("Root"))),
            where=tree.Comparison(path("active"), "=", tree.Boolean(value=True)),
            alias="u",
        ),
        steps=(
            tree.Step(
                tree.Verb(("HAS",)),
                tree.Selector(tree.Name("Device")),
                negated=True,
                direction=">>",
                alias="r",
            ),
            tree.Optional((tree.Step(tree.Verb(("IS",)), tree.Selector(tree.Name("Person"))),), alias="p"),
        ),
        where=tree.Comparison(path("r", "a"), "!=", tree.Undefined()),
        returns=(
            tree.Item(path("u", "name"), "u.name", alias="Name", quoted=True),
            tree.Item(tree.AllProperties("u"), "u.*"),
        ),
        having=tree.Comparison(path("n"), ">", tree.Number("1")),
        order=(tree.Order(path("u", "name"), descending=True),),
        windows=(tree.Window("SKIP", 1), tree.Window("LIMIT", 2)),
    )


def path(*names):
    return tree.Path(tuple(tree.Segment(name) for name in names))


def test_and_binds_tighter_than_or():
    assert condition("a = 1 OR b = 2 AND c = 3") == condition("a = 1 OR (b = 2 AND c = 3)")
    assert condition("a = 1 AND b = 2 OR c = 3") == condition("(a = 1 AND b = 2) OR c = 3")
    assert condition("(a = 1 OR b = 2) AND c = 3") != condition("a = 1 OR b = 2 AND c = 3")


def test_and_binds_tighter_than_or_in_a_value_list():
    assert right_side("(1 OR 2 AND 3)") == tree.ValueList(
        "OR", (tree.Number("1"), tree.ValueList("AND", (tree.Number("2"), tree.Number("3"))))
    )


def test_one_value_in_parentheses_is_a_list_of_one():
    assert right_side("('x')") == tree.ValueList("OR", (tree.String("x"),))
    assert right_side("(('x'))") == right_side("('x')")


def test_arithmetic_binds_as_in_school_and_to_the_left():
    assert right_side("1 - 2 - 3").right == tree.Number("3")
    assert right_side("1 + 2 * 3").operator == "+"
    assert right_side("2 * 3 ^ 4").operator == "*"


@pytest.mark.parametrize("written", [r"it\'s", r"a\\", r"\"", "two\nlines", "/* x */", "${x}", "{{x}}", "“”", "\ud800"])
def test_the_value_of_a_string_is_the_text_between_its_quotes_with_nothing_unescaped(written):
    assert right_side(f"'{written}'") == tree.String(written)


def test_a_backslash_does_not_end_a_string_early():
    with pytest.raises(J1QLSyntaxError, match="never closed"):
        condition(r"a = 'b\'")


def test_an_item_keeps_its_text_as_written_but_for_comments():
    assert item("count( u )").source == "count( u )"
    assert item("u.a\n  + 1 AS x").source == "u.a\n  + 1"
    assert item("/* a */ u/* b */.a /* c */ * 2 /* d */ AS x").source == "u.a  * 2"


def test_the_column_of_an_item_is_its_alias_or_else_its_text():
    assert item("count( u )").column == "count( u )"
    assert item("count( u ) AS 'how many'").column == "how many"


def test_a_comment_mark_in_a_string_or_in_brackets_opens_no_comment():
    both = condition("a = '/*' AND [*/] = 'b' AND c = '*/'")
    assert [part.right.value for part in both.items] == ["/*", "b", "*/"]


def test_a_slash_divides_after_an_operand_and_begins_a_regex_elsewhere():
    assert right_side("b / 2 / c").operator == "/"
    assert right_side("/ 2 /") == tree.Regex(" 2 ", "")
    assert right_side("('x' OR /y/i)").items[1] == tree.Regex("y", "i")
    assert item("u.or / 2").value.operator == "/"
    assert item("(u.a) / u.[b] / 'c'").value.operator == "/"


def test_null_reads_as_undefined():
    assert right_side("null") == tree.Undefined()


def test_every_node_knows_where_it_stands():
    text = "FIND User WITH a = 'b' THAT HAS Device RETURN Device.c"
    query = parse(text)
    [step], [returned] = query.steps, query.returns
    nodes = [query.selector, query.selector.where.right, step, step.target, returned, returned.value]
    assert [text[node.at :].split(maxsplit=1)[0] for node in nodes] == [
        "User",
        "'b'",
        "THAT",
        "Device",
        "Device.c",
        "Device.c",
    ]


# --- limits: each refuses by count, never by running out of stack or time ------------------------------------------

WIDE = Limits(length=10_000_000, tokens=10_000_000)


def in_conditions(depth):
    return f"FIND User WITH {'(' * depth}a = 1{' AND b = 2) OR c = 3' * depth}"


def in_lists(depth):
    return f"FIND User WITH a = {'(1 OR ' * depth}2{')' * depth}"


def in_groups(depth):
    return f"FIND User {'(THAT HAS Device ' * depth}{')?' * depth}"


def in_subqueries(depth):
    return f"FIND User {'WITH a = (FIND User ' * depth}AS u RETURN u.a{') AS u RETURN u.a' * depth}"


def in_functions(depth):
    return f"FIND User RETURN {'ABS(1 + ' * depth}1{')' * depth}"


def in_operators(depth):
    return "FIND User WITH a = 1" + " + 1" * depth


def in_smart_classes(depth):
    return "FIND " + "#A " * depth


NESTINGS = [in_conditions, in_lists, in_groups, in_subqueries, in_functions, in_operators, in_smart_classes]


def test_what_only_precedence_groups_is_printed_in_parentheses_which_count_as_any():
    text = render(parse(f"FIND User WITH {'(a = 1 OR b = 2 AND ' * 50}c = 3{')' * 50}"))
    with pytest.raises(J1QLSyntaxError, match="more than 50 parentheses"):
        parse(text)
    assert render(parse(text, limits=Limits(depth=100))) == text


@pytest.mark.parametrize("nested", NESTINGS)
def test_what_is_nested_as_deep_as_allowed_can_be_read_printed_compared_and_hashed(nested):
    text = nested(Limits().depth)
    query = parse(text)
    assert parse(render(query)) == query
    assert hash(query) == hash(parse(text))


@pytest.mark.parametrize("depth", [51, 5_000])
@pytest.mark.parametrize("nested", NESTINGS)
def test_what_is_nested_deeper_is_refused_at_the_place_that_is_too_deep(nested, depth):
    with pytest.raises(J1QLSyntaxError, match="more than 50") as fault:
        parse(nested(depth), limits=WIDE)
    assert fault.value.at < len(nested(52))


def test_a_hundred_thousand_parentheses_are_refused_at_the_first_that_is_too_many():
    text = in_conditions(100_000)
    with pytest.raises(J1QLSyntaxError, match="more than 50 parentheses inside each other") as fault:
        parse(text, limits=WIDE)
    assert text[: fault.value.at].count("(") == 50


def test_operators_and_parentheses_do_not_multiply_their_depths():
    text = "1"
    for _ in range(20):
        text = f"({text}{' + 1' * 20})"
    with pytest.raises(J1QLSyntaxError, match="more than 50 operators in one expression"):
        condition(f"a = {text} - 1")


def test_each_expression_has_operators_of_its_own():
    columns = ", ".join(["u.a" + " + 1" * 50] * 3)
    assert len(parse(f"FIND User AS u RETURN {columns}").returns) == 3


def test_a_text_of_one_megabyte_is_refused_by_its_length():
    with pytest.raises(J1QLSyntaxError, match="longer than 100000 characters"):
        parse("(" * 1_000_000)


def test_a_query_may_be_as_long_as_the_limit():
    text = "FIND User"
    assert parse(text, limits=Limits(length=9)) == parse(text)
    with pytest.raises(J1QLSyntaxError, match="longer than 8 characters"):
        parse(text, limits=Limits(length=8))


def test_a_query_may_have_as_many_words_and_signs_as_the_limit():
    text = "FIND User WITH a = 1"
    assert parse(text, limits=Limits(tokens=6)) == parse(text)
    with pytest.raises(J1QLSyntaxError, match="more than 5 words and signs") as fault:
        parse(text, limits=Limits(tokens=5))
    assert fault.value.at == text.index("1")


def test_a_list_of_thousands_of_values_is_read():
    values = " OR ".join(f"'{number}'" for number in range(4_000))
    assert len(right_side(f"({values})").items) == 4_000
