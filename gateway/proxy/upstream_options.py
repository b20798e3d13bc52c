"""Times, sizes and counts of connections to upstreams, see `upstream`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """Times are seconds."""

    connect_seconds: float = 5.0
    """Until a connection stands, waiting for a free one included."""
    answer_seconds: float = 60.0
    """From the end of a request until the head of its answer; the platform's own clients wait no longer."""
    idle_seconds: float = 60.0
    """Between two pieces of an answer."""
    send_seconds: float = 30.0
    """Until the upstream takes the next piece of a body."""
    connections: int = 256
    """Open at once; together with the clients' they must fit the usual limit of 1,024 open files."""
    keepalive_seconds: float = 15.0
    """How long an idle connection is kept; less than services keep theirs, so that they do not hang up on a call."""
    head_bytes: int = 16 * 1024
    """Size of one line of an answer's head; the whole may have twice as many."""
