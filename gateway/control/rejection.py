"""How a use case says no."""

from __future__ import annotations

from typing import TypeVar

from gateway.http1 import Reason, Refusal

T = TypeVar("T")


class Rejection(Exception):  # noqa: N818 (an answer, not a fault)
    """The use case was refused and nothing was changed; each face gives the refusal its own shape.

    It is raised rather than returned because it also has to roll back the change that is under way.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(reason, message)


def accepted(answer: T | Refusal) -> T:
    """The answer of a rule; raises Rejection if that is a refusal."""
    if isinstance(answer, Refusal):
        raise Rejection(answer.reason, answer.message)
    return answer
