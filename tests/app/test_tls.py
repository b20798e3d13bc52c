"""TLS of a gateway's listeners: what `gateway check` says of certificates, and a gateway that serves with them."""

from __future__ import annotations

import http.client
import os
import signal
import ssl
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from certificates import EPOCH, LOCALHOST, LOOPBACK, Issued, authority
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import gateway
from gateway.settings import SettingsError, check_certificates, load
from gateway.stores import create
from ports import free_port

PATIENCE = 100
"""Seconds until what must happen counts as not happening."""
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(gateway.__file__).parents[1])}


@pytest.fixture
def trusted(tmp_path):
    return authority(tmp_path, "an authority")


@pytest.fixture
def issued(trusted):
    return trusted.issue("the gateway", LOCALHOST, LOOPBACK)


def settings(folder: Path, **sections: str) -> Path:
    secrets = f'[calibration]\non = false\n[secrets]\nidentity = "{"i" * 32}"\nseal = "{"s" * 32}"\n'
    files = f'[store]\nsqlite = "{folder / "gateway.db"}"\n[decision_log]\nfile = "{folder / "decisions.jsonl"}"\n'
    file = folder / "gateway.toml"
    file.write_text(secrets + files + "".join(f"[{name}]\n{lines}\n" for name, lines in sections.items()))
    return file


def tls(issued: Issued) -> str:
    return f'tls_certificate = "{issued.certificate}"\ntls_key = "{issued.key}"'


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *words],
        check=False,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=PATIENCE,
    )


def faults(file: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        check_certificates(load(file))
    return list(caught.value.faults)


@pytest.mark.parametrize("word", ["check", "serve"])
def test_with_faults_nothing_is_shown_and_nothing_starts(tmp_path, issued, word):
    away = Issued(tmp_path / "away.pem", issued.key)
    run = command(word, "--config", str(settings(tmp_path, data=tls(away))))
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.splitlines() == [
        "Error: the settings do not hold",
        f"data.tls_certificate: cannot read `{tmp_path}/away.pem`: No such file or directory",
    ]


def test_certificates_that_are_as_they_should_be_are_shown(tmp_path, issued):
    checked = command("check", "--config", str(settings(tmp_path, data=tls(issued), admin=tls(issued))))
    assert (checked.returncode, checked.stderr) == (0, "")
    assert f'data.tls_certificate = "{issued.certificate}"' in checked.stdout
    assert f'admin.tls_key = "{issued.key}"' in checked.stdout
    assert "PRIVATE" not in checked.stdout


def test_one_of_the_two_is_not_enough(tmp_path, issued):
    certificate, key = tls(issued).splitlines()
    assert faults(settings(tmp_path, data=certificate, admin=key)) == [
        "data.tls_key: is missing, `tls_certificate` needs it",
        "admin.tls_certificate: is missing, `tls_key` is of no use without it",
    ]


def test_every_listener_s_fault_is_told_at_once(tmp_path, issued):
    away = Issued(tmp_path / "away.pem", issued.key)
    no_key = Issued(issued.certificate, tmp_path)
    assert faults(settings(tmp_path, data=tls(away), admin=tls(no_key))) == [
        f"data.tls_certificate: cannot read `{tmp_path}/away.pem`: No such file or directory",
        f"admin.tls_key: cannot read `{tmp_path}`: Is a directory",
    ]


def test_a_key_must_be_that_of_the_certificate(tmp_path, trusted, issued):
    other = trusted.issue("another", LOCALHOST)
    (fault,) = faults(settings(tmp_path, data=tls(Issued(issued.certificate, other.key))))
    assert fault.startswith(
        f"data.tls_key: `{other.key}` is not that of the first certificate in `{issued.certificate}`"
    )


def test_so_must_its_kind(tmp_path, issued):
    key = tmp_path / "rsa.key"
    key.write_bytes(pem(rsa.generate_private_key(65537, 2048)))
    (fault,) = faults(settings(tmp_path, data=tls(Issued(issued.certificate, key))))
    assert fault.startswith(f"data.tls_key: `{key}` is not that of the first certificate")


def pem(key: rsa.RSAPrivateKey, password: bytes | None = None) -> bytes:
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)


@pytest.mark.parametrize("content", ["", "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n"])
def test_what_holds_no_certificate_or_key_is_named(tmp_path, issued, content):
    junk = tmp_path / "junk.pem"
    junk.write_text(content)
    (fault,) = faults(settings(tmp_path, data=tls(Issued(junk, issued.key))))
    assert fault == f"data.tls_certificate: `{junk}` holds no certificate in PEM"
    (fault,) = faults(settings(tmp_path, data=tls(Issued(issued.certificate, junk))))
    assert fault == f"data.tls_key: `{junk}` holds no private key in PEM"


def test_nobody_is_asked_for_a_password(tmp_path, issued):
    key = tmp_path / "encrypted.key"
    key.write_bytes(pem(rsa.generate_private_key(65537, 2048), b"password"))
    (fault,) = faults(settings(tmp_path, data=tls(Issued(issued.certificate, key))))
    assert fault == "data.tls_key: the key is encrypted, and there is nobody to ask for its password"


def test_a_certificate_that_has_expired_is_a_warning(tmp_path, trusted):
    """Clients refuse it; not to start would not help them."""
    issued = trusted.issue("the gateway", LOCALHOST, until=EPOCH + timedelta(days=1))
    checked = command("check", "--config", str(settings(tmp_path, data=tls(issued))))
    assert checked.returncode == 0
    assert checked.stderr == (
        f"warning: data.tls_certificate: `{issued.certificate}` has expired, at 2020-01-02 00:00 UTC; "
        "clients refuse it\n"
    )


def test_other_commands_need_no_certificate(tmp_path):
    """They may run where nobody can read the key."""
    away = Issued(tmp_path / "away.pem", tmp_path / "away.key")
    made = command(
        *["init", "--config", str(settings(tmp_path, admin=tls(away)))],
        *["--organization", "acme", "--email", "root@example.com"],
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("https://127.0.0.1:8081/login#")


# --- serving ------------------------------------------------------------------------------------------------------


class Serving:
    """A gateway's process, its ports, and what it says."""

    def __init__(self, folder: Path, issued: Issued, *more: str) -> None:
        create(folder / "gateway.db")
        self.ports = {name: free_port() for name in ("data", "admin", "ops")}
        sections = {name: f"port = {port}\n{tls(issued)}" for name, port in self.ports.items()}
        self.log = folder / "log"
        words = [sys.executable, "-m", "gateway", "serve", "--config", str(settings(folder, **sections)), *more]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, env=ENVIRONMENT)

    def said(self, text: str) -> str:
        return self.until(lambda: self.log.read_text() if text in self.log.read_text() else "")

    def until(self, found):
        deadline = time.monotonic() + PATIENCE
        while not (value := found()):
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        return value

    def ask(self, path: str, context: ssl.SSLContext, *, listener: str = "data") -> tuple[int, str | None]:
        """The status, and the protocol that was agreed on."""
        connection = http.client.HTTPSConnection("localhost", self.ports[listener], context=context, timeout=PATIENCE)
        with closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status, connection.sock.version()

    def common_name(self, context: ssl.SSLContext) -> str:
        with closing(http.client.HTTPSConnection("localhost", self.ports["data"], context=context)) as connection:
            connection.connect()
            return dict(pair for (pair,) in connection.sock.getpeercert()["subject"])["commonName"]


@contextmanager
def serving(folder: Path, issued: Issued, *more: str):
    gateway = Serving(folder, issued, *more)
    try:
        gateway.said("serving")
        yield gateway
    finally:
        gateway.process.terminate()
        gateway.process.wait(PATIENCE)


def test_a_gateway_serves_all_listeners_with_tls(tmp_path, trusted, issued):
    with serving(tmp_path, issued) as gateway:
        assert gateway.ask("/whoami", trusted.trusted()) == (401, "TLSv1.3")
        assert gateway.ask("/login", trusted.trusted(), listener="admin")[0] == 200
        assert gateway.ask("/readyz", trusted.trusted(), listener="ops")[0] == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            gateway.ask("/whoami", ssl.create_default_context())
        plain = http.client.HTTPConnection("localhost", gateway.ports["data"], timeout=PATIENCE)
        with closing(plain):
            plain.request("GET", "/whoami")
            with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
                plain.getresponse()
        told = gateway.log.read_text()
    for name, port in gateway.ports.items():
        assert f"{name} https://127.0.0.1:{port}" in told
    assert "Traceback" not in gateway.log.read_text()


def test_http_1_1_is_what_is_agreed_on(tmp_path, trusted, issued):
    client = trusted.trusted()
    client.set_alpn_protocols(["h2", "http/1.1"])
    with serving(tmp_path, issued) as gateway:
        connection = http.client.HTTPSConnection("localhost", gateway.ports["data"], context=client, timeout=PATIENCE)
        with closing(connection):
            connection.connect()
            assert connection.sock.selected_alpn_protocol() == "http/1.1"


def test_workers_get_the_certificate_of_the_moment_when_they_are_renewed(tmp_path, trusted, issued):
    with serving(tmp_path, issued, "--workers", "2") as gateway:
        assert {gateway.common_name(trusted.trusted()) for _ in range(10)} == {"the gateway"}
        fresh = trusted.issue("the gateway, renewed", LOCALHOST, LOOPBACK)
        issued.certificate.write_bytes(fresh.certificate.read_bytes())
        gateway.process.send_signal(signal.SIGHUP)
        assert f"nothing was renewed: data.tls_key: `{issued.key}` is not that" in gateway.said("nothing was renewed")
        assert gateway.common_name(trusted.trusted()) == "the gateway"
        issued.key.write_bytes(fresh.key.read_bytes())
        gateway.process.send_signal(signal.SIGHUP)
        gateway.said("\nrenewed")
        assert {gateway.common_name(trusted.trusted()) for _ in range(10)} == {"the gateway, renewed"}
    assert "Traceback" not in gateway.log.read_text()
