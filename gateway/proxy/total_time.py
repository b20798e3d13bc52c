"""The total time of a call upstream, where the settings give one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from gateway.http1 import Headers, Reason, Refusal
from gateway.proxy.wire import Answer, Stop

T = TypeVar("T")

_OVER = Refusal(Reason.UPSTREAM_TIMEOUT, "the service behind the gateway did not answer in time")


async def within(deadline: float, work: Awaitable[T]) -> T:
    """What is done by the loop's time `deadline`. Raises Stop when it is not."""
    try:
        async with asyncio.timeout_at(deadline):
            return await work
    except TimeoutError as fault:
        raise Stop(_OVER, "total time") from fault


class AnswerWithin:
    """An answer that must end by the loop's time `deadline`; see `wire.Answer`."""

    def __init__(self, answer: Answer, deadline: float) -> None:
        self._answer = answer
        self._deadline = deadline

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def headers(self) -> Headers:
        return self._answer.headers

    async def read(self) -> bytes:
        return await within(self._deadline, self._answer.read())

    def at_once(self) -> bytes | None:
        return self._answer.at_once()

    def close(self) -> None:
        self._answer.close()
