"""Random choices that can be told what to choose, and remember what they chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TypeVar

Item = TypeVar("Item")


class Chance:
    """A source of choices. `wanted` are names of choices to be made the first time they come up; `made` were made.

    So a generator need only name its choices, and whoever runs it can count them, and ask for the rare ones.
    """

    def __init__(self, random: Random, wanted: frozenset[str] = frozenset()) -> None:
        self._random = random
        self._wanted = set(wanted)
        self.made: set[str] = set()

    def wants(self, *names: str) -> bool:
        return not self._wanted.isdisjoint(names)

    def yes(self, probability: float, name: str | None = None) -> bool:
        if self._random.random() >= probability and name not in self._wanted:
            return False
        if name is not None:
            self._make(name)
        return True

    def one(self, items: Sequence[Item]) -> Item:
        return items[int(self._random.random() * len(items))]

    def some(self, items: Sequence[Item], most: int) -> list[Item]:
        """Between one and `most` different items."""
        return self._random.sample(items, min(len(items), 1 + int(self._random.random() * most)))

    def between(self, least: int, most: int) -> int:
        return least + int(self._random.random() * (most - least + 1))

    def named(self, table: Mapping[str, float]) -> str:
        """One of the names, by its weight."""
        name = next(iter(self._wanted & table.keys()), None) or self._weighed(table)
        self._make(name)
        return name

    def _weighed(self, table: Mapping[str, float]) -> str:
        at = self._random.random() * sum(table.values())
        for name, weight in table.items():
            at -= weight
            if at < 0:
                return name
        return name

    def _make(self, name: str) -> None:
        self.made.add(name)
        self._wanted.discard(name)

    def way(self, table: Mapping[str, tuple[float, Callable[[], Item]]]) -> Item:
        """What one of the named ways makes."""
        return table[self.named({name: weight for name, (weight, _) in table.items()})][1]()
