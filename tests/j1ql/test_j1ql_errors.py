"""The picture of a fault."""

import pickle

from gateway.j1ql import J1QLSyntaxError, pointed


def test_line_and_column_are_counted_from_one():
    fault = J1QLSyntaxError("bad", 4, "ab\nxyz")
    assert (fault.line, fault.column) == (2, 2)
    assert str(fault) == "bad at line 2, column 2\n  xyz\n   ^"


def test_a_fault_at_a_line_end_belongs_to_that_line():
    assert pointed("bad", "ab\ncd", 2) == "bad at line 1, column 3\n  ab\n    ^"


def test_a_fault_behind_the_last_line_end_is_on_the_empty_line():
    assert pointed("bad", "ab\n", 3) == "bad at line 2, column 1\n  \n  ^"


def test_of_a_long_line_only_the_neighbourhood_of_the_fault_is_shown():
    text = "a" * 5_000 + "!" + "b" * 5_000
    message, line, caret = pointed("bad", text, 5_000).split("\n")
    assert message == "bad at line 1, column 5001"
    assert len(line) == 102
    assert line[caret.index("^")] == "!"


def test_nothing_of_the_text_can_move_the_cursor_or_talk_to_a_terminal():
    shown = pointed("bad", "a\tb\x1b[31m\u202e\r!", 9)
    assert shown.replace("\n", "").isprintable()
    caret = shown.rpartition("\n")[2]
    assert caret.index("^") == len("  a\tb\x1b[31m\u202e")


def test_an_error_survives_pickling():
    fault = J1QLSyntaxError("bad", 1, "ab")
    assert str(pickle.loads(pickle.dumps(fault))) == str(fault)
