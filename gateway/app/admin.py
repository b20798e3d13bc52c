"""The admin listener: logging in, and the faces of the control plane. Nothing is forwarded from here.

    GET  /login    a page that takes the code from the link's fragment, which browsers send to nobody
    POST /login    {"code": "…"} -> {"token", "expiresAt", "organization", "role"}; a code works once

All else is served as on the data listener, but for calls that an upstream would have to answer.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import time
from collections.abc import Callable
from contextlib import closing
from http import HTTPStatus
from typing import Any

from gateway import answers
from gateway.authz import Face, Rules, plan, route_of
from gateway.authz.outcome import Batch, Collect, Deny, Facts, Forward, NeedBody, NeedJob, Plan, Queried
from gateway.control.logins import Logins
from gateway.control.rejection import Rejection
from gateway.http1 import Call, FrontLimits, Reason, Refusal, Reply, front
from gateway.keys import Principal
from gateway.metrics import Ending, Metrics, Outcome
from gateway.proxy.bad_keys import BadKeys
from gateway.proxy.body import Budget, read_body
from gateway.proxy.handler import Handler
from gateway.proxy.wire import ClientGone, Incoming, Stop
from gateway.stores import StoreUnavailable
from gateway.strict_json import StrictJSONError, loads

_log = logging.getLogger(__name__)

LOGIN = "/login"

_SCRIPT = """
const say = text => { document.querySelector("output").textContent = text };
const code = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
document.querySelector("button").addEventListener("click", async event => {
  event.target.disabled = true;
  const headers = {"Content-Type": "application/json"};
  const answer = await fetch("/login", {method: "POST", headers, body: JSON.stringify({code})});
  const told = await answer.json();
  say(answer.ok ? `Your session, shown once, until ${new Date(told.expiresAt).toLocaleString()}:\\n\\n${told.token}`
                : told.error.message);
});
if (!code) say("This page needs the code at the end of a login link.");
"""
# A click, and not the mere opening, uses the link up: programs open links to preview them.
_PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Log in to the gateway</title>
<h1>Log in to the gateway</h1>
<p>This link works once.</p>
<p><button>Log in</button></p>
<pre><output></output></pre>
<script>{_SCRIPT}</script>
</html>
""".encode()
_SCRIPT_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest())
_PAGE_HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        b"script-src 'sha256-" + _SCRIPT_HASH + b"'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)

_BODY = 1024
"""Bytes; a code has 37 characters."""
_BODIES = 64 * _BODY

_NOT_HERE = Refusal(Reason.NOT_ALLOWED, "the admin listener forwards nothing; send this call to the data listener")
_METHODS = Refusal(Reason.METHOD_NOT_ALLOWED, f"{LOGIN} takes GET or POST")
_SHAPE = Refusal(Reason.MALFORMED_BODY, 'the body must be {"code": "…"}')
_AWAY = Refusal(
    Reason.STORE_UNAVAILABLE, "the store cannot be reached; the login was not used up, try again in a moment"
)
_INTERNAL = Refusal(Reason.INTERNAL, "the gateway failed to serve this call; tell your operator the request id")


def plan_locally(call: Call, principal: Principal, facts: Facts, rules: Rules, now: int) -> Plan:
    """As `authz.plan`, but refuses what an upstream would have to answer."""
    match plan(call, principal, facts, rules, now):
        case NeedBody() if not _may_be_ours(call):
            return Deny(_NOT_HERE)
        case Forward() | Queried() | Collect() | NeedJob():
            return Deny(_NOT_HERE)
        case Batch(elements):
            return Batch(tuple(Deny(_NOT_HERE) if isinstance(one, Forward | Queried) else one for one in elements))
        case other:
            return other


def _may_be_ours(call: Call) -> bool:
    """Whether the control plane could be the one that answers, which the body may tell."""
    route = route_of(call.path)
    return route is not None and route.face is not Face.REST


class Admin:
    """Serves the admin listener; `handler` serves all but the login, with `plan_locally`.

    `bad_codes` are counted apart from keys, so that a loop with an old key keeps nobody from logging in.
    """

    def __init__(  # noqa: PLR0913 (the parts it is put together from)
        self,
        handler: Handler,
        logins: Logins,
        metrics: Metrics,
        limits: FrontLimits,
        new_id: Callable[[], str],
        *,
        bad_codes: BadKeys,
    ) -> None:
        self._handler = handler
        self._logins = logins
        self._metrics = metrics
        self._limits = limits
        self._new_id = new_id
        self._bad_codes = bad_codes
        self._bodies = Budget(_BODIES)

    async def __call__(self, incoming: Incoming) -> None:
        if incoming.head.target.partition(b"?")[0] == LOGIN.encode():
            await self._serve_login(incoming)
        else:
            await self._handler(incoming)

    def malformed(self, refusal: Refusal) -> Reply:
        """See `Handler.malformed`."""
        return self._handler.malformed(refusal)

    async def _serve_login(self, incoming: Incoming) -> None:
        call_id, since = self._new_id(), time.monotonic()
        self._metrics.begun()
        ending = Ending(incoming.head.method, 0, Outcome.CANCELLED, None)
        try:
            reply, ending = await self._reply(incoming, call_id)
            await incoming.answer(reply)
        except ClientGone:
            incoming.cut()
        finally:
            self._metrics.ended("login", ending, time.monotonic() - since)

    async def _reply(self, incoming: Incoming, call_id: str) -> tuple[Reply, Ending]:
        method = incoming.head.method
        try:
            reply = await self._login(incoming, call_id)
        except Stop as stop:
            refusal = stop.refusal
        except Rejection as rejection:
            refusal = rejection.refusal
            if refusal.status == HTTPStatus.UNAUTHORIZED:
                refusal = self._bad_codes.failed(incoming.address) or refusal
        except StoreUnavailable:
            refusal = _AWAY
        except ClientGone:
            raise
        except Exception:  # noqa: BLE001 (whatever fails, the call ends here and the worker lives on)
            _log.exception("call %s failed", call_id)
            refusal = _INTERNAL
        else:
            return reply, Ending(method, reply.status, Outcome.ANSWERED, None)
        return _refused(refusal, call_id), Ending(method, refusal.status, Outcome.REFUSED, refusal.reason)

    async def _login(self, incoming: Incoming, call_id: str) -> Reply:
        call = front(incoming.head, call_id, self._limits)
        if isinstance(call, Refusal):
            raise Stop(call)
        match call.method:
            case "GET":
                return Reply(200, _PAGE, (*_PAGE_HEADERS, (b"x-request-id", call_id.encode())))
            case "POST":
                if refusal := self._bad_codes.look(incoming.address):
                    raise Stop(refusal)
                with closing(self._bodies.hold()) as hold:
                    code = _code(await read_body(incoming, call, _BODY, hold))
                return answers.answered(await self._session(code), call_id)
            case _:
                raise Stop(_METHODS)

    async def _session(self, code: str) -> dict[str, Any]:
        issued = await self._logins.redeem(code)
        identity = issued.key.identity
        return {
            "token": issued.secret,
            "expiresAt": issued.key.expires_at,
            "organization": identity.organization,
            "role": identity.role,
        }


def _code(body: bytes) -> str:
    try:
        value = loads(body)
    except StrictJSONError as fault:
        raise Stop(Refusal(Reason.MALFORMED_BODY, f"the body is not JSON: {fault}")) from None
    match value:
        case {"code": str(code), **more} if not more:
            return code
        case _:
            raise Stop(_SHAPE)


def _refused(refusal: Refusal, call_id: str) -> Reply:
    """In the shape of REST; a code that does not work is no API key, so the words are the refusal's own."""
    reply = answers.refused(refusal, call_id, LOGIN)
    if refusal.reason is not Reason.INVALID_KEY:
        return reply
    error = {"code": answers.CODES[refusal.status], "reason": refusal.reason, "message": refusal.message}
    return answers.answered({"error": {**error, "requestId": call_id}}, call_id, status=refusal.status)
