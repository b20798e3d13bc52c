"""Two readings of the query language: ours, and a grammar made from its description alone. They give the same trees."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection import documented_mistakes, needs_collection, real_queries
from gateway.authz.capabilities import Mode
from gateway.authz.narrow import Binding, NotNarrowed, narrow
from gateway.j1ql import RESERVED_WORDS, J1QLSyntaxError, parse, render, tree
from gateway.policy import Condition, Predicate
from proof.chance import Chance
from proof.constructs import CONSTRUCTS, with_needs
from proof.queries import query as random_query
from proof.worlds import VERBS
from second_reading.reading import Refused, read

TESTS = Path(__file__).resolve().parents[1]
CASES = TESTS / "j1ql" / "cases"


def lines(name):
    texts = (CASES / name).read_text(encoding="utf-8").splitlines()
    return [text for text in texts if text and not text.startswith("# ")]


def wrong_queries():
    blocks = (CASES / "errors.txt").read_text(encoding="utf-8").strip("\n").split("\n\n")
    return [block.partition("\n---\n")[0] for block in blocks if not block.startswith("# ")]


def queries_we_read():
    """Of the real ones, with their trees. Which ones we do not read, and why, `test_corpus` has."""
    for query in real_queries():
        if (found := ours(query)) is not None:
            yield query, found


def ours(text):
    try:
        return parse(text)
    except J1QLSyntaxError:
        return None


def theirs(text):
    try:
        return read(text)
    except Refused:
        return None


# --- the published texts ------------------------------------------------------------------------------------------

TEXTS = tuple(dict.fromkeys([*lines("constructs.j1ql"), *lines("identity.j1ql"), *lines("printed.j1ql")]))


@pytest.mark.parametrize("text", TEXTS)
def test_a_query_is_read_the_same_by_both(text):
    assert read(text) == parse(text)
    assert read(render(parse(text))) == parse(text)


READ_BY_THE_SECOND_ALONE = {
    "FIND WHERE": "we refuse keywords as names of classes",
    "FIND User ORDER BY DESC": "we refuse keywords as names of columns",
    "FIND User THAT HAS AS tree Device": "we refuse all keywords as aliases, the platform's list has not all of them",
    "FIND User LIMIT 1000000000000000": "a limit of ours",
}


@pytest.mark.parametrize("text", wrong_queries())
def test_a_wrong_query_is_refused_by_both(text):
    assert ours(text) is None
    assert (theirs(text) is not None) == (text in READ_BY_THE_SECOND_ALONE)


def narrowed_queries():
    pairs = (TESTS / "authz" / "cases" / "narrow.txt").read_text(encoding="utf-8").splitlines()
    return [line[2:] for line in pairs if line.startswith("> ")]


@pytest.mark.parametrize("text", narrowed_queries())
def test_a_narrowed_query_is_read_the_same_by_both(text):
    assert read(text) == parse(text)


# --- the collection of real queries -------------------------------------------------------------------------------


@needs_collection
def test_every_real_query_is_read_the_same_by_both():
    assert [query for query, found in queries_we_read() if theirs(query) != found] == []


@needs_collection
def test_what_we_refuse_of_the_real_queries_is_refused_by_both():
    refused = [query for query in real_queries() if ours(query) is None]
    assert [query for query in refused if theirs(query) is not None] == []
    assert len(refused) < 20


@needs_collection
def test_every_real_query_is_printed_so_that_the_second_reads_the_same():
    assert [query for query, found in queries_we_read() if theirs(render(found)) != found] == []


REPOS = Condition((("_type", ("github_repo",)), ("tag.team", ("a", "b's"))))
USERS = Condition((("_class", ("User", "HAS")),))
SECRET = Condition((("my-prop", ('say "no"',)),))


BINDINGS = [Binding(Predicate((REPOS, USERS), (SECRET,)), Mode.INDUCED), Binding(Predicate((USERS,)), Mode.STRICT)]


@needs_collection
@pytest.mark.parametrize("binding", BINDINGS, ids=lambda binding: binding.mode)
def test_every_real_query_is_narrowed_to_a_text_that_both_read_the_same(binding):
    texts = []
    for query, _ in queries_we_read():
        try:
            texts.append(narrow(query, binding).text)
        except NotNarrowed:
            continue
    assert [text for text in texts if theirs(text) != parse(text)] == []
    assert len(texts) > 200


@pytest.mark.parametrize("case", documented_mistakes(), ids=lambda case: case["query"])
def test_a_documented_mistake_of_syntax_is_refused_by_both_and_one_of_style_read_the_same(case):
    found = theirs(case["query"])
    assert found == ours(case["query"])
    assert (found is None) == case["kind"].startswith("syntax")


# --- random queries -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("construct", [name for name in CONSTRUCTS if ":" not in name])
def test_queries_of_the_proof_are_read_the_same_by_both(construct):
    for seed in range(5):
        text, _ = random_query(Chance(Random(f"{construct} {seed}"), with_needs(construct)), VERBS)
        assert read(text) == parse(text), text
        assert read(render(parse(text))) == parse(text), text


_PIECE = re.compile(
    r"""'[^']*' | "[^"]*" | \$\{[^}]*\} | \[[^]]*\] | /\*.*?\*/ | date\([^)]*\) | [\#\w]+ | [!<>~^$=]+ | \S""",
    re.IGNORECASE | re.VERBOSE,
)
_SPLIT = [_PIECE.findall(text) for text in TEXTS]
_PIECES = st.sampled_from(_SPLIT).flatmap(st.sampled_from)


@st.composite
def nearly_queries(draw):
    """A query with a few of its words left out, added or exchanged: most are wrong, by little."""
    pieces = list(draw(st.sampled_from(_SPLIT)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(pieces)))
        removed = draw(st.integers(0, 1))
        pieces[at : at + removed] = draw(st.lists(_PIECES, max_size=2))
    # A property that begins with a digit follows its dot at once.
    return re.sub(r"\s*\.\s*", ".", " ".join(pieces))


def names_in(node) -> Iterator[str]:
    """Names of classes, types, verbs and parts, and of properties where they begin a path."""
    match node:
        case tree.Name(name=name) | tree.AllProperties(alias=name):
            yield name
        case tree.Path(segments=(tree.Segment(name=name, bracketed=False), *_)):
            yield name
        case tree.Verb(names=names):
            yield from names
        case tuple():
            for each in node:
                yield from names_in(each)
        case _ if is_dataclass(node):
            if getattr(node, "alias", None) is not None:
                yield node.alias
            for each in fields(node):
                yield from names_in(getattr(node, each.name))


@settings(max_examples=5 * settings().max_examples)
@given(nearly_queries())
def test_a_text_that_is_nearly_a_query_is_read_the_same_or_refused_by_both(text):
    """The second takes keywords for names wherever no keyword can stand, which the language leaves open."""
    found = theirs(text)
    expected = ours(text)
    if expected is not None or found is None:
        assert found == expected
    else:
        assert RESERVED_WORDS & {name.upper() for name in names_in(found)}
