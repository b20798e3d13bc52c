"""The canary graph of a calibration at an upstream: planted, and removed again whatever happens in between."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from gateway.authz.calibration import Silent, Unclear, canary
from gateway.authz.outcome import Upstream
from gateway.proxy.asking_upstream import Asker

_log = logging.getLogger(__name__)

_JOBS = "/persister/synchronization/jobs"

_SHOWN_TRIES, _SHOWN_PAUSE = 30, 1.0
"""Looks for what a job has changed, and seconds between two: a job works in the background, then an index."""

_REMOVAL_SECONDS = 120.0

_MOST_EARLIER = 10
"""Runs left behind that are removed before one; whoever writes data could make objects that look like any number."""

_SET = "mutation ($name: String!, $value: ParameterValue!) { setParameter(name: $name, value: $value) { success } }"
_DELETE = "mutation ($name: String!) { deleteParameter(name: $name) { success } }"


@dataclass(frozen=True, slots=True)
class Planted:
    """`ids` are the canaries' `_id` by name; `with_parameters`: the account parameters are there, too."""

    ids: Mapping[str, str]
    with_parameters: bool


@asynccontextmanager
async def planted(asker: Asker, run: str, now: int) -> AsyncIterator[Planted]:
    """The canaries, as long as the block runs. Raises Silent where they cannot be made or are not shown in time.

    What an earlier run left behind is removed first. What this one cannot remove is told in the log, and is left to
    the next one.
    """
    for earlier in islice(await asker.converse(canary.left_behind(now)), _MOST_EARLIER):
        _log.warning("canaries of an earlier calibration are removed: run %s", earlier)
        await _cleared(asker, earlier)
    try:
        await _job(asker, canary.scope(run), canary.uploads(run, now))
        ids = await _shown(asker, run)
        yield Planted(ids, await _parameters_made(asker, run))
    finally:
        await _removed(asker, run)


async def _job(asker: Asker, scope: str, uploads: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """One synchronization job from its beginning to its end; whatever of its scope is not uploaded is deleted."""
    begun = await asker.command(Upstream.PERSISTER, "POST", _JOBS, canary.job_of(scope))
    job = f"{_JOBS}/{_job_id(begun)}"
    for path, body in uploads:
        await asker.command(Upstream.PERSISTER, "POST", f"{job}/{path}", body)
    await asker.command(Upstream.PERSISTER, "POST", f"{job}/finalize", {})
    for _ in range(_SHOWN_TRIES):
        if _is_finished(await asker.command(Upstream.PERSISTER, "GET", job)):
            return
        await asyncio.sleep(_SHOWN_PAUSE)
    raise Silent("a synchronization job was not finished in time")


_UNDER_WAY = frozenset({"AWAITING_UPLOADS", "FINALIZE_PENDING", "FINALIZING_ENTITIES", "FINALIZING_RELATIONSHIPS"})
_FAULTS = ("numEntityCreateErrors", "numRelationshipCreateErrors")


def _is_finished(answer: Mapping[str, object]) -> bool:
    """Raises Silent for a job that ended in another way, or did not make everything."""
    job = answer.get("job")
    if not isinstance(job, dict):
        raise Silent("a synchronization job has no status")
    if job.get("status") in _UNDER_WAY:
        return False
    if job.get("status") != "FINISHED" or any(job.get(name) for name in _FAULTS):
        raise Silent(f"a synchronization job ended as {job.get('status')}, perhaps with errors")
    return True


def _job_id(answer: Mapping[str, object]) -> str:
    job = answer.get("job")
    if not isinstance(job, dict) or not isinstance(job.get("id"), str) or not job["id"].replace("-", "").isalnum():
        raise Silent("a synchronization job has no usable id")
    return str(job["id"])


async def _shown(asker: Asker, run: str) -> Mapping[str, str]:
    for _ in range(_SHOWN_TRIES):
        if ids := await asker.converse(canary.found(run)):
            return ids
        await asyncio.sleep(_SHOWN_PAUSE)
    raise Silent("the canaries were uploaded, but are not shown by queries")


async def _parameters_made(asker: Asker, run: str) -> bool:
    """Account parameters are made by other rights than graph objects; without them one capability is not shown."""
    try:
        for name, value in canary.parameters(run).items():
            await _graphql(asker, _SET, {"name": name, "value": value})
    except Silent as fault:
        _log.warning("account parameters for a calibration could not be made: %s", fault)
        return False
    return True


async def _removed(asker: Asker, run: str) -> None:
    try:
        async with asyncio.timeout(_REMOVAL_SECONDS):
            await _cleared(asker, run)
            await _gone(asker, run)
    except TimeoutError:
        _log.error("the canaries of run %s could not be removed in time", run)
    except (Silent, Unclear) as fault:
        _log.error("the canaries of run %s could not be removed: %s", run, fault)


async def _gone(asker: Asker, run: str) -> None:
    for _ in range(_SHOWN_TRIES):
        if await asker.converse(canary.is_gone(run)):
            return
        await asyncio.sleep(_SHOWN_PAUSE)
    raise Silent("they are still shown")


async def _cleared(asker: Asker, run: str) -> None:
    """The graph goes last: as long as it is there, a later run knows that there is something to remove."""
    for name in canary.parameters(run):
        with suppress(Silent):  # it was never made, perhaps
            await _graphql(asker, _DELETE, {"name": name})
    await _job(asker, canary.scope(run), ())


async def _graphql(asker: Asker, document: str, variables: Mapping[str, object]) -> None:
    await asker.command(Upstream.GRAPHQL, "POST", "", {"query": document, "variables": variables})
