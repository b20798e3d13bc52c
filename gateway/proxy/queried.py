"""Query fields of GraphQL for a key with a condition: each one is answered by a page, as on `/j1ql`.

They are asked one after the other, so that a call has as much under way as any other. Together they have the time of
one page: what is late is shorter and has a cursor.
"""

from __future__ import annotations

from dataclasses import replace

from gateway import answers
from gateway.authz.outcome import Check, Queried, Upstream
from gateway.authz.query_fields import Shown, of_query, shown
from gateway.http1 import Reason, Refusal, Reply
from gateway.metrics import Outcome
from gateway.proxy.context import Context
from gateway.proxy.deciding import Decided
from gateway.proxy.deferred import postpone
from gateway.proxy.line import Large, Line, Request
from gateway.proxy.pages import Ask
from gateway.proxy.wire import Stop


def by_j1ql(context: Context, line: Line) -> Ask:
    """Asks where `/j1ql` does."""
    limit = context.deps.pages.options.answer_bytes

    async def ask(body: bytes) -> Large:
        return await line.ask_large(Request(Upstream.J1QL, "POST", "", "", body), limit=limit)

    return ask


async def answer_queries(context: Context, decided: Decided, queried: Queried) -> None:
    """Answers an operation that came alone. Raises Stop."""
    trace = context.trace
    trace.grounds = queried.grounds
    trace.mode = queried.mode
    body = await answered_queries(context, decided, queried, context.deps.pages.deadline())
    trace.outcome = Outcome.NARROWED
    await context.answer(Reply(200, body, (*answers.headers(trace.call_id), *context.narrowed())))


async def answered_queries(context: Context, decided: Decided, queried: Queried, deadline: float) -> bytes:
    """The JSON of an operation's answer; `deadline` is one of `Pages.deadline`.

    Raises Stop: a query that fails fails the operation, for its field is never null (`QueryV1Response!`).
    """
    line = context.line(decided.principal)
    parts = {}
    for key, check in queried.checks:
        try:
            parts[key] = await _answered(context, decided, line, check, deadline)
        except Stop as stop:
            raise Stop(of_query(_of_field(stop.refusal), key, len(queried.checks)), stop.detail) from stop
    return shown(queried, parts, context.trace.call_id)


async def _answered(context: Context, decided: Decided, line: Line, check: Check, deadline: float) -> Shown:
    if check.deferred:
        return Shown("deferred", url=await postpone(context, decided, line, check))
    ask = by_j1ql(context, line)
    page = await context.deps.pages.answer(check, ask, call=context.trace.call_id, deadline=deadline)
    data = page.data()
    context.hold.grow(2 * sum(map(len, data)))  # here in one piece, and in the answer
    return Shown(page.shape, b"".join(data), page.cursor)


def _of_field(refusal: Refusal) -> Refusal:
    """A cursor of another query is a fault of a field here, not of the body: the vendor's Python client, which asks
    again for ever after a 400, shall hear of it."""
    if refusal.reason is not Reason.MALFORMED_BODY:
        return refusal
    return replace(refusal, reason=Reason.UNSUPPORTED_ARGUMENT)
