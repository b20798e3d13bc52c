"""Queries that people wrote, on the graph of the example company."""

import json

from collection import needs_collection, real_queries
from gateway.j1ql import J1QLSyntaxError, parse
from gateway.sandbox.company import example_graph
from gateway.sandbox.evaluate import EvaluationError, evaluate

NOW = 1_760_000_000_000


@needs_collection
def test_every_query_of_the_corpus_is_answered_or_refused_with_a_reason() -> None:
    graph = example_graph("acme")
    answered, refused = 0, []
    for text in real_queries():
        try:
            query = parse(text)
            result = evaluate(query, graph, variables={}, parameters={}, now=NOW)
        except J1QLSyntaxError:
            continue
        except EvaluationError as error:
            refused.append(str(error))
        else:
            answered += json.loads(json.dumps(result.data, allow_nan=False)) == result.data
    assert answered > 0.99 * (answered + len(refused)), refused
    assert all(refused)


def test_a_step_from_every_entity_of_the_example_company_is_within_the_limit() -> None:
    graph = example_graph("acme")
    query = parse("FIND * THAT RELATES TO AS r * RETURN COUNT(r) AS relationships")
    [row] = evaluate(query, graph, variables={}, parameters={}, now=NOW).data
    assert row["relationships"] == len(list(graph.relationships))
