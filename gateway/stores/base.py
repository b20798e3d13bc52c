"""The two contracts of this package: `Resolver` for the data plane, `Registry` for the control plane.

A resolver has three answers, because the absence of an answer is not an answer: an outage must never read as
"invalid key" nor as an open door.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.keys import Digest, Principal


@dataclass(frozen=True, slots=True)
class Absent:
    """No live key has this digest; `why` is for the decision log alone: unknown, revoked, expired."""

    why: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The store cannot tell now; `why` names the part that is away."""

    why: str


Found = Principal | Absent | Unavailable


class Resolver(Protocol):
    """Digest -> principal."""

    async def find(self, digest: Digest) -> Found:
        """Never raises: every outage is `Unavailable`. A change that was committed before the call began is seen."""
        ...
