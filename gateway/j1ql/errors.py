"""What is wrong with a query text, said so that its writer finds the place."""

from __future__ import annotations

_BEFORE = 60
_WIDTH = 100
"""Characters shown before the fault, and of its line in all: a query may be one line of thousands."""


class J1QLSyntaxError(ValueError):
    """`message` says what is wrong, `at` is the offset in `text` where; as a string both, see `pointed`."""

    def __init__(self, message: str, at: int, text: str) -> None:
        super().__init__(message, at, text)
        self.message = message
        self.at = at
        self.text = text

    @property
    def line(self) -> int:
        """Counted from 1."""
        return _position(self.text, self.at)[0]

    @property
    def column(self) -> int:
        """Characters, counted from 1."""
        return _position(self.text, self.at)[1]

    def __str__(self) -> str:
        return pointed(self.message, self.text, self.at)


def pointed(message: str, text: str, at: int) -> str:
    """The message with line and column, the line of the fault, and a caret under it:

    expected a property name, found `AND` at line 1, column 16
      FIND User WITH AND active = true
                     ^
    """
    line, column = _position(text, at)
    line_end = text.find("\n", at)
    start = max(at - column + 1, at - _BEFORE)
    end = min(len(text) if line_end < 0 else line_end, start + _WIDTH)
    shown = printable(text[start:end]).rstrip()
    return f"{message} at line {line}, column {column}\n  {shown}\n  {' ' * (at - start)}^"


def printable(text: str) -> str:
    """The text with a space for each character that would move the cursor, hide, or talk to a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def _position(text: str, at: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
