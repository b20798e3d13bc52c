"""Attack documents over sockets: refused, and the upstream hears nothing. The work they cost is counted in
`authz/test_documents`.
"""

from __future__ import annotations

import json

import pytest

from gateway.answers import TRIGGERS

DASHBOARD = '{ getDashboard(dashboardId: "7") { id } }'
"""What the key `dashboard` may ask for."""


def text(query, **more):
    return json.dumps({"query": query, **more}).encode()


def aliased(count):
    return " ".join(f"a{number}: name" for number in range(count))


def nested(depth, inner="id"):
    return "{ a " * depth + f"{{ {inner} }}" + " }" * depth


def bomb(levels):
    spreads = (f"fragment F{n} on Q {{ a {{ ...F{n + 1} }} b {{ ...F{n + 1} }} }}" for n in range(levels))
    return " ".join(["{ ...F0 }", *spreads, f"fragment F{levels} on Q {{ id }}"])


TOO_MUCH = {
    "root fields": text("{" + " ".join(f'a{n}: parameter(name: "x") {{ value }}' for n in range(51)) + "}"),
    "root fields in a fragment": text("{ ...F } fragment F on Q {" + " ".join(f"a{n}" for n in range(51)) + "}"),
    "aliases": text(f"{{ a {{ {aliased(51)} }} }}"),
    "aliases in an operation that is not selected": text(
        f"query A {{ a }} query B {{ a {{ {aliased(51)} }} }}", operationName="A"
    ),
    "aliases in a fragment that is not used": text(f"{{ a }} fragment F on Q {{ {aliased(51)} }}"),
    "nested fields": text(nested(25)),
    "thousands of nested fields": text(nested(3000)),
    "nested fragments": text("{ ... " * 25 + "{ id }" + " }" * 25),
    "a chain of fragments": text(
        "{ ...F0 } "
        + " ".join(f"fragment F{n} on Q {{ ...F{n + 1} }}" for n in range(600))
        + " fragment F600 on Q { id }"
    ),
    "nested lists": text("{ a(b: " + "[" * 3000 + "]" * 3000 + ") }"),
    "nested objects": text("{ a(b: " + "{c: " * 30 + "1" + "}" * 30 + ") }"),
    "a nested default": text("query ($a: X = " + "[" * 30 + "]" * 30 + ") { a }"),
    "a nested argument of a directive": text("{ a @b(c: " + "[" * 30 + "]" * 30 + ") }"),
    "nested types of a variable": text("query ($a: " + "[" * 3000 + "X" + "]" * 3000 + ") { a }"),
    "nested variables": b'{"query": "{ a }", "variables": {"a": ' + b"[" * 3000 + b"]" * 3000 + b"}}",
    "nested members beside": b'{"query": "{ a }", "extensions": ' + b'{"a": ' * 100 + b"1" + b"}" * 101,
    "a fragment in itself": text("{ ...A } fragment A on Q { a { ...A } }"),
    "fragments in each other": text(
        "{ ...A } fragment A on Q { ...B } fragment B on Q { ...C } fragment C on Q { ...A }"
    ),
    "fragments in each other that are not used": text("{ a } fragment A on Q { ...B } fragment B on Q { ...A }"),
    "fragments that double each other": text(bomb(20)),
    "many fragments that double each other": text(bomb(150)),
    "directives": text("{ a " + "@b " * 51 + "}"),
    "directives on a fragment": text("{ ...F } fragment F on Q " + "@b " * 51 + "{ a }"),
    "directives on variables": text("query (" + " ".join(f"$v{n}: Int @b" for n in range(51)) + ") { a }"),
    "tokens": text("{ " + "a " * 5001 + "}"),
    "arguments": text("{ a(" + " ".join(f"b{n}: 1" for n in range(2500)) + ") }"),
    "characters": text('{ a(b: "' + "x" * 100_000 + '") }'),
    "a comment": text("{ a } #" + "x" * 100_000),
    "operations": b"[" + b",".join([text("{ a }")] * 51) + b"]",
    "operations that are large together": b"[" + b",".join([text("{ " + "a " * 1500 + "}")] * 40) + b"]",
    "no operations": b"[]",
    "a body": text("{ a }", variables={"a": "x" * 2_200_000}),
}

TWO_READINGS = {
    "the document twice": b'{"query": "{ __typename }", "query": "{ a }"}',
    "the document twice, one escaped": b'{"query": "{ __typename }", "quer\\u0079": "{ a }"}',
    "a variable twice": b'{"query": "query ($a: X) { a(b: $a) }", "variables": {"a": 1, "a": 2}}',
    "a member of a variable twice": b'{"query": "{ a }", "variables": {"a": {"b": 1, "b": 2}}}',
    "an argument twice": text("{ a(b: 1, b: 2) }"),
    "a member of an argument twice": text("{ a(b: {c: 1, c: 2}) }"),
    "a variable declared twice": text("query ($a: X, $a: Y) { a }"),
    "a fragment twice": text("{ ...F } fragment F on Q { __typename } fragment F on Q { a }"),
    "an operation twice": text("query A { __typename } query A { a }", operationName="A"),
    "two operations and no name": text("query A { __typename } query B { a }"),
    "two operations and an empty name": text("query A { __typename } query B { a }", operationName=""),
    "two operations and null for a name": text("query A { __typename } query B { a }", operationName=None),
    "the name of a fragment": text("query A { __typename ...F } fragment F on Q { a }", operationName="F"),
    "the name of nothing": text("query A { __typename }", operationName="B"),
    "a name for an operation without one": text("{ __typename }", operationName="A"),
    "a name that is no text": text("{ __typename }", operationName=["A"]),
    "no operation": text("fragment F on Q { a }"),
    "a missing fragment": text("{ __typename ...F }"),
    "types": text("{ __typename } type Query { a: Int }"),
    "variables that are a text": text("{ __typename }", variables='{"a": 1}'),
    "a document that is a list": text(["{ __typename }"]),
    "a stored document": text("{ __typename }", id="1"),
    "a stored document alone": json.dumps(
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "x"}}}
    ).encode(),
    "a stored document beside": text("{ __typename }", extensions={"persistedQuery": {"sha256Hash": "x"}}),
    "another spelling": text("{ __typename }", Query="{ a }"),
    "a subscription": text("subscription { a }"),
    "a byte order mark": b"\xef\xbb\xbf" + text("{ __typename }"),
    "a byte order mark in UTF-16": text("{ __typename }").decode().encode("utf-16"),
    "something after": text("{ __typename }") + b"{}",
    "two documents": text("{ __typename }") + b"\n" + text("{ a }"),
    "NaN": b'{"query": "{ __typename }", "variables": {"a": NaN}}',
    "half a surrogate pair": b'{"query": "{ __typename }", "variables": {"a": "\\ud800"}}',
    "bytes that are no text": b'{"query": "{ __typename \xff }"}',
    "an array in an array": b"[[" + text("{ __typename }") + b"]]",
    "an escaped name of a field": text(r"{ \u0061 }"),
    "a text": b'"{ __typename }"',
    "nothing": b"null",
}


def refused(answer):
    """The error of a call, or of the only element of a batch, that was refused because of what it is."""
    body = answer.json
    (error,) = (body[0] if isinstance(body, list) else body)["errors"]
    assert error["extensions"]["reason"] in {"malformed_body", "too_large"}
    assert not any(trigger in error["message"].lower() for trigger in TRIGGERS)
    assert len(error["message"]) < 500
    return error


@pytest.mark.parametrize("body", TOO_MUCH.values(), ids=TOO_MUCH.keys())
async def test_what_is_too_much_goes_nowhere_whoever_asks(gateway, upstream, body):
    """For a key that may do everything, so for any key."""
    answer = await gateway.ask("POST", "/graphql", body)
    assert answer.status in {400, 413}
    refused(answer)
    assert upstream.received == []


@pytest.mark.parametrize("body", TWO_READINGS.values(), ids=TWO_READINGS.keys())
async def test_what_has_two_readings_goes_nowhere_whoever_asks(gateway, upstream, body):
    answer = await gateway.ask("POST", "/graphql", body)
    assert answer.status == 400 or isinstance(answer.json, list)
    refused(answer)
    assert upstream.received == []


HIDDEN = {
    "an alias": "{ getDashboard: queryV1(query: 1) { id } }",
    "@include that is false": '{ getDashboard(dashboardId: "7") { id } queryV1(query: 1) @include(if: false) { id } }',
    "@skip that is true": '{ getDashboard(dashboardId: "7") { id } ... @skip(if: true) { queryV1(query: 1) { id } } }',
    "@include of a variable": "query ($no: Boolean = false) { queryV1(query: 1) @include(if: $no) { id } }",
    "a skipped spread": "{ ...F @skip(if: true) } fragment F on Query { queryV1(query: 1) { id } }",
    "a fragment before": "fragment F on Query { queryV1(query: 1) { id } } query A { ...F }",
    "a fragment in a fragment": "{ ...A } fragment A on Q { ...B } fragment B on Q { queryV1(query: 1) { id } }",
    "a type that is not that of the root": "{ ... on Nothing { queryV1(query: 1) { id } } }",
    "commas": ",,{,,queryV1(query:1),{,id,},}",
    "a comment that a carriage return ends": "{ __typename #\r queryV1(query: 1) { id }\n}",
    "another operation": "query A { __typename } query B { queryV1(query: 1) { id } }",
    "another dashboard, escaped": r'{ getDashboard(dashboardId: "\u0038") { id } }',
    "another dashboard, escaped by name": r'{ getDashboard(dashboardId: "\u{38}") { id } }',
    "another dashboard in a block": '{ getDashboard(dashboardId: """\n    8\n  """) { id } }',
    "one dashboard and another": '{ getDashboard(dashboardId: "7") { id } b: getDashboard(dashboardId: "8") { id } }',
    "a dashboard and more": '{ getDashboard(dashboardId: "7\\u0000") { id } }',
    "a default that a variable replaces": 'query ($id: ID = "7") { getDashboard(dashboardId: $id) { id } }',
    "a number": "{ getDashboard(dashboardId: 7) { id } }",
    "a list": '{ getDashboard(dashboardId: ["7"]) { id } }',
    "null": "{ getDashboard(dashboardId: null) { id } }",
    "an undeclared variable": "{ getDashboard(dashboardId: $seven) { id } }",
    "an argument in another case": '{ getDashboard(DashboardId: "7") { id } }',
    "introspection": '{ __schema { types { name } } getDashboard(dashboardId: "7") { id } }',
}


@pytest.mark.parametrize("query", HIDDEN.values(), ids=HIDDEN.keys())
async def test_a_forbidden_field_counts_however_it_is_written(gateway, upstream, query):
    name = {"operationName": "B"} if "query B" in query else {}
    body = text(query, variables={"no": False, "id": "8", "seven": "7"}, **name)
    answer = await gateway.ask("POST", "/graphql", body, "dashboard")
    assert answer.status in {200, 400}
    (error,) = answer.json["errors"]
    assert answer.json["data"] is None
    assert error["extensions"]["reason"] in {"not_allowed", "queryv1_needs_j1ql", "malformed_body"}
    assert not any(trigger in error["message"].lower() for trigger in TRIGGERS)
    assert upstream.received == []


PLAIN = {
    "a block": text('{ getDashboard(dashboardId: """7""") { id } }'),
    "an escape": text(r'{ getDashboard(dashboardId: "\u0037") { id } }'),
    "variables that are called like members": text(
        "query Q($query: ID!) { getDashboard(dashboardId: $query) { id } }",
        variables={"query": "7", "operationName": "Other", "variables": {"query": "8"}},
        operationName="Q",
    ),
    "a forbidden operation that is not selected": text(
        'query A { getDashboard(dashboardId: "7") { id } } query B { queryV1(query: 1) { id } }', operationName="A"
    ),
    "members that name nothing": text(DASHBOARD, flags={"rowMetadata": True}, extensions={"clientLibrary": {}}),
}


@pytest.mark.parametrize("body", PLAIN.values(), ids=PLAIN.keys())
async def test_what_is_only_unusual_passes_as_it_came(gateway, upstream, body):
    assert (await gateway.ask("POST", "/graphql", body, "dashboard")).status == 200
    (received,) = upstream.received
    assert received.body == body


async def test_of_a_batch_with_attacks_in_it_only_the_rest_is_forwarded(gateway, upstream, says):
    upstream.script = upstream.says(says(b'[{"data":{"n":1}},{"data":{"n":2}}]'))
    attacks = [text(nested(3000)), text(bomb(20)), text(HIDDEN["an alias"]), b"7", text("{ a(b: 1, b: 2) }")]
    body = b"[" + b",".join([text(DASHBOARD), *attacks, text(DASHBOARD)]) + b"]"
    answer = await gateway.ask("POST", "/graphql", body, "dashboard")
    assert answer.status == 200
    first, *between, last = answer.json
    assert (first, last) == ({"data": {"n": 1}}, {"data": {"n": 2}})
    assert [element["data"] for element in between] == [None] * len(attacks)
    (received,) = upstream.received
    assert json.loads(received.body) == [json.loads(text(DASHBOARD))] * 2


FORMS = {
    "GET": (b"GET /graphql?query=%7B__typename%7D HTTP/1.1", b"", b""),
    "GET with a stored document": (b"GET /graphql?extensions=%7B%22persistedQuery%22%3A%7B%7D%7D HTTP/1.1", b"", b""),
    "PUT": (b"PUT /graphql HTTP/1.1", b"Content-Type: application/json", text(DASHBOARD)),
    "multipart": (
        b"POST /graphql HTTP/1.1",
        b"Content-Type: multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n' + text(DASHBOARD) + b"\r\n--x--\r\n",
    ),
    "a form": (
        b"POST /graphql HTTP/1.1",
        b"Content-Type: application/x-www-form-urlencoded",
        b"query=%7B__typename%7D",
    ),
    "the document alone": (b"POST /graphql HTTP/1.1", b"Content-Type: application/graphql", b"{ __typename }"),
    "plain text": (b"POST /graphql HTTP/1.1", b"Content-Type: text/plain", text(DASHBOARD)),
    "no type": (b"POST /graphql HTTP/1.1", b"X-None: 1", text(DASHBOARD)),
    "compressed": (
        b"POST /graphql HTTP/1.1",
        b"Content-Type: application/json\r\nContent-Encoding: gzip",
        text(DASHBOARD),
    ),
    "an upgrade": (b"GET /graphql HTTP/1.1", b"Upgrade: websocket\r\nSec-WebSocket-Protocol: graphql-ws", b""),
}


@pytest.mark.parametrize(("line", "header", "body"), FORMS.values(), ids=FORMS.keys())
async def test_other_forms_of_a_request_go_nowhere(gateway, upstream, line, header, body):
    plain = gateway.call("POST", "/graphql", b"", "super")
    _, _, rest = plain.partition(b"\r\n")
    headers, _, _ = rest.partition(b"\r\n\r\n")
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    answer = await gateway.send(line + b"\r\n" + headers + b"\r\n" + length + header + b"\r\n\r\n" + body)
    assert answer.status in {400, 405, 415}
    assert upstream.received == []


async def test_a_document_in_the_query_string_is_not_looked_at_and_not_passed_on(gateway, upstream):
    target = "/graphql?query=%7BqueryV1%7D&operationName=B&id=1"
    assert (await gateway.ask("POST", target, text(DASHBOARD), "dashboard")).status == 200
    (received,) = upstream.received
    assert received.line == "POST /graphql HTTP/1.1"
