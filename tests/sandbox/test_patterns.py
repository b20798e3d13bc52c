"""Regular expressions of the query language, against those of the standard library."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox.context import EvaluationError
from gateway.sandbox.patterns import Pattern

CHARACTERS = "abAB1 .-"

atoms = st.sampled_from(["a", "b", "B", "1", ".", "[ab]", "[^a]", "[a-b1]", r"\d", r"\D", r"\w", r"\W", r"\.", r"\-"])
times = st.sampled_from(["", "*", "+", "?", "{2}", "{0,1}", "{1,2}", "{2,}"])
patterns = st.lists(st.tuples(atoms, times).map("".join), max_size=6).map("".join)


def found(pattern: str, text: str, flags: str = "", *, at_start: bool = False, at_end: bool = False) -> bool:
    return Pattern(pattern, flags, at_start=at_start, at_end=at_end, limit=100).matches(text)


@given(patterns, st.text(CHARACTERS, max_size=12), st.sampled_from(["", "i"]))
def test_a_pattern_is_found_where_the_standard_library_finds_it(pattern: str, text: str, flags: str) -> None:
    library = re.compile(pattern, (re.IGNORECASE if flags else 0) | re.DOTALL)
    assert found(pattern, text, flags) == bool(library.search(text))
    assert found(pattern, text, flags, at_start=True) == bool(library.match(text))
    assert found(pattern, text, flags, at_end=True) == bool(re.search(rf"(?:{pattern})\Z", text, library.flags))


def test_a_character_may_be_a_line_break() -> None:
    assert found("a.b", "a\nb")


@pytest.mark.parametrize(
    "pattern",
    [
        "^a",
        "a$",
        "a|b",
        "(a)",
        "(?=a)",
        r"\s",
        r"\b",
        "*a",
        "a**",
        "a{1",
        "a{x}",
        "a{9999}",
        "[a",
        "a]",
        "\\",
        "[b-a]",
        r"[\q]",
        "[[a]",
        "[a--b]",
        "a{2,1}",
    ],
)
def test_what_the_platform_does_not_support_is_refused(pattern: str) -> None:
    with pytest.raises(EvaluationError, match="Unsupported regular expression"):
        found(pattern, "a")
