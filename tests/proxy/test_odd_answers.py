"""What broken, lying and helpful upstreams answer to a key with a condition, at the wire: nothing of it gets through.

Every answer of this file holds MARK. It must be in no byte that a client gets, unless it is in an entity that the key
may see, and the answer is one that can be told to be whole.
"""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from gateway.proxy import PageOptions

MARK = "MARKED"
REPO = {"id": "1", "entity": {"_id": "1", "_type": ["github_repo"]}, "properties": {"name": MARK}}
SECRET = {"id": "2", "entity": {"_id": "2", "_type": ["secret_thing"]}, "properties": {"name": MARK}}
LIST = json.dumps({"type": "list", "data": [REPO]}).encode()
HIDDEN = json.dumps({"type": "list", "data": [SECRET]}).encode()
LIMIT = 1024 * 1024
"""Bytes of an answer, in this file."""
CALLS = 50
"""Answers for one page, in this file."""
ENDLESS = 64 * 1024 * 1024


def sent(body: bytes = LIST, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(*pieces: bytes, last: bytes = b"0\r\n\r\n", headers: tuple[str, ...] = ()) -> bytes:
    head = "\r\n".join(("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *headers)).encode() + b"\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + last


def listed(text: str) -> bytes:
    """A list of one visible entity in which something else stands, too."""
    return LIST.replace(b'"name"', text.encode() + b', "name"')


def coded(coding: str, body: bytes, *headers: str) -> bytes:
    return sent(body, f"Content-Encoding: {coding}", *headers)


def raw_deflate(body: bytes) -> bytes:
    making = zlib.compressobj(wbits=-15)
    return making.compress(body) + making.flush()


def bomb() -> bytes:
    """64 MB in 64 KB, around what would be a fine answer."""
    return gzip.compress(LIST[:-1] + b" " * ENDLESS + b"}")


def empty_blocks() -> bytes:
    """A gzip that holds nothing, and takes 2 MB for that."""
    return gzip.compress(b"")[:10] + b"\0\0\0\xff\xff" * (2 * LIMIT // 5)


@pytest.fixture
def setup(setup):
    setup.pages = PageOptions(answer_bytes=LIMIT, again_seconds=0, calls=CALLS)
    return setup


# --- fine in an odd way -------------------------------------------------------------------------------------------

GZIP = gzip.compress(LIST)
HELPFUL = {
    "gzip": coded("gzip", GZIP),
    "gzip in capitals": coded("GZIP", GZIP),
    "x-gzip": coded("x-gzip", GZIP),
    "gzip of several members": coded("gzip", gzip.compress(LIST[:7]) + gzip.compress(b"") + gzip.compress(LIST[7:])),
    "gzip in chunks": chunked(GZIP[:1], GZIP[1:20], GZIP[20:], headers=("Content-Encoding: gzip",)),
    "deflate": coded("deflate", zlib.compress(LIST)),
    "identity, said": coded("identity", LIST),
    "no content type": sent(LIST),
    "called text": sent(LIST, "Content-Type: text/plain"),
    "chunks": chunked(LIST[:9], LIST[9:]),
    "other members": sent(
        LIST[:-1] + b', "totalCount": 9, "url": "https://secret", "_meta": {"hidden": 7}, "cursor": null}'
    ),
    "rows of another answer first": sent(b'{"data": [' + json.dumps(SECRET).encode() + b"], " + LIST[1:]),
    "a member of rows that is not known": sent(LIST.replace(b'"id"', b'"score": 0.7, "_meta": {"hidden": 7}, "id"')),
}


@pytest.mark.parametrize("answer", HELPFUL.values(), ids=HELPFUL)
async def test_an_answer_that_can_be_told_to_be_whole_is_checked_and_given_without_what_is_odd(
    gateway, upstream, answer
):
    upstream.script = upstream.says(answer)
    got = await gateway.ask(key="repos")
    assert (got.status, got.json) == (200, {"type": "list", "data": [REPO]})
    assert "content-encoding" not in got.headers
    for word in (b"secret", b"hidden", b"9", b"score"):
        assert word not in got.body
    await gateway.ask(key="repos")
    assert upstream.connections == 1


@pytest.mark.parametrize(
    "number", ["1e999", "-1e-999", "123456789012345678901234567890", "0.1000000000000000055511151231257827"]
)
async def test_numbers_that_no_double_holds_are_passed_on_as_they_are_written(gateway, upstream, number):
    upstream.script = upstream.says(sent(listed(f'"size": {number}')))
    got = await gateway.ask(key="repos")
    assert got.status == 200
    assert f'"size": {number}'.encode() in got.body


# --- no use -------------------------------------------------------------------------------------------------------

DEEP = 100_000
UNUSABLE = {
    "br": coded("br", LIST),
    "zstd": coded("zstd", LIST),
    "compress": coded("compress", LIST),
    "a coding nobody knows": coded(MARK, LIST),
    "two codings": coded("gzip, gzip", gzip.compress(GZIP)),
    "two codings, in two headers": coded("gzip", GZIP, "Content-Encoding: br"),
    "gzip that is none": coded("gzip", LIST),
    "gzip without its end": coded("gzip", GZIP[:-9]),
    "gzip without its checksum": coded("gzip", GZIP[:-8]),
    "gzip with a wrong checksum": coded("gzip", GZIP[:-8] + b"\0" * 8),
    "gzip and then something": coded("gzip", GZIP + MARK.encode()),
    "gzip of nothing": coded("gzip", b""),
    "deflate without its wrapping": coded("deflate", raw_deflate(LIST)),
    "deflate twice": coded("deflate", zlib.compress(LIST) + zlib.compress(LIST)),
    "a bomb": coded("gzip", bomb()),
    "blocks that hold nothing": coded("gzip", empty_blocks()),
    "more than may be read": sent(LIST[:-1] + b" " * LIMIT + b"}"),
    "nothing": sent(b""),
    "a text": sent(MARK.encode()),
    "html": sent(f"<html>{MARK}</html>".encode(), "Content-Type: text/html"),
    "csv": sent(f"id,name\n1,{MARK}\n".encode(), "Content-Type: text/csv"),
    "json lines": sent(LIST + b"\n" + LIST),
    "something after the end": sent(LIST + b" " + MARK.encode()),
    "half an answer": sent(LIST[:-2]),
    "a byte order mark": sent(b"\xef\xbb\xbf" + LIST),
    "utf-16": sent(LIST.decode().encode("utf-16")),
    "invalid utf-8": sent(listed('"x": "?"').replace(b"?", b"\xff\xfe")),
    "an overlong form": sent(listed('"x": "?"').replace(b"?", b"\xc0\xaf")),
    "a surrogate as bytes": sent(listed('"x": "?"').replace(b"?", b"\xed\xa0\x80")),
    "a control character": sent(listed('"x": "\n"')),
    "NaN": sent(listed('"x": NaN')),
    "Infinity": sent(listed('"x": -Infinity')),
    "a number with a leading zero": sent(listed('"x": 007')),
    "a comment": sent(listed('/* x */ "x": 1')),
    "a comma too many": sent(LIST.replace(b"]}", b",]}")),
    "nested without end": sent(listed(f'"x": {"[" * DEEP}{"]" * DEEP}')),
    "nested objects without end": sent(listed('"x": ' + '{"a":' * DEEP + "1" + "}" * DEEP)),
    "opened without end": sent(listed(f'"x": {"[" * DEEP}')),
    "no type": sent(json.dumps({"data": [REPO]}).encode()),
    "a table": sent(json.dumps({"type": "table", "data": [REPO]}).encode()),
    "a type in capitals": sent(LIST.replace(b"list", b"LIST")),
    "two types": sent(LIST[:-1] + b', "type": "table"}'),
    "deferred": sent(json.dumps({"type": "deferred", "data": None, "url": f"https://{MARK}"}).encode()),
    "deferred, with rows": sent(LIST.replace(b'"list"', b'"deferred"')),
    "an error": sent(json.dumps({"error": {"message": MARK}}).encode()),
    "an array": sent(json.dumps([REPO]).encode()),
    "rows in an object": sent(json.dumps({"type": "list", "data": {"0": REPO}}).encode()),
    "rows as texts": sent(json.dumps({"type": "list", "data": [json.dumps(REPO)]}).encode()),
    "rows as arrays": sent(json.dumps({"type": "list", "data": [[REPO]]}).encode()),
    "a row of nothing": sent(json.dumps({"type": "list", "data": [REPO, None]}).encode()),
    "a row of metadata alone": sent(json.dumps({"type": "list", "data": [{"_meta": {"x": MARK}}]}).encode()),
    "a row of columns": sent(json.dumps({"type": "list", "data": [{"name": MARK}]}).encode()),
    "a relationship": sent(LIST.replace(b'"entity"', b'"relationship"')),
    "both": sent(LIST.replace(b'"properties"', b'"relationship": {"_id": "3"}, "properties"')),
    "an entity twice": sent(
        json.dumps({"type": "list", "data": [REPO]}).encode().replace(b'"_id": "1",', b'"_id": "1", "_type": ["x"],')
    ),
    "properties that are none": sent(json.dumps({"type": "list", "data": [REPO | {"properties": [MARK]}]}).encode()),
    "a cursor that is a number": sent(LIST[:-1] + b', "cursor": 7}'),
    "a cursor that is an object": sent(LIST[:-1] + b', "cursor": {"cursor": "x"}}'),
    "a cursor that leads to itself": sent(json.dumps({"type": "list", "data": [], "cursor": MARK}).encode()),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a part": sent(LIST, f"Content-Range: bytes 0-9/{len(LIST)}", status="206 Partial Content"),
    "not modified": b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
    "created": sent(LIST, status="201 Created"),
    "elsewhere": sent(LIST, f"Location: https://{MARK}", status="302 Found"),
    "not allowed": sent(LIST, f"WWW-Authenticate: {MARK}", status="401 Unauthorized"),
    "too many": sent(LIST, "Retry-After: 99", status="429 Too Many Requests"),
    "a fault": sent(LIST, status="500 Internal Server Error"),
}


@pytest.mark.parametrize("answer", UNUSABLE.values(), ids=UNUSABLE)
async def test_an_answer_that_is_no_use_is_told_in_one_way_and_raises_no_alarm(gateway, upstream, answer):
    upstream.script = upstream.says(answer)
    got = await gateway.ask(key="repos")
    assert got.status == 502
    assert got.json["error"]["reason"] == "upstream_failed"
    assert MARK.encode() not in got.raw
    assert set(got.headers) == {
        "content-type",
        "cache-control",
        "x-request-id",
        "gateway-reason",
        "server",
        "content-length",
        "date",
        "connection",
    }
    assert not gateway.value("gateway_alarms", state="open")
    upstream.script = upstream.says(sent())
    assert (await gateway.ask(key="repos")).json["data"] == [REPO]


@pytest.mark.parametrize(
    "answer", [sent(HIDDEN), coded("gzip", gzip.compress(HIDDEN)), chunked(HIDDEN[:9], HIDDEN[9:])]
)
async def test_what_is_hidden_is_found_in_every_coding(gateway, upstream, answer):
    upstream.script = upstream.says(answer)
    got = await gateway.ask(key="repos")
    assert (got.status, got.json["error"]["reason"]) == (502, "answer_withheld")
    assert MARK.encode() not in got.raw
    assert gateway.value("gateway_alarms", state="open") == 1
    asked = len(upstream.received)
    got = await gateway.ask(key="repos")
    assert (got.status, got.json["error"]["reason"]) == (403, "query_class_refused")
    assert len(upstream.received) == asked


@pytest.mark.parametrize("rows", [[], [REPO]], ids=["empty", "full"])
async def test_pages_end(gateway, upstream, rows):
    """Empty ones at the number of answers that are read; full ones when there are enough rows."""
    numbers = iter(range(1_000_000))

    async def goes_on(_, writer):
        page = {"type": "list", "data": rows * 10, "cursor": f"{MARK}{next(numbers)}"}
        writer.write(sent(json.dumps(page).encode()))

    upstream.script = goes_on
    got = await gateway.ask(key="repos")
    if rows:
        assert (len(got.json["data"]), "cursor" in got.json) == (250, True)
        assert MARK not in got.json["cursor"]
    else:
        assert (got.status, got.json["error"]["reason"]) == (502, "upstream_failed")
        assert MARK.encode() not in got.raw
        assert len(upstream.received) == CALLS


# --- lies about where an answer ends ------------------------------------------------------------------------------

LYING = {
    "less than announced": (sent(length=len(LIST) + 9), True),
    "a chunk that is missing": (chunked(LIST[:9], last=b"5\r\nab"), True),
    "a chunk that is longer": (chunked(LIST[:9], last=b"1\r\nabcdef\r\n0\r\n\r\n"), False),
    "a length and chunks": (sent(LIST, "Transfer-Encoding: chunked"), False),
    "two lengths": (sent(LIST, "Content-Length: 3"), False),
    "less of gzip than announced": (sent(GZIP[:-4], "Content-Encoding: gzip", length=len(GZIP)), True),
}


@pytest.mark.parametrize(("answer", "hangs_up"), LYING.values(), ids=LYING)
async def test_after_a_lie_about_its_end_a_connection_is_not_used_again(gateway, upstream, answer, hangs_up):
    async def lies(_, writer):
        writer.write(answer)
        if hangs_up:
            writer.close()

    upstream.script = lies
    got = await gateway.ask(key="repos")
    assert (got.status, got.json["error"]["reason"]) == (502, "upstream_failed")
    assert MARK.encode() not in got.raw
    upstream.script = upstream.says(sent())
    before = upstream.connections
    assert (await gateway.ask(key="repos")).status == 200
    assert upstream.connections == before + 1


async def test_what_comes_after_an_answer_is_no_part_of_it_and_of_none_that_follows(gateway, upstream):
    upstream.script = upstream.says(sent() + sent(HIDDEN))
    assert (await gateway.ask(key="repos")).json["data"] == [REPO]
    upstream.script = upstream.says(sent())
    assert (await gateway.ask(key="repos")).json["data"] == [REPO]
    assert upstream.connections == 2


async def test_an_answer_that_ends_with_its_connection_is_whole_or_cannot_be_told(gateway, upstream):
    """HTTP/1.1 allows it (RFC 9112, section 6.3), and a broken connection looks the same."""

    async def until_it_ends(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + LIST)
        writer.close()

    upstream.script = until_it_ends
    got = await gateway.ask(key="repos")
    assert (got.status, got.json["error"]["reason"]) == (502, "upstream_failed")
    assert MARK.encode() not in got.raw


# --- other shapes -------------------------------------------------------------------------------------------------

TREE = {"type": "tree", "data": {"vertices": [REPO], "edges": []}}
SHAPES = {
    "FIND github_repo AS r RETURN r.name": [
        {"type": "list", "data": [REPO]},
        {"type": "table", "data": {"vertices": [], "edges": []}},
        {"type": "table", "data": [[MARK]]},
        {"type": "table", "data": [MARK]},
        {"type": "table", "data": None},
        {"type": "tree", "data": [{"r.name": MARK}]},
    ],
    "FIND github_repo RETURN TREE": [
        {"type": "list", "data": [REPO]},
        {"type": "table", "data": [{"x": MARK}]},
        {"type": "tree", "data": [REPO]},
        {"type": "tree", "data": {"vertices": [REPO]}},
        {"type": "tree", "data": {"vertices": [REPO], "edges": [REPO]}},
        {"type": "tree", "data": {"vertices": [{"name": MARK}], "edges": []}},
        {"type": "tree", "data": {"vertices": None, "edges": None, "x": MARK}},
    ],
}


@pytest.mark.parametrize(
    ("query", "value"), [(query, value) for query, values in SHAPES.items() for value in values], ids=str
)
async def test_the_shape_is_that_of_the_query_whatever_the_answer_looks_like(gateway, upstream, query, value):
    upstream.script = upstream.says(sent(json.dumps(value).encode()))
    got = await gateway.ask("POST", "/j1ql", json.dumps({"query": query}).encode(), "repos")
    assert (got.status, got.json["error"]["reason"]) == (502, "upstream_failed")
    assert MARK.encode() not in got.raw


async def test_rows_of_a_table_that_imitate_entities_are_cells(gateway, upstream):
    """A column that the caller did not ask for is left out, whatever it is called."""
    row = REPO | {"gw0": "1", "r.name": "x"}
    upstream.script = upstream.says(sent(json.dumps({"type": "table", "data": [row]}).encode()))
    body = json.dumps({"query": "FIND github_repo AS r RETURN r.name"}).encode()
    got = await gateway.ask("POST", "/j1ql", body, "repos")
    assert MARK.encode() not in got.raw
    assert got.status == 502


# --- what goes upstream, and what comes back ----------------------------------------------------------------------

CONDITIONAL = (
    'If-None-Match: "x"',
    'If-Match: "x"',
    "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
    "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
    'If-Range: "x"',
    "Range: bytes=0-9",
    "Cache-Control: only-if-cached",
    "Pragma: no-cache",
    "Accept: text/csv",
    "Accept-Encoding: gzip, br",
    "Accept-Language: cs",
    "Apollo-Query: x",
    "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "JupiterOne-Correlation-Id: x",
)


@pytest.mark.parametrize("header", CONDITIONAL)
async def test_nothing_that_a_client_says_of_the_answer_s_form_goes_upstream(gateway, upstream, header):
    upstream.script = upstream.says(sent())
    got = await gateway.ask("POST", "/j1ql", b'{"query":"FIND *"}', "repos", header)
    assert got.status == 200
    (asked,) = upstream.received
    names = {name for name, _ in asked.headers}
    assert names == {
        "host",
        "content-type",
        "accept",
        "accept-encoding",
        "user-agent",
        "authorization",
        "jupiterone-account",
        "gateway-identity",
        "x-request-id",
        "content-length",
    }
    assert asked.header("accept-encoding") == ["identity"]
    assert asked.header("accept") == ["application/json"]


@pytest.mark.parametrize(
    "header",
    [
        f'ETag: "{MARK}"',
        f"X-Total-Count: {MARK}",
        f"Server-Timing: {MARK}",
        f"Last-Modified: {MARK}",
        f"Set-Cookie: {MARK}",
        f"Content-Language: {MARK}",
        f"Content-Disposition: {MARK}",
        f"RateLimit-Remaining: {MARK}",
        f"Gateway-Narrowed: {MARK}",
        f"X-Request-Id: {MARK}",
        f"Link: <https://{MARK}>",
        f"Age: {MARK}",
        f"Date: {MARK}",
        "Cache-Control: public, max-age=600",
        "Trailer: x-hidden",
    ],
)
async def test_no_header_of_the_upstream_s_comes_back(gateway, upstream, header):
    upstream.script = upstream.says(sent(json.dumps({"type": "list", "data": []}).encode(), header))
    got = await gateway.ask(key="repos")
    assert got.status == 200
    assert MARK.encode() not in got.raw
    assert got.headers["cache-control"] == "no-store"
    assert set(got.headers) == {
        "content-type",
        "cache-control",
        "x-request-id",
        "gateway-narrowed",
        "server",
        "content-length",
        "date",
        "connection",
    }
