"""Where a body ends: Content-Length, Transfer-Encoding, chunks, trailers."""

from __future__ import annotations

from wire.cases import CHUNKED, EMPTY, GET, HELLO, LENGTH, Call, Case, get, message, post, refused, served

WHOLE = b"5\r\nhello\r\n0\r\n\r\n"


def lengths(value: bytes) -> bytes:
    return post(b"Content-Length: " + value)


def codings(*values: bytes) -> bytes:
    return post(*[b"Transfer-Encoding: " + value for value in values], body=WHOLE)


def chunks(body: bytes) -> bytes:
    return post(CHUNKED, body=body)


LENGTHS = [
    served("no framing", post(body=b""), EMPTY, why="9112, 6.3: then there is no body"),
    served("Content-Length: 0", post(b"Content-Length: 0", body=b""), EMPTY),
    served("Content-Length: 00", post(b"Content-Length: 00", body=b""), EMPTY, why="9110, 8.6: 1*DIGIT"),
    served("Content-Length: 005", lengths(b"005"), HELLO, why="9110, 8.6"),
    served("zero with GET", get(b"Content-Length: 0"), GET),
    served(
        "a body that is a call",
        post(b"Content-Length: 32", body=get() + get()[:4]),
        Call("POST", b"/a", get() + get()[:4]),
    ),
    served("a body of one byte", post(b"Content-Length: 1", body=b"\n"), Call("POST", b"/a", b"\n")),
    served(
        "a body of all bytes",
        post(b"Content-Length: 256", body=bytes(range(256))),
        Call("POST", b"/a", bytes(range(256))),
    ),
    served(
        "a body of 100,000 bytes",
        post(b"Content-Length: 100000", body=b"x" * 100_000),
        Call("POST", b"/a", b"x" * 100_000),
    ),
    refused("an empty length", lengths(b""), why="9110, 8.6"),
    refused("a negative length", lengths(b"-5"), why="9110, 8.6"),
    refused("a length with a plus", lengths(b"+5"), why="9110, 8.6"),
    refused("a hexadecimal length", lengths(b"0x5"), why="9110, 8.6"),
    refused("a length in hexadecimal digits", lengths(b"a"), why="9110, 8.6"),
    refused("a length with an underscore", lengths(b"0_5"), why="9110, 8.6: int() would take it"),
    refused("a length with a point", lengths(b"5.0"), why="9110, 8.6"),
    refused("a length with an exponent", lengths(b"5e0"), why="9110, 8.6"),
    refused("a length in quotes", lengths(b'"5"'), why="9110, 8.6"),
    refused("a length with a unit", lengths(b"5 bytes"), why="9110, 8.6"),
    refused("a length in two parts", lengths(b"0 5"), why="9110, 8.6"),
    refused("a length and more", lengths(b"5;a"), why="9110, 8.6"),
    refused("a length in other digits", lengths("\u0665".encode()), why="9110, 8.6: str.isdigit() would take it"),
    refused("a superscript length", lengths(b"\xb2"), why="9110, 8.6: so would bytes in Latin-1"),
    refused("a list of one length", lengths(b"5,"), why="9110, 8.6"),
    refused("a list of equal lengths", lengths(b"5, 5"), why="9110, 8.6: refused or taken as one; refused"),
    refused("a list of lengths", lengths(b"5, 6"), why="9110, 8.6"),
    refused("a length beyond 2^63", lengths(b"9223372036854775813"), why="it would be -3 to some"),
    refused("a length beyond 2^64", lengths(b"18446744073709551621"), why="9110, 8.6: 2^64 + 5 must not be 5"),
    refused(
        "a length of 5,000 digits", lengths(b"0" * 4999 + b"5"), why="Python refuses to convert that many, 9110, 8.6"
    ),
    refused("two equal lengths", post(LENGTH, LENGTH), why="9110, 8.6"),
    refused("two lengths", post(LENGTH, b"Content-Length: 6"), why="9110, 8.6"),
    refused("two lengths, the other way round", post(b"Content-Length: 6", LENGTH), why="9110, 8.6"),
    refused("two lengths in two cases", post(LENGTH, b"content-length: 0"), why="9110, 8.6"),
    refused("a length for GET", message(b"GET /a HTTP/1.1", LENGTH, body=b"hello"), why="our own: some would skip it"),
    refused("a length for HEAD", message(b"HEAD /a HTTP/1.1", LENGTH, body=b"hello"), why="our own"),
    refused("a length for DELETE", message(b"DELETE /a HTTP/1.1", LENGTH, body=b"hello"), why="our own"),
    refused("a length for OPTIONS", message(b"OPTIONS /a HTTP/1.1", LENGTH, body=b"hello"), why="our own"),
    refused("chunks for GET", message(b"GET /a HTTP/1.1", CHUNKED, body=WHOLE), why="our own"),
]

CODINGS = [
    served("chunked", codings(b"chunked"), HELLO, why="9112, 7.1"),
    served("Chunked", codings(b"ChUnKeD"), HELLO, why="9112, 7: codings know no case"),
    served("white space round chunked", codings(b"\t chunked \t"), HELLO, why="9112, 5.1: OWS"),
    refused("length and chunks", post(LENGTH, CHUNKED, body=WHOLE), why="9112, 6.1: refused, that is smuggling"),
    refused("chunks and length", post(CHUNKED, LENGTH, body=WHOLE), why="9112, 6.1"),
    refused("chunks and length 0", post(CHUNKED, b"Content-Length: 0", body=WHOLE), why="9112, 6.1"),
    refused("length and a coding that is none", post(LENGTH, b"Transfer-Encoding: x"), why="9112, 6.1"),
    refused("length and an empty coding", post(LENGTH, b"Transfer-Encoding:"), why="9112, 6.1"),
    refused(
        "length and identity",
        post(LENGTH, b"Transfer-Encoding: identity"),
        why="9112, 7: identity is no coding any more",
    ),
    refused("xchunked", codings(b"xchunked"), why="9112, 6.1"),
    refused("chunkedx", codings(b"chunkedx"), why="9112, 6.1"),
    refused("chunk", codings(b"chunk"), why="9112, 6.1"),
    refused("identity", codings(b"identity"), why="9112, 7"),
    refused("gzip, chunked", codings(b"gzip, chunked"), why="our own: nothing is unpacked"),
    refused("chunked, gzip", codings(b"chunked, gzip"), why="9112, 6.3: the end cannot be told"),
    refused("identity, chunked", codings(b"identity, chunked"), why="9112, 7"),
    refused("chunked, identity", codings(b"chunked, identity"), why="9112, 6.1"),
    refused("chunked, chunked", codings(b"chunked, chunked"), why="9112, 6.1: never twice"),
    refused("chunked twice", codings(b"chunked", b"chunked"), why="9112, 6.1"),
    refused("gzip and chunked in two lines", codings(b"gzip", b"chunked"), why="our own"),
    refused("chunked and nothing", codings(b"chunked", b""), why="9112, 6.1"),
    refused("nothing and chunked", codings(b"", b"chunked"), why="9112, 6.1"),
    refused("a comma after chunked", codings(b"chunked,"), why="our own: an empty element, and some read no chunked"),
    refused("a comma before chunked", codings(b", chunked"), why="as above"),
    refused("chunked in quotes", codings(b'"chunked"'), why="9112, 7: a token"),
    refused("chunked with a parameter", codings(b"chunked;a=b"), why="9112, 7.1: it has none"),
    refused("chunked after a NUL", codings(b"\x00chunked"), why="9110, 5.5"),
    refused("chunked with a vertical tab", codings(b"chunked\x0b"), why="9110, 5.5"),
    refused("chunked beyond ASCII", codings("chun\u212aed".encode()), why="a Kelvin sign is k in lower case"),
    refused("Transfer_Encoding", post(b"Transfer_Encoding: chunked", body=WHOLE), why="CGI reads it as a hyphen"),
    refused("space before its colon", post(b"Transfer-Encoding : chunked", body=WHOLE), why="9112, 5.1"),
    refused("an empty coding", codings(b""), why="9112, 6.1"),
]

SIZES = [
    served("one chunk", chunks(WHOLE), HELLO, why="9112, 7.1"),
    served("five chunks", chunks(b"".join(b"1\r\n%c\r\n" % each for each in b"hello") + b"0\r\n\r\n"), HELLO),
    served("no chunk", chunks(b"0\r\n\r\n"), EMPTY),
    served("zeros before a size", chunks(b"0005\r\nhello\r\n000\r\n\r\n"), HELLO, why="9112, 7.1: 1*HEXDIG"),
    served(
        "a size in upper case",
        chunks(b"A\r\n0123456789\r\n0\r\n\r\n"),
        Call("POST", b"/a", b"0123456789"),
        why="9112, 7.1",
    ),
    served("a size in lower case", chunks(b"a\r\n0123456789\r\n0\r\n\r\n"), Call("POST", b"/a", b"0123456789")),
    served(
        "a chunk that looks like the end", chunks(b"5\r\n0\r\n\r\n\r\n0\r\n\r\n"), Call("POST", b"/a", b"0\r\n\r\n")
    ),
    served(
        "a chunk of 70,000 bytes",
        chunks(b"11170\r\n" + b"x" * 70_000 + b"\r\n0\r\n\r\n"),
        Call("POST", b"/a", b"x" * 70_000),
    ),
    served(
        "a chunk that is a call", chunks(b"%x\r\n%s\r\n0\r\n\r\n" % (len(get()), get())), Call("POST", b"/a", get())
    ),
    refused("no size", chunks(b"\r\nhello\r\n0\r\n\r\n"), why="9112, 7.1"),
    refused("a size that is no number", chunks(b"zz\r\nhello\r\n0\r\n\r\n"), why="9112, 7.1"),
    refused("a size and a letter", chunks(b"5g\r\nhello\r\n0\r\n\r\n"), why="9112, 7.1"),
    refused("a negative size", chunks(b"-5\r\nhello\r\n0\r\n\r\n"), why="9112, 7.1"),
    refused("minus zero", chunks(b"5\r\nhello\r\n-0\r\n\r\n"), why="9112, 7.1"),
    refused("a size with a plus", chunks(b"+5\r\nhello\r\n0\r\n\r\n"), why="9112, 7.1: int() would take it"),
    refused("a size with 0x", chunks(b"0x5\r\nhello\r\n0\r\n\r\n"), why="9112, 7.1: int() would take it"),
    refused("a size with an underscore", chunks(b"0_5\r\nhello\r\n0\r\n\r\n"), why="9112, 7.1: int() would take it"),
    refused("white space before a size", chunks(b" 5\r\nhello\r\n0\r\n\r\n"), why="9112, 7.1: int() would take it"),
    refused("a tab before a size", chunks(b"\t5\r\nhello\r\n0\r\n\r\n"), why="9112, 7.1"),
    refused(
        "white space after a size",
        chunks(b"5 \r\nhello\r\n0\r\n\r\n"),
        why="our own: BWS stands before an extension, and there is none",
    ),
    refused("white space within a size", chunks(b"0 5\r\nhello\r\n0\r\n\r\n"), why="9112, 7.1"),
    refused("a NUL after a size", chunks(b"5\x00\r\nhello\r\n0\r\n\r\n"), why="9112, 7.1"),
    refused(
        "a size beyond 2^64",
        chunks(b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
        why="9112, 7.1: 2^64 + 5 must not be 5",
    ),
    refused("a size beyond 2^32 that wraps", chunks(b"fffffffffffffffff5\r\nhello\r\n0\r\n\r\n"), why="9112, 7.1"),
    refused("a size without end", chunks(b"1" * 40_000), why="our own limit"),
    refused("zeros without end", chunks(b"0" * 40_000), why="our own limit"),
    refused("bare LF after a size", chunks(b"5\nhello\r\n0\r\n\r\n"), why="9112, 2.2"),
    refused("bare CR after a size", chunks(b"5\rhello\r\n0\r\n\r\n"), why="9112, 2.2"),
    refused("CR CR LF after a size", chunks(b"5\r\r\nhello\r\n0\r\n\r\n"), why="9112, 2.2"),
    refused("bare LF after a chunk", chunks(b"5\r\nhello\n0\r\n\r\n"), why="9112, 7.1"),
    refused("bare CR after a chunk", chunks(b"5\r\nhello\r0\r\n\r\n"), why="9112, 7.1"),
    refused("nothing after a chunk", chunks(b"5\r\nhello0\r\n\r\n"), why="9112, 7.1"),
    refused(
        "two other bytes after a chunk", chunks(b"5\r\nhelloXX0\r\n\r\n"), why="9112, 7.1: who skips two bytes reads it"
    ),
    refused("a chunk longer than it says", chunks(b"5\r\nhello!\r\n0\r\n\r\n"), why="9112, 7.1"),
    refused("a chunk shorter than it says", chunks(b"6\r\nhello\r\n0\r\n\r\n"), why="9112, 7.1"),
    refused("an empty line after a chunk", chunks(b"5\r\nhello\r\n\r\n0\r\n\r\n"), why="9112, 7.1"),
    refused("bare LF after the last size", chunks(b"5\r\nhello\r\n0\n\r\n"), why="9112, 2.2"),
    refused("bare LF at the end", chunks(b"5\r\nhello\r\n0\r\n\n"), why="9112, 2.2"),
    refused("bare LFs everywhere", chunks(b"5\nhello\n0\n\n"), why="9112, 2.2"),
]

EXTENSIONS = [
    served("an extension", chunks(b"5;a\r\nhello\r\n0\r\n\r\n"), HELLO, why="9112, 7.1.1: ignored"),
    served("an extension with a value", chunks(b"5;a=b;c=d\r\nhello\r\n0;e\r\n\r\n"), HELLO, why="9112, 7.1.1"),
    served("a quoted extension", chunks(b'5;a="b c"\r\nhello\r\n0\r\n\r\n'), HELLO, why="9112, 7.1.1"),
    served("a quoted extension with an escape", chunks(b'5;a="\\""\r\nhello\r\n0\r\n\r\n'), HELLO, why="9112, 7.1.1"),
    served("white space round an extension", chunks(b"5 ; a = b\r\nhello\r\n0\r\n\r\n"), HELLO, why="9112, 7.1.1: BWS"),
    refused(
        "a line end in quotes",
        chunks(b'5;a="\r\nhello\r\n0\r\n\r\n'),
        why="9112, 7.1.1: the two readings are two calls",
    ),
    refused(
        "a bare LF in an extension",
        chunks(b"5;a\nhello\r\n0\r\n\r\n"),
        why="TERM.EXT and EXT.TERM: the readings differ",
    ),
    refused("a bare LF within an extension", chunks(b"5;a\nb\r\nhello\r\n0\r\n\r\n"), why="as above"),
    refused("a bare CR in an extension", chunks(b"5;a\rb\r\nhello\r\n0\r\n\r\n"), why="9112, 2.2"),
    refused("a NUL in an extension", chunks(b"5;a\x00\r\nhello\r\n0\r\n\r\n"), why="9112, 7.1.1"),
    refused("an extension without end", chunks(b"5;" + b"a" * 40_000), why="9112, 7.1.1: extensions must be bounded"),
    served(
        "extensions on every chunk",
        chunks((b"1;" + b"a" * 4000 + b"\r\nx\r\n") * 64 + b"0\r\n\r\n"),
        Call("POST", b"/a", b"x" * 64),
        why="9112, 7.1.1: each is bounded",
    ),
]

TRAILERS = [
    served(
        "a trailer", chunks(b"5\r\nhello\r\n0\r\nX-A: 1\r\n\r\n"), HELLO, why="9112, 7.1.2: it is dropped, as it MAY"
    ),
    served("two trailers", chunks(b"5\r\nhello\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n"), HELLO, why="9112, 7.1.2"),
    refused(
        "a length in a trailer",
        chunks(b"5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n"),
        why="9110, 6.5.1: it MUST NOT be sent, and frames nothing",
    ),
    refused(
        "a coding in a trailer", chunks(b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"), why="9110, 6.5.1"
    ),
    served(
        "a credential in a trailer",
        chunks(b"5\r\nhello\r\n0\r\nAuthorization: Bearer x\r\n\r\n"),
        Call("POST", b"/a", b"hello", ((b"host", b"a"), (b"transfer-encoding", b"chunked"))),
        why="9110, 6.5.1: never merged",
    ),
    refused("a trailer without a colon", chunks(b"5\r\nhello\r\n0\r\nX-A\r\n\r\n"), why="9112, 7.1.2"),
    refused(
        "a call for a trailer", chunks(b"5\r\nhello\r\n0\r\nGET /b HTTP/1.1\r\n\r\n"), why="9112, 7.1.2: no field line"
    ),
    refused("space before a trailer's colon", chunks(b"5\r\nhello\r\n0\r\nX-A : 1\r\n\r\n"), why="9112, 5.1"),
    refused("bare LF after a trailer", chunks(b"5\r\nhello\r\n0\r\nX-A: 1\n\r\n"), why="9112, 2.2"),
    refused("bare LF before the end", chunks(b"5\r\nhello\r\n0\r\nX-A: 1\r\n\n"), why="9112, 2.2"),
    refused("a NUL in a trailer", chunks(b"5\r\nhello\r\n0\r\nX-A: \x00\r\n\r\n"), why="9110, 5.5"),
    refused("a folded trailer", chunks(b"5\r\nhello\r\n0\r\nX-A: 1\r\n 2\r\n\r\n"), why="9112, 5.2"),
    refused("a trailer without end", chunks(b"5\r\nhello\r\n0\r\nX-A: " + b"a" * 60_000), why="our own limit"),
    refused("trailers without end", chunks(b"5\r\nhello\r\n0\r\n" + b"X-A: 1\r\n" * 8000), why="our own limit"),
]

ALL: list[Case] = [*LENGTHS, *CODINGS, *SIZES, *EXTENSIONS, *TRAILERS]
