"""What the scanner takes for proven, held against the tree and against four lexers.

Whenever a text is proven and is a query at all, the real parser must find P on every selector of it, and under strict
on every relationship, and the four ways to read strings and comments must cut it up alike.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.authz.capabilities import Mode
from gateway.authz.narrow import Binding, NotNarrowed, narrow
from gateway.authz.narrow.predicate import all_of, conditions
from gateway.authz.narrow.relationships import verb_decides
from gateway.authz.narrow.walk import parts
from gateway.authz.verify import verified
from gateway.j1ql import RESERVED_WORDS, J1QLSyntaxError, parse, tree
from gateway.policy import EVERYTHING, Condition, Predicate
from predicates import VERIFIED

QUERIES = (
    "FIND *",
    "FIND User WITH a = 1 OR b = 2",
    "FIND (User|Host) WITH a != 'x' AND (b = 1 OR c = undefined) AS e RETURN e.a, e.tag.b AS t ORDER BY t LIMIT 3",
    "FIND #Critical User AS e RETURN COUNT(e) AS n HAVING n > 1",
    "'some text' WITH a = 1 OR b = 2",
    "FIND User THAT HAS Device",
    "FIND User WITH a = 1 OR b = 2 THAT HAS AS r >> Device WITH c = ('x' OR 'y') AS d WHERE r.a = d.a OR r.b = 1",
    "FIND A THAT (HAS|USES) B THAT RELATES TO C WHERE B.x = 1 RETURN A, C.name",
    "FIND A THAT HAS B THAT USES C WHERE HAS.x = 1 OR USES.y = 2 RETURN TREE",
    "FIND A (THAT HAS B)? AS x THAT OWNS C WITH date < date.now - 1 day",
    "FIND A (THAT HAS B (THAT USES C)?)? (THAT OWNS D)?",
    "FIND A THAT !HAS B WITH a = 1 OR b = 2",
    "FIND UNIQUE A AS a THAT HAS B RETURN a.x",
    "FIND A WITH x = (FIND B WITH y = 1 OR z = 2 RETURN B.x) OR w = 1 THAT HAS C",
    "FIND A AS a WHERE a.x != (FIND B RETURN B.x) OR a.y = 1",
)

# --- what the parser finds ------------------------------------------------------------------------------------------


def flat(node):
    """The operands of an AND, also of an AND in it."""
    if isinstance(node, tree.And):
        return {operand for item in node.items for operand in flat(item)}
    return set() if node is None else {node}


def subqueries(node):
    match node:
        case tree.And(items=items) | tree.Or(items=items):
            for item in items:
                yield from subqueries(item)
        case tree.Comparison(right=tree.Subquery(query=query)):
            yield query


def carries(query, predicate, mode):
    """Whether each selector has P beside whatever else it has, and under strict each relationship in WHERE."""
    wanted = flat(all_of(*conditions(predicate)))
    places = list(parts(query))
    selectors = [part for part, _ in places if isinstance(part, tree.Selector)]
    nested = [
        sub for node in (*(each.where for each in selectors), query.where, query.having) for sub in subqueries(node)
    ]
    return (
        all(wanted <= flat(each.where) for each in selectors)
        and (mode is Mode.INDUCED or all(shown(part, place, query, predicate) for part, place in places))
        and all(carries(sub, predicate, mode) for sub in nested)
    )


def shown(part, place, query, predicate):
    """Whether a step goes over visible relationships only."""
    if not isinstance(part, tree.Step) or all(
        " " not in verb and verb_decides(predicate, verb) for verb in part.verb.names
    ):
        return True
    name = part.alias or (part.verb.names[0] if not part.verb.bracketed else "")
    if place.negated or names(query)[name.lower()] != 1 + (part.alias or "").lower().count(part.verb.names[0].lower()):
        return False
    holds = all_of(*conditions(predicate, name))
    if place.optional:
        none = tree.Comparison(tree.Path((tree.Segment(name), tree.Segment("_class"))), "=", tree.Undefined())
        return tree.Or((holds, none)) in flat(query.where)
    return flat(holds) <= flat(query.where)


def names(query):
    """How often each word names a part, in any letter case."""
    counted = Counter()
    for part, _ in parts(query):
        counted[(part.alias or "").lower()] += 1
        if isinstance(part, tree.Step):
            counted.update(verb.lower() for verb in part.verb.names)
        if isinstance(part, tree.Selector) and isinstance(part.head, tree.Name):
            counted[part.head.name.lower()] += 1
    return counted


# --- what lexers find -----------------------------------------------------------------------------------------------


def lexer(inside):
    """Comments, strings, regexes, names in brackets, words and signs; `inside` is what a closing sign does not end."""
    single, double, slash = (inside.format(sign) for sign in "'\"/")
    regex = rf"(?<=[=(])\s*/(?:{slash})+/\w*"
    strings = rf"""'(?:{single})*'|"(?:{double})*\""""
    return re.compile(rf"/\*.*?(?:\*/|\Z)|{strings}|{regex}|\[[^\]]*\]|\w+|\S", re.DOTALL)


LEXERS = (lexer(r"[^{0}\\]|\\."), lexer("[^{0}]"))


def readings(text):
    """The tokens of a text, without comments, for each way to read it."""
    for tokens, comments_first in product(LEXERS, (True, False)):
        read = re.sub(r"/\*.*?(?:\*/|\Z)", " ", text, flags=re.DOTALL) if comments_first else text
        yield tuple(token.strip() for token in tokens.findall(read) if not token.startswith("/*"))


def test_the_four_lexers_tell_the_attacks_apart():
    for attack in (r"a = 'x\') OR ([' AND b != 'z'", """a = '/*' AND c = "*/') OR ([" AND b != 'z'"""):
        assert len(set(readings(attack))) > 1
    assert len(set(readings("a = 'x' AND b = /y/ AND [c] = \"z\""))) == 1


# --- texts near those that narrowing makes --------------------------------------------------------------------------

ALLOWED = Condition((("_type", ("x",)), ("team", ("a", "b"))))
DENIED = Condition((("env", ("p", "q")),))
PREDICATES = (
    Predicate((Condition((("_type", ("x",)),)),)),
    Predicate((ALLOWED, Condition((("_class", ("HAS", "User")),)))),
    Predicate((EVERYTHING,), (DENIED,)),
    Predicate((ALLOWED,), (DENIED, Condition((("my-prop", ("it's",)), ("order", ("AND",)))))),
)
WORDS = (
    "( ) AND OR = != WITH FIND THAT WHERE RETURN AS HAS USES RELATES TO ! ? , | - * a A r gw0 gw1 'x' \"x\" 1 "
    "undefined a.x gw0._type HAS._class UNIQUE SOMEHOW TREE cidr( #C /x/ << [a]"
).split()
HAZARDS = ("\\", "'", '"', "/*", "*/", "[", "]", "/", "${", "''", "\\'", "(", ")", "\n", "\t", "`", " OR ")
TOKEN = re.compile(r"""'[^']*'|"[^"]*"|[\w.\[\]-]+|[!~^$<>]?=|>>|<<|\S""")


def narrowed(predicate, mode):
    for query in QUERIES:
        with suppress(NotNarrowed):
            yield narrow(query, Binding(predicate, mode, VERIFIED)).text


BOUND = [(text, predicate, mode) for predicate, mode in product(PREDICATES, Mode) for text in narrowed(predicate, mode)]


@pytest.mark.parametrize(("text", "predicate", "mode"), BOUND)
def test_what_narrowing_prints_is_proven_and_carries_p(text, predicate, mode):
    assert verified(text, predicate, strict=mode is Mode.STRICT) is None
    assert carries(parse(text), predicate, mode)


def edited(chance, text):
    """The text with one or two of its tokens taken away, changed, doubled or moved."""
    tokens = TOKEN.findall(text)
    for _ in range(chance.choice((1, 1, 2))):
        at, to = chance.randrange(len(tokens)), chance.randrange(len(tokens))
        length = chance.choice((1, 1, 1, 2, 3, 5))
        piece = tokens[at : at + length]
        match chance.randrange(5):
            case 0:
                tokens[at : at + length] = []
            case 1:
                tokens[at] = chance.choice(WORDS)
            case 2:
                tokens.insert(at, chance.choice(WORDS))
            case 3:
                tokens[to:to] = piece
            case _:
                tokens[at : at + length] = []
                tokens[to:to] = piece
        tokens = tokens or ["FIND"]
    return " ".join(tokens)


@pytest.mark.parametrize("seed", range(4))
def test_an_edited_text_is_proven_only_if_the_parser_finds_p_everywhere(seed):
    chance = random.Random(seed)
    proven = open_doors = 0
    for _ in range(3_000):
        text, predicate, mode = chance.choice(BOUND)
        text = edited(chance, text)
        gap = verified(text, predicate, strict=mode is Mode.STRICT)
        try:
            carried = carries(parse(text), predicate, mode)
        except J1QLSyntaxError:
            continue
        assert gap or carried, (text, predicate, mode)
        proven += gap is None
        open_doors += not carried
    assert proven > 20
    assert open_doors > 20


@pytest.mark.parametrize("seed", range(4))
def test_a_text_that_lexers_read_differently_is_never_proven(seed):
    chance = random.Random(seed)
    ambiguous = proven = 0
    for _ in range(8_000):
        text, predicate, mode = chance.choice(BOUND)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(text))
            text = text[:at] + chance.choice(HAZARDS) + text[at:]
        gap = verified(text, predicate, strict=mode is Mode.STRICT)
        differs = len(set(readings(text))) > 1
        assert gap or not differs, text
        ambiguous += differs
        proven += gap is None
    assert ambiguous > 100
    assert proven > 20


@given(st.lists(st.sampled_from((*WORDS, *HAZARDS)), max_size=30).map(" ".join), st.sampled_from(BOUND))
def test_whatever_follows_a_narrowed_text_the_answer_is_proven_or_a_reason(more, bound):
    text, predicate, mode = bound
    gap = verified(f"{text} {more}", predicate, strict=mode is Mode.STRICT)
    assert gap is None or gap
    if gap is None:
        with suppress(J1QLSyntaxError):
            assert carries(parse(f"{text} {more}"), predicate, mode)


# --- any policy -----------------------------------------------------------------------------------------------------

NAMES = st.one_of(
    st.sampled_from(["a", "tag.b", "my-prop", "_type", "_class", "a b", "x.2y", "date.now", "tag.With"]),
    st.sampled_from(sorted(RESERVED_WORDS)).map(str.lower),
)
VALUES = st.one_of(
    st.sampled_from(["HAS", "it's", 'say "x"', "') OR ([", "_type = 'x'", "WITH", "]", "a /b* c", "$x {y}", "FIND *"]),
    st.text(st.characters(exclude_categories=["C", "Zl", "Zp"], exclude_characters="\\$*'"), min_size=1, max_size=5),
)
CONDITIONS = st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=3).map(tuple), min_size=1, max_size=3).map(
    lambda equals: Condition(tuple(equals.items()))
)
LISTS = st.lists(CONDITIONS, min_size=1, max_size=3).map(tuple)
ANY_PREDICATE = st.builds(Predicate, LISTS, st.one_of(st.just(()), LISTS)) | st.builds(
    Predicate, st.just((EVERYTHING,)), LISTS
)


@given(ANY_PREDICATE, ANY_PREDICATE, st.sampled_from(QUERIES), st.sampled_from(Mode))
def test_a_text_is_proven_for_its_own_policy_and_not_for_another(policy, other, query, mode):
    try:
        text = narrow(query, Binding(policy, mode, VERIFIED)).text
    except NotNarrowed:
        return
    strict = mode is Mode.STRICT
    assert verified(text, policy, strict=strict) is None
    assert verified(text, other, strict=strict) or carries(parse(text), other, mode)
