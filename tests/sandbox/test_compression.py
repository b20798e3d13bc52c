from __future__ import annotations

import gzip
import json

import aiohttp
import pytest

from gateway.sandbox import Fault, Kind
from gateway.sandbox.compression import Compression
from gateway.sandbox.queries import Serving


async def raw(upstream, accepted, path="/j1ql"):
    """The answer's Content-Encoding, and its body as it was sent."""
    options = upstream.running.options
    headers = {"Authorization": f"Bearer {options.credential}", "JupiterOne-Account": options.account}
    async with (
        aiohttp.ClientSession(headers=headers, auto_decompress=False) as session,
        session.post(upstream.url + path, json={"query": "FIND *"}, headers={"Accept-Encoding": accepted}) as answer,
    ):
        return answer.headers.get("Content-Encoding"), await answer.read()


@pytest.mark.parametrize(
    ("compression", "accepted", "encoding"),
    [
        (Compression.NEVER, "gzip", None),
        (Compression.ACCEPTED, "br, GZIP;q=0.5", "gzip"),
        (Compression.ACCEPTED, "identity", None),
        (Compression.ACCEPTED, "xgzip", None),
        (Compression.ALWAYS, "identity", "gzip"),
    ],
)
async def test_answers_are_compressed_for_whom_the_option_says(started, compression, accepted, encoding):
    upstream = await started(Serving(compression=compression))
    said, body = await raw(upstream, accepted)
    assert said == encoding
    assert len(json.loads(gzip.decompress(body) if encoding else body)["data"]) == 250


async def test_a_refusal_is_compressed_like_any_answer(started):
    said, body = await raw(await started(Serving(compression=Compression.ALWAYS)), "identity", "/unknown")
    assert said == "gzip"
    assert json.loads(gzip.decompress(body))["error"]["code"] == "NOT_FOUND"


async def test_a_lie_is_compressed_and_a_truncated_answer_is_part_of_a_compressed_one(started):
    upstream = await started(Serving(compression=Compression.ALWAYS))
    upstream.running.faults.inject(Fault(Kind.EXTRA_ROW, row={"id": "x"}))
    _, body = await raw(upstream, "identity")
    assert json.loads(gzip.decompress(body))["data"][-1] == {"id": "x"}
    upstream.running.faults.inject(Fault(Kind.TRUNCATE))
    with pytest.raises(aiohttp.ClientPayloadError):
        await raw(upstream, "identity")


async def test_what_was_received_is_told_plainly(started):
    upstream = await started(Serving(compression=Compression.ALWAYS))
    async with upstream.session.get(upstream.url + "/_sandbox/received") as answer:
        assert "Content-Encoding" not in answer.headers
