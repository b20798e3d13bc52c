"""The cursor's four verbs, and hostile texts: with the limits lifted each still ends, in work linear in its length.

A scan that began anew at each character of these texts would need 10^10 steps and end with the test's own timeout.
"""

import contextlib

import pytest

from gateway.j1ql import J1QLSyntaxError, Limits
from gateway.j1ql.lexer import Tokens

UNLIMITED = Limits(length=10**9, tokens=10**9, depth=10**9)
MANY = 100_000


def read_all(text):
    t = Tokens(text, UNLIMITED)
    found = []
    while not t.check("end"):
        found.append((t.next.kind, t.read().text))
    return found


def test_check_looks_and_does_not_move():
    t = Tokens("FIND User")
    assert t.check("WITH", "FIND")
    assert not t.check("name")
    assert t.check("FIND")


def test_read_moves_and_never_passes_the_end():
    t = Tokens("User")
    assert t.read().text == "User"
    assert t.read().kind == "end"
    assert t.read().kind == "end"


def test_consume_moves_only_past_what_it_was_asked_for():
    t = Tokens("FIND User")
    assert not t.consume("name")
    assert t.consume("FIND")
    assert t.consume("name")


def test_expect_refuses_another_token_in_the_words_it_was_given():
    t = Tokens("FIND User")
    with pytest.raises(J1QLSyntaxError, match="expected a verb, found `FIND`"):
        t.expect("name", "a verb")
    with pytest.raises(J1QLSyntaxError, match="expected `,`, found `FIND`"):
        t.expect(",")
    assert t.expect("FIND").at == 0


def test_peek_stops_at_the_end():
    t = Tokens("FIND User")
    assert [t.peek(distance).kind for distance in (0, 1, 2, 9)] == ["FIND", "name", "end", "end"]


def test_after_group_is_what_follows_the_closing_parenthesis():
    t = Tokens("(a (b) c) * (d)")
    assert t.after_group.kind == "*"


def test_keywords_are_read_in_any_case_and_keep_their_spelling():
    assert read_all("find wItH RETURNS") == [("FIND", "find"), ("WITH", "wItH"), ("name", "RETURNS")]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a!=b", ["a", "!=", "b"]),
        ("a!~='b'", ["a", "!~=", "'b'"]),
        ("!IS", ["!", "IS"]),
        (">>=<<", [">>", "=", "<<"]),
        ("()?", ["(", ")", "?"]),
        ("a.1.2fa.[b c]", ["a", ".", "1", ".", "2fa", ".", "[b c]"]),
        ("1.5 2.x", ["1.5", "2", ".", "x"]),
        ("30days", ["30", "days"]),
        ("'a''b'", ["'a'", "'b'"]),
        (r"'\'' '\\'", [r"'\''", r"'\\'"]),
        (r"= /a\/b/i", ["=", r"/a\/b/i"]),
        ("a / b / c", ["a", "/", "b", "/", "c"]),
        ("OR /x/", ["OR", "/x/"]),
        ("a.or / 2 /", ["a", ".", "or", "/", "2", "/"]),
        ("a/*b*//*c*/d", ["a", "d"]),
        ("/**/a/***/", ["a"]),
        ("${ a.b-c }", ["${ a.b-c }"]),
        ("date ( 2019-10-30 )", ["date ( 2019-10-30 )"]),
        ("date.now", ["date", ".", "now"]),
        ("#A b", ["#A", "b"]),
    ],
)
def test_a_text_is_cut_into_tokens(text, tokens):
    assert [token for _, token in read_all(text)] == tokens


@pytest.mark.parametrize("opening", ["'", '"', r"'\'", "/*", "[", "${", "${a", "= /", r"= /\/", "{{", "\x00"])
@pytest.mark.parametrize("filling", ["", " ", "a", r"\\", "* ("])
def test_what_is_never_closed_is_refused_at_its_opening_however_much_follows(opening, filling):
    with pytest.raises(J1QLSyntaxError) as fault:
        read_all(opening + filling * MANY)
    assert fault.value.at == (2 if opening.startswith("=") else 0)
    assert len(str(fault.value)) < 400


def test_of_many_open_parentheses_the_innermost_is_named():
    with pytest.raises(J1QLSyntaxError, match="this `\\(` is never closed") as fault:
        read_all("(" * MANY)
    assert fault.value.at == MANY - 1


@pytest.mark.parametrize(
    "piece", ["'a' ", "/**/", "a ", "a.", "1.", "date ", "date(1 ", "/ ", "= /", "!", "$= ", " \n", "#"]
)
def test_a_long_text_of_one_piece_is_cut_or_refused_in_one_pass(piece):
    """Each token is at least one character further on, so there are at most as many as characters."""
    with contextlib.suppress(J1QLSyntaxError):
        assert len(read_all(piece * MANY)) <= len(piece) * MANY


def test_the_text_of_many_items_between_many_comments_is_collected_once_each():
    t = Tokens("a/**/+/**/b " * 2_000 + "/**/" * 20_000, UNLIMITED)
    collected = 0
    while not t.check("end"):
        at = t.read().at
        t.read()
        t.read()
        assert t.source_from(at) == "a+b"
        collected += 1
    assert collected == 2_000


def test_only_blanks_tabs_and_line_ends_are_space():
    assert len(read_all(" \t\r\na \t\r\n")) == 1
    for space in "\x0b\x0c\x85\xa0\u2028\u3000\ufeff":
        with pytest.raises(J1QLSyntaxError, match="unexpected character U"):
            read_all(f"a{space}b")


def test_only_ascii_letters_and_digits_make_names_and_numbers():
    for letter in "\u017f\u0131\u212a\xe9\u0663\xb2\u2167":
        with pytest.raises(J1QLSyntaxError, match="unexpected character"):
            read_all(f"a{letter}")
