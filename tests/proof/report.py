"""What was tried, as a table at the end of a test run. The shards tell it as properties of their reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

COUNTS, CASES_TRIED = "proof counts", "proof cases"
"""Properties: [[mode, construct, telling cases], …], and [asked, accepted, telling]."""


def summary(properties: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """The lines of the table; none when nothing was tried."""
    counts: Counter[tuple[str, str]] = Counter()
    tried: Counter[str] = Counter()
    for name, value in properties:
        if name == COUNTS:
            counts.update({(mode, construct): number for mode, construct, number in value})
        elif name == CASES_TRIED:
            tried.update(dict(zip(("asked", "accepted", "telling"), value, strict=True)))
    if tried:
        yield f"{tried['asked']:,} cases, {tried['accepted']:,} of them accepted, {tried['telling']:,} telling"
        yield f"{'telling cases with':45}{'strict':>10}{'induced':>10}"
        for construct in sorted({construct for _, construct in counts}):
            yield f"{construct:45}{counts['strict', construct]:10,}{counts['induced', construct]:10,}"
