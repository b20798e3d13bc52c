"""The format of secrets: `gwa_` + 160 random bits + a checksum, in letters and digits.

    secret = prefix body checksum
    prefix = "gwu_" | "gwa_" | "gwi_" | "gws_" | "gwl_"       what it is for, so that a leaked one can be routed
    body   = 27 base62 digits of 20 random bytes
    checksum = 6 base62 digits of the CRC-32 of prefix and body

The checksum lets garbage be refused before any look-up and lets scanners tell a leaked key from a likeness; it proves
nothing. All characters are `\\w`, so a double click selects a whole secret and every bearer grammar takes it.
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
    INTEGRATION = "gwi_"
    SESSION = "gws_"
    LOGIN = "gwl_"
    """The code of a one-time login link: no credential, it is exchanged for a session."""


RANDOM_BYTES = 20
"""160 bits: out of reach of guessing even against 10^10 live keys."""

PATTERN = r"\bgw[uaisl]_[0-9A-Za-z]{33}\b"
"""For secret scanners; compare the checksum (`well_formed`) to be sure."""

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BODY = 27  # 62 ** 27 > 2 ** 160
_CHECKSUM = 6  # 62 ** 6 > 2 ** 32
_LENGTH = len(Prefix.USER) + _BODY + _CHECKSUM
_SHAPE = re.compile(r"gw[uaisl]_[0-9A-Za-z]{33}")
_START = 8


def issue(prefix: Prefix, randomness: bytes) -> str:
    """A new secret from RANDOM_BYTES fresh random bytes."""
    if len(randomness) != RANDOM_BYTES:
        raise ValueError(f"a secret takes {RANDOM_BYTES} random bytes")
    body = prefix + _base62(int.from_bytes(randomness), _BODY)
    return body + _checksum(body)


def prefix_of(secret: str) -> Prefix | None:
    """What a well-formed secret is for, None for garbage of any length; the work is the same for all of it."""
    if len(secret) != _LENGTH or not _SHAPE.fullmatch(secret):
        return None
    if _checksum(secret[:-_CHECKSUM]) != secret[-_CHECKSUM:]:
        return None
    return Prefix(secret[: len(Prefix.USER)])


def well_formed(secret: str) -> bool:
    """Whether this can be a credential of ours at all: worth a look-up."""
    return prefix_of(secret) not in (None, Prefix.LOGIN)


def digest(secret: str) -> Digest:
    """What is stored. A fast hash is enough, since nobody can list 2^160 secrets."""
    return Digest(hashlib.sha256(secret.encode()).hexdigest())


def start(secret: str) -> str:
    """The part that is shown in listings, such as `gwa_4Xk2`; 136 random bits stay unknown."""
    return secret[:_START]


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode("ascii")), _CHECKSUM)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
