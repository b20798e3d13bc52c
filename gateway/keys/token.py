"""The format of secrets: `gwa_` + 176 random bits + a checksum, 40 letters and digits in all.

    secret = prefix body checksum
    prefix = "gwu_" | "gwa_" | "gwo_" | "gwi_" | "gwp_" | "gwg_" | "gws_" | "gwl_"
    body   = 30 base62 digits of 22 random bytes
    checksum = 6 base62 digits of the CRC-32 of prefix and body

The prefix says what a secret is for, so that a leaked one can be routed. The checksum lets garbage be refused before
any look-up and lets scanners tell a leaked key from a likeness; it proves nothing. All characters are `\\w`, so that a
double click selects a whole secret and every bearer grammar takes it; 40 is the length of Contember's tokens.

A key may also be made for a secret that its owner chose and of which only the digest was ever told. Such a secret has
any form that fits a bearer token, as long as it is not taken for one of ours.
"""

from __future__ import annotations

import hashlib
import re
import string
import zlib
from enum import StrEnum

from gateway.keys.model import Digest


class Prefix(StrEnum):
    """What a secret is for."""

    USER = "gwu_"
    ACCOUNT = "gwa_"
    ORGANIZATION = "gwo_"
    INTEGRATION = "gwi_"
    PROJECT = "gwp_"
    GLOBAL = "gwg_"
    SESSION = "gws_"
    LOGIN = "gwl_"
    """The code of a one-time login link: no credential, it is exchanged for a session."""


RANDOM_BYTES = 22
"""176 bits: out of reach of guessing even against 10^10 live keys."""

PATTERN = r"\bgw[uaoipgsl]_[0-9A-Za-z]{36}\b"
"""For secret scanners; compare the checksum (`well_formed`) to be sure."""

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_PAIRS = tuple(high + low for high in _DIGITS for low in _DIGITS)
_BODY = 30  # 62 ** 30 > 2 ** 176
_CHECKSUM = 6  # 62 ** 6 > 2 ** 32
_SHAPE = re.compile(r"gw[uaoipgsl]_[0-9A-Za-z]{36}")
_PREFIXES = {prefix.value: prefix for prefix in Prefix}
_START = 8
_LIKENESS = re.compile(r"gw[uaoipgsl]_")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def issue(prefix: Prefix, randomness: bytes) -> str:
    """A new secret from RANDOM_BYTES fresh random bytes."""
    if len(randomness) != RANDOM_BYTES:
        raise ValueError(f"a secret takes {RANDOM_BYTES} random bytes")
    body = prefix + _base62(int.from_bytes(randomness), _BODY)
    return body + _checksum(body)


def prefix_of(secret: str) -> Prefix | None:
    """What a well-formed secret is for, None for garbage of any length; the work is the same for all of it."""
    if not _SHAPE.fullmatch(secret) or not secret.endswith(_checksum(secret[:-_CHECKSUM])):
        return None
    return _PREFIXES[secret[: len(Prefix.USER)]]


def well_formed(secret: str) -> bool:
    """Whether this is a whole credential of our own format."""
    prefix = prefix_of(secret)
    return prefix is not None and prefix is not Prefix.LOGIN


def worth_looking_up(secret: str) -> bool:
    """Whether this can be a credential at all: what looks like ours must be whole, others an owner may have chosen."""
    return well_formed(secret) or not _LIKENESS.match(secret)


def hexadecimal(randomness: bytes) -> str:
    """A new secret in the form of Contember's: 40 hexadecimal digits of the first 160 random bits, no checksum."""
    return randomness[:20].hex()


def acceptable_digest(text: str) -> bool:
    """Whether a key may be made for a secret that only its owner knows, by this digest.

    64 lower-case hexadecimal digits, as Contember's `tokenHash`, and not the digest of a secret that anybody guesses.
    """
    return _DIGEST.fullmatch(text) is not None and text not in _GUESSED


def digest(secret: str) -> Digest:
    """What is stored. A fast hash is enough, since nobody can list 2^160 secrets."""
    return Digest(hashlib.sha256(secret.encode()).hexdigest())


def start(secret: str) -> str:
    """The part that is shown in listings, such as `gwa_4Xk2`; 152 random bits stay unknown."""
    return secret[:_START]


def _checksum(text: str) -> str:
    """By pairs of digits, because every call asks."""
    rest, low = divmod(zlib.crc32(text.encode("ascii")), len(_PAIRS))
    high, middle = divmod(rest, len(_PAIRS))
    return _PAIRS[high] + _PAIRS[middle] + _PAIRS[low]


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


_GUESSED = frozenset(
    digest(secret)
    for word in (
        "",
        "admin",
        "apikey",
        "changeme",
        "key",
        "null",
        "password",
        "root",
        "secret",
        "test",
        "token",
        "undefined",
    )
    for secret in (word, word.upper(), word.capitalize(), f"{word}1", f"{word}123", f"{word}\n")
)
"""Digests of secrets that are tried first, and of what comes out where a variable was empty."""
