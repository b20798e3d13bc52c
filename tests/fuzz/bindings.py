"""Who asks: the policies of the golden pairs, in both modes, and with nothing or everything known of the upstream.

P of each policy is written here once more, by hand, as the language has it: what the harnesses look for was made
neither by `narrow` nor by `verify`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import product
from typing import Any

from gateway.authz.capabilities import Capabilities, Mode, State
from gateway.authz.narrow import Binding
from gateway.policy import EVERYTHING, Condition, Predicate

Equals = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Key:
    """`allows` and `denies` as a policy has them, an empty allow being one without a condition; `text` is P."""

    name: str
    allows: tuple[Equals, ...]
    denies: tuple[Equals, ...]
    text: str

    @property
    def predicate(self) -> Predicate:
        return Predicate(tuple(map(_condition, self.allows)), tuple(map(_condition, self.denies)))

    def shows(self, value: Any) -> bool:
        """Whether P holds where `value` gives what an object has under a name; the plain reading of a policy."""

        def holds(equals: Equals) -> bool:
            return all(any(_equal(value(name), wanted) for wanted in values) for name, values in equals.items())

        return any(map(holds, self.allows)) and not any(map(holds, self.denies))

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for equals in (*self.allows, *self.denies) for name in equals)

    def decided(self, verb: str) -> bool:
        """Whether a relationship of the verb satisfies P whatever else it has; its `_class` is the verb in capitals."""
        stored = verb.upper()
        allowed = any(all(name == "_class" and stored in equals[name] for name in equals) for equals in self.allows)
        return allowed and all("_class" in equals and stored not in equals["_class"] for equals in self.denies)


def _condition(equals: Equals) -> Condition:
    return Condition(tuple(equals.items())) if equals else EVERYTHING


def _equal(value: object, wanted: str) -> bool:
    return wanted in value if isinstance(value, list) else value == wanted


KEYS = (
    Key("repos", ({"_type": ("github_repo",)},), (), "_type = 'github_repo'"),
    Key(
        "teams",
        ({"_type": ("github_repo",), "tag.team": ("a", "b")}, {"_class": ("User",)}),
        ({"env": ("prod",), "zone": ("eu",)},),
        "((_type = 'github_repo' AND tag.team = ('a' OR 'b')) OR _class = 'User') "
        "AND ((env != 'prod' OR env = undefined) OR (zone != 'eu' OR zone = undefined))",
    ),
    Key(
        "nosecret",
        ({},),
        ({"classification": ("secret", "top secret")},),
        "(classification != 'secret' AND classification != 'top secret') OR classification = undefined",
    ),
    Key("odd", ({"my-prop": ("it's",), "order": ('a"b',)},), (), """[my-prop] = "it's" AND [order] = 'a"b'"""),
    Key("verbs", ({"_class": ("User", "HAS")},), (), "_class = ('User' OR 'HAS')"),
    Key("noverb", ({},), ({"_class": ("HAS",)},), "_class != 'HAS' OR _class = undefined"),
)
NAMED = {key.name: key for key in KEYS}

VARIABLES: dict[str, Any] = {"x": "it's", "n": 3, "list": ["a", "b"], "none": None}
_KNOWN = (Capabilities(), Capabilities(**{each.name: State.VERIFIED for each in fields(Capabilities)}))


@dataclass(frozen=True, slots=True)
class Bound:
    """One who asks; `sign` is the byte that stands for it at the beginning of an input."""

    sign: str
    key: Key
    mode: Mode
    capabilities: Capabilities

    @property
    def strict(self) -> bool:
        return self.mode is Mode.STRICT

    @property
    def binding(self) -> Binding:
        return Binding(self.key.predicate, self.mode, self.capabilities, VARIABLES)


# A saved input means what it meant only while the order of these stays: what is new comes at the end.
BOUND = tuple(Bound(chr(ord("A") + number), *each) for number, each in enumerate(product(KEYS, Mode, _KNOWN)))


def bound(first: int) -> Bound:
    """Whom the first byte of an input stands for: any byte stands for somebody, so that none is lost."""
    return BOUND[(first - ord("A")) % len(BOUND)]
