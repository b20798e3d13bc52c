"""Text -> tokens, and a cursor over them with four verbs: check, read, expect, consume.

The whole text is cut up first, in one pass without backtracking (every repetition in the pattern is possessive or ends
the scan when it fails), so hostile input costs linear time and is refused before the parser recurses.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from gateway.j1ql.errors import J1QLSyntaxError, printable


@dataclass(frozen=True, slots=True)
class Limits:
    """How much query is read; more is a syntax error. The longest of 2,000 published queries has 956 characters."""

    length: int = 100_000
    """Characters: a list of 2,000 ids fits, a body made to keep a core busy does not."""
    tokens: int = 10_000
    """A list of 5,000 values; each node of the tree has a token of its own, so this bounds memory too."""
    depth: int = 50
    """Parentheses in parentheses, operators in one expression, smart classes in a row: the tree nests by these, and the
    parser recurses up to eight calls a level, of the interpreter's 1,000. Published queries need 8 levels.

    A printed query may need twice the depth of what it was read from: what precedence groups is put in parentheses."""


DEFAULT_LIMITS = Limits()


class Token(NamedTuple):
    """`kind` is a keyword in upper case, an operator's own text, "end", or the name of a group of the pattern."""

    kind: str
    text: str
    at: int
    end: int


LITERALS = frozenset("TRUE FALSE UNDEFINED NULL".split())
KEYWORDS = LITERALS | frozenset(
    "FIND UNIQUE WITH AS THAT SOMEHOW TO WHERE RETURN TREE HAVING ORDER BY ASC DESC SKIP LIMIT AND OR".split()
)

COMPARISONS = frozenset(("=", "!=", "~=", "!~=", "^=", "!^=", "$=", "!$=", ">", "<", ">=", "<="))
ARITHMETIC = frozenset("+-*/%^")

_TOKEN = re.compile(
    r"""
    [ \t\r\n]*+ (?:
        (?P<date>      (?i:date) [ \t\r\n]*+ \( [ \t\r\n]*+ [0-9] [0-9A-Za-z:.+-]*+ [ \t\r\n]*+ \) )
      | (?P<name>      [A-Za-z_] [A-Za-z0-9_]*+ | (?<=\.) [0-9] [A-Za-z0-9_]*+ )
      | (?P<operator>  !?[~^$]= | [!<>]= | >> | << | [=<>()|,.?!+\-*%^] | /(?!\*) )
      | (?P<string>    ' (?: [^'\\]++ | \\. )* ' | " (?: [^"\\]++ | \\. )* " )
      | (?P<number>    [0-9]++ (?: \.[0-9]++ )? )
      | (?P<comment>   /\* .*? \*/ )
      | (?P<bracket>   \[ [^\[\]\x00-\x1f]++ \] )
      | (?P<parameter> \$\{ [ \t\r\n]*+ [A-Za-z_] [\w.-]*+ [ \t\r\n]*+ \} )
      | (?P<smart>     \# [A-Za-z_] [A-Za-z0-9_]*+ )
      | (?P<end>       \Z )
    )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_REGEX = re.compile(r"/ (?: [^/\\\x00-\x1f]++ | \\[^\x00-\x1f] )+ / [A-Za-z]*+", re.VERBOSE)

_OPERAND_ENDS = LITERALS | {"name", "number", "string", "bracket", "parameter", "date", ")"}
"""After these a slash divides; elsewhere it begins a regex."""

_SHOWN = 40
"""Characters of a token that an error repeats."""

_UNREADABLE = (
    ("'", "this string is never closed"),
    ('"', "this string is never closed"),
    ("/*", "this comment is never closed"),
    ("//", "`//` begins no comment: a comment is `/* … */`"),
    ("/", "this regex is empty or never closed"),
    ("[]", "expected a property name in the brackets"),
    ("[", "this bracket is never closed"),
    ("${", "expected a parameter, such as `${param.name}`"),
    ("{{", "`{{…}}` is a placeholder: put its value in before sending the query"),
    ("\N{LEFT DOUBLE QUOTATION MARK}", "a string begins with ' or \", not with a curly quote"),
    ("\N{RIGHT DOUBLE QUOTATION MARK}", "a string begins with ' or \", not with a curly quote"),
    ("\N{LEFT SINGLE QUOTATION MARK}", "a string begins with ' or \", not with a curly quote"),
    ("\N{RIGHT SINGLE QUOTATION MARK}", "a string begins with ' or \", not with a curly quote"),
)


class Tokens:
    """A cursor over the tokens of a query. `next` is the token to be read; the last one, "end", is never passed.

    Raises J1QLSyntaxError for what is no token, for parentheses that do not pair, and beyond the limits.
    """

    __slots__ = ("_closing", "_comments", "_index", "_tokens", "depth", "next", "operators", "text")

    def __init__(self, text: str, limits: Limits = DEFAULT_LIMITS) -> None:
        if len(text) > limits.length:
            raise J1QLSyntaxError(f"the query is longer than {limits.length} characters", limits.length, text)
        self.text = text
        self.depth = limits.depth
        self.operators = 0
        """Operators in the expression that is being read, see `expressions`."""
        self._tokens, self._comments = _cut(text, limits.tokens)
        self._closing = _pair(self._tokens, text, limits.depth)
        self._index = 0
        self.next = self._tokens[0]

    def check(self, *kinds: str) -> bool:
        """Is the next token of one of these kinds?"""
        return self.next.kind in kinds

    def read(self) -> Token:
        """The next token; the cursor moves past it."""
        token = self.next
        if token.kind != "end":
            self._index += 1
            self.next = self._tokens[self._index]
        return token

    def consume(self, kind: str) -> bool:
        """Move past the next token if it is of this kind; was it?"""
        if self.next.kind != kind:
            return False
        self.read()
        return True

    def expect(self, kind: str, expected: str | None = None) -> Token:
        """The next token, which must be of this kind; `expected` names it for people."""
        if self.next.kind != kind:
            raise self.expected(expected or f"`{kind}`")
        return self.read()

    def expected(self, what: str) -> J1QLSyntaxError:
        """The error that the next token is not `what`."""
        return self.error(f"expected {what}, found {_described(self.next)}", self.next.at)

    def error(self, message: str, at: int) -> J1QLSyntaxError:
        return J1QLSyntaxError(message, at, self.text)

    def peek(self, distance: int = 1) -> Token:
        """The token that stands `distance` after the next one."""
        return self._tokens[min(self._index + distance, len(self._tokens) - 1)]

    @property
    def after_group(self) -> Token:
        """The token after the `)` that closes the `(` to be read next."""
        return self._tokens[self._closing[self._index] + 1]

    def source_from(self, at: int) -> str:
        """The text from offset `at` to the end of the token read last, as written but without comments."""
        end = self._tokens[self._index - 1].end
        inside = slice(bisect_left(self._comments, (at, 0)), bisect_left(self._comments, (end, 0)))
        kept = []
        for start, stop in self._comments[inside]:
            kept.append(self.text[at:start])
            at = stop
        return "".join((*kept, self.text[at:end]))


def _cut(text: str, limit: int) -> tuple[list[Token], list[tuple[int, int]]]:
    """The tokens of a text, and where its comments stand."""
    tokens: list[Token] = []
    comments: list[tuple[int, int]] = []
    end = 0
    kind = ""
    while kind != "end":
        match = _TOKEN.match(text, end)
        if match is None:
            _refuse_unreadable(text, end)
        kind = str(match.lastgroup)
        at, end = match.span(kind)
        if kind == "comment":
            comments.append((at, end))
            continue
        word = text[at:end]
        if kind == "name" and (upper := word.upper()) in KEYWORDS:
            kind = upper
        elif kind == "operator":
            kind = word
            if word == "/" and not _ends_operand(tokens):
                kind, word, end = "regex", *_regex(text, at)
        if len(tokens) == limit and kind != "end":
            raise J1QLSyntaxError(f"the query has more than {limit} words and signs", at, text)
        tokens.append(Token(kind, word, at, end))
    return tokens, comments


def _ends_operand(tokens: list[Token]) -> bool:
    """Does an operand end here? A word after a dot is a property, even when it is spelt like a keyword."""
    return bool(tokens) and (tokens[-1].kind in _OPERAND_ENDS or (len(tokens) > 1 and tokens[-2].kind == "."))


def _regex(text: str, at: int) -> tuple[str, int]:
    match = _REGEX.match(text, at)
    if match is None:
        _refuse_unreadable(text, at)
    return match.group(), match.end()


def _pair(tokens: list[Token], text: str, depth: int) -> dict[int, int]:
    """Index of each `(` -> index of the `)` that closes it."""
    closing: dict[int, int] = {}
    opened: list[int] = []
    for index, token in enumerate(tokens):
        if token.kind == "(":
            if len(opened) == depth:
                raise J1QLSyntaxError(f"more than {depth} parentheses inside each other", token.at, text)
            opened.append(index)
        elif token.kind == ")":
            if not opened:
                raise J1QLSyntaxError("this `)` closes nothing", token.at, text)
            closing[opened.pop()] = index
    if opened:
        raise J1QLSyntaxError("this `(` is never closed", tokens[opened[-1]].at, text)
    return closing


def _refuse_unreadable(text: str, at: int) -> NoReturn:
    while text[at] in " \t\r\n":
        at += 1
    for opening, message in _UNREADABLE:
        if text.startswith(opening, at):
            raise J1QLSyntaxError(message, at, text)
    shown = f"`{text[at]}`" if text[at].isprintable() else f"U+{ord(text[at]):04X}"
    raise J1QLSyntaxError(f"unexpected character {shown}", at, text)


def _described(token: Token) -> str:
    if token.kind == "end":
        return "the end of the query"
    shown = printable(token.text)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    return f"the string {shown}" if token.kind == "string" else f"`{shown}`"
