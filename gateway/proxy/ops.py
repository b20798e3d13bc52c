"""The ops listener: `/metrics`, `/livez` and `/readyz[?verbose]`; nothing secret, and no key asked for.

Ready means that calls can be decided and that at least one upstream can be reached: taking every gateway out of service
because one of three upstreams is away would make one outage three.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from gateway import answers, metrics
from gateway.http1 import Call, Reason, Refusal, Reply, front
from gateway.metrics import Metrics
from gateway.proxy.wire import ClientGone, Incoming

Check = Callable[[], Awaitable[str | None]]
"""What is wrong with a part, in words without addresses or secrets; None for nothing."""


@dataclass(frozen=True, slots=True)
class OpsOptions:
    """Times are seconds."""

    check_seconds: float = 3.0
    """The longest that one check may take; probes wait about five."""
    remembered_seconds: float = 1.0
    """How long results stand, so that probes cannot wear out what they probe."""


@dataclass(slots=True)
class Health:
    """The checks of a process and what they said last. `draining` is set when the process is about to stop."""

    stores: Mapping[str, Check]
    upstreams: Mapping[str, Check]
    metrics: Metrics
    options: OpsOptions = field(default_factory=OpsOptions)
    notes: Callable[[], tuple[str, ...]] = tuple
    """Lines for operators that make nothing unready."""
    draining: bool = False
    _faults: dict[str, str | None] = field(init=False, default_factory=dict)
    _checked_at: float | None = field(init=False, default=None)
    _lock: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    async def report(self) -> tuple[bool, str]:
        """Whether calls can be served, and a line for each part."""
        await self._refresh()
        stores = [name for name in self.stores if self._faults[name]]
        upstreams = [name for name in self.upstreams if self._faults[name]]
        ready = not (self.draining or stores or (upstreams and len(upstreams) == len(self.upstreams)))
        lines = ["draining: no new calls please"] if self.draining else []
        lines += [f"{name}: {fault or 'ok'}" for name, fault in self._faults.items()]
        return ready, "\n".join((*lines, *self.notes()))

    async def _refresh(self) -> None:
        async with self._lock:
            fresh = (
                self._checked_at is not None and time.monotonic() - self._checked_at < self.options.remembered_seconds
            )
            if fresh:
                return
            checks = {**self.stores, **self.upstreams}
            faults = await asyncio.gather(*(self._fault(check) for check in checks.values()))
            self._faults = dict(zip(checks, faults, strict=True))
            self._checked_at = time.monotonic()
            for name in self.stores:
                self.metrics.store_checked(name, up=self._faults[name] is None)
            for name in self.upstreams:
                self.metrics.upstream_checked(name, up=self._faults[name] is None)

    async def _fault(self, check: Check) -> str | None:
        try:
            async with asyncio.timeout(self.options.check_seconds):
                return await check()
        except TimeoutError:
            return "does not answer"
        except Exception as fault:  # noqa: BLE001 (a check that fails is an answer)
            return type(fault).__name__


class Ops:
    """Serves the ops listener."""

    def __init__(self, health: Health, new_id: Callable[[], str]) -> None:
        self._health = health
        self._new_id = new_id

    async def __call__(self, incoming: Incoming) -> None:
        call = front(incoming.head, self._new_id())
        reply = self.malformed(call) if isinstance(call, Refusal) else await self._reply(call)
        try:
            await incoming.answer(reply)
        except ClientGone:
            incoming.cut()

    def malformed(self, refusal: Refusal) -> Reply:
        """The answer to what is no call of this listener."""
        return answers.refused(refusal, self._new_id(), "")

    async def _reply(self, call: Call) -> Reply:
        if call.method not in {"GET", "HEAD"}:
            return self.malformed(Refusal(Reason.METHOD_NOT_ALLOWED, "only GET and HEAD are served here"))
        match call.path:
            case "/livez":
                return _text(200, "ok")
            case "/readyz":
                ready, report = await self._health.report()
                word = "ok" if ready else "not ready"
                return _text(200 if ready else 503, f"{word}\n{report}" if call.query == "verbose" else word)
            case "/metrics":
                await self._health.report()
                return Reply(200, self._health.metrics.text(), ((b"content-type", metrics.CONTENT_TYPE),))
            case _:
                return self.malformed(Refusal(Reason.UNKNOWN_ROUTE, "there are /metrics, /livez and /readyz here"))


def _text(status: int, text: str) -> Reply:
    headers = ((b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"))
    return Reply(status, text.encode() + b"\n", headers)
