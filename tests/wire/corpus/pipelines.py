"""Several calls on one connection (9112, 9.3.2): answered in their order, and none after one that is refused."""

from __future__ import annotations

from wire.cases import CHUNKED, EMPTY, GET, HELLO, LENGTH, Call, Case, closed, get, message, post, refused, served

ONE = b"5\r\nhello\r\n0\r\n\r\n"


def numbered(count: int) -> bytes:
    return b"".join(message(b"GET /%d HTTP/1.1" % number) for number in range(count))


def calls(count: int) -> list[Call]:
    return [Call("GET", b"/%d" % number) for number in range(count)]


ALL: list[Case] = [
    served("two calls", get() + get(), GET, GET),
    served("fifty calls", numbered(50), *calls(50)),
    served("fifty bodies", post(LENGTH) * 50, *[HELLO] * 50),
    served(
        "bodies of all kinds",
        post(LENGTH) + post(CHUNKED, body=ONE) + get() + post(body=b"") + post(LENGTH),
        HELLO,
        HELLO,
        GET,
        EMPTY,
        HELLO,
    ),
    served("chunks after chunks", post(CHUNKED, body=ONE) * 10, *[HELLO] * 10),
    refused("garbage after a call", get() + b"GARBAGE\r\n\r\n" + get(), GET, why="9112, 2.2"),
    refused("garbage after fifty calls", numbered(50) + b"GARBAGE\r\n\r\n", *calls(50)),
    refused("garbage after a body", post(LENGTH) + b"GARBAGE\r\n\r\n", HELLO),
    refused("a byte more than the length", post(LENGTH, body=b"hello!"), HELLO, why="it is the start of another call"),
    refused("a byte after the chunks", post(CHUNKED, body=ONE + b"!"), HELLO),
    refused("garbage after chunks", post(CHUNKED, body=ONE) + b"0\r\n\r\n", HELLO),
    refused(
        "a call that is refused in the middle",
        get() + post(LENGTH, CHUNKED, body=ONE) + get(),
        GET,
        why="9112, 6.1: then closed",
    ),
    refused("a method that is refused in the middle", get() + message(b"BREW /a HTTP/1.1") + get(), GET),
    refused(
        "a body where none may be, in the middle",
        get() + message(b"GET /a HTTP/1.1", LENGTH, body=b"hello") + get(),
        GET,
    ),
    refused("broken chunks in the middle", get() + post(CHUNKED, body=b"5\r\nhelloXX0\r\n\r\n") + get(), GET),
    refused("a head too large in the middle", get() + get(b"X-A: " + b"a" * 20_000) + get(), GET),
    closed(
        "the last call in the middle",
        get() + get(b"Connection: close") + get(),
        GET,
        GET,
        why="9112, 9.6: what follows is not a call",
    ),
    closed("garbage after the last call", get(b"Connection: close") + b"GARBAGE\r\n\r\n", GET, why="9112, 9.6"),
    closed("HTTP/1.0 in the middle", get() + message(b"GET /a HTTP/1.0") + get(), GET, GET, why="9112, 9.3"),
]
