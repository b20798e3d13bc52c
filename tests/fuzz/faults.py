"""Faults to be put in on purpose, each of which a short run must find: else the run proves little.

Each is one that a hand slips into, in the place where it would be.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from fuzz import targets
from gateway.authz import rows
from gateway.authz.narrow import PASSES, narrow, sublanguage
from gateway.authz.narrow.relationships import narrow_relationships
from gateway.authz.rows import objects, values
from gateway.authz.verify import scanner, tokens
from gateway.j1ql import errors, render_condition


def _a_long_line_is_cut_before_the_fault() -> None:
    _replace(errors, "_BEFORE", errors._WIDTH + 1)


def _groups_lose_their_parentheses() -> None:
    _replace(sys.modules[render_condition.__module__], "_nested", render_condition)


def _relationships_are_forgotten() -> None:
    passes = tuple(each for each in PASSES if each is not narrow_relationships)
    _replace(targets, "narrow", partial(narrow, passes=passes))


def _comment_marks_may_be_in_strings() -> None:
    _replace(sublanguage, "_TEXT", re.compile(r"\\|\$\{|[\x00-\x1f\x7f-\x9f\u2028\u2029]|[\ud800-\udfff]"))


def _an_or_may_follow_p() -> None:
    """Where one operand of an AND is read, operands of an OR are."""
    conjunction = scanner.Scanner._conjunction

    def loose(self: Any, at: int, operands: set[tuple[str, ...]] | None = None) -> int:
        at = conjunction(self, at, operands)
        while self._tokens[at] == "OR":
            at = conjunction(self, at + 1, operands)
        return at

    _replace(scanner.Scanner, "_conjunction", loose)


def _a_subquery_needs_no_p() -> None:
    """Its selector is taken for one operand more."""
    narrowed = scanner.Scanner._narrowed

    def unless_nested(self: Any, at: int) -> int:
        return narrowed(self, at) if self._nested == 1 else self._conjunction(at)

    _replace(scanner.Scanner, "_narrowed", unless_nested)


def _backslashes_may_be_in_strings() -> None:
    pattern = tokens._TOKEN.pattern.replace(r"[^'\\", "[^'").replace(r'[^"\\', '[^"')
    assert pattern != tokens._TOKEN.pattern
    _replace(tokens, "_TOKEN", re.compile(pattern, re.VERBOSE))


def _any_property_of_a_condition_is_enough() -> None:
    def equal(condition: Any, found: dict[str, Any]) -> bool:
        return any(values.equal(found.get(name), wanted) for name, wanted in condition.equals) or not condition.equals

    _replace(values, "all_equal", equal)


def _properties_decide_over_metadata() -> None:
    def judged(self: Any, told: Any, beside: Any) -> bool:
        decoded = [json.loads(bytes(written)) if written else None for written in told[1:]]
        over = [json.loads(bytes(written)) if written else None for written in beside[1:]]
        found = {
            name: own if other is None else other for name, own, other in zip(self._names, decoded, over, strict=True)
        }
        return values.holds(self._predicate, found)

    _replace(objects.Objects, "_judged", judged)


def _bytes_may_be_no_text() -> None:
    _replace(rows, "_refuse_other_than_utf8", lambda _: None)


def _replace(holder: Any, name: str, value: Any) -> None:
    assert hasattr(holder, name)
    setattr(holder, name, value)


_BY_TARGET = {
    "language": (_a_long_line_is_cut_before_the_fault, _groups_lose_their_parentheses),
    "narrowing": (_relationships_are_forgotten, _comment_marks_may_be_in_strings),
    "scanner": (_an_or_may_follow_p, _a_subquery_needs_no_p, _backslashes_may_be_in_strings),
    "rows": (_any_property_of_a_condition_is_enough, _properties_decide_over_metadata, _bytes_may_be_no_text),
}

FAULTS: dict[str, Callable[[], None]] = {
    f"{target}:{fault.__name__.strip('_')}": fault for target, faults in _BY_TARGET.items() for fault in faults
}
