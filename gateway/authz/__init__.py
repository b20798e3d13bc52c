"""May this call pass, and how narrowed: the tables route and root field -> action and resource, and the plan."""

from gateway.authz.capabilities import CAPABILITIES, Capabilities, Mode, State
from gateway.authz.explain import Explanation, explain
from gateway.authz.parameter_list import assembled
from gateway.authz.plan import plan
from gateway.authz.query_class import QueryClass, query_class
from gateway.authz.routes import RESULTS, ROUTE_NAMES, Face, Route, route_of
from gateway.authz.rows import Page, Withheld, checked
from gateway.authz.rules import GraphQLLimits, Rules
from gateway.authz.whoami import whoami

__all__ = [
    "CAPABILITIES",
    "RESULTS",
    "ROUTE_NAMES",
    "Capabilities",
    "Explanation",
    "Face",
    "GraphQLLimits",
    "Mode",
    "Page",
    "QueryClass",
    "Route",
    "Rules",
    "State",
    "Withheld",
    "assembled",
    "checked",
    "explain",
    "plan",
    "query_class",
    "route_of",
    "whoami",
]
