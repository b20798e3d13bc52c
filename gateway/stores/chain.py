"""The audit trail as chains, one per organization and one for events of none: pure, without a database.

An event's hash is SHA-256 over the hash before it in its chain and the event as it is stored, so it stands for the
whole chain up to there. A second record, kept beside the events, says how many events each chain has and the newest
hash. Found by this: an event that was changed, removed, inserted or moved, also at the end.

Not found: whoever can write to the database and knows this page can make a whole new trail that fits. Against that
helps only what they cannot reach: a `Head` that was noted elsewhere. Every later chain must still have that hash at
that place.

The format can never change: hashes that exist were made by it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

BEGINNING = "0" * 64
"""What the first event of a chain follows."""

_HASHED = ("at", "actor", "organization_id", "event", "subject", "details")


@dataclass(frozen=True, slots=True)
class Head:
    """How far a chain goes: the number of its events, and the hash of the newest."""

    organization: str | None
    events: int
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """About one chain: the part of it that fits, and what is wrong after that; None for nothing."""

    head: Head
    fault: str | None


def link(previous: str, row: Mapping[str, object]) -> str:
    """The hash of an event, from the row that is stored: its very text, so that any change of it is seen."""
    event = json.dumps([row[name] for name in _HASHED], ensure_ascii=True, separators=(",", ":"), default=repr)
    return hashlib.sha256(f"{previous}\n{event}".encode("utf-8", "surrogatepass")).hexdigest()


def followed(head: Head | None, row: Mapping[str, object], organization: str | None) -> Head:
    """The head of a chain after one more event; None is a chain without events."""
    before = head or Head(organization, 0, BEGINNING)
    return Head(organization, before.events + 1, link(before.hash, row))


@dataclass(slots=True)
class _Chain:
    head: Head
    noted: Head | None
    fault: str | None = None


@dataclass(slots=True)
class Check:
    """Takes all events, oldest first, then the recorded heads. `noted` are heads of an earlier check, if any."""

    noted: Mapping[str | None, Head] = field(default_factory=dict)
    _chains: dict[str | None, _Chain] = field(default_factory=dict, init=False)

    def take(self, row: Mapping[str, object], claimed: object) -> None:
        """One event: its row, with its `id`, and the hash that is stored with it."""
        organization = row["organization_id"]
        chain = self._chain(None if organization is None else str(organization))
        if chain.fault is not None:
            return
        head = followed(chain.head, row, chain.head.organization)
        if head.hash != claimed:
            chain.fault = f"{_named(row)} does not fit: it was changed, or what comes before it is not what it was"
            return
        if chain.noted and chain.noted.events == head.events and chain.noted.hash != head.hash:
            chain.fault = f"{_named(row)} is not the event that was noted: the chain was made anew"
            return
        chain.head = head

    def end(self, recorded: Iterable[Head]) -> tuple[Verdict, ...]:
        """What is true of each chain, by organization; `recorded` are the heads that are kept beside the events."""
        heads = {head.organization: head for head in recorded}
        for organization in (*heads, *self.noted):
            self._chain(organization)
        chains = sorted(self._chains.items(), key=lambda item: item[0] or "")
        return tuple(Verdict(chain.head, chain.fault or _short(chain, heads.get(name))) for name, chain in chains)

    def _chain(self, organization: str | None) -> _Chain:
        if organization not in self._chains:
            self._chains[organization] = _Chain(Head(organization, 0, BEGINNING), self.noted.get(organization))
        return self._chains[organization]


def _short(chain: _Chain, recorded: Head | None) -> str | None:
    """What is wrong with the end of a chain in which every event fits."""
    found = chain.head
    if chain.noted and chain.noted.events > found.events:
        return f"{chain.noted.events} events were noted, {found.events} are there: the newest were removed"
    if recorded is None:
        return f"{found.events} events are there, and no record of their number" if found.events else None
    if recorded.events != found.events:
        return (
            f"{recorded.events} events are on record, {found.events} are there: some were removed or added at the end"
        )
    if recorded.hash != found.hash:
        return "the newest event is not the one on record"
    return None


def _named(row: Mapping[str, object]) -> str:
    return f"event {row['id']} (`{row['event']}` of `{row['subject']}`)"
