"""Synchronization calls and the integration instance that each is tied to."""

from __future__ import annotations

import json

import pytest

from gateway.authz import Rules, plan
from gateway.authz.outcome import Deny, Facts, Forward, Job, Learn, NeedBody, NeedJob, Pass, Upstream
from gateway.http1 import Reason

JOBS = "/persister/synchronization/jobs"
MINE, OTHER = "instance-1", "instance-2"
MAPPED = {
    "_key": "r",
    "_mapping": {
        "sourceEntityKey": "a",
        "relationshipDirection": "FORWARD",
        "targetFilterKeys": [["_type", "email"]],
        "targetEntity": {"_type": "person", "email": "a@acme.example"},
    },
}
"""A relationship to whatever entity the platform finds by these properties."""
CREATE = {"source": "integration-external", "integrationInstanceId": MINE}


@pytest.fixture
def scoped(principal, statements):
    """An integration key's principal."""
    allow, _ = statements
    return principal(allow(["persister:Synchronize"], [f"integration:{MINE}"]))


@pytest.fixture
def unscoped(principal, statements):
    allow, _ = statements
    return principal(allow(["persister:Synchronize"]))


def decide(call, who, *jobs):
    return plan(call, who, Facts(tuple(jobs)), Rules(), 0)


def test_a_job_of_the_keys_own_instance_is_created(call, scoped):
    made = decide(call(JOBS, CREATE), scoped)
    assert isinstance(made, Forward)
    assert (made.upstream, made.path, made.answer) == (Upstream.PERSISTER, JOBS, Learn(MINE))


def test_the_body_is_read_only_for_a_key_that_synchronizes(call, scoped, principal, statements):
    allow, _ = statements
    assert decide(call(JOBS), scoped) == NeedBody(Rules().job_body)
    assert isinstance(decide(call(JOBS), principal(allow(["query:ReadGraphData"]))), Deny)


@pytest.mark.parametrize(
    "change",
    [
        {"integrationInstanceId": OTHER},
        {"integrationInstanceId": None},
        {"integrationInstanceId": ""},
        {"integrationInstanceId": [MINE]},
        {"source": "api"},
        {"source": None},
        {"source": "system-internal"},
        {"scope": "somebody-elses"},
        {"syncMode": "CROSS_SCOPE"},
        {"syncMode": "OVERRIDE"},
        {"syncMode": "PATCH"},
        {"syncMode": ["DIFF"]},
        {"integrationJobId": 7},
        {"scopes": ["somebody-elses"]},
    ],
)
def test_a_creation_that_reaches_past_the_instance_is_refused(call, scoped, change):
    """Edge case 76."""
    assert isinstance(decide(call(JOBS, CREATE | change), scoped), Deny)


def test_an_unscoped_key_may_do_all_of_that(call, unscoped):
    for change in (
        {"integrationInstanceId": OTHER},
        {"source": "api", "integrationInstanceId": None},
        {"syncMode": "PATCH"},
    ):
        assert isinstance(decide(call(JOBS, CREATE | change), unscoped), Forward)


def test_a_named_job_must_be_new_or_the_instances_own(call, scoped):
    body = CREATE | {"integrationJobId": "job-1"}
    assert decide(call(JOBS, body), scoped) == NeedJob("job-1")
    assert isinstance(decide(call(JOBS, body), scoped, ("job-1", None)), Forward)
    assert isinstance(decide(call(JOBS, body), scoped, ("job-1", Job(MINE))), Forward)
    assert decide(call(JOBS, body), scoped, ("job-1", Job(OTHER))).refusal.reason is Reason.UNKNOWN_JOB


@pytest.mark.parametrize("part", ["events", "finalize", "abort"])
def test_calls_below_a_job_follow_its_instance(call, scoped, part):
    ask = call(f"{JOBS}/job-1/{part}")
    assert decide(ask, scoped) == NeedJob("job-1")
    assert decide(ask, scoped, ("job-1", Job(MINE))).answer == Pass()
    assert decide(ask, scoped, ("job-1", Job(MINE))).body is None


def test_foreign_unknown_and_unbound_jobs_are_refused_alike(call, scoped):
    ask = call(f"{JOBS}/job-1/finalize")
    refusals = {decide(ask, scoped, ("job-1", job)).refusal for job in (None, Job(OTHER), Job(None))}
    assert [refusal.reason for refusal in refusals] == [Reason.UNKNOWN_JOB]


def test_the_job_itself_can_be_read(call, scoped):
    assert isinstance(decide(call(f"{JOBS}/job-1", method="GET"), scoped, ("job-1", Job(MINE))), Forward)
    assert isinstance(decide(call(f"{JOBS}/job-1", method="POST"), scoped, ("job-1", Job(MINE))), Deny)
    assert isinstance(decide(call(f"{JOBS}/job-1/finalize", method="GET"), scoped, ("job-1", Job(MINE))), Deny)


def test_a_scoped_upload_is_read_before_it_passes(call, scoped, unscoped):
    ask = call(f"{JOBS}/job-1/upload")
    assert decide(ask, scoped, ("job-1", Job(MINE))) == NeedBody(Rules().upload_body, gzip=True)
    assert isinstance(decide(ask, unscoped, ("job-1", Job(MINE))), Forward)


@pytest.mark.parametrize("part", ["entities", "relationships", "upload"])
def test_what_is_uploaded_by_a_scoped_key_is_read_first(call, scoped, unscoped, part):
    ask = call(f"{JOBS}/job-1/{part}")
    assert decide(ask, scoped, ("job-1", Job(MINE))) == NeedBody(Rules().upload_body, gzip=True)
    assert decide(ask, unscoped, ("job-1", Job(MINE))).body is None


@pytest.mark.parametrize("part", ["entities", "relationships"])
def test_a_scoped_key_sends_to_a_part_what_the_part_is_for(call, scoped, part):
    for name in ("entities", "relationships", "deleteEntities"):
        made = decide(call(f"{JOBS}/job-1/{part}", {name: []}), scoped, ("job-1", Job(MINE)))
        assert isinstance(made, Forward) is (name == part)


@pytest.mark.parametrize(
    ("body", "passes"),
    [
        ({"entities": [], "relationships": []}, True),
        ({"relationships": [{"_key": "r", "_fromEntityKey": "a", "_toEntityKey": "b"}]}, True),
        ({"relationships": [{"_key": "r", "_fromEntityId": "a", "_toEntityKey": "b"}]}, False),
        ({"relationships": [{"_key": "r", "_fromEntityKey": "a", "_toEntityScope": "b"}]}, False),
        ({"entities": [{"_key": "a"}, {"_id": "b"}]}, False),
        ({"entities": [{"_key": "a"}]}, True),
        ({"entities": None, "relationships": []}, True),
        ({"entities": [{"_key": "a", "_rawData": [{"rawData": {"_id": "x", "_toEntityId": "y"}}]}]}, True),
        ({"entities": [{"_key": "a", "_integrationInstanceId": MINE}]}, True),
        ({"entities": [{"_key": "a", "_integrationInstanceId": OTHER}]}, False),
        ({"entities": [{"_key": "a", "_integrationInstanceId": None}]}, False),
        ({"entities": [{"_key": "a", "_scope": "elsewhere"}]}, False),
        ({"relationships": [MAPPED]}, True),
        ({"relationships": [MAPPED | {"_mapping": {"targetEntity": {"_id": "x"}}}]}, False),
        ({"relationships": [MAPPED | {"_mapping": {"targetFilterKeys": [["_type", "_id"]]}}]}, False),
        ({"entities": {"_key": "a"}}, False),
        ({"entities": {"0": {"_id": "b"}, "length": 1}}, False),
        ({"entities": [[{"_id": "b"}]]}, False),
        ({"entities": ["a"]}, False),
        ({"deleteEntities": [{"_id": "x"}]}, False),
        ({"entities": [], "deleteRelationships": []}, False),
        ({"anythingElse": 1}, False),
        ([], False),
        (b'{"entities": [], "entities": []}', False),
        (b'{"entities":[],"entities":[{"_id":"b"}]}', False),
        (b'{"entities":[{"_key":"a","_key":"b"}]}', False),
        (b'{"entities":[{"_key":"a","\\u005fid":"b"}]}', False),
        (b'{"entities":[{"_key":"\xff"}]}', False),
        (b'{"entities":[{"_key":"a","_mapping":{"a":1,"a":2}}]}', False),
        (b'{"entities":' + b"[" * 2_000 + b"]" * 2_000 + b"}", False),
        (b'{"entities":[{"_key":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}", False),
        (b"", False),
        (b"not json", False),
    ],
)
def test_a_scoped_upload_names_nothing_outside_its_integration(call, scoped, body, passes):
    """However a body is spelt, the decision is the same, and what is passed on are the bytes that were read."""
    spellings = [body]
    if not isinstance(body, bytes):
        spellings = [json.dumps(body).encode(), json.dumps(body, separators=(",", ":")).encode()]
    for spelling in spellings:
        made = decide(call(f"{JOBS}/job-1/upload", spelling), scoped, ("job-1", Job(MINE)))
        assert isinstance(made, Forward) is passes
        assert not passes or made.body == spelling


@pytest.mark.parametrize(
    ("part", "query", "passes"),
    [
        ("entities", "ignoreDuplicates=true&ignoreIllegalProperties=true", True),
        ("entities", "ignoreDuplicates=true&syncMode=PATCH", False),
        ("upload", "scope=other", False),
        ("upload", "%73cope=other", False),
        ("upload", "&", False),
        ("finalize", "ignoreDuplicates=true", False),
        ("finalize", "", True),
    ],
)
def test_a_scoped_key_has_the_documented_parameters_alone(call, scoped, unscoped, part, query, passes):
    ask = call(f"{JOBS}/job-1/{part}", {"entities": []}, query=query)
    assert isinstance(decide(ask, scoped, ("job-1", Job(MINE))), Forward) is passes
    assert isinstance(decide(ask, unscoped, ("job-1", Job(MINE))), Forward)


def test_a_creation_by_a_scoped_key_has_no_parameters(call, scoped):
    assert isinstance(decide(call(JOBS, CREATE, query="integrationInstanceId=other"), scoped), Deny)


def test_a_key_that_may_do_all_but_one_integration_is_a_scoped_key(call, principal, statements):
    allow, deny = statements
    who = principal(allow(["*"]), deny(["persister:Synchronize"], [f"integration:{OTHER}"]))
    assert isinstance(decide(call(JOBS, CREATE), who), Forward)
    assert isinstance(decide(call(JOBS, {"source": "api", "scope": "s"}), who), Deny)
    assert isinstance(decide(call(JOBS, CREATE | {"integrationInstanceId": OTHER}), who), Deny)
    body = {"deleteEntities": [{"_id": "x"}]}
    assert isinstance(decide(call(f"{JOBS}/job-1/upload", body), who, ("job-1", Job(MINE))), Deny)


def test_an_upload_url_is_for_unscoped_keys(call, scoped, unscoped):
    ask = call(f"{JOBS}/job-1/uploadUrl")
    assert isinstance(decide(ask, scoped, ("job-1", Job(MINE))), Deny)
    assert isinstance(decide(ask, unscoped, ("job-1", Job(MINE))), Forward)


@pytest.mark.parametrize(
    "path",
    [
        f"{JOBS}/",
        f"{JOBS}/job-1/",
        f"{JOBS}/job-1/other",
        f"{JOBS}/../jobs",
        f"{JOBS}/a/b/c",
        f"{JOBS}/job_1",
        f"{JOBS}//x",
    ],
)
def test_other_paths_lead_nowhere(call, unscoped, path):
    assert decide(call(path), unscoped).refusal.reason is Reason.UNKNOWN_ROUTE


def test_an_integration_key_can_do_nothing_else(call, scoped):
    """Edge case 77."""
    for ask in (
        call("/j1ql", {"query": "FIND *"}),
        call("/graphql", {"query": '{ getDashboard(dashboardId: "123456") { id } }'}),
        call("/graphql", {"query": '{ queryV1(query: "FIND *") { data } }'}),
        call("/graphql", {"query": "{ resourceGroups { id } }"}),
    ):
        assert isinstance(decide(ask, scoped), Deny)
