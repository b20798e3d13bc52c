"""What may be printed: a sublanguage whose every token reads the same to all lexers.

Whether backslashes escape or not, and whether comments are stripped first or not; otherwise what is one string here
could be the end of P there. Hence no string with a backslash, a comment mark, `${`, a control character or both kinds
of quotes, and the like for names in brackets and regular expressions.
"""

from __future__ import annotations

import re

from gateway.authz.narrow.draft import NotNarrowed
from gateway.j1ql import tree

_TEXT = re.compile(r"\\|/\*|\*/|\$\{|[\x00-\x1f\x7f-\x9f\u2028\u2029]|[\ud800-\udfff]")
_NAME = re.compile(r"[\\\[\]'\"\x00-\x1f\x7f-\x9f\u2028\u2029]|/\*|\*/|\$\{|[\ud800-\udfff]")
_REGEX = re.compile(r"[/'\"\x00-\x1f\x7f-\x9f]|\$\{|[\ud800-\udfff]")
_CLASSES = re.compile(
    r"(?: [^\[\\] | \\[^\[] | \[ \^? (?: [^\[\]\\^] | \\[^\[\]] ) (?: [^\[\]\\] | \\[^\[\]] )* \] )*", re.VERBOSE
)
"""A regex whose every `[` is closed, whoever reads it: some readers, JavaScript for one, end no regex within `[…]`."""

_TEMPLATES = re.compile(r"(?: [^{}] | \{(?!\{) | \}(?!\}) | \{\{ [^{}]* \}\} )*", re.VERBOSE)
"""A text in which each `{{` is closed: the platform fills such templates in, who knows when."""

_STRUCTURE = frozenset("AND OR FIND THAT WITH WHERE RETURN".split())


def check_text(text: str, at: int) -> None:
    """Refuse a string about which lexers differ."""
    if _TEXT.search(text) or ("'" in text and '"' in text) or not _TEMPLATES.fullmatch(text):
        raise NotNarrowed(
            "a string may hold no backslash, comment mark, `${`, half of a `{{…}}`, control character or both kinds of "
            "quotes, for a key with a condition",
            at,
        )


def check_source(text: str, at: int) -> None:
    """Refuse the text of a RETURN item with a line break: readers of comments to the end of a line differ there."""
    if "\n" in text or "\r" in text:
        raise NotNarrowed("an item of RETURN must stand on one line, for a key with a condition", at)


def check_regex(regex: tree.Regex) -> None:
    """Refuse a regular expression about whose end lexers differ."""
    pattern = regex.pattern
    if _REGEX.search(pattern) or not _CLASSES.fullmatch(pattern) or not _TEMPLATES.fullmatch(pattern):
        raise NotNarrowed(
            "a regular expression may hold no `/`, quotes, half of a `{{…}}`, or `[` that is escaped or not closed, "
            "for a key with a condition",
            regex.at,
        )


def check_path(path: tree.Path) -> None:
    """Refuse a property name about which lexers differ."""
    first = path.segments[0]
    if not first.bracketed and first.name.upper() in _STRUCTURE:
        raise NotNarrowed(f"`{first.name}` could be read as a keyword; write it as [{first.name}]", path.at)
    if any(_NAME.search(each.name) or not _TEMPLATES.fullmatch(each.name) for each in path.segments):
        raise NotNarrowed(
            "this property name cannot be used by a key with a condition: brackets may hold no quotes, `[`, backslash, "
            "comment mark, `${`, half of a `{{…}}` or control character",
            path.at,
        )
