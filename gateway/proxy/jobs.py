"""Which integration instance a synchronization job belongs to: learnt when it is created, else asked for."""

from __future__ import annotations

import re
from typing import Any

from cachetools import LRUCache

from gateway.authz.outcome import Job, Upstream
from gateway.http1 import Reason, Refusal
from gateway.proxy.line import Line, Request, Whole
from gateway.proxy.wire import Stop
from gateway.strict_json import StrictJSONError, loads

JOBS = "/persister/synchronization/jobs"
"""Below the persister's base URL."""

ANSWER_BYTES = 1024 * 1024
"""A job is some hundred bytes; its error texts may be longer."""

_ID = re.compile(r"[0-9A-Za-z-]{1,64}")

_NO_ID = Refusal(Reason.MALFORMED_BODY, "`integrationJobId` may hold up to 64 letters, digits and `-`")
_FAILED = Refusal(Reason.UPSTREAM_FAILED, "the persister gave no usable answer about a synchronization job")
_ANOTHER = Refusal(Reason.UPSTREAM_FAILED, "the persister answered with a job that belongs to another integration")


class Jobs:
    """What is known about jobs. A job never changes its instance, so what is known stays true."""

    def __init__(self, kept: int = 10_000) -> None:
        """`kept`: jobs remembered, about 200 bytes each; a job lives for minutes."""
        self._known: LRUCache[tuple[str, str], Job] = LRUCache(kept)

    async def find(self, organization: str, job: str, line: Line) -> Job | None:
        """The job, or None if the upstream knows none of that id (which is not remembered: it may yet be made).

        Raises Stop: the id is none, or the upstream gives no usable answer.
        """
        if not _ID.fullmatch(job):
            raise Stop(_NO_ID)
        if known := self._known.get((organization, job)):
            return known
        answer = await line.ask(Request(Upstream.PERSISTER, "GET", f"{JOBS}/{job}", "", None), limit=ANSWER_BYTES)
        if answer.status == 404:  # noqa: PLR2004
            return None
        if answer.status != 200:  # noqa: PLR2004
            raise Stop(_FAILED, f"status {answer.status}")
        name, found = _job(answer.body)
        if name != job:
            raise Stop(_FAILED, "it answered with another job")
        self._known[(organization, job)] = found
        return found

    def learn(self, organization: str, instance: str | None, answer: Whole) -> None:
        """Remembers the job that was created for `instance`.

        Raises Stop if the answer names no job, or one of another instance: such an answer must not be passed on.
        """
        name, job = _job(answer.body)
        if job.instance != instance:
            raise Stop(_ANOTHER)
        self._known[(organization, name)] = job


def _job(body: bytes) -> tuple[str, Job]:
    """The id and the job of `{"job": {"id": "…", "integrationInstanceId": "…"}}`."""
    try:
        value: Any = loads(body)
    except StrictJSONError:
        raise Stop(_FAILED, "the job is not JSON") from None
    match value:
        case {"job": {"id": str(name), "integrationInstanceId": str(instance)}}:
            return name, Job(instance)
        case {"job": {"id": str(name), **rest}} if rest.get("integrationInstanceId") is None:
            return name, Job(None)
        case _:
            raise Stop(_FAILED, "the job has an unknown shape")
