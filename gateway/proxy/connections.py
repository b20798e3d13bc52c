"""How many connections a listener has open, and each address of them, so that none can shut the others out."""

from __future__ import annotations

from collections import Counter

from gateway.http1 import Reason, Refusal
from gateway.proxy.listener_options import ListenerOptions

_FULL = Refusal(Reason.OVERLOADED, "the gateway has as many connections as it may; try again in a moment")
CROWDED = Refusal(
    Reason.OVERLOADED, "this address has as many connections to the gateway as it may; close some, or try again later"
)


class Connections:
    """Connections open now, and of which address."""

    def __init__(self, options: ListenerOptions) -> None:
        self._options = options
        self._open = 0
        self._of: Counter[str] = Counter()

    def refused(self, address: str | None) -> Refusal | None:
        """Why there is no place for another one of an address, None being one without a limit of its own."""
        if self._open >= self._options.connections:
            return _FULL
        if address is not None and self._of[address] >= self._options.connections_per_address:
            return CROWDED
        return None

    def take(self, address: str | None) -> None:
        self._open += 1
        if address is not None:
            self._of[address] += 1

    def give_back(self, address: str | None) -> None:
        self._open -= 1
        if address is not None:
            self._of[address] -= 1
            if not self._of[address]:
                del self._of[address]
