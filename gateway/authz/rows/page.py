"""What the check of an answer comes to: rows that may be passed on, or none of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from mmap import mmap

import msgspec
from msgspec import Raw

Text = bytes | memoryview | Raw
"""What can be joined to bytes."""

Body = bytes | mmap
"""An answer in memory, or in a file."""

_SPACE = ord(" ")
_LARGE = 1 << 16
"""Bytes from which looking for white space costs less than cutting rows apart."""
_array = msgspec.json.Decoder(list[Raw])


@dataclass(frozen=True, slots=True)
class Separate:
    """Rows, each by itself."""

    rows: tuple[bytes | Raw, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[bytes]:
        return map(bytes, self.rows)

    def between(self, start: int, stop: int) -> Sequence[Text]:
        """Those rows, each a text."""
        return self.rows[start:stop]


@dataclass(frozen=True, slots=True)
class Together:
    """Rows as they stand in an answer, from byte `start` of its body to before `stop`, without the array's brackets."""

    body: Body
    start: int
    stop: int
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._separate())

    def between(self, start: int, stop: int) -> Sequence[Text]:
        """Those rows, each a text; or all of them as one, if there is but a comma between two.

        What else may stand there would tell where the upstream's answers end.
        """
        if start == 0 and stop >= self.count and self.stop - self.start > _LARGE and self._close():
            return [memoryview(self.body)[self.start : self.stop]]
        return self._separate().between(start, stop)

    def _separate(self) -> Separate:
        return Separate(tuple(_array.decode(memoryview(self.body)[self.start - 1 : self.stop + 1])))

    def _close(self) -> bool:
        """Whether there is certainly no white space before, between and after rows.

        It may stand within them. Each row begins with a brace, so that no brace may come after a space, or after a
        comma and a space before it; a line break or a tab is nowhere in a text without white space.
        """
        body, find, stop = self.body, self.body.find, self.stop
        if any(find(sign, self.start, stop) >= 0 for sign in (b"\n", b"\r", b"\t")):
            return False
        at = find(b"{", self.start, stop)
        while at >= 0:
            if body[at - 1] == _SPACE or body[at - 2] == _SPACE:
                return False
            at = find(b"{", at + 1, stop)
        return body[stop - 1] != _SPACE


@dataclass(frozen=True, slots=True)
class Page:
    """Rows that passed: the upstream's own bytes, in a table without the hidden columns. `cursor` is the upstream's."""

    rows: Separate | Together
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Withheld:
    """An answer that must not be passed on. `violation` tells a forbidden object from an answer of unknown shape."""

    why: str
    violation: bool


FORBIDDEN = Withheld("an object does not satisfy the predicate", violation=True)


def another_shape(expected: str) -> Withheld:
    """The `type` of an answer is not that which the query has."""
    return Withheld(f"the answer is not a {expected}", violation=False)
