from __future__ import annotations

import hashlib
import re
import string
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys import PATTERN, RANDOM_BYTES, Prefix, digest, issue, prefix_of, start, well_formed

BASE62 = string.ascii_letters + string.digits
randomness = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)
prefixes = st.sampled_from(Prefix)
credentials = [prefix for prefix in Prefix if prefix is not Prefix.LOGIN]

README = Path(__file__).parents[2] / "README.md"
SECRET = issue(Prefix.ACCOUNT, bytes(range(RANDOM_BYTES)))


def test_the_format_does_not_change():
    assert SECRET == "gwa_000aoTeCmZZmK3mmfHwCoSC16fIvB72Befav"
    assert issue(Prefix.LOGIN, b"\xff" * RANDOM_BYTES) == "gwl_A2kL32r9ku6HrcANr3ayRQDYSUT3Z10OgRO9"


@given(prefixes, randomness)
def test_the_checksum_is_the_crc_32_of_all_before_it(prefix, random_bytes):
    secret = issue(prefix, random_bytes)
    number = 0
    for digit in secret[-6:]:
        number = number * 62 + (string.digits + string.ascii_uppercase + string.ascii_lowercase).index(digit)
    assert number == zlib.crc32(secret[:-6].encode())


@given(prefixes, randomness)
def test_a_secret_names_its_kind_and_is_one_word(prefix, random_bytes):
    secret = issue(prefix, random_bytes)
    assert prefix_of(secret) is prefix
    assert well_formed(secret) == (prefix in credentials)
    assert re.fullmatch(r"\w{40}", secret, re.ASCII)
    assert re.findall(PATTERN, f'key="{secret}", {secret}x') == [secret]


@given(randomness, randomness)
def test_different_randomness_makes_different_secrets(one, other):
    assert (issue(Prefix.USER, one) == issue(Prefix.USER, other)) == (one == other)


@pytest.mark.parametrize("length", [0, RANDOM_BYTES - 1, RANDOM_BYTES + 1])
def test_a_secret_is_never_made_of_too_little_randomness(length):
    with pytest.raises(ValueError, match="takes 22 random bytes"):
        issue(Prefix.USER, bytes(length))


@given(prefixes, randomness, st.data())
def test_a_secret_with_any_one_character_changed_is_garbage(prefix, random_bytes, data):
    secret = issue(prefix, random_bytes)
    at = data.draw(st.integers(min_value=4, max_value=len(secret) - 1))
    other = data.draw(st.sampled_from(BASE62.replace(secret[at], "")))
    assert prefix_of(secret[:at] + other + secret[at + 1 :]) is None


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "gwa_",
        SECRET[:-1],
        SECRET + "0",
        SECRET + "\n",
        " " + SECRET[1:],
        SECRET.replace("gwa_", "gwu_"),
        SECRET.replace("gwa_", "gwx_"),
        SECRET.replace("gwa_", "GWA_"),
        SECRET.replace("_", "-"),
        SECRET[:-1] + "é",
        SECRET[:-1] + "\ud800",
        SECRET[:10] + "٣" + SECRET[11:],  # a digit, but none of ours
        "x" * 10_000_000,
        digest(SECRET),
    ],
)
def test_garbage_is_recognised(garbage):
    assert prefix_of(garbage) is None
    assert not well_formed(garbage)


@given(st.text(max_size=50))
def test_any_text_can_be_asked_about(text):
    assert prefix_of(text) is None


def test_a_login_code_is_no_credential():
    assert not well_formed(issue(Prefix.LOGIN, bytes(RANDOM_BYTES)))


def test_the_digest_is_sha_256_in_lower_case_hexadecimal():
    assert digest(SECRET) == hashlib.sha256(SECRET.encode()).hexdigest()
    assert re.fullmatch(r"[0-9a-f]{64}", digest(SECRET))


def test_readme_tells_what_to_scan_for():
    assert f"scan for `{PATTERN}`" in README.read_text("utf-8")


def test_the_start_shows_the_kind_and_four_characters():
    assert start(SECRET) == SECRET[:8]


def test_177_many_secrets_have_no_duplicate_and_verify():
    secrets = {issue(Prefix.USER, number.to_bytes(RANDOM_BYTES)) for number in range(20_000)}
    assert len(secrets) == 20_000
    assert all(map(well_formed, secrets))
