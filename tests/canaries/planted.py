"""A graph and an account with canaries: values that nothing else has, in every place where the platform holds any.

Visible are the repositories; canaries are everything around them, and the dashboards, parameters, settings, frameworks
and integrations that no key of the walk was granted.
"""

from __future__ import annotations

from secrets import token_hex

from gateway.sandbox.account import Account, Dashboard, Framework, Parameter, example_account
from gateway.sandbox.graph import Entity, Graph, Relationship
from gateway.sandbox.origin import Integration

NOW = 1_700_000_000_000
"""The time of the walk, in milliseconds since the epoch."""

ACCOUNT = "acme"
REPOSITORY = "repository-one"
"""The `_id` of a visible entity."""
DASHBOARD, WIDGET, PARAMETER, CATEGORY, FRAMEWORK = "123456", "123456-1", "loginUrl", "insights", "framework-one"
"""What keys of the walk are granted by name."""

ROLES = (
    "vertex id type class key displayName property value tag list number edge relation relationKey relationType "
    "relationVerb relationValue dashboard dashboardName category widget query parameter parameterValue "
    "secret secretValue settings settingsValue framework frameworkName instance instanceName"
).split()


class Canaries:
    """A value for each role, made anew: no value is part of another, and all are names in the query language too."""

    def __init__(self) -> None:
        self.values = {role: f"Canary{token_hex(6)}{number:02}" for number, role in enumerate(ROLES)}
        self.values["number"] = str(10**15 + int(token_hex(6), 16))

    def __getitem__(self, role: str) -> str:
        return self.values[role]


def graph(canaries: Canaries, *, present: bool) -> Graph:
    """Repositories; and with the canaries a hidden neighbour of each, and before all one that stands alone."""
    repositories = [_repository(name) for name in ("one", "two", "three", "four", "five")]
    planted = Graph([_hidden(canaries, 0)] if present else [])
    for entity in (_tenant(), *repositories):
        planted.put_entity(entity)
    planted.put_relationship(_between(repositories[0], repositories[1]))
    if present:
        for number, near in enumerate(repositories, 1):
            hidden = _hidden(canaries, number)
            planted.put_entity(hidden)
            planted.put_relationship(_joining(canaries, number, *((hidden, near) if number % 2 else (near, hidden))))
    return planted


def _repository(name: str) -> Entity:
    return Entity(
        f"vertex-{name}",
        {
            "_id": f"repository-{name}",
            "_key": f"key-{name}",
            "_type": ["github_repo"],
            "_class": ["CodeRepo"],
            "displayName": name,
            **_collected("github"),
        },
        {"name": name, "public": True, "tag.team": "web"},
    )


def _tenant() -> Entity:
    """Not among what the condition admits, and always there: `accountEntity` shows it to whom that is granted."""
    names = {"_id": ACCOUNT, "_key": ACCOUNT, "_type": ["jupiterone_account"], "_class": ["Account"]}
    return Entity("vertex-account", {**names, "displayName": "Acme", **_collected("platform")}, {"name": "Acme"})


def _collected(instance: str) -> dict[str, object]:
    shared = {"_source": "integration-managed", "_integrationInstanceId": instance, "_integrationName": instance}
    return {**shared, "_accountId": ACCOUNT, "_version": 1, "_deleted": False, "_createdOn": NOW, "_beginOn": NOW}


def _between(start: Entity, end: Entity) -> Relationship:
    metadata = {"_id": "uses", "_key": "uses", "_type": "github_repo_uses_github_repo", "_class": "USES"}
    ends = {"_fromEntityId": start.get("_id"), "_toEntityId": end.get("_id")}
    return Relationship("edge", start.id, end.id, {**metadata, **ends, **_collected("github")}, {})


def _hidden(canaries: Canaries, number: int) -> Entity:
    return Entity(
        f"{canaries['vertex']}-{number}",
        {
            "_id": f"{canaries['id']}-{number}",
            "_key": f"{canaries['key']}-{number}",
            "_type": [canaries["type"]],
            "_class": [canaries["class"], "CodeRepo"],
            "displayName": canaries["displayName"],
            **_collected(canaries["instance"]),
        },
        {
            "name": canaries["value"],
            canaries["property"]: True,
            f"tag.{canaries['tag']}": canaries["tag"],
            "owners": [canaries["list"], "web"],
            "size": int(canaries["number"]) + number,
            "public": True,
            "secret": "yes",
        },
    )


def _joining(canaries: Canaries, number: int, start: Entity, end: Entity) -> Relationship:
    metadata = {
        "_id": f"{canaries['relation']}-{number}",
        "_key": f"{canaries['relationKey']}-{number}",
        "_type": canaries["relationType"],
        "_class": canaries["relationVerb"] if number > 1 else "HAS",
        "_fromEntityId": start.get("_id"),
        "_toEntityId": end.get("_id"),
        "_fromEntityKey": start.get("_key"),
        "_toEntityKey": end.get("_key"),
    }
    edge_id = f"{canaries['edge']}-{number}"
    properties = {"note": canaries["relationValue"], "secret": "yes"}
    return Relationship(edge_id, start.id, end.id, {**metadata, **_collected(canaries["instance"])}, properties)


def account(canaries: Canaries, *, present: bool) -> Account:
    """An account, and with the canaries one more of each thing that it holds."""
    one = example_account(ACCOUNT, NOW)
    one.parameters = {PARAMETER: one.parameters[PARAMETER]}
    one.dashboards = (Dashboard(DASHBOARD, "Repositories", "Engineering", {"Public": "FIND github_repo"}),)
    one.frameworks = (Framework(FRAMEWORK, "SOC 2", "2017", {"CC6.1": "COMPLIANT"}),)
    if present:
        _plant(one, canaries)
    return one


def _plant(one: Account, canaries: Canaries) -> None:
    widgets = {"All": "FIND *", canaries["widget"]: f"FIND * WITH name = '{canaries['query']}'"}
    one.dashboards += (Dashboard(canaries["dashboard"], canaries["dashboardName"], canaries["category"], widgets),)
    for name, value, secret in (("parameter", "parameterValue", False), ("secret", "secretValue", True)):
        one.parameters[canaries[name]] = Parameter(canaries[name], canaries[value], secret, NOW)
    one.settings["account", ACCOUNT, canaries["settings"]] = {"is": canaries["settingsValue"]}
    one.frameworks += (Framework(canaries["framework"], canaries["frameworkName"], "1", {"CC6.1": "GAP_DETECTED"}),)
    one.integrations += (Integration(canaries["instance"], canaries["instanceName"], "custom", "ITS"),)
