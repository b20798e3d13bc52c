"""Large uploads through a gateway in a process of its own: what they cost it in memory."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from aiohttp import web

from gateway.app import opened_control
from gateway.control import NewKey
from gateway.keys import Operator
from gateway.settings import validated
from gateway.stores import IntegrationInstance, Organization, create
from revocation.processes import Serving, loop_beside, opened_in, serving

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="its peak of memory cannot be told")

MEGABYTE = 1024 * 1024
STREAMED = int(os.environ.get("GATEWAY_UPLOAD_MEGABYTES", "200")) * MEGABYTE
ENTITIES = "/persister/synchronization/jobs/j1/entities"
INSTANCE = "i1"


@asynccontextmanager
async def persister() -> AsyncIterator[str]:
    """Reads whatever is uploaded, tells how much it was, and knows one job."""

    async def answer(request: web.BaseRequest) -> web.Response:
        size = 0
        async for piece in request.content.iter_any():
            size += len(piece)
        return web.json_response({"size": size, "job": {"id": "j1", "integrationInstanceId": INSTANCE}})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Uploading:
    """A gateway, a key of everything and one of the integration, and the memory that the process takes."""

    def __init__(self, gateway: Serving, keys: dict[str, str]) -> None:
        self._gateway = gateway
        self._keys = keys
        (self._pid,) = gateway.workers()

    def upload(self, key, body, *, length=None, **headers):
        """The number of bytes that the persister got of a body, or the status of a refusal."""
        sent = {"Authorization": f"Bearer {self._keys[key]}", "Content-Type": "application/json", **headers}
        if length is not None:
            sent["Content-Length"] = str(length)
        with closing(http.client.HTTPConnection("127.0.0.1", self._gateway.ports["data"], timeout=100)) as connection:
            connection.request(
                "POST", ENTITIES, body, sent, encode_chunked=length is None and not hasattr(body, "count")
            )
            answer = connection.getresponse()
            told = answer.read()
            return json.loads(told)["size"] if answer.status == 200 else answer.status

    def growth(self, work):
        """What the work gave, and by how many bytes the process grew at most while it was done."""
        Path(f"/proc/{self._pid}/clear_refs").write_text("5")  # the peak is told anew from here on
        before = self._memory("VmRSS")
        given = work()
        return given, self._memory("VmHWM") - before

    def _memory(self, name):
        lines = Path(f"/proc/{self._pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


async def made_keys(sections):
    async with opened_control(validated({name: sections[name] for name in ("secrets", "store")})) as control:
        await control.logins.found(Organization("acme", "Acme"), "first@acme.example")
        made = IntegrationInstance(INSTANCE, "acme", "Assets")
        await control.organizations.add_integration_instance(Operator(), made)
        tokens = control.tokens
        return {
            "all": (await tokens.create_organization_key(Operator(), NewKey("all"), organization="acme")).secret,
            "integration": (await tokens.create_integration_key(Operator(), NewKey("i"), instance=INSTANCE)).secret,
        }


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uploads")
    create(folder / "gateway.db")
    with loop_beside() as loop, opened_in(loop, persister()) as url:
        places = {"j1ql": f"{url}/j1ql", "graphql": url, "persister": url}
        sections = {
            "secrets": {"identity": "i" * 32, "seal": "s" * 32},
            "store": {"sqlite": str(folder / "gateway.db")},
            "organizations.acme.upstream": {**places, "account": "acme", "credential": "ours"},
            "calibration": {"on": False},
            "limits": {"upload": 4 * STREAMED},
        }
        keys = asyncio.run(made_keys(sections))
        with serving(folder, [sections], workers=1) as (running,):
            uploading = Uploading(running, keys)
            for key in keys:
                uploading.upload(key, b'{"entities":[]}')
            yield uploading


def pieces(size):
    """A body of that many bytes that is nowhere held whole."""
    piece = b"x" * 65_536
    yield from (piece for _ in range(size // len(piece)))


@pytest.mark.parametrize("length", [STREAMED, None], ids=["of known length", "in chunks"])
def test_an_upload_of_any_size_is_passed_on_in_pieces(gateway, report, length):
    given, growth = gateway.growth(lambda: gateway.upload("all", pieces(STREAMED), length=length))
    assert given == STREAMED
    assert growth < 32 * MEGABYTE
    report(f"upload of {STREAMED // MEGABYTE} MB: the gateway grew by {growth / MEGABYTE:.1f} MB")


def batch(size):
    """An upload of an integration, as its SDK cuts them."""
    entities = ({"_key": f"e{n}", "_type": "t", "_class": "Host", "note": "x" * 900} for n in range(size // 950))
    return json.dumps({"entities": list(entities)}, separators=(",", ":")).encode()


@pytest.mark.parametrize("packed", [False, True], ids=["as it is", "gzip"])
def test_an_upload_that_is_looked_into_takes_three_times_its_size_at_most(gateway, report, packed):
    """Six at once, as many as the SDK sends."""
    body = batch(5_000_000)
    sent, headers = (gzip.compress(body), {"Content-Encoding": "gzip"}) if packed else (body, {})

    def six():
        with ThreadPoolExecutor(6) as pool:
            return list(pool.map(lambda _: gateway.upload("integration", sent, **headers), range(6)))

    given, growth = gateway.growth(six)
    assert given == [len(body)] * 6
    assert growth < 6 * 3 * len(body)
    report(f"six uploads of {len(body) / MEGABYTE:.1f} MB: the gateway grew by {growth / MEGABYTE:.1f} MB")


def test_a_bomb_takes_no_more_than_its_limit(gateway):
    bomb = gzip.compress(b" " * (128 * MEGABYTE))
    given, growth = gateway.growth(lambda: gateway.upload("integration", bomb, **{"Content-Encoding": "gzip"}))
    assert given == 413
    assert growth < 32 * MEGABYTE
