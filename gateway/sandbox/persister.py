"""The persister upstream: the routes of synchronization jobs.

Paths, bodies and answers are those of the JupiterOne documentation ("Sync jobs API reference"); bodies are JSON only,
gzip or not. What is put at an upload URL, by whoever has it, counts as uploaded at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.sandbox.bodies import json_body
from gateway.sandbox.deferred import Store
from gateway.sandbox.synchronization import Job, Jobs, Status
from gateway.sandbox.uploads import Flags, SynchronizationError, read_chunk

BASE = "/persister/synchronization/jobs"
BULK = "/_uploads/"
HOUR = 3_600_000
"""Milliseconds that an upload URL is said to be good for; here it is as long as the job takes uploads."""

UPLOADS = {
    "entities": ("entities",),
    "relationships": ("relationships",),
    "upload": ("entities", "relationships", "deleteEntities", "deleteRelationships"),
}
"""Last segment of the path -> the members that its body may have."""


@dataclass(frozen=True, slots=True)
class Persister:
    """The routes over the jobs; `clock` gives milliseconds since the epoch, `addresses` signs upload URLs."""

    jobs: Jobs
    clock: Callable[[], int]
    addresses: Store

    def routes(self) -> list[web.RouteDef]:
        """The routes of this upstream."""
        job = f"{BASE}/{{job}}"
        return [
            web.post(BASE, self._create),
            web.get(job, self._get),
            *(web.post(f"{job}/{name}", self._uploader(members)) for name, members in UPLOADS.items()),
            web.post(f"{job}/uploadUrl", self._upload_url),
            web.put(f"{BULK}{{job}}", self._put),
            web.post(f"{job}/events", self._events),
            web.post(f"{job}/finalize", self._finalize),
            web.post(f"{job}/abort", self._abort),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        return _answer(self.jobs.create(await json_body(request), self.clock()))

    async def _get(self, request: web.Request) -> web.Response:
        return _answer(self.jobs.get(request.match_info["job"]))

    def _uploader(self, members: Sequence[str]) -> Handler:
        async def upload(request: web.Request) -> web.Response:
            return _answer(await self._upload(request, members))

        return upload

    async def _upload(self, request: web.Request, members: Sequence[str]) -> Job:
        job = self._waiting(request)
        flags = Flags(_flag(request, "ignoreIllegalProperties"), _flag(request, "ignoreDuplicates"))
        body = await json_body(request)
        self.jobs.upload(job, read_chunk(body, members, job.mode, flags), flags)
        return job

    async def _upload_url(self, request: web.Request) -> web.Response:
        job = self._waiting(request)
        address = self.addresses.signed(f"{BULK}{job.id}")
        return web.json_response({"uploadUrl": address, "expiresAt": self.clock() + HOUR})

    async def _put(self, request: web.Request) -> web.Response:
        """As a bucket takes it: without a word, and without asking who it is."""
        if refusal := self.addresses.refusal(request):
            return refusal
        await self._upload(request, UPLOADS["upload"])
        return web.Response()

    async def _events(self, request: web.Request) -> web.Response:
        job = self._waiting(request)
        body = await json_body(request)
        events = body.get("events") if isinstance(body, dict) else None
        if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
            raise SynchronizationError("EVENTS_IS_NOT_ARRAY", '"events" should be an array of objects')
        stored = [{"id": str(uuid4()), "createDate": self.clock(), **event} for event in events]
        job.events += stored
        return web.json_response({"events": stored})

    async def _finalize(self, request: web.Request) -> web.Response:
        job = self._waiting(request)
        self.jobs.finalize(job, _partial_types(await json_body(request, empty={})), self.clock())
        return _answer(job)

    async def _abort(self, request: web.Request) -> web.Response:
        job = self._waiting(request)
        job.end(Status.ABORTED)
        return _answer(job)

    def _waiting(self, request: web.Request) -> Job:
        return self.jobs.waiting(request.match_info["job"])


def _answer(job: Job) -> web.Response:
    return web.json_response({"job": job.wire()})


def _flag(request: web.Request, name: str) -> bool:
    return request.query.get(name) == "true"


def _partial_types(body: Any) -> frozenset[str]:
    """`{"partialDatasets": {"types": [...]}}`: what could not be collected whole is not deleted."""
    partial = body.get("partialDatasets", {}) if isinstance(body, dict) else None
    types = partial.get("types", []) if isinstance(partial, dict) else None
    if not isinstance(types, list) or not all(isinstance(name, str) for name in types):
        raise SynchronizationError("INVALID_REQUEST_BODY", '"partialDatasets" should have "types", a list of strings')
    return frozenset(types)
