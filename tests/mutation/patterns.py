"""Errors in regular expressions: an alternative, a member of a class, a look-around or a repetition that is missing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import suppress

_FIRST = 0xE000
"""Stands, with the ones after it, for the parts of a text that are put in; no pattern uses these characters itself."""

_TOKEN = re.compile(r"\\.|\[\^?\]?|\(\?(?:[:=!>]|<[=!])|[()|]|[*+?][+?]?|\{[0-9,]+\}|.", re.DOTALL)
_MEMBER = re.compile(r"(?:\\x..|\\u....|[0-9A-Za-z])(?:-(?:\\x..|\\u....|[0-9A-Za-z]))?|\\.|.", re.DOTALL)


def weakened(node: ast.Constant | ast.JoinedStr) -> Iterator[ast.expr]:
    """The text with one part less."""
    text, put_in = _flat(node)
    for other in dict.fromkeys(_edited(text)):
        if other != text and _is_valid(other):
            yield _rebuilt(other, put_in)


def _flat(node: ast.Constant | ast.JoinedStr) -> tuple[str, list[ast.expr]]:
    text, put_in = "", []
    for part in [node] if isinstance(node, ast.Constant) else node.values:
        if isinstance(part, ast.Constant):
            text += part.value
        else:
            text += chr(_FIRST + len(put_in))
            put_in.append(part)
    return text, put_in


def _rebuilt(text: str, put_in: list[ast.expr]) -> ast.expr:
    if not put_in:
        return ast.Constant(text)
    parts = re.split(f"([{chr(_FIRST)}-{chr(_FIRST + len(put_in))}])", text)
    return ast.JoinedStr(
        [put_in[ord(part) - _FIRST] if number % 2 else ast.Constant(part) for number, part in enumerate(parts)]
    )


def _is_valid(text: str) -> bool:
    with suppress(re.error):
        return bool(re.compile(text, re.VERBOSE if text.startswith("\n") else 0))
    return False


def _edited(text: str) -> Iterator[str]:
    if text.startswith("\\x"):  # the inside of a class
        yield from _members(text, 0, len(text))
    groups, starts, at = [0], [0], 0
    while at < len(text):
        token = _TOKEN.match(text, at)[0]
        begin, at = at, at + len(token)
        if token[0] == "[":
            inner, at = at, _end_of_class(text, at)
            yield from _classes(text, begin, inner, at)
        elif token[0] == "(":
            groups.append(begin)
            starts.append(at)
        elif token == "|":
            yield text[: starts[-1]] + text[at:]
            starts[-1] = at
        elif token == ")":
            yield from _group(text, groups.pop(), starts.pop(), begin)
        else:
            yield from _repetition(text, token, begin)
    if starts[-1]:
        yield text[: starts[-1] - 1]


def _repetition(text: str, token: str, begin: int) -> Iterator[str]:
    if token[0] in "*+?" or (token[0] == "{" and len(token) > 1):
        yield text[:begin] + text[begin + len(token) :]
    if token[0] in "*+":
        yield text[:begin] + {"*": "+", "+": "*"}[token[0]] + text[begin + 1 :]


def _end_of_class(text: str, begin: int) -> int:
    at = begin
    while text[at] != "]":
        at += 2 if text[at] == "\\" else 1
    return at + 1


def _classes(text: str, begin: int, inner: int, end: int) -> Iterator[str]:
    """One member less; `inner` is behind the bracket, and a circumflex."""
    yield from _members(text, inner, end - 1)
    if text[inner - 1] == "^":
        yield text[: inner - 1] + text[inner:]


def _members(text: str, begin: int, end: int) -> Iterator[str]:
    members = list(_MEMBER.finditer(text, begin, end))
    if len(members) > 1:
        for member in members:
            yield text[: member.start()] + text[member.end() :]


def _group(text: str, begin: int, last: int, closing: int) -> Iterator[str]:
    """`last` is where its last alternative begins."""
    if re.match(r"\(\?<?[=!]", text[begin:]):
        yield text[:begin] + text[closing + 1 :]
    if text[last - 1] == "|":
        yield text[: last - 1] + text[closing:]
