"""Bodies on their way out: never longer or shorter than was announced."""

from __future__ import annotations

import pytest

from gateway.http1.framing import ChunkedOutlet, Lying, NoOutlet, OpenOutlet, SizedOutlet


def test_a_body_of_announced_length():
    outlet = SizedOutlet(3)
    assert outlet.piece(b"ab") + outlet.piece(b"c") + outlet.end() == b"abc"


def test_a_body_that_is_longer_than_announced_is_stopped():
    outlet = SizedOutlet(3)
    outlet.piece(b"ab")
    with pytest.raises(Lying):
        outlet.piece(b"cd")


def test_a_body_that_is_shorter_than_announced_does_not_end():
    outlet = SizedOutlet(3)
    outlet.piece(b"ab")
    with pytest.raises(Lying):
        outlet.end()


def test_chunks_end_with_an_empty_one_and_hold_no_other():
    outlet = ChunkedOutlet()
    assert outlet.piece(b"a" * 17) + outlet.piece(b"") + outlet.end() == b"11\r\n" + b"a" * 17 + b"\r\n0\r\n\r\n"


def test_a_body_until_the_end_of_the_connection_is_itself():
    assert OpenOutlet().piece(b"a") + OpenOutlet().end() == b"a"


def test_an_answer_to_head_has_no_body():
    assert NoOutlet().piece(b"a") + NoOutlet().end() == b""
