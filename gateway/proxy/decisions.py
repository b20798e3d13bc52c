"""The decision log: one JSON record a call, by which a refusal can be looked up from its request id.

It holds no secret, and the text of queries only where that is switched on. Records are encoded where the call ends, and
written in a thread of its own, many at once: a full disk or a slow reader costs records, which are counted, and never a
call.
"""

from __future__ import annotations

import json
import logging
import os
import select
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from io import FileIO
from pathlib import Path
from queue import SimpleQueue
from typing import Self

import msgspec

from gateway.http1 import Reason
from gateway.metrics import Outcome
from gateway.proxy.trace import Element, Trace

_log = logging.getLogger(__name__)

_STDOUT = 1
_MOMENT = 2.0
"""Seconds that the end of the process waits for the disk."""

_GATHERED = 0.02
"""Seconds in which records are gathered for one write: waking the thread for each of them would cost more."""

_AT_ONCE = 64 * 1024
"""Bytes that are written at once to a file, where an append of any size is whole between those of other workers; to a
pipe, no more than PIPE_BUF of POSIX is."""


@dataclass(frozen=True, slots=True)
class DecisionOptions:
    path: Path | None = None
    """The file to append to; None for standard output."""
    bodies: bool = False
    """Whether to write what callers asked: queries may name people and findings."""
    body_bytes: int = 4096
    """How much of it."""
    room: int = 10_000
    """Records that may wait for the disk, about 500 bytes each."""


class _Part(msgspec.Struct, omit_defaults=True, gc=False):
    """How one operation of a GraphQL array ended."""

    outcome: Outcome
    reason: Reason | None = None
    action: str | None = None
    resource: str | None = None
    statements: tuple[str, ...] = ()
    also: tuple[tuple[str, str], ...] = ()


class Record(msgspec.Struct, omit_defaults=True, rename="camel", gc=False):
    """The members of a record, in their order; those that say nothing have their defaults and are left out."""

    time: str
    request: str
    route: str
    status: int
    outcome: Outcome
    ms: float
    upstream_ms: float
    method: str | None = None
    reason: Reason | None = None
    detail: str | None = None
    key: str | None = None
    key_version: int | None = None
    organization: str | None = None
    action: str | None = None
    resource: str | None = None
    statements: tuple[str, ...] = ()
    also: tuple[tuple[str, str], ...] = ()
    relationships: str | None = None
    elements: tuple[_Part, ...] = ()
    body: str | None = None


def record(trace: Trace, *, now: int, options: DecisionOptions) -> Record:
    """The record of a call that ended at `now` (milliseconds since the epoch)."""
    principal, grounds = trace.principal, trace.grounds
    return Record(  # by position: so many names would cost more than all the rest
        f"{_second(now // 1000)}.{now % 1000:03}+00:00",
        trace.call_id,
        trace.route,
        trace.status,
        trace.outcome,
        _milliseconds(trace.elapsed()),
        _milliseconds(trace.upstream_seconds),
        trace.method or None,
        trace.reason,
        trace.detail or None,
        principal.key_id if principal else None,
        principal.version if principal else None,
        (principal.organization or None) if principal else None,
        grounds.action or None,
        grounds.resource or None,
        grounds.because,
        grounds.also,
        trace.mode,
        tuple(map(_part, trace.elements)) if trace.elements else (),
        _beginning(trace.body, options.body_bytes) if options.bodies and trace.body else None,
    )


def line(record: Record) -> bytes:
    """JSON and a line feed, of which JSON has none."""
    try:
        return _encode(record) + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair, which JSON's escapes can spell and UTF-8 cannot
        return json.dumps(msgspec.to_builtins(record), separators=(",", ":")).encode() + b"\n"


_encode = msgspec.json.Encoder().encode


@lru_cache(1)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[: len("2023-11-14T22:13:20")]


def _milliseconds(seconds: float) -> float:
    """To the microsecond."""
    return int(seconds * 1e6 + 0.5) / 1000


def _beginning(body: bytes, most: int) -> str | None:
    return body[:most].decode("utf-8", "replace") or None


def _part(element: Element) -> _Part:
    grounds = element.grounds
    return _Part(
        element.outcome,
        element.reason,
        grounds.action or None,
        grounds.resource or None,
        grounds.because,
        grounds.also,
    )


class DecisionLog:
    """Writes records while its `with` block runs; leaving it waits a moment for those that are on their way.

    `dropped` is called for each record that is lost.
    """

    def __init__(self, options: DecisionOptions, *, dropped: Callable[[], None] = lambda: None) -> None:
        self._options = options
        self._dropped = dropped
        self._waiting: SimpleQueue[bytes] = SimpleQueue()
        self._ending = threading.Event()
        self._is_torn = False  # the last line that was written has no end
        self._thread = threading.Thread(target=self._run, name="decision log", daemon=True)

    def __enter__(self) -> Self:
        """Raises OSError if the file cannot be opened."""
        path = self._options.path
        # Unbuffered: what is appended is whole between the appends of other workers, and a full disk is told at once.
        self._stream = FileIO(_STDOUT if path is None else path, "ab", closefd=path is not None)
        is_file = stat.S_ISREG(os.fstat(self._stream.fileno()).st_mode)
        self._at_once = _AT_ONCE if is_file else select.PIPE_BUF
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._waiting.put(b"")  # wakes the thread
        self._thread.join(_MOMENT)
        if not self._thread.is_alive():
            self._stream.close()

    def write(self, trace: Trace, now: int) -> None:
        """Never blocks."""
        if self._waiting.qsize() < self._options.room:
            self._waiting.put(line(record(trace, now=now, options=self._options)))
        else:
            self._dropped()

    def _run(self) -> None:
        while not (self._ending.is_set() and self._waiting.empty()):
            lines = [self._waiting.get()]
            self._ending.wait(_GATHERED)
            lines += [self._waiting.get() for _ in range(self._waiting.qsize())]  # nobody else takes any
            for piece in _pieces(lines, self._at_once):
                self._append(piece)

    def _append(self, piece: bytes) -> None:
        left = b"\n" + piece if self._is_torn and piece else piece  # the line that was cut short spoils no other
        try:
            while left:
                written = self._stream.write(left)
                if written is None:
                    raise BlockingIOError("whoever reads it stands still")
                if written:
                    self._is_torn = left[written - 1 : written] != b"\n"
                left = left[written:]
        except OSError as fault:
            lost = min(left, piece, key=len).count(b"\n")
            _log.warning("%d decisions could not be logged: %s", lost, fault)
            for _ in range(lost):
                self._dropped()


def _pieces(lines: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Whole lines, joined to `most` bytes; a longer line is a piece of its own."""
    joined: list[bytes] = []
    size = 0
    for each in lines:
        size += len(each)
        if size > most and joined:
            yield b"".join(joined)
            joined, size = [], len(each)
        joined.append(each)
    yield b"".join(joined)
