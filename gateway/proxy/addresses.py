"""The addresses of one upstream: which one a call goes to, and which ones are left alone for a while.

Pure: times are seconds from anywhere and given as `now`, chance is a function. An address is judged by what calls meet
there (no connection, no answer, none in time, 502, 503, 504; a 500 is about the call), and by checks that connect and
send nothing. So many failures in a row open its circuit, and it is left out for a time that doubles whenever it is left
out again. Then one call at a time is let through to try it (half-open); that call decides.

What was taken from elsewhere, and what was not. Envoy's outlier detection: failures in a row, times that grow to a cap,
a highest share of addresses that may be out. HAProxy: a check that connects tells of an address that could not be
connected to, not of one that answers 503. No slow start: an address that is back gets what it keeps up with, because of
two addresses drawn by lot the one with fewer calls waiting is taken ("the power of two choices"). Where one that fails
is used all the same, each failure counts as a call that waits: nobody waits where calls fail at once, so that it would
draw all of them.

Half of the addresses are never left out, whatever they answer. So the rest never has more than twice its share to
carry, a service with a single address is called as if there were no circuits (a hiccup is no outage), and a caller
whose queries take too long on purpose leaves the others half of the service at least. To try an address that probably
fails costs an authorizing gateway nothing: what was refused stays refused.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import inf


class Circuit(IntEnum):
    """What is known of an address; the numbers are those of the metric."""

    CLOSED = 0
    """It works."""
    HALF_OPEN = 1
    """One call is trying it."""
    OPEN = 2
    """It fails; calls go elsewhere, if there is anywhere else to go."""


@dataclass(frozen=True, slots=True)
class AddressOptions:
    """Times are seconds."""

    failures: int = 5
    """In a row, after which an address is left out; fewer would take the odd failure of a busy service for its end."""
    out_seconds: float = 5.0
    """That an address is left out the first time; then twice as long each time."""
    longest_out_seconds: float = 60.0
    """How long at most, because whoever has repaired one does not want to wait; one that worked for as long is left out
    for `out_seconds` again."""


@dataclass(slots=True, eq=False)
class Address:
    """One address; `Addresses` alone changes it. `place` is that in the settings' list, from 0."""

    url: str
    place: int
    pending: int = 0
    """Calls whose answer has not begun."""
    circuit: Circuit = Circuit.CLOSED
    failures: int = 0
    """In a row."""
    unreachable: bool = False
    """Whether it was connecting that failed last."""
    seconds_out: float = 0.0
    out_until: float = -inf
    changed: float = -inf
    """When the circuit changed; what a call met that began before tells nothing about the time since."""


Told = Callable[[int, Circuit], None]
"""Hears of the circuit of the address at a place, whenever it changes."""


def _untold(_place: int, _circuit: Circuit) -> None:
    pass


class Addresses:
    """One upstream's addresses. Each `choose` and each `begin` is followed by one of `answered`, `failed` and `left`.

    `chance` gives numbers from 0 to below 1.
    """

    def __init__(
        self,
        urls: Sequence[str],
        options: AddressOptions | None = None,
        *,
        chance: Callable[[], float] = random.random,
        told: Told = _untold,
    ) -> None:
        self._options = options or AddressOptions()
        self._chance = chance
        self._told = told
        self.all = tuple(Address(url, place) for place, url in enumerate(urls))
        self._only = self.all[0] if len(self.all) == 1 else None
        self._in = list(self.all)
        self._failing: list[Address] = []
        self._fewest_in = len(self.all) - len(self.all) // 2

    # --- calls

    def choose(self, now: float) -> Address:
        """Where a call goes that begins now."""
        address = self._only or (self._failing and self._due(now)) or self._less_busy(self._in)
        address.pending += 1
        return address

    def second(self, address: Address) -> Address | None:
        """Where a call would go next that failed at this address: to another one that works as far as is known, else to
        this one if it does, else to the other one that comes back first. None where there is only this, which fails."""
        others = [each for each in self._in if each is not address and each.circuit is Circuit.CLOSED]
        if others:
            return self._less_busy(others)
        if address.circuit is Circuit.CLOSED:
            return address
        failing = (each for each in self._failing if each is not address)
        return min(failing, key=lambda each: each.out_until, default=None)

    def begin(self, address: Address) -> None:
        """A call goes to this address."""
        address.pending += 1

    def answered(self, address: Address, since: float) -> None:
        """A call that began at `since` was answered as it should be."""
        address.pending -= 1
        if address.failures and since >= address.changed:
            self._close(address, since)

    def failed(self, address: Address, since: float, now: float, *, unreachable: bool = False) -> None:
        """A call that began at `since` failed; `unreachable`: for want of a connection."""
        address.pending -= 1
        self._count_failure(address, since, now, unreachable=unreachable)

    def left(self, address: Address, since: float) -> None:
        """A call ended before the address could show anything: its client left, say. If it was a trial, the next is."""
        address.pending -= 1
        if address.circuit is Circuit.HALF_OPEN and since >= address.changed:
            self._turn(address, Circuit.OPEN, since)

    # --- checks

    def failing(self) -> tuple[Address, ...]:
        return tuple(self._failing)

    def checked(self, address: Address, since: float, now: float, *, up: bool) -> None:
        """An address could be connected to, or not. If that was its fault it may be tried at once, else later."""
        if address.circuit is Circuit.HALF_OPEN or since < address.changed:
            return
        if up:
            self._connected(address, since)
        elif address in self._in:
            self._count_failure(address, since, now, unreachable=True)
        else:
            address.unreachable = True
            address.out_until = max(address.out_until, now + self._options.out_seconds)

    def _connected(self, address: Address, since: float) -> None:
        if not address.unreachable:
            return
        if address in self._in:
            self._close(address, since)
        else:
            address.out_until = min(address.out_until, since)

    # --- which one

    def _due(self, now: float) -> Address | None:
        for address in self._failing:
            if address.circuit is Circuit.OPEN and now >= address.out_until:
                self._turn(address, Circuit.HALF_OPEN, now)
                return address
        return None

    def _less_busy(self, among: list[Address]) -> Address:
        """Of two by lot, if there are two."""
        count = len(among)
        if count == 1:
            return among[0]
        first = int(self._chance() * count)
        second = int(self._chance() * (count - 1))
        one, other = among[first], among[second + (second >= first)]
        return one if _load(one) <= _load(other) else other

    # --- circuits

    def _count_failure(self, address: Address, since: float, now: float, *, unreachable: bool) -> None:
        if since < address.changed:
            return
        address.failures += 1
        address.unreachable = unreachable
        if address.circuit is Circuit.HALF_OPEN or address.failures >= self._options.failures:
            self._open(address, now)

    def _open(self, address: Address, now: float) -> None:
        """Leaves an address out that is not, or was to be tried, unless too many would be out."""
        longest = self._options.longest_out_seconds
        if address.circuit is Circuit.CLOSED:
            self._failing.append(address)
            if now - address.changed >= longest:
                address.seconds_out = 0.0
        if address.circuit is not Circuit.OPEN or now >= address.out_until:
            address.seconds_out = min(longest, max(self._options.out_seconds, 2 * address.seconds_out))
            address.out_until = now + address.seconds_out
        if address in self._in and len(self._in) > self._fewest_in:
            self._in.remove(address)
        self._turn(address, Circuit.OPEN, now)

    def _close(self, address: Address, since: float) -> None:
        address.failures = 0
        if address.circuit is Circuit.CLOSED:
            return
        self._failing.remove(address)
        if address not in self._in:
            self._in.append(address)
        self._turn(address, Circuit.CLOSED, since)

    def _turn(self, address: Address, circuit: Circuit, now: float) -> None:
        if address.circuit is circuit:
            return
        address.circuit = circuit
        address.changed = now
        self._told(address.place, circuit)


def _load(address: Address) -> int:
    return address.pending + address.failures if address.circuit else address.pending
