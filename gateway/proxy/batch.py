"""A GraphQL array: what is allowed goes upstream in one request, and the answers come back in the caller's order.

A batch is answered with 200 whatever its elements end in, because one refused element must not take the others away:
clients repeat the whole array when its answer is not an array of the same length.
"""

from __future__ import annotations

import msgspec

from gateway.authz.outcome import Forward
from gateway.proxy.line import Whole

ANSWER_BYTES = 32 * 1024 * 1024
"""The answer to one array; held whole, so that it can be cut into elements."""

_array = msgspec.json.Decoder(list[msgspec.Raw])


def joined(elements: list[Forward]) -> bytes:
    """One array of the elements' own bytes."""
    return b"[" + b",".join(element.body or b"null" for element in elements) + b"]"


def parted(answer: Whole, count: int) -> list[bytes] | None:
    """The answers to `count` elements, each the upstream's own bytes; None if the answer is no such array."""
    if answer.status != 200:  # noqa: PLR2004
        return None
    try:
        elements = _array.decode(answer.body)
    except msgspec.DecodeError:
        return None
    return [bytes(element) for element in elements] if len(elements) == count else None
