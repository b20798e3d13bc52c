"""Deferred results: answers that are fetched from an address of their own, as from a bucket with signed URLs.

The address is `<sandbox>/_results/<id>/state.json`, which names that of `results.json` or `results.csv`. Whoever has it
needs no credential and no account header: the clients send neither (JupiterOne's Python SDK, Node client and MCP
server). As at S3, a call that brings a credential all the same is refused, so that nobody gives one away unnoticed.

Two contracts are in use. The older documentation, the Go client and the Node client up to 0.21 fetch the `url` of the
finished state; the Python SDK, the Node client 2.x and the MCP server read `data` and `cursor` from the state itself.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import uuid4

from aiohttp import web

BASE = "/_results/"

Page = Mapping[str, Any]
"""One page of an answer: `type`, `data`, `totalCount`, and `cursor` unless it is the last."""


class Contract(StrEnum):
    """What the finished state holds: where the result is, the result itself, or both."""

    BOTH = "both"
    TWO_HOP = "two_hop"
    ONE_HOP = "one_hop"


@dataclass(frozen=True, slots=True)
class Results:
    """How deferred results are served. A CSV result has an address of its own under every contract."""

    contract: Contract = Contract.BOTH
    in_progress: int = 0
    """Polls of each result that are told IN_PROGRESS first."""
    failure: str = ""
    """If any, every result is FAILED with this as its error."""
    kept: int = 1000
    kept_bytes: int = 256 * 1024 * 1024
    """Results, and bytes of them, that are kept: the oldest are dropped, but never the newest."""


AT_ONCE = Results()


@dataclass(slots=True)
class _Result:
    """`state` is what the finished state says besides its address; `polls` is how many are still told to wait."""

    state: dict[str, Any]
    body: bytes
    content_type: str
    correlation_id: str
    polls: int

    @property
    def name(self) -> str:
        """The last segment of the result's address."""
        return "results.csv" if self.content_type == "text/csv" else "results.json"


@dataclass(slots=True)
class Store:
    """The results that are kept, and their addresses.

    `origin` is the scheme and host that the addresses begin with. A test may change it: to a host that does not exist,
    or that nobody should fetch from.
    """

    options: Results
    origin: str = ""
    _results: OrderedDict[str, _Result] = field(default_factory=OrderedDict, repr=False)
    _bytes: int = 0
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def keep(self, page: Page, *, as_csv: bool, more: Page | None = None) -> tuple[str, str]:
        """Keeps a page, and says the address of its state and its correlation id.

        `more` is what the state says besides. Raises ValueError for a page that CSV cannot hold.
        """
        body = csv_text(page).encode() if as_csv else json.dumps(page).encode()
        inside = not as_csv and self.options.contract is not Contract.TWO_HOP
        state = {**(page if inside else {}), **(more or {})}
        content_type = "text/csv" if as_csv else "application/json"
        result = _Result(state, body, content_type, str(uuid4()), self.options.in_progress)
        name = secrets.token_hex(16)
        self._results[name] = result
        self._bytes += len(body)
        self._drop()
        return self.signed(f"{BASE}{name}/state.json"), result.correlation_id

    def _drop(self) -> None:
        options = self.options
        while len(self._results) > 1 and (len(self._results) > options.kept or self._bytes > options.kept_bytes):
            _, oldest = self._results.popitem(last=False)
            self._bytes -= len(oldest.body)

    def signed(self, path: str) -> str:
        """The address of a path, for whoever has it."""
        return f"{self.origin}{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={self._signature(path).decode()}"

    def refusal(self, request: web.Request) -> web.Response | None:
        """What S3 answers to a call whose address is not signed, or that brings a credential besides."""
        if "Authorization" in request.headers:
            return _refusal(400, "InvalidArgument", "Only one auth mechanism allowed")
        if not hmac.compare_digest(request.query.get("X-Amz-Signature", "").encode(), self._signature(request.path)):
            return _refusal(403, "SignatureDoesNotMatch", "The signature does not match the one that was calculated")
        return None

    def _signature(self, path: str) -> bytes:
        return hmac.new(self._secret, path.encode(), hashlib.sha256).hexdigest().encode()

    # --- serving --------------------------------------------------------------------------------------------------

    def routes(self) -> list[web.RouteDef]:
        """The routes of the results; nobody is asked for a credential there."""
        return [web.get(f"{BASE}{{name}}/{{document}}", self._get)]

    async def _get(self, request: web.Request) -> web.Response:
        if refusal := self.refusal(request):
            return refusal
        name, document = request.match_info["name"], request.match_info["document"]
        result = self._results.get(name)
        if result is None:
            return _refusal(404, "NoSuchKey", "The specified key does not exist.")
        if document == "state.json":
            return web.json_response(self._state(name, result))
        return web.Response(body=result.body, content_type=result.content_type, headers=_etag(result.body))

    def _state(self, name: str, result: _Result) -> dict[str, Any]:
        """What a poll is told. A client may take `"cursor": null` for a cursor, so no member is null."""
        about = {"correlationId": result.correlation_id}
        if result.polls > 0:
            result.polls -= 1
            return {"status": "IN_PROGRESS", **about}
        if self.options.failure:
            return {"status": "FAILED", "error": self.options.failure, **about}
        one_hop = self.options.contract is Contract.ONE_HOP and result.content_type != "text/csv"
        address = {} if one_hop else {"url": self.signed(f"{BASE}{name}/{result.name}")}
        return {"status": "COMPLETED", **about, **address, **result.state}


def _etag(body: bytes) -> dict[str, str]:
    """As S3 has it: it tells whether two results are the same."""
    return {"ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"'}


def _refusal(status: int, code: str, message: str) -> web.Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return web.Response(status=status, text=text, content_type="application/xml")


# --- CSV ----------------------------------------------------------------------------------------------------------


def csv_text(page: Page) -> str:
    """The rows as CSV (RFC 4180) under the names of their columns, in order of first appearance; null is an empty cell.

    An object is a flat row of its ids, metadata and properties. No public document says how a list is written: here as
    JSON. Raises ValueError for a tree, which has no rows.
    """
    if page["type"] == "tree":
        raise ValueError("a tree cannot be written as CSV")
    rows = [_flat(row) for row in page["data"]]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    if row.keys() != {"id", "entity", "properties"}:
        return dict(row)
    return {"id": row["id"], **row["entity"], **row["properties"]}


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, bool | list | dict) else value
