"""How others may read a text that is sent: selectors with nothing between them and P, and eight ways to cut it up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any

from fuzz.bindings import Bound
from gateway.j1ql import parse, tree

# --- the tree ---------------------------------------------------------------------------------------------------------


def nodes(value: Any) -> Iterator[Any]:
    """A node and every node in it, whatever holds them: no list of places to look in that could lack one."""
    if isinstance(value, tuple):
        for item in value:
            yield from nodes(item)
    elif is_dataclass(value):
        yield value
        for each in fields(value):
            yield from nodes(getattr(value, each.name))


@lru_cache
def condition(text: str) -> tree.Condition:
    where = parse(f"FIND * WITH {text}").selector.where
    assert where is not None
    return where


def conjuncts(where: tree.Condition | None) -> frozenset[tree.Condition]:
    """What an AND joins, also one in parentheses beside others."""
    if isinstance(where, tree.And):
        return frozenset(each for item in where.items for each in conjuncts(item))
    return frozenset(() if where is None else (where,))


def bare(query: tree.Query, who: Bound) -> str | None:
    """What of a query does not carry P, if anything."""
    wanted = conjuncts(condition(who.key.text))
    for node in nodes(query):
        if isinstance(node, tree.Selector) and not wanted <= conjuncts(node.where):
            return f"the selector at {node.at}"
        if isinstance(node, tree.Step) and node.somehow:
            return f"a path of any length at {node.at}"
        if isinstance(node, tree.Query) and who.strict and (step := _bare_step(node, who)):
            return f"the relationship at {step.at}"
    return None


def _bare_step(query: tree.Query, who: Bound) -> tree.Step | None:
    held = conjuncts(query.where)
    taken = Counter(name.lower() for part, _ in _parts(query) if (name := _name(part)))
    for part, optional in _parts(query):
        if not isinstance(part, tree.Step) or all(map(who.key.decided, part.verb.names)):
            continue
        name = _name(part)
        if (
            part.negated
            or name is None
            or taken[name.lower()] > 1
            or not _visible(name, who, optional=optional) <= held
        ):
            return part
    return None


def _visible(name: str, who: Bound, *, optional: bool) -> frozenset[tree.Condition]:
    """P of a relationship; in an optional group also that there is none."""
    holds = _of(name, condition(who.key.text))
    if not optional:
        return conjuncts(holds)
    absent = tree.Comparison(tree.Path((tree.Segment(name), tree.Segment("_class"))), "=", tree.Undefined())
    return frozenset((tree.Or((holds, absent)),))


def _of(name: str, node: tree.Condition) -> tree.Condition:
    """What a condition says of the properties, said of those of a name."""
    match node:
        case tree.And(items) | tree.Or(items):
            return replace(node, items=tuple(_of(name, item) for item in items))
        case tree.Comparison(left=tree.Path(segments)):
            return replace(node, left=tree.Path((tree.Segment(name), *segments)))
        case _:
            raise TypeError(node)


def _parts(query: tree.Query) -> Iterator[tuple[tree.Selector | tree.Step | tree.Optional, bool]]:
    """Every part of a match that can have a name, and whether it is in an optional group."""
    yield query.selector, False
    yield from _steps(query.steps, optional=False)


def _steps(
    steps: tuple[tree.Step | tree.Optional, ...], *, optional: bool
) -> Iterator[tuple[tree.Selector | tree.Step | tree.Optional, bool]]:
    for step in steps:
        yield step, optional
        if isinstance(step, tree.Optional):
            yield from _steps(step.steps, optional=True)
        else:
            yield step.target, optional


def _name(part: tree.Selector | tree.Step | tree.Optional) -> str | None:
    """The name after AS, else a class or a verb that stands alone."""
    match part:
        case tree.Selector(alias=str(name)) | tree.Step(alias=str(name)) | tree.Optional(alias=str(name)):
            return name
        case tree.Selector(head=tree.Name(name)):
            return name
        case tree.Step(verb=tree.Verb(names=(name,), bracketed=False)) if " " not in name:
            return name
        case _:
            return None


# --- the signs --------------------------------------------------------------------------------------------------------


def readings(text: str) -> set[tuple[str, ...]]:
    """The ways in which readers cut a text up: one, if a backslash and a comment mark matter to nobody."""
    return {
        tuple(_cut(_without_comments(text) if early else text, escapes=escapes, comments=not early, classes=classes))
        for escapes, early, classes in product((True, False), repeat=3)
    }


def _without_comments(text: str) -> str:
    before, mark, after = text.partition("/*")
    while mark:
        text = f"{before} {after.partition('*/')[2]}"
        before, mark, after = text.partition("/*")
    return text


def _cut(text: str, *, escapes: bool, comments: bool, classes: bool) -> Iterator[str]:
    """Words, signs, and what is enclosed in quotes, brackets and slashes; a slash after an operand divides."""
    at, before = 0, ""
    while at < len(text):
        end = at + 1
        if text[at].isspace():
            at = end
            continue
        if comments and text.startswith("/*", at):
            found = text.find("*/", at + 2)
            at = len(text) if found < 0 else found + 2
            continue
        if text[at] in "'\"":
            end = _closing(text, at, text[at], escapes=escapes)
        elif text[at] == "/" and not _ends_operand(before):
            end = _closing(text, at, "/", escapes=escapes, classes=classes)
        elif text[at] == "[":
            end = _closing(text, at, "]", escapes=False)
        elif _is_wordy(text[at]):
            while end < len(text) and _is_wordy(text[end]):
                end += 1
        before = text[at:end]
        yield before
        at = end


def _closing(text: str, at: int, sign: str, *, escapes: bool, classes: bool = False) -> int:
    """The offset behind the next `sign`, or the end of the text; `classes`: one in `[…]` does not count."""
    at, inside = at + 1, False
    while at < len(text) and (inside or text[at] != sign):
        inside = classes and text[at] != "]" and (inside or text[at] == "[")
        at += 2 if escapes and text[at] == "\\" else 1
    return min(at + 1, len(text))


def _is_wordy(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


def _ends_operand(token: str) -> bool:
    if _is_wordy(token[:1]):
        return token.upper() not in ("AND", "OR")
    return token[:1] in ("'", '"', "[", ")", "}") or len(token) > 1
