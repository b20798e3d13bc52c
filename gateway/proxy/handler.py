"""Serves calls: decide, then do.

Everything up to the plan decides and forwards nothing; whatever goes wrong there, a bug of ours included, ends the call
with nothing sent upstream. What comes after carries out a plan and decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus

from gateway import answers
from gateway.authz.outcome import counted
from gateway.http1 import Call, Reason, Refusal, Reply
from gateway.metrics import Ending, Outcome
from gateway.proxy.body import Budget
from gateway.proxy.carrying import carry_out
from gateway.proxy.charging import Charges
from gateway.proxy.context import Context, Deps, ProxyOptions
from gateway.proxy.deciding import decide, fronted
from gateway.proxy.trace import Trace
from gateway.proxy.wire import ClientGone, Incoming, Stop

_log = logging.getLogger(__name__)

_INTERNAL = Refusal(Reason.INTERNAL, "the gateway failed to serve this call; tell your operator the request id")


class Handler:
    """Answers every call that comes in, and raises nothing but its own cancellation."""

    def __init__(self, deps: Deps, options: ProxyOptions | None = None) -> None:
        self._deps = deps
        self._options = options or ProxyOptions()
        self._budget = Budget(self._options.buffered_bytes)

    async def __call__(self, incoming: Incoming) -> None:
        trace = Trace(self._deps.new_id(), incoming.head.method)
        self._deps.metrics.begun()
        hold = self._budget.hold()
        try:
            await _serve(Context(self._deps, self._options, incoming, trace, hold))
        except ClientGone:
            trace.outcome = Outcome.CANCELLED
            incoming.cut()
        except asyncio.CancelledError:
            trace.outcome = Outcome.CANCELLED
            raise
        finally:
            hold.close()
            self._note(trace)

    def malformed(self, refusal: Refusal) -> Reply:
        """The answer to what the server could not read as a call at all."""
        trace = Trace(self._deps.new_id(), "")
        self._deps.metrics.begun()
        trace.refused(refusal)
        reply = answers.refused(refusal, trace.call_id, "")
        trace.status = reply.status
        self._note(trace)
        return reply

    def _note(self, trace: Trace) -> None:
        ending = Ending(trace.method, trace.status, trace.outcome, trace.reason)
        now = self._deps.now()
        self._deps.metrics.ended(trace.route, ending, trace.elapsed())
        self._deps.uses.note(trace, now)
        self._deps.log.write(trace, now)


async def _serve(context: Context) -> None:
    try:
        call = fronted(context)
        if call.method == "GET" and call.path in context.deps.documents:
            await _tell(context, call)
        else:
            await _carry_out_charged(context, call)
    except Stop as stop:
        await _refuse(context, _failed(context, stop.refusal), stop.detail)
    except ClientGone:
        raise
    except Exception:  # noqa: BLE001 (whatever fails, the call ends here and the worker lives on)
        _log.exception("call %s failed", context.trace.call_id)
        await _refuse(context, _INTERNAL, "")


async def _carry_out_charged(context: Context, call: Call) -> None:
    try:
        decided = await decide(context, call)
        calls = counted(decided.plan)
        await context.charge(decided.principal, Charges(max(1, calls), calls))
        await carry_out(context, decided)
    finally:
        context.trace.charge.leave()


def _failed(context: Context, refusal: Refusal) -> Refusal:
    """A key that does not work counts against the address that sent it, which may be told that it has sent enough."""
    if refusal.status != HTTPStatus.UNAUTHORIZED:
        return refusal
    return context.deps.bad_keys.failed(context.incoming.address) or refusal


async def _tell(context: Context, call: Call) -> None:
    """A document that anybody may have."""
    context.trace.outcome = Outcome.ANSWERED
    await context.answer(answers.answered(context.deps.documents[call.path], context.trace.call_id))


async def _refuse(context: Context, refusal: Refusal, detail: str) -> None:
    """Answers with a refusal; where an answer has begun, no client may take it for a whole one."""
    context.trace.refused(refusal)
    context.trace.detail = detail
    if context.incoming.begun:
        context.incoming.cut()
        return
    path = context.incoming.head.target.partition(b"?")[0].decode("ascii", "replace")
    await context.answer(answers.refused(refusal, context.trace.call_id, path))
