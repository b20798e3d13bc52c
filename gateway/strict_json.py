"""Strict reading of JSON that somebody else wrote: one text, one meaning.

Two parsers that read one text differently are a way round every check (one decides, the other acts), so what RFC 8259
leaves to the parser is refused here: duplicate members, NaN and Infinity, numbers beyond a double, a byte order mark,
bytes that are not UTF-8, lone surrogates, and nesting deeper than a limit.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any

MAX_DEPTH = 64
"""Nesting a body may have; real clients need 12, and the standard parser would recurse to its own limit."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
# No group is possessive here or in the lexers: Python before 3.11.5 does not step back from one that matched in part.
# An unclosed string ends with the text, so that every position is read once: linear time on hostile input.
_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.|\\\Z)*"?|[\[{\]}]', re.DOTALL)


class StrictJSONError(ValueError):
    """The text is not JSON with one meaning; the message says where or which member."""


def loads(text: str | bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """The value of a JSON text.

    Raises StrictJSONError. Numbers keep Python's reading: int without limit of size, float as IEEE double.
    """
    source = _decoded(text)
    if (place := _deeper(source, max_depth)) is not None:
        raise StrictJSONError(f"nested deeper than {max_depth} levels at {_place(source, place)}")
    try:
        value = _decoder.decode(source)
    except StrictJSONError:
        raise
    except json.JSONDecodeError as fault:
        raise StrictJSONError(f"{fault.msg.removesuffix(' at')} at line {fault.lineno} column {fault.colno}") from None
    except ValueError as fault:  # an integer of more digits than the interpreter converts
        raise StrictJSONError(str(fault)) from None
    if not _is_plain(source) and _SURROGATE.search(source):
        _refuse_lone_surrogates(value)
    return value


def _decoded(text: str | bytes) -> str:
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as fault:
            raise StrictJSONError(f"not UTF-8 at byte {fault.start}") from None
    if text.startswith("\ufeff"):
        raise StrictJSONError("starts with a byte order mark")
    return text


def _deeper(source: str, limit: int) -> int | None:
    """Where brackets nest deeper than the limit, if they do; counted before parsing because the parser recurses."""
    if source.count("[") + source.count("{") <= limit:
        return None
    depth = 0
    for match in _BRACKETS.finditer(source):
        token = match.group()
        if token in "[{":
            depth += 1
            if depth > limit:
                return match.start()
        elif token in "]}":
            depth -= 1
    return None


def _place(source: str, at: int) -> str:
    """In the words of the standard parser."""
    return f"line {source.count(chr(10), 0, at) + 1} column {at - source.rfind(chr(10), 0, at)}"


def _is_plain(source: str) -> bool:
    """Whether no character of it can be half of a pair: it has none above ASCII, and no escape that names one."""
    return source.isascii() and "\\u" not in source


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise StrictJSONError(f"member `{next(name for name in counts if counts[name] > 1)}` occurs twice")
    return members


def _refuse_lone_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise StrictJSONError("a string holds a lone surrogate") from None


def _no_constant(name: str) -> Any:
    raise StrictJSONError(f"`{name}` is not JSON")


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise StrictJSONError(f"`{number[:20]}` is beyond the range of a double")
    return value


_decoder = json.JSONDecoder(object_pairs_hook=_unique_members, parse_constant=_no_constant, parse_float=_finite)
