"""What texts may be that callers give: ids, names, addresses."""

from __future__ import annotations

import re

from gateway.control.rejection import Rejection
from gateway.http1 import Reason

NAME = 256
"""Characters of the name of a person, a group or an organization."""

_ID = re.compile(r"[\w.@-]{1,128}", re.ASCII)
_ORGANIZATION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,64}@[^@\s\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,190}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def is_id(text: str) -> bool:
    """Whether a text can be an id at all; a database need not be asked for the others."""
    return _ID.fullmatch(text) is not None


def is_email(text: str) -> bool:
    return _EMAIL.fullmatch(text) is not None


def is_printable(text: str, limit: int) -> bool:
    """Whether a text has up to `limit` characters, and none that would disturb a listing or a log."""
    return len(text) <= limit and not _UNPRINTABLE.search(text)


def refuse_text(what: str, text: str, limit: int) -> None:
    if not is_printable(text, limit):
        raise Rejection(Reason.INVALID_INPUT, f"a {what} has up to {limit} characters, and no control characters")


def refuse_email(text: str) -> None:
    if not is_email(text):
        raise Rejection(Reason.INVALID_INPUT, "this is no email address")


def refuse_organization_id(text: str) -> None:
    """That of a new organization; the alphabet is that of the sections of the settings."""
    if not _ORGANIZATION_ID.fullmatch(text):
        raise Rejection(Reason.INVALID_INPUT, "an organization's id is up to 64 letters, digits, `-` and `_`")
