from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sandbox.account import INTEGRATION_INSTANCE, INTEGRATIONS, Account
from gateway.sandbox.graph import Graph, scope_of
from gateway.sandbox.synchronization import Jobs, Status
from gateway.sandbox.uploads import Flags, SynchronizationError, read_chunk

MEMBERS = ("entities", "relationships", "deleteEntities", "deleteRelationships")
SCOPED = {"source": "api", "scope": "s"}
INTEGRATION = {"source": "integration-external", "integrationInstanceId": INTEGRATION_INSTANCE}


class Bench:
    """Jobs over a graph, with a clock that ticks."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.jobs = Jobs(Account("acct", 0), self.graph)
        self.now = 1000

    def start(self, **body):
        return self.jobs.create(body, self.tick())

    def upload(self, job, *, flags=Flags(), **members):  # noqa: B008 - a value
        self.jobs.upload(job, read_chunk(members, MEMBERS, job.mode, flags), flags)

    def finish(self, job, kept=frozenset()):
        self.jobs.finalize(job, kept, self.tick())
        return {name: count for name, count in job.wire().items() if name.startswith("num") and count}

    def run(self, *, about=SCOPED, **members):
        """A whole job."""
        job = self.start(**about)
        self.upload(job, **members)
        return self.finish(job)

    def tick(self):
        self.now += 1
        return self.now

    def keys(self):
        return [thing.get("_key") for thing in self.graph.entities]


@pytest.fixture
def bench():
    return Bench()


def app(key, **properties):
    return {"_key": key, "_type": "app", "_class": "Application", "displayName": key, **properties}


def has(start, end, key=None, **more):
    names = {"_key": key or f"{start}-{end}", "_type": "app_has_app", "_class": "HAS"}
    return {**names, "_fromEntityKey": start, "_toEntityKey": end, **more}


def test_a_job_creates_entities_and_the_relationships_between_them(bench):
    counts = bench.run(entities=[app("1"), app("2")], relationships=[has("1", "2")])
    assert counts == {
        "numEntitiesUploaded": 2,
        "numEntitiesCreated": 2,
        "numRelationshipsUploaded": 1,
        "numRelationshipsCreated": 1,
    }
    (edge,) = bench.graph.relationships
    assert bench.graph.entity(edge.from_id).get("_key") == "1"
    assert edge.get("_toEntityKey") == "2"


def test_nothing_shows_before_a_job_is_finalized(bench):
    job = bench.start(**SCOPED)
    bench.upload(job, entities=[app("1")])
    assert len(bench.graph) == 0
    assert job.status is Status.AWAITING_UPLOADS
    bench.finish(job)
    assert len(bench.graph) == 1
    assert job.status is Status.FINISHED


def test_metadata_is_given_by_the_platform(bench):
    bench.run(about=INTEGRATION, entities=[app("1", _id="stolen", _integrationInstanceId="other")])
    (entity,) = bench.graph.entities
    assert entity.get("_accountId") == "acct"
    assert entity.get("_source") == "integration-external"
    assert entity.get("_integrationInstanceId") == INTEGRATION_INSTANCE
    assert entity.get("_integrationType") == "custom"
    assert entity.get("_id") != "stolen"
    assert (entity.get("_version"), entity.get("_deleted"), entity.get("_createdOn")) == (1, False, 1002)


def test_a_diff_job_deletes_what_its_scope_has_no_longer(bench):
    bench.run(entities=[app("1"), app("2")], relationships=[has("1", "2")])
    counts = bench.run(entities=[app("2"), app("3")])
    assert bench.keys() == ["2", "3"]
    assert counts == {
        "numEntitiesUploaded": 2,
        "numEntitiesCreated": 1,
        "numEntitiesDeleted": 1,
        "numRelationshipsDeleted": 1,
    }


def test_a_diff_job_leaves_other_scopes_alone(bench):
    bench.run(about={"source": "api", "scope": "mine"}, entities=[app("1")])
    bench.run(about={"source": "api", "scope": "yours"}, entities=[app("1")])
    bench.run(about=INTEGRATION, entities=[app("1")])
    assert {scope_of(thing) for thing in bench.graph.entities} == {
        "api:mine",
        "api:yours",
        f"integration:{INTEGRATION_INSTANCE}",
    }


def test_partial_data_sets_are_not_deleted(bench):
    bench.run(entities=[app("1"), {**app("2"), "_type": "host"}])
    job = bench.start(**SCOPED)
    bench.upload(job, entities=[])
    bench.finish(job, frozenset({"host"}))
    assert bench.keys() == ["2"]


def test_an_unchanged_entity_keeps_its_version_and_a_changed_one_its_ids(bench):
    bench.run(entities=[app("1", port=1), app("2")])
    before = {thing.get("_key"): thing for thing in bench.graph.entities}
    counts = bench.run(entities=[app("1", port=True), app("2")])
    after = {thing.get("_key"): thing for thing in bench.graph.entities}
    assert counts["numEntitiesUpdated"] == 1
    assert after["2"] is before["2"]
    assert (after["1"].id, after["1"].get("_id")) == (before["1"].id, before["1"].get("_id"))
    assert after["1"].get("_version") == 2
    assert after["1"].get("_createdOn") == before["1"].get("_createdOn") < after["1"].get("_beginOn")
    assert after["1"].get("port") is True


def test_a_patch_job_writes_the_properties_that_it_names_and_deletes_nothing(bench):
    bench.run(entities=[app("1", port=1, name="one"), app("2")])
    counts = bench.run(about={**SCOPED, "syncMode": "PATCH"}, entities=[{"_key": "1", "port": 2}, app("3")])
    assert counts == {"numEntitiesUploaded": 2, "numEntitiesUpdated": 1, "numEntitiesCreated": 1}
    one = bench.graph.entity_by_key("api:s", "1")
    assert (one.get("port"), one.get("name"), one.get("_type")) == (2, "one", ["app"])
    assert bench.keys() == ["1", "2", "3"]


def test_a_patch_by_id_reaches_another_scope(bench):
    bench.run(about=INTEGRATION, entities=[app("1")])
    (entity,) = bench.graph.entities
    bench.run(about={**SCOPED, "syncMode": "PATCH"}, entities=[{"_id": entity.get("_id"), "risk": 5}])
    (patched,) = bench.graph.entities
    assert patched.get("risk") == 5
    assert scope_of(patched) == scope_of(entity)


def test_a_patch_of_an_unknown_entity_is_counted_as_an_error(bench):
    counts = bench.run(about={**SCOPED, "syncMode": "PATCH"}, entities=[{"_id": "nobody", "risk": 5}])
    assert counts == {"numEntitiesUploaded": 1, "numEntityUpdateErrors": 1}


def test_named_objects_are_deleted_by_id_anywhere_and_by_key_in_the_scope(bench):
    bench.run(about=INTEGRATION, entities=[app("1"), app("2")], relationships=[has("1", "2")])
    bench.run(entities=[app("1"), app("9")])
    first, second = bench.graph.of_type("app")[:2]
    (edge,) = bench.graph.relationships
    about = {**SCOPED, "syncMode": "CREATE_OR_UPDATE"}
    counts = bench.run(
        about=about,
        deleteRelationships=[{"_id": edge.get("_id")}, {"_key": "nothing"}],
        deleteEntities=[{"_id": first.get("_id")}, {"_key": "9"}, {"_key": "2"}],
    )
    assert counts["numEntitiesDeleted"] == 2
    assert counts["numEntityDeleteErrors"] == 1
    assert bench.graph.of_type("app") == [second, bench.graph.entity_by_key("api:s", "1")]
    assert list(bench.graph.relationships) == []


def test_a_relationship_without_both_ends_is_counted_as_an_error(bench):
    counts = bench.run(entities=[app("1")], relationships=[has("1", "nobody")])
    assert counts["numRelationshipCreateErrors"] == 1
    assert list(bench.graph.relationships) == []


def test_a_relationship_may_lead_to_an_entity_of_another_scope_by_id(bench):
    bench.run(about=INTEGRATION, entities=[app("far")])
    (far,) = bench.graph.entities
    edge = {"_key": "r", "_type": "app_has_app", "_class": "HAS", "_fromEntityKey": "1", "_toEntityId": far.get("_id")}
    assert bench.run(entities=[app("1")], relationships=[edge])["numRelationshipsCreated"] == 1


def test_a_relationship_is_updated_when_its_end_or_its_properties_change(bench):
    bench.run(entities=[app("1"), app("2"), app("3")], relationships=[has("1", "2", "r"), has("1", "3", "q")])
    counts = bench.run(
        entities=[app("1"), app("2"), app("3")],
        relationships=[has("1", "3", "r"), has("1", "3", "q", weight=1)],
    )
    assert counts["numRelationshipsUpdated"] == 2
    assert {edge.get("_toEntityKey") for edge in bench.graph.relationships} == {"3"}


def test_two_jobs_of_one_scope_do_not_mix_their_uploads(bench):
    first, second = bench.start(**SCOPED), bench.start(**SCOPED)
    bench.upload(first, entities=[app("1")])
    bench.upload(second, entities=[app("2")])
    bench.finish(first)
    assert bench.keys() == ["1"]
    bench.finish(second)
    assert bench.keys() == ["2"]


def test_an_aborted_job_changes_nothing_and_takes_nothing_more(bench):
    job = bench.start(**SCOPED)
    bench.upload(job, entities=[app("1")])
    job.end(Status.ABORTED)
    with pytest.raises(SynchronizationError) as refused:
        bench.jobs.waiting(job.id)
    assert refused.value.code == "JOB_NOT_AWAITING_UPLOADS"
    assert len(bench.graph) == 0


def test_a_key_that_occurs_twice_is_refused_whole_unless_the_latest_may_win(bench):
    job = bench.start(**SCOPED)
    bench.upload(job, entities=[app("1", port=1)])
    for entities in ([app("2"), app("1", port=2)], [app("3"), app("3")]):
        with pytest.raises(SynchronizationError) as refused:
            bench.upload(job, entities=entities)
        assert refused.value.code == "DUPLICATE_KEY"
    bench.upload(job, entities=[app("1", port=3)], flags=Flags(latest=True))
    bench.finish(job)
    assert [thing.get("port") for thing in bench.graph.entities] == [3]


def test_an_integration_job_id_names_the_job_even_one_of_another_integration(bench):
    job = bench.start(**INTEGRATION, integrationJobId="job-1")
    other = INTEGRATION | {"integrationInstanceId": INTEGRATIONS["aws"].id}
    assert bench.start(**other, integrationJobId="job-1") is job
    assert job.wire()["integrationInstanceId"] == INTEGRATION_INSTANCE
    assert job.wire()["integrationJobId"] == job.id == "job-1"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "INVALID_SOURCE"),
        ({"source": None}, "INVALID_SOURCE"),
        ({"source": "elsewhere"}, "INVALID_SOURCE"),
        ({"source": "api"}, "MISSING_SCOPE"),
        ({"source": "api", "scope": ""}, "INVALID_REQUEST_BODY"),
        ({"source": "api", "scope": 5}, "INVALID_REQUEST_BODY"),
        ({"source": "api", "scope": "s", "syncMode": "OVERRIDE"}, "INVALID_SYNC_MODE"),
        ({"source": "api", "integrationInstanceId": INTEGRATION_INSTANCE}, "INVALID_SOURCE"),
        ({"source": "integration-external"}, "INTEGRATION_INSTANCE_NOT_FOUND"),
        ({"source": "integration-external", "integrationInstanceId": "nobody"}, "INTEGRATION_INSTANCE_NOT_FOUND"),
        ({**INTEGRATION, "scope": "s"}, "INVALID_SCOPE"),
    ],
)
def test_a_job_that_cannot_be_is_refused_with_a_code(bench, body, code):
    with pytest.raises(SynchronizationError) as refused:
        bench.start(**body)
    assert refused.value.code == code


def test_old_jobs_are_forgotten(bench):
    bench.jobs = Jobs(Account("acct", 0), bench.graph, keep=2)
    first, second, third = (bench.start(**SCOPED) for _ in range(3))
    with pytest.raises(SynchronizationError) as refused:
        bench.jobs.get(first.id)
    assert refused.value.status == 404
    assert bench.jobs.get(second.id) is second
    assert bench.jobs.get(third.id) is third


UPLOADS = st.lists(st.dictionaries(st.sampled_from("abcde"), st.integers(0, 2), max_size=4), min_size=1, max_size=4)


@given(UPLOADS)
@settings(max_examples=settings().max_examples // 2)
def test_after_a_diff_job_the_scope_holds_exactly_what_was_uploaded(uploads):
    bench = Bench()
    for upload in uploads:
        keys = sorted(upload)
        edges = [has(start, end) for start, end in pairwise(keys)]
        bench.run(entities=[app(key, port=upload[key]) for key in keys], relationships=edges)
        assert {thing.get("_key"): thing.get("port") for thing in bench.graph.entities} == upload
        assert {edge.get("_key") for edge in bench.graph.relationships} == {edge["_key"] for edge in edges}
