"""What GraphQL answers are made of: lists that are put together here, and how an operation of our own ended."""

from __future__ import annotations

from typing import Any

from gateway.authz import assembled
from gateway.authz.outcome import Assemble, More, Unusable, Upstream
from gateway.http1 import Reason, Refusal
from gateway.metrics import Outcome
from gateway.proxy.line import Line, Request, Whole
from gateway.proxy.trace import outcome_of
from gateway.proxy.wire import Stop

ANSWER_BYTES = 32 * 1024 * 1024
"""Of an answer that is held whole, so that it can be cut or put together."""

NO_ANSWER = Refusal(Reason.UPSTREAM_FAILED, "the GraphQL service gave no usable answer")

_REASONS = {reason.value: reason for reason in Reason}


async def put_together(line: Line, first: Whole, assemble: Assemble) -> bytes:
    """A list, whose first page is there. Raises Stop."""
    whole = first
    while True:
        if whole.status != 200:  # noqa: PLR2004
            raise Stop(NO_ANSWER, f"status {whole.status}")
        match assembled(whole.body, assemble):
            case Unusable(why):
                raise Stop(NO_ANSWER, why)
            case More(question, assemble):
                whole = await line.ask(Request(Upstream.GRAPHQL, "POST", "", "", question), limit=ANSWER_BYTES)
            case body:
                return body


def ending_of(body: dict[str, Any]) -> tuple[Outcome, Reason | None]:
    """How an operation of the control plane ended: its first error decides, if it has any."""
    for error in body.get("errors", ()):
        reason = _REASONS.get(error.get("extensions", {}).get("reason"), Reason.INTERNAL)
        return outcome_of(Refusal(reason, "")), reason
    return Outcome.ANSWERED, None
