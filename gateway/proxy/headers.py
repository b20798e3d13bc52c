"""Which headers go on, in both directions.

Towards the upstream a short list of what a client may say passes, and what the gateway says is set anew. Towards the
client everything that speaks of one connection, of the upstream itself, or of its relation to us.
"""

from __future__ import annotations

import re

from gateway.http1 import Headers
from gateway.http1.heads import connection_tokens, may_be_kept
from gateway.http1.message import Header
from gateway.http1.remembered import Remembered

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

_PASSED_ON = frozenset(
    {
        b"accept",
        b"accept-charset",
        b"accept-encoding",
        b"accept-language",
        b"cache-control",
        b"content-encoding",
        b"content-language",
        b"content-type",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"jupiterone-correlation-id",
        b"lifeomic-correlation-id",
        b"pragma",
        b"range",
        b"traceparent",
        b"tracestate",
        b"user-agent",
    }
)
_PASSED_ON_PREFIXES = (b"apollo-", b"apollographql-", b"x-apollo-")
"""What a client may say to the upstream: about the form of a body, about caches, and for tracing.

A list of what passes, because no list of what does not could be whole: dozens of headers tell services who calls, from
where, in whose name (`X-Forwarded-User`, `CF-Connecting-IP`, `X-Goog-Authenticated-User-Email`), and a client may not
say that of itself. Its credential, account and cookies do not pass either.
"""

_UPSTREAM_ONLY = frozenset(
    {
        b"alt-svc",  # an address past the gateway
        b"cache-control",  # the next seven: what is for one key is kept for nobody, see `UNKEPT`
        b"cdn-cache-control",
        b"cloudflare-cdn-cache-control",
        b"expires",
        b"pragma",
        b"surrogate-control",
        b"x-accel-expires",
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

UNKEPT: Headers = ((b"cache-control", b"no-store"),)
"""Of every answer. The upstream answered our credential and may call that public, and caches know of no key in
`X-Api-Key` (for `Authorization`, see RFC 9111, section 3.5): they would tell it to the next caller, whoever that is."""

_NAME = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e]*")


def to_upstream(client: Headers, ours: Headers) -> Headers:
    """The client's headers that may pass, then ours. The names are in lower case.

    No header that `Connection` nominates is left: the front check lets it nominate hop-by-hop ones only.
    """
    kept = [header for header in client if header[0] in _PASSED_ON or header[0].startswith(_PASSED_ON_PREFIXES)]
    return (*kept, *ours)


def to_client(upstream: Headers, ours: Headers) -> Headers:
    """The upstream's headers that a client may see, then ours, which win. What is not clean ASCII is left out."""
    left_out = connection_tokens(upstream).union([name for name, _ in ours])
    kept = [header for header in upstream if header[0] not in left_out and _passes[header]]
    return (*kept, *ours)


def _may_pass(header: Header) -> bool:
    name, value = header
    if name in HOP_BY_HOP or name in _UPSTREAM_ONLY or name.startswith(b"gateway-"):
        return False
    return bool(_NAME.fullmatch(name) and _VALUE.fullmatch(value))


_passes = Remembered(_may_pass, room=1024, worth=lambda header, _: may_be_kept(header))


def length_of(upstream: Headers) -> int | None:
    """The length that an upstream's answer announces; None where it is chunked."""
    lengths = [int(value) for name, value in upstream if name == b"content-length"]
    return lengths[0] if lengths else None
