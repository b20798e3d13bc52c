"""Where the gateway listens, and with what certificates."""

from __future__ import annotations

from pathlib import Path

from gateway.http1 import LOOPBACK
from gateway.settings.kinds import Port, Proxies, Section


class Listener(Section):
    """An address, and TLS on it where there is a certificate."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port
    """Port; 0 takes a free one."""
    tls_certificate: Path | None = None
    """PEM file of the certificate, its own first and then those between it and the root; without one, plain HTTP."""
    tls_key: Path | None = None
    """PEM file of its private key, not encrypted; nobody else should be able to read it."""

    @property
    def scheme(self) -> str:
        return "http" if self.tls_certificate is None else "https"


class DataListener(Listener):
    """Upstream routes and the faces of the control plane: what API consumers reach."""

    host: str = "127.0.0.1"
    """Address to listen on; loopback unless told otherwise: keys go over it, elsewhere by TLS, here or in front."""
    port: Port = 8080
    """Port; 0 takes a free one."""
    trusted_proxies: Proxies = LOOPBACK
    """Networks whose proxies tell the client's address in `X-Forwarded-For`, on all listeners, and have no limit."""


class AdminListener(Listener):
    """Administration: logging in, and the faces of the control plane; nothing is forwarded from here."""

    port: Port = 8081
    """Port; 0 takes a free one."""


class OpsListener(Listener):
    """Metrics and health; nothing secret."""

    port: Port = 9090
    """Port; 0 takes a free one."""
