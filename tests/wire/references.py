"""What others read in the bytes of a client: h11, and the parser of aiohttp. They share no code with the gateway's.

A reading ends with the first thing that is no call, or with the bytes.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import h11
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser
from aiohttp.http_exceptions import HttpProcessingError


@dataclass
class Read:
    """One call; `whole` when the end of its body came, `refused` where the reader takes it for no body."""

    method: str
    target: bytes
    body: bytes = b""
    whole: bool = False
    refused: bool = False
    headers: tuple[tuple[bytes, bytes], ...] | None = None
    """Names in lower case; None where the reader cannot be asked (aiohttp puts trailers among the next call's)."""

    @property
    def asks_to_go_on(self) -> bool:
        return (b"connection", b"keep-alive") in [(name, value.lower()) for name, value in self.headers or ()]


def by_h11(data: bytes) -> list[Read]:
    """It forgives more than the gateway does, bare LF, folded lines, lists of equal lengths; but no empty line.

    So those before a call, which a server should ignore (RFC 9112, section 2.2), are taken away first.
    """
    found: list[Read] = []
    while data := _without_empty_lines(data):
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        connection.receive_data(data)
        try:
            _one_by_h11(connection, found)
        except h11.RemoteProtocolError:
            if found and not found[-1].whole:
                found[-1].refused = True
            break
        if not _goes_on(connection, found):
            break
        data, _ = connection.trailing_data
    return found


def _goes_on(connection: h11.Connection, found: list[Read]) -> bool:
    """It closes after each call in HTTP/1.0, though a server may go on (RFC 9112, section 9.3)."""
    ended = connection.their_state in {h11.DONE, h11.MUST_CLOSE}
    return ended and (connection.their_state is h11.DONE or found[-1].asks_to_go_on)


def _without_empty_lines(data: bytes) -> bytes:
    while data.startswith(b"\r\n"):
        data = data[2:]
    return data


def _one_by_h11(connection: h11.Connection, found: list[Read]) -> None:
    while True:
        match connection.next_event():
            case h11.Request(method=method, target=target, headers=headers):
                found.append(Read(method.decode(), target, headers=tuple(headers)))
            case h11.Data(data=data):
                found[-1].body += bytes(data)
            case h11.EndOfMessage():
                found[-1].whole = True
                return
            case _:
                return


def by_aiohttp(data: bytes) -> list[Read]:
    """Byte by byte: in one piece it throws away with what it refuses the calls before that."""
    loop = asyncio.new_event_loop()
    try:
        parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16, auto_decompress=False)
        return _by_aiohttp(parser, data)
    finally:
        loop.close()


def _by_aiohttp(parser: HttpRequestParser, data: bytes) -> list[Read]:
    found: list[tuple[Read, StreamReader]] = []
    for place in range(len(data)):
        try:
            messages, upgraded, _ = parser.feed_data(data[place : place + 1])
        except HttpProcessingError:
            if found and not found[-1][0].whole:
                found[-1][0].refused = True
            break
        found += [
            (Read(message.method, message.path.encode("utf-8", "surrogateescape")), payload)
            for message, payload in messages
        ]
        for read, payload in found[-2:]:
            _take(read, payload)
        if upgraded or (messages and messages[-1][0].should_close and found[-1][0].whole):
            break
    return [read for read, _ in found]


def _take(read: Read, payload: StreamReader) -> None:
    """What there is of a body; a broken one never is whole."""
    read.refused = payload.exception() is not None
    with suppress(Exception):
        read.body += payload.read_nowait()
        read.whole = payload.is_eof()
