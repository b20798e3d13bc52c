from __future__ import annotations

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwt.utils import base64url_decode
from msgspec import structs

from gateway.keys import Identity, Kind, Principal
from gateway.policy import Policy
from gateway.proxy import Identities, IdentityOptions

SECRET = "0123456789abcdef0123456789abcdef"
NOW = 1_700_000_000_000
texts = st.text(st.characters(codec="utf-8"))
ALICE = Principal("key-1", 1, "a", Identity("id-1", Kind.USER, "acme"), Policy(()), None)


def claims(token: bytes, secret: str = SECRET) -> dict:
    return jwt.decode(token, secret, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})


def test_the_token_says_who_asks_and_for_how_long():
    token = Identities(IdentityOptions(SECRET)).token(ALICE, NOW)
    now = NOW // 1000
    assert claims(token) == {
        "iss": "gateway",
        "sub": "id-1",
        "key": "key-1",
        "org": "acme",
        "kind": "user",
        "iat": now,
        "exp": now + 60,
    }


def test_only_the_secret_signs():
    token = Identities(IdentityOptions(SECRET)).token(ALICE, NOW)
    with pytest.raises(jwt.InvalidSignatureError):
        claims(token, SECRET[::-1])


def test_a_token_is_used_again_for_part_of_its_life_and_never_after_it():
    identities = Identities(IdentityOptions(SECRET, lifetime=60, reuse=30))
    first = identities.token(ALICE, NOW)
    assert identities.token(ALICE, NOW + 29_999) == first
    later = identities.token(ALICE, NOW + 30_000)
    assert claims(later)["iat"] == NOW // 1000 + 30


def test_a_clock_that_was_set_back_makes_a_new_token():
    identities = Identities(IdentityOptions(SECRET))
    first = identities.token(ALICE, NOW)
    assert claims(identities.token(ALICE, NOW - 5_000))["iat"] == claims(first)["iat"] - 5


def test_keys_and_their_versions_have_tokens_of_their_own():
    identities = Identities(IdentityOptions(SECRET))
    bob = structs.replace(ALICE, key_id="key-2", identity=Identity("id-2", Kind.ACCOUNT, "other"))
    moved = structs.replace(ALICE, version=2, identity=Identity("id-9", Kind.USER, "acme"))
    subjects = [claims(identities.token(each, NOW))["sub"] for each in (ALICE, bob, moved, ALICE)]
    assert subjects == ["id-1", "id-2", "id-9", "id-1"]


@pytest.mark.parametrize(
    "options", [{"secret": "short"}, {"secret": SECRET, "reuse": 60}, {"secret": SECRET, "reuse": -1}]
)
def test_options_that_cannot_be_safe_are_refused(options):
    with pytest.raises(ValueError, match=r"secret|reuse"):
        IdentityOptions(**options)


def test_the_secret_is_not_shown():
    assert SECRET not in repr(IdentityOptions(SECRET))


@given(texts, texts, st.sampled_from(Kind), st.binary(min_size=32, max_size=80), st.integers(0, 2**42))
def test_a_token_is_what_pyjwt_reads_and_would_sign(key, organization, kind, secret, now):
    options = IdentityOptions(secret.hex(), issuer="ž")
    who = Principal(key, 1, "a", Identity("id-ž", kind, organization), Policy(()), None)
    token = Identities(options).token(who, now)
    read = claims(token, options.secret)
    assert (read["key"], read["org"], read["kind"], read["iss"], read["sub"]) == (key, organization, kind, "ž", "id-ž")
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    _, payload, _ = token.split(b".")
    theirs = jwt.api_jws.encode(base64url_decode(payload), options.secret, "HS256", {"typ": "JWT"}).encode()
    assert theirs == token
    assert b"=" not in token


def test_no_more_tokens_are_kept_than_there_is_room_for():
    identities = Identities(IdentityOptions(SECRET, kept=2))
    everyone = [structs.replace(ALICE, key_id=f"key-{number}") for number in range(5)]
    first = [identities.token(each, NOW) for each in everyone]
    assert len(identities._made) == 2
    assert identities.token(everyone[4], NOW + 1_000) == first[4]
    assert identities.token(everyone[0], NOW + 1_000) != first[0]
