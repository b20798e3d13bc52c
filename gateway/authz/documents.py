"""What a GraphQL document asks for: its root fields by name, with their arguments, after fragments.

Only the language part of graphql-core is used: the upstream's schema is not ours to know. A field counts whether or not
a directive would skip it, an alias changes nothing, and every operation but the selected one is ignored, as the GraphQL
specification (October 2021, section 6.1) has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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

from gateway.authz.outcome import GraphQLRequest
from gateway.authz.rules import GraphQLLimits
from gateway.http1 import Reason, Refusal


@dataclass(frozen=True, slots=True)
class Field:
    """A root field that is asked for. Arguments that were left out, or whose variable was, are absent.

    `below` are the names of all fields selected anywhere below it.
    """

    name: str
    arguments: Mapping[str, Any]
    below: frozenset[str]


def fields(request: GraphQLRequest, limits: GraphQLLimits) -> tuple[Field, ...] | Refusal:
    """The root fields of the selected operation."""
    try:
        document = parse(request.query, max_tokens=limits.tokens)
        return _Reader(document, request, limits).fields()
    except GraphQLError as fault:
        return _malformed(f"the document is not GraphQL: {_pointed(fault)}")
    except RecursionError:
        return _malformed("the document is nested too deeply")
    except _Unreadable as fault:
        return _malformed(str(fault))


class _Unreadable(Exception):  # noqa: N818 - a message on its way to a Refusal
    pass


class _Reader:
    """One document, its selected operation and the values of its variables."""

    def __init__(self, document: DocumentNode, request: GraphQLRequest, limits: GraphQLLimits) -> None:
        self._limits = limits
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._operation = _selected(document, request.operation_name)
        self._variables = _variables(self._operation, request.variables)

    def fields(self) -> tuple[Field, ...]:
        self._refuse_cycles()
        found = []
        for node in self._opened(self._operation.selection_set):
            found.append(Field(node.name.value, self._arguments(node), self._below(node)))
            if len(found) > self._limits.roots:
                raise _Unreadable(f"an operation may have {self._limits.roots} root fields")
        return tuple(found)

    def _arguments(self, node: FieldNode) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        for argument in node.arguments or ():
            name = argument.name.value
            if name in arguments:
                raise _Unreadable(f"argument `{name}` is given twice")
            _refuse_doubled_members(argument.value)
            if not (isinstance(argument.value, VariableNode) and argument.value.name.value not in self._variables):
                arguments[name] = value_from_ast_untyped(argument.value, self._variables)
        return arguments

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


def _variables(operation: OperationDefinitionNode, given: Mapping[str, Any]) -> dict[str, Any]:
    """Declared variables with their values or defaults. An undeclared one has no value, whatever the caller sent."""
    values = {}
    declared = set()
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        if name in declared:
            raise _Unreadable(f"variable `${name}` is declared twice")
        declared.add(name)
        if name in given:
            values[name] = given[name]
        elif definition.default_value is not None:
            values[name] = value_from_ast_untyped(definition.default_value)
    return values


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
