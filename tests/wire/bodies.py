"""Bodies of requests to an upstream."""

from __future__ import annotations

import asyncio


class Pieces:
    """A body in pieces, which may break off."""

    def __init__(self, *pieces: bytes, fault: Exception | None = None, wait: asyncio.Event | None = None) -> None:
        self.left = list(pieces)
        self.fault = fault
        self.wait = wait

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        if self.left:
            return self.left.pop(0)
        if self.wait is not None:
            await self.wait.wait()
        if self.fault is not None:
            raise self.fault
        return b""
