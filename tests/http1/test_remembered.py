"""What is remembered of a pure function's answers, and what is not."""

from __future__ import annotations

import pytest

from gateway.http1 import heads
from gateway.http1.remembered import Remembered


def test_an_answer_is_found_once():
    asked = []
    lengths = Remembered(lambda text: asked.append(text) or len(text), room=2, worth=lambda *_: True)
    assert [lengths["a"], lengths["bb"], lengths["a"]] == [1, 2, 1]
    assert asked == ["a", "bb"]


def test_there_is_room_for_so_many():
    lengths = Remembered(len, room=2, worth=lambda *_: True)
    for text in ("a", "b", "c"):
        assert lengths[text] == 1
    assert list(lengths) == ["c"]


def test_what_is_not_worth_it_is_not_kept():
    lengths = Remembered(len, room=2, worth=lambda _, found: found < 2)
    assert lengths["aa"] == 2
    assert not lengths


def test_a_fault_is_not_kept():
    def fail(_: str) -> int:
        raise LookupError

    found = Remembered(fail, room=2, worth=lambda *_: True)
    with pytest.raises(LookupError):
        found["a"]
    assert not found


@pytest.mark.parametrize("name", [b"Authorization: Bearer", b"X-API-KEY:", b"cookie: a=", b"Set-Cookie: a="])
def test_no_line_with_a_secret_is_kept(name):
    secret = b"hunter2-" + name[:4]
    heads.request_head(b"GET / HTTP/1.1\r\n" + name + b" " + secret, 100, 10)
    heads.answer_head(b"HTTP/1.1 200 OK\r\n" + name + b" " + secret, 100, 10)
    remembered = [each for each in vars(heads).values() if isinstance(each, Remembered)]
    assert len(remembered) == 3
    assert not any(secret in line for lines in remembered for line in lines)
