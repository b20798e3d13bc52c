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
from functools import lru_cache
from urllib.parse import urlsplit
from zlib import crc32

import pytest

from gateway import sandbox
from gateway.app import serving
from gateway.control import NewKey, NewUser
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
                await gateway.control.organizations.add_integration_instance(
                    Operator(), IntegrationInstance(INSTANCE, ORGANIZATION, "Assets")
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
                "calibration": {"on": False},
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


@lru_cache
def graph_without(hidden):
    """The example graph without so many of the objects that `REPOS` does not see."""
    graph = sandbox.example_graph(ORGANIZATION)
    unseen = [entity for entity in graph.entities if "github_repo" not in entity.get("_type")]
    for entity in unseen[:hidden]:
        graph.delete_entity(entity.id)
    return graph


def under_scores(text, hidden, window=Window.ROWS):
    """The answer of an engine that puts best hits first."""
    dialect = Dialect(search_order=SearchOrder.SCORE, window=window)
    graph = graph_without(hidden)
    return sandbox.evaluate(parse(text), graph, variables={}, parameters={}, now=0, dialect=dialect).data


def digest(answer):
    """Answers are long, and a failure need not show them."""
    return crc32(json.dumps(answer).encode())


@pytest.mark.parametrize("query", SEARCHES.values(), ids=SEARCHES.keys())
def test_best_hits_first_tells_nothing_of_hidden_hits(world, query):
    status, _, _ = world.query(world.key(*REPOS), query)
    assert status in {200, 403}
    for sent in world.sent_queries:
        assert digest(under_scores(sent, 0)) == digest(under_scores(sent, 40))


@pytest.mark.parametrize("window", [Window.STARTS, Window.MATCHES])
@pytest.mark.parametrize("query", ["FIND 'a' LIMIT 1", "FIND 'a' AS e RETURN MIN(e.name) LIMIT 1"])
def test_a_search_has_no_limit_until_the_upstream_is_known_to_cut_last(world, query, window):
    """`limit_after_where` is neither verified nor trusted here; an engine that cuts first cuts by hidden statistics."""
    status, _, _ = world.query(world.key(*REPOS), query)
    assert status in {200, 403}
    for sent in world.sent_queries:
        assert digest(under_scores(sent, 0, window)) == digest(under_scores(sent, 40, window))


# --- hidden relationships under induced ---------------------------------------------------------------------------


def test_induced_does_not_show_what_a_deny_names(world):
    """A DENY on a verb cannot be held to under `induced`, so that such a key reads nothing there."""
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


def test_what_a_caller_claims_of_itself_in_a_header_does_not_arrive(world):
    arrived = []
    for names in (CLAIMS[:12], CLAIMS[12:]):
        forged = dict.fromkeys(names, "forged")
        assert world.call(world.key(*EVERYTHING), "/j1ql", {"query": "FIND * LIMIT 1"}, headers=forged)[0] == 200
        arrived += [name for call in world.received for name, value in call.headers if value == "forged"]
    assert arrived == []


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
    own = {e.get("_type")[0] for e in world.upstream.graph.entities if e.get("_integrationInstanceId") == INSTANCE}
    told = []
    for target in (foreign.get("_id"), "00000000-0000-4000-8000-000000000000"):
        job = world.new_job(key)
        edge = {"_key": f"r{target}", "_type": "t", "_class": "HAS", "_fromEntityId": target, "_toEntityKey": "probe"}
        entity = {"_key": "probe", "_type": "probe", "_class": "Record"}
        world.call(key, f"{JOBS}/{job}/entities", {"entities": [entity]})
        world.call(key, f"{JOBS}/{job}/relationships", {"relationships": [edge]})
        partial = {"partialDatasets": {"types": sorted(own)}}
        _, _, body = world.call(key, f"{JOBS}/{job}/finalize", partial)
        told.append({name: n for name, n in json.loads(body)["job"].items() if name.startswith("numRelationship")})
    assert told[0] == told[1]


CREATIONS = {
    "the job of another": {"integrationJobId": "FOREIGN"},
    "a path for an id": {"integrationJobId": "../FOREIGN"},
    "an id that is a list": {"integrationJobId": ["FOREIGN"]},
    "a mode that writes by _id": {"syncMode": "PATCH"},
    "a scope": {"scope": "x"},
    "another source": {"source": "api"},
    "a source in a list": {"source": ["integration-external"]},
    "another instance": {"integrationInstanceId": "another"},
    "no instance": {"integrationInstanceId": None},
}


@pytest.mark.parametrize("change", CREATIONS.values(), ids=CREATIONS.keys())
def test_an_integration_key_creates_no_job_but_its_own(world, change):
    creation = {"source": "api", "scope": "other"}
    foreign = json.loads(world.call(world.key(*EVERYTHING), JOBS, creation)[2])["job"]["id"]
    wanted = {"source": "integration-external", "integrationInstanceId": INSTANCE} | change
    body = json.dumps(wanted).replace("FOREIGN", foreign).encode()
    status, _, _ = world.call(world.integration_key(), JOBS, body)
    assert status in {400, 403}
    assert [call for call in world.received if call.method == "POST"] == []


# --- the language -------------------------------------------------------------------------------------------------

ESCAPES = {
    "a backslash before the quote": r"""FIND * WITH name = 'a\') OR ([' AND [tag.b] != 'z'""",
    "a backslash that is none": r"""FIND * WITH name = 'a\' AND b != ') OR ([' AND [tag.b] != 'z'""",
    "comment marks in strings": """FIND * WITH name = '/*' AND c = "*/') OR ([" AND [tag.b] != 'z'""",
    "a comment mark in a regex": "FIND * WITH name ~= /a*\\/b/",
    "a quote in a regex": "FIND * WITH name ~= /a'/",
    "both quotes by variable": "FIND * WITH name = ${both}",
    "a backslash by variable": "FIND * WITH name = ${backslash}",
    "a template by variable": "FIND * WITH name = ${template}",
    "a variable for a class": "FIND ${word}",
    "a variable in a string": "FIND * WITH name = '${word}'",
    "a variable without value": "FIND * WITH name = ${absent}",
    "a list with null": "FIND * WITH name = ${nulls}",
    "an object": "FIND * WITH name = ${object}",
    "a huge number": "FIND * WITH name = ${huge}",
    "a line separator": "FIND * WITH name = 'a\u2028b'",
    "a NUL": "FIND * WITH name = 'a\0b'",
    "a second query": "FIND *; FIND User",
    "a second FIND": "FIND * WITH a = 'x' FIND User",
    "a second WITH": "FIND * AS e WITH a = 1 WITH b = 2",
    "a no-break space": "FIND *\u00a0WITH a = 1",
    "a name that looks like one": "FIND * WITH \uff3ftype = 'x'",
    "a path through anything": "FIND * THAT SOMEHOW HAS User",
    "a smart class": "FIND #CriticalAsset",
    "a subquery": "FIND * WITH name = (FIND User AS u RETURN u.name)",
    "a subquery in HAVING": "FIND * AS e RETURN COUNT(e) AS n HAVING n = (FIND User AS u RETURN u.n)",
    "a search in a step": "FIND * THAT HAS 'secret'",
    "UNIQUE of a search": "FIND UNIQUE 'secret' AS e RETURN e._type",
    "all columns": "FIND * AS e RETURN *",
    "a bare column": "FIND * RETURN _id",
    "one column twice": "FIND * AS e RETURN e.a AS x, e.b AS x",
    "the name of our column": "FIND * AS e RETURN gw0, e.name",
    "one alias for two parts": "FIND User THAT HAS User RETURN User.name",
}
VALUES = {
    "both": "a'\"",
    "backslash": "a\\",
    "template": "${param.x}",
    "word": "User",
    "nulls": ["a", None],
    "object": {"a": 1},
    "huge": 2**60,
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("query", ESCAPES.values(), ids=ESCAPES.keys())
def test_a_query_that_can_be_read_in_two_ways_or_not_narrowed_is_not_sent(world, query, mode):
    status, _, _ = world.query(world.key(*REPOS, mode=mode), query, mode=mode, variables=VALUES)
    assert status in {400, 403}
    assert world.received == []


WIDENINGS = (
    "FIND * WITH a = 1 OR 1 = 1",
    "FIND * WITH _type = 'github_user' OR _type != 'github_repo'",
    "find github_user with [_type] = 'github_user'",
    "FIND (*|User) AS e",
    "FIND * AS gw0 WHERE gw0._type != 'github_repo' RETURN gw0",
    "FIND * AS e RETURN e ORDER BY e._type LIMIT 1 LIMIT 5 SKIP 1 SKIP 2",
    "FIND * AS e RETURN e.name --1 AS y, e",
    "FIND User AS github_repo RETURN github_repo",
    "FIND /*' WITH (*/ User /*)*/ AS e RETURN e",
    "FIND * WITH name = ${quoted} OR _type = 'User'",
)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("query", WIDENINGS)
def test_nothing_else_than_what_the_policy_names_comes_back(world, query, mode):
    variables = {"quoted": "a' OR '1' = '1"}
    status, _, body = world.query(world.key(*REPOS, mode=mode), query, mode=mode, variables=variables)
    assert status == 200
    types = re.findall(rb'"_type": \[([^]]*)]', body)
    assert set(types) <= {b'"github_repo"'}


ARGUMENTS = (
    {"scopeFilters": [{"_type": "User"}]},
    {"deferredResponse": "LATER"},
    {"deferredFormat": "CSV"},
    {"includeDeleted": True},
    {"includeDeleted": 0},
    {"dryRun": True},
    {"flags": {"rowMetadata": True}},
    {"flags": {"unknown": 0}},
    {"Query": "FIND User"},
    {"cursor": ["x"]},
    {"cursor": "x"},
    {"sourceMetadata": {"a": "${param.x}"}},
)


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_no_argument_widens_an_answer(world, arguments):
    status, _, _ = world.query(world.key(*REPOS), "FIND *", **arguments)
    assert status in {400, 403}
    assert world.received == []


def test_a_cursor_opens_for_its_own_key_mode_query_and_variables_only(world):
    policy = (allow(), deny(_type="github_repo"))
    key = world.key(*policy)
    cursor = json.loads(world.query(key, "FIND *")[2])["cursor"]
    assert world.query(key, "FIND *", cursor=cursor)[0] == 200
    assert world.query(key, "FIND *", cursor="")[0] == 200  # clients mean the first page by it
    others = (
        {"key": world.key(*policy, fresh=True)},
        {"key": world.key(*policy, mode="induced"), "mode": "induced"},
        {"text": "FIND * "},
        {"variables": {"a": 1}},
        {"cursor": cursor[:-1]},
        {"cursor": cursor + "A"},
        {"cursor": "\u00e9"},
    )
    for change in others:
        call = {"key": key, "text": "FIND *", "cursor": cursor} | change
        assert world.query(**call)[0] == 400
        assert world.received == []


# --- change what is hidden, and compare the bytes -----------------------------------------------------------------

WATCHED = (
    "FIND * LIMIT 3",
    "FIND * AS e RETURN e._type AS t, COUNT(e) AS n",
    "FIND * AS e RETURN AVG(e._version), MIN(e.name), MAX(e._createdOn)",
    "FIND * AS e RETURN UNWIND(e._class) AS c, e.name ORDER BY c SKIP 3 LIMIT 7",
    "FIND User THAT RELATES TO * RETURN TREE",
    "FIND User AS u THAT HAS AS r * AS b RETURN COUNT(r), COUNT(u)",
    "FIND UNIQUE User AS u THAT RELATES TO * AS o RETURN u._type",
    "FIND User THAT !HAS CodeRepo",
    "FIND User (THAT HAS CodeRepo)? AS x RETURN COUNT(x)",
    "'prod'",
    "FIND NoSuchClass",
)
_SEEN = ("github_repo", "github_user", "HAS")


def visible(thing):
    types = thing.get("_type") if isinstance(thing.get("_type"), list | tuple) else [thing.get("_type")]
    return not set(_SEEN).isdisjoint(
        [*types, thing.get("_class")] if isinstance(thing, sandbox.Relationship) else types
    )


def change_what_is_hidden(graph):
    """Deletes a third of the hidden entities, with their relationships, and rewrites the others."""
    for number, entity in enumerate([entity for entity in graph.entities if not visible(entity)]):
        if number % 3:
            graph.put_entity(replace(entity, properties={**entity.properties, "name": "prod", "new": number}))
        else:
            graph.delete_entity(entity.id)


def told(answer):
    """What must not differ: all but the request id, the clock, and a cursor, of which the length stays."""
    status, headers, body = answer
    body = re.sub(rb'"requestId":"\w+"', b"", body)
    body = re.sub(rb'"cursor":"([^"]*)"', lambda match: str(len(match[1])).encode(), body)
    return status, {name: value for name, value in headers.items() if name not in {"date", "x-request-id"}}, body


def test_answers_stay_the_same_to_the_byte_whatever_becomes_of_hidden_objects(world):
    policy = (allow(_type=["github_repo", "github_user"]), allow(_class="HAS"))
    keys = {mode: world.key(*policy, mode=mode) for mode in MODES}

    def watched():
        return {(mode, text): told(world.query(keys[mode], text, mode=mode)) for mode in MODES for text in WATCHED}

    before = watched()
    assert {status for status, _, _ in before.values()} == {200}
    unrestricted = [told(world.query(world.key(*EVERYTHING), text)) for text in WATCHED]
    world.do(lambda: change_what_is_hidden(world.upstream.graph))
    changed = [told(world.query(world.key(*EVERYTHING), text)) for text in WATCHED]
    assert sum(one != other for one, other in zip(unrestricted, changed, strict=True)) > len(WATCHED) / 2
    assert watched() == before


# --- GraphQL ------------------------------------------------------------------------------------------------------

_BOARD = "{ getDashboard(dashboardId: %s) { id } }"
OTHER_FIELDS = {
    "a number for the id": {"query": _BOARD % "123456"},
    "a list for the id": {"query": _BOARD % '["123456"]'},
    "null beats a default": {
        "query": 'query ($x: ID = "123456") { getDashboard(dashboardId: $x) { id } }',
        "variables": {"x": None},
    },
    "a value beats a default": {
        "query": 'query ($x: ID = "123456") { getDashboard(dashboardId: $x) { id } }',
        "variables": {"x": "9"},
    },
    "an undeclared variable": {"query": "{ getDashboard(dashboardId: $x) { id } }", "variables": {"x": "123456"}},
    "an argument twice": {"query": '{ getDashboard(dashboardId: "123456", dashboardId: "9") { id } }'},
    "another field under its alias": {"query": '{ getDashboard: queryV1(query: "FIND *") { data } }'},
    "a second field": {
        "query": '{ a: getDashboard(dashboardId: "123456") { id } b: getDashboard(dashboardId: "9") { id } }'
    },
    "a fragment": {"query": f"{{ ...F }} fragment F on Query {GRAPH_QUERY}"},
    "a fragment that is skipped": {"query": f"{{ ...F @skip(if: true) }} fragment F on Query {GRAPH_QUERY}"},
    "an inline fragment": {"query": f"{{ ... on Query {GRAPH_QUERY} }}"},
    "another operation by name": {"query": f"query A {{ __typename }} query B {GRAPH_QUERY}", "operationName": "B"},
    "two operations and no name": {"query": f"query A {{ __typename }} query B {GRAPH_QUERY}"},
    "a subscription": {"query": "subscription { __typename }"},
    "minting by an account's key": {"query": 'mutation { createToken(token: {name: "n", policy: "{}"}) { token } }'},
    "minting at the upstream": {
        "query": 'mutation { __typename createCurrentUserToken(expirationDate: "") { token } }'
    },
    "a public address": {"query": "mutation { createPublicSharedUrl { url } }"},
    "a cycle": {"query": "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"},
}


@pytest.mark.parametrize("body", OTHER_FIELDS.values(), ids=OTHER_FIELDS.keys())
def test_a_dashboard_key_reaches_nothing_else(world, body):
    key = world.key(*DASHBOARD)
    for sent in (body, [body]):
        _, _, answer = world.call(key, "/graphql", sent)
        assert b'"errors"' in answer
        assert world.received == []


# --- HTTP ---------------------------------------------------------------------------------------------------------

_USERS = b'{"query":"FIND github_user LIMIT 1"}'


def test_each_of_two_pipelined_calls_is_decided_by_its_own_key(world):
    restricted, powerful = world.key(*REPOS), world.key(*EVERYTHING)
    answer = world.raw(message(powerful, _USERS), message(restricted, _USERS))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert all("WITH _type = 'github_repo'" in sent for sent in world.sent_queries[1:])
    world.raw(message(restricted, _USERS), message(powerful, _USERS))
    assert "WITH _type = 'github_repo'" in world.sent_queries[0]


def test_a_trailer_is_no_credential_and_a_chunk_extension_no_body(world):
    size = f"{len(_USERS):x}".encode()
    trailer = b"Authorization: Bearer " + world.key(*EVERYTHING).encode() + b"\r\n"
    body = size + b";query=x\r\n" + _USERS + b"\r\n0\r\n" + trailer + b"\r\n"
    world.raw(message(world.key(*REPOS), body, add=[b"Transfer-Encoding: chunked"], length=False))
    assert world.sent_queries == ["FIND github_user WITH _type = 'github_repo' LIMIT 1"]


def test_the_query_string_of_a_query_goes_nowhere(world):
    world.raw(message(world.key(*EVERYTHING), _USERS, b"POST /j1ql?includeDeleted=true HTTP/1.1"))
    assert [call.path for call in world.received] == ["/j1ql"]


def test_nobody_is_asked_for_a_body_before_the_key_is_known(world):
    answer = world.raw(message("gwa_" + "0" * 33, _USERS, add=[b"Expect: 100-continue"]))
    assert answer.startswith(b"HTTP/1.1 401 ")


# --- keys ---------------------------------------------------------------------------------------------------------

_READ = '"effect":"ALLOW","actions":["query:ReadGraphData"],"resources":["*"]'
POLICIES = {
    "a condition twice": f'{{"permissions":[{{{_READ},"condition":{{"stringEquals":{{"a":"b"}}}},"condition":null}}]}}',
    "a condition that is null": f'{{"permissions":[{{{_READ},"condition":null}}]}}',
    "an empty condition": f'{{"permissions":[{{{_READ},"condition":{{"stringEquals":{{}}}}}}]}}',
    "an empty list": f'{{"permissions":[{{{_READ},"condition":{{"stringEquals":{{"a":[]}}}}}}]}}',
    "a Condition": f'{{"permissions":[{{{_READ},"Condition":{{"stringEquals":{{"a":"b"}}}}}}]}}',
    "an operator more": f'{{"permissions":[{{{_READ},"condition":{{"stringEquals":{{"a":"b"}},"x":{{"a":"b"}}}}}}]}}',
    "a look-alike action": '{"permissions":[{"effect":"DENY","actions":["\uff51uery"],"resources":["*"]}]}',
    "a look-alike effect": '{"permissions":[{"effect":"\u0410LLOW","actions":["*"],"resources":["*"]}]}',
    "a pattern": '{"permissions":[{"effect":"DENY","actions":["dashboard:*"],"resources":["*"]}]}',
    "a byte order mark": f'\ufeff{{"permissions":[{{{_READ}}}]}}',
    "too much": f'{{"permissions":[{{{_READ}}}]}}' + " " * 70_000,
    "nothing": "null",
}


@pytest.fixture(scope="module")
def session(world):
    """The credential of an administrator who has logged in, and the code of that login."""
    control = world.gateways["strict"].control
    second = NewUser("two@acme.example", Role.ORGANIZATION_ADMIN)
    world.wait(control.people.add_user(Operator(), second, organization=ORGANIZATION))
    code = world.wait(control.logins.create_login("two@acme.example", ORGANIZATION)).code
    return world.wait(control.logins.redeem(code)).secret, code


def mint(world, session, policy):
    query = "mutation ($token: TokenInput!) { createToken(token: $token) { token id } }"
    variables = {"token": {"name": "n", "policy": policy}}
    return json.loads(world.call(session[0], "/graphql", {"query": query, "variables": variables})[2])


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
def test_a_policy_with_two_meanings_makes_no_key(world, session, policy):
    answer = mint(world, session, policy)
    assert answer["data"] == {"createToken": None}
    assert answer["errors"][0]["extensions"]["reason"] == "invalid_policy"


def test_a_revoked_key_is_refused_from_the_next_call_on_and_nobody_revokes_what_is_not_theirs(world, session):
    made = mint(world, session, json.dumps({"permissions": [allow()]}))["data"]["createToken"]
    revoke = {"query": "mutation ($id: String!) { revokeToken(id: $id) { id } }", "variables": {"id": made["id"]}}
    assert b"unknown_key" in world.call(world.key(*EVERYTHING), "/graphql", revoke)[2]
    assert world.query(made["token"], "FIND * LIMIT 1")[0] == 200
    assert b"unknown_key" not in world.call(session[0], "/graphql", revoke)[2]
    assert world.query(made["token"], "FIND * LIMIT 1")[0] == 401
    assert world.received == []


def test_a_login_works_once(world, session):
    with pytest.raises(Exception, match="was used"):
        world.wait(world.gateways["strict"].control.logins.redeem(session[1]))
