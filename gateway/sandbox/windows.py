"""SKIP and LIMIT."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from gateway.j1ql import tree
from gateway.sandbox.context import Context, EvaluationError
from gateway.sandbox.dialect import Window

Item = TypeVar("Item")


def compile_windows(
    windows: Iterable[tree.Window], counted: Window, context: Context
) -> Callable[[list[Item]], list[Item]]:
    """What SKIP and LIMIT leave of `counted`, in the order written: a second pair works on what the first one left.

    OPEN (assumption A5): whether they count these things or others; the documents say "the starting entities" and show
    rows of the answer. Raises EvaluationError.
    """
    slices = []
    for window in windows:
        if window.keyword == "SKIP":
            slices.append(slice(window.count, None))
        elif 1 <= window.count <= context.limits.page:
            slices.append(slice(window.count))
        else:
            raise EvaluationError(f'"limit" must be a value between 1 and {context.limits.page}')
    if context.dialect.window is not counted:
        slices = []

    def through(items: list[Item]) -> list[Item]:
        for part in slices:
            items = items[part]
        return items

    return through
