"""Reading calls of the account API strictly: what is not understood is refused, and the message names it.

The real clients send bodies that their users wrote, so a member with a typing error would otherwise be dropped in
silence, and a key would be made with another expiry, say, than was meant.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec

from gateway.control.rejection import Rejection
from gateway.http1 import Call, Reason
from gateway.strict_json import StrictJSONError, loads

S = TypeVar("S", bound=msgspec.Struct)

_PARAMETERS = 16
"""In a query string; no operation has half as many."""

_QUOTED = 300
"""Characters of a message about a body, which may quote what it held."""

_CURSOR = re.compile(r"(\d{1,15})\.([\w.@-]{1,128})", re.ASCII)


def body_of(call: Call, expected: type[S]) -> S:
    """The JSON object of a body. Raises Rejection with the place of the fault."""
    try:
        value = loads(call.body or b"")
    except StrictJSONError as fault:
        raise Rejection(Reason.MALFORMED_BODY, f"the body is not JSON: {fault}") from None
    return _converted(value, expected, "body", strict=True)


def query_of(call: Call, expected: type[S]) -> S:
    """The parameters of a query string. Raises Rejection, also for those that the operation does not have."""
    try:
        pairs = parse_qsl(call.query, keep_blank_values=True, errors="strict", max_num_fields=_PARAMETERS)
    except ValueError:
        message = f"the query string is up to {_PARAMETERS} parameters, percent-encoded in UTF-8"
        raise Rejection(Reason.INVALID_INPUT, message) from None
    given = dict(pairs)
    if len(given) < len(pairs):
        raise Rejection(Reason.INVALID_INPUT, "a parameter of the query string occurs twice")
    return _converted(given, expected, "query string", strict=False)


def _converted(value: object, expected: type[S], what: str, *, strict: bool) -> S:
    try:
        return msgspec.convert(value, expected, strict=strict)
    except msgspec.ValidationError as fault:
        raise Rejection(Reason.INVALID_INPUT, f"the {what} is refused: {str(fault)[:_QUOTED]}") from None


# --- cursors ------------------------------------------------------------------------------------------------------
# Positions of rows that the caller may see: there is nothing to hide in them, and nothing to gain by making them up.


def cursor_of(position: tuple[int, str]) -> str:
    """The text for the place behind a row, which is a number and an id."""
    number, row = position
    return base64.urlsafe_b64encode(f"{number}.{row}".encode()).decode().rstrip("=")


def position_of(cursor: str) -> tuple[int, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise Rejection(Reason.INVALID_INPUT, "this `cursor` is none of ours: take it from a `Link` header")
    return int(match[1]), match[2]


def link_to(call: Call, cursor: str) -> bytes:
    """The `Link` header (RFC 8288) that leads from a page of a listing to the next one."""
    parameters = [pair for pair in parse_qsl(call.query, keep_blank_values=True) if pair[0] != "cursor"]
    return f'<{call.path}?{urlencode([*parameters, ("cursor", cursor)])}>; rel="next"'.encode()
