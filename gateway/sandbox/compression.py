"""Answers in gzip: for a caller who takes it, or for everybody, as an upstream does that does not ask."""

from __future__ import annotations

import gzip
from enum import StrEnum

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware


class Compression(StrEnum):
    """Whose answers are compressed: nobody's, those of callers whose Accept-Encoding has gzip, or everybody's."""

    NEVER = "never"
    ACCEPTED = "accepted"
    ALWAYS = "always"


def compressing(compression: Compression, *, never: str) -> Middleware:
    """Compresses whole bodies, except under the path `never`; the same body gives the same bytes."""

    @web.middleware
    async def compress(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if request.path.startswith(never) or not _wanted(request, compression):
            return response
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            response.body = gzip.compress(response.body, compresslevel=1, mtime=0)
            response.headers[hdrs.CONTENT_ENCODING] = "gzip"
        return response

    return compress


def _wanted(request: web.Request, compression: Compression) -> bool:
    match compression:
        case Compression.NEVER:
            return False
        case Compression.ALWAYS:
            return True
        case Compression.ACCEPTED:
            said = request.headers.get(hdrs.ACCEPT_ENCODING, "").lower()
            codings = [part.partition(";")[0].strip() for part in said.split(",")]
            return "gzip" in codings
