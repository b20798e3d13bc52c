"""The scanner against golden cases, at its limits, and where it stands in the plan."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from gateway.authz import Rules, plan, proven
from gateway.authz.narrow import PASSES, narrow
from gateway.authz.narrow.conjoin import conjoin_predicate
from gateway.authz.narrow.relationships import narrow_relationships
from gateway.authz.outcome import Deny, Facts, Forward
from gateway.authz.verify import verified
from gateway.http1 import Reason
from gateway.policy import Predicate
from predicates import predicate

CASES = Path(__file__).parent / "cases" / "verify.txt"


# --- golden cases ---------------------------------------------------------------------------------------------------


def read_cases():
    policies, cases = {}, []
    for line in CASES.read_text(encoding="utf-8").splitlines():
        if line.startswith("@"):
            name, text = line[1:].split(maxsplit=1)
            policies[name] = predicate(**json.loads(text))
        elif line.startswith(("!", "=")):
            cases[-1] += (line[2:],)
        elif line and not line.startswith("#"):
            cases.append(tuple(line.split(" | ", maxsplit=1)))
    for who, text, lack in cases:
        name, _, mode = who.partition(" ")
        for strict in (True, False):
            if mode in ("", "strict" if strict else "induced"):
                yield pytest.param(
                    policies[name], text, strict, lack, id=f"{name} {'strict' if strict else ''}: {text}"
                )


@pytest.mark.parametrize(("policy", "text", "strict", "lack"), list(read_cases()))
def test_a_text_is_proven_or_lacks_what_the_golden_case_says(policy, text, strict, lack):
    gap = verified(text, policy, strict=strict)
    assert lack in gap if lack else gap is None


REPOS = predicate([{"_type": "github_repo"}])
GOOD = "FIND * WITH _type = 'github_repo'"


@pytest.mark.parametrize(
    "text",
    [
        "FIND * WITH _type = 'github_repo' AND a = 'x\ny'",
        "FIND * WITH _type = 'github_repo' AND a = 'x\u2028y'",
        "FIND * WITH _type = 'github_repo' AND a = 'x\u2029y'",
        "FIND * WITH _type = 'github_repo' AND a = 'x\x85y'",
        "FIND * WITH _type = 'github_repo' AND a = /x\x01y/",
        "FIND * WITH _type = 'github_repo' AND a = /x\\\x01y/",
        "FIND * WITH _type = 'github_repo' AND a = 'x\ud800y'",
        "FIND * WITH _type = 'github_repo' AND [x\0y] = 1",
        "FIND * WITH _type = 'github_repo' AND\u00a0a = 1",
        "FIND * WITH _type = 'github_repo'\x0bAND a = 1",
        "FIND * WITH _type = \uff07github_repo\uff07",
        "F\u0131ND * WITH _type = 'github_repo'",
        "FIND u\u017fer WITH _type = 'github_repo'",
    ],
    ids=ascii,
)
def test_a_character_that_readers_could_take_for_another_is_not_proven(text):
    assert verified(text, REPOS, strict=False)


def test_space_is_blanks_and_tabs():
    text = "FIND\t*  WITH _type\t=\t'github_repo' AND a > date\t( 2019 ) AND b\t. c . d = 1"
    assert verified(text, REPOS, strict=False) is None


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_text_of_several_lines_is_not_proven(end):
    """A comment to the end of a line, taken out before strings are seen, could open one of them."""
    assert verified(f"FIND *{end} WITH _type = 'github_repo'", REPOS, strict=False) == "a line break"


@pytest.mark.parametrize(
    "word",
    """
    FIND UNIQUE WITH AS THAT SOMEHOW TO WHERE RETURN TREE HAVING ORDER BY ASC DESC SKIP LIMIT AND OR TRUE FALSE
    UNDEFINED NULL COUNT SUM AVG MIN MAX HAS RELATES FROM NOT DATE
    """.split(),
)
def test_a_reserved_word_names_nothing(word):
    for name in (word, word.lower()):
        assert verified(f"FIND * WITH _type = 'github_repo' AS {name}", REPOS, strict=False)
    assert verified(f"FIND * WITH _type = 'github_repo' AS {word}s", REPOS, strict=False) is None


@pytest.mark.parametrize("text", ["FIND *", "FIND * WITH", "FIND * WITH a = 1", "FIND * WITH () AND a = 1"])
def test_nothing_carries_a_predicate_that_nothing_satisfies(text):
    assert "nothing satisfies" in verified(text, Predicate(()), strict=False)


@pytest.mark.parametrize(
    "function", "CIDR COUNT MIN MAX AVG SUM CONCAT MERGE COALESCE ABS SQRT CEIL FLOOR ROUND UNWIND".split()
)
def test_each_function_of_the_language_is_one(function):
    for name in (function, function.lower()):
        assert verified(f"{GOOD} AS r RETURN {name}(r.a, 1) AS a", REPOS, strict=False) is None
    assert verified(f"{GOOD} AS r RETURN {function}S(r.a)", REPOS, strict=False)


@pytest.mark.parametrize("unit", "hour hr hours hrs day days month mo months mos year yr years yrs".split())
def test_each_unit_of_time_is_one(unit):
    for name in (unit, unit.upper()):
        assert verified(f"{GOOD} AND a > date.now - 1 {name} AND b = 1", REPOS, strict=False) is None
    assert verified(f"{GOOD} AND a > date.now - 1 {unit}x AND b = 1", REPOS, strict=False)


def test_what_is_lacking_repeats_nothing_of_the_text():
    assert verified("FIND secret", REPOS, strict=True) == "`WITH` that is missing, at token 2"


SELECTOR = "A WITH _type = 'github_repo'"
GROUP = f"(THAT IS {SELECTOR} %s)?"
QUERY = f"FIND {SELECTOR} AND x = (%s)"


@pytest.mark.parametrize("nest", [GROUP, QUERY], ids=["groups", "queries"])
def test_nesting_ends_before_the_stack_does(nest):
    def nested(times):
        text = f"FIND {SELECTOR}" if nest is QUERY else ""
        for _ in range(times):
            text = nest % text
        return text if nest is QUERY else f"FIND {SELECTOR} {text}"

    assert verified(nested(49), REPOS, strict=False) is None
    assert "inside each other" in verified(nested(50), REPOS, strict=False)
    assert "inside each other" in verified(nested(5_000), REPOS, strict=False)


def test_any_number_of_groups_and_queries_may_stand_side_by_side():
    queries = " AND ".join([f"x = (FIND {SELECTOR})"] * 100)
    groups = " ".join([GROUP % ""] * 100)
    assert verified(f"FIND {SELECTOR} AND {queries} {groups}", REPOS, strict=False) is None

    deep = f"FIND {SELECTOR}"
    for _ in range(60):
        deep = f"FIND {SELECTOR} AND x = ({deep})"
    for text in (f"FIND {SELECTOR} AND {queries} AND x = ({deep})", f"FIND {SELECTOR} {groups} WHERE x.y = ({deep})"):
        assert "inside each other" in verified(text, REPOS, strict=False)


@pytest.mark.parametrize(
    "piece", ["(", "#A ", "- ", "/", "'", '"', "[", "date (", "a .", "COUNT(", "!", "$", "(/", "THAT "]
)
def test_any_number_of_one_piece_is_read_to_its_end(piece):
    assert verified(f"FIND A WITH _type = 'github_repo' AND {piece * 30_000}", REPOS, strict=True)
    assert verified(f"FIND {piece * 30_000}", REPOS, strict=True)


# --- in the plan ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forgotten", [conjoin_predicate, narrow_relationships], ids=lambda each: each.__name__)
def test_a_query_that_narrowing_lets_through_is_not_sent(monkeypatch, call, principal, statements, forgotten):
    """The fault is put in where it would be: a pass of narrowing does nothing."""
    allow, _ = statements
    body = {"query": "FIND github_repo AS r THAT HAS Finding AS f RETURN r.name, COUNT(f)"}
    decide = partial(plan, call("/j1ql", body), principal(allow(["query:ReadGraphData"], _type="github_repo")))
    assert isinstance(decide(Facts(), Rules(), 0), Forward)

    passes = tuple(each for each in PASSES if each is not forgotten)
    monkeypatch.setattr(proven, "narrow", partial(narrow, passes=passes))
    monkeypatch.setattr(proven, "_remembered", proven._narrowed)
    denied = decide(Facts(), Rules(), 0)
    assert isinstance(denied, Deny)
    assert denied.refusal.reason is Reason.UNSUPPORTED_QUERY
    assert "github_repo" not in denied.refusal.message
    assert denied.grounds.because[0] == "permissions[0]"
    assert denied.grounds.because[1].startswith("not proven: `W")


@pytest.mark.parametrize(
    "inside", ["'", '"', "/", "[", "\\[", "\\]", "\\/", "\\'", '\\"', "${x}", "\x01", "\\\x01", "^", "^^", ""]
)
def test_the_brackets_of_a_regex_hold_nothing_that_ends_them_elsewhere(inside):
    assert verified(f"FIND * WITH _type = 'github_repo' AND a = /x[{inside}]/", REPOS, strict=False)
    assert (
        verified(f"FIND * WITH _type = 'github_repo' AND a = /x[b{inside or '['}c]/", REPOS, strict=False)
        or "^" in inside
    )


@pytest.mark.parametrize("inside", ["a", "^a", "a-z", "\\d.+*?", "$", "a$b", "a^", "(|)", "^-"])
def test_the_brackets_of_a_regex_may_hold_anything_else(inside):
    assert verified(f"FIND * WITH _type = 'github_repo' AND a = /x[{inside}]+y/i", REPOS, strict=False) is None


def test_functions_that_make_no_groups_may_stand_in_conditions():
    text = "FIND * WITH _type = 'github_repo' AND a = concat(b, 'x') AS e WHERE ABS(e.n) > ROUND(e.m)"
    assert verified(text, REPOS, strict=False) is None
