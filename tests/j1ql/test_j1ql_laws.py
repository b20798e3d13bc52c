"""Laws of reading and printing, on random trees and random texts."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.j1ql import RESERVED_WORDS, J1QLSyntaxError, parse, render, render_expression, tree
from gateway.j1ql.expressions import FUNCTIONS, UNITS
from gateway.j1ql.lexer import COMPARISONS, KEYWORDS, LITERALS, Tokens
from second_reading.reading import read

# --- random trees, in the shapes that the parser makes ------------------------------------------------------------

words = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,4}", fullmatch=True)
names = words.filter(lambda word: word.upper() not in RESERVED_WORDS | {"RELATES", "CIDR"})
aliases = st.none() | names
digits = st.from_regex(r"[0-9]{1,5}", fullmatch=True)
counts = st.integers(0, 10**15 - 1)

texts = st.text("aé '\"/*\n\ud800${}\\", max_size=6) | st.sampled_from(["\\'", '\\"', "/*", "*/ '", '${"}', "{{x}}"])
strings = texts.filter(lambda text: not text.endswith("\\") and not ("'" in text and '"' in text))
brackets = st.text("aé .-@'\"/*\\\ud800", min_size=1, max_size=4)
segments = st.builds(tree.Segment, words | digits.map(lambda digit: digit + "x") | st.sampled_from(sorted(KEYWORDS)))
bracketed = st.builds(tree.Segment, brackets, bracketed=st.just(True))


def paths(rest=1):
    """`rest` is the least number of segments after the first."""
    first = st.builds(tree.Segment, names) | bracketed
    tails = st.lists(segments | bracketed, min_size=rest, max_size=3)
    return st.builds(lambda head, tail: tree.Path((head, *tail)), first, tails)


DATES = ("2019", "2019-10", "2019-10-30", "2019-10-30T10Z", "2019-10-30T10:00:00Z", "2019-10-30T10:00:00.123+02:00")

literals = st.one_of(
    st.builds(tree.String, strings),
    st.builds(tree.Number, st.from_regex(r"-?[0-9]{1,3}(\.[0-9]{1,2})?", fullmatch=True)),
    st.builds(tree.Boolean, st.booleans()),
    st.builds(tree.Undefined),
    st.builds(tree.Parameter, st.from_regex(r"[a-z_][a-z0-9_.-]{0,5}", fullmatch=True)),
    st.builds(tree.Now),
    st.builds(tree.Now, st.integers(-999, 999).filter(bool), st.sampled_from(sorted(UNITS))),
    st.builds(tree.Date, st.sampled_from(DATES)),
)
regexes = st.builds(
    tree.Regex,
    st.from_regex(r"[a-z.?+\[\]'\"][a-z.*?+\[\]'\" ]{0,5}", fullmatch=True),
    st.sampled_from(["", "i"]),
)

LEVEL = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}


def fitted(node, level):
    """An operand put in parentheses where it would bind otherwise."""
    if isinstance(node, tree.Arithmetic) and not node.bracketed and LEVEL[node.operator] < level:
        return tree.Arithmetic(node.left, node.operator, node.right, bracketed=True)
    return node


def arithmetic(left, operator, right, *, in_parentheses):
    level = LEVEL[operator]
    left = fitted(left, level + (operator == "^"))
    return tree.Arithmetic(left, operator, fitted(right, level + 1), in_parentheses)


def expressions(rest=1):
    return st.recursive(
        literals | paths(rest),
        lambda inner: st.one_of(
            st.builds(
                tree.Call, st.sampled_from([*sorted(FUNCTIONS), "count"]), st.lists(bare(inner), max_size=3).map(tuple)
            ),
            st.builds(arithmetic, inner, st.sampled_from(sorted(LEVEL)), inner, in_parentheses=st.booleans()),
        ),
        max_leaves=3,
    )


def bare(nodes):
    """Without outermost parentheses: there they make a list of one."""
    return nodes.map(
        lambda node: (
            tree.Arithmetic(node.left, node.operator, node.right) if isinstance(node, tree.Arithmetic) else node
        )
    )


def value_lists(rest=1):
    items = bare(expressions(rest)) | regexes
    nested = st.recursive(
        items,
        lambda inner: st.builds(
            tree.ValueList, st.sampled_from(["OR", "AND"]), st.lists(inner, min_size=2, max_size=3).map(tuple)
        ),
        max_leaves=3,
    )
    return nested.map(lambda node: node if isinstance(node, tree.ValueList) else tree.ValueList("OR", (node,)))


def property_of(path, alias):
    return (tree.Item(path, render_expression(path), alias),)


subqueries = st.builds(
    lambda selector, unique, returns: tree.Subquery(tree.Query(selector, unique=unique, returns=returns)),
    st.builds(tree.Selector, st.builds(tree.Name, names), alias=aliases),
    st.booleans(),
    st.builds(property_of, paths(), aliases),
)


def conditions(rest):
    leaves = st.one_of(
        st.builds(
            tree.Comparison,
            expressions(rest),
            st.sampled_from(sorted(COMPARISONS)),
            bare(expressions(rest)) | regexes | value_lists(rest),
        ),
        st.builds(tree.Comparison, paths(rest), st.sampled_from(["=", "!="]), subqueries),
        st.builds(tree.Cidr, paths(rest), st.builds(tree.String, strings), st.booleans()),
    )
    groups = (tree.And, tree.Or)
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            *(st.builds(group, st.lists(inner, min_size=2, max_size=3).map(tuple)) for group in groups)
        ),
        max_leaves=3,
    )


wheres, havings = conditions(1), conditions(0)
values = expressions(0)

plain = st.builds(tree.Name, names) | st.builds(tree.Everything)
smart = st.builds(tree.Smart, words)
heads = st.recursive(
    st.one_of(
        plain,
        smart,
        st.builds(tree.FullText, st.builds(tree.String, strings)),
        st.builds(tree.Union, st.lists(plain | smart, min_size=1, max_size=3).map(tuple)),
    ),
    lambda inner: st.builds(tree.Smart, words, inner),
    max_leaves=2,
)
selectors = st.builds(tree.Selector, heads, st.none() | havings, aliases)


def verb(found, *, in_parentheses, to):
    to = to and not found[-1].upper().endswith(" TO")
    return tree.Verb(tuple(found), bracketed=len(found) > 1 or in_parentheses, to=to)


verbs = st.builds(
    verb,
    st.lists(names | st.just("relates TO"), min_size=1, max_size=3),
    in_parentheses=st.booleans(),
    to=st.booleans(),
)
ways = {
    "negated": st.booleans(),
    "direction": st.sampled_from([">>", "<<", None]),
    "alias": aliases,
}
single_steps = st.builds(tree.Step, verbs, selectors, **ways) | st.builds(
    tree.Step, verbs, selectors, somehow=st.just(True), hops=st.none() | counts, **ways
)


def chains(inner):
    return st.builds(lambda first, rest: (first, *rest), single_steps, st.lists(inner, max_size=2))


steps = st.recursive(single_steps, lambda inner: st.builds(tree.Optional, chains(inner), aliases), max_leaves=2)


def spelt(value, alias, *, quoted):
    source = f"{value.alias}.*" if isinstance(value, tree.AllProperties) else render_expression(value)
    return tree.Item(value, source, alias, quoted)


returnable = st.builds(tree.AllProperties, names) | values
items = st.one_of(
    st.builds(spelt, returnable, aliases, quoted=st.just(False)),
    st.builds(spelt, returnable, strings, quoted=st.just(True)),
)
windows = st.builds(tree.Window, st.sampled_from(["SKIP", "LIMIT"]), counts)

queries = st.builds(
    tree.Query,
    selectors,
    steps=st.lists(steps, max_size=2).map(tuple),
    unique=st.booleans(),
    where=st.none() | wheres,
    returns=st.none() | st.builds(tree.Tree) | st.lists(items, min_size=1, max_size=3).map(tuple),
    having=st.none() | havings,
    order=st.lists(st.builds(tree.Order, values, st.booleans()), max_size=2).map(tuple),
    windows=st.lists(windows, max_size=2).map(tuple),
)


def without_find(query):
    return replace(query, find=False, unique=False) if isinstance(query.selector.head, tree.FullText) else query


class Case:
    """A tree and its text. Shown as text: to show a deep tree as the calls that made it takes hypothesis for ever."""

    def __init__(self, query):
        self.query = query
        self.text = render(query)

    def __repr__(self):
        return repr(self.text)


@st.composite
def cases(draw):
    return Case(draw(queries | queries.map(without_find)))


# --- laws ---------------------------------------------------------------------------------------------------------


@given(cases())
def test_what_is_printed_reads_back_as_the_same_tree_also_by_a_second_grammar(case):
    assert parse(case.text) == case.query
    assert read(case.text) == case.query


@given(cases(), st.data())
def test_comments_between_tokens_change_nothing(case, data):
    t = Tokens(case.text)
    ends = [0]
    while not t.check("end"):
        ends.append(t.read().end)
    comments = st.sampled_from(["", "/**/", "/* it's */", "/*\n*//***/"])
    drawn = data.draw(st.lists(comments, min_size=len(ends), max_size=len(ends)))
    pieces = [case.text[start:end] for start, end in pairwise((*ends, len(case.text)))]
    # A property that begins with a digit must follow its dot at once.
    commented = [piece + ("" if piece.endswith(".") else comment) for piece, comment in zip(pieces, drawn, strict=True)]
    text = "".join(commented)
    assert parse(text) == case.query
    assert read(text) == case.query


@given(cases(), st.sampled_from([str.lower, str.title]))
def test_the_case_of_keywords_changes_nothing(case, respelt):
    text = case.text
    t = Tokens(text)
    previous = ""
    while not t.check("end"):
        token = t.read()
        # After a dot they are properties; TO can be a part of a verb, a literal a part of an item.
        if token.kind in KEYWORDS - LITERALS - {"TO"} and previous != ".":
            text = text[: token.at] + respelt(token.text) + text[token.end :]
        previous = token.kind
    assert parse(text) == case.query
    assert read(text) == case.query


words_and_signs = (*sorted(KEYWORDS), *sorted(COMPARISONS), *"+-*/%^()|,.?!#'\"[]{}$\\;", "<<", ">>", ")?", "/*", "*/")
phrases = tuple("User a.b 'x' 1 /x/ HAS cidr( COUNT( date.now date(2019-10-30) ${x} #A".split())
fragments = st.sampled_from((*words_and_signs, *phrases, "RELATES TO", "2 days"))


def read_or_refused(text):
    try:
        return parse(text)
    except J1QLSyntaxError as fault:
        return fault


@settings(max_examples=3 * settings().max_examples)
@given(
    st.sampled_from(["", "FIND User ", "FIND User WITH ", "FIND User AS u WHERE ", "FIND User AS u RETURN "]),
    st.lists(fragments, max_size=12).map(" ".join) | st.text(),
)
def test_any_text_is_either_refused_at_a_place_in_it_or_reads_back_after_printing(beginning, text):
    query = beginning + text
    found = read_or_refused(query)
    if isinstance(found, J1QLSyntaxError):
        assert 0 <= found.at <= len(query)
        assert str(found).endswith("^")
    else:
        assert parse(render(found)) == found
