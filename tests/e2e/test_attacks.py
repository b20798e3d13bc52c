"""Attacks on the promises, by whoever holds a key that may do little; some were found to work, and were ended.

Both gateways (strict and induced) stand in front of one sandbox, whose graph and received calls the tests can see.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
import threading
from contextlib import AsyncExitStack
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from gateway import sandbox
from gateway.app import serving
from gateway.control import NewKey
from gateway.j1ql import parse
from gateway.keys import Operator, Role
from gateway.sandbox.dialect import Dialect, SearchOrder, Window
from gateway.settings import validated
from gateway.stores import IntegrationInstance, Organization, create

ORGANIZATION = "acme"
INSTANCE = sandbox.INTEGRATION_INSTANCE
JOBS = "/persister/synchronization/jobs"
MODES = ("strict", "induced")


def statement(effect, actions, resources, **equals):
    made = {"effect": effect, "actions": [actions], "resources": [resources]}
    return made | ({"condition": {"stringEquals": equals}} if equals else {})


def allow(**equals):
    return statement("ALLOW", "query:ReadGraphData", "*", **equals)


def deny(**equals):
    return statement("DENY", "query:ReadGraphData", "*", **equals)


EVERYTHING = (statement("ALLOW", "*", "*"),)
REPOS = (allow(_type="github_repo"),)
DASHBOARD = (statement("ALLOW", "dashboard:View", "dashboard:123456"),)
STANDARD = (statement("ALLOW", "compliance:GetStandard", "compliance-standard:mine"),)


class World:
    """The servers, on a loop in a thread of its own, so that a test can be written from the attacker's side."""

    def __init__(self, folder):
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.upstream = None
        self.gateways = {}
        self._keys = {}
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)

    def _run(self):
        self.loop.run_until_complete(self._serve())
        self.loop.close()

    async def _serve(self):
        async with AsyncExitStack() as stack:
            self.upstream = await stack.enter_async_context(sandbox.running(sandbox.Options(account=ORGANIZATION)))
            for mode in MODES:
                self.gateways[mode] = gateway = await stack.enter_async_context(serving(self._settings(mode)))
                await gateway.control.logins.found(Organization(ORGANIZATION, "Acme"), "one@acme.example")
                await gateway.control.enrolment.add_integration_instance(
                    IntegrationInstance(INSTANCE, ORGANIZATION, "Assets")
                )
            self._ready.set()
            await self._stop.wait()

    def _settings(self, mode):
        url = self.upstream.url
        create(self.folder / f"{mode}.db")
        binding = {"j1ql": f"{url}/j1ql", "graphql": f"{url}/graphql", "persister": url, "account": ORGANIZATION}
        return validated(
            {
                "data": {"port": 0},
                "admin": {"port": 0},
                "ops": {"port": 0},
                "secrets": {"identity": "i" * 32, "seal": "s" * 32},
                "store": {"sqlite": self.folder / f"{mode}.db"},
                "decision_log": {"file": self.folder / f"{mode}.jsonl"},
                "graph": {"relationships": mode},
                "organizations": {
                    ORGANIZATION: {"upstream": binding | {"credential": self.upstream.options.credential}}
                },
            }
        )

    def wait(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def do(self, act):
        """Calls `act` where the servers run."""

        async def acting():
            return act()

        return self.wait(acting())

    def key(self, *statements, mode="strict", fresh=False):
        text = json.dumps({"permissions": statements})
        if fresh or (mode, text) not in self._keys:
            tokens = self.gateways[mode].control.tokens
            made = self.wait(tokens.create_account_key(Operator(), NewKey("k", policy=text), organization=ORGANIZATION))
            self._keys[mode, text] = made.secret
        return self._keys[mode, text]

    def integration_key(self):
        tokens = self.gateways["strict"].control.tokens
        return self.wait(tokens.create_integration_key(Operator(), NewKey("i"), instance=INSTANCE)).secret

    def call(self, key, path, body, *, mode="strict", method="POST", headers=()):
        """Status, headers and body of a call; what stands in the way of the upstream's record is forgotten before."""
        self.do(self.upstream.received.calls.clear)
        connection = http.client.HTTPConnection(urlsplit(self.gateways[mode].data).netloc, timeout=30)
        try:
            sent = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"} | dict(headers)
            data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def query(self, key, text, *, mode="strict", **more):
        return self.call(key, "/j1ql", {"query": text, **more}, mode=mode)

    def raw(self, *messages):
        """Sends bytes in one piece, and returns all that comes back."""
        self.do(self.upstream.received.calls.clear)
        address = urlsplit(self.gateways["strict"].data)
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            connection.sendall(b"".join(messages))
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65536):
                answer += part
            return answer

    @property
    def received(self):
        return self.do(lambda: list(self.upstream.received.calls))

    @property
    def sent_queries(self):
        return [json.loads(call.body)["query"] for call in self.received if call.path == "/j1ql"]

    def new_job(self, key):
        creation = {"source": "integration-external", "integrationInstanceId": INSTANCE}
        return json.loads(self.call(key, JOBS, creation)[2])["job"]["id"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with World(tmp_path_factory.mktemp("attacks")) as world:
        yield world


def message(key, body, line=b"POST /j1ql HTTP/1.1", add=(), *, length=True):
    lines = [line, b"Host: localhost", b"Authorization: Bearer " + key.encode(), b"Content-Type: application/json"]
    lines += [b"Content-Length: " + str(len(body)).encode()] if length else []
    return b"\r\n".join([*lines, *add]) + b"\r\n\r\n" + body


# --- the order of a search tells of hidden text -------------------------------------------------------------------

SEARCHES = {
    "a column that is called like the order": "FIND 'a' AS e RETURN e._type AS 'e._id', e.name LIMIT 1",
    "the same without LIMIT": "FIND 'a' AS e RETURN e._type AS 'e._id', e.name",
    "UNWIND": "FIND 'a' AS e RETURN UNWIND(e._type) AS t, e.name LIMIT 1",
    "UNWIND within CONCAT": "FIND 'a' AS e RETURN CONCAT(UNWIND(e._type), e.name) AS t LIMIT 1",
    "MERGE": "FIND 'a' AS e RETURN MERGE(e._type) AS t, e.name LIMIT 1",
    "plain": "FIND 'a' AS e RETURN e.name LIMIT 1",
    "list": "FIND 'a' LIMIT 1",
    "own order": "FIND 'a' AS e RETURN e.name ORDER BY e._type LIMIT 2",
}


def under_scores(text, hidden, window=Window.ROWS):
    """The answer of an engine that puts best hits first, on a graph without so many of the hidden objects."""
    graph = sandbox.example_graph(ORGANIZATION)
    unseen = [entity for entity in graph.entities if "github_repo" not in entity.get("_type")]
    for entity in unseen[:hidden]:
        graph.delete_entity(entity.id)
    dialect = Dialect(search_order=SearchOrder.SCORE, window=window)
    return sandbox.evaluate(parse(text), graph, variables={}, parameters={}, now=0, dialect=dialect).data


@pytest.mark.parametrize("query", SEARCHES.values(), ids=SEARCHES.keys())
def test_best_hits_first_tells_nothing_of_hidden_hits(world, query):
    status, _, _ = world.query(world.key(*REPOS), query)
    assert status in {200, 403}
    for sent in world.sent_queries:
        assert under_scores(sent, 0) == under_scores(sent, 40)


@pytest.mark.parametrize("window", [Window.STARTS, Window.MATCHES])
@pytest.mark.parametrize("query", ["FIND 'a' LIMIT 1", "FIND 'a' AS e RETURN MIN(e.name) LIMIT 1"])
def test_a_search_has_no_limit_until_the_upstream_is_known_to_cut_last(world, query, window):
    """`limit_after_where` is neither verified nor trusted here; an engine that cuts first cuts by hidden statistics."""
    status, _, _ = world.query(world.key(*REPOS), query)
    assert status in {200, 403}
    for sent in world.sent_queries:
        assert under_scores(sent, 0, window) == under_scores(sent, 40, window)


# --- hidden relationships under induced ---------------------------------------------------------------------------


def test_induced_does_not_show_what_a_deny_names(world):
    """A DENY on a verb cannot be held to under `induced`, so that such a key reads nothing there (G1)."""
    key = world.key(allow(), deny(_class="HAS"), mode="induced")
    status, _, _ = world.query(key, "FIND * AS a THAT HAS AS r * AS b RETURN COUNT(r)", mode="induced")
    assert status == 403
    assert world.received == []


# --- GraphQL: two readings of one request -------------------------------------------------------------------------

GRAPH_QUERY = '{ queryV1(query: "FIND *") { data } }'
TWO_READINGS = {
    "a member in another case": b'{"query":"{__typename}","Query":' + json.dumps(GRAPH_QUERY).encode() + b"}",
    "operationName in another case": json.dumps(
        {"query": f"query A {{__typename}} query B {GRAPH_QUERY}", "operationName": "A", "operationname": "B"}
    ).encode(),
    "a persisted query": json.dumps(
        {"query": "{__typename}", "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "00"}}}
    ).encode(),
    "the id of a stored document": b'{"query":"{__typename}","documentId":"all","id":"all"}',
    "a field of an input object twice": json.dumps(
        {"query": '{ complianceFramework(input: {id: "other", id: "mine"}) { id } }'}
    ).encode(),
}


@pytest.mark.parametrize("body", TWO_READINGS.values(), ids=TWO_READINGS.keys())
def test_a_graphql_request_that_another_reader_takes_for_another_one_goes_nowhere(world, body):
    status, _, _ = world.call(world.key(*STANDARD), "/graphql", body)
    assert status == 400
    assert world.received == []


# --- headers by which an upstream may believe a caller ------------------------------------------------------------

CLAIMS = (
    "X-Client-IP X-Cluster-Client-IP CF-Connecting-IP Fastly-Client-IP X-Forwarded X-Host X-Envoy-Original-Path "
    "X-WebAuth-User X-Consumer-Username X-Goog-Authenticated-User-Email X-Ms-Client-Principal X-Amzn-Oidc-Data "
    "X-Access-Token Api-Key JupiterOne-Api-Key X-JupiterOne-Account Proxy X-Forwarded-For X-Real-IP X-Auth-User Cookie "
    "Gateway-Identity-Key"
).split()


@pytest.mark.parametrize("name", CLAIMS)
def test_what_a_caller_claims_of_itself_in_a_header_does_not_arrive(world, name):
    status, _, _ = world.call(world.key(*EVERYTHING), "/j1ql", {"query": "FIND * LIMIT 1"}, headers={name: "forged"})
    assert status in {200, 400}
    assert not [value for call in world.received for _, value in call.headers if value == "forged"]


# --- the persister: past the own integration ----------------------------------------------------------------------

PAST_THE_INTEGRATION = {
    "deletions in /upload": ("upload", {"deleteEntities": [{"_id": "x"}]}),
    "deletions in /entities": ("entities", {"entities": [], "deleteEntities": [{"_id": "x"}]}),
    "deletions in /relationships": ("relationships", {"relationships": [], "deleteRelationships": [{"_id": "x"}]}),
    "an upload URL": ("uploadUrl", {}),
}


@pytest.mark.parametrize(("part", "body"), PAST_THE_INTEGRATION.values(), ids=PAST_THE_INTEGRATION.keys())
def test_an_integration_key_does_not_reach_past_its_integration(world, part, body):
    key = world.integration_key()
    job = world.new_job(key)
    status, _, _ = world.call(key, f"{JOBS}/{job}/{part}", body)
    assert status == 403
    assert world.received == []


def test_an_integration_key_cannot_find_out_whether_a_foreign_entity_exists(world):
    """A relationship to an `_id` is made or counted as an error; that count is one bit about any entity."""
    key = world.integration_key()
    foreign = next(e for e in world.upstream.graph.entities if e.get("_integrationInstanceId") != INSTANCE)
    before = set(e.id for e in world.upstream.graph.entities if e.get("_integrationInstanceId") == INSTANCE)
    kept = [e.get("_type")[0] for e in world.upstream.graph.entities if e.id in before]
    told = []
    for target in (foreign.get("_id"), "00000000-0000-4000-8000-000000000000"):
        job = world.new_job(key)
        edge = {"_key": f"r{target}", "_type": "t", "_class": "HAS", "_fromEntityId": target, "_toEntityKey": "probe"}
        entity = {"_key": "probe", "_type": "probe", "_class": "Record"}
        world.call(key, f"{JOBS}/{job}/entities", {"entities": [entity]})
        world.call(key, f"{JOBS}/{job}/relationships", {"relationships": [edge]})
        partial = {"partialDatasets": {"types": sorted(set(kept))}}
        _, _, body = world.call(key, f"{JOBS}/{job}/finalize", partial)
        told.append({name: n for name, n in json.loads(body)["job"].items() if name.startswith("numRelationship")})
    assert told[0] == told[1]
