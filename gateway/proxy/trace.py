"""What is known about one call: filled on its way, read once at its end, for the metrics and the decision log."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from gateway.authz.outcome import Grounds
from gateway.http1 import Reason, Refusal
from gateway.keys import Principal
from gateway.metrics import Outcome
from gateway.proxy.charging import UNCHARGED, Charge

NOTHING_ASKED = Grounds()
"""Of a call that ended before anything was decided."""


@dataclass(frozen=True, slots=True)
class Element:
    """How one operation of a GraphQL array ended."""

    grounds: Grounds
    outcome: Outcome
    reason: Reason | None = None


@dataclass(slots=True)
class Trace:
    """One call. Times are seconds of the monotonic clock."""

    call_id: str
    method: str
    route: str = "unknown"
    principal: Principal | None = None
    grounds: Grounds = NOTHING_ASKED
    outcome: Outcome = Outcome.FAILED
    reason: Reason | None = None
    detail: str = ""
    """For operators only: why a key was not found, what was wrong with an answer."""
    status: int = 0
    mode: str | None = None
    body: bytes | None = None
    elements: tuple[Element, ...] = ()
    charge: Charge = UNCHARGED
    upstream_seconds: float = 0.0
    """Spent waiting for upstreams before the head of the answer was ready."""
    started: float = field(default_factory=time.monotonic)

    def elapsed(self) -> float:
        """Seconds since the call came in."""
        return time.monotonic() - self.started

    def refused(self, refusal: Refusal) -> None:
        """The call ends with a refusal; from 500 on it is our side's failure."""
        self.reason = refusal.reason
        self.outcome = outcome_of(refusal)


def outcome_of(refusal: Refusal) -> Outcome:
    """Whether a refusal speaks of the caller or of our side."""
    return Outcome.REFUSED if refusal.status < 500 else Outcome.FAILED  # noqa: PLR2004
