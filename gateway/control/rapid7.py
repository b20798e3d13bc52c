"""The Rapid7 face. Under construction."""

from __future__ import annotations

from gateway.control.answer import FaceAnswer
from gateway.control.desk import Desk
from gateway.http1 import Call, Reason
from gateway.keys import Principal


class Rapid7:
    """Answers calls of this face."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, call: Call, actor: Principal, call_id: str) -> FaceAnswer:
        """Never raises for what the caller sent or the store is in."""
        return FaceAnswer(404, {"message": "not here"}, Reason.UNKNOWN_ROUTE)
