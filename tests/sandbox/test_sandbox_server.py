from __future__ import annotations

import asyncio
import gzip
import json

import aiohttp
import pytest

from gateway.sandbox import INTEGRATION_INSTANCE, Graph, Options, running

JOBS = "/persister/synchronization/jobs"


def headers_of(upstream, **changes):
    options = upstream.running.options
    base = {"Authorization": f"Bearer {options.credential}", "JupiterOne-Account": options.account} | changes
    return {name: value for name, value in base.items() if value is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {"Authorization": None},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic x"},
        {"Authorization": "Bearer \u017elu\u0165"},
        {"JupiterOne-Account": None},
        {"JupiterOne-Account": "other"},
        {"LifeOmic-Account": "other"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/j1ql"), ("POST", "/graphql"), ("GET", f"{JOBS}/x")])
async def test_it_knows_only_its_own_credential_and_account(bare, changes, method, path):
    async with (
        aiohttp.ClientSession(headers=headers_of(bare, **changes)) as session,
        session.request(method, bare.url + path) as response,
    ):
        assert response.status == 401
        assert (await response.json())["error"]["code"] == "UNAUTHENTICATED"


async def test_the_account_may_stand_in_either_header(bare):
    headers = headers_of(bare, **{"JupiterOne-Account": None, "lifeomic-account": "j1sandbox"})
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(bare.url + "/j1ql", json={"query": "FIND team"}) as response,
    ):
        assert response.status == 200


async def test_j1ql_pages_end_without_a_cursor(upstream):
    first = await upstream.query("FIND *")
    assert list(first) == ["type", "data", "totalCount", "cursor"]
    rows, cursor = first["data"], first["cursor"]
    while cursor:
        page = await upstream.query("FIND *", cursor=cursor)
        rows += page["data"]
        cursor = page.get("cursor")
    assert [row["id"] for row in rows] == [thing.id for thing in upstream.graph.entities]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": "FIND * WITH"}, "PARSER_ERROR"),
        ({"query": "FIND * WITH a = ${x}"}, "VALIDATION_ERROR"),
        ({"query": "FIND *", "cursor": "x"}, "VALIDATION_ERROR"),
        ({}, "VALIDATION_ERROR"),
        ([], "VALIDATION_ERROR"),
    ],
)
async def test_a_bad_j1ql_call_is_a_400_with_a_code(bare, body, code):
    status, answer = await bare.call("POST", "/j1ql", json=body)
    assert (status, answer["error"]["code"]) == (400, code)


async def test_queries_are_validated_without_data(bare):
    answer = await bare.post("/j1ql/validate", {"queries": ["FIND *", "FIND"]})
    assert [item["valid"] for item in answer] == [True, False]
    assert answer[1]["error"]["code"] == "PARSER_ERROR"
    assert (await bare.call("POST", "/j1ql/validate", json={"queries": ["FIND *"] * 251}))[0] == 400
    assert (await bare.call("POST", "/j1ql/validate", json={"queries": "FIND *"}))[0] == 400


# --- bodies -------------------------------------------------------------------------------------------------------


async def test_a_gzip_body_is_read_and_recorded_as_it_came(bare):
    body = gzip.compress(json.dumps({"query": "FIND team"}).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    status, answer = await bare.call("POST", "/j1ql", data=body, headers=headers)
    assert (status, answer["type"]) == (200, "list")
    assert bare.received[-1].body == body


@pytest.mark.parametrize(
    ("data", "headers", "status"),
    [
        (b"{", {"Content-Type": "application/json"}, 400),
        (b"", {"Content-Type": "application/json"}, 400),
        (b"\xff", {"Content-Type": "application/json"}, 400),
        (b'{"query": NaN}', {"Content-Type": "application/json"}, 400),
        (b"query: x", {"Content-Type": "application/yaml"}, 415),
        (b"{}", {"Content-Type": "application/json", "Content-Encoding": "br"}, 415),
        (b"{}", {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"{}", mtime=0)[:-4], {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 400),
    ],
)
async def test_a_body_that_is_not_what_it_says_is_refused(bare, data, headers, status):
    assert (await bare.call("POST", "/j1ql", data=data, headers=headers))[0] == status


async def test_a_body_over_the_limit_is_refused_also_when_it_inflates_to_it():
    async with running(Options(body_limit=1000), Graph()) as small:
        headers = {"Authorization": f"Bearer {small.options.credential}", "JupiterOne-Account": "j1sandbox"}
        body = json.dumps({"query": "FIND *" + " " * 2000}).encode()
        packed = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        async with aiohttp.ClientSession(headers=headers) as session:
            for data, more in ((body, {}), (gzip.compress(body), packed)):
                async with session.post(small.url + "/j1ql", data=data, headers=more) as response:
                    assert response.status == 413
                    assert (await response.json())["error"]["code"] == "RequestEntityTooLargeException"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/j1ql", 405), ("POST", "/unknown", 404)])
async def test_an_unknown_route_is_a_json_error(bare, method, path, status):
    got, answer = await bare.call(method, path)
    assert got == status
    assert set(answer["error"]) == {"code", "message"}


# --- synchronization ----------------------------------------------------------------------------------------------


async def test_a_job_lives_from_creation_to_its_end(bare):
    about = {"source": "integration-external", "integrationInstanceId": INTEGRATION_INSTANCE, "syncMode": None}
    job = (await bare.post(JOBS, about))["job"]
    assert (job["status"], job["done"], job["syncMode"]) == ("AWAITING_UPLOADS", False, "DIFF")
    path = f"{JOBS}/{job['id']}"
    item = {"_key": "1", "_type": "asset", "_class": "Device", "displayName": "One"}
    await bare.post(f"{path}/entities", {"entities": [item]})
    await bare.post(f"{path}/entities", {"entities": [{**item, "_key": "2"}]})
    edge = {"_key": "e", "_type": "asset_uses_asset", "_class": "USES", "_fromEntityKey": "1", "_toEntityKey": "2"}
    job = (await bare.post(f"{path}/relationships", {"relationships": [edge]}))["job"]
    assert (job["numEntitiesUploaded"], job["numRelationshipsUploaded"]) == (2, 1)
    events = await bare.post(f"{path}/events", {"events": [{"name": "collected", "description": "two"}]})
    assert events["events"][0]["name"] == "collected"
    assert (await bare.query("FIND asset"))["data"] == []
    assert (await bare.post(f"{path}/finalize", {}))["job"]["status"] == "FINISHED"
    status, answer = await bare.call("GET", path)
    assert (status, answer["job"]["numEntitiesCreated"], answer["job"]["done"]) == (200, 2, True)
    got = await bare.query("FIND asset WITH _key = '1' THAT USES >> asset AS other RETURN other._key")
    assert got["data"] == [{"other._key": "2"}]


async def test_a_job_may_be_finalized_without_a_body_and_keep_partial_data_sets(bare):
    for finalize in ({}, {"json": {"partialDatasets": {"types": ["asset"]}}}):
        job = (await bare.post(JOBS, {"source": "api", "scope": "s"}))["job"]
        items = [] if finalize else [{"_key": "1", "_type": "asset", "_class": "Device"}]
        await bare.post(f"{JOBS}/{job['id']}/upload", {"entities": items})
        status, _ = await bare.call("POST", f"{JOBS}/{job['id']}/finalize", **finalize)
        assert status == 200
    assert len((await bare.query("FIND asset"))["data"]) == 1


async def test_an_ended_job_takes_nothing_more(bare):
    job = (await bare.post(JOBS, {"source": "api", "scope": "s"}))["job"]
    aborted = (await bare.post(f"{JOBS}/{job['id']}/abort", {"reason": "test"}))["job"]
    assert (aborted["status"], aborted["done"]) == ("ABORTED", True)
    for name in ("entities", "upload", "events", "finalize", "abort", "uploadUrl"):
        status, answer = await bare.call("POST", f"{JOBS}/{job['id']}/{name}", json={"entities": []})
        assert (status, answer["error"]["code"]) == (400, "JOB_NOT_AWAITING_UPLOADS")


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("entities", {"entities": {}}, 400, "ENTITY_IS_NOT_ARRAY"),
        ("entities", {"relationships": []}, 400, "INVALID_REQUEST_BODY"),
        ("events", {"events": 5}, 400, "EVENTS_IS_NOT_ARRAY"),
        ("finalize", {"partialDatasets": {"types": "x"}}, 400, "INVALID_REQUEST_BODY"),
        ("finalize", {"partialDatasets": []}, 400, "INVALID_REQUEST_BODY"),
    ],
)
async def test_a_bad_upload_is_refused_with_a_code(bare, name, body, status, code):
    job = (await bare.post(JOBS, {"source": "api", "scope": "s"}))["job"]
    got, answer = await bare.call("POST", f"{JOBS}/{job['id']}/{name}", json=body)
    assert (got, answer["error"]["code"]) == (status, code)


async def test_flags_of_an_upload_are_in_the_query_string(bare):
    job = (await bare.post(JOBS, {"source": "api", "scope": "s"}))["job"]
    item = {"_key": "1", "_type": "asset", "bad": {}}
    path = f"{JOBS}/{job['id']}/entities"
    assert (await bare.call("POST", path, json={"entities": [item, item]}))[0] == 400
    flagged = f"{path}?ignoreDuplicates=true&ignoreIllegalProperties=true"
    assert (await bare.call("POST", flagged, json={"entities": [item, item]}))[0] == 200


async def test_whoever_has_the_upload_url_of_a_job_may_upload(bare):
    job = (await bare.post(JOBS, {"source": "api", "scope": "s"}))["job"]
    told = await bare.post(f"{JOBS}/{job['id']}/uploadUrl", {})
    assert told["expiresAt"] > job["startTimestamp"]
    url, _, signature = told["uploadUrl"].partition("?")
    body = {"entities": [{"_key": "1", "_type": "asset", "_class": "Device"}]}
    async with aiohttp.ClientSession() as stranger:
        statuses = []
        for address, headers in (
            (url, {}),
            (f"{url}x?{signature}", {}),
            (told["uploadUrl"], {"Authorization": "Bearer x"}),
            (told["uploadUrl"], {}),
        ):
            async with stranger.put(address, json=body, headers=headers) as response:
                statuses.append(response.status)
    assert statuses == [403, 403, 400, 200]
    await bare.post(f"{JOBS}/{job['id']}/finalize", {})
    assert len((await bare.query("FIND asset"))["data"]) == 1


async def test_an_unknown_job_is_a_404(bare):
    status, answer = await bare.call("GET", f"{JOBS}/nobody")
    assert (status, answer["error"]["code"]) == (404, "JOB_NOT_FOUND")


# --- what it received ---------------------------------------------------------------------------------------------


async def test_it_tells_what_it_received_but_not_that_it_was_asked(bare):
    await bare.call("POST", "/j1ql?a=%26", json={"query": "FIND team"}, headers={"X-Twice": "1"})
    _, calls = await bare.call("GET", "/_sandbox/received")
    (call,) = calls
    assert (call["method"], call["path"]) == ("POST", "/j1ql?a=%26")
    assert json.loads(call["body"]) == {"query": "FIND team"}
    assert ["x-twice", "1"] in call["headers"]
    assert call["whole"] is True
    assert (await bare.call("DELETE", "/_sandbox/received"))[0] == 200
    assert (await bare.call("GET", "/_sandbox/received")) == (200, [])


async def test_a_refused_call_was_received_too(bare):
    async with (
        aiohttp.ClientSession() as session,
        session.post(bare.url + "/unknown", data=b"\xff\xfe") as response,
    ):
        assert response.status == 401
    _, (call,) = await bare.call("GET", "/_sandbox/received")
    assert call["bodyBase64"] == "//4="
    assert bare.received[-1].header("authorization") is None


async def test_asking_what_was_received_needs_the_credential(bare):
    async with aiohttp.ClientSession() as session:
        for method, path in (("GET", "received"), ("DELETE", "received"), ("POST", "fault"), ("DELETE", "fault")):
            async with session.request(method, f"{bare.url}/_sandbox/{path}") as response:
                assert response.status == 401


async def test_only_the_last_calls_and_the_start_of_their_bodies_are_kept():
    async with running(Options(keep_calls=2, keep_body=4), Graph()) as sandbox, aiohttp.ClientSession() as session:
        for number in range(3):
            async with session.post(f"{sandbox.url}/{number}", data=b"abcdefgh"):
                pass
        calls = sandbox.received.calls
        assert [(call.path, call.body, call.size) for call in calls] == [("/1", b"abcd", 8), ("/2", b"abcd", 8)]


async def test_a_body_that_never_ends_was_received_in_part(bare):
    host, port = bare.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /j1ql HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    await bare.running.received.wait()
    writer.close()
    await writer.wait_closed()
    assert bare.received[-1].whole is False


# --- starting and stopping ----------------------------------------------------------------------------------------


async def test_a_stopped_sandbox_has_left_its_port():
    async with running(Options(), Graph()) as first:
        port = int(first.url.rsplit(":", 1)[1])
    async with running(Options(port=port), Graph()) as second:
        assert second.url == first.url


async def test_a_port_that_is_taken_is_an_error_that_leaves_nothing_open():
    async with running(Options(), Graph()) as first:
        port = int(first.url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match=str(port)):
            async with running(Options(port=port), Graph()):
                pass
