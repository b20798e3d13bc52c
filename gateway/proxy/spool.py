"""Large results, held whole while they are checked: on disk, so that they take no memory from the calls."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from gateway.http1 import Reason, Refusal
from gateway.proxy.body import Budget, Hold
from gateway.proxy.wire import Source, Stop

_FULL = Refusal(Reason.OVERLOADED, "the gateway has no room for a result of this size now; try again in a moment")


@dataclass(frozen=True, slots=True)
class SpoolOptions:
    """Sizes are bytes."""

    directory: Path | None = None
    """For files that nobody else can open, and that are gone with the process; None for the system's."""
    memory_bytes: int = 1024 * 1024
    """Of a result up to which it is held in memory; nearly all pages of the platform are smaller."""
    result_bytes: int = 128 * 1024 * 1024
    """Of one result."""
    disk_bytes: int = 1024 * 1024 * 1024
    """Of all results of this process at once."""


class Spool:
    """Reads results whole."""

    def __init__(self, options: SpoolOptions | None = None) -> None:
        self.options = options or SpoolOptions()
        self._disk = Budget(self.options.disk_bytes)

    @contextmanager
    def room(self) -> Iterator[Hold]:
        """A share of the disk for one call."""
        hold = self._disk.hold(full=_FULL)
        try:
            yield hold
        finally:
            hold.close()

    async def whole(self, source: Source, memory: Hold, disk: Hold, *, over: Refusal) -> bytes | mmap.mmap:
        """A body in one piece; what it takes is held until its holds are closed.

        Raises Stop: `over` as soon as it exceeds the limit, or where there is no room.
        """
        pieces: list[bytes] = []
        size = 0
        while piece := await source.read():
            size += len(piece)
            if size > self.options.memory_bytes:
                return await self._on_disk(b"".join([*pieces, piece]), source, disk, over)
            memory.grow(len(piece))
            pieces.append(piece)
        return b"".join(pieces)

    async def _on_disk(self, start: bytes, source: Source, disk: Hold, over: Refusal) -> mmap.mmap:
        """The pieces are written as they come: to the system's cache, which takes as long as copying them would."""
        size, piece = 0, start
        try:
            with TemporaryFile(dir=self.options.directory, buffering=0) as file:
                while piece:
                    size += len(piece)
                    if size > self.options.result_bytes:
                        raise Stop(over, f"more than {self.options.result_bytes} bytes")
                    disk.grow(len(piece))
                    file.write(piece)
                    piece = await source.read()
                return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        except OSError as fault:
            raise Stop(_FULL, f"the disk: {fault.strerror}") from None
