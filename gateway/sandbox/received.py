"""What the sandbox has received: so that a test can say what arrived, and that nothing did."""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from dataclasses import dataclass
from typing import Any

from aiohttp import web


@dataclass(slots=True)
class Received:
    """One call as it stood on the wire; header names in lower case, `body` cut to the recorder's limit.

    `whole` becomes true when the body has been read to its end.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    size: int = 0
    whole: bool = False

    def header(self, name: str) -> str | None:
        """The first value of a header, named in lower case."""
        return next((value for key, value in self.headers if key == name), None)

    def wire(self) -> dict[str, Any]:
        """The call as JSON; a body that is not text stands in `bodyBase64`."""
        shown = {"method": self.method, "path": self.path, "headers": [list(pair) for pair in self.headers]}
        try:
            body = {"body": self.body.decode()}
        except UnicodeDecodeError:
            body = {"bodyBase64": base64.b64encode(self.body).decode()}
        return {**shown, **body, "size": self.size, "whole": self.whole}


class Recorder:
    """The last calls, oldest first. Memory is bounded by `calls` times `body` bytes."""

    def __init__(self, calls: int, body: int) -> None:
        self.calls: deque[Received] = deque(maxlen=calls)
        self._body = body
        self._arrival = asyncio.Event()

    async def wait(self, count: int = 1) -> None:
        """Waits until at least so many calls are remembered; their bodies may still be on the way."""
        while len(self.calls) < count:
            self._arrival.clear()
            await self._arrival.wait()

    async def record(self, request: web.Request) -> bytes:
        """Notes a call when its head is there, and returns its body."""
        headers = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.raw_headers
        )
        call = Received(request.method, request.raw_path, headers)
        self.calls.append(call)
        self._arrival.set()
        body = await request.read()
        call.body, call.size, call.whole = body[: self._body], len(body), True
        return body
