"""Changes to an input by tokens and groups: bytes alone would hardly ever make a query, or an answer, of another."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Any

_TOKEN = re.compile(
    rb"""(?P<space>\s+)|(?P<string>'[^']*'|"[^"]*")|(?P<regex>/(?=\S)[^/\s]+/)|(?P<word>[\w.]+|\[[^\[\]'"]*\])"""
    rb"""|(?P<operator>[!~^$<>]?=|!~=|<|>)|(?P<sign>>>|<<|\$\{|.)""",
    re.DOTALL,
)
_JOINTS = (b"(", b"AND", b"OR")
_LENGTHS = (1, 1, 1, 2, 3, 5, 8)

Bytes = Callable[[bytes, int], bytes]


def _tokens(text: bytes) -> list[bytes]:
    return [match.group() for match in _TOKEN.finditer(text)]


def _kind(token: bytes) -> str | None:
    match = _TOKEN.fullmatch(token)
    return match.lastgroup if match else None


class Mutator:
    """As libFuzzer asks for it. `whole` is how many bytes at the beginning are no text, `at_random` changes bytes."""

    def __init__(self, words: list[bytes], whole: int, at_random: Bytes) -> None:
        self._words = words
        self._alike: dict[str | None, list[bytes]] = {}
        for word in words:
            self._alike.setdefault(_kind(word), []).append(word)
        self._signs = [word for word in words if len(word) <= 3 and not word.isalnum()]
        self._whole = whole
        self._at_random = at_random

    def mutated(self, data: bytes, size: int, seed: int) -> bytes:
        chance = Random(seed)
        if not data or chance.random() < 0.05:
            return self._at_random(data, size)
        first, text = data[: self._whole], data[self._whole :]
        if first and chance.random() < 0.03:
            first = bytes((ord("A") + chance.randrange(26),))
        changed = self._in_json(text, chance) or self._in_tokens(text, chance)
        return (first + changed)[:size]

    def crossed(self, one: bytes, other: bytes, size: int, seed: int) -> bytes:
        """A piece of one input in the place of a piece of another."""
        chance = Random(seed)
        tokens, more = _tokens(one[self._whole :]), _tokens(other[self._whole :])
        if tokens and more:
            at, start = chance.randrange(len(tokens)), chance.randrange(len(more))
            tokens[at : _end(tokens, at, chance)] = [b" ", *more[start : _end(more, start, chance)], b" "]
        return (one[: self._whole] + b"".join(tokens))[:size]

    # --- a query, or a text that is none

    def _in_tokens(self, text: bytes, chance: Random) -> bytes:
        tokens = _tokens(text)
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            if tokens:
                self._edit(tokens, chance)
        return b"".join(tokens)

    def _edit(self, tokens: list[bytes], chance: Random) -> None:
        at, to = (chance.choice([at for at, each in enumerate(tokens) if each.strip()] or [0]) for _ in range(2))
        end = _end(tokens, at, chance)
        piece = tokens[at:end]
        match chance.randrange(10):
            case 9 if _kind(tokens[at]) == "string":
                tokens[at] = tokens[at][:-1] + chance.choice(self._signs) + tokens[at][-1:]
            case 0 | 9:
                del tokens[at:end]
            case 1 | 2:
                tokens[at : at + 1] = [chance.choice(self._alike.get(_kind(tokens[at]), self._words))]
            case 3:
                tokens[at:at] = [chance.choice(self._words), b" "]
            case 4:
                tokens[end:end] = [b" ", chance.choice(self._words), b" "]
            case 5:
                tokens[to:to] = [*piece, b" "]
            case 6:
                tokens[at:end] = [b"(", *piece, b")"]
            case 7:
                at = chance.choice([at for at, each in enumerate(tokens) if each in _JOINTS] or [at])
                end = _end(tokens, at, chance)
                tokens[at:end] = _opened(tokens[at:end])
            case _:
                del tokens[at:end]
                tokens[to:to] = [b" ", *piece, b" "]

    # --- an answer

    def _in_json(self, text: bytes, chance: Random) -> bytes | None:
        """None if the text is no JSON, and now and then, for the sake of texts that nearly are."""
        if not text.startswith(b"{") or chance.random() < 0.2:
            return None
        with suppress(ValueError, RecursionError):
            value = json.loads(text)
            for _ in range(chance.choice((1, 1, 2, 3))):
                self._edit_json(value, chance)
            return json.dumps(value, separators=(",", ":")).encode()
        return None

    def _edit_json(self, value: Any, chance: Random) -> None:
        holders = list(_holders(value))
        if not holders:
            return
        holder, key = chance.choice(holders)
        match chance.randrange(6):
            case 0:
                del holder[key]
            case 1:
                holder[key] = [holder[key]]
            case 2:
                other, name = chance.choice(holders)
                holder[key] = json.loads(json.dumps(other[name]))
            case 3 if isinstance(holder, dict):
                holder[str(self._value(chance))] = holder[key]
            case 3:
                holder.append(self._value(chance))
            case 4 if isinstance(holder, dict):
                holder[str(self._value(chance))] = self._value(chance)
            case _:
                holder[key] = self._value(chance)

    def _value(self, chance: Random) -> Any:
        """Of the words those that are JSON, names and values more often than the rest."""
        with suppress(ValueError):
            return json.loads(chance.choice(self._words))
        return "x"


def _holders(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each list and object with each of its keys."""
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, inner in items:
        yield value, key
        yield from _holders(inner)


def _end(tokens: list[bytes], at: int, chance: Random) -> int:
    """The end of a piece: of the whole group if it begins with a parenthesis."""
    if tokens[at] != b"(":
        return at + chance.choice(_LENGTHS)
    opened = 0
    for end in range(at, len(tokens)):
        opened += (tokens[end] == b"(") - (tokens[end] == b")")
        if not opened:
            return end + 1
    return len(tokens)


def _opened(piece: list[bytes]) -> list[bytes]:
    """Without its parentheses, or with OR for AND and the reverse."""
    if piece[:1] == [b"("] and piece[-1:] == [b")"]:
        return piece[1:-1]
    return [{b"AND": b"OR", b"OR": b"AND"}.get(each, each) for each in piece]
