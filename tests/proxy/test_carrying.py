"""What a plan says is done, and nothing else: passing on, checking, learning, batches; upstreams misbehave."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from dataclasses import replace

import jwt
import pytest

from gateway.proxy import Service

JOB = "/persister/synchronization/jobs/j1"
ENTITIES = f"{JOB}/entities"
GRAPHQL_DASHBOARD = {"query": '{ getDashboard(dashboardId: "7") { id } }'}
GRAPHQL_FORBIDDEN = {"query": '{ getDashboard(dashboardId: "8") { id } }'}
GRAPHQL_OURS = {"query": 'mutation { createToken(token: {name: "x"}) { id } }'}


@pytest.fixture
def knows_job(upstream, says):
    """An upstream that knows the job j1 of the instance i1; `then` answers everything else."""

    def script(then):
        async def answering(received, writer):
            if received.line.startswith(f"GET {JOB} "):
                writer.write(says(b'{"job":{"id":"j1","integrationInstanceId":"i1"}}'))
            else:
                await then(received, writer)

        upstream.script = answering

    script(upstream.says(says()))
    return script


# --- passing on ---------------------------------------------------------------------------------------------------


async def test_an_unconditioned_call_passes_byte_for_byte(gateway, upstream, says):
    upstream.script = upstream.says(says(b'{"type": "list",\n"data":[]}', "200 OK", "X-Custom: 1", 'ETag: "x"'))
    body = b'{ "query" : "FIND  *" }'
    answer = await gateway.ask("POST", "/j1ql", body)
    assert upstream.received[0].body == body
    assert upstream.received[0].line == "POST /j1ql HTTP/1.1"
    assert answer.status == 200
    assert answer.body == b'{"type": "list",\n"data":[]}'
    assert answer.headers["x-custom"] == "1"
    assert answer.headers["etag"] == '"x"'
    assert "gateway-narrowed" not in answer.headers


async def test_path_and_query_go_on_as_they_stood(gateway, upstream, knows_job):
    target = f"{ENTITIES}?ignoreDuplicates=true&a=%2F%41+b&&c=d=e?/:@"
    assert (await gateway.ask("POST", target, b"{}", "uploads")).status == 200
    assert upstream.received[-1].line == f"POST {target} HTTP/1.1"


async def test_the_upstream_sees_our_credential_and_a_signed_identity_only(gateway, upstream, secret):
    forged = [
        "Cookie: a=b",
        "Gateway-Identity: forged",
        "X-Forwarded-For: 1.2.3.4",
        "JupiterOne-Account: acme",
        "X-Request-Id: mine",
        "JupiterOne-Correlation-Id: kept",
    ]
    answer = await gateway.ask("POST", "/j1ql", b'{"query":"FIND *"}', "super", *forged)
    received = upstream.received[0]
    assert received.header("authorization") == ["Bearer upstream-credential"]
    assert received.header("jupiterone-account") == ["acme-at-platform"]
    assert received.header("x-request-id") == [answer.headers["x-request-id"]]
    assert received.header("jupiterone-correlation-id") == ["kept"]
    for name in ("cookie", "x-forwarded-for", "x-api-key"):
        assert received.header(name) == []
    (token,) = received.header("gateway-identity")
    options = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(token, "an identity secret of 32 bytes or more", algorithms=["HS256"], options=options)
    assert claims == {
        "iss": "gateway",
        "sub": "identity-super",
        "key": "key-super",
        "org": "acme",
        "kind": "account",
        "iat": 1_700_000_000,
        "exp": 1_700_000_060,
    }
    assert secret("super") not in str(upstream.received)


async def test_the_client_sees_nothing_of_the_upstream_itself(gateway, upstream, says):
    extra = [
        "Set-Cookie: s=1",
        "Server: internal/1",
        "X-Powered-By: x",
        "Connection: X-Hop",
        "X-Hop: 1",
        "X-Request-Id: theirs",
    ]
    upstream.script = upstream.says(says(b"{}", "200 OK", *extra))
    headers = (await gateway.ask()).headers
    assert not {"set-cookie", "x-powered-by", "x-hop"} & set(headers)
    assert headers["server"] == "gateway"
    assert headers["x-request-id"] == "call-0001"


async def test_no_cache_on_the_way_keeps_what_is_for_one_key(gateway, upstream, says):
    """Caches know of no key in `X-Api-Key`, and of one in `Authorization` they are told that the answer is public."""
    public = ["Cache-Control: public, max-age=60", "Expires: Thu, 01 Dec 2039 16:00:00 GMT", "ETag: 1"]
    upstream.script = upstream.says(says(b'{"job":{"id":"j1","integrationInstanceId":"i1"}}', "200 OK", *public))
    for method, path in (("GET", JOB), ("POST", "/j1ql")):
        answer = await gateway.ask(method, path, b'{"query":"FIND *"}' if method == "POST" else b"", "super")
        assert answer.status == 200
        assert answer.headers["cache-control"] == "no-store"
        assert "expires" not in answer.headers


@pytest.mark.parametrize(
    "status",
    [
        "201 Created",
        "204 No Content",
        "304 Not Modified",
        "400 Bad",
        "403 F",
        "404 N",
        "429 Slow",
        "500 X",
        "503 Y",
        "599 Z",
    ],
)
async def test_an_upstream_s_own_statuses_pass(gateway, upstream, says, status):
    body = b"" if status[:3] in {"204", "304"} else b"[1]"
    upstream.script = upstream.says(says(body, status))
    answer = await gateway.ask()
    assert answer.status == int(status[:3])
    assert answer.body == body


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 T", "308 P", "401 Unauthorized", "407 P"])
async def test_answers_about_the_way_to_the_upstream_do_not_pass(gateway, upstream, says, status):
    upstream.script = upstream.says(
        says(b"secret", status, "Location: http://internal/", 'WWW-Authenticate: Bearer realm="x"')
    )
    answer = await gateway.ask()
    assert answer.status == 502
    assert answer.json["error"]["reason"] == "upstream_failed"
    assert not {"location", "www-authenticate"} & set(answer.headers)
    assert b"secret" not in answer.raw
    assert len(upstream.received) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"NONSENSE\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}",
        b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX-Large: " + b"x" * 20_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["hangs up", "not HTTP", "101", "length and chunks", "two lengths", "no end", "no status", "large header"],
)
async def test_an_answer_that_cannot_be_believed_is_a_502(gateway, upstream, raw):
    async def script(_received, writer):
        writer.write(raw)
        writer.close()

    upstream.script = script
    answer = await gateway.ask()
    assert answer.status == 502
    assert answer.json["error"]["reason"] == "upstream_failed"


async def test_an_upstream_that_is_away_is_a_502(gateway):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    gateway.bindings["acme"] = replace(gateway.bindings["acme"], j1ql=Service.at(f"http://127.0.0.1:{port}/j1ql"))
    answer = await gateway.ask()
    assert answer.status == 502
    assert answer.json["error"]["reason"] == "upstream_unreachable"


async def test_an_answer_is_passed_on_while_it_comes(gateway, upstream):
    more = asyncio.Event()

    async def script(_received, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await more.wait()
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")

    upstream.script = script
    reader, writer = await gateway.connect()
    writer.write(gateway.call())
    assert (await reader.readuntil(b"first")).startswith(b"HTTP/1.1 200 OK")
    more.set()
    answer = await gateway.rest(reader, writer)
    assert answer.raw == b"\r\n6\r\nsecond\r\n0\r\n\r\n"


async def test_a_body_is_passed_on_while_it_comes(gateway, upstream, knows_job):
    head = gateway.call(
        "POST", ENTITIES, b"x", "uploads", "Content-Encoding: gzip", framing="Transfer-Encoding: chunked"
    )[:-1]
    reader, writer = await gateway.connect()
    writer.write(head + b"5\r\nfirst\r\n")
    await gateway.until(lambda: upstream.received and upstream.received[-1].body == b"first")
    assert not upstream.received[-1].whole
    writer.write(b"6\r\nsecond\r\n0\r\n\r\n")
    assert (await gateway.rest(reader, writer)).status == 200
    received = upstream.received[-1]
    assert received.body == b"firstsecond"
    assert received.header("content-encoding") == ["gzip"]
    assert received.header("transfer-encoding") == ["chunked"]


async def test_a_body_of_known_length_keeps_it(gateway, upstream, knows_job):
    body = b"y" * 2_000_000
    assert (await gateway.ask("POST", ENTITIES, body, "uploads")).status == 200
    received = upstream.received[-1]
    assert received.header("content-length") == ["2000000"]
    assert received.header("transfer-encoding") == []
    assert received.body == body


async def test_a_call_without_a_body_has_none_upstream(gateway, upstream, knows_job):
    assert (await gateway.ask("POST", f"{JOB}/finalize", b"", "uploads")).status == 200
    assert upstream.received[-1].header("content-length") == ["0"]


async def test_an_answer_passes_as_the_upstream_packed_it(gateway, upstream, says):
    packed = gzip.compress(b"[]")
    upstream.script = upstream.says(says(packed, "200 OK", "Content-Encoding: gzip"))
    answer = await gateway.ask("POST", "/j1ql", b'{"query":"FIND *"}', "super", "Accept-Encoding: gzip")
    assert upstream.received[0].header("accept-encoding") == ["gzip"]
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.body == packed


async def test_connections_to_the_upstream_are_used_again(gateway, upstream):
    for key in ("super", "repos", "super"):
        await gateway.ask(key=key)
    assert len(upstream.received) == 3
    assert upstream.connections == 1


async def test_calls_share_no_cookies(gateway, upstream, says):
    upstream.script = upstream.says(says(b"{}", "200 OK", "Set-Cookie: session=1; Path=/"))
    for _ in range(2):
        await gateway.ask()
    assert [received.header("cookie") for received in upstream.received] == [[], []]


async def test_the_environment_does_not_lead_calls_elsewhere(gateway, upstream, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await gateway.ask()).status == 200
    assert len(upstream.received) == 1


PIECE = b"p" * 1_000_000


async def test_an_answer_waits_for_its_reader(gateway, upstream):
    sent = 0

    async def script(_received, writer):
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for sent in range(100):  # noqa: B007
            writer.write(PIECE)
            await writer.drain()

    upstream.script = script
    _, writer = await gateway.connect()
    writer.transport.pause_reading()
    writer.write(gateway.call())
    await asyncio.sleep(1)
    assert 0 < sent < 50  # the rest is in the buffers of the system, not in ours
    writer.transport.abort()


async def test_a_body_waits_for_the_upstream(gateway, upstream, knows_job):
    upstream.early = True
    knows_job(upstream.stalls)
    sent = 0

    async def upload(writer) -> None:
        nonlocal sent
        writer.write(gateway.call("POST", ENTITIES, b"x", "uploads", framing="Content-Length: 60000000")[:-1])
        for sent in range(60):  # noqa: B007
            writer.write(PIECE)
            await writer.drain()

    _, writer = await gateway.connect()
    uploading = asyncio.ensure_future(upload(writer))
    await asyncio.sleep(1)
    assert 0 < sent < 50
    uploading.cancel()
    writer.transport.abort()
    upstream.go_on.set()


# --- an upstream that dies ----------------------------------------------------------------------------------------


def begins_and(end, head: bytes = b"Content-Length: 100"):
    async def script(_received, writer):
        writer.write(
            b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + (b"4\r\nsome\r\n" if b"chunked" in head else b"some")
        )
        await writer.drain()
        await asyncio.sleep(0.05)
        end(writer)

    return script


@pytest.mark.parametrize("head", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize(
    "end", [lambda writer: writer.close(), lambda writer: writer.transport.abort()], ids=["close", "abort"]
)
@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
async def test_an_answer_that_breaks_off_is_never_a_whole_one(gateway, upstream, head, end, version):
    upstream.script = begins_and(end, head)
    answer = await gateway.send(gateway.call().replace(b"HTTP/1.1", version, 1))
    assert answer.reset
    assert b"0\r\n\r\n" not in answer.body
    (told,) = await gateway.records()
    assert (told["outcome"], told["reason"], told["status"]) == ("failed", "upstream_failed", 200)


class TestImpatient:
    @pytest.fixture
    def setup(self, setup):
        setup.upstreams = replace(
            setup.upstreams, connect_seconds=0.1, answer_seconds=0.1, idle_seconds=0.1, send_seconds=0.2
        )
        return setup

    async def test_an_upstream_that_does_not_answer_is_a_504(self, gateway, upstream):
        upstream.script = upstream.hangs
        answer = await gateway.ask()
        assert answer.status == 504
        assert answer.json["error"]["reason"] == "upstream_timeout"
        await upstream.closed.wait()

    async def test_an_answer_that_stalls_is_cut(self, gateway, upstream):
        async def script(received, writer):
            await begins_and(lambda _: None)(received, writer)
            await upstream.hangs(received, writer)

        upstream.script = script
        assert (await gateway.ask()).reset

    async def test_an_upstream_that_takes_no_body_is_a_504(self, gateway, upstream, knows_job):
        upstream.early = True
        knows_job(upstream.stalls)
        answer = await gateway.ask("POST", ENTITIES, b"z" * 30_000_000, "uploads")
        assert answer.status == 504
        upstream.go_on.set()

    @pytest.mark.usefixtures("knows_job")
    async def test_the_caller_s_own_slowness_is_not_the_upstream_s(self, gateway, upstream):
        head = gateway.call("POST", ENTITIES, b"x", "uploads", framing="Content-Length: 10")[:-1]
        reader, writer = await gateway.connect()
        writer.write(head + b"first")
        await asyncio.sleep(0.5)
        writer.write(b"later")
        assert (await gateway.rest(reader, writer)).status == 200
        assert upstream.received[-1].body == b"firstlater"


# --- a client that dies, or lies ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("knows_job")
class TestSmallUploads:
    @pytest.fixture
    def setup(self, setup):
        setup.proxy = replace(setup.proxy, upload_bytes=1000)
        return setup

    async def test_an_upload_that_says_it_is_too_large_is_not_begun(self, gateway, upstream):
        answer = await gateway.ask("POST", ENTITIES, b"x" * 1001, "uploads")
        assert answer.status == 413
        assert [received.line for received in upstream.received] == [f"GET {JOB} HTTP/1.1"]

    async def test_an_upload_that_turns_out_too_large_is_broken_off(self, gateway, upstream):
        chunks = b"1f4\r\n" + b"x" * 500 + b"\r\n"
        answer = await gateway.ask(
            "POST", ENTITIES, chunks * 3 + b"0\r\n\r\n", "uploads", framing="Transfer-Encoding: chunked"
        )
        assert answer.status == 413
        assert answer.json["error"]["reason"] == "too_large"
        assert not [received for received in upstream.received if received.line.startswith("POST") and received.whole]

    async def test_an_upload_too_large_for_an_answer_that_has_begun_cuts_it(self, gateway, upstream, knows_job):
        upstream.early = True
        knows_job(begins_and(lambda _: None, b"Transfer-Encoding: chunked"))
        reader, writer = await gateway.connect()
        chunk = b"1f4\r\n" + b"x" * 500 + b"\r\n"
        writer.write(gateway.call("POST", ENTITIES, chunk, "uploads", framing="Transfer-Encoding: chunked"))
        await reader.readuntil(b"some")
        writer.write(chunk * 2)
        assert (await gateway.rest(reader, writer)).reset

    async def test_an_upload_of_the_limit_passes(self, gateway):
        assert (await gateway.ask("POST", ENTITIES, b"x" * 1000, "uploads")).status == 200


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("leave", ["half", "close", "reset"])
async def test_an_upload_that_breaks_off_never_ends_upstream(gateway, upstream, knows_job, framing, leave):
    head = gateway.call("POST", ENTITIES, b"x", "uploads", framing=framing)[:-1]
    reader, writer = await gateway.connect()
    writer.write(head + b"5\r\nfirst\r\n")
    await gateway.until(lambda: upstream.received and b"first" in upstream.received[-1].body)
    upstream.closed.clear()
    if leave == "half":
        writer.write_eof()
        assert (await gateway.rest(reader, writer)).status == 400
    elif leave == "close":
        writer.close()
    else:
        writer.transport.abort()
    await upstream.closed.wait()
    assert not upstream.received[-1].whole


async def test_an_upstream_may_answer_before_it_has_the_body(gateway, upstream, knows_job, says):
    upstream.early = True
    knows_job(upstream.says(says(b'{"error":{}}', "413 Too Large", "Connection: close")))
    head = gateway.call("POST", ENTITIES, b"x", "uploads", framing="Content-Length: 1000", close=False)[:-1]
    answer = await gateway.send(head + b"first")
    assert answer.status == 413
    assert answer.body == b'{"error":{}}'
    assert answer.headers["connection"] == "close"


# --- conditioned keys ---------------------------------------------------------------------------------------------

REPO = {"id": "1", "entity": {"_id": "1", "_type": ["github_repo"], "_class": ["CodeRepo"]}, "properties": {}}
SECRET = {"id": "2", "entity": {"_id": "2", "_type": ["secret"], "_class": ["Secret"]}, "properties": {}}


def listed(*rows, **more) -> bytes:
    return json.dumps({"type": "list", "data": list(rows), "totalCount": 77, **more}).encode()


async def test_a_conditioned_answer_is_checked_and_says_so(gateway, upstream, says):
    upstream.script = upstream.says(says(listed(REPO), "200 OK", "X-Upstream: 1", "ETag: 1", "Cache-Control: public"))
    sent = [
        "If-None-Match: 1",
        "Range: bytes=0-1",
        "Accept-Encoding: gzip",
        "X-Custom: 1",
        "Content-Encoding: identity",
    ]
    answer = await gateway.ask("POST", "/j1ql", b'{"query":"FIND *"}', "repos", *sent)
    assert answer.status == 200
    assert answer.json == {"type": "list", "data": [REPO]}
    assert set(answer.headers) == {
        "content-type",
        "cache-control",
        "x-request-id",
        "gateway-narrowed",
        "server",
        "content-length",
        "date",
        "connection",
    }
    assert answer.headers["gateway-narrowed"] == "strict"
    assert answer.headers["cache-control"] == "no-store"
    received = upstream.received[0]
    assert received.header("accept-encoding") == ["identity"]
    for name in ("if-none-match", "range", "x-custom"):
        assert received.header(name) == []
    assert "github_repo" in json.loads(received.body)["query"]
    (told,) = await gateway.records()
    assert (told["outcome"], told["relationships"]) == ("narrowed", "strict")


async def test_pages_of_a_conditioned_answer_can_be_walked(gateway, upstream, says):
    rows = [{**REPO, "id": str(number)} for number in range(600)]
    upstream.script = upstream.says(says(listed(*rows)))
    found, body = [], {"query": "FIND *"}
    while True:
        answer = await gateway.ask("POST", "/j1ql", json.dumps(body).encode(), "repos")
        found.append(len(answer.json["data"]))
        if "cursor" not in answer.json:
            break
        body["cursor"] = answer.json["cursor"]
    assert found == [250, 250, 100]
    foreign = await gateway.ask("POST", "/j1ql", json.dumps(body | {"query": "FIND * WITH a=1"}).encode(), "repos")
    assert foreign.status == 400


async def test_a_hidden_object_is_never_sent_on(gateway, upstream, says, caplog):
    upstream.script = upstream.says(says(listed(REPO, SECRET)))
    answer = await gateway.ask(key="repos")
    assert answer.status == 502
    assert answer.json["error"]["reason"] == "answer_withheld"
    assert b"github_repo" not in answer.raw
    assert len(upstream.received) == 2


async def test_an_object_that_changed_meanwhile_is_forgiven_once(gateway, upstream, says):
    upstream.script = upstream.says(says(listed(REPO, SECRET)), says(listed(REPO)))
    answer = await gateway.ask(key="repos")
    assert answer.json["data"] == [REPO]


async def test_a_conditioned_key_cannot_tell_one_failure_of_the_upstream_from_another(gateway, upstream, says):
    failures = [
        says(b'{"error":"secret"}', "403 F"),
        says(b"<html>", "500 X"),
        says(b"[]"),
        says(b"", "401 U"),
        says(b"", "429 Slow", "Retry-After: 7"),
        says(b"", "302 F", "Location: http://x/"),
    ]
    seen = set()
    for failure in failures:
        upstream.script = upstream.says(failure)
        answer = await gateway.ask(key="repos")
        assert answer.status == 502
        varying = answer.headers["x-request-id"], answer.headers["date"]
        seen.add(answer.raw.decode().replace(varying[0], "").replace(varying[1], ""))
    assert len(seen) == 1


async def test_an_answer_that_breaks_off_is_not_sent_at_all(gateway, upstream):
    upstream.script = begins_and(lambda writer: writer.close())
    answer = await gateway.ask(key="repos")
    assert answer.status == 502
    assert not answer.reset


class TestSmallAnswers:
    @pytest.fixture
    def setup(self, setup):
        setup.pages = replace(setup.pages, answer_bytes=1000)
        return setup

    async def test_an_answer_too_large_to_check_is_not_read(self, gateway, upstream, says):
        upstream.script = upstream.says(says(listed(*[REPO] * 100)))
        assert (await gateway.ask(key="repos")).status == 502


# --- synchronization jobs -----------------------------------------------------------------------------------------

CREATE = json.dumps({"source": "integration-managed", "integrationInstanceId": "i1"}).encode()
JOBS = "/persister/synchronization/jobs"


async def test_a_created_job_is_passed_on_and_known(gateway, upstream, says):
    made = b'{"job":{"id":"j9","integrationInstanceId":"i1"}}'
    upstream.script = upstream.says(says(made, "201 Created", "Set-Cookie: a=b"), says())
    answer = await gateway.ask("POST", JOBS, CREATE, "sync")
    assert answer.status == 201
    assert answer.body == made
    assert "set-cookie" not in answer.headers
    assert (await gateway.ask("POST", f"{JOBS}/j9/finalize", b"", "sync")).status == 200
    assert [received.line for received in upstream.received] == [
        f"POST {JOBS} HTTP/1.1",
        f"POST {JOBS}/j9/finalize HTTP/1.1",
    ]


async def test_a_created_job_of_another_integration_is_not_passed_on(gateway, upstream, says):
    upstream.script = upstream.says(says(b'{"job":{"id":"j9","integrationInstanceId":"i2"}}'))
    answer = await gateway.ask("POST", JOBS, CREATE, "sync")
    assert answer.status == 502
    assert b"j9" not in answer.raw


async def test_why_a_job_was_not_created_is_the_upstream_s_to_tell(gateway, upstream, says):
    upstream.script = upstream.says(says(b'{"error":{"code":"BAD"}}', "400 Bad Request"))
    answer = await gateway.ask("POST", JOBS, CREATE, "sync")
    assert answer.status == 400
    assert answer.body == b'{"error":{"code":"BAD"}}'


@pytest.mark.parametrize("found", [b'{"job":{"id":"j1","integrationInstanceId":"i2"}}', b'{"job":{"id":"j1"}}'])
async def test_a_job_of_another_integration_is_not_reached(gateway, upstream, says, found):
    upstream.script = upstream.says(says(found))
    answer = await gateway.ask("POST", ENTITIES, b"{}", "sync")
    assert answer.status == 403
    assert answer.json["error"]["reason"] == "unknown_job"
    assert [received.line for received in upstream.received] == [f"GET {JOB} HTTP/1.1"]


async def test_a_job_that_the_upstream_does_not_know_is_refused_in_the_same_words(gateway, upstream, says):
    upstream.script = upstream.says(
        says(b"{}", "404 Not Found"), says(b'{"job":{"id":"j1","integrationInstanceId":"i2"}}')
    )
    unknown, foreign = [(await gateway.ask("POST", ENTITIES, b"{}", "sync")).json["error"] for _ in range(2)]
    assert unknown["message"] == foreign["message"]
    assert unknown["reason"] == foreign["reason"]


# --- GraphQL arrays -----------------------------------------------------------------------------------------------


async def test_a_batch_goes_up_once_and_comes_back_in_order(gateway, upstream, says):
    upstream.script = upstream.says(says(b'[ {"data":{"n": 1}} ,{"data":{"n": 2}}]'))
    elements = [GRAPHQL_DASHBOARD, GRAPHQL_FORBIDDEN, GRAPHQL_OURS, GRAPHQL_DASHBOARD | {"operationName": None}]
    answer = await gateway.ask("POST", "/graphql", json.dumps(elements).encode(), "dashboard")
    assert answer.status == 200
    first, refused, ours, last = answer.json
    assert (first, last) == ({"data": {"n": 1}}, {"data": {"n": 2}})
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert refused["errors"][0]["extensions"]["requestId"] == answer.headers["x-request-id"]
    assert ours == {"data": {"createToken": {"id": "1"}}}
    assert [json.loads(received.body) for received in upstream.received] == [[elements[0], elements[3]]]
    (told,) = await gateway.records()
    assert told["outcome"] == "batch"
    assert [element["outcome"] for element in told["elements"]] == ["forwarded", "refused", "answered", "forwarded"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[]", "200 OK"),
        (b'[{"data":1},{"data":2}]', "200 OK"),
        (b'{"data":1}', "200 OK"),
        (b"<html>", "200 OK"),
        (b'[{"data":1}]', "500 X"),
    ],
)
async def test_an_upstream_without_the_right_array_fails_its_elements_only(gateway, upstream, says, body, status):
    upstream.script = upstream.says(says(body, status))
    elements = json.dumps([GRAPHQL_DASHBOARD, GRAPHQL_FORBIDDEN]).encode()
    answer = await gateway.ask("POST", "/graphql", elements, "dashboard")
    assert answer.status == 200
    assert [element["errors"][0]["extensions"]["reason"] for element in answer.json] == [
        "upstream_failed",
        "not_allowed",
    ]


async def test_a_batch_without_anything_to_forward_asks_nobody(gateway, upstream):
    answer = await gateway.ask("POST", "/graphql", json.dumps([GRAPHQL_FORBIDDEN]).encode(), "dashboard")
    assert [element["errors"][0]["extensions"]["reason"] for element in answer.json] == ["not_allowed"]
    assert upstream.received == []
