"""Carrying out a plan. Nothing is decided here; what an upstream answers is judged by the plan's own words."""

from __future__ import annotations

from contextlib import closing
from http import HTTPStatus

from gateway import answers
from gateway.authz import whoami
from gateway.authz.outcome import (
    Assemble,
    Batch,
    Check,
    Collect,
    Computed,
    Deny,
    FaceCall,
    Forward,
    GraphQLRequest,
    Learn,
    Link,
    Local,
    Pass,
    Queried,
    Relink,
    WhoAmI,
)
from gateway.http1 import Call, Headers, Reason, Refusal, Reply, body_length, has_body
from gateway.metrics import Outcome
from gateway.proxy import jobs
from gateway.proxy.batch import answer_batch
from gateway.proxy.body import Counted
from gateway.proxy.body import whole as read_whole
from gateway.proxy.codings import accepting, uncoded
from gateway.proxy.context import Context
from gateway.proxy.deciding import Decided
from gateway.proxy.deferred import (
    ADDRESS_BYTES,
    answer_postponed,
    beginning,
    collect,
    with_our_addresses,
)
from gateway.proxy.graphql_answers import ANSWER_BYTES, NO_ANSWER, ending_of, put_together
from gateway.proxy.headers import UNKEPT, length_of, to_client
from gateway.proxy.line import Line, Request, Whole
from gateway.proxy.queried import answer_queries, by_j1ql
from gateway.proxy.trace import outcome_of
from gateway.proxy.wire import Answer, Stop
from gateway.proxy.writing import answer_in_pieces

_REFUSED_US = Refusal(Reason.UPSTREAM_FAILED, "the service behind the gateway did not accept the gateway's credential")
_REDIRECTED = Refusal(Reason.UPSTREAM_FAILED, "the service behind the gateway answered with a redirect")


async def carry_out(context: Context, decided: Decided) -> None:
    """Answers the call. Raises Stop, perhaps in the middle of the answer, and ClientGone."""
    match decided.plan:
        case Deny(refusal, grounds):
            context.trace.grounds = grounds
            raise Stop(refusal)
        case Local() as local:
            await _answer_locally(context, decided, local)
        case Forward() as forward:
            await _forward(context, decided, forward)
        case Queried() as queried:
            await answer_queries(context, decided, queried)
        case Batch(elements):
            await answer_batch(context, decided, elements)
        case Collect() as plan:
            await collect(context, decided, plan)
            context.trace.outcome = Outcome.FORWARDED if plan.check is None else Outcome.NARROWED


# --- our own answers ----------------------------------------------------------------------------------------------


async def _answer_locally(context: Context, decided: Decided, local: Local) -> None:
    trace = context.trace
    trace.grounds = local.grounds
    trace.outcome = Outcome.ANSWERED
    match local.operation:
        case Computed(value):
            reply = answers.answered(value, trace.call_id)
        case WhoAmI():
            limits = context.deps.limiter.limits(decided.principal)
            reply = answers.answered(
                whoami(decided.principal, context.deps.rules.of(decided.principal.organization), limits), trace.call_id
            )
        case GraphQLRequest() as request:
            executed = await context.deps.execute(request, decided.principal, trace.call_id)
            trace.outcome, trace.reason = ending_of(executed.body)
            reply = answers.answered(executed.body, trace.call_id, status=executed.status)
        case FaceCall(face, call):
            faced = await context.deps.faces[face](call, decided.principal, trace.call_id)
            trace.reason = faced.reason
            trace.outcome = outcome_of(Refusal(faced.reason, "")) if faced.reason else Outcome.ANSWERED
            if faced.body is None:
                reply = answers.empty(trace.call_id, faced.status, faced.headers)
            else:
                reply = answers.answered(faced.body, trace.call_id, status=faced.status, more=faced.headers)
    await context.answer(reply)


# --- an upstream's answers ----------------------------------------------------------------------------------------


async def _forward(context: Context, decided: Decided, forward: Forward) -> None:
    trace = context.trace
    trace.grounds = forward.grounds
    trace.mode = forward.mode
    line = context.line(decided.principal)
    match forward.answer:
        case Pass():
            await _pass(context, decided.call, forward, line)
            trace.outcome = Outcome.FORWARDED
        case Relink(links, small):
            await (_pass_relinked if small else _pass_whole)(context, decided, forward, line, links)
            trace.outcome = Outcome.FORWARDED
        case Learn(instance):
            await _learn(context, decided, forward, line, instance)
            trace.outcome = Outcome.FORWARDED
        case Check(deferred=True) as check:
            await answer_postponed(context, decided, line, check)
            trace.outcome = Outcome.NARROWED
        case Check() as check:
            await _check(context, line, check)
            trace.outcome = Outcome.NARROWED
        case Assemble() as assemble:
            await _assemble(context, decided.call, forward, line, assemble)
            trace.outcome = Outcome.NARROWED


async def _pass(context: Context, call: Call, forward: Forward, line: Line) -> None:
    """Streams both ways; memory holds a piece of either at a time.

    What was decided holds for this one answer: a key that is revoked meanwhile gets the rest of it, for as long as the
    upstream keeps sending and the client keeps reading, piece by piece within their timeouts.
    """
    with closing(await line.open(_request(context, call, forward), call.headers)) as answer:
        _refuse_unfit(answer.status)
        body = answer.at_once() if answer.status < HTTPStatus.BAD_REQUEST else None
        headers = _headers(context, answer.headers)
        context.answering(answer.status)
        if body is None:
            await _stream(context, answer, headers)
        else:
            await context.incoming.answer(Reply(answer.status, body, headers))


async def _pass_relinked(
    context: Context, decided: Decided, forward: Forward, line: Line, links: tuple[Link, ...]
) -> None:
    """The same, but for an answer with the address of a result, which is small."""
    call = decided.call
    with closing(await line.open(_request(context, call, forward), accepting(call.headers))) as answer:
        _refuse_unfit(answer.status)
        start, is_whole = await beginning(answer, links, ADDRESS_BYTES, context.hold)
        if is_whole:
            whole = with_our_addresses(context, decided, Whole(answer.status, answer.headers, start), links)
            context.answering(answer.status)
            await context.incoming.answer(Reply(whole.status, whole.body, _headers(context, whole.headers)))
            return
        context.answering(answer.status)
        await _stream(context, answer, _headers(context, answer.headers), start)


async def _pass_whole(
    context: Context, decided: Decided, forward: Forward, line: Line, links: tuple[Link, ...]
) -> None:
    """The same where an answer with an address may have much else, by which a caller could push it out of sight."""
    call = decided.call
    headers = accepting(call.headers, gzip=False)
    with closing(await line.open(_request(context, call, forward), headers)) as answer:
        _refuse_unfit(answer.status)
        body = await read_whole(uncoded(answer, NO_ANSWER), ANSWER_BYTES, context.hold, over=NO_ANSWER)
        plain = tuple(header for header in answer.headers if header[0] != b"content-encoding")
        whole = with_our_addresses(context, decided, Whole(answer.status, plain, body), links)
        context.answering(answer.status)
        await context.incoming.answer(Reply(whole.status, whole.body, _headers(context, plain)))


def _headers(context: Context, upstream: Headers) -> Headers:
    ours: Headers = (*UNKEPT, (b"x-request-id", context.trace.call_id.encode()), *context.trace.charge.headers())
    return to_client(upstream, ours)


async def _stream(context: Context, answer: Answer, headers: Headers, start: bytes = b"") -> None:
    """Memory holds a piece of the answer at a time."""
    incoming = context.incoming
    if (length := length_of(answer.headers)) is not None:
        headers = (*headers, (b"content-length", b"%d" % length))
    await incoming.begin(answer.status, headers)
    if start:
        await incoming.write(start)
    while piece := await answer.read():
        await incoming.write(piece)
    await incoming.end()


async def _learn(context: Context, decided: Decided, forward: Forward, line: Line, instance: str | None) -> None:
    """A creation that succeeded is passed on once its job is known; one that failed is the upstream's to explain."""
    whole = await line.ask(_request(context, decided.call, forward), limit=jobs.ANSWER_BYTES)
    _refuse_unfit(whole.status)
    if whole.status < 300:  # noqa: PLR2004
        context.deps.jobs.learn(decided.principal.organization, instance, whole)
    ours = (*UNKEPT, (b"x-request-id", context.trace.call_id.encode()))
    await context.answer(Reply(whole.status, whole.body, to_client(whole.headers, ours)))


async def _check(context: Context, line: Line, check: Check) -> None:
    answered = await context.deps.pages.answer(check, by_j1ql(context, line), call=context.trace.call_id)
    await answer_in_pieces(context, answered.pieces(), context.narrowed())


async def _assemble(context: Context, call: Call, forward: Forward, line: Line, assemble: Assemble) -> None:
    first = await line.ask(_request(context, call, forward), limit=ANSWER_BYTES)
    made = await put_together(line, first, assemble)
    await context.answer(Reply(200, made, answers.headers(context.trace.call_id)))


def _request(context: Context, call: Call, forward: Forward) -> Request:
    """What goes upstream: the plan's body, or the caller's own as far as it was read, or as it comes."""
    body = forward.body if forward.body is not None else call.body
    if body is None and has_body(call.headers):
        source = Counted(context.incoming, call, context.options.upload_bytes)
        return Request(forward.upstream, forward.method, forward.path, forward.query, source, body_length(call.headers))
    return Request(forward.upstream, forward.method, forward.path, forward.query, body or None)


def _refuse_unfit(status: int) -> None:
    """Answers about the way between gateway and upstream are no answers for a client.

    A 401 speaks of our credential, and would make a client throw away its own; a redirect leads past the gateway.
    """
    if status in {401, 407}:
        raise Stop(_REFUSED_US, f"status {status}")
    if 300 <= status < 400 and status != 304:  # noqa: PLR2004
        raise Stop(_REDIRECTED, f"status {status}")
