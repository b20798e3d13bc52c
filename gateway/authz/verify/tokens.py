"""The text, cut up so that nobody can cut it up in another way.

Several lexical readings are possible: backslashes escape in strings or not, comments are taken out before strings are
recognised or after, and a slash in the brackets of a regex ends it or not. They give the same tokens for every text
that passes here, so that one pass is enough:

  - A comment begins with `/*`, which is refused anywhere, so there is none to take out, early or late.
  - Then two readings can only part at a backslash. A string or a name in brackets that holds one is no token here, nor
    is a backslash by itself. In a regex it may stand before anything but a slash or a quote, so the regex ends at
    the same slash whether the backslash escapes or not. By induction from the left, no token differs.
  - Some take comments from a mark to the end of the line, others fill templates (`{{…}}`) in before anything else.
    There is one line only, so that a string would be cut off and no query be left, and a template stands in one token.
  - Some readers end no regex within `[…]`. There is no slash in such a class here, and each is closed, however it is
    read: it is not empty, and neither bracket stands in it or behind a backslash.

A quote that is doubled to escape it gives two strings in a row, which no rule takes. A slash is a regex after an
operator or "(", a division after an operand: no grammar has the one where the other stands. Words are not told from
keywords here, since a reader may know a property by its place.
"""

from __future__ import annotations

import re

from gateway.authz.verify.gap import Gap

_CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"


def _body(excluded: str) -> str:
    """What a string or a name in brackets may hold: no backslash, no control character, no `${`, which is filled in."""
    plain = rf"[^{excluded}\\${_CONTROL}]*+"
    return rf"{plain}(?:\$(?!\{{){plain})*"


_SPACE = r"[ \t]*+"
_SINGLE, _DOUBLE, _BRACKETED = _body("'"), _body('"'), _body(r"\[\]'\"")
_BRACKET = rf"\[(?!\]){_BRACKETED}\]"
_IN_CLASS = rf"[^\[\]/\\'\"${_CONTROL}] | \\[^\[\]/'\"${_CONTROL}] | \$(?!\{{)"
_CLASS = rf"\[ \^? (?!\^) (?: {_IN_CLASS} )+ \]"
_TOKEN = re.compile(
    rf"""
    [Dd][Aa][Tt][Ee] {_SPACE} \( {_SPACE} [0-9][0-9A-Za-z:.+-]*+ {_SPACE} \)
  | (?: [A-Za-z_][A-Za-z0-9_]*+ | {_BRACKET} ) (?: {_SPACE} \. {_SPACE} (?: [A-Za-z0-9_]++ | {_BRACKET} | \* ) )*
  | '{_SINGLE}' | "{_DOUBLE}"
  | [0-9]++ (?: \.[0-9]++ )?
  | [~^$]= | ! (?: [~^$]?+ = )? | > [>=]?+ | < [<=]?+
  | / (?: (?<=\(/) | (?<=[=<>][ ]/) | (?<=OR[ ]/) | (?<=AND[ ]/) )
    (?: [^\[/\\'"${_CONTROL}] | \\[^\[/'"${_CONTROL}] | \$(?!\{{) | {_CLASS} )+ / [A-Za-z]*+
  | \$\{{ {_SPACE} [A-Za-z_][A-Za-z0-9_.-]*+ {_SPACE} \}}
  | \#[A-Za-z_][A-Za-z0-9_]*+
  | [^ \t]
    """,
    re.VERBOSE,
)
"""Each alternative begins with what tells it from the others; the last one takes signs, and what is no token."""

_WHOLE_TEMPLATES = re.compile(r"(?:\{\{[^{}]*\}\}|\{(?!\{)|\}(?!\})|[^{}])*")

_SIGNS = frozenset("=<>()|,?!+-*/%^")
_SINGLES = _SIGNS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789")

KEYWORDS = frozenset(
    "FIND UNIQUE WITH AS THAT SOMEHOW TO WHERE RETURN TREE HAVING ORDER BY ASC DESC SKIP LIMIT AND OR "
    "TRUE FALSE UNDEFINED NULL".split()
)
RESERVED_COLUMNS = KEYWORDS | frozenset("COUNT SUM AVG MIN MAX".split())
RESERVED = RESERVED_COLUMNS | frozenset("HAS RELATES FROM NOT DATE".split())
"""Keywords, and the other words that the platform's query validator does not take for names."""


def tokens_of(text: str) -> list[str]:
    """The tokens, a path (`r.tag.team`) being one, and two empty ones behind them. Raises Gap."""
    if "/*" in text:
        raise Gap("a comment mark")
    if "\n" in text or "\r" in text:
        raise Gap("a line break")
    tokens: list[str] = _TOKEN.findall(text)
    if ("{{" in text or "}}" in text) and not all(map(_WHOLE_TEMPLATES.fullmatch, tokens)):
        raise Gap("half of a template")
    if not _SINGLES.issuperset(token for token in tokens if len(token) == 1):
        raise Gap("a sign that has no meaning, or more than one")
    return [*tokens, "", ""]


def is_string(token: str) -> bool:
    return token[:1] in ("'", '"')


def is_smart(token: str) -> bool:
    return token[:1] == "#"


def is_word(token: str) -> bool:
    """A name or a keyword."""
    return token.isidentifier()


_OPERAND = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789'\"[")


def is_operand(token: str) -> bool:
    """A word, path, string, number, date, parameter or regex."""
    return token[:1] in _OPERAND or token[:2] == "${" or (token[:1] == "/" and len(token) > 1)
