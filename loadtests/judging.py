"""Whether the gateway did what it must, judged from outside by its answers: no code of the gateway here.

A condition is the `stringEquals` of a policy: property -> its values, all of the properties, any of the values. An
answer is a QueryV1Response: `list` has entities (and relationships) as rows, `tree` has vertices and edges, `table` has
the columns that the query names; a table is judged where it names the properties of the condition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

Condition = Mapping[str, Sequence[str]]
_ABSENT = object()


def foreign(answer: Mapping[str, Any], condition: Condition) -> str | None:
    """The first object of an answer that does not satisfy the condition, in a few words; None if all do."""
    for thing in things(answer):
        for name, values in condition.items():
            if not _equals(_property(thing, name), values):
                return f"{name} = {_shown(thing, name)} is not of {', '.join(values)}"
    return None


def things(answer: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The objects of a list or tree, the rows of a table."""
    data = answer["data"]
    if answer["type"] == "tree":
        yield from data["vertices"]
        yield from data["edges"]
    else:
        yield from data


def ids(answer: Mapping[str, Any]) -> list[str]:
    """Of the objects of a list, in its order."""
    return [thing["id"] for thing in things(answer)]


def _property(thing: Mapping[str, Any], name: str) -> Any:
    """Metadata is in `entity` or `relationship`, anything else in `properties`; a row of a table has it as a column."""
    if "entity" not in thing and "relationship" not in thing:
        return thing.get(name, _ABSENT)
    if name.startswith("_") or name == "displayName":
        return thing.get("entity", thing.get("relationship", {})).get(name, _ABSENT)
    return thing.get("properties", {}).get(name, _ABSENT)


def _equals(value: Any, wanted: Sequence[str]) -> bool:
    """An absent property never equals anything, and a list equals what any of its elements equals."""
    if isinstance(value, list):
        return any(each in wanted for each in value)
    return value in wanted


def _shown(thing: Mapping[str, Any], name: str) -> str:
    value = _property(thing, name)
    return "absent" if value is _ABSENT else repr(value)


@dataclass(slots=True)
class Revocation:
    """When the revocation of a key was sent and when it was acknowledged: seconds of one monotonic clock."""

    sent: float = inf
    acknowledged: float = inf

    def fault(self, status: int, began: float, ended: float) -> str | None:
        """What is wrong with the status of a call with the key; None if it is right.

        Between sending and acknowledgement the key may be good or not: nobody can tell from outside.
        """
        allowed = {200, 401}
        if began > self.acknowledged:
            allowed.discard(200)
        elif ended < self.sent:
            allowed.discard(401)
        if status in allowed:
            return None
        when = "after the revocation was acknowledged" if began > self.acknowledged else "while the key was good"
        return f"{status} {when}" if status else f"no answer {when}"
