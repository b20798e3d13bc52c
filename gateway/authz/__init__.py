"""May this call pass, and how narrowed: the tables route and root field -> action and resource, and the plan."""

from gateway.authz.capabilities import CAPABILITIES, Capabilities, Mode, State
from gateway.authz.explain import Explanation, explain
from gateway.authz.lists_made_here import assembled
from gateway.authz.plan import plan
from gateway.authz.query_class import QueryClass, query_class
from gateway.authz.root_table import check_action, check_arguments, check_field, check_needs, check_resource
from gateway.authz.roots import ROOTS, Needs
from gateway.authz.routes import RESULTS, ROUTE_NAMES, Face, Route, route_of
from gateway.authz.rows import Page, Withheld, checked
from gateway.authz.rules import GraphQLLimits, Introspection, QueryFields, Rules
from gateway.authz.whoami import whoami

__all__ = [
    "CAPABILITIES",
    "RESULTS",
    "ROOTS",
    "ROUTE_NAMES",
    "Capabilities",
    "Explanation",
    "Face",
    "GraphQLLimits",
    "Introspection",
    "Mode",
    "Needs",
    "Page",
    "QueryClass",
    "QueryFields",
    "Route",
    "Rules",
    "State",
    "Withheld",
    "assembled",
    "check_action",
    "check_arguments",
    "check_field",
    "check_needs",
    "check_resource",
    "checked",
    "explain",
    "plan",
    "query_class",
    "route_of",
    "whoami",
]
