"""The platform's Python client, unchanged, against the sandbox itself."""

from __future__ import annotations

import asyncio

import pytest

from gateway.sandbox import INTEGRATION_INSTANCE

jupiterone = pytest.importorskip("jupiterone")


@pytest.fixture
def client(upstream):
    made = jupiterone.JupiterOneClient(
        account=upstream.running.options.account,
        token=upstream.running.options.credential,
        url=f"{upstream.url}/graphql",
        sync_url=upstream.url,
    )
    yield made
    made.session.close()


async def test_query_v1_reads_every_page(upstream, client):
    got = await asyncio.to_thread(client.query_v1, "FIND github_repo")
    assert [row["id"] for row in got["data"]] == [thing.id for thing in upstream.graph.of_type("github_repo")]
    assert len(upstream.received) == 2


async def test_query_v1_stops_at_a_limit_and_returns_a_tree_whole(upstream, client):
    limited = await asyncio.to_thread(client.query_v1, "FIND * LIMIT 7")
    assert len(limited["data"]) == 7
    tree = await asyncio.to_thread(client.query_v1, "FIND team THAT HAS Person RETURN TREE")
    assert set(tree) == {"vertices", "edges"}


async def test_a_bad_query_is_an_error_that_a_person_understands(client):
    with pytest.raises(jupiterone.errors.JupiterOneApiError, match="Error parsing query"):
        await asyncio.to_thread(client.query_v1, "FIND * WITH")


async def test_a_wrong_credential_is_an_error_at_once(upstream):
    stranger = jupiterone.JupiterOneClient(
        account="j1sandbox", token="wrong-credential", url=f"{upstream.url}/graphql", sync_url=upstream.url
    )
    with pytest.raises(jupiterone.errors.JupiterOneApiError, match="401"):
        await asyncio.to_thread(stranger.query_v1, "FIND *")
    stranger.session.close()


def synchronize(client):
    """A whole job, as the client's documentation shows it."""
    started = client.start_sync_job(instance_id=INTEGRATION_INSTANCE, sync_mode="DIFF", source="integration-external")
    job = started["job"]["id"]
    entities = [{"_key": str(n), "_type": "asset", "_class": "Device", "displayName": f"Asset {n}"} for n in range(3)]
    client.upload_entities_batch_json(instance_job_id=job, entities_list=entities[:2])
    edges = [
        {"_key": "e", "_type": "asset_uses_asset", "_class": "USES", "_fromEntityKey": "0", "_toEntityKey": "1"},
    ]
    client.upload_relationships_batch_json(instance_job_id=job, relationships_list=edges)
    client.upload_combined_batch_json(
        instance_job_id=job, combined_payload={"entities": entities[2:], "relationships": []}
    )
    return client.finalize_sync_job(instance_job_id=job)["job"]


async def test_a_whole_synchronization_job(upstream, client):
    job = await asyncio.to_thread(synchronize, client)
    assert job["status"] == "FINISHED"
    assert (job["numEntitiesCreated"], job["numRelationshipsCreated"]) == (3, 1)
    assert [thing.get("displayName") for thing in upstream.graph.of_type("asset")] == ["Asset 0", "Asset 1", "Asset 2"]


async def test_bulk_delete_and_abort(upstream, client):
    await asyncio.to_thread(synchronize, client)
    doomed = upstream.graph.of_type("asset")[0].get("_id")

    def delete():
        job = client.start_sync_job(instance_id=INTEGRATION_INSTANCE, sync_mode="PATCH", source="integration-external")
        client.bulk_delete_entities(instance_job_id=job["job"]["id"], entities_list=[{"_id": doomed}])
        return client.finalize_sync_job(instance_job_id=job["job"]["id"])

    assert (await asyncio.to_thread(delete))["job"]["numEntitiesDeleted"] == 1

    def abort():
        job = client.start_sync_job(instance_id=INTEGRATION_INSTANCE, sync_mode="DIFF", source="integration-external")
        return client.abort_sync_job(instance_job_id=job["job"]["id"])

    assert (await asyncio.to_thread(abort))["job"]["status"] == "ABORTED"
    assert len(upstream.graph.of_type("asset")) == 2


async def test_parameters_and_raw_data(upstream, client):
    parameters = await asyncio.to_thread(client.list_account_parameters)
    assert {"loginUrl", "webhookToken"} <= {parameter["name"] for parameter in parameters}
    repository = upstream.graph.of_type("github_repo")[0]
    raw = await asyncio.to_thread(client.fetch_entity_raw_data_v2, repository.get("_id"))
    assert raw["status"] == "AVAILABLE"
