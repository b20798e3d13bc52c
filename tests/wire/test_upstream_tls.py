"""TLS towards an upstream: nothing is sent before its certificate has proved it, by the system's store."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.http1 import Reason
from gateway.proxy import UpstreamOptions, Upstreams
from wire.asking import ask
from wire.corpus.answers import OK
from wire.scripted import says, scripted

REFUSED = {Reason.UPSTREAM_UNREACHABLE, Reason.UPSTREAM_FAILED}
OPTIONS = UpstreamOptions(connect_seconds=10, answer_seconds=10, idle_seconds=10)
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
FAR = datetime(2099, 1, 1, tzinfo=UTC)

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


@dataclass
class Authority:
    """A CA that was made for a test."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def context(self, name: str, *names: x509.GeneralName, until: datetime = FAR) -> ssl.SSLContext:
        """A server's, with a certificate for these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = builder(name, self.certificate.subject, key, until)
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        made = made.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )
        certificate = made.sign(self.key, hashes.SHA256())
        file = self.folder / f"{name}.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        return context


def builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(EPOCH)
        .not_valid_after(until)
    )


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def authority(folder: Path, name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    usage = dict.fromkeys(
        [
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ],
        False,
    )
    made = builder(name, named(name), key, FAR)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    made = made.add_extension(
        x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **usage), critical=True
    )
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return Authority(folder, key, made.sign(key, hashes.SHA256()))


LOCALHOST = x509.DNSName("localhost")
LOOPBACK = x509.IPAddress(IPv4Address("127.0.0.1"))


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
