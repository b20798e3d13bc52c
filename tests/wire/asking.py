"""What comes of a request to an upstream, as a handler would see it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from gateway.http1 import Headers, Reason
from gateway.proxy import Upstreams
from gateway.proxy.wire import Outgoing, Source, Stop


@dataclass
class Outcome:
    """`status` is None where no answer was usable; `stopped` is why, or why its body broke off."""

    status: int | None = None
    headers: Headers = ()
    body: bytes = b""
    stopped: Reason | None = None

    @property
    def whole(self) -> bytes | None:
        return self.body if self.stopped is None else None


async def ask(
    upstreams: Upstreams,
    url: str,
    method: str = "GET",
    headers: Headers = (),
    body: bytes | Source | None = None,
    length: int | None = None,
) -> Outcome:
    outcome = Outcome()
    try:
        with closing(await upstreams.send(Outgoing(method, url, headers, body, length))) as answer:
            outcome.status, outcome.headers = answer.status, answer.headers
            while piece := await answer.read():
                outcome.body += piece
    except Stop as stop:
        outcome.stopped = stop.refusal.reason
    return outcome
