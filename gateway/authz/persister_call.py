"""Synchronization calls: each one is tied to the integration instance of its job.

Only the creation of a job names its instance; every later call carries the job's id alone, so the instance is a fact
that the handler finds out (`NeedJob`). A key whose grant names an integration, rather than `*`, may reach nothing
outside that integration's scope, so what reaches further is refused to it: jobs without an instance, foreign scopes,
the modes that write by `_id` or across scopes, members and parameters that nobody knows, uploads that name objects
outside (see `upload_body`), and upload URLs that would carry data past the gateway.

Facts: JupiterOne's synchronization API documentation and its integration SDK.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from gateway.authz.json_body import read_object
from gateway.authz.outcome import Deny, Facts, Forward, Grounds, Learn, NeedBody, NeedJob, Pass, Plan, Upstream
from gateway.authz.routes import Route
from gateway.authz.rules import Rules
from gateway.authz.upload_body import upload_refused
from gateway.http1 import Call, Reason, Refusal
from gateway.policy import ANY, Allowed, Effect, Policy, Verdict, decide, decide_written

SYNCHRONIZE = "persister:Synchronize"

# tuples, because a caller's value may be of any JSON type, hashable or not
_SCOPED_SOURCES = ("integration-external", "integration-managed")
_SCOPED_MODES = (None, "DIFF")
_INSPECTED = {
    "upload": frozenset({"entities", "relationships"}),
    "entities": frozenset({"entities"}),
    "relationships": frozenset({"relationships"}),
}
"""Uploads that are read before they pass, and what a scoped key may have in them."""
_CREATION = frozenset({"source", "syncMode", "scope", "integrationInstanceId", "integrationJobId"})
"""What a scoped key may say of a new job."""
_UPLOAD_FLAGS = frozenset({"ignoreDuplicates", "ignoreIllegalProperties"})
"""Parameters of an upload; no other call of a scoped key has any."""


def plan_create(call: Call, policy: Policy, facts: Facts, rules: Rules) -> Plan:
    """`POST /persister/synchronization/jobs`."""
    if not _may_synchronize(policy):
        return _NO_SYNCHRONIZING
    if call.body is None:
        return NeedBody(rules.job_body)
    body = read_object(call.body)
    if isinstance(body, Refusal):
        return Deny(body)
    instance = body.get("integrationInstanceId")
    if not (instance is None or (isinstance(instance, str) and instance)):
        return Deny(Refusal(Reason.MALFORMED_BODY, "`integrationInstanceId` must be a string"))
    resource = ANY if instance is None else f"integration:{instance}"
    verdict = decide_written(policy, SYNCHRONIZE, resource)
    if not isinstance(verdict, Allowed):
        return _deny(resource, verdict)
    grounds = Grounds(SYNCHRONIZE, resource, verdict.because)
    if not _unscoped(policy):
        refusal = _outside_scope(body) or _unknown_parameter(call.query, frozenset())
        if refusal:
            return Deny(refusal, grounds)
    if stop := _job_of_another(body.get("integrationJobId"), instance, facts, grounds):
        return stop
    return _forward(call, call.body, Learn(instance), grounds)


def plan_job(call: Call, route: Route, policy: Policy, facts: Facts, rules: Rules) -> Plan:
    """Everything below `/persister/synchronization/jobs/{id}`."""
    if not _may_synchronize(policy):
        return _NO_SYNCHRONIZING
    assert route.job is not None  # noqa: S101 - route_of sets it for every sync_job
    jobs = dict(facts.jobs)
    if route.job not in jobs:
        return NeedJob(route.job)
    job = jobs[route.job]
    if job is None:
        return Deny(_UNKNOWN_JOB, Grounds(SYNCHRONIZE))
    resource = ANY if job.instance is None else f"integration:{job.instance}"
    verdict = decide(policy, SYNCHRONIZE, resource)
    if not isinstance(verdict, Allowed):
        return Deny(_UNKNOWN_JOB, Grounds(SYNCHRONIZE, resource, verdict.because))
    grounds = Grounds(SYNCHRONIZE, resource, verdict.because)
    if not _unscoped(policy):
        return _plan_scoped(call, route, job.instance, rules, grounds)
    return _forward(call, None, Pass(), grounds)


def _plan_scoped(call: Call, route: Route, instance: str | None, rules: Rules, grounds: Grounds) -> Plan:
    """A call of a key that may synchronize this instance, and not all of them."""
    if route.part == "uploadUrl":
        return Deny(_NO_UPLOAD_URL, grounds)
    members = _INSPECTED.get(route.part)
    if refusal := _unknown_parameter(call.query, _UPLOAD_FLAGS if members else frozenset()):
        return Deny(refusal, grounds)
    if members is None:
        return _forward(call, None, Pass(), grounds)
    if call.body is None:
        return NeedBody(rules.upload_body, gzip=True)
    if refusal := upload_refused(call.body, members, instance):
        return Deny(refusal, grounds)
    return _forward(call, call.body, Pass(), grounds)


_UNKNOWN_JOB = Refusal(
    Reason.UNKNOWN_JOB,
    "this key knows no such synchronization job: it must belong to an integration the key may synchronize",
)
_NO_SYNCHRONIZING = Deny(Refusal(Reason.NOT_ALLOWED, f"this key may not {SYNCHRONIZE}"), Grounds(SYNCHRONIZE, ANY))
_NO_UPLOAD_URL = Refusal(
    Reason.NOT_ALLOWED,
    "a key of one integration cannot use upload URLs: they carry data past the gateway; upload in batches instead",
)


def _forward(call: Call, body: bytes | None, answer: Learn | Pass, grounds: Grounds) -> Forward:
    return Forward(Upstream.PERSISTER, call.method, call.path, call.query, body, answer, grounds)


@lru_cache(16_384)  # policies: those of the keys that a worker serves at a time
def _may_synchronize(policy: Policy) -> bool:
    """Whether any statement could ever allow it, so that most keys are refused before a body is read."""
    allows = (statement for statement in policy.statements if statement.effect is Effect.ALLOW)
    return any(SYNCHRONIZE in statement.actions or ANY in statement.actions for statement in allows)


def _unscoped(policy: Policy) -> bool:
    return isinstance(decide(policy, SYNCHRONIZE, ANY), Allowed)


def _outside_scope(body: dict[str, Any]) -> Refusal | None:
    """Why this creation would reach past the integration it names."""
    source, mode, scope = body.get("source"), body.get("syncMode"), body.get("scope")
    if source not in _SCOPED_SOURCES:
        fault = f"`source` must be one of {' or '.join(_SCOPED_SOURCES)}"
    elif mode not in _SCOPED_MODES:
        fault = "`syncMode` must be DIFF or absent, because the other modes write outside the integration"
    elif scope is not None:
        fault = "`scope` must be absent: the integration is the scope"
    elif unknown := next((name for name in body if name not in _CREATION), None):
        fault = f"it may not send `{unknown}`"
    else:
        return None
    return Refusal(Reason.NOT_ALLOWED, f"this key may synchronize one integration only: {fault}")


def _job_of_another(job: object, instance: str | None, facts: Facts, grounds: Grounds) -> Plan | None:
    """`integrationJobId` becomes the id of the job, so it could name a job that exists and is another integration's."""
    if job is None:
        return None
    if not isinstance(job, str):
        return Deny(Refusal(Reason.MALFORMED_BODY, "`integrationJobId` must be a string"), grounds)
    jobs = dict(facts.jobs)
    if job not in jobs:
        return NeedJob(job)
    known = jobs[job]
    if known is not None and known.instance != instance:
        return Deny(_UNKNOWN_JOB, grounds)
    return None


def _unknown_parameter(query: str, known: frozenset[str]) -> Refusal | None:
    """Names are compared as they stand on the wire: no client writes these in another way."""
    names = [pair.partition("=")[0] for pair in query.split("&")] if query else []
    unknown = next((name for name in names if name not in known), None)
    if unknown is None:
        return None
    return Refusal(Reason.NOT_ALLOWED, f"this key may synchronize one integration only, without `?{unknown}`")


def _deny(resource: str, verdict: Verdict) -> Deny:
    message = f"this key may not {SYNCHRONIZE} on {resource}"
    return Deny(Refusal(Reason.NOT_ALLOWED, message), Grounds(SYNCHRONIZE, resource, verdict.because))
