"""Reading JSON bodies, gzip or plain, the way a common web framework does: the last of two equal members counts."""

from __future__ import annotations

import json
import zlib
from typing import Any

from aiohttp import web

GZIP_WINDOW = 31
"""zlib's code for a gzip container with the largest window."""


async def json_body(request: web.Request, empty: Any = None) -> Any:
    """The JSON value of the body, or `empty` when there is no body and that is not None.

    Raises web.HTTPBadRequest, web.HTTPUnsupportedMediaType, and web.HTTPRequestEntityTooLarge when it inflates to more
    than the application takes.
    """
    body = _inflated(request, await request.read())
    if not body.strip() and empty is not None:
        return empty
    if request.content_type not in {"application/json", "application/octet-stream"}:  # the latter: no header
        raise web.HTTPUnsupportedMediaType(text=f"{request.content_type} is not read here, send application/json")
    try:
        return json.loads(body, parse_constant=_no_constant)
    except ValueError as fault:
        raise web.HTTPBadRequest(text=f"the body is not JSON: {fault}") from None


def _inflated(request: web.Request, body: bytes) -> bytes:
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise web.HTTPUnsupportedMediaType(text=f"content encoding {encoding} is not read here, send gzip")
    limit = request.client_max_size
    try:
        inflater = zlib.decompressobj(GZIP_WINDOW)
        plain = inflater.decompress(body, limit + 1)
    except zlib.error as fault:
        raise web.HTTPBadRequest(text=f"the body is not gzip: {fault}") from None
    if len(plain) > limit:
        raise web.HTTPRequestEntityTooLarge(limit, len(plain))
    if not inflater.eof:
        raise web.HTTPBadRequest(text="the gzip body ends too early")
    return plain


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
