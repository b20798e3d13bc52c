"""Synchronization calls over sockets: what of them reaches the persister, and in what form."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from gateway.keys import digest
from gateway.proxy import ProxyOptions
from gateway.stores.base import Absent

JOBS = "/persister/synchronization/jobs"
JOB = f"{JOBS}/j1"
ENTITIES = f"{JOB}/entities"
PLAIN = json.dumps({"entities": [{"_key": f"e{n}", "_rawData": [{"rawData": "x" * 99}]} for n in range(999)]}).encode()
FOREIGN = b'{"entities":[{"_id":"of another"}]}'
PACKED = gzip.compress(PLAIN)
GZIP = "Content-Encoding: gzip"


def job(name="j1", instance="i1"):
    return json.dumps({"job": {"id": name, "integrationInstanceId": instance}}).encode()


@pytest.fixture(autouse=True)
def persister(upstream, says):
    """An upstream that knows the job j1 of the instance i1."""

    async def script(received, writer):
        known = received.line.startswith((f"GET {JOB} ", f"POST {JOBS} "))
        writer.write(says(job() if known else b"{}"))

    upstream.script = script


def posted(upstream):
    return [received for received in upstream.received if received.line.startswith("POST ")]


# --- compressed uploads -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip"])
async def test_a_compressed_upload_goes_on_as_the_text_that_was_decided_on(gateway, upstream, coding):
    answer = await gateway.ask("POST", ENTITIES, PACKED, "sync", f"Content-Encoding: {coding}")
    assert answer.status == 200, answer.body
    (received,) = posted(upstream)
    assert received.body == PLAIN
    assert received.header("content-encoding") == []
    assert received.header("content-type") == ["application/json"]
    assert received.header("content-length") == [str(len(PLAIN))]


async def test_a_compressed_upload_that_comes_in_pieces_is_read_too(gateway, upstream):
    head = gateway.call("POST", ENTITIES, b"x", "sync", GZIP, framing="Transfer-Encoding: chunked")[:-1]
    pieces = [PACKED[at : at + 100] for at in range(0, len(PACKED), 100)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    assert (await gateway.send(head + body)).status == 200
    assert posted(upstream)[0].body == PLAIN


async def test_members_of_gzip_are_one_text(gateway, upstream):
    """As RFC 1952 has it; who reads the first alone never sees the others' bytes."""
    body = gzip.compress(PLAIN[:100]) + gzip.compress(b"") + gzip.compress(PLAIN[100:])
    assert (await gateway.ask("POST", ENTITIES, body, "sync", GZIP)).status == 200
    assert posted(upstream)[0].body == PLAIN
    hidden = gzip.compress(PLAIN[:-1]) + gzip.compress(b',"deleteEntities":[]}')
    assert (await gateway.ask("POST", ENTITIES, hidden, "sync", GZIP)).status == 403


async def test_what_is_compressed_is_decided_like_what_is_not(gateway, upstream):
    for body, more in ((FOREIGN, ()), (gzip.compress(FOREIGN), (GZIP,))):
        answer = await gateway.ask("POST", ENTITIES, body, "sync", *more)
        assert answer.status == 403
        assert "_id" in answer.json["error"]["message"]
    assert posted(upstream) == []


BROKEN = {
    "cut off": PACKED[:-9],
    "without its end": PACKED[:-1],
    "no gzip": PLAIN,
    "deflate": zlib.compress(PLAIN),
    "a wrong sum": PACKED[:-5] + b"\x00\x01\x02\x03\x04",
    "two members": PACKED + gzip.compress(FOREIGN),
    "empty members without end": gzip.compress(b"") * 10_000,
    "bytes after it": PACKED + b"\x00",
    "gzip in gzip": gzip.compress(PACKED),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_what_is_not_one_text_to_its_end_is_refused(gateway, upstream, body):
    answer = await gateway.ask("POST", ENTITIES, body, "sync", GZIP)
    assert (answer.status, answer.json["error"]["reason"]) == (400, "malformed_body")
    assert posted(upstream) == []


@pytest.mark.parametrize("coding", ["deflate", "br", "zstd", "compress", "gzip, gzip", "gzip, identity", "gzip;q=1"])
async def test_another_coding_cannot_be_looked_into(gateway, upstream, coding):
    answer = await gateway.ask("POST", ENTITIES, PACKED, "sync", f"Content-Encoding: {coding}")
    assert (answer.status, answer.json["error"]["reason"]) == (415, "unsupported_media_type")
    assert "with gzip or without" in answer.json["error"]["message"]
    assert posted(upstream) == []


@pytest.mark.parametrize("size", [17 * 1024 * 1024, 256 * 1024 * 1024])
async def test_a_bomb_is_let_go_at_the_limit(gateway, upstream, size):
    """Some kilobytes of gzip that would fill a thousand times as much."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = b" " * (1024 * 1024)
    body = b"".join(packer.compress(piece) for _ in range(size // len(piece))) + packer.flush()
    answer = await gateway.ask("POST", ENTITIES, body, "sync", GZIP)
    assert (answer.status, answer.json["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert posted(upstream) == []


async def test_a_key_of_all_integrations_is_passed_on_as_it_comes_compressed_or_not(gateway, upstream):
    for body in (PACKED, BROKEN["two members"], b"anything"):
        assert (await gateway.ask("POST", ENTITIES, body, "uploads", GZIP)).status == 200
        assert posted(upstream)[-1].body == body
        assert posted(upstream)[-1].header("content-encoding") == ["gzip"]


# --- other forms of a body ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text/csv", "application/yaml", "text/yaml", "text/plain", "multipart/form-data"])
async def test_a_form_that_is_not_looked_into_is_for_keys_of_all_integrations(gateway, upstream, kind):
    def ask(key):
        call = gateway.call("POST", ENTITIES, b"_key,_type\r\na,b\r\n", key)
        return call.replace(b"Content-Type: application/json", f"Content-Type: {kind}".encode())

    answer = await gateway.send(ask("sync"))
    assert (answer.status, answer.json["error"]["reason"]) == (415, "unsupported_media_type")
    assert posted(upstream) == []
    assert (await gateway.send(ask("uploads"))).status == 200
    assert posted(upstream)[0].header("content-type") == [kind]


@pytest.mark.parametrize("part", ["finalize", "abort", "events"])
@pytest.mark.parametrize("body", [b"", b"{}", b'{"reason":"a key was lost"}', b'{"partialDatasets":{"types":["a"]}}'])
async def test_a_job_ends_with_a_body_or_without(gateway, upstream, part, body):
    """The Go client and `j1 import` send none, not even `{}`."""
    assert (await gateway.ask("POST", f"{JOB}/{part}", body, "sync")).status == 200
    assert posted(upstream)[0].body == body


async def test_a_job_is_polled(gateway):
    answer = await gateway.ask("GET", JOB, b"", "sync")
    assert (answer.status, answer.json["job"]["id"]) == (200, "j1")


# --- paths --------------------------------------------------------------------------------------------------------

TRAPS = [
    f"{JOBS}/",
    f"{JOB}/",
    f"{JOB}/entities/",
    f"/{JOBS[1:].replace('/', '//', 1)}",
    f"{JOBS}//entities",
    f"{JOBS}/j1//entities",
    f"{JOBS}/../jobs",
    f"{JOBS}/j1/../j2/entities",
    f"{JOBS}/./j1/entities",
    f"{JOBS}/j1%2Fentities",
    f"{JOBS}/j1%2f..%2fj2/entities",
    f"{JOBS}/%2e%2e/jobs",
    f"{JOBS}/j1/%65ntities",
    f"{JOBS}/j1/Entities",
    f"{JOBS.upper()}",
    f"{JOBS}/j1/uploadurl",
    f"{JOBS}/j1\\entities",
    f"{JOBS}/j1;a=b/entities",
    f"{JOBS}/j1/entities;a",
    f"{JOBS}/j1/entities#a",
    f"{JOBS}/j1%00/entities",
    f"{JOBS}/j1 /entities",
    f"{JOBS}/j1/entities/more",
    f"{JOBS}/{'a' * 65}/entities",
    "/persister/synchronization",
    "/persister/synchronization/job",
    "/persister/other",
    "http://elsewhere/persister/synchronization/jobs/j1/entities",
]


@pytest.mark.parametrize("path", TRAPS)
@pytest.mark.parametrize("key", ["sync", "super"])
async def test_a_path_that_is_spelt_in_another_way_leads_nowhere(gateway, upstream, path, key):
    answer = await gateway.ask("POST", path, b'{"entities":[]}', key)
    assert answer.status in {400, 404}
    assert upstream.received == []


# --- which integration a job belongs to ---------------------------------------------------------------------------

CREATION = b'{"source":"integration-external","integrationInstanceId":"i1"}'


async def test_the_instance_of_a_job_that_was_created_here_is_not_asked_for(gateway, upstream):
    assert (await gateway.ask("POST", JOBS, CREATION, "sync")).status == 200
    assert (await gateway.ask("POST", ENTITIES, PLAIN, "sync")).status == 200
    assert [received.line.split()[0] for received in upstream.received] == ["POST", "POST"]


async def test_the_instance_of_any_other_job_is_asked_for_once(gateway, upstream):
    """By another worker, or after a restart."""
    for _ in range(2):
        assert (await gateway.ask("POST", ENTITIES, PLAIN, "sync")).status == 200
    assert [received.line.split()[0] for received in upstream.received] == ["GET", "POST", "POST"]


async def test_a_job_that_was_created_for_another_instance_is_not_passed_on(gateway, upstream, says):
    for said in (job(instance="i2"), job(instance=None), b"{}", b'{"job":{"id":"j1"}}', b"not json"):
        upstream.script = upstream.says(says(said))
        answer = await gateway.ask("POST", JOBS, CREATION, "sync")
        assert (answer.status, answer.json["error"]["reason"]) == (502, "upstream_failed")
        assert b"i2" not in answer.body


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (("200 OK", job(name="j2")), 502),
        (("200 OK", b"not json"), 502),
        (("500 Internal Server Error", b"{}"), 502),
        (("404 Not Found", b"{}"), 403),
        (("200 OK", job(instance="i2")), 403),
        (("200 OK", job(instance=None)), 403),
    ],
)
async def test_a_job_of_which_it_is_not_known_that_it_is_the_keys_own_gets_nothing(
    gateway, upstream, says, said, status
):
    upstream.script = upstream.says(says(said[1], said[0]))
    for part in ("entities", "upload", "finalize", "abort", "events", "uploadUrl"):
        assert (await gateway.ask("POST", f"{JOB}/{part}", b"{}", "sync")).status == status
    assert (await gateway.ask("GET", JOB, b"", "sync")).status == status
    assert posted(upstream) == []


async def test_a_creation_that_names_the_job_of_another_is_not_sent(gateway, upstream, says):
    upstream.script = upstream.says(says(job(instance="i2")))
    named = CREATION.replace(b"}", b',"integrationJobId":"j1"}')
    answer = await gateway.ask("POST", JOBS, named, "sync")
    assert (answer.status, answer.json["error"]["reason"]) == (403, "unknown_job")
    assert posted(upstream) == []


async def test_a_key_that_is_revoked_in_the_middle_of_a_job_ends_with_it(gateway, upstream, secret):
    assert (await gateway.ask("POST", JOBS, CREATION, "sync")).status == 200
    assert (await gateway.ask("POST", ENTITIES, PLAIN, "sync")).status == 200
    gateway.resolver.found[digest(secret("sync"))] = Absent("revoked")
    reached = len(upstream.received)
    for part in ("entities", "relationships", "upload", "events", "finalize", "abort"):
        assert (await gateway.ask("POST", f"{JOB}/{part}", b"{}", "sync")).status == 401
    assert (await gateway.ask("GET", JOB, b"", "sync")).status == 401
    assert len(upstream.received) == reached


# --- room ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def little_room(setup):
    """Room for one upload of this size, and not for two."""
    setup.proxy = ProxyOptions(buffered_bytes=int(1.5 * len(PLAIN)))


@pytest.mark.usefixtures("little_room")
async def test_what_there_is_no_room_for_may_be_sent_again(gateway, upstream):
    head = gateway.call("POST", ENTITIES, PLAIN, "sync")
    reader, writer = await gateway.connect()
    writer.write(head[:-1])
    await gateway.until(lambda: upstream.received)
    for body, more in ((PLAIN, ()), (PACKED, (GZIP,))):
        answer = await gateway.ask("POST", ENTITIES, body, "sync", *more)
        while answer.status == 200:  # the first had not been read so far yet
            answer = await gateway.ask("POST", ENTITIES, body, "sync", *more)
        assert (answer.status, answer.json["error"]["reason"]) == (503, "overloaded")
        assert answer.headers["retry-after"] == "1"
    assert (await gateway.ask("POST", ENTITIES, PLAIN, "uploads")).status == 200, "what is not held needs no room"
    writer.write(head[-1:])
    assert (await gateway.rest(reader, writer)).status == 200
    assert (await gateway.ask("POST", ENTITIES, PACKED, "sync", GZIP)).status == 200
