"""May this call pass, and how narrowed: the tables route and root field -> action and resource, and the plan."""

from gateway.authz.plan import plan
from gateway.authz.routes import ROUTE_NAMES, Face, Route, route_of
from gateway.authz.rows import Page, Withheld, checked
from gateway.authz.rules import GraphQLLimits, Rules
from gateway.authz.whoami import whoami

__all__ = [
    "ROUTE_NAMES",
    "Face",
    "GraphQLLimits",
    "Page",
    "Route",
    "Rules",
    "Withheld",
    "checked",
    "plan",
    "route_of",
    "whoami",
]
