"""Narrowing against golden pairs, and its laws."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.authz.capabilities import Capabilities, Mode, State
from gateway.authz.narrow import Binding, NotNarrowed, narrow
from gateway.authz.narrow.sublanguage import check_regex
from gateway.authz.narrow.walk import Place, heads, parts, visited
from gateway.authz.outcome import HiddenObject
from gateway.j1ql import J1QLSyntaxError, Limits, parse, tree
from gateway.policy import Condition, Predicate
from predicates import VERIFIED, condition, predicate

CASES = Path(__file__).parent / "cases" / "narrow.txt"


def read_cases():
    policies, cases = {}, []
    for line in CASES.read_text().split("\n"):
        if line.startswith("@"):
            name, text = line[1:].split(maxsplit=1)
            policies[name] = predicate(**json.loads(text))
        elif line.startswith(("> ", "! ")):
            cases[-1] = (*cases[-1], line[0], line[2:], "")
        elif line.startswith("^ "):
            cases[-1] = (*cases[-1][:-1], line[2:])
        elif line.startswith("|"):
            name, query = cases[-1]
            cases[-1] = (name, f"{query}\n{line[2:]}")
        elif line and not line.startswith("#"):
            cases.append(tuple(line.split(" | ", maxsplit=1)))
    return [
        pytest.param(binding, query, kind, text, place, id=f"{name} ({binding.mode}): {query}")
        for name, query, kind, text, place in cases
        for binding in bindings(policies, name)
    ]


def bindings(policies, words):
    """`policy`, `policy mode`, or `policy mode+verified-failed…`: without a mode the pair holds in both."""
    name, _, rest = words.partition(" ")
    mode, *found = re.split("(?=[+-])", rest)
    states = {"+": State.VERIFIED, "-": State.FAILED}
    known = Capabilities(**{each[1:]: states[each[0]] for each in found})
    for each in [Mode(mode)] if mode else Mode:
        yield Binding(policies[name], each, known, {"x": "it's", "n": 3, "list": ["a", "b"], "none": None})


@pytest.mark.parametrize(("binding", "query", "kind", "expected", "place"), read_cases())
def test_a_query_is_narrowed_as_the_golden_pair_says(binding, query, kind, expected, place):
    if kind == ">":
        assert narrow(query, binding).text == expected
    else:
        with pytest.raises((NotNarrowed, J1QLSyntaxError)) as refused:
            narrow(query, binding)
        assert expected in str(refused.value)
        assert query[refused.value.at :].startswith(place)


def test_a_refusal_points_at_the_construct():
    query = "FIND github_repo WITH a = 1\nTHAT SOMEHOW HAS github_user"
    with pytest.raises(NotNarrowed) as refused:
        narrow(query, REPOS)
    assert query[refused.value.at :].startswith("THAT")
    assert str(refused.value) == refused.value.message


def test_what_the_policy_is_to_blame_for_is_said_of_the_whole_query():
    with pytest.raises(NotNarrowed) as refused:
        narrow("FIND *", Binding(Predicate((Condition((("a", ("x\\y",)),)),))))
    assert refused.value.at == 0


def test_a_refusal_of_a_step_in_a_subquery_points_at_that_step():
    query = "FIND User WITH a = (FIND B THAT HAS C RETURN B.x)"
    with pytest.raises(NotNarrowed, match="a traversal in a subquery") as refused:
        narrow(query, Binding(REPOS.predicate, capabilities=VERIFIED))
    assert query[refused.value.at :].startswith("THAT HAS C")


REPOS = Binding(predicate([{"_type": "github_repo"}]))


def test_the_shape_and_the_columns_are_told():
    narrowing = narrow('FIND User AS u RETURN u.a, u.b AS "B b", u.tag.x AS x, u', REPOS)
    assert (narrowing.shape, narrowing.columns) == ("table", ("u.a", "B b", "x", "u"))
    assert narrowing.whole == ("u",)
    assert narrowing.hidden == (HiddenObject((("gw0", "_id"), ("gw1", "_type"))),)
    assert narrow("FIND User", REPOS).shape == "list"
    assert narrow("FIND User RETURN TREE", REPOS).shape == "tree"


def test_all_properties_are_one_column_however_they_are_spelt():
    assert narrow("FIND User RETURN User . *, User.a AS b", REPOS).columns == ("User.*", "b")


@pytest.mark.parametrize(
    ("query", "connected"),
    [
        ("FIND User RETURN TREE", False),
        ("FIND User THAT HAS Device RETURN TREE", True),
        ("FIND User THAT HAS Device THAT !IS Host RETURN TREE", True),
        ("FIND User THAT !IS Host THAT HAS Device RETURN TREE", False),
        ("FIND User THAT HAS Device THAT !IS Host THAT HAS Disk RETURN TREE", False),
        ("FIND User THAT HAS Device (THAT IS Host)? RETURN TREE", True),
        ("FIND User THAT HAS Device (THAT !IS Host THAT HAS Disk)? RETURN TREE", False),
        ("FIND User THAT HAS Device (THAT IS Host (THAT HAS Disk THAT !HAS File)?)? RETURN TREE", True),
        ("FIND User (THAT HAS Device)? RETURN TREE", False),
    ],
)
def test_where_each_entity_must_be_at_the_end_of_a_relationship(query, connected):
    assert narrow(query, Binding(predicate([{"_class": ["User", "HAS", "IS"]}]))).connected is connected


def test_a_query_that_the_condition_would_make_too_long_is_refused():
    """P at two selectors and twice as hidden columns: 21 characters each."""
    query = "FIND github_repo AS r THAT HAS User AS u RETURN r.name"
    of = REPOS.predicate
    assert narrow(query, Binding(of, Mode.INDUCED, longest=4 * len("_type = 'github_repo'")))
    with pytest.raises(NotNarrowed, match=r"at its 4 places .* by more than 83 characters"):
        narrow(query, Binding(of, Mode.INDUCED, longest=83))
    with pytest.raises(NotNarrowed, match="at its 2 places"):  # the first that are counted
        narrow(query, Binding(of, Mode.INDUCED, longest=1))


def test_under_strict_the_condition_counts_at_each_relationship_too():
    """P at two selectors, at the relationship between them, and three times as hidden columns."""
    query, places = "FIND github_repo AS r THAT HAS User AS u RETURN r.name", 6
    longest = places * len("_type = 'github_repo'")
    assert narrow(query, Binding(REPOS.predicate, longest=longest))
    with pytest.raises(NotNarrowed, match=f"at its {places} places"):
        narrow(query, Binding(REPOS.predicate, longest=longest - 1))


def test_the_condition_may_take_a_quarter_of_a_million_characters():
    def bound(length):
        return Binding(Predicate((Condition((("a", ("x" * (length - len("a = ''")),)),)),)))

    assert narrow("FIND *", bound(250_000))
    with pytest.raises(NotNarrowed, match="by more than 250000 characters"):
        narrow("FIND *", bound(250_001))


LONG = {
    "steps with a name": lambda n: "FIND A" + "".join(f" THAT HAS AS r{i} B" for i in range(n)),
    "steps named by their verb": lambda n: (
        "FIND A"
        + "".join(f" THAT V{i} B" for i in range(n))
        + " WHERE "
        + " AND ".join(f"V{i}.x = 1" for i in range(n))
    ),
    "columns and names": lambda n: (
        "FIND A AS a"
        + "".join(f" THAT HAS B AS b{i}" for i in range(n))
        + " RETURN "
        + ", ".join(f"b{i}.x" for i in range(n))
    ),
    "groups": lambda n: "FIND A THAT HAS B" + " (THAT HAS C)?" * n,
}


def work(query, mode):
    """How many functions are called and generators resumed, and the time of none."""
    counted = 0

    def count(_frame, event, _argument):
        nonlocal counted
        counted += event == "call"

    bound = Binding(REPOS.predicate, mode, VERIFIED)
    sys.setprofile(count)
    try:
        narrow(query, bound)
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("long", LONG.values(), ids=LONG.keys())
def test_a_query_twice_as_long_is_twice_the_work(long, mode):
    assert work(long(600), mode) < 2.3 * work(long(300), mode)  # more than any cache holds


def test_a_query_that_is_longer_than_the_limits_is_not_read():
    assert narrow("FIND *", REPOS, Limits(length=6))
    with pytest.raises(J1QLSyntaxError):
        narrow("FIND *", REPOS, Limits(length=5))


@pytest.mark.parametrize(
    ("steps", "optional"),
    [
        ("THAT HAS B AS b", [False, False]),
        ("(THAT HAS B AS b)?", [False, True]),
        ("(THAT HAS B AS b (THAT HAS C AS c)?)? THAT HAS D AS d", [False, True, True, False]),
        ("THAT !HAS B AS b THAT HAS C AS c", [False, True]),
        ("THAT !HAS B AS b (THAT HAS C AS c)?", [False, True]),
        ("(THAT !HAS B AS b THAT HAS C AS c)? THAT HAS D AS d", [False, True, False]),
    ],
)
def test_an_object_may_be_absent_in_an_optional_group_and_behind_a_negated_step(steps, optional):
    narrowing = narrow(f"FIND A AS a {steps} RETURN a.x", Binding(REPOS.predicate, Mode.INDUCED))
    assert [each.optional for each in narrowing.hidden] == optional


@pytest.mark.parametrize("function", ["COUNT", "MIN", "MAX", "AVG", "SUM", "UNWIND", "MERGE"])
def test_rows_of_a_function_that_makes_groups_or_parts_get_no_hidden_columns(function):
    assert narrow(f"FIND * AS e RETURN {function}(e.a) AS a", REPOS).hidden == ()
    with pytest.raises(NotNarrowed, match=f"{function} can stand in RETURN, HAVING and ORDER BY alone"):
        narrow(f"FIND * WITH {function}(a) = 1", REPOS)


@pytest.mark.parametrize("function", ["COUNT", "MIN", "MAX", "AVG", "SUM"])
def test_full_text_search_can_be_counted_and_not_grouped(function):
    assert narrow(f"FIND 'x' AS e RETURN {function}(e.a) AS a", REPOS)
    with pytest.raises(NotNarrowed, match="can count but not group"):
        narrow(f"FIND 'x' AS e RETURN {function}(e.a) AS a, e.b", REPOS)


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-3, "-3"),
        (2**53, "9007199254740992"),
        (-(2**53), "-9007199254740992"),
        (1.5, "1.5"),
        (-0.25, "-0.25"),
        ("", "''"),
        (["a"], "('a')"),
        ([1, True, "x"], "(1 OR true OR 'x')"),
    ],
)
def test_a_variable_becomes_a_literal_that_every_reader_keeps(value, literal):
    sent = narrow("FIND * WITH a = ${v}", Binding(REPOS.predicate, variables={"v": value})).text
    assert sent == f"FIND * WITH _type = 'github_repo' AND a = {literal}"


@pytest.mark.parametrize(
    "value", [None, 2**53 + 1, -(2**53) - 1, 1e300, 1e-7, float("inf"), float("nan"), [], [[]], [["a"]], [None], {}]
)
def test_a_variable_of_another_kind_is_refused(value):
    with pytest.raises(NotNarrowed, match="variable `v` must be a string"):
        narrow("FIND * WITH a = ${v}", Binding(REPOS.predicate, variables={"v": value}))


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("FIND A", ["A: start"]),
        ("FIND A THAT HAS B THAT IS C", ["A: start", "HAS:", "B:", "IS: last", "C: last"]),
        (
            "FIND A THAT !HAS B THAT IS C",
            ["A: start", "HAS: negated", "B: negated", "IS: last after_negation", "C: last after_negation"],
        ),
        (
            "FIND A (THAT HAS B)? THAT IS C",
            ["A: start", "HAS: optional last", "B: optional last", "IS: last", "C: last"],
        ),
        (
            "FIND A THAT !HAS B (THAT !IS C (THAT OWNS D)?)?",
            [
                "A: start",
                *("HAS: negated", "B: negated"),
                *("IS: optional negated after_negation", "C: optional negated after_negation"),
                *("OWNS: optional last after_negation", "D: optional last after_negation"),
            ],
        ),
        (
            "FIND A (THAT !HAS B THAT IS C)? THAT OWNS D",
            [
                "A: start",
                *("HAS: optional negated", "B: optional negated"),
                *("IS: optional last after_negation", "C: optional last after_negation"),
                *("OWNS: last", "D: last"),
            ],
        ),
    ],
)
def test_each_selector_and_step_is_visited_with_its_place(query, places):
    met = []

    def visit(part, place):
        text = part.head.name if isinstance(part, tree.Selector) else part.verb.names[0]
        met.append(" ".join([f"{text}:", *(name for name in place._fields if getattr(place, name))]))
        return part

    assert visited(parse(query), visit, visit) == parse(query)
    assert met == places


def test_each_part_is_met_with_its_place():
    query = parse("FIND A (THAT !HAS B (THAT IS C)?)? THAT OWNS D")
    (outer, owns) = query.steps
    (has, inner) = outer.steps
    (is_,) = inner.steps
    assert list(parts(query)) == [
        (query.selector, Place(start=True)),
        (outer, Place()),
        (has, Place(optional=True, negated=True)),
        (has.target, Place(optional=True, negated=True)),
        (inner, Place(optional=True, last=True, after_negation=True)),
        (is_, Place(optional=True, last=True, after_negation=True)),
        (is_.target, Place(optional=True, last=True, after_negation=True)),
        (owns, Place(last=True)),
        (owns.target, Place(last=True)),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("FIND *", [tree.Everything()]),
        ("FIND #a", [tree.Smart("a")]),
        ("FIND #a B", [tree.Smart("a", tree.Name("B")), tree.Name("B")]),
        ("FIND (A|#b)", [tree.Union((tree.Name("A"), tree.Smart("b"))), tree.Name("A"), tree.Smart("b")]),
    ],
)
def test_what_a_selector_looks_for_and_what_stands_in_that(query, found):
    assert list(heads(parse(query).selector.head)) == found


def test_variables_cannot_make_a_query_long():
    """Three times a list of 1,000 values of one character, at seven characters each."""
    query = "FIND User WITH a = ${v} OR b = ${v} OR c = ${v}"
    variables = {"v": ["x"] * 1_000}
    assert narrow(query, Binding(REPOS.predicate, variables=variables, longest=21_000))
    with pytest.raises(NotNarrowed, match="would grow by more than 20999 characters") as refused:
        narrow(query, Binding(REPOS.predicate, variables=variables, longest=20_999))
    assert query[refused.value.at :] == "${v}"


def test_invented_names_are_new_and_short_whatever_the_query_holds():
    taken = " OR ".join(f"gw{number}_ = 1 OR GWWW{'W' * number} = 1" for number in range(200))
    sent = narrow(f"FIND User WITH {taken} AS u RETURN u.a", REPOS).text
    assert sent.endswith("u._id AS gw200_0, u._type AS gw200_1")


AMBIGUOUS = ["\\", "/*", "*/", "${", "\x00", "\x1f", "\x7f", "\x9f", "\u2028", "\u2029", "\ud800", "\udfff"]


@pytest.mark.parametrize("part", [*AMBIGUOUS, "'\""], ids=ascii)
def test_a_text_that_lexers_read_differently_is_refused_wherever_it_comes_from(part):
    of_policy = Predicate((Condition((("a", (f"x{part}y",)),)),))
    for query, binding in (
        ("FIND * WITH a = ${x}", Binding(REPOS.predicate, variables={"x": f"x{part}y"})),
        ("FIND * AS u WHERE u.a = ${x}", Binding(REPOS.predicate, variables={"x": f"x{part}y"})),
        ("FIND *", Binding(of_policy)),
    ):
        with pytest.raises(NotNarrowed, match="a string may hold no"):
            narrow(query, binding)


@pytest.mark.parametrize("part", [*AMBIGUOUS, "[", "]", "'", '"'], ids=ascii)
def test_a_name_that_lexers_read_differently_is_refused(part):
    of_policy = Predicate((Condition(((f"x{part}y", ("v",)),)),))
    with pytest.raises(NotNarrowed, match="property name cannot be used"):
        narrow("FIND *", Binding(of_policy))


@pytest.mark.parametrize("part", ["'", '"', "${", "*/", "\x01", "\x7f", "\x9f", "\ud800"], ids=ascii)
def test_a_regular_expression_that_lexers_read_differently_is_refused(part):
    with pytest.raises((NotNarrowed, J1QLSyntaxError)):
        narrow(f"FIND * WITH a = /x{part}y/", REPOS)


@pytest.mark.parametrize(
    "pattern", ["", "a", "]", r"\d", r"\]", "[a]", "[^a]", "[ab]", "[a^]", r"[\d]", r"[a\d]", r"[^\d\w]", "[a]b[^c]]"]
)
def test_a_regular_expression_may_have_brackets_that_are_closed(pattern):
    check_regex(tree.Regex(pattern, ""))


@pytest.mark.parametrize(
    "pattern",
    [
        *("[", "[a", "[^", "[]", "[^]", "[]]", "[^]]", "[^^]", "a[", "[a][", "[a[]", "[[a]", "[[]"),
        *(r"\[", r"[\]", r"[\]]", r"[\[]", r"[a\]", r"[a\]]", r"[a\[]", "a\\", "/", r"\/"),
        *("'", '"', "${", "\x00", "\x1f", "\x7f", "\x9f", "\ud800", "\udfff"),
    ],
    ids=ascii,
)
def test_a_regular_expression_about_whose_end_readers_could_differ_is_refused(pattern):
    with pytest.raises(NotNarrowed, match="a regular expression may hold no"):
        check_regex(tree.Regex(pattern, ""))


@pytest.mark.parametrize("word", ["and", "or", "find", "that", "with", "where", "return"])
def test_a_property_that_could_be_read_as_a_clause_is_refused_unless_it_stands_in_brackets(word):
    with pytest.raises((NotNarrowed, J1QLSyntaxError)):
        narrow(f"FIND * WITH {word} = 1", REPOS)
    assert narrow(f"FIND * WITH [{word}] = 1", REPOS)


@pytest.mark.parametrize(
    "query",
    [
        "FIND A WITH x = (FIND B THAT HAS C RETURN B.x)",
        "FIND A WITH y = 1 OR x = (FIND B THAT HAS C RETURN B.x)",
        "FIND A WITH x = (FIND B WITH z = (FIND C THAT HAS D RETURN C.z) RETURN B.x)",
        "FIND A AS a WHERE a.x = (FIND B THAT HAS C RETURN B.x)",
        "FIND A AS a RETURN a.x, COUNT(a) AS n HAVING n = (FIND B THAT HAS C RETURN B.x)",
    ],
)
def test_under_strict_no_subquery_goes_over_relationships(query):
    known = Capabilities(subquery_is_membership=State.VERIFIED)
    with pytest.raises(NotNarrowed, match="a traversal in a subquery"):
        narrow(query, Binding(REPOS.predicate, Mode.STRICT, known))
    assert narrow(query, Binding(REPOS.predicate, Mode.INDUCED, known))


# --- laws -----------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "tag.b", "my-prop", "_type"])
VALUES = st.text(
    st.characters(exclude_characters="\\'$*{}", exclude_categories=["C"], max_codepoint=0x2FF), min_size=1, max_size=5
)
CONDITIONS = st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=3), min_size=1, max_size=3).map(condition)
PREDICATES = st.builds(
    Predicate,
    st.lists(CONDITIONS, min_size=1, max_size=3).map(tuple),
    st.lists(CONDITIONS, max_size=2).map(tuple),
)
QUERIES = st.sampled_from(
    [
        "FIND *",
        "FIND User WITH a = 1 OR b = 2",
        "FIND (User|Host) WITH a != 'x' AND (b = 1 OR c = undefined) AS e RETURN e.a, e.tag.b AS t ORDER BY t LIMIT 3",
        "FIND * AS e RETURN COUNT(e)",
    ]
)


@given(PREDICATES, QUERIES)
def test_what_is_sent_parses_to_the_callers_query_and_p_beside_it(policy, query):
    """The caller's condition is one whole operand of the AND, so nothing of it stands beside P."""
    original = parse(query)
    sent = parse(narrow(query, Binding(policy)).text)
    assert sent.selector.head == original.selector.head
    assert sent.selector.alias == original.selector.alias
    assert (sent.order, sent.windows) == (original.order, original.windows)
    if original.selector.where:
        assert isinstance(sent.selector.where, tree.And)
        assert sent.selector.where.items[-1] == original.selector.where
    if isinstance(original.returns, tuple):
        assert sent.returns[: len(original.returns)] == original.returns


@given(PREDICATES, QUERIES)
def test_narrowing_is_a_function_of_query_and_predicate(policy, query):
    assert narrow(query, Binding(policy)) == narrow(query, Binding(policy))
