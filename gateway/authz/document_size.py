"""How large a GraphQL document is for whoever validates and executes it: counted with fragments opened as often as they
are spread, because an upstream may do its work as often.

A fragment is measured once, however often it is spread, so that counting takes no longer than reading: of forty
fragments that each spread the next one twice, a trillion fields, as of any other eighty spreads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graphql import GraphQLError
from graphql.language import (
    ArgumentNode,
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    Node,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
)
from msgspec import Struct

from gateway.authz.rules import GraphQLLimits


def refuse_large(
    operations: Iterable[OperationDefinitionNode], fragments: Iterable[FragmentDefinitionNode], limits: GraphQLLimits
) -> None:
    """Raises GraphQLError for a definition that is over a limit, at the first node with which it is.

    Every definition counts, also one that is neither selected nor spread: an upstream validates them all. A fragment
    comes after those that it spreads, so that nothing recurses from one into the other.
    """
    measured = _Measured(limits)
    for fragment in fragments:
        measured.fragment(fragment)
    for operation in operations:
        measured.operation(operation)


class _Size(Struct):
    """`depth`: of fields, inline fragments and spreads below each other."""

    fields: int = 0
    aliases: int = 0
    directives: int = 0
    depth: int = 0

    def add(self, other: _Size, *, below: int = 0) -> None:
        """Counts a part in; its fields are `below` so many others."""
        self.fields += other.fields
        self.aliases += other.aliases
        self.directives += other.directives
        self.depth = max(self.depth, other.depth + below)


class _Measured:
    """The sizes of the fragments that were measured, by name."""

    def __init__(self, limits: GraphQLLimits) -> None:
        self._limits = limits
        self._sizes: dict[str, _Size] = {}

    def fragment(self, node: FragmentDefinitionNode) -> None:
        size = self._head(node)
        size.add(self._set(node.selection_set))
        self._hold(size, node)
        self._sizes[node.name.value] = size

    def operation(self, node: OperationDefinitionNode) -> None:
        size = self._head(node)
        for variable in node.variable_definitions or ():
            self._directives(variable.directives, size)
            if variable.default_value:
                self._value(variable.default_value)
        size.add(self._set(node.selection_set))
        self._hold(size, node)

    def _head(self, node: OperationDefinitionNode | FragmentDefinitionNode) -> _Size:
        size = _Size()
        self._directives(node.directives, size)
        return size

    def _set(self, selections: SelectionSetNode) -> _Size:
        size = _Size()
        for node in selections.selections:
            size.add(self._selection(node))
            self._hold(size, node)
        return size

    def _selection(self, node: SelectionNode) -> _Size:
        size = _Size(depth=1)
        self._directives(node.directives, size)
        if isinstance(node, FragmentSpreadNode):
            size.add(self._sizes[node.name.value], below=1)
            return size
        if isinstance(node, FieldNode):
            size.fields, size.aliases = 1, int(node.alias is not None)
            self._arguments(node.arguments)
        if isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set:
            size.add(self._set(node.selection_set), below=1)
        return size

    def _directives(self, nodes: tuple[DirectiveNode, ...] | None, size: _Size) -> None:
        for node in nodes or ():
            size.directives += 1
            self._arguments(node.arguments)

    def _arguments(self, nodes: tuple[ArgumentNode, ...] | None) -> None:
        for node in nodes or ():
            self._value(node.value)

    def _value(self, value: ValueNode) -> None:
        """Lists and objects in each other; each level is looked at after the one round it."""
        level: list[ValueNode] = [value]
        for _ in range(self._limits.values):
            level = [inner for node in level for inner in _inside(node)]
            if not level:
                return
        raise GraphQLError(f"values may be nested {self._limits.values} deep", level[0])

    def _hold(self, size: _Size, node: Node) -> None:
        """Raises GraphQLError where a size is over a limit, which is first so at this node."""
        limits = self._limits
        if size.depth > limits.depth:
            fault = f"selections may be nested {limits.depth} deep, fragments included"
        elif size.fields > limits.fields:
            fault = f"an operation may select {limits.fields} fields, counted as often as fragments repeat them"
        elif size.aliases > limits.aliases:
            fault = f"an operation may have {limits.aliases} aliases, counted as often as fragments repeat them"
        elif size.directives > limits.directives:
            fault = f"an operation may have {limits.directives} directives, counted as often as fragments repeat them"
        else:
            return
        raise GraphQLError(fault, node)


def _inside(value: ValueNode) -> Iterator[ValueNode]:
    if isinstance(value, ListValueNode):
        yield from value.values
    elif isinstance(value, ObjectValueNode):
        yield from (field.value for field in value.fields)
