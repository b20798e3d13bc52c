"""Which canaries are in some bytes: as they stand, inflated, and out of every run that could be base64."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote_to_bytes

DEPTH = 3
"""How often one packing may be inside another."""

_RUN = re.compile(rb"[A-Za-z0-9+/_-]{12,}={0,2}")
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_GZIP, _ZLIB = 31, 15


def found(content: bytes, canaries: Mapping[str, str]) -> set[str]:
    """The roles of the canaries that are in it."""
    texts = [text.lower() for text in _unpacked(content, DEPTH)]
    return {role for role, value in canaries.items() if any(value.lower().encode() in text for text in texts)}


def _unpacked(content: bytes, depth: int) -> Iterator[bytes]:
    yield content
    if depth == 0:
        return
    for inner in _inside(content):
        yield from _unpacked(inner, depth - 1)


def _inside(content: bytes) -> Iterator[bytes]:
    if b"%" in content:
        yield unquote_to_bytes(content)
    for start in [match.start() for match in re.finditer(rb"\x1f\x8b\x08", content)]:
        yield from _inflated(content[start:], _GZIP)
    if content[:1] == b"\x78":
        yield from _inflated(content, _ZLIB)
    for run in _RUN.findall(content):
        yield from _decoded(run.rstrip(b"="))


def _inflated(content: bytes, window: int) -> Iterator[bytes]:
    inflater = zlib.decompressobj(window)
    try:
        yield inflater.decompress(content)
    except zlib.error:
        return


def _decoded(run: bytes) -> Iterator[bytes]:
    """A run may begin with letters that belong to what is before it, so all four alignments count."""
    standard = run.translate(_TO_STANDARD)
    for start in range(4):
        part = standard[start:]
        try:
            yield base64.b64decode(part[: len(part) - (len(part) % 4 == 1)] + b"==", validate=False)
        except binascii.Error:
            continue


def without(canaries: Mapping[str, str], said: Iterable[str]) -> dict[str, str]:
    """The canaries that the caller did not say: to hear one's own words again is no news."""
    words = " ".join(said)
    return {role: value for role, value in canaries.items() if value not in words}
