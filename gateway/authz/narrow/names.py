"""Which part of a query each name speaks of.

Without AS, a selector of one name and a step of one verb are called by their own text, unless that text occurs twice
("Default alias", JupiterOne documentation, J1QL). Giving such a part an alias would take its name away, so a pass that
needs a name for a part asks here first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.authz.narrow.walk import parts, paths, spoken_expressions
from gateway.j1ql import tree

Part = tree.Selector | tree.Step | tree.Optional


@dataclass(frozen=True, slots=True)
class Names:
    """`given` are the names after AS, `texts` the default names, `spoken` the names that the query speaks of.

    `ambiguous` are texts that name nothing, because another part has the name too, in whatever letter case; a fresh
    alias for one of the parts would make them name the other.
    """

    given: frozenset[str]
    texts: frozenset[str]
    spoken: frozenset[str]
    ambiguous: frozenset[str]

    @classmethod
    def of(cls, query: tree.Query) -> Names:
        given: set[str] = set()
        texts: list[str] = []
        every = tuple(parts(query))
        for part, place in every:
            if part.alias is not None:
                given.add(part.alias)
            elif (text := default_name(part)) and not (place.negated and isinstance(part, tree.Step)):
                texts.append(text)
        # whether `(HAS)` is called HAS as well, no document says: it takes the name, and cannot be spoken of by it
        unsure = [text for part, _ in every if _is_bracketed_verb(part) and (text := default_name(part))]
        taken = Counter(name.casefold() for name in (*given, *texts, *unsure))
        single = frozenset(text for text in texts if taken[text.casefold()] == 1)
        return cls(frozenset(given), single, frozenset(_spoken(query)), frozenset(texts) - single)

    @property
    def known(self) -> frozenset[str]:
        return self.given | self.texts

    def current(self, part: Part) -> str | None:
        """The name by which the query already speaks of a part, if it has one and uses it."""
        if part.alias is not None:
            return part.alias
        text = default_name(part)
        return text if text in self.texts and text in self.spoken else None


def _is_bracketed_verb(part: Part) -> bool:
    return isinstance(part, tree.Step) and part.verb.bracketed and part.alias is None


def default_name(part: Part) -> str | None:
    """The text that names a part without AS."""
    match part:
        case tree.Selector(head=head):
            return _head_name(head)
        case tree.Step(verb=tree.Verb(names=(name,))) if " " not in name:
            return name
        case _:
            return None


def _head_name(head: tree.Head | None) -> str | None:
    """Whether `(User)` and `#Smart User` are called `User` too, no document says: that name may be taken."""
    match head:
        case tree.Name(name) | tree.Union(items=(tree.Name(name),)):
            return name
        case tree.Smart(head=inner):
            return _head_name(inner)
        case _:
            return None


def _spoken(query: tree.Query) -> Iterator[str]:
    for expression in spoken_expressions(query):
        for path in paths(expression):
            yield path.segments[0].name
    if isinstance(query.returns, tuple):
        yield from (item.value.alias for item in query.returns if isinstance(item.value, tree.AllProperties))
