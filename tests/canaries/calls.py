"""The calls of the walk: every root field that anybody has heard of, and every route, with arguments by name.

`Said` says which things the arguments name: those that the key was granted, or the canaries, as somebody would who has
guessed their names. What the caller has said itself is no secret any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import graphql
from canaries.planted import CATEGORY, DASHBOARD, FRAMEWORK, PARAMETER, REPOSITORY, WIDGET, Canaries

from gateway.authz import roots as tables
from gateway.sandbox.schema import SCHEMA

ROOT_FIELDS = Path(__file__).parents[2].parent / "shared" / "j1ql" / "root_fields.json"
"""The names in the platform's published schema, where the collection is at hand."""

NEWER = """
    createDashboard createInsightsDashboard createInsightsWidget createWidget createSmartClass createSmartClassQuery
    controls control dashboardParameter deleteDashboard deleteSmartClass dropRules getSmartClass smartClass smartClasses
    getSmartClasses evaluateSmartClassRule evaluateSmartClass integrationInstancesV2 integrationFileTransferUploadUrl
    integrationCollectors j1qlFromNaturalLanguage getJ1qlFromNaturalLanguage patchDashboard patchInsightsDashboard
    queryV1Tree getWidget resourceGroups resourceGroup getResourcePermissions setResourcePermission
    deleteResourcePermission ruleEvaluationDetails getRuleEvaluationDetails listRuleEvaluations patchSmartClass
    createControl updateControl invokeQueryTurbo queryTurbo nobodyHasHeardOfThis
""".split()
"""Root fields that its clients ask for and that the published schema does not have, and one that does not exist."""


@dataclass(frozen=True)
class Call:
    """`root` is the root field that it asks for, if it asks for one."""

    name: str
    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    root: str = ""

    @property
    def said(self) -> str:
        """Everything that the caller made up."""
        return f"{self.path} {(self.body or b'').decode()}"


@dataclass(frozen=True)
class Said:
    """The names that arguments have."""

    entity: str = REPOSITORY
    vertex: str = "vertex-one"
    relationship: str = "uses"
    type: str = "github_repo"
    class_: str = "CodeRepo"
    verb: str = "HAS"
    property: str = "name"
    dashboard: str = DASHBOARD
    widget: str = WIDGET
    parameter: str = PARAMETER
    category: str = CATEGORY
    framework: str = FRAMEWORK
    instance: str = "github"
    query: str = "FIND *"

    def arguments(self) -> dict[str, Any]:
        """An argument's name -> its value, whatever the root field."""
        ids = dict.fromkeys(("id", "_id", "entityId", "sourceId", "itemId", "policyId", "questionId"), self.entity)
        boards = dict.fromkeys(("dashboardId", "boardId", "resourceId"), self.dashboard)
        widgets = dict.fromkeys(("widgetId", "collectionOwnerId", "rawDataKey", "alertId", "ruleId"), self.widget)
        instances = dict.fromkeys(("integrationInstanceId", "instanceId"), self.instance)
        times = {"beginTimestamp": 0, "endTimestamp": 2**40, "beginOn": 0, "endOn": 2**40, "depth": 5}
        return {
            **ids,
            **boards,
            **widgets,
            **instances,
            **times,
            "relationshipId": self.relationship,
            "name": self.parameter,
            "category": self.category,
            "resourceType": "account",
            "entity": self.type,
            "sourceEntity": self.type,
            "leftEntityTypesOrClasses": [self.type],
            "label": self.verb,
            "property": self.property,
            "query": self.query,
            "termsToMatch": ["a"],
            "filters": {"_class": [self.class_]},
            "queryInput": {"query": self.query},
            "classes": [self.class_],
            "frameworkId": self.framework,
            "source": "api",
            "ownerId": "me",
            "queryName": "query",
            "value": "x",
            "after": None,
            "cursor": None,
        }


GRANTED = Said()


def guessed(canaries: Canaries) -> Said:
    """As somebody asks who knows the names of what is hidden."""
    return Said(
        entity=f"{canaries['id']}-1",
        vertex=f"{canaries['vertex']}-1",
        relationship=f"{canaries['relation']}-1",
        type=canaries["type"],
        class_=canaries["class"],
        verb=canaries["relationVerb"],
        property=canaries["property"],
        dashboard=canaries["dashboard"],
        widget=f"{canaries['dashboard']}-1",
        parameter=canaries["parameter"],
        category=canaries["settings"],
        framework=canaries["framework"],
        instance=canaries["instance"],
        query=f"FIND {canaries['type']}",
    )


# --- GraphQL ------------------------------------------------------------------------------------------------------


def root_names() -> dict[str, list[str]]:
    """`query` and `mutation` -> every root field: of the schemas, of the gateway's own tables, and newer ones.

    A name that no schema has stands among the queries.
    """
    known = json.loads(ROOT_FIELDS.read_text()) if ROOT_FIELDS.exists() else {"query": [], "mutation": []}
    names = {operation: {*known[operation], *_schema_fields(operation)} for operation in known}
    tabled = {*tables.ROOTS, *tables.GRAPH, *tables.OURS, *tables.KEYS_DECIDE, *tables.NEVER, *NEWER}
    names["query"] |= tabled - names["mutation"]
    return {operation: sorted(each) for operation, each in names.items()}


def _schema_fields(operation: str) -> Mapping[str, graphql.GraphQLField]:
    kind = SCHEMA.get_root_type(graphql.OperationType(operation))
    return {} if kind is None else kind.fields


def root_calls(said: Said) -> Iterator[Call]:
    """A call for each root field, alone; and all of them again in batches, as the other kind and by another name."""
    operations = []
    for (operation, names), other in zip(root_names().items(), ("mutation", "query"), strict=True):
        for name in names:
            field = _field(operation, name, said)
            yield _graphql(f"{operation} {name}", {"query": f"{operation} {{ {field} }}"}, name)
            operations.append({"query": f"{other} Q {{ other: {field} }}"})
    yield from _query_fields(said)
    for start in range(0, len(operations), BATCH):
        yield _graphql(f"batch from {start}", operations[start : start + BATCH])


BATCH = 40

_V1 = """query Q(
  $query: String!, $variables: JSON, $cursor: String, $deferredResponse: DeferredResponseOption,
  $deferredFormat: DeferredResponseFormat, $flags: QueryV1Flags, $includeDeleted: Boolean, $dryRun: Boolean,
  $scopeFilters: [JSON!]
) {
  mine: queryV1(
    query: $query, variables: $variables, cursor: $cursor, deferredResponse: $deferredResponse,
    deferredFormat: $deferredFormat, flags: $flags, includeDeleted: $includeDeleted, dryRun: $dryRun,
    scopeFilters: $scopeFilters
  ) { type data url totalCount cursor correlationId }
}"""
_V2 = """query Q(
  $query: String!, $variables: JSON, $cursor: String, $scopeFilters: JSON, $includeDeleted: Boolean
) {
  queryV2(
    query: $query, variables: $variables, cursor: $cursor, scopeFilters: $scopeFilters, includeDeleted: $includeDeleted
  ) { type url correlationId }
}"""


def _query_fields(said: Said) -> Iterator[Call]:
    """Every body of `/j1ql` again, in the documents that clients send."""
    for name, document in (("queryV1", _V1), ("queryV2", _V2)):
        for variables in _queries(said):
            body = {"operationName": "Q", "query": document, "variables": {"cursor": None, **variables}}
            yield _graphql(f"query {name} {variables}", body, name)


def _graphql(name: str, body: Any, root: str = "") -> Call:
    return Call(name, "POST", "/graphql", json.dumps(body).encode(), {"Content-Type": "application/json"}, root)


def _field(operation: str, name: str, said: Said) -> str:
    """A root field with arguments and selections: those of the schema, or else some that most fields have."""
    known = _schema_fields(operation).get(name)
    if known is None:
        return f"{name}({_literals(_likely(name, said))}) {{ id name data }}"
    arguments = {key: _argument(key, each.type, name, said) for key, each in known.args.items()}
    shown = {key: value for key, value in arguments.items() if value is not None}
    called = f"({_literals(shown)})" if shown else ""
    return f"{name}{called}{_selection(known.type, DEEPEST)}"


def _likely(name: str, said: Said) -> dict[str, Any]:
    """Arguments that a field of this name could have."""
    known = said.arguments()
    names = ("id", "entityId", "dashboardId", "name", "category", "query")
    of_one = said.framework if "compliance" in name.lower() else said.entity
    return {**{each: known[each] for each in names}, "input": {"id": of_one}}


DEEPEST = 4
"""Levels of selections: `vertex`, its neighbours, and their metadata."""


def _argument(name: str, type_: Any, root: str, said: Said) -> Any:
    inner = graphql.get_named_type(type_)
    if isinstance(inner, graphql.GraphQLEnumType):
        return Literal(next(iter(inner.values))) if graphql.is_non_null_type(type_) else None
    if name == "input" and "compliance" in root.lower():
        return {"id": said.framework}
    if name == "id" and root in {"vertex", "edge"}:
        return said.vertex if root == "vertex" else None
    if name == "id" and root in {"question", "evaluateQuestion", "alertInstance"}:
        return said.widget
    value = said.arguments().get(name)
    if name == "resourceId" and root.endswith("Settings"):
        return None
    if name == "filters" and root == "edge":
        return None
    if value is None and graphql.is_non_null_type(type_):
        return "x"
    return value


class Literal(str):
    """A word that stands without quotes, as enumerations do."""

    __slots__ = ()


def _literals(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {_literal(value)}" for name, value in arguments.items())


def _literal(value: Any) -> str:
    match value:
        case Literal():
            return value
        case dict():
            return "{" + _literals(value) + "}"
        case list():
            return "[" + ", ".join(map(_literal, value)) + "]"
        case _:
            return json.dumps(value)


def _selection(type_: Any, depth: int) -> str:
    """Every field below that needs no argument."""
    inner = graphql.get_named_type(type_)
    if not isinstance(inner, graphql.GraphQLObjectType):
        return ""
    below = [
        name + _selection(each.type, depth - 1)
        for name, each in inner.fields.items()
        if depth > 1 or not isinstance(graphql.get_named_type(each.type), graphql.GraphQLObjectType)
    ]
    return " { " + " ".join(below or ["__typename"]) + " }"


# --- REST ---------------------------------------------------------------------------------------------------------


def rest_calls(said: Said) -> Iterator[Call]:
    """A call for each route of the platform and of the gateway, and for some that neither has."""
    for path in _read(said):
        yield Call(f"GET {path}", "GET", path)
    for path in ("/j1ql", "/graphql", f"/entities/{said.entity}"):
        yield Call(f"DELETE {path}", "DELETE", path)
    for body in _queries(said):
        yield _posted("/j1ql", body)
    yield _posted("/j1ql/validate", {"queries": [said.query, "FIND", "FIND * WITH a = ${param.x}"]})
    yield from _of_jobs(said)
    yield _posted("/tenant", {"query": "{ me { id } }"})
    yield _posted("/nowhere", {})


def _read(said: Said) -> list[str]:
    one = f"/entities/{said.entity}"
    return [
        *(f"/{kind}{more}" for kind in ("entities", "relationships") for more in ("", "?limit=2", "?cursor=2&limit=2")),
        "/entities?includeDeleted=true&limit=4000",
        *(f"{one}{part}" for part in ("", "/raw-data", "/raw-data-versions", "/history")),
        *(f"{one}/raw-data/default/versions{part}" for part in ("", "/latest")),
        f"{one}/../{said.entity}/raw-data",
        f"/entities/{said.entity}%2Fraw-data",
        f"/relationships/{said.relationship}",
        f"/persister/synchronization/jobs/{said.instance}",
        "/persister/synchronization/jobs",
        "/_sandbox/received",
        "/_results/x/state.json",
        "/deferred/x",
        "/whoami",
        "/validate",
        "/account/api/1/api-keys",
        "/account/api/1/openapi.json",
        "/metrics",
        "/readyz",
    ]


def _of_jobs(said: Said) -> Iterator[Call]:
    jobs = "/persister/synchronization/jobs"
    for about in (
        {"source": "api", "scope": said.instance},
        {"source": "integration-external", "integrationInstanceId": said.instance},
        {"source": "integration-managed", "integrationInstanceId": said.instance, "integrationJobId": said.instance},
    ):
        yield _posted(jobs, about)
    for part in ("entities", "relationships", "upload", "uploadUrl", "events", "finalize", "abort"):
        yield _posted(f"{jobs}/{said.instance}/{part}", {"entities": [{"_key": said.entity}]})


def _queries(said: Said) -> Iterator[dict[str, Any]]:
    """Bodies of `/j1ql`: all shapes, and all that an answer could tell of what is hidden."""
    texts = [
        said.query,
        "FIND *",
        "FIND CodeRepo",
        f"FIND {said.type} AS x RETURN x.displayName, x.name",
        f"FIND * WITH {said.property} != undefined",
        f"FIND * WITH _id = '{said.entity}'",
        "FIND CodeRepo AS c RETURN COUNT(c)",
        "FIND * AS c RETURN MAX(c.size), MIN(c.displayName)",
        "FIND github_repo THAT RELATES TO *",
        "FIND github_repo THAT RELATES TO * RETURN TREE",
        "FIND github_repo AS r THAT RELATES TO AS e * AS x RETURN r, e, x",
        "FIND github_repo AS r THAT !HAS CodeRepo RETURN r.name",
        "FIND github_repo AS r (THAT HAS CodeRepo AS x)? RETURN r.*, x.*",
        "FIND * AS r RETURN r.displayName AS n, r.size ORDER BY n DESC LIMIT 2",
        "FIND UNIQUE CodeRepo AS r RETURN r.displayName",
        f"'{said.type}'",
        "FIND * WITH name = ${param.loginUrl}",
        f"FIND * WITH name = ${{param.{said.parameter}}}",
        f"FIND * WITH owners = ('web' OR '{said.type}')",
        "FIND * WITH",
        "FIND #Critical",
    ]
    yield from ({"query": text} for text in texts)
    for more in (
        {"deferredResponse": "FORCE"},
        {"deferredResponse": "OPTIONAL"},
        {"deferredResponse": "FORCE", "deferredFormat": "CSV"},
        {"flags": {"rowMetadata": True}},
        {"includeDeleted": True},
        {"dryRun": True},
        {"scopeFilters": [{"_type": said.type}]},
        {"cursor": "eyJxdWVyeSI6ICJ4In0="},
        {"variables": {"x": said.entity}},
    ):
        yield {"query": "FIND CodeRepo", **more}
        yield {"query": "FIND CodeRepo AS c RETURN c.displayName", **more}
    yield {"query": "FIND * WITH _id = ${x}", "variables": {"x": said.entity}}


def _posted(path: str, body: Any) -> Call:
    text = json.dumps(body).encode()
    return Call(f"POST {path} {text.decode()}", "POST", path, text, {"Content-Type": "application/json"})
