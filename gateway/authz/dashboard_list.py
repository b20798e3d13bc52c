"""`getDashboards` for a key that may see some of the dashboards; see `lists` for why it is made here.

What the caller selects of each dashboard is the upstream's to answer, so its words go there: below `getDashboard` for
each dashboard that the policy names, which shows no more than the same key gets by that field itself; or below the list
as it was asked for, out of which the dashboards that a DENY names are taken. Beside them the id of each is asked for,
by which it is known, and taken off again.

No public schema has these two fields; their arguments are those that the platform's clients send.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from graphql.language import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    NameNode,
    Node,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    StringValueNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    print_ast,
    visit,
)
from msgspec.structs import replace

from gateway.authz.account_parameters import request_texts
from gateway.authz.documents import Field, selected_document
from gateway.authz.lists import (
    DASHBOARDS,
    AllBut,
    Named,
    asked,
    denied,
    fits,
    only_field,
    things,
    whole,
)
from gateway.authz.outcome import Assemble, Deny, Forward, GraphQLRequest, Unusable
from gateway.authz.rules import GraphQLLimits
from gateway.http1 import Reason
from gateway.policy import Policy

_ID = "gatewayDashboardId"
"""The name under which the id of each dashboard is asked for."""

_OPTIONS = frozenset({"includeAllJ1ManagedDashboards"})
"""Members of the one argument that clients send, `options`. Any other one could be about pages or an order: of a list
of one, what is left without those that may not be seen tells where they stand."""


# --- on the way up ------------------------------------------------------------------------------------------------


def plan_dashboards(
    request: GraphQLRequest, roots: Sequence[Field], part: Named | AllBut, policy: Policy, limits: GraphQLLimits
) -> Forward | Deny:
    """An operation among whose root fields is `getDashboards`, and whose document was read before."""
    field = only_field(roots, DASHBOARDS)
    if isinstance(field, Deny):
        return field
    operation = _Operation(request)
    if fault := operation.fault():
        return denied(Reason.UNSUPPORTED_QUERY, f"`{DASHBOARDS.field}` is made for this key here: {fault}", DASHBOARDS)
    answer, question = _asked_for(operation, part, policy, limits)
    if answer.only is not None and (fault := _unknown_argument(field.arguments)):
        return denied(Reason.UNSUPPORTED_ARGUMENT, fault, DASHBOARDS)
    made = asked(DASHBOARDS, answer, question, [*answer.names, *request_texts(request)], policy)
    return made if isinstance(made, Deny) else replace(made, calls=len(roots))


def _unknown_argument(arguments: Mapping[str, Any]) -> str | None:
    """What is wrong with the arguments of a list out of which items are taken."""
    options = arguments.get("options")
    if arguments.keys() <= {"options"} and (
        options is None or (isinstance(options, Mapping) and options.keys() <= _OPTIONS)
    ):
        return None
    return f"`{DASHBOARDS.field}` takes `options` with {', '.join(_OPTIONS)} alone, for a key that may not see them all"


def _asked_for(
    operation: _Operation, part: Named | AllBut, policy: Policy, limits: GraphQLLimits
) -> tuple[Assemble, bytes]:
    """What happens to the answer, and the question. More names than one question may have are found in the list."""
    if isinstance(part, Named) and fits(part.names, operation.request, limits):
        return Assemble(operation.request, DASHBOARDS.field, part.names), operation.one_by_one(part.names)
    return Assemble(operation.request, DASHBOARDS.field, only=policy), operation.all()


class _Operation:
    """The caller's operation; one of its root fields is the list, the others are `__typename`."""

    def __init__(self, request: GraphQLRequest) -> None:
        self.request = request
        self._operation, self._fragments = _selected(request)
        self._at_root = list(_roots(self._operation.selection_set, self._fragments))
        self._list = next(node for node in self._at_root if isinstance(node, FieldNode) and _is_list(node))

    def fault(self) -> str | None:
        if self._operation.operation is not OperationType.QUERY:
            return "it is a field of queries"
        if self._operation.directives or any(node.directives for node in self._at_root):
            return "directives may stand below it only"
        if self._list.selection_set is None:
            return "it must say what is wanted of each dashboard"
        return f"`{_ID}` means the gateway's own" if _ID in self.request.query else None

    def keys(self) -> Iterator[tuple[str, bool]]:
        """The names of the root fields in the answer, in order; and whether it is the list."""
        for node in self._at_root:
            if isinstance(node, FieldNode):
                yield (node.alias or node.name).value, _is_list(node)

    def one_by_one(self, ids: Iterable[str]) -> bytes:
        """The request for single dashboards; an id is a literal, which is right for whatever type ids have."""
        return self._question(
            FieldNode(
                alias=NameNode(value=f"p{number}"),
                name=NameNode(value="getDashboard"),
                arguments=(ArgumentNode(name=NameNode(value="dashboardId"), value=StringValueNode(value=each)),),
                directives=(),
                selection_set=self._selected_with_id(),
            )
            for number, each in enumerate(ids)
        )

    def all(self) -> bytes:
        """The request for all dashboards."""
        name, arguments = NameNode(value=DASHBOARDS.field), self._list.arguments
        selected = self._selected_with_id()
        return self._question([FieldNode(name=name, arguments=arguments, directives=(), selection_set=selected)])

    def _selected_with_id(self) -> SelectionSetNode:
        selected = self._list.selection_set.selections if self._list.selection_set else ()
        own = FieldNode(alias=NameNode(value=_ID), name=NameNode(value="id"), arguments=(), directives=())
        return SelectionSetNode(selections=(own, *selected))

    def _question(self, fields: Iterable[FieldNode]) -> bytes:
        """A request for these fields, with the variables and the fragments that they use and no others."""
        selections = SelectionSetNode(selections=tuple(fields))
        fragments = _used_fragments(selections, self._fragments)
        used = {name for node in (selections, *fragments) for name in _variables(node)}
        definitions = tuple(node for node in self._operation.variable_definitions or () if _name_of(node) in used)
        operation = OperationDefinitionNode(
            operation=OperationType.QUERY,
            variable_definitions=definitions,
            directives=(),
            selection_set=selections,
        )
        text = print_ast(DocumentNode(definitions=(operation, *fragments)))
        values = {name: value for name, value in self.request.variables.items() if name in used}
        return json.dumps({"query": text, "variables": values}).encode()


def _selected(request: GraphQLRequest) -> tuple[OperationDefinitionNode, dict[str, FragmentDefinitionNode]]:
    document = selected_document(request.query, request.operation_name)
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    operation = next(node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    return operation, fragments


def _roots(selections: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode]) -> Iterator[SelectionNode]:
    """The root fields, and the fragments that they are in, each of these once."""
    waiting, seen = [*reversed(selections.selections)], set[str]()
    while waiting:
        node = waiting.pop()
        if isinstance(node, FragmentSpreadNode):
            if node.name.value in seen:
                continue
            seen.add(node.name.value)
            waiting += reversed(fragments[node.name.value].selection_set.selections)
        elif isinstance(node, InlineFragmentNode):
            waiting += reversed(node.selection_set.selections)
        yield node


def _is_list(node: FieldNode) -> bool:
    return node.name.value == DASHBOARDS.field


def _used_fragments(
    selections: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode]
) -> list[FragmentDefinitionNode]:
    """Those that are spread somewhere below, also by each other."""
    used: dict[str, FragmentDefinitionNode] = {}
    waiting: list[SelectionSetNode] = [selections]
    while waiting:
        for node in waiting.pop().selections:
            if isinstance(node, FragmentSpreadNode):
                if node.name.value not in used:
                    used[node.name.value] = fragments[node.name.value]
                    waiting.append(fragments[node.name.value].selection_set)
            elif isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set:
                waiting.append(node.selection_set)
    return list(used.values())


def _variables(node: Node) -> set[str]:
    """The names of the variables that are used below a node."""
    found = set[str]()

    class Finder(Visitor):
        def enter_variable(self, variable: VariableNode, *_: Any) -> None:
            found.add(variable.name.value)

    visit(node, Finder())
    return found


def _name_of(definition: VariableDefinitionNode) -> str:
    return definition.variable.name.value


# --- on the way back ----------------------------------------------------------------------------------------------


_item = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode


def assembled_dashboards(body: bytes, assemble: Assemble) -> bytes | Unusable:
    """The JSON of the caller's answer, from the upstream's to what `plan_dashboards` asked."""
    try:
        shown = _by_name(body, assemble) if assemble.only is None else _of_all(body, assemble.only)
    except (msgspec.DecodeError, RecursionError):
        return Unusable("it is not JSON of the expected shape")
    if isinstance(shown, Unusable):
        return shown
    keys = _Operation(assemble.request).keys()
    return _encode({"data": {key: shown if is_list else "Query" for key, is_list in keys}})


def _by_name(body: bytes, assemble: Assemble) -> list[dict[str, msgspec.Raw]] | Unusable:
    found = things(body, assemble.names)
    if isinstance(found, Unusable):
        return found
    shown = [(name, *_identified(item)) for name, item in found]
    if any(name != its_id for name, its_id, _ in shown):
        return Unusable("it shows another dashboard than was asked for")
    return [item for _, _, item in shown]


def _of_all(body: bytes, policy: Policy) -> list[dict[str, msgspec.Raw]] | Unusable:
    read = whole(body, DASHBOARDS.field)
    if isinstance(read, Unusable):
        return read
    identified = map(_identified, _items.decode(read))
    return [item for its_id, item in identified if DASHBOARDS.allows(policy, its_id)]


def _identified(item: msgspec.Raw) -> tuple[str, dict[str, msgspec.Raw]]:
    """The id of a dashboard, and what the caller asked for. Raises DecodeError where it has no id."""
    members = _item.decode(item)
    return _text.decode(members.pop(_ID, b"")), members
