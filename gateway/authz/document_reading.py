"""A GraphQL document's text -> the root fields of its selected operation: the work that is done once for each text.

What has two readings is refused, although validation would refuse most of it upstream: two fragments, operations,
arguments, variables or members of one name, cycles of fragments, definitions of types. So is what is larger than the
limits. A document that is refused is read a second time with the places of its nodes, for the message; keeping those
costs a third more, which documents that pass are spared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from graphql import GraphQLError
from graphql.language import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    NameNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    parse,
)
from msgspec import Struct

from gateway.authz.document_size import refuse_large
from gateway.authz.rules import GraphQLLimits


class Asked(NamedTuple):
    """All that an outline depends on."""

    text: str
    operation: str | None
    limits: GraphQLLimits


class Root(Struct, frozen=True):
    """A root field, its arguments as they are written; for the rest see `documents.Field`."""

    name: str
    arguments: tuple[tuple[str, ValueNode], ...]
    below: frozenset[str]
    key: str
    selected: tuple[tuple[str, str], ...]


class Outline(Struct, frozen=True):
    """The selected operation of a document; of the variables that it declares the defaults, if there are any."""

    roots: tuple[Root, ...]
    variables: tuple[tuple[str, ValueNode | None], ...]


def outline(asked: Asked) -> Outline:
    """Raises GraphQLError, with the place of the fault unless it is about the document as a whole."""
    if len(asked.text) > asked.limits.characters:
        raise GraphQLError(f"a document may have {asked.limits.characters} characters; send long values as `variables`")
    try:
        return _read(asked, places=False)
    except GraphQLError:
        return _read(asked, places=True)


def _read(asked: Asked, *, places: bool) -> Outline:
    try:
        document = parse(asked.text, no_location=not places, max_tokens=asked.limits.tokens)
        return _Reader(document, asked).outline()
    except RecursionError:
        raise GraphQLError("the document is nested too deeply") from None


class _Reader:
    """One document and its selected operation."""

    def __init__(self, document: DocumentNode, asked: Asked) -> None:
        for node in document.definitions:
            if not isinstance(node, OperationDefinitionNode | FragmentDefinitionNode):
                raise GraphQLError("a document holds operations and fragments only", node)
        fragments = [node for node in document.definitions if isinstance(node, FragmentDefinitionNode)]
        _refuse_twice("a fragment", [node.name for node in fragments])
        self._fragments = {node.name.value: node for node in fragments}
        self._operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        self._limits = asked.limits
        self._operation = _selected(self._operations, asked.operation)

    def outline(self) -> Outline:
        variables = _declared(self._operation)
        refuse_large(self._operations, self._innermost_first(), self._limits)
        found = []
        for node in self._opened(self._operation.selection_set):
            key, selected = _answered_as(node), self._selected_by(node)
            found.append(Root(node.name.value, _written(node), self._below(node), key, selected))
            if len(found) > self._limits.roots:
                raise GraphQLError(f"an operation may have {self._limits.roots} root fields", node)
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
        open_now = [iter(selections.selections)]
        while open_now:
            node = next(open_now[-1], None)
            if node is None:
                open_now.pop()
            elif isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                open_now.append(iter(node.selection_set.selections))
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                open_now.append(iter(self._fragments[node.name.value].selection_set.selections))

    def _innermost_first(self) -> list[FragmentDefinitionNode]:
        """All fragments, each after those that it spreads. Raises GraphQLError for a cycle and for a missing one."""
        for operation in self._operations:
            self._spread(operation)
        ordered: dict[str, FragmentDefinitionNode] = {}
        for start in self._fragments.values():
            path = {start.name.value: iter(self._spread(start))} if start.name.value not in ordered else {}
            while path:
                name = next(reversed(path))
                spread = next(path[name], None)
                if spread is None:
                    ordered[name] = self._fragments[name]
                    del path[name]
                elif spread.name.value in path:
                    raise GraphQLError(f"fragment `{spread.name.value}` contains itself", spread)
                elif spread.name.value not in ordered:
                    path[spread.name.value] = iter(self._spread(self._fragments[spread.name.value]))
        return list(ordered.values())

    def _spread(self, node: OperationDefinitionNode | FragmentDefinitionNode) -> list[FragmentSpreadNode]:
        """The spreads anywhere in a definition, one of each name. Raises GraphQLError if a fragment is missing."""
        spreads = {spread.name.value: spread for spread in _spreads(node.selection_set)}
        for name, spread in spreads.items():
            if name not in self._fragments:
                raise GraphQLError(f"fragment `{name}` is not defined", spread)
        return list(spreads.values())


def _spreads(selections: SelectionSetNode) -> Iterator[FragmentSpreadNode]:
    waiting = [selections]
    while waiting:
        for node in waiting.pop().selections:
            if isinstance(node, FragmentSpreadNode):
                yield node
            elif isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set:
                waiting.append(node.selection_set)


def _answered_as(node: FieldNode) -> str:
    """The name of a field in the answer."""
    return node.alias.value if node.alias else node.name.value


def _written(node: FieldNode) -> tuple[tuple[str, ValueNode], ...]:
    """The arguments of a field."""
    arguments = node.arguments or ()
    _refuse_twice("an argument", [argument.name for argument in arguments])
    for argument in arguments:
        _refuse_doubled_members(argument.value)
    return tuple((argument.name.value, argument.value) for argument in arguments)


def _refuse_doubled_members(value: ValueNode) -> None:
    """A member that occurs twice has two readings, as validation knows."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ListValueNode):
            waiting += node.values
        elif isinstance(node, ObjectValueNode):
            _refuse_twice("a member", [field.name for field in node.fields])
            waiting += [field.value for field in node.fields]


def _selected(operations: list[OperationDefinitionNode], name: str | None) -> OperationDefinitionNode:
    _refuse_twice("an operation", [node.name for node in operations if node.name])
    if name:
        operations = [node for node in operations if node.name and node.name.value == name]
    if len(operations) != 1:
        wanted = f"exactly one operation named `{name}`" if name else "one operation, or an `operationName`"
        raise GraphQLError(f"the document must hold {wanted}")
    if operations[0].operation is OperationType.SUBSCRIPTION:
        raise GraphQLError("subscriptions are not offered", operations[0])
    return operations[0]


def _declared(operation: OperationDefinitionNode) -> tuple[tuple[str, ValueNode | None], ...]:
    """The variables with their defaults."""
    definitions = operation.variable_definitions or ()
    _refuse_twice("a variable", [node.variable.name for node in definitions])
    for node in definitions:
        if node.default_value:
            _refuse_doubled_members(node.default_value)
    return tuple((node.variable.name.value, node.default_value) for node in definitions)


def _refuse_twice(what: str, names: Iterable[NameNode]) -> None:
    seen: set[str] = set()
    for node in names:
        if node.value in seen:
            raise GraphQLError(f"{what} `{node.value}` is there twice", node)
        seen.add(node.value)


def pointed(fault: GraphQLError) -> str:
    """The message with the place, if it has one."""
    if not fault.locations:
        return fault.message
    place = fault.locations[0]
    return f"{fault.message} (line {place.line}, column {place.column})"
