"""Which headers go on, in both directions.

Towards the upstream everything that it could take for a statement of ours is dropped and, where we make that statement,
set anew. Towards the client everything that speaks of one connection, of the upstream itself, or of its relation to us.
"""

from __future__ import annotations

import re

from gateway.http1 import Headers

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""They belong to one connection (RFC 9110, section 7.6.1); so does what `Connection` names."""

_REPLACED = frozenset(
    {
        b"authorization",  # the client's key is ours to judge, and no upstream's to see
        b"x-api-key",
        b"cookie",  # some service behind us might take it for a session
        b"jupiterone-account",
        b"lifeomic-account",
        b"gateway-identity",
        b"x-request-id",
        b"host",  # these three follow from the upstream's address and the body that is sent
        b"content-length",
        b"expect",
    }
)
_CLAIMS = frozenset({b"forwarded", b"via", b"client-ip", b"true-client-ip", b"x-real-ip", b"remote-user", b"x-user"})
_CLAIM_PREFIXES = (b"gateway-", b"x-forwarded-", b"x-original-", b"x-auth-", b"x-authenticated-", b"x-remote-")
"""Headers by which proxies tell services who called, from where and for what; a client may not say that of itself."""

_UPSTREAM_ONLY = frozenset(
    {
        b"alt-svc",  # an address past the gateway
        b"clear-site-data",  # the next three are orders to a browser about our own origin
        b"strict-transport-security",
        b"public-key-pins",
        b"content-length",  # set anew where the length is known
        b"location",  # no redirect is passed on
        b"server",
        b"set-cookie",
        b"via",
        b"www-authenticate",  # speaks of the gateway's own credential
        b"x-powered-by",
        b"x-request-id",
    }
)

_NAME = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e]*")


def to_upstream(client: Headers, ours: Headers) -> Headers:
    """The client's headers without what we replace, then ours. The names are in lower case.

    No header that `Connection` nominates is left: the front check lets it nominate hop-by-hop ones only.
    """
    kept = ((name, value) for name, value in client if not _dropped(name))
    return (*kept, *ours)


def _dropped(name: bytes) -> bool:
    return name in HOP_BY_HOP or name in _REPLACED or name in _CLAIMS or name.startswith(_CLAIM_PREFIXES)


def to_client(upstream: Headers, ours: Headers) -> Headers:
    """The upstream's headers that a client may see, then ours, which win. What is not clean ASCII is left out."""
    nominated = {
        token.strip().lower() for name, value in upstream if name == b"connection" for token in value.split(b",")
    }
    names = nominated | {name for name, _ in ours}
    kept = (
        (name, value)
        for name, value in upstream
        if not (name in HOP_BY_HOP or name in _UPSTREAM_ONLY or name.startswith(b"gateway-") or name in names)
        and _NAME.fullmatch(name)
        and _VALUE.fullmatch(value)
    )
    return (*kept, *ours)


def length_of(upstream: Headers) -> int | None:
    """The length that an upstream's answer announces; None where it is chunked."""
    return next((int(value) for name, value in upstream if name == b"content-length"), None)
