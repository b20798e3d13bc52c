"""Which API key a call carries: one, in one of two headers, and in no other place.

RFC 6750, section 2: a client must not use more than one method to send its token. Two keys in one call are two answers
to "who is it", even when they are equal; so is a comma, by which proxies join two headers into one.
"""

from __future__ import annotations

import re

from gateway.http1.message import Call
from gateway.http1.refusal import Reason, Refusal

_PLACES = frozenset({b"authorization", b"x-api-key"})
_TOKEN = rb"[A-Za-z0-9._~+/-]+=*"  # b64token of RFC 6750
_BEARER = re.compile(rb"(?i:bearer) +(" + _TOKEN + rb")")
_BARE = re.compile(rb"(" + _TOKEN + rb")")


def credential(call: Call) -> str | Refusal:
    """The API key as the client sent it, or why there is none to look up.

    The scheme's letter case does not matter (RFC 9110, section 11.1); any other scheme is an invalid key.
    """
    sent = [header for header in call.headers if header[0] in _PLACES]
    if not sent:
        return Refusal(Reason.NO_CREDENTIAL, "send an API key as `Authorization: Bearer <key>` or `X-Api-Key: <key>`")
    name, value = sent[0]
    if len(sent) > 1 or b"," in value:
        return Refusal(Reason.TWO_CREDENTIALS, "send one API key, in one header")
    match = (_BEARER if name == b"authorization" else _BARE).fullmatch(value)
    if match is None:
        return Refusal(Reason.INVALID_KEY, "the API key is not valid")
    return match[1].decode("ascii")
