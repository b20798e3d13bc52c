"""The sandbox: a small graph that speaks J1QL, and the three upstreams around it.

It is the demo's upstream, the tests' upstream, and with `evaluate` their oracle: it knows the query language and
nothing else of the gateway.

    graph                   entities, relationships, and the container of both
    evaluate                what a query means on a graph
    company                 the example graph: the same for the same seed
    server                  the application: `running` serves it
    queries, query_service, deferred, graphql, graph_reads, stored_results, exports, persister, synchronization, uploads
                            the upstreams
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
