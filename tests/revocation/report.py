"""Figures that are told at the end of a test run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

FIGURES = "revocation figures"
"""A property of a test's report: one line."""

Report = Callable[[str], None]


def figures(properties: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """The lines, in the order of the tests."""
    return (value for name, value in properties if name == FIGURES)
