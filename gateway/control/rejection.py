"""How a use case says no."""

from __future__ import annotations

from typing import TypeVar

from gateway.http1 import Reason, Refusal
from gateway.keys import MembershipFault

T = TypeVar("T")


class Rejection(Exception):  # noqa: N818 (an answer, not a fault)
    """The use case was refused and nothing was changed; each face gives the refusal its own shape.

    It is raised rather than returned because it also has to roll back the change that is under way. `faults` tells
    what is wrong with memberships, where that is the reason.
    """

    def __init__(self, reason: Reason, message: str, faults: tuple[MembershipFault, ...] = ()) -> None:
        super().__init__(message)
        self.refusal = Refusal(reason, message)
        self.faults = faults


def accepted(answer: T | Refusal) -> T:
    """The answer of a rule; raises Rejection if that is a refusal."""
    if isinstance(answer, Refusal):
        raise Rejection(answer.reason, answer.message)
    return answer


def existing(thing: T | None, reason: Reason, what: str) -> T:
    """The thing; raises Rejection in the words for one that there is not, or that the caller may not know of."""
    if thing is None:
        raise Rejection(reason, f"no {what} of this id is yours to manage; contact a platform administrator")
    return thing
