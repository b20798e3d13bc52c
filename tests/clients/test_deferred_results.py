"""Results that the platform puts aside, by clients of both contracts.

The Node client takes a result from the second address, the Python client from the document that the first one leads to.
The gateway speaks both, whichever the platform keeps to.
"""

from __future__ import annotations

import json

import pytest

from clients.world import ACCOUNT, HERE, REPOS, SUPER, installation
from gateway import sandbox
from gateway.sandbox.deferred import Contract, Results
from gateway.sandbox.queries import Serving


@pytest.fixture(
    params=[(statements, contract) for statements in (SUPER, REPOS) for contract in Contract],
    ids=[f"{key}, {contract}" for key in ("everything", "condition") for contract in Contract],
)
def keyed(request, tmp_path):
    """A platform that lets clients wait, since the first two polls find nothing; and a key."""
    statements, contract = request.param
    serving = Serving(results=Results(contract=contract, in_progress=2))
    options = sandbox.Options(account=ACCOUNT, serving=serving)
    with installation(tmp_path, options, graph={"query_fields": "enforce"}) as world:
        yield world, world.key(*statements).secret


def test_both_clients_get_all_pages(keyed, node):
    world, secret = keyed
    by_python = world.python_client(secret).query_with_deferred_response("FIND github_repo")
    told = {"url": world.url, "account": ACCOUNT, "key": secret, "do": [[["queryV1", "FIND github_repo"]]]}
    (by_node,) = node.run(str(HERE / "node_client.cjs"), json.dumps(told)).lines
    repos = sorted(entity.get("_id") for entity in world.upstream.graph.of_type("github_repo"))
    assert len(repos) > 250
    for rows in (by_python, by_node["value"]):
        assert sorted(row["entity"]["_id"] for row in rows) == repos
