"""The sandbox as a server: the three upstreams in one application, what it received, and faults for tests.

    POST /j1ql, /j1ql/validate              J1QL over REST
    POST /graphql, /, /api/graphql, ...     GraphQL
    /persister/synchronization/jobs...      synchronization jobs
    GET /entities, /relationships, ...      bulk export and raw data, see `exports`
    GET /_results/<id>/...                  deferred results, see `deferred`
    PUT /_uploads/<job>                     bulk uploads of synchronization jobs
    GET, DELETE /_sandbox/received          the calls that arrived (these here not among them)
    POST, DELETE /_sandbox/fault            faults to come, see `faults`

It knows one credential, its own, and one account; whoever has not both is answered 401, save at the addresses of
deferred results and of bulk uploads, which are secrets themselves.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.j1ql import J1QLSyntaxError, parse
from gateway.sandbox.account import Account, example_account
from gateway.sandbox.bodies import json_body
from gateway.sandbox.company import SEED, example_graph
from gateway.sandbox.company_builder import CLOCK
from gateway.sandbox.compression import compressing
from gateway.sandbox.deferred import BASE as RESULTS
from gateway.sandbox.deferred import Store
from gateway.sandbox.exports import Exports
from gateway.sandbox.faults import Faults, read_fault
from gateway.sandbox.graph import Graph
from gateway.sandbox.graphql import GraphQL
from gateway.sandbox.persister import BULK, Persister
from gateway.sandbox.queries import PLAINLY, QueryError, Serving
from gateway.sandbox.query_service import Queries
from gateway.sandbox.received import Recorder
from gateway.sandbox.synchronization import Jobs
from gateway.sandbox.talkative import everything
from gateway.sandbox.uploads import SynchronizationError

GRAPHQL_PATHS = ("/graphql", "/", "/api/graphql", "/rules/graphql")
ACCOUNT_HEADERS = ("JupiterOne-Account", "LifeOmic-Account")
CONTROL = "/_sandbox/"

STATUS_CODES = {
    400: "BAD_REQUEST",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "RequestEntityTooLargeException",  # the word that the integration SDK waits for
    422: "UNPROCESSABLE_ENTITY",
    415: "UNSUPPORTED_MEDIA_TYPE",
}
"""The code in the body, where only the HTTP status says what is wrong."""


def wall_clock() -> int:
    """Now, in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Options:
    """How a sandbox is started; `port` 0 takes a free one."""

    credential: str = "sandbox-upstream-credential"
    account: str = "j1sandbox"
    seed: int = SEED
    host: str = "127.0.0.1"
    port: int = 0
    page: int = 250
    """Rows on a page; the platform has 250."""
    body_limit: int = 32 * 1024 * 1024
    """Bytes of a request body, after inflating; the integration SDK sends up to 6 MB."""
    keep_calls: int = 1000
    keep_body: int = 64 * 1024
    """Received calls that are remembered, and bytes of each body: at most 64 MiB in all."""
    keep_jobs: int = 1000
    validated: int = 250
    """Queries in one call of /j1ql/validate, as on the platform."""
    clock: Callable[[], int] = wall_clock
    serving: Serving = PLAINLY
    """Its dialect, how it cuts pages, defers and compresses answers."""


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that listens, and its parts for a test that looks inside; `url` has no slash at its end."""

    url: str
    options: Options
    graph: Graph
    account: Account
    received: Recorder
    faults: Faults
    results: Store


@asynccontextmanager
async def running(
    options: Options = Options(), graph: Graph | None = None, account: Account | None = None
) -> AsyncIterator[Running]:
    """Serves a sandbox as long as the block lasts, with the example company unless graph and account are given.

    Synchronization jobs change the graph. Raises OSError when the port is taken.
    """
    graph = example_graph(options.account, options.seed) if graph is None else graph
    account = example_account(options.account, CLOCK) if account is None else account
    received, faults = Recorder(options.keep_calls, options.keep_body), Faults()
    results = Store(options.serving.results)
    queries = Queries(graph, account, options.page, options.clock, options.serving, results)
    app = web.Application(
        client_max_size=options.body_limit,
        middlewares=[
            _errors,
            _recording(received, faults),
            compressing(options.serving.compression, never=CONTROL),  # inside the faults, which spoil what is sent
            _errors,
            _authentication(options),
        ],
    )
    app.add_routes(Persister(Jobs(account, graph, options.keep_jobs), options.clock, results).routes())
    app.add_routes(_query_routes(options, queries))
    app.add_routes(_graphql_routes(GraphQL(graph, account, options.page, options.clock, queries)))
    app.add_routes(Exports(graph).routes())
    app.add_routes(results.routes())
    app.add_routes(_control_routes(received, faults))
    if options.serving.talkative:
        app.add_routes([web.route("*", "/{path:.*}", partial(_talk, graph, account))])
    async with _served(app, options, faults) as url:
        results.origin = url
        yield Running(url, options, graph, account, received, faults, results)


@asynccontextmanager
async def _served(app: web.Application, options: Options, faults: Faults) -> AsyncIterator[str]:
    """Bodies are left as they come on the wire, because they are recorded so."""
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, options.host, options.port).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        faults.close()
        await runner.cleanup()


# --- the upstreams ------------------------------------------------------------------------------------------------


def _query_routes(options: Options, service: Queries) -> list[web.RouteDef]:
    async def j1ql(request: web.Request) -> web.Response:
        return web.json_response(service.v1(await json_body(request)))

    async def validate(request: web.Request) -> web.Response:
        body = await json_body(request)
        queries = body.get("queries") if isinstance(body, dict) else None
        if not isinstance(queries, list) or not all(isinstance(query, str) for query in queries):
            raise QueryError("VALIDATION_ERROR", '"queries" should be a list of strings')
        if len(queries) > options.validated:
            raise QueryError("VALIDATION_ERROR", f"no more than {options.validated} queries at once")
        return web.json_response([_validated(query) for query in queries])

    return [web.post("/j1ql", j1ql), web.post("/j1ql/validate", validate)]


def _validated(query: str) -> dict[str, Any]:
    try:
        parse(query)
    except J1QLSyntaxError as fault:
        return {"query": query, "valid": False, "error": {"message": str(fault), "code": "PARSER_ERROR"}}
    return {"query": query, "valid": True}


def _graphql_routes(service: GraphQL) -> list[web.RouteDef]:
    async def graphql(request: web.Request) -> web.Response:
        try:
            return web.json_response(service.respond(await json_body(request)))
        except ValueError as fault:
            error = {"message": str(fault), "extensions": {"code": "BAD_REQUEST"}}
            return web.json_response({"errors": [error]}, status=400)

    return [web.post(path, graphql) for path in GRAPHQL_PATHS]


async def _talk(graph: Graph, account: Account, _: web.Request) -> web.Response:
    return web.json_response(everything(graph, account))


def _control_routes(received: Recorder, faults: Faults) -> list[web.RouteDef]:
    async def list_received(_: web.Request) -> web.Response:
        return web.json_response([call.wire() for call in received.calls])

    async def clear_received(_: web.Request) -> web.Response:
        received.calls.clear()
        return web.json_response({})

    async def inject(request: web.Request) -> web.Response:
        try:
            faults.inject(read_fault(await json_body(request)))
        except ValueError as fault:
            raise web.HTTPBadRequest(text=str(fault)) from None
        return web.json_response({})

    async def clear_faults(_: web.Request) -> web.Response:
        faults.clear()
        return web.json_response({})

    return [
        web.get(f"{CONTROL}received", list_received),
        web.delete(f"{CONTROL}received", clear_received),
        web.post(f"{CONTROL}fault", inject),
        web.delete(f"{CONTROL}fault", clear_faults),
    ]


# --- around every call --------------------------------------------------------------------------------------------


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns every refusal into the platform's shape, `{"error": {"code", "message"}}`."""
    try:
        return await handler(request)
    except SynchronizationError as fault:
        return _error(fault.status, fault.code, fault.message)
    except QueryError as fault:
        return _error(400, fault.code, fault.message)
    except web.HTTPException as fault:
        return _error(fault.status, STATUS_CODES.get(fault.status, "ERROR"), fault.text or fault.reason)


def _recording(received: Recorder, faults: Faults) -> Middleware:
    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(CONTROL):
            return await handler(request)
        await received.record(request)
        return await faults.answer(request, handler)

    return record


def _authentication(options: Options) -> Middleware:
    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith((RESULTS, BULK)):
            return await handler(request)
        said = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        known = hmac.compare_digest(said, f"Bearer {options.credential}".encode())
        accounts = {request.headers[name] for name in ACCOUNT_HEADERS if name in request.headers}
        if not known or not (accounts == {options.account} or request.path.startswith(CONTROL)):
            return _error(401, "UNAUTHENTICATED", "unknown credential, or not one of this account")
        return await handler(request)

    return authenticate


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)
