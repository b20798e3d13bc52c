from __future__ import annotations

import pytest

from gateway.http1 import Call, Reason, Refusal, credential

KEY = "gwa_abc.DEF-1~2+3/4=="


def found(*headers: tuple[bytes, bytes]) -> str | Reason:
    outcome = credential(Call("id", "POST", "/j1ql", f"access_token={KEY}", ((b"host", b"a"), *headers)))
    return outcome.reason if isinstance(outcome, Refusal) else outcome


@pytest.mark.parametrize(
    "header",
    [
        (b"authorization", b"Bearer " + KEY.encode()),
        (b"authorization", b"bearer " + KEY.encode()),
        (b"authorization", b"BEARER  " + KEY.encode()),
        (b"x-api-key", KEY.encode()),
    ],
)
def test_one_key_in_one_of_two_places_is_found(header):
    assert found(header) == KEY


def test_a_key_in_the_query_string_is_none():
    assert found() is Reason.NO_CREDENTIAL


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Bearer a"), (b"x-api-key", b"b")],
        [(b"authorization", b"Bearer a"), (b"x-api-key", b"a")],
        [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer a")],
        [(b"x-api-key", b"a"), (b"x-api-key", b"b")],
        [(b"x-api-key", b"a,b")],
        [(b"authorization", b"Bearer a, Bearer b")],
        [(b"authorization", b""), (b"x-api-key", b"a")],
    ],
)
def test_two_keys_are_one_too_many_even_when_equal_or_empty(headers):
    assert found(*headers) is Reason.TWO_CREDENTIALS


@pytest.mark.parametrize(
    "header",
    [
        (b"authorization", b""),
        (b"authorization", b"Bearer"),
        (b"authorization", b"Bearer "),
        (b"authorization", KEY.encode()),
        (b"authorization", b"Basic dXNlcjpwYXNz"),
        (b"authorization", b"Bearer\t" + KEY.encode()),
        (b"authorization", b"Bearer " + KEY.encode() + b"\n"),
        (b"authorization", b"Bearer a b"),
        (b"authorization", b"Bearer =a"),
        (b"authorization", b"Bearer ' OR '1'='1"),
        (b"authorization", b"Bearer \xff"),
        (b"x-api-key", b""),
        (b"x-api-key", b"Bearer " + KEY.encode()),
        (b"x-api-key", b"a*"),
    ],
)
def test_anything_else_is_an_invalid_key(header):
    assert found(header) is Reason.INVALID_KEY
