"""The garbage collector, kept from holding up calls; for a process that does nothing but serve.

Nearly all that a call makes goes away by itself when the call ends. The collector is there for cycles, such as that of
an exception and its traceback. As Python comes, it also looks at everything that lives long, again and again: at the
150,000 objects of the modules alone for some 0.1 s, in which no call is answered, and at those of 10^4 keys for longer.

So what has survived a full collection is set aside (`gc.freeze`), which leaves to the next one what is new since, and
makes it a matter of milliseconds. What is set aside still goes away when nobody has it any more, but a cycle does not.
Therefore all is looked at again when twice as much is set aside as lived the last time that this was done: cycles take
no more room than what lives, and the long pauses come as rarely as memory doubles.

With 10^4 keys that come in and call ten times each (`loadtests/parts.py` measures it): as Python does it, four full
collections of up to 0.3 s; so, two of up to 75 ms, the second of which is the first doubling, and then none that takes
longer than one of the young. All of them together take a quarter of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

YOUNG = 2_000
"""Objects made and not gone again after which the youngest are looked at, in a quarter of a millisecond: what a hundred
calls under way have. Python's 700 are those of a few."""

MIDDLE = 10
"""Collections of the youngest after which those that survived them are looked at too; as Python has it."""

OLD = 5
"""Collections of those after which a full one may be made: it looks at 100,000 objects at most, in some 20 ms, and at
so many only while the keys of the first calls come in."""

GROWTH = 2
"""By how much what is set aside grows until it is looked at again."""

_FULL = 2
"""The generation of a full collection."""


@contextmanager
def kept_aside() -> Iterator[None]:
    """To be entered when all is there that lasts; leaving it gives back what Python does."""
    before = gc.get_threshold()
    collector = _Collector()
    gc.callbacks.append(collector)
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    gc.collect()
    try:
        yield
    finally:
        gc.callbacks.remove(collector)
        gc.set_threshold(*before)
        gc.unfreeze()


class _Collector:
    """Is told of each collection before and after it, see `gc.callbacks`."""

    def __init__(self) -> None:
        self._lived = 0

    def __call__(self, phase: str, info: dict[str, Any]) -> None:
        if info["generation"] != _FULL:
            return
        if phase == "start":
            if gc.get_freeze_count() >= GROWTH * self._lived:
                gc.unfreeze()
                self._lived = 0
        else:
            gc.freeze()
            self._lived = self._lived or gc.get_freeze_count()
