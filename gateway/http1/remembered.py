"""What a pure function has answered, for arguments that come again and again: header lines, paths, names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Asked = TypeVar("Asked")
Found = TypeVar("Found")


class Remembered(dict[Asked, Found]):
    """`remembered[asked]` is what `find(asked)` says. What it raises comes through, and is not remembered.

    `room` answers are kept; then it starts over, which costs less than to know which one was used last. What is not
    `worth` it is never kept: secrets, and what is so long that much of it would fill the memory.
    """

    def __init__(self, find: Callable[[Asked], Found], *, room: int, worth: Callable[[Asked, Found], bool]) -> None:
        super().__init__()
        self._find = find
        self._room = room
        self._worth = worth

    def __missing__(self, asked: Asked) -> Found:
        found = self._find(asked)
        if self._worth(asked, found):
            if len(self) >= self._room:
                self.clear()
            self[asked] = found
        return found
