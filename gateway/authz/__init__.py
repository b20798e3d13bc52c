"""May this call pass, and how narrowed: the tables route and root field -> action and resource, and the plan.

the plan        plan, for one call; outcome: what it may be; rules, capabilities: what it depends on
the tables      routes, roots; root_table: an operator's rows
a route each    query_call, query_validation, graphql_call, rest_call, persister_call (upload_body), deferred, whoami
what they share json_body, account_parameters
GraphQL         documents: document_reading, document_size; query_fields: queries under a condition
lists           lists_made_here: lists (what they share), parameter_list, dashboard_list
a condition     conditioned: proven (narrow, then verify), rows (the answer), query_class (what an alarm stops)
the upstream    calibration: what is asked about it
for people      explain; THREAT_MODEL.md: what a key with a condition can learn
"""

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
