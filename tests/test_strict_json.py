from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.strict_json import MAX_DEPTH, StrictJSONError, loads

texts = st.text(st.characters(codec="utf-8"))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
documents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20)


@given(documents, st.booleans())
def test_what_has_one_meaning_is_read_as_it_was_written(value, escaped):
    text = json.dumps(value, ensure_ascii=escaped)
    assert loads(text) == loads(text.encode()) == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": 1, "a": 2}', "member `a` occurs twice"),
        ('{"a": 1, "\\u0061": 1}', "member `a` occurs twice"),
        ('[{"b": [{"a": 1, "a": 1}]}]', "member `a` occurs twice"),
        ("NaN", "`NaN` is not JSON"),
        ("[Infinity]", "`Infinity` is not JSON"),
        ('{"a": -Infinity}', "`-Infinity` is not JSON"),
        ("\ufeff{}", "byte order mark"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        (b'"\xed\xa0\x80"', "not UTF-8 at byte 1"),
        (b"\xff\xfe1\x00", "not UTF-8 at byte 0"),
        ('"\\ud800"', "lone surrogate"),
        ('"\\uDFFF\\uD800"', "lone surrogate"),
        ('{"\\ud83d": 1}', "lone surrogate"),
        ('"\ud800"', "lone surrogate"),
        ("1 2", "Extra data at line 1 column 3"),
        ("", "at line 1 column 1"),
        ("{'a': 1}", "at line 1 column 2"),
        ('{"a": 1,}', "at line 1 column"),
        ('"a\nb"', "Invalid control character at line 1 column 3"),
        ("[01]", "at line 1 column 3"),
        ("1" * 5_000, "integer string conversion"),
        ("[1e400]", "`1e400` is beyond the range of a double"),
        ("-1e400", "`-1e400` is beyond the range of a double"),
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(text, told):
    with pytest.raises(StrictJSONError) as caught:
        loads(text)
    assert told in str(caught.value)


def test_a_pair_of_surrogate_escapes_is_one_character():
    assert loads('"\\ud83d\\udd11"') == "🔑"


def test_a_backslash_before_a_u_is_no_escape():
    assert loads(r'"\\ud800"') == r"\ud800"


@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_allowed_to_the_limit_and_no_further(start, end):
    loads(start * MAX_DEPTH + "1" + end * MAX_DEPTH)
    loads(start * 3 + "1" + end * 3, max_depth=3)
    with pytest.raises(StrictJSONError, match="nested deeper than 3 levels"):
        loads(start * 4 + "1" + end * 4, max_depth=3)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[[[[", "line 1 column 4"),
        ('[\n{"a": "[[["\n, "b":[[', "line 3 column 8"),
        ("[[[]]\n\n,[[[", "line 3 column 4"),
    ],
)
def test_what_is_nested_too_deeply_is_told_with_its_place(text, place):
    with pytest.raises(StrictJSONError, match=f"nested deeper than 3 levels at {place}"):
        loads(text, max_depth=3)


def test_brackets_in_strings_are_no_nesting():
    assert loads(json.dumps(["[" * 100, '"[{' * 100]), max_depth=1) == ["[" * 100, '"[{' * 100]


@pytest.mark.parametrize("text", ["[" * 1_000_000, '"' + "\\" * 1_000_001, '"[' * 1_000_000, '{"a":' * 1_000_000])
def test_hostile_texts_of_megabytes_are_refused_without_recursion(text):
    with pytest.raises(StrictJSONError):
        loads(text)


def test_numbers_keep_their_size_and_precision():
    assert loads("[12345678901234567890, 1e308, 0.1, 1e-400]") == [12345678901234567890, 1e308, 0.1, 0.0]
