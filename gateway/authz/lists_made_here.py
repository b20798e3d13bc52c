"""Which lists are made here for keys that see some of their items, and how an operation with one is planned."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.authz.dashboard_list import assembled_dashboards, plan_dashboards
from gateway.authz.documents import Field
from gateway.authz.lists import DASHBOARDS, PARAMETERS, part_of
from gateway.authz.outcome import Assemble, Deny, Forward, GraphQLRequest, More, Unusable
from gateway.authz.parameter_list import assembled_parameters, plan_parameters
from gateway.authz.rules import Rules
from gateway.policy import Policy

_LISTS = {
    PARAMETERS.field: (PARAMETERS, plan_parameters),
    DASHBOARDS.field: (DASHBOARDS, plan_dashboards),
}
MADE_HERE = frozenset(_LISTS)


def plan_list(request: GraphQLRequest, roots: Sequence[Field], policy: Policy, rules: Rules) -> Forward | Deny | None:
    """None where the key may see all of the lists or nothing, so that they are decided as any field is."""
    for field in roots:
        if field.name in _LISTS:
            listed, plan = _LISTS[field.name]
            if part := part_of(listed, policy):
                return plan(request, roots, part, policy, rules.graphql)
    return None


def assembled(body: bytes, assemble: Assemble) -> bytes | More | Unusable:
    """The JSON of the caller's answer, or the question that the list goes on with; `body` is the upstream's answer."""
    if assemble.field == DASHBOARDS.field:
        return assembled_dashboards(body, assemble)
    return assembled_parameters(body, assemble)
