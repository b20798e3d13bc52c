"""Messages out of bytes, however these are cut; the same inputs over real sockets are in tests/wire."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http1.framing import CHUNKED, answer_length, request_length
from gateway.http1.heads import AnswerHead, Malformed, TooLong, answer_head, request_head, status_line, written
from gateway.http1.reader import Reader

HEAD = b"POST /a HTTP/1.1\r\nHost: a"
CHUNKS = b'3\r\nabc\r\n0A;x="y;"\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n'


def pieces_of(reader: Reader, length: int) -> list[bytes] | None:
    """The pieces of a body that has come, or None where some of it has not."""
    reader.begin(length)
    pieces = []
    while piece := reader.body():
        pieces.append(piece)
    return None if piece is None else pieces


class Read:
    """What comes out of bytes that come in segments: heads and bodies, in order."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._reader = Reader(1000)
        self._in_body = False
        self.messages: list[tuple[bytes, bytes]] = []

    def receive(self, segment: bytes) -> None:
        self._reader.receive(segment)
        while True:
            if not self._in_body:
                head = self._reader.head()
                if head is None:
                    return
                self._reader.begin(self._length)
                self.messages.append((head, b""))
                self._in_body = True
            while piece := self._reader.body():
                head, body = self.messages[-1]
                self.messages[-1] = head, body + piece
            if piece is None:
                return
            self._in_body = False


@pytest.mark.parametrize(
    ("length", "message", "body"), [(0, b"", b""), (5, b"hello", b"hello"), (CHUNKED, CHUNKS, b"abc0123456789")]
)
@given(cuts=st.lists(st.integers(0, 300), max_size=12), count=st.integers(1, 4))
def test_messages_are_the_same_however_they_are_cut(length, message, body, cuts, count):
    data = (HEAD + b"\r\n\r\n" + message) * count
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    read = Read(length)
    for start, end in pairwise(edges):
        read.receive(data[start:end])
    assert read.messages == [(HEAD, body)] * count


def test_bytes_that_drip_are_read_too():
    read = Read(CHUNKED)
    for byte in HEAD + b"\r\n\r\n" + CHUNKS:
        read.receive(bytes([byte]))
    assert read.messages == [(HEAD, b"abc0123456789")]


@pytest.mark.parametrize("before", [b"", b"\r\n"])
def test_one_empty_line_may_come_before_a_head(before):
    reader = Reader(1000)
    reader.receive(before)
    assert reader.head() is None
    reader.receive(HEAD + b"\r\n\r\n")
    assert reader.head() == HEAD


@pytest.mark.parametrize("data", [b"\x16\x03\x01", b"\n", b"\r\r", b"\r\n\n", b" GET", b"\x00", b"GET / HTTP/1.1\n"])
def test_what_cannot_become_a_head_is_not_waited_for(data):
    reader = Reader(1000)
    reader.receive(data)
    with pytest.raises(Malformed):
        reader.head()


def test_a_head_without_end_is_too_long():
    reader = Reader(10)
    reader.receive(b"a" * 10)
    assert reader.head() is None
    reader.receive(b"a")
    with pytest.raises(TooLong):
        reader.head()


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\n",
        b"\r\n",
        b"-1\r\nx",
        b"0x1\r\nx",
        b"1 \r\nx",
        b"1_0\r\nx",
        b"1" * 16 + b"\r\n",
        b"1;a\x00\r\nx",
        b'1;a="\r\nx',
        b"1\nx",
        b"1\r\nxy",
        b"1\r\nx\n",
        b"1\r\nx\ry",
        b"0\r\nx\r\n\r\n",
        b"0\r\nX : 1\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"0\r\nX: 1\n\r\n",
        b"0;" + b"a" * 5000,
        b"0\r\nX: " + b"a" * 9000,
    ],
)
def test_chunks_with_two_readings_are_none(body):
    reader = Reader(1000)
    reader.begin(CHUNKED)
    reader.receive(body)
    with pytest.raises(Malformed):  # noqa: PT012 (a piece may come before)
        while reader.body():
            pass


@pytest.mark.parametrize(("length", "body"), [(5, b"hell"), (CHUNKED, b"5\r\nhell"), (CHUNKED, b"0\r\n")])
def test_a_body_that_breaks_off_is_none(length, body):
    reader = Reader(1000)
    reader.receive(body)
    assert pieces_of(reader, length) is None
    reader.receive_end()
    with pytest.raises(Malformed):
        reader.body()


def test_small_chunks_cost_no_square():
    """A megabyte of them is read in the time of a megabyte: what is left is not moved for each one."""
    reader = Reader(1000)
    reader.receive(b"1\r\nx\r\n" * 200_000 + b"0\r\n\r\n")
    assert pieces_of(reader, CHUNKED) == [b"x" * 200_000]


# --- heads --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [b"GET  / HTTP/1.1", b"GET / HTTP/1.1 ", b"GET /", b"GET / http/1.1", b"GET /\t HTTP/1.1", b"G(T / HTTP/1.1"],
)
def test_a_request_line_has_one_form(line):
    with pytest.raises(Malformed):
        request_head(line, 100, 10)


@pytest.mark.parametrize(
    "line", [b"X : 1", b" X: 1", b"X", b": 1", b"X: a\x00", b"X: a\rb", b"X: a\nb", b"X\xff: 1", b""]
)
def test_a_header_line_has_one_form(line):
    with pytest.raises(Malformed):
        request_head(b"GET / HTTP/1.1\r\n" + line, 100, 10)
    with pytest.raises(Malformed):
        answer_head(b"HTTP/1.1 200 OK\r\n" + line, 100, 10)


def test_names_are_in_lower_case_and_values_without_white_space_around():
    head = request_head(b"GET /x HTTP/1.0\r\nX-A: \t b \xff c\t \r\nx-a:", 100, 10)
    assert head == ("GET", b"/x", (1, 0), ((b"x-a", b"b \xff c"), (b"x-a", b"")), ())


def test_secrets_stand_apart():
    raw = b"GET / HTTP/1.1\r\nHost: a\r\nAUTHORIZATION: Bearer x\r\nX-A: 1\r\nx-api-key:y\r\nCookie: z"
    head = request_head(raw, 100, 10)
    assert head.headers == ((b"host", b"a"), (b"x-a", b"1"))
    assert head.secrets == ((b"authorization", b"Bearer x"), (b"x-api-key", b"y"), (b"cookie", b"z"))


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization : x",
        b"Authorization: x\n",
        b"Authorization: x\rX: y",
        b"Authorization: x\r\n y",
        b"Authorization: \x00",
    ],
)
def test_a_line_with_a_secret_has_one_form_too(line):
    with pytest.raises(Malformed):
        request_head(b"GET / HTTP/1.1\r\nHost: a\r\n" + line + b"\r\nX-A: 1", 100, 10)


@pytest.mark.parametrize(
    ("line", "status"),
    [(b"HTTP/1.1 200 OK", 200), (b"HTTP/1.1 404 ", 404), (b"HTTP/1.0 599", 599), (b"HTTP/1.1 103 \xe9", 103)],
)
def test_a_status_line_may_have_a_reason(line, status):
    assert answer_head(line, 100, 10).status == status


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 600 X", b"HTTP/1.1  200", b"HTTP/1.1 099 X", b"200 OK"]
)
def test_a_status_has_three_digits(line):
    with pytest.raises(Malformed):
        answer_head(line, 100, 10)


def test_a_head_is_bounded():
    assert request_head(b"GET / HTTP/1.1\r\nX: 1", 14, 2)
    with pytest.raises(TooLong):
        request_head(b"GET / HTTP/1.1\r\nX: 1", 13, 2)
    with pytest.raises(TooLong):
        request_head(b"GET / HTTP/1.1\r\nX: 1", 14, 1)


@pytest.mark.parametrize("header", [(b"x", b"a\r\nb: c"), (b"x", b"a\nb"), (b"x", b"a\r"), (b"x\r\n", b"a")])
def test_no_header_of_ours_ends_its_line(header):
    with pytest.raises(ValueError, match="end of a line"):
        written(status_line(200), (header,))


def test_what_is_written_is_read():
    headers = ((b"content-type", b"a/b"), (b"x", b""))
    raw = written(status_line(204), headers)
    assert answer_head(raw.removesuffix(b"\r\n\r\n"), 100, 10) == AnswerHead(204, (1, 1), headers)
    assert status_line(299) == b"HTTP/1.1 299 "


# --- lengths ------------------------------------------------------------------------------------------------------


def test_a_request_says_how_long_its_body_is():
    assert request_length(()) == 0
    assert request_length(((b"content-length", b"7"),)) == 7
    assert request_length(((b"transfer-encoding", b"Chunked"),)) == CHUNKED


@pytest.mark.parametrize(
    "headers",
    [
        ((b"content-length", b"1"), (b"content-length", b"1")),
        ((b"content-length", b"1"), (b"transfer-encoding", b"chunked")),
        ((b"transfer-encoding", b"gzip, chunked"),),
        ((b"content-length", b"+1"),),
        ((b"content-length", b"\xd9\xa1"),),
        ((b"content-length", b"1" * 16),),
    ],
)
def test_a_length_with_two_readings_is_none(headers):
    with pytest.raises(Malformed):
        request_length(headers)
    with pytest.raises(Malformed):
        answer_length("GET", AnswerHead(200, (1, 1), headers))


@pytest.mark.parametrize(
    ("method", "status", "version", "headers", "length"),
    [
        ("GET", 200, (1, 1), ((b"content-length", b"3"),), 3),
        ("GET", 200, (1, 0), ((b"content-length", b"3"),), 3),
        ("GET", 200, (1, 1), ((b"transfer-encoding", b"chunked"),), CHUNKED),
        ("HEAD", 200, (1, 1), ((b"content-length", b"3"),), 0),
        ("GET", 204, (1, 1), (), 0),
        ("GET", 304, (1, 1), ((b"content-length", b"3"),), 0),
    ],
)
def test_an_answer_says_how_long_its_body_is(method, status, version, headers, length):
    assert answer_length(method, AnswerHead(status, version, headers)) == length


@pytest.mark.parametrize(
    ("version", "headers"),
    [((1, 1), ()), ((1, 0), ((b"transfer-encoding", b"chunked"),)), ((2, 0), ((b"content-length", b"3"),))],
)
def test_an_answer_without_a_marked_end_is_none(version, headers):
    with pytest.raises(Malformed):
        answer_length("GET", AnswerHead(200, version, headers))
