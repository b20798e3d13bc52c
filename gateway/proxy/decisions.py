"""The decision log: one JSON record a call, by which a refusal can be looked up from its request id.

It holds no secret, and the text of queries only where that is switched on. Writing happens in a thread of its own: a
full disk or a slow reader costs records, which are counted, and never a call.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any, Self

from gateway.proxy.trace import Element, Trace

_log = logging.getLogger(__name__)

_STDOUT = 1
_MOMENT = 2.0
"""Seconds that the end of the process waits for the disk."""


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


def record(trace: Trace, *, now: int, options: DecisionOptions) -> dict[str, Any]:
    """The record of a call that ended at `now` (milliseconds since the epoch), without members that say nothing."""
    principal = trace.principal
    members: dict[str, Any] = {
        "time": datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="milliseconds"),
        "request": trace.call_id,
        "method": trace.method,
        "route": trace.route,
        "status": trace.status,
        "outcome": trace.outcome,
        "reason": trace.reason,
        "detail": trace.detail,
        "key": principal and principal.key_id,
        "keyVersion": principal and principal.version,
        "organization": principal and principal.organization,
        "action": trace.grounds.action,
        "resource": trace.grounds.resource,
        "statements": list(trace.grounds.because),
        "also": list(trace.grounds.also),
        "relationships": trace.mode,
        "elements": [_element(element) for element in trace.elements],
        "ms": round(trace.elapsed() * 1000, 3),
        "upstreamMs": round(trace.upstream_seconds * 1000, 3),
    }
    if options.bodies and trace.body:
        members["body"] = trace.body[: options.body_bytes].decode("utf-8", "replace")
    return {name: value for name, value in members.items() if value not in (None, "", [])}


def _element(element: Element) -> dict[str, Any]:
    grounds = element.grounds
    members = {
        "outcome": element.outcome,
        "reason": element.reason,
        "action": grounds.action,
        "resource": grounds.resource,
        "statements": list(grounds.because),
        "also": list(grounds.also),
    }
    return {name: value for name, value in members.items() if value not in (None, "", [])}


class DecisionLog:
    """Writes records while its `with` block runs; leaving it waits a moment for those that are on their way.

    `dropped` is called for each record that is lost.
    """

    def __init__(self, options: DecisionOptions, *, dropped: Callable[[], None] = lambda: None) -> None:
        self._options = options
        self._dropped = dropped
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(options.room)
        self._thread = threading.Thread(target=self._run, name="decision log", daemon=True)

    def __enter__(self) -> Self:
        """Raises OSError if the file cannot be opened."""
        path = self._options.path
        # Unbuffered: each record is one append, whole between those of other workers, and a full disk is told at once.
        self._stream = FileIO(_STDOUT if path is None else path, "ab", closefd=path is not None)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(queue.Full):
            self._waiting.put(None, timeout=_MOMENT)
        self._thread.join(_MOMENT)
        if not self._thread.is_alive():
            self._stream.close()

    def write(self, trace: Trace, now: int) -> None:
        """Never blocks."""
        try:
            self._waiting.put_nowait(record(trace, now=now, options=self._options))
        except queue.Full:
            self._dropped()

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            try:
                self._stream.write(json.dumps(item, separators=(",", ":")).encode() + b"\n")
            except OSError as fault:
                _log.warning("a decision could not be logged: %s", fault)
                self._dropped()
