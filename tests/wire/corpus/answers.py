"""Answers of an upstream: what a client of it gets (RFC 9112 unless said otherwise).

A client forgives what a server may not: nobody decides anything by an answer's head but where it ends.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """`body` is what is read before `broken`, if it is; None where there is no usable answer at all.

    `reused` says whether the connection may serve another request.
    """

    name: str
    data: bytes
    status: int | None
    body: bytes = b""
    why: str = ""
    method: str = "GET"
    broken: bool = False
    reused: bool = True
    close: bool = False


def answer(*headers: bytes, status: bytes = b"200 OK", body: bytes = b"hello") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, *headers]) + b"\r\n\r\n" + body


LENGTH = b"Content-Length: 5"
CHUNKED = b"Transfer-Encoding: chunked"
ONE = b"5\r\nhello\r\n0\r\n\r\n"
OK = answer(LENGTH)


def usable(name: str, data: bytes, body: bytes = b"hello", status: int = 200, **more: object) -> Case:
    return Case(name, data, status, body, **more)  # type: ignore[arg-type]


def unusable(name: str, data: bytes, why: str = "", **more: object) -> Case:
    return Case(name, data, None, why=why, reused=False, **more)  # type: ignore[arg-type]


def broken(name: str, data: bytes, body: bytes = b"hello", **more: object) -> Case:
    return Case(name, data, 200, body, broken=True, reused=False, **more)  # type: ignore[arg-type]


def chunks(body: bytes) -> bytes:
    return answer(CHUNKED, body=body)


WHOLE = [
    usable("a length", OK),
    usable("a length of nothing", answer(b"Content-Length: 0", body=b""), b""),
    usable("a length with white space", answer(b"content-LENGTH: \t5 ")),
    usable("zeros before a length", answer(b"Content-Length: 005"), why="9110, 8.6"),
    usable("no reason phrase", answer(LENGTH, status=b"200 "), why="4: it may be empty"),
    usable("an odd reason phrase", answer(LENGTH, status=b"200 O K: \xe4"), why="4: obs-text"),
    usable("a status of our own", answer(LENGTH, status=b"299 Fine"), status=299),
    usable("599", answer(LENGTH, status=b"599 Odd"), status=599),
    usable("a body of 200,000 bytes", answer(b"Content-Length: 200000", body=b"x" * 200_000), b"x" * 200_000),
    usable("one chunk", chunks(ONE), why="7.1"),
    usable("Chunked", answer(b"Transfer-Encoding: Chunked", body=ONE), why="7: codings know no case"),
    usable("many chunks", chunks(b"1\r\nx\r\n" * 500 + b"0\r\n\r\n"), b"x" * 500),
    usable("no chunk", chunks(b"0\r\n\r\n"), b""),
    usable("zeros before a size", chunks(b"005\r\nhello\r\n00\r\n\r\n")),
    usable("a size in upper case", chunks(b"A\r\n0123456789\r\n0\r\n\r\n"), b"0123456789"),
    usable("a chunk of 200,000 bytes", chunks(b"30d40\r\n" + b"x" * 200_000 + b"\r\n0\r\n\r\n"), b"x" * 200_000),
    usable(
        "extensions",
        chunks(b"5;a=b\r\nhello\r\n0;c\r\n\r\n"),
        why="7.1.1: a recipient MUST ignore those it does not know",
    ),
    usable("a quoted extension", chunks(b'5;a="b c"\r\nhello\r\n0\r\n\r\n'), why="7.1.1"),
    usable("a trailer", chunks(b"5\r\nhello\r\n0\r\nX-A: 1\r\n\r\n"), why="7.1.2"),
    usable("trailers", chunks(b"5\r\nhello\r\n0\r\nX-A: 1\r\nServer-Timing: x;dur=1\r\n\r\n"), why="7.1.2"),
    usable("Connection: close", answer(LENGTH, b"Connection: close"), reused=False, why="9.6"),
    usable("close in a list", answer(LENGTH, b"Connection: x, CLOSE"), reused=False, why="9.6"),
    usable("close, chunked", answer(CHUNKED, b"Connection: close", body=ONE), reused=False, why="9.6"),
    usable("HTTP/1.0", OK.replace(b"1.1", b"1.0"), reused=False, why="9.3"),
    usable(
        "HTTP/1.0 that goes on",
        answer(LENGTH, b"Connection: keep-alive").replace(b"1.1", b"1.0"),
        reused=False,
        why="9.3: it may, but is not trusted to",
    ),
    usable("hung up after it", OK, reused=False, close=True),
    usable("chunked, hung up after it", chunks(ONE), reused=False, close=True),
]

BODILESS = [
    usable(
        "HEAD with a length", answer(LENGTH, body=b""), b"", method="HEAD", why="6.3: no body, whatever the head says"
    ),
    usable("HEAD with chunks", answer(CHUNKED, body=b""), b"", method="HEAD", why="6.3"),
    usable("HEAD with nothing", answer(body=b""), b"", method="HEAD", why="6.3"),
    usable("204", answer(status=b"204 No Content", body=b""), b"", 204, why="6.3"),
    usable("204 for POST", answer(status=b"204 No Content", body=b""), b"", 204, method="POST"),
    usable("304", answer(status=b"304 Not Modified", body=b""), b"", 304, why="6.3"),
    usable(
        "304 with a length",
        answer(LENGTH, status=b"304 Not Modified", body=b""),
        b"",
        304,
        why="9110, 8.6: that of a 200",
    ),
]

INTERIM = [
    usable(
        "100 before it", b"HTTP/1.1 100 Continue\r\n\r\n" + OK, why="9110, 15.2: a client MUST be able to read them"
    ),
    usable(
        "102 and 103 before it", b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK
    ),
    usable("five interim answers", b"HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\n" * 5 + OK),
    usable("an unknown interim answer", b"HTTP/1.1 199 Odd\r\n\r\n" + OK, why="9110, 15: as 100"),
    unusable(
        "101",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n" + OK,
        "9110, 15.2.2: nobody asked",
    ),
    unusable("interim answers and no more", b"HTTP/1.1 103 Early Hints\r\n\r\n", close=True, method="POST"),
]

BROKEN = [
    broken("a short body", answer(LENGTH, body=b"hell"), b"hell", close=True, why="8: incomplete"),
    broken("no body", answer(LENGTH, body=b""), b"", close=True),
    broken("chunks without end", chunks(b"5\r\nhello\r\n"), close=True, why="8"),
    broken("half a chunk", chunks(b"5\r\nhel"), b"hel", close=True),
    broken("half a size", chunks(b"5\r\nhello\r\n1"), close=True),
    broken("the end without its empty line", chunks(b"5\r\nhello\r\n0\r\n"), close=True, why="8"),
    broken("half a trailer", chunks(b"5\r\nhello\r\n0\r\nX-A: "), close=True),
    broken("a size that is none", chunks(b"5\r\nhello\r\nzz\r\n")),
    broken("a negative size", chunks(b"5\r\nhello\r\n-1\r\n\r\n")),
    broken("a size with 0x", chunks(b"5\r\nhello\r\n0x1\r\nx\r\n0\r\n\r\n")),
    broken("a size with an underscore", chunks(b"5\r\nhello\r\n0_1\r\nx\r\n0\r\n\r\n")),
    broken("a size beyond 2^64", chunks(b"5\r\nhello\r\n10000000000000001\r\nx\r\n0\r\n\r\n")),
    broken("a size without end", chunks(b"5\r\nhello\r\n" + b"1" * 100_000)),
    broken("an extension without end", chunks(b"5\r\nhello\r\n1;" + b"a" * 100_000)),
    broken("trailers without end", chunks(b"5\r\nhello\r\n0\r\n" + b"X-A: 1\r\n" * 40_000)),
    broken("a chunk longer than it says", chunks(b"5\r\nhello!\r\n0\r\n\r\n")),
    broken("nothing after a chunk", chunks(b"5\r\nhello0\r\n\r\n")),
]

UNUSABLE = [
    unusable("nothing", b"", close=True, method="POST", why="9110, 9.2.2: what is not idempotent is never sent twice"),
    unusable("half a head", b"HTTP/1.1 200 OK\r\nContent-Le", close=True, method="POST"),
    unusable("garbage", b"GARBAGE\r\n\r\n"),
    unusable("another protocol", b"220 mail.example ESMTP\r\n", close=True, method="POST"),
    unusable("a request", b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"),
    unusable("TLS", b"\x15\x03\x01\x00\x02\x02\x46", close=True, method="POST"),
    unusable("HTTP/2", b"\0\0\x12\x04\0\0\0\0\0" + bytes(18), close=True, method="POST"),
    unusable("HTTP/2.0", OK.replace(b"1.1", b"2.0", 1), "2.3"),
    unusable("HTTP/0.9", OK.replace(b"1.1", b"0.9", 1), "2.3"),
    unusable("HTTP/11", OK.replace(b"1.1", b"11", 1), "2.3"),
    unusable("ICY", OK.replace(b"HTTP/1.1", b"ICY", 1)),
    unusable("status 99", answer(LENGTH, status=b"99 Odd"), "4: three digits"),
    unusable("status 600", answer(LENGTH, status=b"600 Odd"), "9110, 15"),
    unusable("status 999", answer(LENGTH, status=b"999 Odd"), "9110, 15"),
    unusable("status 0200", answer(LENGTH, status=b"0200 OK"), "4"),
    unusable("status +20", answer(LENGTH, status=b"+20 OK"), "4: int() would take it"),
    unusable("status 2_0", answer(LENGTH, status=b"2_0 OK"), "4: int() would take it"),
    unusable("no status", answer(LENGTH, status=b"OK"), "4"),
    unusable(
        "no end of the body", answer(), "our own: an answer that breaks off cannot be told from a whole one", close=True
    ),
    unusable("no end in HTTP/1.0", answer().replace(b"1.1", b"1.0"), "as above", close=True),
    unusable("length and chunks", answer(LENGTH, CHUNKED, body=ONE), "6.3: response splitting"),
    unusable("chunks and length", answer(CHUNKED, LENGTH, body=ONE), "6.3"),
    unusable("two lengths", answer(LENGTH, b"Content-Length: 4"), "6.3: it MUST be refused"),
    unusable("a list of lengths", answer(b"Content-Length: 5, 4"), "6.3"),
    unusable("a negative length", answer(b"Content-Length: -5"), "6.3"),
    unusable("a length with a plus", answer(b"Content-Length: +5"), "6.3: int() would take it"),
    unusable("a length with an underscore", answer(b"Content-Length: 0_5"), "6.3: int() would take it"),
    unusable("a hexadecimal length", answer(b"Content-Length: 0x5"), "6.3"),
    unusable("an empty length", answer(b"Content-Length:"), "6.3"),
    unusable("a length beyond 2^64", answer(b"Content-Length: 18446744073709551621"), "6.3"),
    unusable("a length in other digits", answer("Content-Length: \u0665".encode()), "6.3"),
    unusable("an unknown coding", answer(b"Transfer-Encoding: x", body=ONE), "6.3"),
    unusable("a coding after chunked", answer(b"Transfer-Encoding: chunked, gzip", body=ONE), "6.3"),
    unusable(
        "a coding before chunked",
        answer(b"Transfer-Encoding: gzip, chunked", body=ONE),
        "our own: nothing is unpacked, and TE was not sent",
    ),
    unusable("chunked twice", answer(CHUNKED, CHUNKED, body=ONE), "6.1"),
    unusable("identity", answer(b"Transfer-Encoding: identity", LENGTH), "7: none any more"),
    unusable("a header too large", answer(LENGTH, b"X-A: " + b"x" * 40_000), "our own limit"),
    unusable("a header without end", b"HTTP/1.1 200 OK\r\nX-A: " + b"x" * 2_000_000, "our own limit"),
    unusable("headers without end", b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 200_000, "our own limit"),
    unusable("a reason without end", b"HTTP/1.1 200 " + b"x" * 2_000_000, "our own limit"),
    unusable("space before a colon", answer(b"Content-Length : 5"), "5.1: removed or refused; refused"),
    unusable("a NUL in a value", answer(LENGTH, b"X-A: 1\x002"), "9110, 5.5"),
    unusable("a bare CR in a value", answer(LENGTH, b"X-A: 1\r2"), "2.2"),
    unusable("a bare CR that hides a header", answer(LENGTH, b"X-A: 1\rSet-Cookie: a=b"), "2.2"),
    unusable("a NUL in a name", answer(LENGTH, b"X\0A: 1"), "9110, 5.1"),
    unusable("a space in a name", answer(LENGTH, b"X A: 1"), "9110, 5.1"),
    unusable("no name", answer(LENGTH, b": 1"), "5"),
    unusable("no colon", answer(LENGTH, b"X-A"), "5"),
    unusable("a line that starts with white space", answer(b" X-A: 1", LENGTH), "2.2"),
]

OF_OUR_OWN = [
    unusable(
        "a length of 5,000 digits",
        answer(b"Content-Length: " + b"0" * 4999 + b"5"),
        "Python refuses to convert that many",
    ),
    unusable("equal lengths", answer(LENGTH, LENGTH), "9110, 8.6: refused or taken as one"),
    unusable("bare LF", OK.replace(b"\r\n", b"\n"), "2.2: a recipient MAY take it", close=True, method="POST"),
    broken("bare LF after chunks", chunks(b"5\nhello\n0\n\n"), b"", why="2.2"),
    unusable("a folded value", answer(LENGTH, b"X-A: 1\r\n 2"), "5.2: a proxy replaces it by spaces, or refuses"),
    usable("an empty line before it", b"\r\n" + OK, why="2.2 is about requests"),
    broken("white space after a size", chunks(b"5  \r\nhello\r\n0\r\n\r\n"), b"", why="some servers pad sizes"),
    usable("a value beyond ASCII", answer(LENGTH, b"X-A: \xff\xe4"), why="9110, 5.5: obs-text is opaque"),
    unusable("a control in a value", answer(LENGTH, b"X-A: 1\x082"), "9110, 5.5: MAY be kept"),
    usable(
        "204 with a length of nothing",
        answer(b"Content-Length: 0", status=b"204 No Content", body=b""),
        b"",
        204,
        why="9110, 8.6: it MUST NOT",
    ),
]
"""Where the RFC lets a client choose."""

FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
_MORE = "what is left on a connection must never be the answer to the next request"

MORE = [
    usable("an answer too many", OK + FORGED, reused=False, why=_MORE),
    usable("a byte too many", OK + b"!", reused=False, why=_MORE),
    usable("an empty line too many", OK + b"\r\n", reused=False, why=_MORE),
    usable("an answer after chunks", chunks(ONE) + FORGED, reused=False, why=_MORE),
    usable("a last chunk too many", chunks(ONE) + b"0\r\n\r\n", reused=False, why=_MORE),
    usable("a body for HEAD", OK, b"", method="HEAD", reused=False, why=_MORE),
    usable(
        "a body that is an answer for HEAD",
        answer(b"Content-Length: 45", body=FORGED),
        b"",
        method="HEAD",
        reused=False,
        why=_MORE,
    ),
    usable("chunks for HEAD", chunks(ONE), b"", method="HEAD", reused=False, why=_MORE),
    usable("a body for 204", answer(status=b"204 No Content", body=FORGED), b"", 204, reused=False, why=_MORE),
    usable(
        "a body for 304",
        answer(b"Content-Length: 45", status=b"304 Not Modified", body=FORGED),
        b"",
        304,
        reused=False,
        why=_MORE,
    ),
    usable("a length of nothing and more", answer(b"Content-Length: 0", body=FORGED), b"", reused=False, why=_MORE),
]

ALL = [*WHOLE, *BODILESS, *INTERIM, *BROKEN, *UNUSABLE, *OF_OUR_OWN, *MORE]
