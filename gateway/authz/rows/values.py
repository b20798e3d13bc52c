"""What a predicate says about the values of an object's properties; a property that is absent has the value None."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.policy import Condition, Predicate


def names_of(predicate: Predicate) -> tuple[str, ...]:
    """The properties that it speaks of, each one once."""
    conditions = predicate.allows + predicate.denies
    return tuple(dict.fromkeys(name for condition in conditions for name, _ in condition.equals))


def in_metadata(name: str) -> bool:
    """Whether a property has its home there."""
    return name.startswith("_") or name == "displayName"


def holds(predicate: Predicate, values: Mapping[str, Any]) -> bool:
    """Whether an object with these values may be seen."""
    return any(all_equal(condition, values) for condition in predicate.allows) and not any(
        all_equal(condition, values) for condition in predicate.denies
    )


def all_equal(condition: Condition, values: Mapping[str, Any]) -> bool:
    """Whether each property of a condition has one of its values."""
    return all(equal(values.get(name), wanted) for name, wanted in condition.equals)


def equal(value: object, wanted: tuple[str, ...]) -> bool:
    """Whether a value is one of these texts, or a list that holds one."""
    if isinstance(value, list):
        return any(element in wanted for element in value)
    return value in wanted
