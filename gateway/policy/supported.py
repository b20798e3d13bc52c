"""The actions and resource types a policy may name.

Source: JupiterOne documentation, "Creating User and Account API Keys", the lists of supported actions and resources.
"""

from __future__ import annotations

from gateway.policy.model import READ_GRAPH

ACTIONS: dict[str, frozenset[str]] = {
    "compliance:GetStandard": frozenset({"compliance-standard"}),
    "compliance:GetSummary": frozenset({"compliance-standard"}),
    "dashboard:View": frozenset({"dashboard"}),
    "persister:GetEntityRawData": frozenset({"entity"}),
    "persister:Synchronize": frozenset({"integration"}),
    "query:GetAccountEntity": frozenset({"account"}),
    READ_GRAPH: frozenset(),
    "settings:GetSettings": frozenset({"settings-category"}),
    "parameters:GetParameter": frozenset({"parameter"}),
    "parameters:GetParameterList": frozenset({"parameter"}),
    "parameters:SetParameter": frozenset({"parameter"}),
    "parameters:DeleteParameter": frozenset({"parameter"}),
}
"""Each action and the types of resource that it is about; which go together is our reading of their names.

`query:ReadGraphData` is about no type: it "cannot be applied to resources other than the wildcard resource".
"""

RESOURCE_TYPES = (
    "account",
    "api",
    "compliance-standard",
    "dashboard",
    "entity",
    "integration",
    "powerup",
    "settings-category",
    "parameter",
)
"""What stands before the first `:` of a resource. No action is about `api` or `powerup` yet."""


ENTITIES_IN_CAPITALS = frozenset({"PR"})
"""Classes of entities that are spelt like a verb (JupiterOne documentation, "JupiterOne Data Model")."""


def is_verb(value: str) -> bool:
    """Whether a `_class` is that of relationships: their verb, in capitals; classes of entities are in TitleCase."""
    return value.isupper() and value not in ENTITIES_IN_CAPITALS


def resource_type(resource: str) -> str:
    """`parameter` for `parameter:a:b`: the id begins after the first colon and may hold more of them."""
    return resource.partition(":")[0]
