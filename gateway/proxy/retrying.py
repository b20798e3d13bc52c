"""Which requests are sent once more, and how many of them.

A request may be sent again when it certainly never arrived, or when it only reads: GET, HEAD, OPTIONS (RFC 9110,
9.2.1), and POST to the query service, whose language has no way to change anything. And only while all of it is at
hand, before any of an answer was passed on, and while the client is there: what ends a call otherwise (the client left,
its body broke off) ends its tries. A request that was not answered in time is not sent again: it would cost an upstream
that is slow already the same once more, and the client has waited for as long. Nor is one that was answered, but for
502 and 503 while another address works; the only one there is has said what it has to say. And nothing is sent again
to an address that is known to fail, if it is the only one.

There is a budget, as in Finagle and Envoy: so many tries for each hundred calls and so many a second. Without one, a
service that fails under its load would get twice the load for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from gateway.authz.outcome import Upstream
from gateway.http1 import Reason
from gateway.proxy.wire import Source, Stop, Unanswered


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """What one upstream is asked once more; each process counts by itself."""

    most: int = 1
    """Tries beside the first one of a call; 0 for none."""
    share: float = 0.2
    """Of the calls of late: the load that a failing upstream gets is at most so much more."""
    per_second: float = 1.0
    """Beside the share, so that an upstream with few calls has any."""
    saved: int = 100
    """How many may be saved up: some as many as may wait at an address when it dies."""


class Asked(Protocol):
    """What of a request decides; see `line.Request`."""

    @property
    def upstream(self) -> Upstream: ...

    @property
    def method(self) -> str: ...

    @property
    def body(self) -> bytes | Source | None: ...


class Ending(Enum):
    """How a try ended."""

    ANSWERED = auto()
    UNREACHED = auto()
    """The request was not sent."""
    BROKEN = auto()
    """It was, and the connection broke before any answer."""
    UNAVAILABLE = auto()
    """Answered 502 or 503."""
    FAILED = auto()
    """Not answered in time (a 504 says the same), or not in a way that can be used."""
    LEFT = auto()
    """Nothing that the upstream did."""


_OF_STATUS = {502: Ending.UNAVAILABLE, 503: Ending.UNAVAILABLE, 504: Ending.FAILED}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OF_UPSTREAMS = frozenset({Reason.UPSTREAM_FAILED, Reason.UPSTREAM_TIMEOUT, Reason.UPSTREAM_UNREACHABLE})


def ended_by(fault: BaseException) -> Ending:
    """How a try ended that has no answer."""
    match fault:
        case Unanswered(sent=sent):
            return Ending.BROKEN if sent else Ending.UNREACHED
        case Stop(refusal=refusal) if refusal.reason in _OF_UPSTREAMS:
            return Ending.FAILED
        case _:
            return Ending.LEFT


def answered_with(status: int) -> Ending:
    """How a try ended that was answered with a status."""
    return _OF_STATUS.get(status, Ending.ANSWERED)


def may_be_sent_again(asked: Asked, ending: Ending, *, elsewhere: bool) -> bool:
    """`elsewhere`: whether it would go to another address that works, as far as is known."""
    if not (asked.body is None or isinstance(asked.body, bytes)):
        return False
    only_reads = asked.method in _SAFE or (asked.method == "POST" and asked.upstream is Upstream.J1QL)
    match ending:
        case Ending.UNREACHED:
            return True
        case Ending.BROKEN:
            return only_reads
        case Ending.UNAVAILABLE:
            return only_reads and elsewhere
        case _:
            return False


class RetryBudget:
    """How many requests may be sent again now. `calls` counts all calls, and whoever makes one adds it."""

    __slots__ = ("_at", "_counted", "_left", "_options", "calls")

    def __init__(self, options: RetryOptions, now: float = 0.0) -> None:
        self.calls = 0
        self._options = options
        self._left = float(options.saved)
        self._counted = 0
        self._at = now

    def spend(self, now: float) -> bool:
        """Takes one, if there is one left."""
        options = self._options
        earned = (self.calls - self._counted) * options.share + max(0.0, now - self._at) * options.per_second
        self._left = min(float(options.saved), self._left + earned)
        self._counted, self._at = self.calls, now
        if self._left < 1:
            return False
        self._left -= 1
        return True
