"""The Rapid7 face: `/validate` and `/account/api/1/…`, in the words of Rapid7's Insight Account API.

An operation of the table in `operations` is found by path and method, its parameters and its body are read, and
its handler is called. Errors are `{"message": …}`, with their stable code in the header `Gateway-Reason`.
"""

from __future__ import annotations

from gateway.answers import account_refusal
from gateway.control.answer import AWAY, FaceAnswer
from gateway.control.desk import Desk
from gateway.control.rapid7.handlers import Visit
from gateway.control.rapid7.operations import Operation, operations_at
from gateway.control.rapid7.reading import body_of, query_of
from gateway.control.rejection import Rejection
from gateway.http1 import Call, Reason, Refusal, says_json
from gateway.keys import Principal
from gateway.stores.base import StoreUnavailable

_AWAY = Refusal(Reason.STORE_UNAVAILABLE, AWAY)


class Rapid7:
    """Answers calls of this face."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, call: Call, actor: Principal, _call_id: str) -> FaceAnswer:
        """Never raises for what the caller sent or the store is in."""
        operations, ids = operations_at(call.path)
        methods = frozenset(each.method for each in operations)
        operation = next((each for each in operations if each.method == call.method), None)
        if not operations:
            return _refused(Refusal(Reason.UNKNOWN_ROUTE, "there is nothing here"))
        if operation is None:
            message = f"this takes {' or '.join(sorted(methods))}"
            return _refused(Refusal(Reason.METHOD_NOT_ALLOWED, message), methods)
        try:
            return await self._answer(operation, ids, call, actor)
        except Rejection as rejection:
            return _refused(rejection.refusal)
        except StoreUnavailable:
            return _refused(_AWAY)

    async def _answer(self, operation: Operation, ids: tuple[str, ...], call: Call, actor: Principal) -> FaceAnswer:
        if operation.body is not None and not says_json(call):
            raise Rejection(Reason.UNSUPPORTED_MEDIA_TYPE, "this takes Content-Type: application/json")
        query = query_of(call, operation.query)
        body = None if operation.body is None else body_of(call, operation.body)
        told = await operation.handler(Visit(self._desk, actor, call, ids, query, body))
        return FaceAnswer(operation.status, told.value, headers=told.headers)


def _refused(refusal: Refusal, methods: frozenset[str] = frozenset()) -> FaceAnswer:
    body, headers = account_refusal(refusal, methods)
    return FaceAnswer(refusal.status, body, refusal.reason, headers)
