"""Reading and executing GraphQL documents of a face, within limits.

A document is counted before it is validated, as validation takes work in the square of its fields, and before it is
executed: fields count as often as fragments repeat them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from inspect import isawaitable
from typing import NamedTuple

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    execute,
    get_operation_ast,
    parse,
    validate,
)

from gateway.authz.outcome import GraphQLRequest


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """Bounds on one document; the largest of a real client, the introspection of the schema, stays under half."""

    tokens: int = 2_000
    """Lexical tokens."""
    fields: int = 500
    """Fields of an operation, as often as fragments repeat them."""
    depth: int = 24
    """Fields below each other; the introspection query has 15, others half of that."""
    roots: int = 50
    """Root fields: each mutation is a transaction of its own."""


NO_OPERATION = "Must provide an operation."


def read(schema: GraphQLSchema, request: GraphQLRequest, limits: DocumentLimits) -> DocumentNode | list[GraphQLError]:
    """The document of a request, or what is wrong with it."""
    try:
        document = parse(request.query, max_tokens=limits.tokens)
        operation = get_operation_ast(document, request.operation_name)
        if operation is None or operation.operation is OperationType.SUBSCRIPTION:
            return [GraphQLError(NO_OPERATION)]
        for each in _operations(document):
            _refuse_big(document, each, limits)
        return validate(schema, document, max_errors=10) or document
    except GraphQLError as fault:
        return [fault]
    except RecursionError:
        return [GraphQLError("the document is nested too deeply")]


async def run(
    schema: GraphQLSchema, document: DocumentNode, request: GraphQLRequest, context: object, roots: object = None
) -> ExecutionResult:
    """Executes an operation; `context` is what its resolvers share.

    A root field without a resolver in the schema is the function, or value, of its name in `roots`.
    """
    pending = execute(
        schema,
        document,
        root_value=roots,
        context_value=context,
        variable_values=request.variables,
        operation_name=request.operation_name,
    )
    return await pending if isawaitable(pending) else pending


def size_of(nodes: Iterable[FieldNode], fragments: Mapping[str, FragmentDefinitionNode]) -> int:
    """How many fields are selected below some fields, as often as fragments repeat them."""
    measured = _Measured(fragments)
    return sum(measured.size(node.selection_set).fields for node in nodes if node.selection_set)


def opened_fields(document: DocumentNode, names: Container[str] | None = None) -> int:
    """The fields of all operations, of any name or of some names, as often as fragments repeat them."""
    measured = _Measured(_fragments(document), names)
    return sum(measured.size(node.selection_set).fields for node in _operations(document))


def _operations(document: DocumentNode) -> list[OperationDefinitionNode]:
    return [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]


def _fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def _refuse_big(document: DocumentNode, operation: OperationDefinitionNode, limits: DocumentLimits) -> None:
    size = _Measured(_fragments(document)).size(operation.selection_set)
    if size.fields > limits.fields:
        raise GraphQLError(f"an operation may select {limits.fields} fields, counted as often as fragments repeat them")
    if size.depth > limits.depth:
        raise GraphQLError(f"fields may be nested {limits.depth} deep")
    if size.roots > limits.roots:
        raise GraphQLError(f"an operation may have {limits.roots} root fields")


class _Size(NamedTuple):
    """Of a selection: its fields in all, how many there are below each other at most, and those on its first level."""

    fields: int = 0
    depth: int = 0
    roots: int = 0


class _Measured:
    """Sizes of selections; each fragment is measured once. One that contains itself is left to validation.

    With `names`, fields of other names are not counted.
    """

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], names: Container[str] | None = None) -> None:
        self._fragments = fragments
        self._names = names
        self._known: dict[str, _Size] = {}

    def size(self, selections: SelectionSetNode) -> _Size:
        parts = [self._part(node) for node in selections.selections]
        depth = max((each.depth for each in parts), default=0)
        return _Size(sum(each.fields for each in parts), depth, sum(each.roots for each in parts))

    def _part(self, node: SelectionNode) -> _Size:
        match node:
            case FieldNode(selection_set=SelectionSetNode() as inner):
                below = self.size(inner)
                return _Size(below.fields + self._counts(node), below.depth + 1, 1)
            case InlineFragmentNode(selection_set=inner):
                return self.size(inner)
            case FragmentSpreadNode():
                return self._spread(node.name.value)
            case FieldNode():
                return _Size(self._counts(node), 1, 1)
            case _:
                return _Size()

    def _counts(self, node: FieldNode) -> int:
        return self._names is None or node.name.value in self._names

    def _spread(self, name: str) -> _Size:
        if name not in self._known:
            self._known[name] = _Size()
            if fragment := self._fragments.get(name):
                self._known[name] = self.size(fragment.selection_set)
        return self._known[name]
