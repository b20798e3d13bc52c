"""The GraphQL upstream: requests and batches of them, and what each root field does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import graphql
from graphql import GraphQLError

from gateway.sandbox.account import REDACTED, Account, Framework, Parameter
from gateway.sandbox.graph import Graph, iso
from gateway.sandbox.graph_reads import Actions, Arguments, GraphReads
from gateway.sandbox.origin import Integration
from gateway.sandbox.queries import QueryError
from gateway.sandbox.query_service import Queries
from gateway.sandbox.schema import SCHEMA
from gateway.sandbox.stored_results import StoredResults
from gateway.sandbox.talkative import everything, talk

_VALIDATION = [rule for rule in graphql.specified_rules if rule is not graphql.VariablesInAllowedPositionRule]
"""No public document says whether an id is a String or an ID, so a variable of either type is taken."""


@dataclass(frozen=True, slots=True)
class GraphQL:
    """The service. `page` is the number of items a page of a list has; `clock` gives milliseconds since the epoch."""

    graph: Graph
    account: Account
    page: int
    clock: Callable[[], int]
    queries: Queries

    def respond(self, body: Any) -> Any:
        """The answer to a request, or to a batch of them in order. Raises ValueError for what is neither.

        As with Apollo's server, `errors` is there only when there are some, and a member that is unknown is no fault.
        """
        if isinstance(body, list):
            return [self._execute(request) for request in body]
        return self._execute(body)

    def _execute(self, request: Any) -> dict[str, Any]:
        if not isinstance(request, dict) or not isinstance(request.get("query"), str):
            raise ValueError("a GraphQL request should be a JSON object with a query")  # noqa: TRY004 - JSON, not types
        variables, name = request.get("variables"), request.get("operationName")
        if not isinstance(variables, dict | None) or not isinstance(name, str | None):
            raise ValueError("variables should be an object, operationName a string")  # noqa: TRY004 - JSON, not types
        result = self._result(request["query"], variables, name)
        return dict(result.formatted)

    def _result(self, query: str, variables: dict[str, Any] | None, name: str | None) -> graphql.ExecutionResult:
        try:
            document = graphql.parse(query)
        except GraphQLError as fault:
            return graphql.ExecutionResult(data=None, errors=[fault])
        if faults := graphql.validate(SCHEMA, document, _VALIDATION):
            if self.queries.serving.talkative and (told := self._talk(document)):
                return graphql.ExecutionResult(data=told)
            return graphql.ExecutionResult(data=None, errors=faults)
        return graphql.execute_sync(
            SCHEMA,
            document,
            self._roots(),
            variable_values=variables,
            operation_name=name,
            field_resolver=_resolved,
        )

    def _talk(self, document: graphql.DocumentNode) -> dict[str, Any]:
        return talk(document, self._roots().keys() | {"__typename"}, everything(self.graph, self.account))

    def _roots(self) -> dict[str, Callable[..., Any]]:
        return {name: partial(_acted, act) for name, act in self._actions().items()}

    def _actions(self) -> Actions:
        return {
            "queryV1": self.queries.v1,
            "queryV2": self.queries.v2,
            **GraphReads(self.graph, self.queries.results, self.page).actions(),
            **StoredResults(self.account, self.queries, self.clock).actions(),
            "parameter": self._parameter,
            "parameterList": self._parameter_list,
            "setParameter": self._set_parameter,
            "deleteParameter": self._delete_parameter,
            "getSettings": self._get_settings,
            "setSettings": self._set_settings,
            "iamGetAccount": self._iam_get_account,
            "complianceFramework": self._compliance_framework,
            "complianceFrameworks": self._compliance_frameworks,
            "integrationInstance": self._integration_instance,
            "integrationInstances": self._integration_instances,
        }

    # --- parameters and settings ----------------------------------------------------------------------------------

    def _parameter(self, arguments: Arguments) -> dict[str, Any]:
        parameter = self.account.parameters.get(arguments["name"])
        if parameter is None:
            raise _error("NOT_FOUND", "Parameter not found")
        return _shown(parameter)

    def _parameter_list(self, arguments: Arguments) -> dict[str, Any]:
        """In the order of names; the cursor is the last name of the page before."""
        last, limit = arguments.get("cursor"), arguments.get("limit")
        names = sorted(name for name in self.account.parameters if last is None or name > last)
        page = names[: max(1, limit or self.page)]
        more = len(page) < len(names)
        items = [_shown(self.account.parameters[name]) for name in page]
        return {"items": items, "pageInfo": {"endCursor": page[-1] if more else None, "hasNextPage": more}}

    def _set_parameter(self, arguments: Arguments) -> dict[str, bool]:
        name, secret = arguments["name"], bool(arguments.get("secret"))
        self.account.parameters[name] = Parameter(name, arguments["value"], secret, self.clock())
        return {"success": True}

    def _delete_parameter(self, arguments: Arguments) -> dict[str, bool]:
        return {"success": self.account.parameters.pop(arguments["name"], None) is not None}

    def _get_settings(self, arguments: Arguments) -> dict[str, Any]:
        key = self._settings_key(arguments)
        return _settings_names(key) | {"data": self.account.settings.get(key)}

    def _set_settings(self, arguments: Arguments) -> dict[str, Any]:
        key = self._settings_key(arguments)
        code = "UPDATED" if key in self.account.settings else "CREATED"
        self.account.settings[key] = arguments.get("data")
        return _settings_names(key) | {"resultCode": code}

    def _settings_key(self, arguments: Arguments) -> tuple[str, str, str]:
        return arguments["resourceType"], arguments.get("resourceId") or self.account.id, arguments["category"]

    # --- the account ----------------------------------------------------------------------------------------------

    def _iam_get_account(self, _: Arguments) -> dict[str, Any]:
        return {
            "id": self.account.id,
            "accountId": self.account.id,
            "accountSubdomain": self.account.id,
            "accountName": "Northwind",
            "accountType": "ENTERPRISE",
            "status": "ACTIVE",
            "_timeCreated": iso(self.account.created),
        }

    def _compliance_framework(self, arguments: Arguments) -> dict[str, Any]:
        for framework in self.account.frameworks:
            if framework.id == arguments["input"]["id"]:
                return self._framework(framework)
        raise _error("NOT_FOUND", "Framework not found")

    def _compliance_frameworks(self, _: Arguments) -> dict[str, Any]:
        return {"standards": [self._framework(framework) for framework in self.account.frameworks]}

    def _framework(self, framework: Framework) -> dict[str, Any]:
        results = Counter(framework.results.values())
        return {
            "id": framework.id,
            "accountId": self.account.id,
            "name": framework.name,
            "version": framework.version,
            "frameworkType": "STANDARD",
            "createTimestamp": self.account.created,
            "summary": {
                "id": framework.id,
                "totalFrameworkItems": len(framework.results),
                "gapAnalysisSummary": {
                    "id": framework.id,
                    "fulfilled": results["COMPLIANT"],
                    "gapDetected": results["GAP_DETECTED"],
                    "unknown": results["UNKNOWN"],
                },
            },
        }

    def _integration_instance(self, arguments: Arguments) -> dict[str, Any]:
        integration = self.account.integration(arguments["id"])
        if integration is None:
            raise _error("BAD_USER_INPUT", "Integration instance not found")
        return self._integration(integration)

    def _integration_instances(self, arguments: Arguments) -> dict[str, Any]:
        wanted = arguments.get("definitionId")
        instances = [i for i in self.account.integrations if wanted is None or i.definition == wanted]
        page = {"endCursor": None, "hasNextPage": False}
        return {"instances": [self._integration(instance) for instance in instances], "pageInfo": page}

    def _integration(self, integration: Integration) -> dict[str, Any]:
        return {
            "id": integration.id,
            "name": integration.name,
            "accountId": self.account.id,
            "integrationDefinitionId": integration.definition,
            "integrationType": integration.type,
        }


def _resolved(source: Any, info: graphql.GraphQLResolveInfo[Any], /, **arguments: Any) -> Any:
    """A member of an object; the library's own way fails on an argument that is called `source`."""
    value = source.get(info.field_name)
    return value(info, **arguments) if callable(value) else value


def _acted(act: Callable[[Arguments], Any], _: Any, /, **arguments: Any) -> Any:
    """What a root field answers; the library says also where in the document it stands."""
    try:
        return act(arguments)
    except QueryError as fault:
        raise _error(fault.code, fault.message) from None


def _error(code: str, message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": code})


def _shown(parameter: Parameter) -> dict[str, Any]:
    value = REDACTED if parameter.secret else parameter.value
    updated = iso(parameter.updated)
    return {"name": parameter.name, "value": value, "secret": parameter.secret, "lastUpdatedOn": updated}


def _settings_names(key: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("resourceType", "resourceId", "category"), key, strict=True))
