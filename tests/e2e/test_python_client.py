"""The platform's own Python client, unchanged, through the gateway."""

from __future__ import annotations

import pytest
from jupiterone import JupiterOneClient
from jupiterone.errors import JupiterOneApiError


@pytest.fixture
def client(demo):
    def make(who):
        return JupiterOneClient(
            account=demo.told["account"],
            token=demo.keys.get(who, who),
            url=demo.told["gateway"] + "/graphql",
            sync_url=demo.told["gateway"],
        )

    return make


def test_query_v1_reads_several_pages(client):
    rows = client("super").query_v1("FIND *")["data"]
    assert len(rows) > 2000
    assert len({row["id"] for row in rows}) == len(rows)


def test_a_whole_synchronization_job_with_the_integration_key(client, demo):
    sync = client("integration")
    job = sync.start_sync_job(
        instance_id=demo.told["integration_instance"], sync_mode="DIFF", source="integration-external"
    )["job"]
    entities = [
        {"_key": f"server:{n}", "_type": "demo_server", "_class": "Host", "displayName": f"server {n}", "rank": n}
        for n in (1, 2)
    ]
    relationship = {
        "_key": "server:1:uses:2",
        "_type": "demo_server_uses_server",
        "_class": "USES",
        "_fromEntityKey": "server:1",
        "_toEntityKey": "server:2",
    }
    sync.upload_entities_batch_json(instance_job_id=job["id"], entities_list=entities)
    sync.upload_relationships_batch_json(instance_job_id=job["id"], relationships_list=[relationship])
    sync.upload_combined_batch_json(
        instance_job_id=job["id"],
        combined_payload={"entities": [entities[0] | {"_key": "server:3", "rank": 3}], "relationships": []},
    )
    finished = sync.finalize_sync_job(instance_job_id=job["id"])["job"]
    assert finished["status"] == "FINISHED"
    rows = client("super").query_v1("FIND demo_server AS s RETURN s._key AS key, s.rank AS rank ORDER BY s.rank")[
        "data"
    ]
    assert rows == [{"key": f"server:{n}", "rank": n} for n in (1, 2, 3)]


@pytest.mark.parametrize("who", ["repos", "dashboard", "integration"])
def test_a_refusal_ends_at_once_with_a_message_a_person_understands(client, who):
    with pytest.raises(JupiterOneApiError) as refused:
        client(who).query_v1("FIND *")
    assert "/j1ql" in str(refused.value)


def test_a_foreign_instance_is_refused_in_words(client):
    with pytest.raises(JupiterOneApiError) as refused:
        client("integration").start_sync_job(
            instance_id="00000000-0000-0000-0000-000000000000", sync_mode="DIFF", source="integration-external"
        )
    assert "persister:Synchronize" in str(refused.value)


def test_a_key_that_is_none_ends_at_once(client):
    with pytest.raises(JupiterOneApiError) as refused:
        client("gwa_notakeyatall").query_v1("FIND *")
    assert "401" in str(refused.value)
