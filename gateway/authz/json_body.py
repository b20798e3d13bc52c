"""Bodies of calls that are JSON: read, or refused in the same words whatever the route is."""

from __future__ import annotations

from typing import Any

from gateway.http1 import Reason, Refusal
from gateway.strict_json import StrictJSONError, loads


def read_json(body: bytes) -> Any | Refusal:
    """The value of a body."""
    try:
        return loads(body)
    except StrictJSONError as fault:
        return unusable(fault)


def read_object(body: bytes) -> dict[str, Any] | Refusal:
    """The members of a body that must be an object."""
    value = read_json(body)
    if isinstance(value, dict | Refusal):
        return value
    return Refusal(Reason.MALFORMED_BODY, "the body must be a JSON object")


def unusable(fault: StrictJSONError) -> Refusal:
    """Of a body that is no JSON, or has two readings."""
    return Refusal(Reason.MALFORMED_BODY, f"the body is not usable JSON: {fault}")
