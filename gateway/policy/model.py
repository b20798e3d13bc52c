"""What a key may do: statements about actions and resources, and for graph data a predicate on objects.

The shape and the words are those of the JupiterOne documentation ("Creating User and Account API Keys").

A process holds the policies of 10^5 keys. They are values of values, so there is no cycle in them, and the garbage
collector need not walk them (`gc=False`). A hash is reckoned once (`cache_hash`), because every call asks for it: what
was decided is remembered by policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct

ANY = "*"
READ_GRAPH = "query:ReadGraphData"


class Effect(StrEnum):
    """What a statement does; the words are case-sensitive."""

    ALLOW = "ALLOW"
    DENY = "DENY"


class Condition(Struct, frozen=True, gc=False, cache_hash=True):
    """`stringEquals`: each property must be present and equal one of its values.

    `equals` holds (property, values) pairs in the order of the policy text. No pair at all holds on every object;
    `parse` never makes that one, `decide` does for an ALLOW without a condition.
    """

    equals: tuple[tuple[str, tuple[str, ...]], ...]


EVERYTHING = Condition(())


class Statement(Struct, frozen=True, gc=False, cache_hash=True):
    """One entry of `permissions`; `id` is its path in the policy text, such as `permissions[0]`."""

    id: str
    effect: Effect
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Condition | None = None


class Policy(Struct, frozen=True, gc=False, cache_hash=True):
    """All that a key may do."""

    statements: tuple[Statement, ...]


class Predicate(Struct, frozen=True, gc=False, cache_hash=True):
    """P of the guarantee: some condition of `allows` holds on the object, and none of `denies`."""

    allows: tuple[Condition, ...]
    denies: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Allowed:
    """Allowed without a condition; `because` names the statements that made it so."""

    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Allowed for the objects that satisfy the predicate."""

    predicate: Predicate
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Not allowed; `because` names the DENY statements, and is empty where no ALLOW matched."""

    because: tuple[str, ...]


Verdict = Allowed | Narrowed | Refused
