"""The names that a query gives to the parts of its pattern."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.j1ql import tree
from gateway.sandbox.context import EvaluationError

Part = tree.Selector | tree.Step | tree.Optional

ANY_VERB = "RELATES TO"


@dataclass(frozen=True, slots=True)
class Aliases:
    """What WHERE and RETURN may name: the names after AS, and where there is no AS the text of a selector or verb.

    A text that occurs twice names nothing, and neither does one that is another part's alias.
    """

    given: tuple[str, ...]
    texts: tuple[str, ...]

    @classmethod
    def of_query(cls, query: tree.Query) -> Aliases:
        """Raises EvaluationError when AS gives one name twice."""
        parts = list(_parts((query.selector, *query.steps)))
        given = Counter(part.alias for part in parts if part.alias is not None)
        texts = Counter(_text(part) for part in parts if part.alias is None)
        for name, times in given.items():
            if times > 1:
                raise EvaluationError(f'Alias "{name}" is used more than once')
        return cls(
            tuple(given), tuple(text for text, times in texts.items() if text and times == 1 and text not in given)
        )

    def of(self, part: Part) -> str | None:
        """The name of a part of the pattern."""
        if part.alias is not None:
            return part.alias
        text = _text(part)
        return text if text in self.texts else None

    def checked(self, name: str, clause: str) -> str:
        """The name itself. Raises EvaluationError when nothing has it; `clause` says what it was wanted for."""
        names = (*self.given, *self.texts)
        if name in names:
            return name
        valid = ", ".join(f'"{known}"' for known in names)
        raise EvaluationError(f'Invalid {clause} selector provided: "{name}", valid {clause} selectors are: {valid}')


def selected_names(query: tree.Query) -> Iterator[str]:
    """The classes and types that its selectors name; those of subqueries are not among them."""
    for part in _parts((query.selector, *query.steps)):
        if isinstance(part, tree.Selector):
            yield from _head_names(part.head)


def _head_names(head: tree.Head | None) -> Iterator[str]:
    match head:
        case tree.Name(name):
            yield name
        case tree.Union(items):
            for item in items:
                yield from _head_names(item)
        case tree.Smart(_, inner):
            yield from _head_names(inner)
        case _:
            return


def _parts(steps: Iterable[Part]) -> Iterator[Part]:
    for step in steps:
        yield step
        match step:
            case tree.Step():
                yield step.target
            case tree.Optional():
                yield from _parts(step.steps)
            case tree.Selector():
                continue


def _text(part: Part) -> str | None:
    match part:
        case tree.Selector(head):
            return _head_text(head)
        case tree.Step(tree.Verb((name,))) if name.upper() != ANY_VERB:
            return name
        case _:
            return None


def _head_text(head: tree.Head | None) -> str | None:
    match head:
        case tree.Name(name):
            return name
        case tree.Union((only,)) | tree.Smart(_, only):
            return _head_text(only)
        case _:
            return None
