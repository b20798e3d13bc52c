"""Request ids: 128 random bits each, which nobody can guess and no two gateways share.

Asking the system for each of them would cost a call ten times as much as it takes to cut one from a block.
"""

from __future__ import annotations

import os
from collections.abc import Callable

_BYTES = 16
_BLOCK = 64
"""Ids that are made at once: 1 KB, which the system fills in a few microseconds."""


class RequestIds:
    """Each call is an id of 32 hexadecimal digits; `randomness` gives as many bytes as it is asked for.

    A forked child makes its own: what its parent had ready is none of its business.
    """

    def __init__(self, randomness: Callable[[int], bytes]) -> None:
        self._randomness = randomness
        self._ready: list[str] = []
        os.register_at_fork(after_in_child=self._ready.clear)

    def __call__(self) -> str:
        if not self._ready:
            digits = self._randomness(_BYTES * _BLOCK).hex()
            self._ready += [digits[start : start + 2 * _BYTES] for start in range(0, len(digits), 2 * _BYTES)]
        return self._ready.pop()
