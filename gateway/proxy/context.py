"""Who the data plane works with, and what one call has at hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from gateway.authz import Rules
from gateway.authz.outcome import Facts, GraphQLRequest, Plan
from gateway.http1 import Call, FrontLimits, Headers, Reason, Refusal, Reply
from gateway.keys import Principal
from gateway.metrics import Metrics
from gateway.proxy.bad_keys import BadKeys
from gateway.proxy.body import Hold
from gateway.proxy.charging import UNCHARGED, Charges
from gateway.proxy.decisions import DecisionLog
from gateway.proxy.identity import Identities
from gateway.proxy.jobs import Jobs
from gateway.proxy.limiting import Limiter
from gateway.proxy.line import Binding, Line
from gateway.proxy.pages import Pages
from gateway.proxy.results import Results
from gateway.proxy.rulebook import Rulebook
from gateway.proxy.service import Service
from gateway.proxy.trace import Trace
from gateway.proxy.unprobed_conditions import Conditions
from gateway.proxy.uses import Uses
from gateway.proxy.wire import Incoming, Sender, Stop
from gateway.stores.base import Resolver


class Executed(Protocol):
    """A GraphQL answer of the control plane, and the HTTP status that it means where it travels alone."""

    @property
    def status(self) -> int: ...

    @property
    def body(self) -> dict[str, Any]: ...


class Faced(Protocol):
    """An answer of one of the control plane's faces: JSON, or None for no body, and why it was refused."""

    @property
    def status(self) -> int: ...

    @property
    def body(self) -> Any: ...

    @property
    def reason(self) -> Reason | None: ...

    @property
    def headers(self) -> Headers: ...


Plans = Callable[[Call, Principal, Facts, Rules, int], Plan]
"""`authz.plan`; the number is milliseconds since the epoch."""

Execute = Callable[[GraphQLRequest, Principal, str], Awaitable[Executed]]
"""The control plane; the text is the call's id."""

Face = Callable[[Call, Principal, str], Awaitable[Faced]]
"""One of the control plane's faces; the text is the call's id."""


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """Sizes are bytes."""

    front: FrontLimits = field(default_factory=FrontLimits)
    upload_bytes: int = 512 * 1024 * 1024
    """A body that is passed on unread: memory holds a piece of it. The integration SDK cuts its batches at 5 MB, other
    clients send all they have."""
    buffered_bytes: int = 256 * 1024 * 1024
    """Bodies held whole, of all calls together."""
    upstream_seconds: float | None = None
    """For a request to an upstream and all of its answer. None for as long as they move: bodies of any size are passed
    on as they come, and an end that is the same for all of them would cut the large ones off."""


@dataclass(frozen=True, slots=True)
class Deps:
    """`now` is milliseconds since the epoch; `new_id` makes request ids, all of one length, of visible ASCII."""

    plan: Plans
    rules: Rulebook
    resolver: Resolver
    execute: Execute
    faces: Mapping[str, Face]
    """By the name of the face, see `authz.Face`."""
    bindings: Mapping[str, Binding]
    """By organization."""
    sender: Sender
    identities: Identities
    pages: Pages
    results: Results
    jobs: Jobs
    metrics: Metrics
    log: DecisionLog
    now: Callable[[], int]
    new_id: Callable[[], str]
    documents: Mapping[str, Any] = field(default_factory=dict)
    """JSON values by path, for anybody who gets them: no key is asked for."""
    uses: Uses = field(default_factory=Uses)
    limiter: Limiter = field(default_factory=Limiter)
    bad_keys: BadKeys = field(default_factory=BadKeys)
    conditions: Conditions = field(default_factory=Conditions)

    def services(self) -> tuple[Service, ...]:
        """Every upstream once, however many organizations are bound to it."""
        bound = self.bindings.values()
        return tuple({service for each in bound for service in (each.j1ql, each.graphql, each.persister)})


_UNBOUND = Refusal(Reason.UPSTREAM_UNREACHABLE, "no service is bound to this key's account")


class Context(NamedTuple):
    """One call under way."""

    deps: Deps
    options: ProxyOptions
    incoming: Incoming
    trace: Trace
    hold: Hold

    def binding(self, principal: Principal) -> Binding:
        """The upstreams of a key. Raises Stop where there are none."""
        binding = self.deps.bindings.get(principal.organization)
        if binding is None:
            raise Stop(_UNBOUND)
        return binding

    def line(self, principal: Principal) -> Line:
        """The line to the upstreams of a key. Raises Stop where there are none."""
        deps = self.deps
        binding = self.binding(principal)
        identity = deps.identities.token(principal, deps.now())
        total = self.options.upstream_seconds
        return Line(binding, deps.sender, deps.metrics, self.trace, self.hold, identity, total)

    async def charge(self, principal: Principal, charges: Charges) -> None:
        """Charges the call, the first time. Raises Stop when a limit does not allow it."""
        if self.trace.charge is not UNCHARGED:
            return
        self.trace.charge = self.deps.limiter.charge(principal, charges)
        if refusal := await self.trace.charge.make():
            raise Stop(refusal)

    async def answer(self, reply: Reply) -> None:
        """Gives a whole answer. Raises ClientGone."""
        self.answering(reply.status)
        if limits := self.trace.charge.headers():
            reply = Reply(reply.status, reply.body, (*reply.headers, *limits))
        await self.incoming.answer(reply)

    def narrowed(self) -> Headers:
        """The header that tells a key with a condition which relationships it sees."""
        return ((b"gateway-narrowed", (self.trace.mode or "").encode()),)

    def answering(self, status: int) -> None:
        """Notes that the head of the answer is ready."""
        trace = self.trace
        trace.status = status
        self.deps.metrics.answering(trace.route, trace.elapsed() - trace.upstream_seconds)
