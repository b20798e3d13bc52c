"""A talkative upstream: it answers every root field and path that it has no rule for, with everything it knows.

So that a gateway is found out that passes on what it should not: whatever it forwards, the whole graph comes back. Such
a document is not validated, and its other fields are null.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict
from typing import Any

from graphql.language import DocumentNode, FieldNode, FragmentDefinitionNode, OperationDefinitionNode, SelectionSetNode

from gateway.sandbox.account import Account
from gateway.sandbox.graph import Graph


def talk(document: DocumentNode, rules: Collection[str], known: Any) -> dict[str, Any]:
    """The data of an answer: all that is known, for each root field without a rule, by the name that it was given.

    The fields of all operations count. Empty where each has its rule.
    """
    operations = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    roots = [field for operation in operations for field in _fields(operation.selection_set, fragments, frozenset())]
    if all(field.name.value in rules for field in roots):
        return {}
    return {(field.alias or field.name).value: None if field.name.value in rules else known for field in roots}


def _fields(
    selections: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode], inside: frozenset[str]
) -> Iterator[FieldNode]:
    """The fields of a selection, those of its fragments too; a fragment within itself has no further ones."""
    for selection in selections.selections:
        if isinstance(selection, FieldNode):
            yield selection
            continue
        name = getattr(getattr(selection, "name", None), "value", "")
        below = fragments.get(name, selection)
        if name not in inside and (inner := getattr(below, "selection_set", None)) is not None:
            yield from _fields(inner, fragments, inside | {name} if name else inside)


def everything(graph: Graph, account: Account) -> dict[str, Any]:
    """The graph and what the account holds besides, secret parameters too."""
    return {
        "vertices": [entity.wire() for entity in graph.entities],
        "edges": [relationship.wire() for relationship in graph.relationships],
        "dashboards": [asdict(dashboard) for dashboard in account.dashboards],
        "parameters": account.values(),
        "settings": [{"of": key, "data": data} for key, data in account.settings.items()],
    }
