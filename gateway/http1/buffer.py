"""Bytes that have come over a connection and were not read yet."""

from __future__ import annotations

import re

from gateway.http1.heads import Malformed, TooLong

_BARE_LF = re.compile(rb"(?<!\r)\n")


class Buffer:
    """Bytes in the order in which they came. What is left does not move when some is taken: that would be square."""

    __slots__ = ("_bytes", "_searched", "_start")

    def __init__(self) -> None:
        self._bytes = b""
        self._start = 0
        self._searched = 0  # up to here there was no end

    def __len__(self) -> int:
        return len(self._bytes) - self._start

    def add(self, data: bytes) -> int:
        """How many there are now."""
        start = self._start
        if start < len(self._bytes):
            self._searched -= start
            self._bytes = self._bytes[start:] + data
        else:
            self._searched = 0
            self._bytes = data
        self._start = 0
        return len(self._bytes)

    def starts(self, some: bytes) -> bool:
        return self._bytes.startswith(some, self._start)

    def first(self, size: int) -> bytes:
        """At most so many bytes, which stay."""
        return self._bytes[self._start : self._start + size]

    def take(self, size: int) -> bytes:
        """At most so many bytes."""
        start = self._start
        taken = self._bytes[start : start + size]
        self._start = self._searched = start + len(taken)
        return taken

    def until(self, end: bytes, limit: int) -> bytes | None:
        """What comes before `end`, which is dropped; None where that has not come.

        Raises TooLong past `limit` bytes, and Malformed for a line feed by itself: its end would not come.
        """
        start = self._start
        if start == len(self._bytes):
            return None
        searched = max(start, self._searched)
        found = self._bytes.find(end, searched, start + limit + len(end))
        if found >= 0:
            self._start = self._searched = found + len(end)
            return self._bytes[start:found]
        if len(self) > limit:
            raise TooLong("a head, or a line beside a body, is too long")
        if _BARE_LF.search(self._bytes, searched):
            raise Malformed("a line ends in a line feed alone")
        self._searched = max(start, len(self._bytes) - len(end) + 1)
        return None
