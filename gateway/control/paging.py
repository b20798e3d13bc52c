"""Pages of listings, and searching them: only what the actor may see is ever looked at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
P = TypeVar("P")

PAGE = 1000
"""Rows that are read at once; a listing of the real API has no pages at all, so one page holds what most have."""

_PAGES = 10
"""Pages that one search reads: ten thousand rows take a fraction of a second. It can be gone on with."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T, P]):
    """`after` is the position from which the next page is read; None where this is the last one."""

    items: tuple[T, ...]
    after: P | None


async def search(
    fetch: Callable[[P | None], Awaitable[Page[T, P]]],
    wanted: Callable[[T], bool],
    position: Callable[[T], P],
    *,
    limit: int,
    after: P | None,
) -> Page[T, P]:
    """A page of what is wanted of a listing. It may hold less than `limit`, even nothing, and not be the last one."""
    chosen: list[T] = []
    for _ in range(_PAGES):
        page = await fetch(after)
        for item in page.items:
            if len(chosen) == limit:
                return Page(tuple(chosen), position(chosen[-1]))
            if wanted(item):
                chosen.append(item)
        after = page.after
        if after is None:
            break
    return Page(tuple(chosen), after)
