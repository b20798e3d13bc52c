"""Wires every part of a gateway, and owns start and stop.

Start opens in this order: decision log, store, connections to upstreams, chores, listeners ops, admin, data. Whatever
fails, what was opened is closed in reverse; so does a stop: readiness ends first, then the data listener takes no more
calls and lets those under way end, and ops is the last that answers.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from gateway.app import options
from gateway.app.admin import Admin, plan_locally
from gateway.app.chores import chores
from gateway.app.control import REAL_WORLD, Control, StartError, World, control_of, opened_control
from gateway.app.request_ids import RequestIds
from gateway.authz import RESULTS, Face, plan
from gateway.control import Contember, JupiterOne, Rapid7
from gateway.control.graphql_execution import DocumentLimits
from gateway.control.rapid7 import openapi
from gateway.metrics import Metrics
from gateway.proxy import (
    Alarms,
    BadKeys,
    Calibrations,
    Conditions,
    DecisionLog,
    Deps,
    Handler,
    Health,
    Identities,
    Jobs,
    Limiter,
    ListenerOptions,
    Ops,
    Pages,
    Results,
    ResultSeals,
    Rulebook,
    Seals,
    Spool,
    Unlimited,
    Upstreams,
    Uses,
    any_reachable,
    listening,
)
from gateway.settings import Listener as Where
from gateway.settings import Settings, stale_certificates, tls_context
from gateway.stores import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that serves: the base URLs of its listeners, and the control plane for whoever runs in its process."""

    data: str
    admin: str
    ops: str
    control: Control


@asynccontextmanager
async def serving(
    settings: Settings, *, store: Store | None = None, world: World = REAL_WORLD, shared: bool = False
) -> AsyncIterator[Gateway]:
    """Serves while the block runs. Raises StartError.

    A `store` that is given stays open; without one that of the settings is opened. `shared`: other processes listen on
    the same addresses, see `workers`.
    """
    metrics = Metrics()
    async with AsyncExitStack() as opened:
        opened.callback(metrics.fold)  # last of all: nothing that was told is lost
        log = _decision_log(settings, metrics, opened)
        if store is None:
            control = await opened.enter_async_context(opened_control(settings, world=world, observer=metrics))
        else:
            control = control_of(store, settings, world)
        sender = await opened.enter_async_context(Upstreams(options.upstreams(settings)))
        deps = Deps(
            plan=plan,
            rules=Rulebook(options.rules(settings)),
            resolver=control.store.resolver,
            execute=JupiterOne(control.desk, max_tokens=settings.limits.control_tokens).execute,
            faces={
                Face.TENANT: Contember(control.desk, DocumentLimits(tokens=settings.limits.control_tokens)),
                Face.ACCOUNT: Rapid7(control.desk),
            },
            bindings=options.bindings(settings, metrics.upstream_circuit),
            sender=sender,
            identities=Identities(options.identities(settings)),
            pages=_pages(settings, metrics, world, Alarms(metrics, control.desk.alarming, now=world.now)),
            results=_results(settings, world),
            jobs=Jobs(settings.limits.jobs),
            metrics=metrics,
            log=log,
            now=world.now,
            new_id=RequestIds(world.randomness),
            documents={openapi.PLACE: openapi.document()},
            limiter=Limiter(options.limiter(settings), control.store.counters, now=world.now),
            bad_keys=_bad_keys(settings, metrics),
            uses=Uses(precision=settings.keys.last_used_precision),
            conditions=Conditions(options.conditions(settings)),
        )
        calibrations = Calibrations(deps, options.calibration(settings), world.randomness)
        await opened.enter_async_context(chores(settings, control.store, deps, world, calibrations))
        for stale in stale_certificates(settings, world.now()):
            _log.warning("%s", stale)
        health = _health(settings, control.store, metrics, _notes(settings, deps.pages.alarms, calibrations))
        listeners = _Listeners(replace(options.listener(settings), shared=shared), metrics, opened)
        ops = await listeners.open("ops", settings.ops, Ops(health, deps.new_id))
        admin = await listeners.open("admin", settings.admin, _admin(settings, deps, control))
        data = await listeners.open("data", settings.data, Handler(deps, options.proxy(settings)))
        try:
            yield Gateway(data, admin, ops, control)
        finally:
            health.draining = True  # load balancers learn it from `ops`, which is the last to close


def _decision_log(settings: Settings, metrics: Metrics, opened: AsyncExitStack) -> DecisionLog:
    try:
        return opened.enter_context(DecisionLog(options.decisions(settings), dropped=metrics.decision_unlogged))
    except OSError as fault:
        file = settings.decision_log.file
        raise StartError(f"the decision log `{file}` cannot be opened: {fault.strerror}") from fault


def _bad_keys(settings: Settings, metrics: Metrics) -> BadKeys:
    return BadKeys(options.bad_keys(settings), refused=partial(metrics.refused_by_address, "bad_keys"))


def _pages(settings: Settings, metrics: Metrics, world: World, alarms: Alarms) -> Pages:
    seals = Seals(settings.secrets.seal.get_secret_value(), size=settings.limits.cursor, random=world.randomness)
    return Pages(seals, metrics, options.pages(settings), alarms=alarms)


def _results(settings: Settings, world: World) -> Results:
    secret = settings.secrets.seal.get_secret_value()
    seals = ResultSeals(secret, size=settings.deferred.address, longest=_longest(settings), random=world.randomness)
    return Results(options.results(settings), seals, Spool(options.spool(settings)))


def _longest(settings: Settings) -> int:
    """Characters that an address of ours may have after the route, so that it can come back."""
    return settings.limits.target - len(RESULTS)


def _admin(settings: Settings, deps: Deps, control: Control) -> Admin:
    proxy = options.proxy(settings)
    few = replace(proxy, buffered_bytes=proxy.buffered_bytes // 8)  # administrators send little; consumers come first
    handler = Handler(replace(deps, plan=plan_locally, limiter=Unlimited(options.limiter(settings))), few)
    bad_codes = _bad_keys(settings, deps.metrics)
    return Admin(handler, control.logins, deps.metrics, proxy.front, deps.new_id, bad_codes=bad_codes)


def _notes(settings: Settings, alarms: Alarms, calibrations: Calibrations) -> Callable[[], tuple[str, ...]]:
    if not settings.calibration.on:
        return alarms.notes
    return lambda: (*alarms.notes(), *calibrations.report())


def _health(settings: Settings, store: Store, metrics: Metrics, notes: Callable[[], tuple[str, ...]]) -> Health:
    async def sql() -> str | None:
        """Redis is noted beside it: without it look-ups go to SQL, so calls can still be decided."""
        found = await store.health()
        if found["redis"] != "off":
            metrics.store_checked("redis", up=found["redis"] == "ok")
        return None if found["sql"] == "ok" else found["sql"]

    upstreams = {name: partial(any_reachable, urls) for name, urls in options.upstream_urls(settings).items()}
    return Health({"sql": sql}, upstreams, metrics, options.ops(settings), notes=notes)


class _Listeners:
    """Opens listeners, with faults in the words of the settings."""

    def __init__(self, options: ListenerOptions, metrics: Metrics, opened: AsyncExitStack) -> None:
        self._options = options
        self._crowded = partial(metrics.refused_by_address, "connections")
        self._opened = opened

    async def open(self, name: str, where: Where, serve: Handler | Admin | Ops) -> str:
        """The base URL of a listener that serves now."""
        opening = listening(
            serve,
            serve.malformed,
            host=where.host,
            port=where.port,
            options=self._options,
            crowded=self._crowded,
            tls=_tls(name, where),
        )
        try:
            listener = await self._opened.enter_async_context(opening)
        except OSError as fault:
            # asyncio's own text repeats the address; a name that does not resolve has a negative number
            why = os.strerror(fault.errno) if fault.errno and fault.errno > 0 else fault.strerror
            address = _netloc(where.host, where.port)
            raise StartError(f"the {name} listener cannot have {address}: {why}; choose another") from fault
        return f"{where.scheme}://{_netloc(listener.host, listener.port)}"


def _tls(name: str, where: Where) -> ssl.SSLContext | None:
    try:
        return tls_context(where)
    except ValueError as fault:
        raise StartError(f"{name}.{fault}") from fault


def _netloc(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
