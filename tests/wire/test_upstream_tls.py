"""TLS towards an upstream: nothing is sent before its certificate has proved it, by the system's store."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from certificates import EPOCH, LOCALHOST, LOOPBACK, authority
from cryptography import x509

from gateway.http1 import Reason
from gateway.proxy import UpstreamOptions, Upstreams
from wire.asking import ask
from wire.corpus.answers import OK
from wire.scripted import says, scripted

REFUSED = {Reason.UPSTREAM_UNREACHABLE, Reason.UPSTREAM_FAILED}
OPTIONS = UpstreamOptions(connect_seconds=10, answer_seconds=10, idle_seconds=10)

ASKING = """
import asyncio, json, sys, uvloop
from gateway.proxy import UpstreamOptions, Upstreams
from wire.asking import ask

async def main():
    async with Upstreams(UpstreamOptions(connect_seconds=10, answer_seconds=10, idle_seconds=10)) as upstreams:
        outcomes = [await ask(upstreams, url, "POST", (), b"secret") for url in sys.argv[1:]]
    print(json.dumps([outcome.body.decode() if outcome.stopped is None else outcome.stopped for outcome in outcomes]))

uvloop.run(main())
"""


async def test_an_upstream_that_nobody_vouches_for_is_sent_nothing(tmp_path):
    context = authority(tmp_path, "unknown").context("upstream", LOCALHOST, LOOPBACK)
    async with scripted(says(OK), tls=context) as upstream, Upstreams(OPTIONS) as upstreams:
        assert (await ask(upstreams, upstream.url, "POST", (), b"secret")).stopped in REFUSED
    assert upstream.asked == []


async def test_an_upstream_without_tls_is_sent_nothing():
    async with scripted(says(OK)) as upstream, Upstreams(replace(OPTIONS, connect_seconds=0.5)) as upstreams:
        url = upstream.url.replace("http:", "https:")
        assert (await ask(upstreams, url, "POST", (), b"secret")).stopped in REFUSED
    assert upstream.asked == []


@pytest.mark.parametrize("by_name", [True, False], ids=["name", "address"])
async def test_an_upstream_is_known_by_its_name_its_time_and_its_authority(tmp_path, by_name):
    """The authority is in the system's store, which OpenSSL lets a variable name: so in a process of its own."""
    known, unknown = authority(tmp_path, "known"), authority(tmp_path, "unknown")
    contexts = [
        known.context("upstream", LOCALHOST, LOOPBACK),
        known.context("elsewhere", x509.DNSName("elsewhere.example"), x509.IPAddress(IPv4Address("192.0.2.1"))),
        known.context("localhost"[:-1], x509.DNSName("*.localhost")),
        known.context("expired", LOCALHOST, LOOPBACK, until=EPOCH + timedelta(days=1)),
        unknown.context("stranger", LOCALHOST, LOOPBACK),
    ]
    (tmp_path / "store.pem").write_bytes(known.pem)
    async with (
        scripted(says(OK), tls=contexts[0]) as right,
        scripted(says(OK), tls=contexts[1]) as wrong_name,
        scripted(says(OK), tls=contexts[2]) as wide_name,
        scripted(says(OK), tls=contexts[3]) as expired,
        scripted(says(OK), tls=contexts[4]) as stranger,
    ):
        asked = [right, right, wrong_name, wide_name, expired, stranger, right]
        urls = [each.url.replace("127.0.0.1", "localhost") if by_name else each.url for each in asked]
        first, second, *refused, last = await told(tmp_path, urls)
        assert (first, second, last) == ("hello", "hello", "hello")
        assert set(refused) <= REFUSED
        assert right.connections == 1
        assert [request.body for request in right.asked] == [b"secret"] * 3
        assert [each.asked for each in (wrong_name, wide_name, expired, stranger)] == [[]] * 4


async def told(folder: Path, urls: list[str]) -> list[str]:
    """What comes of asking each of them, one after the other, with the store in a folder."""
    trust = {"SSL_CERT_FILE": str(folder / "store.pem"), "SSL_CERT_DIR": str(folder / "none")}
    environment = os.environ | trust | {"PYTHONPATH": os.pathsep.join(["tests", *filter(None, sys.path)])}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ASKING, *urls, stdout=asyncio.subprocess.PIPE, env=environment
    )
    out, _ = await process.communicate()
    return json.loads(out)
