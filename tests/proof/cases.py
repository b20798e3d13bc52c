"""One case of the proof: who asks what, of which graph, of which upstream. A value that can be written down as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from gateway.authz.capabilities import Capabilities, Mode, State
from gateway.sandbox.dialect import PLAINEST, Dialect
from gateway.sandbox.graph import Entity, Graph, Relationship

PARAMETERS = {"letter": "a", "number": 1}
"""The account's parameters."""

NOW = 1_577_836_800_000
"""2020-01-01, in milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Case:
    """`permissions` are the statements of a policy as its JSON has them."""

    permissions: tuple[dict[str, Any], ...]
    entities: tuple[Entity, ...]
    relationships: tuple[Relationship, ...]
    query: str
    variables: dict[str, Any] = field(default_factory=dict)
    mode: Mode = Mode.STRICT
    dialect: Dialect = PLAINEST
    capabilities: Capabilities = field(default_factory=Capabilities)

    @property
    def graph(self) -> Graph:
        return Graph(self.entities, self.relationships)


def written(case: Case) -> str:
    """The case as JSON, one line for each statement and object, without what is as by default."""
    members = {
        "query": case.query,
        "mode": case.mode,
        "variables": case.variables,
        "dialect": _unusual(case.dialect),
        "capabilities": _unusual(case.capabilities),
        "permissions": case.permissions,
        "entities": [asdict(entity) for entity in case.entities],
        "relationships": [asdict(relationship) for relationship in case.relationships],
    }
    return "{\n" + ",\n".join(f'  "{name}": {_lines(value)}' for name, value in members.items() if value) + "\n}\n"


def _lines(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[\n" + ",\n".join(f"    {json.dumps(item)}" for item in value) + "\n  ]"
    return json.dumps(value)


def _unusual(value: Dialect | Capabilities) -> dict[str, Any]:
    usual = type(value)()
    names = [each.name for each in fields(value)]
    return {name: getattr(value, name) for name in names if getattr(value, name) != getattr(usual, name)}


def read(text: str) -> Case:
    """The case that `written` wrote."""
    members = json.loads(text)
    return Case(
        permissions=tuple(members.get("permissions", ())),
        entities=tuple(Entity(**each) for each in members.get("entities", ())),
        relationships=tuple(Relationship(**each) for each in members.get("relationships", ())),
        query=members["query"],
        variables=members.get("variables", {}),
        mode=Mode(members["mode"]),
        dialect=Dialect(**{name: _switch(name, value) for name, value in members.get("dialect", {}).items()}),
        capabilities=Capabilities(**{name: State(value) for name, value in members.get("capabilities", {}).items()}),
    )


def _switch(name: str, value: Any) -> Any:
    return type(getattr(PLAINEST, name))(value)


def policy(permissions: Iterable[dict[str, Any]]) -> str:
    """The JSON text of a policy."""
    return json.dumps({"permissions": list(permissions)})
