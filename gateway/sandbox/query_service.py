"""What answers queries, whatever door they came through: at once, or deferred."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.sandbox.account import Account
from gateway.sandbox.deferred import Store
from gateway.sandbox.graph import Graph
from gateway.sandbox.queries import QueryCall, QueryError, Serving, answer, read_call, read_call_v2


@dataclass(frozen=True, slots=True)
class Queries:
    """`page` is the number of rows a page has; `clock` gives milliseconds since the epoch."""

    graph: Graph
    account: Account
    page: int
    clock: Callable[[], int]
    serving: Serving
    results: Store

    def v1(self, arguments: Any) -> dict[str, Any]:
        """The QueryV1Response to the arguments of `/j1ql` or `queryV1`. Raises QueryError."""
        call = read_call(arguments)
        page = self._page(call)
        if not call.deferred:
            return page
        url, _ = self._kept(page, as_csv=call.as_csv)
        return {"type": "deferred", "data": None, "url": url}

    def v2(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of `queryV2`. Raises QueryError."""
        page = self._page(read_call_v2(arguments))
        url, correlation_id = self._kept(page, as_csv=False, more=self._about(page))
        return {"type": "deferred", "url": url, "correlationId": correlation_id}

    def _page(self, call: QueryCall) -> dict[str, Any]:
        return answer(call, self.graph, self.account, page=self.page, now=self.clock(), serving=self.serving)

    def _kept(self, page: dict[str, Any], *, as_csv: bool, more: Mapping[str, Any] | None = None) -> tuple[str, str]:
        try:
            return self.results.keep(page, as_csv=as_csv, more=more)
        except ValueError as fault:
            raise QueryError("VALIDATION_ERROR", str(fault)) from None

    def _about(self, page: Mapping[str, Any]) -> dict[str, Any]:
        """What a finished `queryV2` tells besides; its duration gives away how many objects there are."""
        return {"estimate": page["totalCount"], "duration": len(self.graph), "messages": []}
