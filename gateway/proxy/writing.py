"""Answers of our own that may be large: written piece by piece, since to join them would be to hold them twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus

from gateway import answers
from gateway.authz.rows import Text
from gateway.http1 import Headers, Reply
from gateway.proxy.context import Context

PIECE = 256 * 1024
"""Bytes that are written at a time; a shorter answer is written at once."""


async def answer_in_pieces(context: Context, texts: Sequence[Text], more: Headers) -> None:
    """Answers with JSON that is there in several texts, and `more` headers. Raises ClientGone."""
    size = sum(map(_size, texts))
    headers = (*answers.headers(context.trace.call_id), *more)
    if size <= PIECE:
        await context.answer(Reply(HTTPStatus.OK, b"".join(texts), headers))
        return
    context.answering(HTTPStatus.OK)
    length = (b"content-length", b"%d" % size)
    await context.incoming.begin(HTTPStatus.OK, (*headers, *context.trace.charge.headers(), length))
    for piece in pieces(texts, PIECE):
        await context.incoming.write(piece)
    await context.incoming.end()


def pieces(texts: Iterable[Text], size: int) -> Iterator[bytes]:
    """The texts as one, cut anew; all but the last have that many bytes."""
    waiting: list[memoryview] = []
    room = size
    for text in texts:
        view = memoryview(text)
        while view:
            waiting.append(view[:room])
            view = view[room:]
            room -= len(waiting[-1])
            if not room:
                yield b"".join(waiting)
                waiting.clear()
                room = size
    if waiting:
        yield b"".join(waiting)


def _size(text: Text) -> int:
    return memoryview(text).nbytes
