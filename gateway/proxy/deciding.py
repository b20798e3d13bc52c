"""From the head of a call to its plan. Nothing here sends anything upstream but the question whose job a job is."""

from __future__ import annotations

from typing import NamedTuple

from gateway.authz import route_of
from gateway.authz.outcome import Batch, Deny, Facts, Forward, Local, NeedBody, NeedJob
from gateway.http1 import Call, Reason, Refusal, credential, front
from gateway.keys import Principal, digest, worth_looking_up
from gateway.proxy.body import read_body
from gateway.proxy.charging import Charges
from gateway.proxy.context import Context
from gateway.proxy.wire import Stop
from gateway.stores.base import Absent, Unavailable

_INVALID = Refusal(Reason.INVALID_KEY, "the API key is not valid")
_UNAVAILABLE = Refusal(Reason.STORE_UNAVAILABLE, "the key cannot be looked up now; try again in a moment")

_NO_FACTS = Facts()

_ROUNDS = 3
"""A plan may need a body and a job before it is made."""


class Decided(NamedTuple):
    call: Call
    principal: Principal
    plan: Deny | Local | Forward | Batch


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
    principal = await _principal(context, call)
    context.trace.principal = principal
    return await _planned(context, call, principal)


async def _principal(context: Context, call: Call) -> Principal:
    secret = credential(call)
    if isinstance(secret, Refusal):
        raise Stop(secret)
    its = digest(secret)
    if known := context.deps.resolver.held(its, context.incoming.came):
        return known  # so it was worth a look-up when it was looked up
    if not worth_looking_up(secret):
        raise Stop(_INVALID, "malformed")
    if not context.deps.resolver.knows(its) and (refusal := context.deps.bad_keys.look(context.incoming.address)):
        raise Stop(refusal, "not looked up")
    match await context.deps.resolver.find(its):
        case Absent(why):
            raise Stop(_INVALID, why)
        case Unavailable(why):
            raise Stop(_UNAVAILABLE, why)
        case found:
            return found


async def _planned(context: Context, call: Call, principal: Principal) -> Decided:
    deps = context.deps
    facts = _NO_FACTS
    for _ in range(_ROUNDS):
        match deps.plan(call, principal, facts, deps.rules, deps.now()):
            case NeedBody(limit):
                body = await read_body(context.incoming, call, limit, context.hold)
                context.trace.body = body
                call = Call(call.id, call.method, call.path, call.query, call.headers, body)
            case NeedJob(name):
                await context.charge(principal, Charges(1, 1))  # an upstream is asked before the plan is made
                job = await deps.jobs.find(principal.organization, name, context.line(principal))
                facts = Facts((*facts.jobs, (name, job)))
            case plan:
                return Decided(call, principal, plan)
    raise RuntimeError("a plan asked for more than a body and a job")
