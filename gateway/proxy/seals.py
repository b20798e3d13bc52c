"""Sealed cursors: where a conditioned key's next page begins, in a form that tells nothing and fits one query only.

The upstream's cursor and the number of rows to skip are encrypted with AES-256-GCM, padded to one length, so that
neither the text nor its size speaks of hidden objects. What a cursor is bound to (key, predicate, mode, query) is
authenticated with it, so that it opens for nothing else. Nothing is stored: any worker that knows the secret opens it.
"""

from __future__ import annotations

import base64
import binascii
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12
_HEAD = struct.Struct(">IH")  # rows to skip, length of the cursor
_NO_CURSOR = 0xFFFF


def cipher(secret: str, purpose: bytes) -> AESGCM:
    """What is sealed for one purpose opens for no other. Raises ValueError for a secret that can be guessed."""
    if len(secret.encode()) < 32:  # noqa: PLR2004
        raise ValueError("the seal secret must have at least 32 bytes")
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=purpose).derive(secret.encode()))


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the upstream's pages: skip `offset` rows of the page at `cursor` (None: the first)."""

    cursor: str | None = None
    offset: int = 0


class Seals:
    """Seals and opens positions."""

    def __init__(self, secret: str, *, size: int = 2048, random: Callable[[int], bytes] = os.urandom) -> None:
        """`size`: bytes before encryption; the platform's cursors have a few hundred. `random(n)` gives n random bytes.

        Raises ValueError for a secret that can be guessed.
        """
        self._cipher = cipher(secret, b"gateway cursor 1")
        self._size = size
        self._random = random

    def seal(self, position: Position, bound: bytes) -> str | None:
        """A text of one length for every position; None for an upstream's cursor too long to hide."""
        cursor = position.cursor.encode() if position.cursor is not None else b""
        if _HEAD.size + len(cursor) > self._size:
            return None
        length = _NO_CURSOR if position.cursor is None else len(cursor)
        plain = (_HEAD.pack(position.offset, length) + cursor).ljust(self._size, b"\0")
        nonce = self._random(_NONCE)
        return base64.urlsafe_b64encode(nonce + self._cipher.encrypt(nonce, plain, bound)).decode().rstrip("=")

    def open(self, text: str, bound: bytes) -> Position | None:
        """The position of a text that `seal` made for the same `bound`; None for any other."""
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            plain = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
        except (ValueError, binascii.Error, InvalidTag):
            return None
        offset, length = _HEAD.unpack_from(plain)
        if length == _NO_CURSOR:
            return Position(None, offset)
        return Position(plain[_HEAD.size : _HEAD.size + length].decode(), offset)
