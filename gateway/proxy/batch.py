"""A GraphQL array: what is allowed goes upstream in one request, and the answers come back in the caller's order.

A batch is answered with 200 whatever its elements end in, because one refused element must not take the others away:
clients repeat the whole array when its answer is not an array of the same length.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gateway import answers
from gateway.answers import encoded
from gateway.authz.outcome import (
    Assemble,
    Deny,
    Forward,
    GraphQLRequest,
    Local,
    Pass,
    Queried,
    Relink,
    Unusable,
)
from gateway.http1 import Refusal, Reply
from gateway.metrics import Outcome
from gateway.proxy.context import Context
from gateway.proxy.deciding import Decided
from gateway.proxy.deferred import relinked_part
from gateway.proxy.graphql_answers import ANSWER_BYTES, NO_ANSWER, ending_of, put_together
from gateway.proxy.line import Request, Whole
from gateway.proxy.queried import answered_queries
from gateway.proxy.trace import Element, outcome_of
from gateway.proxy.wire import Stop

_array = msgspec.json.Decoder(list[msgspec.Raw])


async def answer_batch(
    context: Context, decided: Decided, elements: tuple[Deny | Local | Forward | Queried, ...]
) -> None:
    """Answers a call that was an array. Raises ClientGone."""
    trace = context.trace
    trace.mode = next((each.mode for each in elements if isinstance(each, Queried)), None)
    deadline = context.deps.pages.deadline()
    passed = await _ask_batch(context, decided, [each for each in elements if isinstance(each, Forward)])
    parts = []
    for element in elements:
        if isinstance(element, Queried):
            part, ending = await _part_of_queries(context, decided, element, deadline)
        else:
            part, ending = await _part(context, decided, element, passed)
        parts.append(part)
        trace.elements = (*trace.elements, ending)
    trace.outcome = Outcome.BATCH
    body = b"[" + b",".join(parts) + b"]"
    more = context.narrowed() if trace.mode else ()
    await context.answer(Reply(200, body, (*answers.headers(trace.call_id), *more)))


async def _ask_batch(context: Context, decided: Decided, forwards: list[Forward]) -> Iterator[bytes] | Refusal:
    """The upstream's answers to the elements that may pass, or why there are none."""
    if not forwards:
        return iter(())
    first = forwards[0]
    request = Request(first.upstream, first.method, first.path, first.query, _joined(forwards))
    try:
        answer = await context.line(decided.principal).ask(request, limit=ANSWER_BYTES)
    except Stop as stop:
        return stop.refusal
    parts = _parted(answer, len(forwards))
    return NO_ANSWER if parts is None else iter(parts)


async def _part(
    context: Context, decided: Decided, element: Deny | Local | Forward, passed: Iterator[bytes] | Refusal
) -> tuple[bytes, Element]:
    """The answer to one operation of an array, and how it ended."""
    call_id = context.trace.call_id
    match element:
        case Deny(refusal, grounds):
            part = answers.graphql_error(refusal, call_id)
            return encoded(part), Element(grounds, outcome_of(refusal), refusal.reason)
        case Local(GraphQLRequest() as request, grounds):
            executed = await context.deps.execute(request, decided.principal, call_id)
            return encoded(executed.body), Element(grounds, *ending_of(executed.body))
        case Forward(answer=Pass() | Relink() | Assemble() as answer, grounds=grounds):
            made = passed if isinstance(passed, Refusal) else await _made(context, decided, next(passed), answer)
            if isinstance(made, Refusal):
                return encoded(answers.graphql_error(made, call_id)), Element(grounds, Outcome.FAILED, made.reason)
            return made, Element(grounds, Outcome.NARROWED if isinstance(answer, Assemble) else Outcome.FORWARDED)
        case _:
            raise RuntimeError("a batch holds GraphQL operations only")


async def _part_of_queries(
    context: Context, decided: Decided, queried: Queried, deadline: float
) -> tuple[bytes, Element]:
    """As `_part`; what fails takes no other operation away."""
    try:
        part = await answered_queries(context, decided, queried, deadline)
    except Stop as stop:
        context.trace.detail = stop.detail
        refusal = stop.refusal
        part = encoded(answers.graphql_error(refusal, context.trace.call_id))
        return part, Element(queried.grounds, outcome_of(refusal), refusal.reason)
    return part, Element(queried.grounds, Outcome.NARROWED)


async def _made(context: Context, decided: Decided, part: bytes, answer: Pass | Relink | Assemble) -> bytes | Refusal:
    """What the caller gets for an upstream's answer to one operation."""
    try:
        match answer:
            case Pass():
                return part
            case Relink(links):
                made = relinked_part(context, decided, part, links)
                return NO_ANSWER if isinstance(made, Unusable) else made
            case Assemble():
                return await put_together(context.line(decided.principal), Whole(200, (), part), answer)
    except Stop as stop:
        return stop.refusal


def _joined(elements: list[Forward]) -> bytes:
    """One array of the elements' own bytes."""
    return b"[" + b",".join(element.body or b"null" for element in elements) + b"]"


def _parted(answer: Whole, count: int) -> list[bytes] | None:
    """The answers to `count` elements, each the upstream's own bytes; None if the answer is no such array."""
    if answer.status != 200:  # noqa: PLR2004
        return None
    try:
        elements = _array.decode(answer.body)
    except msgspec.DecodeError:
        return None
    return [bytes(element) for element in elements] if len(elements) == count else None
