"""How long keys live. Times are milliseconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.http1 import Reason, Refusal
from gateway.keys.model import DAY, Kind


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How many days keys live."""

    default_days: int = 365
    """For a request that names none: `TokenInput` has no member for it, and a key without an end is forgotten."""
    max_days: int = 730
    """Nobody remembers after two years where a key is in use."""

    def within(self, organization_days: int | None) -> Lifetimes:
        """With the maximum of an organization, if it has one of its own."""
        if organization_days is None:
            return self
        longest = min(self.max_days, organization_days)
        return Lifetimes(min(self.default_days, longest), longest)


_ENDING = frozenset({Kind.USER, Kind.ACCOUNT})
"""Kinds whose keys always end. Project and global keys are "permanent access tokens" (Contember documentation, "API
keys management"); those of integrations and organizations run unattended."""


def expiry(kind: Kind, now: int, days: int | None, lifetimes: Lifetimes) -> int | Refusal | None:
    """When a key made `now` ends, in whole days of 24 hours; a Refusal if it may not live so long, or not so short."""
    if days is None and kind not in _ENDING:
        return None
    days = lifetimes.default_days if days is None else days
    if not 1 <= days <= lifetimes.max_days:
        return Refusal(Reason.INVALID_INPUT, f"a key can live for 1 to {lifetimes.max_days} days")
    return now + days * DAY


def expiry_at(now: int, expires_at: int, lifetimes: Lifetimes) -> int | Refusal:
    """The end that somebody names; a Refusal if it has come already or is too far away."""
    if not now < expires_at <= now + lifetimes.max_days * DAY:
        message = f"a key can end from now on until in {lifetimes.max_days} days (milliseconds since the epoch)"
        return Refusal(Reason.INVALID_INPUT, message)
    return expires_at


def renewed(now: int, created_at: int, expires_at: int | None, lifetimes: Lifetimes) -> int | None:
    """The end of a key that replaces another: it lives as long as that one was given, and no longer than is allowed."""
    if expires_at is None:
        return None
    return now + min(expires_at - created_at, lifetimes.max_days * DAY)


def shortened(now: int, expires_at: int | None, overlap: int) -> int:
    """The end of a key that is replaced: `overlap` milliseconds from now, but never later than it was to be."""
    end = now + overlap
    return end if expires_at is None else min(end, expires_at)


def effective(created_at: int, expires_at: int | None, organization_days: int | None) -> int | None:
    """The end of a key as it holds now: the maximum of its organization binds keys that were made before it too."""
    if organization_days is None:
        return expires_at
    longest = created_at + organization_days * DAY
    return longest if expires_at is None else min(expires_at, longest)


def expires_soon(expires_at: int | None, now: int, days: int) -> bool:
    """Whether a key that works now ends within so many days; one that has ended is not about to."""
    return expires_at is not None and now < expires_at <= now + days * DAY


def expired(expires_at: int | None, now: int) -> bool:
    """Whether the end has come; at `expires_at` itself it has."""
    return expires_at is not None and now >= expires_at
