"""TLS of the listeners: their certificates and keys, and what is wrong with them in the words of their operator.

The files are read by what serves and by `gateway check` alone: other commands may run where nobody can read a key.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

from gateway.settings.listeners import Listener
from gateway.settings.reading import SettingsError
from gateway.settings.sections import Settings

LISTENERS = ("data", "admin", "ops")

_MISMATCH = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})
"""The last one is OpenSSL's word for keys of different kinds: a certificate is held for each kind."""


def tls_context(listener: Listener) -> ssl.SSLContext | None:
    """TLS 1.2 or newer, ciphers with forward secrecy, as Python has it by default; None for a listener without TLS.

    Raises ValueError, which begins with the setting that it is about.
    """
    certificate, key = listener.tls_certificate, listener.tls_key
    if certificate is None and key is None:
        return None
    if key is None:
        raise ValueError("tls_key: is missing, `tls_certificate` needs it")
    if certificate is None:
        raise ValueError("tls_certificate: is missing, `tls_key` is of no use without it")
    _read("tls_certificate", certificate)
    _read("tls_key", key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.options |= ssl.OP_NO_RENEGOTIATION  # it costs the server more than the client, and nobody needs it
    context.set_alpn_protocols(["http/1.1"])
    _certificates_of(certificate)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as fault:
        raise ValueError(_why(fault, certificate, key)) from None
    return context


def check_certificates(settings: Settings) -> None:
    """Raises SettingsError with all that is wrong, a line for each listener."""
    faults = []
    for name in LISTENERS:
        try:
            tls_context(getattr(settings, name))
        except ValueError as fault:
            faults.append(f"{name}.{fault}")
    if faults:
        raise SettingsError(tuple(faults))


def stale_certificates(settings: Settings, now: int) -> list[str]:
    """A line for each certificate that clients refuse now, milliseconds since the epoch.

    It is no fault: to serve nobody would not help.
    """
    listeners = ((name, getattr(settings, name).tls_certificate) for name in LISTENERS)
    return [f"{name}.tls_certificate: {why}" for name, file in listeners if file and (why := _stale(file, now))]


def _read(name: str, file: Path) -> None:
    try:
        file.read_bytes()
    except OSError as fault:
        raise ValueError(f"{name}: cannot read `{file}`: {fault.strerror}") from None


def _certificates_of(file: Path) -> None:
    """Told apart from the key's faults by being loaded alone first: OpenSSL has the same word for both."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(file)
    except ssl.SSLError:
        raise ValueError(f"tls_certificate: `{file}` holds no certificate in PEM") from None


def _no_password() -> str:
    raise ValueError("tls_key: the key is encrypted, and there is nobody to ask for its password")


def _why(fault: ssl.SSLError, certificate: Path, key: Path) -> str:
    reason = fault.reason or "PEM"  # OpenSSL gives none for a file without a key
    if reason in _MISMATCH:
        return (
            f"tls_key: `{key}` is not that of the first certificate in `{certificate}`, which has to be the gateway's"
        )
    if reason.startswith("PEM"):
        return f"tls_key: `{key}` holds no private key in PEM"
    return f"tls_certificate: `{certificate}` cannot be used: {reason.lower().replace('_', ' ')}"


def _stale(file: Path, now: int) -> str | None:
    from cryptography import x509  # noqa: PLC0415 (only for those who use TLS)

    first = x509.load_pem_x509_certificates(file.read_bytes())[0]
    since, until = first.not_valid_before_utc, first.not_valid_after_utc
    at = datetime.fromtimestamp(now / 1000, UTC)
    if at > until:
        return f"`{file}` has expired, at {_told(until)}; clients refuse it"
    if at < since:
        return f"`{file}` is not valid before {_told(since)}; clients refuse it until then"
    return None


def _told(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
