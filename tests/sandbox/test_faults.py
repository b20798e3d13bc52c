from __future__ import annotations

import asyncio

import aiohttp
import pytest

from gateway.sandbox import Fault, Graph, Kind, Options, running
from gateway.sandbox.faults import read_fault


async def arm(upstream, **fault):
    assert (await upstream.call("POST", "/_sandbox/fault", json=fault))[0] == 200


async def raw_answer(upstream, body='{"query": "FIND team"}'):
    """Every byte of an answer, until the connection ends; b"" when there is none."""
    options = upstream.running.options
    host, port = upstream.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        "POST /j1ql HTTP/1.1",
        "Host: x",
        "Connection: close",
        f"Authorization: Bearer {options.credential}",
        f"JupiterOne-Account: {options.account}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    writer.write("\r\n".join((*head, "", body)).encode())
    got = b""
    try:
        async with asyncio.timeout(30):
            while chunk := await reader.read(65536):
                got += chunk
    except ConnectionResetError:
        got += b"<reset>"
    writer.close()
    return got


def split(answer):
    """Promised length and received body."""
    head, body = answer.split(b"\r\n\r\n", 1)
    length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    return int(length.split(b":")[1]), body


async def test_a_status_is_answered_and_the_call_not_carried_out(bare):
    await arm(bare, kind="status", status=503, body="busy", headers={"Retry-After": "1"})
    async with bare.session.post(bare.url + "/persister/synchronization/jobs", json={}) as response:
        assert (response.status, await response.text(), response.headers["Retry-After"]) == (503, "busy", "1")
        assert response.content_type == "text/plain"
    assert len(bare.received) == 1


async def test_a_status_may_lie_about_its_content(bare):
    await arm(bare, kind="status", status=200, body='{"type": "list"}', headers={"Content-Type": "application/json"})
    assert await bare.query("FIND team") == {"type": "list"}


async def test_a_dropped_answer_ends_in_the_middle(bare):
    await arm(bare, kind="drop", after=10)
    length, body = split(await raw_answer(bare))
    assert len(body.removesuffix(b"<reset>")) <= 10 < length


async def test_a_truncated_answer_is_shorter_than_it_says(bare):
    whole = split(await raw_answer(bare))
    await arm(bare, kind="truncate")
    length, body = split(await raw_answer(bare))
    assert length == whole[0]
    assert body == whole[1][: length // 2]


async def test_a_refusal_is_spoilt_like_any_answer(bare):
    await arm(bare, kind="truncate", after=3)
    length, body = split(await raw_answer(bare, '{"query": "FIND"}'))
    assert (len(body), length > 3) == (3, True)


async def test_a_reset_gives_no_answer_at_all(bare):
    await arm(bare, kind="reset")
    assert (await raw_answer(bare)).removesuffix(b"<reset>") == b""


@pytest.mark.parametrize("after", [None, 5])
async def test_a_stalled_answer_is_whole_in_the_end(bare, after):
    whole = await bare.query("FIND team")
    await arm(bare, kind="stall", seconds=0.05, **({} if after is None else {"after": after}))
    assert await bare.query("FIND team") == whole


async def test_a_stalled_answer_ends_with_the_sandbox():
    async with aiohttp.ClientSession() as session:
        async with running(Options(), Graph()) as sandbox:
            sandbox.faults.inject(Fault(Kind.STALL))
            headers = {"Authorization": f"Bearer {sandbox.options.credential}", "JupiterOne-Account": "j1sandbox"}
            call = asyncio.ensure_future(session.post(sandbox.url + "/j1ql", json={"query": "FIND *"}, headers=headers))
            await sandbox.received.wait()
        response = await call
        assert response.status == 200
        response.release()


async def test_an_extra_row_comes_last_in_every_shape(upstream):
    row = {"id": "x", "entity": {"_type": ["secret"]}, "properties": {}}
    await arm(upstream, kind="extra_row", row=row, times=4)
    assert (await upstream.query("FIND team"))["data"][-1] == row
    assert (await upstream.query("FIND team AS t RETURN t.name"))["data"][-1] == row
    assert (await upstream.query("FIND team RETURN TREE"))["data"]["vertices"][-1] == row
    answer = await upstream.graphql('{ other: entityCount alias: queryV1(query: "FIND team") { type data } }')
    assert answer["data"]["alias"]["data"][-1] == row
    assert (await upstream.query("FIND team"))["data"][-1] != row


async def test_a_fault_waits_for_its_path_and_its_turn(bare):
    await arm(bare, kind="status", path="/j1ql", skip=1, times=2)
    assert "data" in await bare.graphql("{ entityCount }")
    statuses = []
    for _ in range(4):
        async with bare.session.post(bare.url + "/j1ql", json={"query": "FIND team"}) as response:
            statuses.append(response.status)
    assert statuses == [200, 500, 500, 200]


async def test_faults_that_have_not_happened_can_be_forgotten(bare):
    await arm(bare, kind="status")
    assert (await bare.call("DELETE", "/_sandbox/fault"))[0] == 200
    assert (await bare.query("FIND team"))["type"] == "list"


@pytest.mark.parametrize("body", [[], {}, {"kind": "explode"}, {"kind": 5}, {"kind": "drop", "times": "1"}, {"x": 1}])
async def test_an_unknown_fault_is_refused(bare, body):
    with pytest.raises(ValueError, match=r".+"):
        read_fault(body)
    assert (await bare.call("POST", "/_sandbox/fault", json=body))[0] == 400


async def test_a_fault_may_wait_for_all_paths_that_begin_alike(bare):
    await arm(bare, kind="status", path="/_results/*", status=503)
    url = (await bare.query("FIND team", deferredResponse="FORCE"))["url"]
    async with aiohttp.ClientSession() as stranger:
        statuses = []
        for _ in range(2):
            async with stranger.get(url) as response:
                statuses.append(response.status)
    assert statuses == [503, 200]
