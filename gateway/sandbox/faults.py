"""Faults at the wire, asked for by a test: what a broken, slow or lying upstream sends."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import web

FOREVER = 3600.0
"""Seconds: longer than any test."""


class Kind(StrEnum):
    """What goes wrong.

    status     another status, headers and body; the call is not carried out
    reset      the connection is reset before any byte of the answer
    drop       the connection is reset in the middle of the body
    truncate   the connection is closed in the middle of the body: Content-Length lies
    stall      silence for some seconds, before the head or in the middle of the body
    extra_row  one more row in the data of a J1QL answer
    """

    STATUS = "status"
    RESET = "reset"
    DROP = "drop"
    TRUNCATE = "truncate"
    STALL = "stall"
    EXTRA_ROW = "extra_row"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, for `times` calls of a path (None: of any; `/_results/*`: of all that begin so) after `skip` of them
    went well.

    `after` is how many bytes of the body are sent first: None is half of it for `drop` and `truncate`, and for `stall`
    nothing, not even the head.
    """

    kind: Kind
    path: str | None = None
    times: int = 1
    skip: int = 0
    after: int | None = None
    seconds: float = FOREVER
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: str = "Internal Server Error"
    row: dict[str, Any] = field(default_factory=dict)


FIELDS: dict[str, tuple[type, ...]] = {
    "kind": (str,),
    "path": (str,),
    "times": (int,),
    "skip": (int,),
    "after": (int,),
    "seconds": (int, float),
    "status": (int,),
    "headers": (dict,),
    "body": (str,),
    "row": (dict,),
}


def read_fault(body: Any) -> Fault:
    """The fault that a JSON body asks for. Raises ValueError."""
    if not isinstance(body, dict):
        raise ValueError("a fault should be a JSON object")  # noqa: TRY004 - JSON, not types
    for name, value in body.items():
        if name not in FIELDS or not isinstance(value, FIELDS[name]):
            raise ValueError(f'"{name}" is no part of a fault, or has the wrong type')
    return Fault(**{**body, "kind": Kind(body.get("kind", ""))})


@dataclass(slots=True)
class _Armed:
    fault: Fault
    skip: int
    times: int


class Faults:
    """The faults that are still to come. A stalled answer ends when the sandbox does."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self._closing = asyncio.Event()

    def inject(self, fault: Fault) -> None:
        """Lets a fault happen to the next calls that it fits."""
        self._armed.append(_Armed(fault, fault.skip, fault.times))

    def clear(self) -> None:
        """Forgets the faults that have not happened."""
        self._armed.clear()

    def close(self) -> None:
        """Ends every stalled answer."""
        self._closing.set()

    async def answer(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """The handler's answer, spoilt by the first fault that fits the call."""
        fault = self._next(request.path)
        if fault is None:
            return await handler(request)
        if fault.kind is Kind.STATUS:
            return _instead(fault)
        response = await handler(request)
        if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
            return response
        return await self._spoil(request, fault, response, response.body)

    def _next(self, path: str) -> Fault | None:
        for armed in self._armed:
            if not _fits(armed.fault.path, path):
                continue
            if armed.skip > 0:
                armed.skip -= 1
                continue
            armed.times -= 1
            if armed.times <= 0:
                self._armed.remove(armed)
            return armed.fault
        return None

    async def _spoil(
        self, request: web.Request, fault: Fault, response: web.Response, body: bytes
    ) -> web.StreamResponse:
        half = len(body) // 2 if fault.after is None else fault.after
        match fault.kind:
            case Kind.RESET:
                _abort(request)
                return response
            case Kind.DROP:
                partial = await _begin(request, response, body[:half])
                _abort(request)
                return partial
            case Kind.TRUNCATE:
                partial = await _begin(request, response, body[:half])
                if request.transport is not None:
                    request.transport.close()
                return partial
            case Kind.STALL if fault.after is None:
                await self._silence(fault.seconds)
                return response
            case Kind.STALL:
                partial = await _begin(request, response, body[: fault.after])
                await self._silence(fault.seconds)
                await partial.write(body[fault.after :])
                return partial
            case _:
                return _lying(response, body, fault.row)

    async def _silence(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            pass


def _instead(fault: Fault) -> web.Response:
    typed = any(name.lower() == "content-type" for name in fault.headers)
    content_type = None if typed else "text/plain"
    return web.Response(status=fault.status, headers=fault.headers, body=fault.body.encode(), content_type=content_type)


async def _begin(request: web.Request, response: web.Response, start: bytes) -> web.StreamResponse:
    """Sends the head, with the length of the whole body, and the start of the body."""
    headers = {"Content-Type": response.headers.get("Content-Type", "application/json")}
    partial = web.StreamResponse(status=response.status, headers=headers)
    partial.content_length = response.content_length
    await partial.prepare(request)
    await partial.write(start)
    return partial


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _fits(wanted: str | None, path: str) -> bool:
    if wanted is not None and wanted.endswith("*"):
        return path.startswith(wanted[:-1])
    return wanted in {None, path}


def _lying(response: web.Response, body: bytes, row: dict[str, Any]) -> web.Response:
    packed = response.headers.get("Content-Encoding") == "gzip"
    plain = json.dumps(_with_row(json.loads(gzip.decompress(body) if packed else body), row)).encode()
    response.body = gzip.compress(plain, mtime=0) if packed else plain
    return response


def _with_row(value: Any, row: dict[str, Any]) -> Any:
    """The answer with a row more in the first J1QL data there is, a vertex more in a tree."""
    for member in _members(value):
        data = member.get("data")
        rows = data.get("vertices") if isinstance(data, dict) else data
        if "type" in member and isinstance(rows, list):
            rows.append(row)
            break
    return value


def _members(value: Any) -> list[dict[str, Any]]:
    """Every object in a JSON value, outer ones first."""
    if isinstance(value, list):
        return [member for item in value for member in _members(item)]
    if isinstance(value, dict):
        return [value, *(member for item in value.values() for member in _members(item))]
    return []
