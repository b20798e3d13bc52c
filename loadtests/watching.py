"""What processes hold: memory, descriptors and threads, by proc(5); and whether that grows without end. Linux alone."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from processes import family

WARM = 1 / 3
"""The part of a soak that is not judged: caches fill, pools open, the allocator takes what it needs at most."""
MEMORY_SHARE, MEMORY_MB = 0.05, 4.0
"""How much more memory a process may have at the end than after the warm-up: the larger of the two. The allocator gives
pages back late, and Python's dictionaries grow by doubling."""
DESCRIPTORS = 8
"""More of them for each process: connections to upstreams come and go."""
THREADS = 2
"""More of them: one each for the database and for names that are resolved, if they were not needed before."""


@dataclass(frozen=True, slots=True)
class Holding:
    """Of some processes together. `pss` counts memory that several share once, by its part; both are MB."""

    processes: int
    pss: float
    rss: float
    descriptors: int
    threads: int


def holding(pid: int) -> Holding:
    """A process and those that it has started. One that ends meanwhile is not counted."""
    found = []
    for each in family(pid):
        with suppress(OSError):
            found.append(_of_one(Path(f"/proc/{each}")))
    processes, pss, rss, descriptors, threads = (sum(column) for column in zip(*found, strict=True))
    return Holding(int(processes), pss, rss, int(descriptors), int(threads))


def _of_one(place: Path) -> tuple[float, float, float, float, float]:
    memory = _fields(place / "smaps_rollup")
    threads = _fields(place / "status")["Threads"]
    return 1, memory["Pss"] / 1024, memory["Rss"] / 1024, len(list((place / "fd").iterdir())), threads


def _fields(file: Path) -> dict[str, int]:
    """Those of `name: number unit` lines."""
    split = (line.split() for line in file.read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in split if len(words) > 1 and words[1].isdigit()}


@dataclass(frozen=True, slots=True)
class Growth:
    """One kind of holding: after the warm-up, at the end (medians of some readings), and how much more may be."""

    what: str
    before: float
    after: float
    bound: float

    @property
    def bounded(self) -> bool:
        return self.after - self.before <= self.bound

    def __str__(self) -> str:
        judged = "bounded" if self.bounded else "GROWS"
        return f"{self.what}: {self.before:.1f} -> {self.after:.1f}, up to +{self.bound:.1f} allowed: {judged}"


def growths(readings: Sequence[Holding]) -> Iterator[Growth]:
    """The readings are at equal distances; there are three at least. The last third is held against the second."""
    warm = int(len(readings) * WARM)
    middle = warm + (len(readings) - warm) // 2
    earlier, later = readings[warm:middle], readings[middle:]

    def growth(what: str, of: Callable[[Holding], float], bound: float) -> Growth:
        before, after = (statistics.median(map(of, part)) for part in (earlier, later))
        return Growth(what, before, after, bound)

    processes = max(each.processes for each in readings)
    memory = statistics.median(each.pss for each in earlier)
    allowed = max(MEMORY_SHARE * memory, MEMORY_MB * processes)
    yield growth("memory (PSS), MB", lambda each: each.pss, allowed)
    yield growth("descriptors", lambda each: each.descriptors, DESCRIPTORS * processes)
    yield growth("threads", lambda each: each.threads, THREADS * processes)
