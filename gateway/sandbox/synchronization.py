"""Synchronization jobs: collect uploads, then change the graph in one step.

The life cycle is that of the JupiterOne documentation ("Entity and Relationship Synchronization", "Sync jobs"):

    create -> AWAITING_UPLOADS -> upload ... -> finalize -> FINISHED
                              \\-> abort -> ABORTED

Uploads stay with their job until it is finalized; then entities come first, relationships second, because these may
name entities of the same job. The real service works on in the background (FINALIZE_PENDING); here the answer to
`finalize` is the finished job, as the documentation shows it for a local run.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar
from uuid import uuid4

from gateway.sandbox.account import Account
from gateway.sandbox.graph import Entity, Graph, Relationship, scope_of
from gateway.sandbox.origin import Item, Origin, make_entity, make_relationship
from gateway.sandbox.uploads import Chunk, Edge, Flags, Mode, Patch, Reference, SynchronizationError

Thing = TypeVar("Thing", Entity, Relationship)

SOURCES = ("api", "integration-managed", "integration-external")

COUNTERS = (
    "numEntitiesUploaded", "numEntitiesCreated", "numEntitiesUpdated", "numEntitiesDeleted",
    "numEntityCreateErrors", "numEntityUpdateErrors", "numEntityDeleteErrors", "numEntityRawDataEntriesUploaded",
    "numRelationshipsUploaded", "numRelationshipsCreated", "numRelationshipsUpdated", "numRelationshipsDeleted",
    "numRelationshipCreateErrors", "numRelationshipUpdateErrors", "numRelationshipDeleteErrors",
)  # fmt: skip


class Status(StrEnum):
    """Where a job stands; the real service has more, for what it does in the background."""

    AWAITING_UPLOADS = "AWAITING_UPLOADS"
    FINISHED = "FINISHED"
    ABORTED = "ABORTED"


@dataclass(slots=True)
class Job:
    """One synchronization job. What was uploaded is kept by key until it ends."""

    id: str
    origin: Origin
    mode: Mode
    started: int
    integration_job: str | None
    status: Status = Status.AWAITING_UPLOADS
    counts: Counter[str] = field(default_factory=Counter)
    entities: dict[str, Item] = field(default_factory=dict)
    relationships: dict[str, Edge] = field(default_factory=dict)
    patches: list[Patch] = field(default_factory=list)
    delete_entities: list[Reference] = field(default_factory=list)
    delete_relationships: list[Reference] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def wire(self) -> dict[str, Any]:
        """The job as answers show it, without what it does not have."""
        integration = self.origin.integration
        members = {
            "id": self.id,
            "source": self.origin.source,
            "scope": self.origin.scope,
            "integrationInstanceId": integration.id if integration else None,
            "integrationJobId": self.integration_job,
            "accountId": self.origin.account,
            "status": self.status,
            "done": self.status is not Status.AWAITING_UPLOADS,
            "syncMode": self.mode,
            "startTimestamp": self.started,
        }
        present = {name: value for name, value in members.items() if value is not None}
        return present | {name: self.counts[name] for name in COUNTERS}

    def end(self, status: Status) -> None:
        """Sets the last status and lets go of the uploads."""
        self.status = status
        for uploads in (self.entities, self.relationships, self.patches):
            uploads.clear()
        for references in (self.delete_entities, self.delete_relationships):
            references.clear()


class Jobs:
    """The jobs of one account, and the graph that they change."""

    def __init__(self, account: Account, graph: Graph, keep: int = 1000) -> None:
        """`keep` is how many jobs are remembered: a test that runs for hours must not fill the memory."""
        self._account = account
        self._graph = graph
        self._keep = keep
        self._jobs: dict[str, Job] = {}

    def create(self, body: Any, now: int) -> Job:
        """A new job, or the one whose id the `integrationJobId` is. Raises SynchronizationError.

        A job of an integration has an integration job of the same id, without which the SDK publishes no events.
        The platform documents that an `integrationJobId` is used as the id of the job, not what happens when there is
        one: here that one is answered, whatever integration it belongs to, the worst that a gateway has to expect.
        """
        if not isinstance(body, dict):
            raise SynchronizationError("INVALID_REQUEST_BODY", "the body should be a JSON object")
        origin, mode = self._origin(body), _mode(body)
        if origin.integration is None and origin.scope is None and mode is Mode.DIFF:
            raise SynchronizationError("MISSING_SCOPE", "a DIFF job needs a scope or an integration instance")
        integration_job = _optional_text(body, "integrationJobId")
        if integration_job is not None and integration_job in self._jobs:
            return self._jobs[integration_job]
        name = integration_job or str(uuid4())
        job = Job(name, origin, mode, now, name if origin.integration else integration_job)
        self._jobs[job.id] = job
        while len(self._jobs) > self._keep:
            del self._jobs[next(iter(self._jobs))]
        return job

    def get(self, job_id: str) -> Job:
        """The job of an id. Raises SynchronizationError."""
        job = self._jobs.get(job_id)
        if job is None:
            raise SynchronizationError("JOB_NOT_FOUND", f"there is no synchronization job {job_id}", 404)
        return job

    def waiting(self, job_id: str) -> Job:
        """The job of an id that still takes uploads. Raises SynchronizationError."""
        job = self.get(job_id)
        if job.status is not Status.AWAITING_UPLOADS:
            raise SynchronizationError("JOB_NOT_AWAITING_UPLOADS", f"the job is {job.status}")
        return job

    def upload(self, job: Job, chunk: Chunk, flags: Flags) -> None:
        """Adds an upload to a job: all of it or, if a key occurs twice, nothing. Raises SynchronizationError."""
        edges = {edge.item.key: edge for edge in chunk.relationships}
        items = {item.key: item for item in chunk.entities}
        if not flags.latest:
            _refuse_twice([item.key for item in chunk.entities], job.entities)
            _refuse_twice([edge.item.key for edge in chunk.relationships], job.relationships)
        job.entities |= items
        job.relationships |= edges
        job.patches += chunk.patches
        job.delete_entities += chunk.delete_entities
        job.delete_relationships += chunk.delete_relationships
        job.counts["numEntitiesUploaded"] += len(chunk.entities) + len(chunk.patches)
        job.counts["numRelationshipsUploaded"] += len(chunk.relationships)
        job.counts["numEntityRawDataEntriesUploaded"] += chunk.raw_data

    def finalize(self, job: Job, kept_types: frozenset[str], now: int) -> None:
        """Applies a job to the graph. Objects of `kept_types` (partial data sets) are not deleted by a DIFF."""
        _Finalization(self._graph, job, now).run(kept_types)
        job.end(Status.FINISHED)

    def _origin(self, body: Mapping[str, Any]) -> Origin:
        source, scope = _optional_text(body, "source"), _optional_text(body, "scope")
        instance = _optional_text(body, "integrationInstanceId")
        if source not in SOURCES:
            raise SynchronizationError("INVALID_SOURCE", f'"source" should be one of {", ".join(SOURCES)}')
        if source == "api":
            if instance is not None:
                raise SynchronizationError("INVALID_SOURCE", "an api job has no integration instance")
            return Origin(self._account.id, source, scope)
        if scope is not None:
            raise SynchronizationError("INVALID_SCOPE", "only an api job has a scope")
        integration = None if instance is None else self._account.integration(instance)
        if integration is None:
            raise SynchronizationError(
                "INTEGRATION_INSTANCE_NOT_FOUND", f"there is no integration instance {instance}", 404
            )
        return Origin(self._account.id, source, integration=integration)


def _mode(body: Mapping[str, Any]) -> Mode:
    name = _optional_text(body, "syncMode")
    try:
        return Mode.DIFF if name is None else Mode(name)
    except ValueError:
        raise SynchronizationError("INVALID_SYNC_MODE", f"sync mode {name} is not known here") from None


def _optional_text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise SynchronizationError("INVALID_REQUEST_BODY", f'"{name}" should be a string that is not empty')
    return value


def _refuse_twice(keys: list[str], known: Mapping[str, Any]) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in known or key in seen:
            raise SynchronizationError(
                "DUPLICATE_KEY", f'"{key}" was uploaded before; ignoreDuplicates=true lets the latest win'
            )
        seen.add(key)


class _Finalization:
    """One job on its way into the graph; nothing in here waits, so no query sees half of it."""

    def __init__(self, graph: Graph, job: Job, now: int) -> None:
        self.graph = graph
        self.job = job
        self.now = now
        self.scope = job.origin.name
        self.counts = job.counts

    def run(self, kept_types: frozenset[str]) -> None:
        for item in self.job.entities.values():
            self._put_entity(item)
        for patch in self.job.patches:
            self._patch(patch)
        if self.job.mode is Mode.DIFF:
            self._delete_missing_entities(kept_types)
        self._delete_named_entities()
        for edge in self.job.relationships.values():
            self._put_relationship(edge)
        if self.job.mode is Mode.DIFF:
            self._delete_missing_relationships(kept_types)
        self._delete_named_relationships()

    # --- entities -------------------------------------------------------------------------------------------------

    def _put_entity(self, item: Item) -> None:
        before = self.graph.entity_by_key(self.scope, item.key)
        if before is None:
            self.graph.put_entity(make_entity(self.job.origin, item, self.now))
            self.counts["numEntitiesCreated"] += 1
        elif _differs(before, item):
            self.graph.put_entity(make_entity(self.job.origin, item, self.now, before))
            self.counts["numEntitiesUpdated"] += 1

    def _patch(self, patch: Patch) -> None:
        before = self._find_entity(patch.target)
        if before is not None:
            self._revise(before, patch)
        elif patch.item is not None and patch.target.id is None:
            self._put_entity(patch.item)
        else:
            self.counts["numEntityUpdateErrors"] += 1

    def _revise(self, before: Entity, patch: Patch) -> None:
        properties = {**before.properties, **patch.properties}
        name = patch.display_name or before.get("displayName")
        if _text((properties, name)) == _text((before.properties, before.get("displayName"))):
            return
        version = {"displayName": name, "_version": before.get("_version") + 1, "_beginOn": self.now}
        self.graph.put_entity(replace(before, metadata={**before.metadata, **version}, properties=properties))
        self.counts["numEntitiesUpdated"] += 1

    def _delete_missing_entities(self, kept_types: frozenset[str]) -> None:
        for entity in self._of_this_scope(self.graph.entities):
            if entity.get("_key") not in self.job.entities and kept_types.isdisjoint(entity.get("_type")):
                self._delete_entity(entity)

    def _delete_named_entities(self) -> None:
        for reference in self.job.delete_entities:
            entity = self._find_entity(reference)
            if entity is None:
                self.counts["numEntityDeleteErrors"] += 1
            else:
                self._delete_entity(entity)

    def _delete_entity(self, entity: Entity) -> None:
        self.counts["numRelationshipsDeleted"] += sum(1 for _ in self.graph.around(entity.id))
        self.counts["numEntitiesDeleted"] += 1
        self.graph.delete_entity(entity.id)

    def _find_entity(self, reference: Reference) -> Entity | None:
        if reference.id is not None:
            return self.graph.entity_by_id(reference.id)
        return self.graph.entity_by_key(self.scope, reference.key or "")

    # --- relationships --------------------------------------------------------------------------------------------

    def _put_relationship(self, edge: Edge) -> None:
        start, end = self._find_entity(edge.ends[0]), self._find_entity(edge.ends[1])
        before = self.graph.relationship_by_key(self.scope, edge.item.key)
        if start is None or end is None:
            self.counts["numRelationshipCreateErrors"] += 1
            return
        moved = before is not None and (before.from_id, before.to_id) != (start.id, end.id)
        if before is None or moved or _differs(before, edge.item):
            self.graph.put_relationship(make_relationship(self.job.origin, edge.item, (start, end), self.now, before))
            self.counts["numRelationshipsUpdated" if before else "numRelationshipsCreated"] += 1

    def _delete_missing_relationships(self, kept_types: frozenset[str]) -> None:
        for relationship in self._of_this_scope(self.graph.relationships):
            if relationship.get("_key") not in self.job.relationships and relationship.get("_type") not in kept_types:
                self._delete_relationship(relationship)

    def _delete_named_relationships(self) -> None:
        for reference in self.job.delete_relationships:
            relationship = self._find_relationship(reference)
            if relationship is None:
                self.counts["numRelationshipDeleteErrors"] += 1
            else:
                self._delete_relationship(relationship)

    def _delete_relationship(self, relationship: Relationship) -> None:
        self.graph.delete_relationship(relationship.id)
        self.counts["numRelationshipsDeleted"] += 1

    def _find_relationship(self, reference: Reference) -> Relationship | None:
        if reference.id is not None:
            return self.graph.relationship_by_id(reference.id)
        return self.graph.relationship_by_key(self.scope, reference.key or "")

    def _of_this_scope(self, things: Iterable[Thing]) -> list[Thing]:
        return [thing for thing in things if scope_of(thing) == self.scope]


def _differs(before: Entity | Relationship, item: Item) -> bool:
    """Whether an upload changes an object; one that does not leaves its version alone."""
    single = isinstance(before, Relationship)
    uploaded_type, uploaded_class = (item.type, item.classes[0]) if single else ([item.type], list(item.classes))
    stored = (before.get("_type"), before.get("_class"), before.get("displayName"), before.properties)
    return _text(stored) != _text((uploaded_type, uploaded_class, item.display_name, item.properties))


def _text(value: object) -> str:
    """A text that tells 1 from true, as JSON does and Python does not."""
    return json.dumps(value, sort_keys=True)
