"""The platform's own Python client, `jupiterone` 2.4.0, unchanged, through the gateway: every public method of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from jupiterone import JupiterOneClient, constants
from jupiterone.errors import JupiterOneApiError

from clients.world import (
    ACCOUNT,
    DASHBOARD,
    INSTANCE,
    OTHER_INSTANCE,
    REPOS,
    SUPER,
    allow,
    installation,
)
from revocation.processes import until

SYNCHRONIZE = (allow("persister:Synchronize"),)


@pytest.fixture(autouse=True)
def forget(world):
    world.forget()


@pytest.fixture
def client(world):
    """A client with a key of this policy."""
    return lambda *statements: world.python_client(world.key(*statements).secret)


@pytest.fixture
def integration(world):
    return world.python_client(world.integration_key().secret)


def documents(world):
    """The GraphQL bodies that reached the platform."""
    return [json.loads(call.body) for call in world.received if call.path == "/graphql"]


def refusal(call):
    """What the client says, which it must at once."""
    with pytest.raises(JupiterOneApiError) as refused:
        call()
    return str(refused.value)


# --- queries ------------------------------------------------------------------------------------------------------


def test_query_v1_reads_all_pages_by_cursor(world, client):
    rows = client(*SUPER).query_v1("FIND *")["data"]
    assert len(rows) == len(world.entities) > 2000
    assert {row["entity"]["_id"] for row in rows} == world.entities


def test_query_v1_goes_on_from_a_cursor(client):
    made = client(*SUPER)
    text = "FIND github_repo AS r RETURN r._key AS key ORDER BY r._key"
    rows = made.query_v1(text)["data"]
    variables = {"query": text, "includeDeleted": False}
    first = made._execute_query(constants.CURSOR_QUERY_V1, variables)["data"]["queryV1"]
    assert rows == first["data"] + made.query_v1(text, cursor=first["cursor"])["data"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_query_v1_reads_all_pages_by_skip_and_limit(world, client):
    rows = client(*SUPER).query_v1("FIND *", skip=250, limit=250)["data"]
    assert {row["entity"]["_id"] for row in rows} == world.entities


def test_query_v1_stops_at_the_limit_in_the_query(client):
    assert len(client(*SUPER).query_v1("FIND * LIMIT 7")["data"]) == 7


def test_query_v1_gives_a_tree(client):
    tree = client(*SUPER).query_v1("FIND github_repo THAT RELATES TO * RETURN TREE")
    assert tree["vertices"]
    assert tree["edges"]


def test_a_deferred_query_reads_all_pages(world, client):
    rows = client(*SUPER).query_with_deferred_response("FIND *")
    assert {row["entity"]["_id"] for row in rows} == world.entities


@pytest.mark.parametrize("statements", [REPOS, DASHBOARD, SYNCHRONIZE])
def test_a_query_that_the_key_may_not_ask_is_told_where_to_go(world, client, statements):
    assert "/j1ql" in refusal(lambda: client(*statements).query_v1("FIND *"))
    assert world.received == []


def test_a_deferred_query_that_the_key_may_not_ask_ends_at_once(world, client):
    """The client looks into the answer without asking whether it is an error."""
    with pytest.raises(TypeError):
        client(*REPOS).query_with_deferred_response("FIND *")
    assert world.received == []


def test_an_integration_key_asks_nothing(world, integration):
    assert "/j1ql" in refusal(lambda: integration.query_v1("FIND *"))
    assert world.received == []


@pytest.mark.parametrize("secret", ["gwa_notakeyatall", "a key of somebody else"])
def test_a_key_that_is_none_ends_at_once(world, secret):
    assert "401" in refusal(lambda: world.python_client(secret).query_v1("FIND *"))


def test_a_revoked_key_ends_at_once(world):
    made = world.python_client(world.revoked(*SUPER))
    assert "401" in refusal(lambda: made.query_v1("FIND *"))
    assert "401" in refusal(lambda: made.start_sync_job(INSTANCE, "DIFF", "integration-external"))
    assert world.received == []


# --- a key with a condition, where `queryV1` is open to it ----------------------------------------------------------


@pytest.fixture
def restricted(enforcing):
    return enforcing.python_client(enforcing.key(*REPOS).secret)


@pytest.fixture
def repos(enforcing):
    """What the key may see."""
    return {entity.get("_id") for entity in enforcing.upstream.graph.of_type("github_repo")}


def test_a_key_with_a_condition_reads_what_it_may_see_by_cursor(restricted, repos):
    assert len(repos) > 250, "there are several pages"
    rows = restricted.query_v1("FIND *")["data"]
    assert sorted(row["entity"]["_id"] for row in rows) == sorted(repos)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_key_with_a_condition_reads_what_it_may_see_by_skip_and_limit(restricted, repos):
    rows = restricted.query_v1("FIND *", skip=250, limit=250)["data"]
    assert sorted(row["entity"]["_id"] for row in rows) == sorted(repos)


def test_a_key_with_a_condition_reads_what_it_may_see_from_deferred_results(restricted, repos):
    rows = restricted.query_with_deferred_response("FIND *")
    assert sorted(row["entity"]["_id"] for row in rows) == sorted(repos)


def test_a_key_with_a_condition_gets_tables_and_trees(restricted, repos):
    assert restricted.query_v1("FIND * AS e RETURN COUNT(e) AS n")["data"] == [{"n": len(repos)}]
    tree = restricted.query_v1("FIND github_repo RETURN TREE")
    assert {vertex["entity"]["_id"] for vertex in tree["vertices"]} == repos


def test_what_cannot_be_narrowed_is_refused_in_words(restricted):
    assert "SOMEHOW" in refusal(lambda: restricted.query_v1("FIND github_repo THAT SOMEHOW RELATES TO User"))


# --- the loop of a key that does not work ---------------------------------------------------------------------------

LOOPS = """
import sys
from jupiterone import JupiterOneClient, constants
url, account, secret = sys.argv[1:]
JupiterOneClient(account=account, token=secret, url=url).query_with_deferred_response("FIND *")
"""


def test_the_loop_of_a_deferred_query_with_a_revoked_key_is_tamed(tmp_path):
    """The client asks again without end and without a pause, unless it is told to wait: that it does.

    The limit lets five through at once and one more every twelve seconds. The loopback is not taken for a proxy here:
    of a proxy's calls that name no caller nobody is limited.
    """
    limited = {"data": {"port": 0, "trusted_proxies": []}, "limits": {"bad_keys": "5/60"}}
    with installation(tmp_path, **limited) as world:
        words = [sys.executable, "-c", LOOPS, f"{world.url}/graphql", ACCOUNT, world.revoked(*SUPER)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            until(lambda: len(world.decisions()) > 5)
            time.sleep(3)
            told = [each["reason"] for each in world.decisions()]
            assert process.poll() is None
        finally:
            process.kill()
            process.wait()
        assert told == ["invalid_key"] * 5 + ["rate_limited"]
        assert world.received == []


# --- synchronization ----------------------------------------------------------------------------------------------


def server(number, **more):
    key = f"server:{number}"
    return {"_key": key, "_type": "demo_server", "_class": "Host", "displayName": key, "rank": number} | more


USES = {
    "_key": "server:1:uses:2",
    "_type": "demo_server_uses_server",
    "_class": "USES",
    "_fromEntityKey": "server:1",
    "_toEntityKey": "server:2",
}
RANKS = "FIND demo_server AS s RETURN s._key AS key, s.rank AS rank ORDER BY s.rank"


def start(made):
    return made.start_sync_job(instance_id=INSTANCE, sync_mode="DIFF", source="integration-external")["job"]["id"]


def test_a_whole_job_with_an_integration_key(client, integration):
    job = start(integration)
    integration.upload_entities_batch_json(instance_job_id=job, entities_list=[server(1), server(2)])
    integration.upload_relationships_batch_json(instance_job_id=job, relationships_list=[USES])
    integration.upload_combined_batch_json(
        instance_job_id=job, combined_payload={"entities": [server(3)], "relationships": []}
    )
    assert integration.finalize_sync_job(instance_job_id=job)["job"]["status"] == "FINISHED"
    rows = client(*SUPER).query_v1(RANKS)["data"]
    assert rows == [{"key": f"server:{n}", "rank": n} for n in (1, 2, 3)]


def test_a_job_that_is_aborted_changes_nothing(world, integration):
    before = world.count("demo_server")
    job = start(integration)
    integration.upload_entities_batch_json(instance_job_id=job, entities_list=[server(100)])
    assert integration.abort_sync_job(instance_job_id=job)["job"]["status"] == "ABORTED"
    assert world.count("demo_server") == before
    assert "JOB_NOT_AWAITING_UPLOADS" in refusal(lambda: integration.finalize_sync_job(instance_job_id=job))


def test_entities_are_deleted_in_bulk_by_a_key_that_may_synchronize_all(world, client, integration):
    job = start(integration)
    integration.upload_entities_batch_json(instance_job_id=job, entities_list=[server(1), server(2)])
    integration.finalize_sync_job(instance_job_id=job)
    made = client(*SYNCHRONIZE)
    doomed = [{"_id": entity.get("_id")} for entity in world.upstream.graph.of_type("demo_server")]
    job = made.start_sync_job(sync_mode="PATCH", source="api")["job"]["id"]
    made.bulk_delete_entities(instance_job_id=job, entities_list=doomed)
    made.finalize_sync_job(instance_job_id=job)
    assert world.count("demo_server") == 0


def test_an_integration_key_deletes_nothing_by_id(world, integration):
    job, entity = start(integration), next(iter(world.entities))
    world.forget()
    told = refusal(lambda: integration.bulk_delete_entities(instance_job_id=job, entities_list=[{"_id": entity}]))
    assert "its own integration" in told
    assert "deleteEntities" in told
    assert world.received == []


@pytest.mark.parametrize(
    "words",
    [
        {"instance_id": OTHER_INSTANCE, "sync_mode": "DIFF", "source": "integration-external"},
        {"instance_id": INSTANCE, "sync_mode": "DIFF", "source": None},
        {"instance_id": INSTANCE, "sync_mode": "PATCH", "source": "integration-external"},
        {"sync_mode": "DIFF", "source": "api"},
    ],
)
def test_a_job_outside_the_integration_is_refused_in_words(world, integration, words):
    told = refusal(lambda: integration.start_sync_job(**words))
    assert "403" in told
    assert "this key may" in told
    assert world.received == []


def test_the_job_of_another_integration_is_refused_in_words(world, integration):
    job = start(integration)
    other = world.python_client(world.integration_key(OTHER_INSTANCE).secret)
    calls = [
        lambda: other.upload_entities_batch_json(job, [server(1)]),
        lambda: other.upload_relationships_batch_json(job, [USES]),
        lambda: other.upload_combined_batch_json(job, {"entities": [server(1)]}),
        lambda: other.bulk_delete_entities(job, [{"_id": "x"}]),
        lambda: other.finalize_sync_job(job),
        lambda: other.abort_sync_job(job),
    ]
    world.forget()
    assert all("knows no such synchronization job" in refusal(call) for call in calls)
    assert world.received == []


# --- what else it has, and the sandbox too ------------------------------------------------------------------------


def test_parameters_are_written_read_and_listed(world, client):
    made = client(*SUPER)
    for name, value in {"threshold": 7, "regions": ["eu", "us"]}.items():
        assert made.create_update_parameter(name=name, value=value)["data"]["setParameter"]["success"]
    assert made.get_parameter_details(name="threshold")["data"]["parameter"]["value"] == 7
    listed = {each["name"]: each["value"] for each in made.list_account_parameters()}
    assert listed.keys() == world.upstream.account.parameters.keys()
    assert listed["regions"] == ["eu", "us"]


def test_a_parameter_s_own_grants_are_enough(client):
    client(*SUPER).create_update_parameter(name="granted", value="a")
    made = client(
        allow("parameters:GetParameter", "parameter:granted"),
        allow("parameters:GetParameterList", "parameter:granted"),
        allow("parameters:SetParameter", "parameter:granted"),
    )
    made.create_update_parameter(name="granted", value="b")
    assert made.get_parameter_details(name="granted")["data"]["parameter"]["value"] == "b"
    assert [each["name"] for each in made.list_account_parameters()] == ["granted"]
    assert "parameter:threshold" in refusal(lambda: made.get_parameter_details(name="threshold"))
    assert "parameter:threshold" in refusal(lambda: made.create_update_parameter(name="threshold", value=1))


def test_a_list_that_the_key_may_not_have_ends_at_once(world, client):
    """The client looks into the answer without asking whether it is an error."""
    with pytest.raises(TypeError):
        client(*DASHBOARD).list_account_parameters()
    assert world.received == []


def test_names_of_properties_and_tags_are_listed(client):
    made = client(*SUPER)
    assert "name" in made.fetch_all_entity_properties()
    assert all(name.startswith("tag.") for name in made.fetch_all_entity_tags())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_raw_data_of_an_entity_is_fetched(world, client):
    made = client(*SUPER)
    entity = next(each for each in world.upstream.graph.entities if each.get("_integrationInstanceId"))
    whole = made.fetch_entity_raw_data_v2(entity.get("_id"))
    assert whole["status"] == "AVAILABLE"
    assert made.fetch_entity_raw_data(entity.get("_id"))["data"]["entityRawDataLegacy"]["payload"] == whole["payload"]


# --- every public method ------------------------------------------------------------------------------------------

ID = "0a1b2c3d-0a1b-4c2d-8e3f-0a1b2c3d4e5f"
RULE = {
    "name": "r",
    "description": "d",
    "tags": [],
    "polling_interval": "ONE_DAY",
    "severity": "INFO",
    "j1ql": "FIND Host",
}
QUESTION = [{"query": "FIND Host"}]

HAVE = {
    "query_v1": "query_v1_reads_all_pages_by_cursor",
    "query_with_deferred_response": "a_deferred_query_reads_all_pages",
    "start_sync_job": "a_whole_job_with_an_integration_key",
    "upload_entities_batch_json": "a_whole_job_with_an_integration_key",
    "upload_relationships_batch_json": "a_whole_job_with_an_integration_key",
    "upload_combined_batch_json": "a_whole_job_with_an_integration_key",
    "finalize_sync_job": "a_whole_job_with_an_integration_key",
    "abort_sync_job": "a_job_that_is_aborted_changes_nothing",
    "bulk_delete_entities": "entities_are_deleted_in_bulk_by_a_key_that_may_synchronize_all",
    "create_update_parameter": "parameters_are_written_read_and_listed",
    "get_parameter_details": "parameters_are_written_read_and_listed",
    "list_account_parameters": "parameters_are_written_read_and_listed",
    "fetch_all_entity_properties": "names_of_properties_and_tags_are_listed",
    "fetch_all_entity_tags": "names_of_properties_and_tags_are_listed",
    "fetch_entity_raw_data": "raw_data_of_an_entity_is_fetched",
    "fetch_entity_raw_data_v2": "raw_data_of_an_entity_is_fetched",
}
"""Methods whose answers the sandbox has, and the test of each."""

ARRIVE = {
    "create_entity": ("createEntity", {"entity_key": "k", "entity_type": "t", "entity_class": "Host"}),
    "update_entity": ("updateEntity", {"entity_id": ID, "properties": {"a": 1}}),
    "update_entity_v2": ("updateEntityV2", {"entity_id": ID, "properties": {"a": 1}}),
    "delete_entity": ("deleteEntityV2", {"entity_id": ID}),
    "create_relationship": (
        "createRelationship",
        {
            "relationship_key": "k",
            "relationship_type": "t",
            "relationship_class": "HAS",
            "from_entity_id": ID,
            "to_entity_id": ID,
        },
    ),
    "update_relationship": (
        "updateRelationship",
        {"relationship_id": ID, "from_entity_id": ID, "to_entity_id": ID, "properties": {}},
    ),
    "delete_relationship": ("deleteRelationship", {"relationship_id": ID, "from_entity_id": ID, "to_entity_id": ID}),
    "create_integration_instance": ("createIntegrationInstance", {"instance_name": "n"}),
    "fetch_integration_instances": ("integrationInstancesV2", {}),
    "get_integration_instance_details": ("integrationInstance", {"instance_id": ID}),
    "fetch_integration_jobs": ("integrationJobs", {"instance_id": ID}),
    "fetch_integration_job_events": ("integrationEvents", {"instance_id": ID, "instance_job_id": ID}),
    "get_integration_definition_details": ("findIntegrationDefinition", {"integration_type": "aws"}),
    "update_integration_instance_config_value": (
        "integrationInstance",
        {"instance_id": ID, "config_key": "a", "config_value": "b"},
    ),
    "create_smartclass": ("createSmartClass", {"smartclass_name": "n", "smartclass_description": "d"}),
    "create_smartclass_query": ("createSmartClassQuery", {"smartclass_id": ID, "query": "FIND Host"}),
    "evaluate_smartclass": ("evaluateSmartClassRule", {"smartclass_id": ID}),
    "get_smartclass_details": ("smartClass", {"smartclass_id": ID}),
    "generate_j1ql": ("j1qlFromNaturalLanguage", {"natural_language_prompt": "all hosts"}),
    "list_alert_rules": ("listRuleInstances", {}),
    "get_alert_rule_details": ("listRuleInstances", {"rule_id": ID}),
    "create_alert_rule": ("createInlineQuestionRuleInstance", RULE),
    "delete_alert_rule": ("deleteRuleInstance", {"rule_id": ID}),
    "update_alert_rule": ("listRuleInstances", {"rule_id": ID}),
    "evaluate_alert_rule": ("evaluateRuleInstance", {"rule_id": ID}),
    "list_alert_rule_evaluation_results": ("listCollectionResults", {"rule_id": ID}),
    "list_questions": ("questions", {}),
    "get_question_details": ("question", {"question_id": ID}),
    "create_question": ("createQuestion", {"title": "t", "queries": QUESTION}),
    "update_question": ("updateQuestion", {"question_id": ID, "title": "t"}),
    "delete_question": ("deleteQuestion", {"question_id": ID}),
    "get_compliance_framework_item_details": ("complianceFrameworkItem", {"item_id": ID}),
    "invoke_cft_integration": ("invokeIntegrationInstance", {"integration_instance_id": ID}),
}
"""Methods that the sandbox answers with an error, with the root field each begins with, and words for a call: that a
key which may do everything gets its documents to the platform unchanged can be told all the same."""

NOWHERE = {
    "get_cft_upload_url": {"integration_instance_id": ID, "filename": "data.csv", "dataset_id": "d"},
    "fetch_evaluation_result_download_url": {"raw_data_key": "k"},
}
"""Methods that ask for an address which leads past the gateway: it is given to no key."""

ELSEWHERE = {"upload_cft_file", "fetch_downloaded_evaluation_results"}
"""Methods that speak to such an address alone."""


def test_every_public_method_is_accounted_for():
    public = {name for name, value in vars(JupiterOneClient).items() if callable(value) and name[0] != "_"}
    assert public == HAVE.keys() | ARRIVE.keys() | NOWHERE.keys() | ELSEWHERE
    assert all(f"test_{name}" in globals() for name in HAVE.values())


@pytest.mark.parametrize("method", ARRIVE)
def test_its_documents_arrive_as_they_were_sent(world, client, method):
    field, words = ARRIVE[method]
    with suppress(JupiterOneApiError, TypeError, KeyError):
        getattr(client(*SUPER), method)(**words)
    first = documents(world)[0]["query"]
    assert re.search(rf"\b{field}\b", first)
    assert first in vars(constants).values()


@pytest.mark.parametrize("method", ARRIVE)
@pytest.mark.parametrize("statements", [DASHBOARD, REPOS])
def test_what_the_key_may_not_do_ends_at_once(world, client, method, statements):
    """Where the client looks into the answer without asking whether it is an error, with an error of its own."""
    _, words = ARRIVE[method]
    with pytest.raises((JupiterOneApiError, TypeError)) as ended:
        getattr(client(*statements), method)(**words)
    if ended.type is JupiterOneApiError:
        assert "FORBIDDEN" in str(ended.value)
        assert "needs a key that may" in str(ended.value) or "open to keys" in str(ended.value)
    assert world.received == []


@pytest.mark.parametrize("method", NOWHERE)
@pytest.mark.parametrize("statements", [SUPER, DASHBOARD])
def test_an_address_that_leads_past_the_gateway_is_given_to_nobody(world, client, method, statements):
    assert "so no key may use it" in refusal(lambda: getattr(client(*statements), method)(**NOWHERE[method]))
    assert world.received == []
