"""Projects and their roles: policies with holes, and memberships that fill them.

    role     = {"variables": {name: variable}, "permissions": [statement, ...]}
    variable = {} | {"fallback": [value, ...]} | {"predefined": "identityID" | "personID"}

A statement is one of a policy (see `gateway.policy`), but that a value of a condition, and a resource, may be a hole:
`{"variable": "language"}`; and that its effect is ALLOW, since whoever may give a role must not take away by it. A
filled role is the text of a policy and is read like any other, so a value can say nothing that a policy could not say.

The ideas and the words are those of Contember's projects and of its validation of memberships. Roles are read from the
configuration each time a key is compiled: a role, variable or project that is gone, and a value that is no longer
accepted, makes its membership give nothing, never more.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from gateway.keys.model import Identity, Membership
from gateway.policy import (
    ANY,
    DEFAULT_OPTIONS,
    READ_GRAPH,
    UNLIMITED,
    Effect,
    PolicyError,
    PolicyOptions,
    Statement,
    parse,
)

ADMIN = "admin"
"""The role that also manages its project's keys and members. A project that does not define it has the built-in one,
which reads the organization's whole graph: nobody can give away more than they have."""


class Predefined(StrEnum):
    """Variables that the gateway fills, from the identity itself; no membership can set them."""

    IDENTITY = "identityID"
    PERSON = "personID"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a role. Without a fallback a membership must give its values."""

    fallback: tuple[str, ...] = ()
    predefined: Predefined | None = None


@dataclass(frozen=True, slots=True)
class ProjectRole:
    """`permissions` are the statements as JSON values, with holes."""

    permissions: tuple[Any, ...]
    variables: Mapping[str, Variable] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Project:
    """A named scope of one organization's graph, of any number of roles."""

    slug: str
    organization: str
    name: str
    roles: Mapping[str, ProjectRole] = field(default_factory=dict)

    def role(self, name: str) -> ProjectRole | None:
        """A role of the configuration, or the built-in administrator."""
        return self.roles.get(name) or (_BUILT_IN_ADMIN if name == ADMIN else None)


Projects = Mapping[str, Project]
"""By slug."""

_BUILT_IN_ADMIN = ProjectRole(({"effect": "ALLOW", "actions": [READ_GRAPH], "resources": [ANY]},))


_ANY_VALUE = ("dashboard:1",)
"""Acceptable in a condition, and as a resource."""


class FaultCode(StrEnum):
    """What can be wrong with a membership, in Contember's words."""

    ROLE_NOT_FOUND = "ROLE_NOT_FOUND"
    VARIABLE_NOT_FOUND = "VARIABLE_NOT_FOUND"
    VARIABLE_EMPTY = "VARIABLE_EMPTY"
    VARIABLE_INVALID = "VARIABLE_INVALID"


@dataclass(frozen=True, slots=True)
class MembershipFault:
    """`variable` is None where the role itself is unknown, or its values together are too many."""

    code: FaultCode
    role: str
    variable: str | None
    message: str


def membership_faults(
    project: Project, membership: Membership, options: PolicyOptions = DEFAULT_OPTIONS
) -> list[MembershipFault]:
    """All that is wrong with a new membership of a project, in the order of its variables."""
    role = project.role(membership.role)
    if role is None:
        message = f"the project has no role `{membership.role}`"
        return [MembershipFault(FaultCode.ROLE_NOT_FOUND, membership.role, None, message)]
    faults = [*_unknown(role, membership), *_missing(role, membership)]
    return faults or _unacceptable(role, membership, options)


def membership_statements(identity: Identity, projects: Projects) -> tuple[Statement, ...]:
    """What the memberships of an identity give now; nothing for one that does not hold any more."""
    return tuple(statement for each in identity.memberships for statement in _given(identity, each, projects))


def check_role(role: ProjectRole, options: PolicyOptions = DEFAULT_OPTIONS) -> None:
    """Refuses a role that could never be filled; raises PolicyError with the path to the fault."""
    holes = set(_holes(role))
    if undeclared := holes - set(role.variables):
        raise PolicyError("variables", f"`{min(undeclared)}` stands in a hole and is not declared")
    for statement in parse(_filled(role, dict.fromkeys(role.variables, _ANY_VALUE)), options).statements:
        if statement.effect is not Effect.ALLOW:
            raise PolicyError(f"{statement.id}.effect", "a role gives and takes nothing away: its effect is `ALLOW`")
    if idle := set(role.variables) - holes:
        raise PolicyError(f"variables.{min(idle)}", "is declared and stands in no hole")


def _given(identity: Identity, membership: Membership, projects: Projects) -> tuple[Statement, ...]:
    project = projects.get(membership.project)
    role = project.role(membership.role) if project else None
    if project is None or role is None or project.organization != identity.organization:
        return ()
    if [*_unknown(role, membership), *_missing(role, membership)]:
        return ()
    try:
        statements = parse(_filled(role, _values(role, membership, identity)), UNLIMITED).statements
    except PolicyError:
        return ()
    return tuple(replace(each, id=f"{project.slug}/{membership.role}/{each.id}") for each in statements)


# --- variables ----------------------------------------------------------------------------------------------------


def _unknown(role: ProjectRole, membership: Membership) -> Iterable[MembershipFault]:
    for name, times in Counter(name for name, _ in membership.variables).items():
        if times > 1:
            message = f"the variable `{name}` is given more than once"
            yield MembershipFault(FaultCode.VARIABLE_INVALID, membership.role, name, message)
        variable = role.variables.get(name)
        if variable is None or variable.predefined:
            message = f"the role `{membership.role}` has no variable `{name}` that can be set"
            yield MembershipFault(FaultCode.VARIABLE_NOT_FOUND, membership.role, name, message)


def _missing(role: ProjectRole, membership: Membership) -> Iterable[MembershipFault]:
    given = dict(membership.variables)
    for name, variable in role.variables.items():
        empty = not given.get(name, variable.fallback)
        if empty and not variable.predefined:
            message = f"the role `{membership.role}` needs values for the variable `{name}`"
            yield MembershipFault(FaultCode.VARIABLE_EMPTY, membership.role, name, message)


def _unacceptable(role: ProjectRole, membership: Membership, options: PolicyOptions) -> list[MembershipFault]:
    """Each variable is tried alone, so that the fault has its name; then all of them, for what they are together."""
    given = dict(membership.variables)
    acceptable = {name: variable.fallback or _ANY_VALUE for name, variable in role.variables.items()}
    faults = [
        MembershipFault(FaultCode.VARIABLE_INVALID, membership.role, name, fault)
        for name, values in given.items()
        if (fault := _fault(role, acceptable | {name: values}, options))
    ]
    if not faults and (fault := _fault(role, acceptable | given, options)):
        faults.append(MembershipFault(FaultCode.VARIABLE_INVALID, membership.role, None, fault))
    return faults


def _fault(role: ProjectRole, values: Mapping[str, tuple[str, ...]], options: PolicyOptions) -> str | None:
    try:
        parse(_filled(role, values), options)
    except PolicyError as fault:
        return fault.message
    return None


def _values(role: ProjectRole, membership: Membership, identity: Identity) -> dict[str, tuple[str, ...]]:
    given = dict(membership.variables)
    return {
        name: _predefined(variable.predefined, identity) if variable.predefined else given.get(name, variable.fallback)
        for name, variable in role.variables.items()
    }


def _predefined(variable: Predefined, identity: Identity) -> tuple[str, ...]:
    """No value where there is no person: such a statement cannot be read, and gives nothing."""
    value = identity.id if variable is Predefined.IDENTITY else identity.user
    return () if value is None else (value,)


# --- holes --------------------------------------------------------------------------------------------------------


def _filled(role: ProjectRole, values: Mapping[str, tuple[str, ...]]) -> str:
    return json.dumps({"permissions": [_fill(each, values) for each in role.permissions]})


def _fill(statement: Any, values: Mapping[str, tuple[str, ...]]) -> Any:
    """A statement without holes. What has another shape than a statement stays, for the parser to refuse."""
    if not isinstance(statement, dict):
        return statement
    filled = dict(statement)
    if isinstance(resources := statement.get("resources"), list):
        filled["resources"] = _spliced(resources, values)
    if isinstance(condition := statement.get("condition"), dict) and isinstance(condition.get("stringEquals"), dict):
        equals = {name: _spliced(_listed(each), values) for name, each in condition["stringEquals"].items()}
        filled["condition"] = condition | {"stringEquals": equals}
    return filled


def _spliced(items: list[Any], values: Mapping[str, tuple[str, ...]]) -> list[Any]:
    named = ((item, _hole(item)) for item in items)
    return [each for item, name in named for each in ((item,) if name is None else values[name])]


def _holes(role: ProjectRole) -> Iterable[str]:
    """The variables of a role's holes: those that filling it asks for."""
    asked = _Asked()
    _filled(role, asked)
    return asked.names


class _Asked(dict[str, tuple[str, ...]]):
    """Values that note what they are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __missing__(self, name: str) -> tuple[str, ...]:
        self.names.append(name)
        return ()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _hole(value: Any) -> str | None:
    """The variable of `{"variable": name}`."""
    match value:
        case {"variable": str(name), **more} if not more:
            return name
        case _:
            return None
