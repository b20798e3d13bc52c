"""The value that goes from pass to pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.authz.capabilities import Capabilities, Mode
from gateway.authz.narrow.names import Names
from gateway.authz.outcome import HiddenObject
from gateway.j1ql import tree
from gateway.policy import Predicate


class NotNarrowed(Exception):  # noqa: N818 - a refusal, not a fault
    """The query holds something that cannot be narrowed; `at` is its offset in the query text."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


@dataclass(frozen=True, slots=True)
class Binding:
    """What a narrowing depends on besides the query."""

    predicate: Predicate
    mode: Mode = Mode.STRICT
    capabilities: Capabilities = field(default_factory=Capabilities)
    variables: Mapping[str, Any] = field(default_factory=dict)
    longest: int = 250_000
    """Characters that P may take in the text that is sent, all its places together, and the values of variables alike:
    a short query of many steps would make a hundred megabytes of it with the largest policy. Real ones have 10 steps,
    real policies 200 characters; narrowing and proving this much keeps a core busy for half a second."""


@dataclass(frozen=True, slots=True)
class Draft:
    """`text` is the query as the caller wrote it; `fresh` begins the names that passes invent, and is not in it.

    `names` are those of the caller's query: a name that a pass invents stands on its part, as AS, and nowhere else.
    """

    query: tree.Query
    names: Names
    binding: Binding
    text: str
    fresh: str
    invented: int = 0
    carried: int = 0
    """How often P stands in the query, its properties as hidden columns counted alike."""
    hidden: tuple[HiddenObject, ...] = ()

    def name(self, number: int) -> str:
        return f"{self.fresh}{number}"

    def need(self, capability: str, construct: str, at: int) -> None:
        """Refuse a construct that rests on a capability which the upstream is not known to have."""
        if not self.binding.capabilities.allow(capability):
            raise NotNarrowed(
                f"{construct} cannot be used by a key with a condition: "
                f"the upstream has not been seen to treat it in the way that is safe (`{capability}`, see the setting "
                "graph.verified)",
                at,
            )


Pass = Callable[[Draft], Draft]
