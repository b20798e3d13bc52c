"""What a face answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.http1 import Headers, Reason

AWAY = "the key store is away; each change was made as a whole or not at all: look, then try again"
"""Of a call about keys that the store failed. Where it fails at the end of a change, nobody knows whether it was made;
a field can be several changes, too."""


@dataclass(frozen=True, slots=True)
class FaceAnswer:
    """A JSON answer (None for no body at all), its HTTP status, and why it was refused, if it was."""

    status: int
    body: Any
    reason: Reason | None = None
    headers: Headers = ()
    """Beside those of every answer of ours."""
