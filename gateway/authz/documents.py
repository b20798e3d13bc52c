"""What a GraphQL document asks for: its root fields by name, with their arguments, after fragments.

Only the language part of graphql-core is used: the upstream's schema is not ours to know. A field counts whether or not
a directive would skip it, an alias changes nothing, and every operation but the selected one is ignored, as the GraphQL
specification (October 2021, section 6.1) has it.

Reading a document costs a hundred times what filling in its variables does, and clients send few documents over and
over. So what a text asks for, whatever its variables hold, is worked out once and remembered: its `Outline`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError
from graphql.language import DocumentNode, VariableNode, parse
from graphql.utilities import separate_operations, value_from_ast_untyped
from msgspec import Struct

from gateway.authz.document_reading import Asked, Outline, Root, outline, pointed
from gateway.authz.outcome import GraphQLRequest
from gateway.authz.rules import GraphQLLimits
from gateway.http1 import Reason, Refusal


class Field(Struct, frozen=True):
    """A root field that is asked for. Arguments that were left out, or whose variable was, are absent.

    `below` are the names of all fields selected anywhere below it, `selected` are those of the next level with the
    names that they have in the answer, `key` is its own name there.
    """

    name: str
    arguments: Mapping[str, Any]
    below: frozenset[str]
    key: str = ""
    selected: tuple[tuple[str, str], ...] = ()


def fields(request: GraphQLRequest, limits: GraphQLLimits) -> tuple[Field, ...] | Refusal:
    """The root fields of the selected operation."""
    try:
        found = _outlines.of(request, limits)
    except GraphQLError as fault:
        return Refusal(Reason.MALFORMED_BODY, f"the document is not served: {pointed(fault)}")
    variables = _variables(found, request.variables)
    return tuple(
        Field(root.name, _arguments(root, variables), root.below, root.key, root.selected) for root in found.roots
    )


# --- whatever the variables hold ----------------------------------------------------------------------------------


_REMEMBERED = 32_000_000
"""Bytes that all outlines take together at most, by an estimate from above; a client's document takes some 5,000."""
_LARGEST = 1_000_000
"""Bytes of an outline up to which it is remembered."""
_BYTES_OF_A_CHARACTER = 150
"""Two may be a token, and the node of one takes up to 300 bytes."""
_BYTES_OF_A_NAME = 64
"""In each of the sets of names that it is in."""


class Outlines:
    """Those that were asked for lately."""

    def __init__(self) -> None:
        self._held: OrderedDict[Asked, Outline] = OrderedDict()
        self._bytes = 0

    def of(self, request: GraphQLRequest, limits: GraphQLLimits) -> Outline:
        """Raises GraphQLError."""
        asked = Asked(request.query, request.operation_name, limits)
        if known := self._held.get(asked):
            self._held.move_to_end(asked)
            return known
        made = outline(asked)
        self._hold(asked, made)
        return made

    def _hold(self, asked: Asked, made: Outline) -> None:
        size = _weight(asked, made)
        if size > _LARGEST:
            return
        self._held[asked] = made
        self._bytes += size
        while self._bytes > _REMEMBERED:
            self._bytes -= _weight(*self._held.popitem(last=False))

    def __contains__(self, text: str) -> bool:
        """Whether a text is remembered, for whatever operation."""
        return any(asked.text == text for asked in self._held)


def _weight(asked: Asked, made: Outline) -> int:
    characters = len(asked.text) + len(asked.operation or "")
    names = sum(len(root.below) + 2 * len(root.selected) for root in made.roots)
    return characters * _BYTES_OF_A_CHARACTER + names * _BYTES_OF_A_NAME


_outlines = Outlines()


# --- with the values of the variables -----------------------------------------------------------------------------


def _variables(found: Outline, given: Mapping[str, Any]) -> dict[str, Any]:
    """Declared variables with their values or defaults. An undeclared one has no value, whatever the caller sent."""
    values = {}
    for name, default in found.variables:
        if name in given:
            values[name] = given[name]
        elif default is not None:
            values[name] = value_from_ast_untyped(default)
    return values


def _arguments(root: Root, variables: dict[str, Any]) -> dict[str, Any]:
    arguments = {}
    for name, written in root.arguments:
        if not isinstance(written, VariableNode):
            arguments[name] = value_from_ast_untyped(written, variables)
        elif written.name.value in variables:
            arguments[name] = variables[written.name.value]
    return arguments


# --- for those who execute it, or write another one ---------------------------------------------------------------


def selected_document(query: str, operation: str | None, *, tokens: int | None = None) -> DocumentNode:
    """The selected operation with the fragments that it uses, of a document whose `fields` are known.

    Raises GraphQLError for one of more than so many lexical tokens.
    """
    operations = separate_operations(parse(query, no_location=True, max_tokens=tokens))
    return operations[operation] if operation else next(iter(operations.values()))
