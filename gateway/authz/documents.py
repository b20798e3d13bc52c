"""What a GraphQL document asks for: its root fields by name, with their arguments, after fragments.

Only the language part of graphql-core is used: the upstream's schema is not ours to know. A field counts whether or not
a directive would skip it, an alias changes nothing, and every operation but the selected one is ignored, as the GraphQL
specification (October 2021, section 6.1) has it.

Reading a document costs a hundred times what filling in its variables does, and clients send few documents over and
over. So what a text asks for, whatever its variables hold, is worked out once and remembered: its `Outline`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from graphql import GraphQLError
from graphql.language import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    parse,
)
from graphql.utilities import value_from_ast_untyped
from msgspec import Struct

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
        outline = _outlines.of(request, limits)
        variables = _variables(outline, request.variables)
        return tuple(
            Field(root.name, _arguments(root, variables), root.below, root.key, root.selected) for root in outline.roots
        )
    except GraphQLError as fault:
        return _malformed(f"the document is not GraphQL: {_pointed(fault)}")
    except RecursionError:
        return _malformed("the document is nested too deeply")
    except _Unreadable as fault:
        return _malformed(str(fault))


class _Unreadable(Exception):  # noqa: N818 - a message on its way to a Refusal
    pass


# --- whatever the variables hold ----------------------------------------------------------------------------------


class _Root(Struct, frozen=True):
    """A root field, its arguments as they are written."""

    name: str
    arguments: tuple[tuple[str, ValueNode], ...]
    below: frozenset[str]
    key: str
    selected: tuple[tuple[str, str], ...]


class Outline(Struct, frozen=True):
    """The selected operation of a document; of the variables that it declares the defaults, if there are any."""

    roots: tuple[_Root, ...]
    variables: tuple[tuple[str, ValueNode | None], ...]


_REMEMBERED = 32_000_000
"""Bytes that all outlines take together at most, by an estimate from above; a client's document takes some 5,000."""
_LARGEST = 1_000_000
"""Bytes of an outline up to which it is remembered."""
_BYTES_OF_A_CHARACTER = 150
"""Two may be a token, and the node of one takes up to 300 bytes."""
_BYTES_OF_A_NAME = 64
"""In each of the sets of names that it is in."""


class _Asked(NamedTuple):
    """All that an outline depends on."""

    text: str
    operation: str | None
    tokens: int
    roots: int


class Outlines:
    """Those that were asked for lately."""

    def __init__(self) -> None:
        self._held: OrderedDict[_Asked, Outline] = OrderedDict()
        self._bytes = 0

    def of(self, request: GraphQLRequest, limits: GraphQLLimits) -> Outline:
        """Raises GraphQLError, RecursionError and _Unreadable."""
        asked = _Asked(request.query, request.operation_name, limits.tokens, limits.roots)
        if known := self._held.get(asked):
            self._held.move_to_end(asked)
            return known
        document = parse(asked.text, no_location=True, max_tokens=asked.tokens)
        outline = _Reader(document, asked).outline()
        self._hold(asked, outline)
        return outline

    def _hold(self, asked: _Asked, outline: Outline) -> None:
        size = _weight(asked, outline)
        if size > _LARGEST:
            return
        self._held[asked] = outline
        self._bytes += size
        while self._bytes > _REMEMBERED:
            self._bytes -= _weight(*self._held.popitem(last=False))

    def __contains__(self, text: str) -> bool:
        """Whether a text is remembered, for whatever operation."""
        return any(asked.text == text for asked in self._held)


def _weight(asked: _Asked, outline: Outline) -> int:
    characters = len(asked.text) + len(asked.operation or "")
    names = sum(len(root.below) + 2 * len(root.selected) for root in outline.roots)
    return characters * _BYTES_OF_A_CHARACTER + names * _BYTES_OF_A_NAME


_outlines = Outlines()


class _Reader:
    """One document and its selected operation."""

    def __init__(self, document: DocumentNode, asked: _Asked) -> None:
        self._most = asked.roots
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._operation = _selected(document, asked.operation)

    def outline(self) -> Outline:
        variables = _declared(self._operation)
        self._refuse_cycles()
        found = []
        for node in self._opened(self._operation.selection_set):
            key, selected = _answered_as(node), self._selected_by(node)
            found.append(_Root(node.name.value, _written(node), self._below(node), key, selected))
            if len(found) > self._most:
                raise _Unreadable(f"an operation may have {self._most} root fields")
        return Outline(tuple(found), variables)

    def _below(self, root: FieldNode) -> frozenset[str]:
        names: set[str] = set()
        waiting = [root.selection_set] if root.selection_set else []
        seen: set[str] = set()
        while waiting:
            for node in self._opened(waiting.pop(), seen):
                names.add(node.name.value)
                if node.selection_set:
                    waiting.append(node.selection_set)
        return frozenset(names)

    def _selected_by(self, root: FieldNode) -> tuple[tuple[str, str], ...]:
        nodes = self._opened(root.selection_set) if root.selection_set else ()
        return tuple((_answered_as(node), node.name.value) for node in nodes)

    def _opened(self, selections: SelectionSetNode, seen: set[str] | None = None) -> Iterator[FieldNode]:
        """The fields of a selection set with fragments opened, each one once: nested ones cannot multiply."""
        seen = set() if seen is None else seen
        for node in selections.selections:
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                yield from self._opened(node.selection_set, seen)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                yield from self._opened(self._fragment(node.name.value).selection_set, seen)

    def _fragment(self, name: str) -> FragmentDefinitionNode:
        fragment = self._fragments.get(name)
        if fragment is None:
            raise _Unreadable(f"fragment `{name}` is not defined")
        return fragment

    def _refuse_cycles(self) -> None:
        """Validation would refuse them too; the upstream shall not have to."""
        spreads = {name: _spreads(node.selection_set) for name, node in self._fragments.items()}
        done: set[str] = set()
        for start, names in spreads.items():
            path = [start]
            branches = [iter(names)]
            while branches:
                name = next(branches[-1], None)
                if name is None:
                    branches.pop()
                    done.add(path.pop())
                elif name in path:
                    raise _Unreadable(f"fragment `{name}` contains itself")
                elif name in spreads and name not in done:
                    path.append(name)
                    branches.append(iter(spreads[name]))


def _answered_as(node: FieldNode) -> str:
    """The name of a field in the answer."""
    return node.alias.value if node.alias else node.name.value


def _written(node: FieldNode) -> tuple[tuple[str, ValueNode], ...]:
    """The arguments of a field."""
    arguments: dict[str, ValueNode] = {}
    for argument in node.arguments or ():
        name = argument.name.value
        if name in arguments:
            raise _Unreadable(f"argument `{name}` is given twice")
        _refuse_doubled_members(argument.value)
        arguments[name] = argument.value
    return tuple(arguments.items())


def _refuse_doubled_members(value: ValueNode) -> None:
    """A member that occurs twice has two readings, as validation knows."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ListValueNode):
            waiting += node.values
        elif isinstance(node, ObjectValueNode):
            names = [field.name.value for field in node.fields]
            if len(set(names)) < len(names):
                raise _Unreadable("an input object has a member twice")
            waiting += [field.value for field in node.fields]


def _spreads(selections: SelectionSetNode) -> frozenset[str]:
    """Names of the fragments that are spread anywhere in a selection set."""
    names = set()
    waiting = [selections]
    while waiting:
        for node in waiting.pop().selections:
            if isinstance(node, FragmentSpreadNode):
                names.add(node.name.value)
            elif isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set:
                waiting.append(node.selection_set)
    return frozenset(names)


def _selected(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name:
        operations = [node for node in operations if node.name and node.name.value == name]
    if len(operations) != 1:
        wanted = f"exactly one operation named `{name}`" if name else "one operation, or an `operationName`"
        raise _Unreadable(f"the document must hold {wanted}")
    if operations[0].operation is OperationType.SUBSCRIPTION:
        raise _Unreadable("subscriptions are not offered")
    return operations[0]


def _declared(operation: OperationDefinitionNode) -> tuple[tuple[str, ValueNode | None], ...]:
    """The variables with their defaults."""
    declared: dict[str, ValueNode | None] = {}
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        if name in declared:
            raise _Unreadable(f"variable `${name}` is declared twice")
        declared[name] = definition.default_value
    return tuple(declared.items())


# --- with the values of the variables -----------------------------------------------------------------------------


def _variables(outline: Outline, given: Mapping[str, Any]) -> dict[str, Any]:
    """Declared variables with their values or defaults. An undeclared one has no value, whatever the caller sent."""
    values = {}
    for name, default in outline.variables:
        if name in given:
            values[name] = given[name]
        elif default is not None:
            values[name] = value_from_ast_untyped(default)
    return values


def _arguments(root: _Root, variables: dict[str, Any]) -> dict[str, Any]:
    arguments = {}
    for name, written in root.arguments:
        if not isinstance(written, VariableNode):
            arguments[name] = value_from_ast_untyped(written, variables)
        elif written.name.value in variables:
            arguments[name] = variables[written.name.value]
    return arguments


# --- every string -------------------------------------------------------------------------------------------------


def strings(request: GraphQLRequest) -> Iterator[str]:
    """Every string that the request carries, decoded, wherever it stands: literals, defaults, variables."""
    if "${" in request.query or "\\" in request.query:
        yield from _literals(parse(request.query))
    waiting: list[object] = [request.variables]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case dict() as members:
                waiting += [*members, *members.values()]
            case list() as items:
                waiting += items
            case _:  # numbers, booleans and null hold no text
                pass


def _literals(document: DocumentNode) -> Iterator[str]:
    """String values of a document, read off its tokens: none can hide in a place that nobody thought of."""
    token = document.loc.start_token if document.loc else None
    while token:
        if token.kind.value in {"String", "BlockString"} and token.value is not None:
            yield token.value
        token = token.next


def _pointed(fault: GraphQLError) -> str:
    if not fault.locations:
        return fault.message
    place = fault.locations[0]
    return f"{fault.message} (line {place.line}, column {place.column})"


def _malformed(message: str) -> Refusal:
    return Refusal(Reason.MALFORMED_BODY, message)
