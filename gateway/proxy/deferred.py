"""Results that an upstream puts aside: asked for, and fetched for whoever has an address of ours.

Source of the documents' members: JupiterOne's documentation ("Querying with deferred response") and its public clients.
Where a key has a condition, nothing of them is passed on but that a result is not there yet; the rest is ours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from gateway import answers
from gateway.authz.deferred import has_no_address, put_aside, read_state, relinked, restated
from gateway.authz.outcome import Check, Collect, Link, Postponed, Unusable, Upstream
from gateway.authz.rows import Body
from gateway.http1 import Headers, Reason, Refusal
from gateway.proxy.body import Hold
from gateway.proxy.codings import INFLATED, coding_of, inflated, uncoded
from gateway.proxy.context import Context
from gateway.proxy.deciding import Decided
from gateway.proxy.headers import UNKEPT, length_of
from gateway.proxy.line import Line, Request, Whole
from gateway.proxy.pages import Document
from gateway.proxy.seals import Position
from gateway.proxy.wire import Answer, Stop
from gateway.proxy.writing import answer_in_pieces

_FAILED = Refusal(Reason.UPSTREAM_FAILED, "the query service gave no usable answer")
_GONE = Refusal(Reason.UNKNOWN_RESULT, "the result is not there any more: send the query again")
_QUERY_FAILED = "the query failed"
"""Fixed: an error text of the upstream could name what the key may not see."""

ADDRESS_BYTES = 64 * 1024
"""Of an answer that gives an address and no rows."""
_OF_A_RESULT = frozenset({b"content-encoding", b"content-type"})
"""Headers that say how a result is to be read; the rest is the business of the store that it lies in."""


class _Read(NamedTuple):
    """A result that was fetched, as if a query had been answered with it."""

    body: Body
    status: int = HTTPStatus.OK


_encode = msgspec.json.Encoder().encode


# --- asked for ----------------------------------------------------------------------------------------------------


async def postpone(context: Context, decided: Decided, line: Line, check: Check) -> str:
    """Lets the upstream put the answer to a narrowed query aside; the address of ours that stands for it.

    Raises Stop: the cursor is not for this query, or the upstream does not do it.
    """
    context.deps.pages.alarms.refuse(check)
    start = context.deps.pages.start(check)
    asked = check.request | {"deferredResponse": "FORCE"}
    if start.cursor is not None:
        asked["cursor"] = start.cursor
    request = Request(Upstream.J1QL, "POST", "", "", msgspec.json.encode(asked))
    whole = await line.ask(request, limit=ADDRESS_BYTES)
    if whole.status != HTTPStatus.OK:
        raise Stop(_FAILED, f"status {whole.status}")
    place = put_aside(whole.body)
    if isinstance(place, Unusable):
        raise Stop(_FAILED, place.why)
    arguments = {"query": check.seal.query, "variables": msgspec.Raw(check.seal.variables.encode() or b"null")}
    postponed = Postponed(
        place,
        is_result=False,
        key=decided.key,
        expires_at=_expires_at(context),
        bound=check.seal.digest(),
        arguments=msgspec.json.encode(arguments),
        cursor=start.cursor,
        offset=start.offset,
    )
    return context.deps.results.ours(decided.call, postponed, line.binding)


async def answer_postponed(context: Context, decided: Decided, line: Line, check: Check) -> None:
    """The answer of `/j1ql`."""
    address = await postpone(context, decided, line, check)
    value = {"type": "deferred", "data": None, "url": address}
    await context.answer(answers.answered(value, context.trace.call_id, more=context.narrowed()))


async def beginning(answer: Answer, links: Sequence[Link], most: int, hold: Hold) -> tuple[bytes, bool]:
    """What comes first of an answer, and whether that is all of it: until it has more than `most` bytes, or it is
    certain that it has no address."""
    if (body := answer.at_once()) is not None:
        return body, True
    pieces: list[bytes] = []
    size = 0
    while size <= most:
        piece = await answer.read()
        if not piece:
            return b"".join(pieces), True
        hold.grow(len(piece))
        pieces.append(piece)
        size += len(piece)
        if not coding_of(answer.headers) and has_no_address(pieces[0], links):
            break
    return b"".join(pieces), False


def with_our_addresses(context: Context, decided: Decided, whole: Whole, links: Sequence[Link]) -> Whole:
    """An upstream's answer to a key without a condition, as it was, or with addresses of ours in it.

    Raises Stop: a result lies where it is not fetched, or the answer has a coding that nobody asked for.
    """
    coding = coding_of(whole.headers)
    if coding and coding not in INFLATED:
        raise Stop(_FAILED, "the answer has a content coding that is not known")
    plain = inflated(whole.body) if coding else whole.body
    if plain is None or has_no_address(plain, links):
        return whole
    body = relinked_part(context, decided, plain, links)
    if isinstance(body, Unusable):
        if plain and whole.status < HTTPStatus.BAD_REQUEST:  # what is said of a failure need not be JSON
            raise Stop(_FAILED, body.why)
        return whole
    if body is plain:
        return whole
    return Whole(whole.status, tuple(header for header in whole.headers if header[0] != b"content-encoding"), body)


def relinked_part(context: Context, decided: Decided, part: bytes, links: Sequence[Link]) -> bytes | Unusable:
    """JSON with addresses of ours. Raises Stop: a result lies where it is not fetched."""

    def ours(place: str, link: Link) -> str:
        postponed = Postponed(
            place, is_result=False, key=decided.key, expires_at=_expires_at(context), field=link.field
        )
        return context.deps.results.ours(decided.call, postponed, context.binding(decided.principal))

    return relinked(part, links, ours)


def _expires_at(context: Context) -> int:
    return context.deps.now() + int(context.deps.results.options.seconds * 1000)


# --- fetched ------------------------------------------------------------------------------------------------------


async def collect(context: Context, decided: Decided, plan: Collect) -> None:
    """Answers with what lies at an upstream's address. Raises Stop, perhaps in the middle of the answer."""
    context.trace.grounds = plan.grounds
    context.trace.mode = plan.mode
    line = context.line(decided.principal)
    if plan.check is not None:
        await _collect_checked(context, decided, line, plan.postponed, plan.check)
    elif plan.postponed.is_result:
        await _pass_result(context, line, plan.postponed.place)
    else:
        await _pass_state(context, decided, line, plan.postponed)


async def _pass_result(context: Context, line: Line, place: str) -> None:
    with closing(await _fetched(context, line, place)) as answer:
        kept = tuple(header for header in answer.headers if header[0] in _OF_A_RESULT)
        ours = (*UNKEPT, (b"x-request-id", context.trace.call_id.encode()), *context.trace.charge.headers())
        length = length_of(answer.headers)
        sized: Headers = () if length is None else ((b"content-length", b"%d" % length),)
        context.answering(HTTPStatus.OK)
        await context.incoming.begin(HTTPStatus.OK, (*kept, *ours, *sized))
        while piece := await answer.read():
            await context.incoming.write(piece)
        await context.incoming.end()


async def _pass_state(context: Context, decided: Decided, line: Line, postponed: Postponed) -> None:
    def ours(place: str) -> str:
        result = msgspec.structs.replace(postponed, place=place, is_result=True)
        return context.deps.results.ours(decided.call, result, line.binding)

    async with _read(context, line, postponed.place) as document:
        state = read_state(document)
        if isinstance(state, Unusable):
            raise Stop(_FAILED, state.why)
        alone = state.url if state.is_there and not state.holds_result else None
        async with _read_json(context, line, alone) as result:
            pieces = restated(document, postponed.place, ours, result)
            if isinstance(pieces, Unusable):
                raise Stop(_FAILED, pieces.why)
            await answer_in_pieces(context, pieces, ())


async def _collect_checked(context: Context, decided: Decided, line: Line, postponed: Postponed, check: Check) -> None:
    context.deps.pages.alarms.refuse(check)
    async with _read(context, line, postponed.place) as document:
        if postponed.is_result:
            await _answer_page(context, line, postponed, check, document)
            return
        state = read_state(document)
        if isinstance(state, Unusable):
            raise Stop(_FAILED, state.why)
        if not state.is_there:
            await _tell(context, under_way=state.is_under_way)
            return
        result = msgspec.structs.replace(postponed, is_result=True, place=state.url or postponed.place)
        url = context.deps.results.ours(decided.call, result, line.binding)
        said = _encode(_said(context, "COMPLETED") | {"url": url})[1:-1] + b","
        if state.holds_result:
            await _answer_page(context, line, postponed, check, document, said)
            return
    async with _read(context, line, result.place) as document:
        await _answer_page(context, line, postponed, check, document, said)


async def _tell(context: Context, *, under_way: bool) -> None:
    """That the result is not there, yet or at all."""
    if under_way:
        said = _said(context, "IN_PROGRESS")
    else:
        context.trace.detail = "the upstream's query failed"
        said = _said(context, "FAILED") | {"error": _QUERY_FAILED}
    await context.answer(answers.answered(said, context.trace.call_id, more=context.narrowed()))


def _said(context: Context, status: str) -> dict[str, str]:
    return {"status": status, "correlationId": context.trace.call_id}


async def _answer_page(  # noqa: PLR0913, PLR0917
    context: Context, line: Line, postponed: Postponed, check: Check, document: Body, said: bytes = b""
) -> None:
    """The page that begins in a result; if it is not full, the upstream is asked for what follows, without deferring:
    it has made the answer already. `said` are members before those of the page."""
    pages = context.deps.pages
    first = [_Read(document)]

    async def ask(body: bytes) -> Document:
        if first:
            return first.pop()
        return await line.ask_large(Request(Upstream.J1QL, "POST", "", "", body), limit=pages.options.answer_bytes)

    start = Position(postponed.cursor, postponed.offset)
    answered = await pages.answer(check, ask, start, call=context.trace.call_id)
    await answer_in_pieces(context, answered.pieces(said), context.narrowed())


# --- reading and writing ------------------------------------------------------------------------------------------


@asynccontextmanager
async def _read(context: Context, line: Line, place: str) -> AsyncIterator[Body]:
    """What lies at an address, whole, for as long as it is needed."""
    spool = context.deps.results.spool
    with spool.room() as disk:
        with closing(await _fetched(context, line, place)) as answer:
            document = await spool.whole(uncoded(answer, _FAILED), context.hold, disk, over=_FAILED)
        yield document


@asynccontextmanager
async def _read_json(context: Context, line: Line, place: str | None) -> AsyncIterator[Body]:
    """A result for clients that take it from the document, if it is such as the document could hold; else nothing, and
    whoever wants it gets it at its own address, as it comes."""
    if place is None:
        yield b""
        return
    spool = context.deps.results.spool
    with spool.room() as disk:
        with closing(await _fetched(context, line, place)) as answer:
            length = length_of(answer.headers)
            is_json = any(name == b"content-type" and b"json" in value for name, value in answer.headers)
            fits = length is not None and length <= spool.options.result_bytes
            document: Body = b""
            if is_json and fits:
                document = await spool.whole(uncoded(answer, _FAILED), context.hold, disk, over=_FAILED)
        yield document


async def _fetched(context: Context, line: Line, place: str) -> Answer:
    context.deps.results.refuse_elsewhere(place, line.binding)
    answer = await line.fetch(place)
    if answer.status == HTTPStatus.OK:
        return answer
    answer.close()
    gone = answer.status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
    raise Stop(_GONE if gone else _FAILED, f"status {answer.status} where the result lies")
