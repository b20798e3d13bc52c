"""Root fields that show what queries found that somebody else wrote: dashboards, questions, alerts.

The platform answers them from results that it stored, of queries that nothing restricted. Here the queries run when
they are asked for, on the whole graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError

from gateway.sandbox.account import Account, Dashboard
from gateway.sandbox.graph import iso
from gateway.sandbox.graph_reads import LAST_PAGE, Actions, Arguments
from gateway.sandbox.query_service import Queries


@dataclass(frozen=True, slots=True)
class StoredResults:
    """Every widget of a dashboard is a question too, and every question the rule of an alert."""

    account: Account
    queries: Queries
    clock: Callable[[], int]

    def actions(self) -> Actions:
        """What each of these root fields does."""
        return {
            "getDashboard": lambda arguments: self._shown(self._dashboard(arguments)),
            "getDashboards": lambda _: [self._shown(dashboard) for dashboard in self.account.dashboards],
            "getDashboardTemplates": lambda _: [],
            "dashboardParameter": lambda _: None,  # no dashboard here has any
            "getWidget": lambda arguments: {
                "widget": _shown_widget(arguments["widgetId"], *self._widget(arguments["widgetId"]))
            },
            "getDashboardQueryWidgetData": self._query_widget,
            "getDashboardQuestionWidgetData": self._question_widget,
            "getPaginatedQueryWidgetData": lambda arguments: self.queries.v1(arguments["queryInput"]),
            "getDashboardWidgetSettings": self._settings,
            "getDashboardLayoutSettings": self._settings,
            "question": lambda arguments: _question(arguments["id"], *self._widget(arguments["id"])),
            "questions": self._questions,
            "findSimilarQuestions": self._questions,
            "evaluateQuestion": lambda arguments: self._evaluated(arguments["id"]),
            "listAlertInstances": self._alerts,
            "listAlertInstancesInCreatedOnDateRange": self._alerts,
            "countAlertInstances": lambda _: {"count": len(self._fired()), "pageInfo": LAST_PAGE},
            "alertInstance": lambda arguments: self._alert(arguments["id"]),
            "listCollectionResults": self._collected,
            "getRawDataDownloadUrl": lambda arguments: self._file(arguments["rawDataKey"]),
            "getRawResultPresignedDownloadUrl": lambda arguments: self._file(arguments["alertId"]),
        }

    # --- dashboards -----------------------------------------------------------------------------------------------

    def _dashboard(self, arguments: Arguments) -> Dashboard:
        for dashboard in self.account.dashboards:
            if dashboard.id == arguments["dashboardId"]:
                return dashboard
        raise GraphQLError("Dashboard not found", extensions={"code": "NOT_FOUND"})

    def _shown(self, dashboard: Dashboard) -> dict[str, Any]:
        return {
            "id": dashboard.id,
            "name": dashboard.name,
            "category": dashboard.category,
            "isJ1ManagedBoard": False,
            "published": True,
            "scopeFilters": [],
            "starred": False,
            "_createdAt": iso(self.account.created),
            "widgets": [
                _shown_widget(f"{dashboard.id}-{number}", title, query)
                for number, (title, query) in enumerate(dashboard.widgets.items(), 1)
            ],
        }

    def _query_widget(self, arguments: Arguments) -> dict[str, Any]:
        title, query = self._widget(arguments["widgetId"])
        page = self.queries.v1({"query": query})
        url, _ = self.queries.results.keep(page, as_csv=False)
        result = {"name": title, "query": query, "url": url, "data": page["data"], "type": page["type"]}
        return _of_widget(arguments, [result])

    def _question_widget(self, arguments: Arguments) -> dict[str, Any]:
        _, query = self._widget(arguments["widgetId"])
        return _of_widget(arguments, {"results": [self.queries.v1({"query": query})], "pageInfo": LAST_PAGE})

    def _settings(self, arguments: Arguments) -> dict[str, Any]:
        names = list(self._dashboard(arguments).widgets)
        return {**_names(arguments, "dashboardId", "ownerId"), "data": {"widgets": names}}

    # --- questions and alerts -------------------------------------------------------------------------------------

    def _widgets(self) -> dict[str, tuple[str, str]]:
        """Title and query of every widget, by its id."""
        return {
            f"{dashboard.id}-{number}": widget
            for dashboard in self.account.dashboards
            for number, widget in enumerate(dashboard.widgets.items(), 1)
        }

    def _widget(self, widget_id: str) -> tuple[str, str]:
        widget = self._widgets().get(widget_id)
        if widget is None:
            raise GraphQLError("Widget, question or alert not found", extensions={"code": "NOT_FOUND"})
        return widget

    def _questions(self, _: Arguments) -> dict[str, Any]:
        questions = [_question(question_id, *widget) for question_id, widget in self._widgets().items()]
        return {"questions": questions, "totalHits": len(questions), "pageInfo": LAST_PAGE}

    def _evaluated(self, question_id: str) -> dict[str, Any]:
        title, query = self._widget(question_id)
        page = self.queries.v1({"query": query})
        outputs = [{"name": "count", "value": page["totalCount"]}, {"name": "rows", "value": page["data"]}]
        return {"answerText": f"{title}: {page['totalCount']}", "outputs": outputs}

    def _fired(self) -> list[str]:
        return [question_id for question_id in self._widgets() if self._evaluated(question_id)["outputs"][0]["value"]]

    def _alerts(self, _: Arguments) -> dict[str, Any]:
        return {"instances": [self._alert(question_id) for question_id in self._fired()], "pageInfo": LAST_PAGE}

    def _alert(self, question_id: str) -> dict[str, Any]:
        return {
            "id": question_id,
            "accountId": self.account.id,
            "ruleId": question_id,
            "status": "ACTIVE",
            "lastUpdatedOn": self.account.created,
            "createdOn": self.account.created,
            "lastEvaluationResult": self._evaluated(question_id),
        }

    def _collected(self, arguments: Arguments) -> dict[str, Any]:
        owner = arguments["collectionOwnerId"]
        outputs = self._evaluated(owner)["outputs"]
        record = {"accountId": self.account.id, "timestamp": self.clock(), "collectionOwnerId": owner}
        return {"results": [{**record, "outputs": outputs}], "pageInfo": LAST_PAGE}

    def _file(self, question_id: str) -> str:
        """An address that needs no credential."""
        _, query = self._widget(question_id)
        url, _ = self.queries.results.keep(self.queries.v1({"query": query}), as_csv=False)
        return url


def _question(question_id: str, title: str, query: str) -> dict[str, Any]:
    return {"id": question_id, "title": title, "queries": [{"name": title, "query": query}]}


def _shown_widget(widget_id: str, title: str, query: str) -> dict[str, Any]:
    queries = [{"id": f"{widget_id}-query", "name": "Query 1", "query": query}]
    config = {"queries": queries, "disableQueryPolicyFilters": False}
    return {"id": widget_id, "title": title, "type": "table", "config": config}


def _of_widget(arguments: Arguments, data: Any) -> dict[str, Any]:
    return {**_names(arguments, "dashboardId", "widgetId", "ownerId"), "data": data}


def _names(arguments: Arguments, *names: str) -> dict[str, Any]:
    return {name: arguments[name] for name in names}
