"""Sealed addresses of results that an upstream has put aside: everything that is needed to fetch one, and nothing that
its holder could read or change. Nothing is stored, so that any worker that knows the secret opens it.

The upstream's part (its address, its cursor, rows to skip) is padded to one length before it is encrypted, so that not
even its size can speak of hidden objects; how long the rest is depends on the caller's query alone.
"""

from __future__ import annotations

import base64
import binascii
import os
import struct
import zlib
from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag

from gateway.authz.outcome import Postponed
from gateway.proxy.seals import cipher

_NONCE = 12
_LENGTH = struct.Struct(">H")
_PURPOSE = b"gateway result 1"

_Callers = tuple[int, bool, str, str, bytes, bytes]
_Upstreams = tuple[str, str | None, int]
_encode = msgspec.msgpack.Encoder().encode
_callers = msgspec.msgpack.Decoder(_Callers)
_upstreams = msgspec.msgpack.Decoder(_Upstreams)


class ResultSeals:
    """Seals and opens. `random(n)` gives n random bytes."""

    def __init__(
        self, secret: str, *, size: int = 3072, longest: int = 8192, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        """`size`: bytes of the upstream's part; a signed address has up to 2,000, a cursor some hundred. `longest`:
        characters of what is sealed, which has to come back as part of an address.

        Raises ValueError for a secret that can be guessed.
        """
        self._cipher = cipher(secret, _PURPOSE)
        self._size = size
        self._longest = longest
        self._random = random

    def seal(self, postponed: Postponed) -> str | None:
        """A text fit for a path; None for what is too long."""
        upstreams = _encode((postponed.place, postponed.cursor, postponed.offset))
        if len(upstreams) > self._size:
            return None
        said = (postponed.expires_at, postponed.is_result, postponed.key, postponed.field, postponed.bound)
        callers = _encode((*said, zlib.compress(postponed.arguments, 9)))
        if len(callers) > self._longest:
            return None
        plain = _LENGTH.pack(len(callers)) + callers + upstreams.ljust(self._size, b"\0")
        nonce = self._random(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, _LENGTH.pack(len(upstreams)) + plain, None)
        text = base64.urlsafe_b64encode(sealed).decode().rstrip("=")
        return text if len(text) <= self._longest else None

    def open(self, text: str) -> Postponed | None:
        """None for a text that `seal` did not make."""
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            plain = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
        except (ValueError, binascii.Error, InvalidTag):
            return None
        (upstreams,), (callers,) = _LENGTH.unpack_from(plain), _LENGTH.unpack_from(plain, _LENGTH.size)
        start = 2 * _LENGTH.size
        expires_at, is_result, key, field, bound, packed = _callers.decode(plain[start : start + callers])
        place, cursor, offset = _upstreams.decode(plain[start + callers :][:upstreams])
        arguments = zlib.decompress(packed)
        return Postponed(place, is_result, key, expires_at, field, bound, arguments, cursor, offset)
