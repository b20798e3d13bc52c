from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy import Seals
from gateway.proxy.seals import Position

SECRET = "a seal secret with 32 bytes or more"
positions = st.builds(
    Position, st.none() | st.text(st.characters(codec="utf-8"), max_size=60), st.integers(0, 2**32 - 1)
)


@given(positions, st.binary(max_size=40))
def test_what_was_sealed_opens_for_what_it_was_bound_to(position, bound):
    seals = Seals(SECRET)
    assert seals.open(seals.seal(position, bound), bound) == position


@given(positions, positions)
def test_all_seals_are_of_one_length_and_no_two_are_equal(one, other):
    seals = Seals(SECRET, size=300)
    texts = {seals.seal(one, b"q"), seals.seal(other, b"q"), seals.seal(one, b"q")}
    assert len(texts) == 3
    assert len({len(text) for text in texts}) == 1


def test_another_query_key_or_secret_opens_nothing():
    text = Seals(SECRET).seal(Position("c", 1), b"query")
    assert Seals(SECRET).open(text, b"query") == Position("c", 1)
    assert Seals(SECRET).open(text, b"another query") is None
    assert Seals(SECRET + ".").open(text, b"query") is None


def test_no_changed_bit_goes_unnoticed():
    seals = Seals(SECRET, size=16)
    raw = base64.urlsafe_b64decode(seals.seal(Position("c", 1), b"q") + "==")
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        assert seals.open(base64.urlsafe_b64encode(changed).decode(), b"q") is None


@pytest.mark.parametrize("text", ["", "a", "aaaaa", "é", "=", "eyJjYWNoZUtleSI6IjEifQ", "A" * 100_000, "\x00", "a b"])
def test_what_nobody_sealed_does_not_open(text):
    assert Seals(SECRET).open(text, b"q") is None


def test_a_secret_that_can_be_guessed_is_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        Seals("short")


def test_an_upstream_cursor_too_long_to_hide_is_not_sealed():
    seals = Seals(SECRET, size=16)
    assert seals.seal(Position("c" * 10), b"q")
    assert seals.seal(Position("c" * 11), b"q") is None
