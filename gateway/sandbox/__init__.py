"""The sandbox: a small graph that speaks J1QL, and the three upstreams around it.

It is the demo's upstream, the tests' upstream, and with `evaluate` their oracle: it knows the query language and
nothing else of the gateway.

    graph                   entities, relationships, and the container of both; origin: how they are made
    evaluate                what a query means on a graph: selectors, matching, conditions, expressions, returns, …
    dialect                 what no document settles about that, as switches
    company, account        the example graph, the same for the same seed (company_…), and what is beside it
    server                  the application: `running` serves it
    queries, query_service, deferred
                            queries, whatever door they come through
    graphql, schema, graph_schema, graph_reads, stored_results
                            the GraphQL upstream
    exports                 the graph over REST
    persister, synchronization, uploads
                            synchronization jobs
    received, faults, compression, talkative
                            what a test asks: what arrived, what shall go wrong, and how much is given away
"""

from gateway.sandbox.account import INTEGRATION_INSTANCE
from gateway.sandbox.company import CONTENT_SCOPE, example_graph
from gateway.sandbox.evaluate import EvaluationError, Result, evaluate
from gateway.sandbox.faults import Fault, Kind
from gateway.sandbox.graph import Entity, Graph, Relationship
from gateway.sandbox.received import Received
from gateway.sandbox.server import Options, Running, running

__all__ = [
    "CONTENT_SCOPE",
    "INTEGRATION_INSTANCE",
    "Entity",
    "EvaluationError",
    "Fault",
    "Graph",
    "Kind",
    "Options",
    "Received",
    "Relationship",
    "Result",
    "Running",
    "evaluate",
    "example_graph",
    "running",
]
