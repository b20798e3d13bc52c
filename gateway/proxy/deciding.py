"""From the head of a call to its plan. Nothing here sends anything upstream but the question whose job a job is."""

from __future__ import annotations

from typing import NamedTuple

from gateway.authz import route_of
from gateway.authz.outcome import Batch, Collect, Deny, Facts, Forward, Local, NeedBody, NeedJob, Queried
from gateway.http1 import Call, Reason, Refusal, credential, front
from gateway.keys import Digest, Principal, digest, worth_looking_up
from gateway.proxy.body import read_body
from gateway.proxy.charging import Charges
from gateway.proxy.context import Context
from gateway.proxy.wire import Stop
from gateway.stores.base import Absent, Unavailable

_INVALID = Refusal(Reason.INVALID_KEY, "the API key is not valid")
_NO_RESULT = Refusal(Reason.UNKNOWN_RESULT, "this address stands for no result: send the query again")
_UNAVAILABLE = Refusal(Reason.STORE_UNAVAILABLE, "the key cannot be looked up now; try again in a moment")

_NO_FACTS = Facts()

_ROUNDS = 3
"""A plan may need a body and a job before it is made."""


class Decided(NamedTuple):
    """`key` is the digest of the key that the call came with, or that the address it asks for was made for."""

    call: Call
    key: Digest
    principal: Principal
    plan: Deny | Local | Forward | Queried | Batch | Collect


def fronted(context: Context) -> Call:
    """The call, if its head has one reading. Raises Stop."""
    call = front(context.incoming.head, context.trace.call_id, context.options.front)
    if isinstance(call, Refusal):
        raise Stop(call)
    if route := route_of(call.path):
        context.trace.route = route.name
    return call


async def decide(context: Context, call: Call) -> Decided:
    """What to do with a call. Raises Stop for one that gets no plan."""
    if context.trace.route == "deferred":
        return await _decide_result(context, call)
    secret = credential(call)
    if isinstance(secret, Refusal):
        raise Stop(secret)
    key = digest(secret)
    principal = await _principal(context, key, secret)
    return await _planned(context, call, key, principal, _NO_FACTS)


async def _decide_result(context: Context, call: Call) -> Decided:
    """Clients ask for results without their key, so the address carries its digest; one that is sent must be the same.

    No address says what is wrong with it: an address that is none, and a key that is none, are answered alike for all.
    """
    postponed = context.deps.results.opened(call.path)
    if postponed is None:
        raise Stop(_NO_RESULT)
    key = Digest(postponed.key)
    secret = credential(call)
    if isinstance(secret, Refusal):
        if secret.reason is not Reason.NO_CREDENTIAL:
            raise Stop(secret)
    elif digest(secret) != key:
        raise Stop(_INVALID, "the key is not the one that asked for this result")
    principal = await _principal(context, key, None)
    return await _planned(context, call, key, principal, Facts(postponed=postponed))


async def _principal(context: Context, key: Digest, secret: str | None) -> Principal:
    """Whose key it is; `secret` where the call came with it. Noted in the trace."""
    principal = context.deps.resolver.held(key, context.incoming.came)
    if principal is None:  # so it is not certain yet that it is worth a look-up
        principal = await _found(context, key, secret)
    context.trace.principal = principal
    return principal


async def _found(context: Context, key: Digest, secret: str | None) -> Principal:
    if secret is not None and not worth_looking_up(secret):
        raise Stop(_INVALID, "malformed")
    if not context.deps.resolver.knows(key) and (refusal := context.deps.bad_keys.look(context.incoming.address)):
        raise Stop(refusal, "not looked up")
    match await context.deps.resolver.find(key):
        case Absent(why):
            raise Stop(_INVALID, why)
        case Unavailable(why):
            raise Stop(_UNAVAILABLE, why)
        case found:
            return found


async def _planned(context: Context, call: Call, key: Digest, principal: Principal, facts: Facts) -> Decided:
    deps = context.deps
    for _ in range(_ROUNDS):
        match deps.plan(call, principal, facts, deps.rules.of(principal.organization), deps.now()):
            case NeedBody(limit, gzip):
                body = await read_body(context.incoming, call, limit, context.hold, gzip=gzip)
                context.trace.body = body
                call = Call(call.id, call.method, call.path, call.query, call.headers, body)
            case NeedJob(name):
                await context.charge(principal, Charges(1, 1))  # an upstream is asked before the plan is made
                job = await deps.jobs.find(principal.organization, name, context.line(principal))
                facts = Facts((*facts.jobs, (name, job)))
            case plan:
                deps.conditions.note(principal.organization, plan)
                return Decided(call, key, principal, plan)
    raise RuntimeError("a plan asked for more than a body and a job")
