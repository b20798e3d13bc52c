"""Types of which nothing is but entities that certainly satisfy a predicate.

A decoder that is given such a type judges as it reads, each occurrence of each member: what is written twice has to
satisfy the predicate twice. An entity of none of these types may satisfy the predicate all the same: it holds a list in
which other values stand beside the right one, say, or the same property in both places.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, defstruct

from gateway.authz.rows.values import equal, in_metadata, names_of
from gateway.policy import Condition, Predicate

_MOST = 4
"""Types for a predicate. Each one that an object is not of costs a microsecond, telling for certain some five."""

_Members = list[tuple[str, Any, Any]]


def certain_types(predicate: Predicate) -> list[type[Struct]]:
    """One for each ALLOW, without members that are not known."""
    if not all(condition.equals for condition in predicate.denies):
        return []
    denied = _denied(predicate.denies)
    made = (_shown(condition, denied) for condition in predicate.allows[:_MOST])
    return [_entity(names_of(predicate), homes) for homes in made if homes is not None]


def _denied(denies: Iterable[Condition]) -> dict[str, tuple[str, ...]]:
    """Values that an object must not have: without the first one of a DENY, it has not all of them."""
    denied: dict[str, tuple[str, ...]] = {}
    for name, values in (condition.equals[0] for condition in denies):
        denied[name] = (*denied.get(name, ()), *values)
    return denied


def _shown(allow: Condition, denied: dict[str, tuple[str, ...]]) -> dict[str, tuple[Any, bool]] | None:
    """The type of each property that decides, and whether it must be there; None if no value can be right."""
    types: dict[str, tuple[Any, bool]] = {name: (_other_than(values), False) for name, values in denied.items()}
    for name, wanted in allow.equals:
        shown = tuple(value for value in wanted if value not in denied.get(name, ()))
        if not shown:
            return None
        types[name] = (_one_of(shown), True)
    return types


def _entity(names: Iterable[str], types: dict[str, tuple[Any, bool]]) -> type[Struct]:
    metadata: _Members = [("deleted", _Living, msgspec.field(name="_deleted", default=None))]
    properties: _Members = []
    for number, name in enumerate(names):
        home, other = (metadata, properties) if in_metadata(name) else (properties, metadata)
        other.append((f"value{number}", _Never, msgspec.field(name=name, default=None)))
        if name in types:
            kind, needed = types[name]
            home.append((f"value{number}", kind, msgspec.field(name=name, **({} if needed else {"default": None}))))
    told = defstruct("Metadata", metadata, gc=False, kw_only=True)
    beside = defstruct("Properties", properties, gc=False, kw_only=True)
    needed = any(types[name][1] for name in types if not in_metadata(name))
    members: _Members = [
        ("entity", told, msgspec.field()),
        ("properties", beside if needed else beside | None, msgspec.field() if needed else None),
        ("relationship", None, None),
        ("id", str | None, None),
    ]
    return defstruct("Entity", members, forbid_unknown_fields=True, gc=False, kw_only=True)


# --- of single values ---------------------------------------------------------------------------------------------

_Never = Annotated[int, Meta(gt=0, lt=0)]
"""Of a member that may not be there: it might contradict the one that decides."""


def _one_of(values: tuple[str, ...]) -> Any:
    """One of these texts, or a list of nothing else."""
    text = Literal[values]  # type: ignore[valid-type]
    return text | Annotated[list[text], Meta(min_length=1)]


class Judged:
    """What a member is read as whose every occurrence `accepts` is asked about."""

    @staticmethod
    def accepts(value: object) -> bool:
        raise NotImplementedError


def judged(kind: type[Judged], value: object) -> Judged:
    """For a decoder of these types: it calls this with each value. Raises ValueError for one that may not be there."""
    if not kind.accepts(value):
        raise ValueError("a value that may not be there")
    return kind()


class _Living(Judged):
    """`_deleted`."""

    @staticmethod
    def accepts(value: object) -> bool:
        return value is None or value is False


def _other_than(values: tuple[str, ...]) -> type[Judged]:
    """Of what has none of these values. (A pattern for texts would do, but msgspec 0.22 frees it too early.)"""

    class Other(Judged):
        @staticmethod
        def accepts(value: object) -> bool:
            return not equal(value, values)

    return Other
