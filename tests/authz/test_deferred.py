"""Deferred results: whose they are, what the upstream's documents say, and where addresses stand."""

from __future__ import annotations

import json

import msgspec
import pytest
from authz.conftest import allow

from gateway.authz import Mode, Rules, plan
from gateway.authz.capabilities import Capabilities, State
from gateway.authz.deferred import has_no_address, put_aside, read_state, relinked, restated
from gateway.authz.outcome import Check, Collect, Deny, Facts, Forward, Link, Postponed, Relink, Unusable
from gateway.http1 import Reason

REPOS = allow(["query:ReadGraphData"], _type="github_repo")
POLL = ("GET", "/deferred/x")
NOW = 1000
QUERY = {"query": "FIND github_repo WITH x = ${v}", "variables": {"v": 1}}


def check_of(call, who, rules=None):
    made = plan(call("/j1ql", QUERY | {"deferredResponse": "FORCE"}), who, Facts(), rules or Rules(), NOW)
    assert isinstance(made, Forward)
    assert isinstance(made.answer, Check)
    return made.answer


def postponed(check, **changes):
    seal = check.seal
    arguments = json.dumps({"query": seal.query, "variables": json.loads(seal.variables)}).encode()
    given = {"key": "k", "expires_at": NOW + 1, "bound": seal.digest(), "arguments": arguments} | changes
    return Postponed("http://there/state", is_result=False, **given)


def poll(call, who, fact, rules=None, now=NOW):
    return plan(call("/deferred/x", method="GET"), who, Facts(postponed=fact), rules or Rules(), now)


# --- whose it is --------------------------------------------------------------------------------------------------


def test_what_was_narrowed_is_held_against_the_same_policy(call, principal):
    who = principal(REPOS)
    check = check_of(call, who)
    assert check.deferred
    made = poll(call, who, postponed(check))
    assert isinstance(made, Collect)
    assert made.check == msgspec.structs.replace(check, deferred=False)
    assert made.mode == "strict"


@pytest.mark.parametrize(
    "policy",
    [
        (allow(["query:ReadGraphData"], _type="github_user"),),
        (allow(["query:ReadGraphData"]),),
        (allow(["dashboard:View"], ["dashboard:1"]),),
    ],
)
def test_a_policy_that_changed_ends_it(call, principal, policy):
    made = poll(call, principal(*policy), postponed(check_of(call, principal(REPOS))))
    assert isinstance(made, Deny)
    assert made.refusal.reason is Reason.UNKNOWN_RESULT


def test_so_does_another_view_of_relationships(call, principal):
    who = principal(REPOS)
    made = poll(call, who, postponed(check_of(call, who)), Rules(mode=Mode.INDUCED))
    assert made.refusal.reason is Reason.UNKNOWN_RESULT


def test_a_parameter_that_is_no_longer_granted_ends_it(call, principal):
    asked = {"query": "FIND github_repo WITH x = ${param.secret}", "variables": {"v": 1}}
    granted = principal(REPOS, allow(["parameters:GetParameter"], ["parameter:secret"]))
    rules = Rules(capabilities=Capabilities(parameters_by_value=State.VERIFIED))
    made = plan(call("/j1ql", asked), granted, Facts(), rules, NOW)
    assert isinstance(made, Forward)
    fact = postponed(made.answer)
    assert isinstance(poll(call, granted, fact, rules), Collect)
    assert poll(call, principal(REPOS), fact, rules).refusal.reason is Reason.UNKNOWN_RESULT


def test_an_address_has_its_time(call, principal):
    who = principal(REPOS)
    fact = postponed(check_of(call, who))
    assert isinstance(poll(call, who, fact, now=NOW), Collect)
    assert poll(call, who, fact, now=NOW + 1).refusal.reason is Reason.UNKNOWN_RESULT


def test_an_address_that_stands_for_nothing(call, principal):
    assert poll(call, principal(REPOS), None).refusal.reason is Reason.UNKNOWN_RESULT


@pytest.mark.parametrize(
    ("field", "allowed", "refused"),
    [
        ("", allow(["query:ReadGraphData"]), allow(["dashboard:View"])),
        ("queryV1", allow(["*"]), allow(["query:ReadGraphData"])),
        ("accountEntity", allow(["query:GetAccountEntity"], ["account:acme"]), allow(["query:ReadGraphData"])),
        ("buildCsv", allow(["*"]), allow(["query:ReadGraphData"])),
    ],
)
def test_without_a_condition_the_door_is_decided_again(call, principal, field, allowed, refused):
    fact = Postponed("http://there/state", is_result=False, key="k", expires_at=NOW + 1, field=field)
    made = poll(call, principal(allowed), fact)
    assert isinstance(made, Collect)
    assert made.check is None
    assert isinstance(poll(call, principal(refused), fact), Deny)


# --- what the upstream says ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"type":"list","data":[]}',
        b'{"type":"deferred"}',
        b'{"type":"deferred","url":null}',
        b"[" * 5000,
    ],
    ids=range(7),
)
def test_what_gives_no_address_is_of_no_use(body):
    assert isinstance(put_aside(body), Unusable)


def test_an_answer_gives_an_address():
    assert put_aside(b'{"data":null,"more":1,"type":"deferred","url":"https://x/y?z"}') == "https://x/y?z"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"status":1}', b'{"status":"COMPLETED","url":7}', b"<xml/>"])
def test_a_document_must_say_whether_the_result_is_there(body):
    assert isinstance(read_state(body), Unusable)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"status": "IN_PROGRESS"}, (True, False, False)),
        ({"status": "COMPLETED", "url": "u"}, (False, True, False)),
        ({"status": "COMPLETE", "type": "list", "data": []}, (False, True, True)),
        ({"status": "COMPLETED", "type": "list", "data": None}, (False, True, False)),
        ({"status": "COMPLETED", "data": []}, (False, True, False)),
        ({"status": "FAILED", "error": "e"}, (False, False, False)),
        ({"status": "completed"}, (False, False, False)),
    ],
)
def test_the_words_of_a_document(document, expected):
    state = read_state(json.dumps(document).encode())
    assert (state.is_under_way, state.is_there, state.holds_result) == expected


# --- addresses of ours --------------------------------------------------------------------------------------------


def ours(place, link=None):
    return f"ours:{place}:{link.field if link else ''}"


def test_an_address_is_replaced_and_nothing_else():
    body = b'{ "data" : {"a":{"url":"x", "data":{"url":"y"},"n":1.0e0}},"errors":[ ]}'
    made = relinked(body, [Link(("data", "a"), ("url",), "queryV1")], ours)
    assert made == b'{"data":{"a":{"url":"ours:x:queryV1","data":{"url":"y"},"n":1.0e0}},"errors":[ ]}'


@pytest.mark.parametrize(
    "body",
    [
        b'{ "data" : {"a":{"url": null }} }',
        b'{ "data" : {"a":{}} }',
        b'{ "data" : {"a": null } }',
        b'{ "data" : null, "errors":[1] }',
    ],
    ids=range(4),
)
def test_what_has_no_address_is_as_it_was(body):
    assert relinked(body, [Link(("data", "a"), ("url",))], ours) is body


@pytest.mark.parametrize(
    "body",
    [
        b'{ "data" : {"a":{"url":["x"]}} }',
        b'{"data":{"a":[{"url":"x"}]}}',
        b'\xef\xbb\xbf{"data":{"a":{"url":"x"}}}',
        b'--part\r\n\r\n{"data":{"a":{"url":"x"}}}',
        b'{"data":{"a":{"url":"x"}},"b":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
    ids=range(5),
)
def test_what_a_client_may_read_otherwise_is_not_passed_on(body):
    assert isinstance(relinked(body, [Link(("data", "a"), ("url",))], ours), Unusable)


def test_two_fields_and_two_names():
    body = b'{"data":{"a":{"u":"1","v":"2"},"b":{"url":"3"}}}'
    made = relinked(body, [Link(("data", "a"), ("u", "v"), "A"), Link(("data", "b"), ("url",), "B")], ours)
    assert json.loads(made) == {"data": {"a": {"u": "ours:1:A", "v": "ours:2:A"}, "b": {"url": "ours:3:B"}}}


def test_a_document_keeps_its_other_members():
    document = b'{"status":"COMPLETED","data":[ {"url":"in a row"} ],"url":"x","more":1}'
    pieces = restated(document, "here", ours)
    assert b"".join(pieces) == b'{"status":"COMPLETED","data":[ {"url":"in a row"} ],"url":"ours:x:","more":1}'


@pytest.mark.parametrize("document", [b"", b"[]", b'{"url":7}', b"<Error/>"])
def test_what_is_no_document_is_not_passed_on(document):
    assert isinstance(restated(document, "here", ours), Unusable)


def test_a_document_without_an_address_is_where_the_result_is():
    pieces = restated(b'{"status":"COMPLETED","data":[]}', "here", ours)
    assert json.loads(b"".join(pieces)) == {"status": "COMPLETED", "data": [], "url": "ours:here:"}
    pieces = restated(b'{"status":"IN_PROGRESS"}', "here", ours)
    assert json.loads(b"".join(pieces)) == {"status": "IN_PROGRESS"}


def test_a_result_that_lies_elsewhere_is_put_into_its_document():
    document, result = b'{"status":"COMPLETED","url":"x"}', b'{"type":"list","data":[ ],"cursor":"c","status":"no"}'
    told = json.loads(b"".join(restated(document, "here", ours, result)))
    assert told == {"status": "COMPLETED", "url": "ours:x:", "type": "list", "data": [], "cursor": "c"}


@pytest.mark.parametrize("result", [b"", b"a,b", b"[1]", b"[" * 5000], ids=range(4))
def test_what_is_no_object_is_not(result):
    told = json.loads(b"".join(restated(b'{"status":"COMPLETED","url":"x"}', "here", ours, result)))
    assert told == {"status": "COMPLETED", "url": "ours:x:"}


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b'{"type":"list","data":[', True),
        (b' {\n "type" : "tree"', True),
        (b"<html>", True),
        (b'{"type":"deferred","url":"x"}', False),
        (b'\xef\xbb\xbf{"type":"deferred","url":"x"}', False),
        (b'{"type":"def', False),
        (b'{"type":"lis', False),
        (b'{"data":null,"type":"deferred"}', False),
        (b"", False),
        (b"  ", False),
    ],
)
def test_the_beginning_tells_whether_there_may_be_an_address(start, expected):
    assert has_no_address(start, [Link((), ("url",))]) is expected
    assert not has_no_address(start, [Link(("data", "queryV1"), ("url",))])


# --- where GraphQL may have them ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ('{ queryV1(query: "FIND *") { type data } }', None),
        ('{ queryV1(query: "FIND *") { url } }', [("queryV1", ("url",))]),
        ('{ a: queryV1(query: "FIND *") { b: url c: url } }', [("a", ("b", "c"))]),
        ('{ ...f } fragment f on Query { a: queryV2(query: "x") { ...g } } fragment g on R { url }', [("a", ("url",))]),
        ('{ a: queryV1(query: "x") { url url } a: queryV1(query: "x") { b: url url } }', [("a", ("url", "b"))]),
        ("{ buildCsv(x: 1) { stateFileUrl url } }", [("buildCsv", ("stateFileUrl",))]),
        ('{ x: queryV1(query: "a") { ... { url } } y: accountEntity { url } }', [("x", ("url",)), ("y", ("url",))]),
    ],
)
def test_links_of_an_operation(call, principal, document, expected):
    made = plan(call("/graphql", {"query": document}), principal(allow(["*"])), Facts(), Rules(), 0)
    links = [(link.path[1], link.members) for link in made.answer.links] if isinstance(made.answer, Relink) else None
    assert links == expected


LONG = "x" * 500


@pytest.mark.parametrize(
    ("document", "small"),
    [
        ('{ queryV1(query: "FIND *") { type data url cursor totalCount correlationId __typename } }', True),
        ('{ queryV1(query: "FIND *") { url } queryV2(query: "FIND *") { data } }', False),
        ('{ queryV1(query: "FIND *") { url } entityCount }', False),
        ('{ queryV1(query: "FIND *") { url unknown } }', False),
        (f'{{ queryV1(query: "FIND *") {{ url a{LONG}: type b{LONG}: type }} }}', False),
        ('{ queryV1(query: "FIND *") { ' + " ".join(f"a{n}: url" for n in range(17)) + " } }", False),
        ('{ accountEntity(id: "x") { url } }', False),
    ],
)
def test_an_answer_with_an_address_is_small_only_where_nothing_makes_it_large(call, principal, document, small):
    made = plan(call("/graphql", {"query": document}), principal(allow(["*"])), Facts(), Rules(), 0)
    assert made.answer.small is small
