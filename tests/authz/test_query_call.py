"""POST /j1ql: who may, with which arguments, and what goes upstream."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gateway.authz import Mode, Rules, plan
from gateway.authz.conditioned import FORCED
from gateway.authz.outcome import Check, Deny, Facts, Forward, Link, NeedBody, Relink, Upstream
from gateway.http1 import Reason
from gateway.policy import Condition, Predicate


@pytest.fixture
def restricted(principal, statements):
    allow, _ = statements
    return principal(allow(["query:ReadGraphData"], _type="github_repo"))


@pytest.fixture
def reader(principal, statements):
    allow, _ = statements
    return principal(allow(["query:ReadGraphData"]))


def decide(call, who):
    return plan(call, who, Facts(), Rules(), 0)


def test_a_key_without_the_permission_is_refused_before_its_body_is_read(call, principal, statements):
    allow, _ = statements
    made = decide(call("/j1ql"), principal(allow(["dashboard:View"], ["dashboard:1"])))
    assert made.refusal.reason is Reason.NOT_ALLOWED


def test_the_body_is_asked_for(call, reader, restricted):
    assert decide(call("/j1ql"), reader) == decide(call("/j1ql"), restricted) == NeedBody(Rules().query_body)


def test_an_unconditioned_key_passes_byte_for_byte(call, reader):
    body = b'{ "query":"FIND  x THAT /* hm */ HAS y", "cursor":null, "scopeFilters":[{"a":1}], "new":{} }'
    made = decide(call("/j1ql", body), reader)
    assert (made.upstream, made.body, made.mode) == (Upstream.J1QL, body, None)
    assert made.answer == Relink(
        (Link((), ("url",)),), small=True
    )  # a result that is put aside gets an address of ours


def test_a_conditioned_key_sends_its_narrowed_query_with_every_flag_set(call, restricted):
    made = decide(call("/j1ql", {"query": "FIND *", "sourceMetadata": {"appName": "x"}}), restricted)
    assert isinstance(made, Forward)
    assert isinstance(made.answer, Check)
    assert made.answer.request == {"query": "FIND * WITH _type = 'github_repo'", **FORCED}
    assert (made.body, made.mode, made.answer.shape, made.answer.page) == (None, "strict", "list", 250)


@pytest.mark.parametrize(
    "arguments",
    [
        {"scopeFilters": [{"_type": "github_user"}]},
        {"includeDeleted": True},
        {"dryRun": True},
        {"remember": True},
        {"deferredResponse": "LATER"},
        {"deferredFormat": "CSV"},
        {"flags": {"rowMetadata": True}},
        {"flags": {"computedProperties": True}},
        {"flags": {"newFlag": True}},
        {"flags": []},
        {"variables": [1]},
        {"cursor": 7},
        {"anythingNew": None},
        {"Query": "FIND *"},
    ],
)
def test_arguments_that_could_widen_an_answer_are_refused_by_name(call, restricted, arguments):
    made = decide(call("/j1ql", {"query": "FIND *"} | arguments), restricted)
    assert made.refusal.reason is Reason.UNSUPPORTED_ARGUMENT
    assert next(iter(arguments)) in made.refusal.message


def test_arguments_that_ask_for_nothing_are_accepted(call, restricted):
    nothing = {
        "variables": {},
        "cursor": None,
        "includeDeleted": False,
        "dryRun": None,
        "deferredResponse": "DISABLED",
        "deferredFormat": "JSON",
        "flags": {"rowMetadata": False, "variableResultSize": True},
        "scopeFilters": [],
    }
    assert isinstance(decide(call("/j1ql", {"query": "FIND *"} | nothing), restricted), Forward)


def test_a_syntax_fault_points(call, restricted):
    made = decide(call("/j1ql", {"query": "FIND github_repo\nWITH name ="}), restricted)
    assert made.refusal.reason is Reason.INVALID_QUERY
    assert "line 2" in made.refusal.message
    assert "^" in made.refusal.message


def test_what_cannot_be_narrowed_is_refused_with_its_place(call, restricted):
    made = decide(call("/j1ql", {"query": "FIND github_repo THAT SOMEHOW HAS github_user"}), restricted)
    assert made.refusal.reason is Reason.UNSUPPORTED_QUERY
    assert "SOMEHOW" in made.refusal.message
    assert "^" in made.refusal.message


def test_a_cursor_is_bound_to_key_policy_and_query(call, principal, statements):
    allow, _ = statements
    repos, users = (
        allow(["query:ReadGraphData"], _type="github_repo"),
        allow(["query:ReadGraphData"], _type="github_user"),
    )

    def seal(query, *permissions):
        return decide(call("/j1ql", {"query": query, "cursor": "c"}), principal(*permissions)).answer.seal

    assert seal("FIND *", repos) == seal("FIND *", repos)
    seals = {seal("FIND *", repos), seal("FIND *", users), seal("FIND  *", repos), seal("FIND *", repos, users)}
    assert len({each.digest() for each in seals}) == 4


def test_a_cursor_is_bound_to_each_value_and_to_no_order_of_variables(call, restricted):
    def seal(**variables):
        body = {"query": "FIND * WITH a = ${x} AND b = ${y}", "variables": variables}
        return decide(call("/j1ql", body), restricted).answer.seal

    assert seal(x="1", y="2").digest() == seal(y="2", x="1").digest()
    own = seal(x="1", y="2")
    others = [seal(x="2", y="1"), seal(x="1", y=2), *(replace(own, **{name: "z"}) for name in ("key", "mode", "query"))]
    assert len({each.digest() for each in [own, *others]}) == 1 + len(others)


@pytest.mark.parametrize(
    "text", ["${param.x}", "${ param.x }", "${PARAM.x}", "${param}", "${a b}", "${", "x ${param.x} y"]
)
def test_a_parameter_needs_its_permission_from_every_key(call, principal, statements, text):
    allow, _ = statements
    read = allow(["query:ReadGraphData"])
    for body in ({"query": f"FIND * WITH a = '{text}'"}, {"query": "FIND *", "variables": {"v": [text]}}):
        assert decide(call("/j1ql", body), principal(read)).refusal.reason is Reason.NOT_ALLOWED
        assert isinstance(decide(call("/j1ql", body), principal(read, allow(["parameters:GetParameter"]))), Forward)


@pytest.mark.parametrize("written", [b"${param.x}", rb"\u0024{param.x}", rb"$\u007bparam.x}", rb"\u0024\u007Bparam.x}"])
def test_a_parameter_is_seen_however_json_spells_it(call, reader, written):
    in_query, in_variables = b'{"query": "FIND * WITH a = %s"}', b'{"query": "FIND *", "variables": {"a": ["%s"]}}'
    for body in (in_query, in_variables, b'{"query": "FIND *", "%s": 1}'):
        assert isinstance(decide(call("/j1ql", body % written), reader), Deny)
    assert isinstance(decide(call("/j1ql", rb'{"query": "FIND * WITH a = \"$x{\u0041}\""}'), reader), Forward)


def test_the_grant_of_one_parameter_is_enough_for_that_one(call, principal, statements):
    allow, _ = statements
    who = principal(allow(["query:ReadGraphData"]), allow(["parameters:GetParameter"], ["parameter:x"]))
    assert isinstance(decide(call("/j1ql", {"query": "FIND * WITH a = ${param.x}"}), who), Forward)
    assert isinstance(decide(call("/j1ql", {"query": "FIND * WITH a = ${param.y}"}), who), Deny)
    assert isinstance(decide(call("/j1ql", {"query": "FIND * WITH a = ${mine}"}), who), Forward)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"query":1}',
        b'{"query":"FIND *","query":"FIND x"}',
        b"\xff",
        b'{"query":"FIND *"} x',
        b"[" * 99,
    ],
)
def test_a_malformed_body_is_refused_for_every_key(call, reader, restricted, body):
    for who in (reader, restricted):
        assert decide(call("/j1ql", body), who).refusal.reason is Reason.MALFORMED_BODY


def test_induced_refuses_a_policy_whose_deny_names_relationships(call, principal, statements):
    """Induced shows every relationship between visible entities, so that DENY would not win."""
    allow, deny = statements
    who = principal(allow(["query:ReadGraphData"]), deny(["query:ReadGraphData"], _class="HAS"))
    body = call("/j1ql", {"query": "FIND * THAT HAS *"})
    assert isinstance(plan(body, who, Facts(), Rules(mode=Mode.STRICT), 0), Forward)
    refused = plan(body, who, Facts(), Rules(mode=Mode.INDUCED), 0)
    assert "denies relationships" in refused.refusal.message


def test_what_cannot_be_checked_is_refused_where_the_upstream_reads_the_condition_in_another_way(call, restricted):
    (statement,) = restricted.policy.statements
    doubted = Rules(doubted=frozenset({Predicate((statement.condition,))}))
    for query in ("FIND * AS a RETURN COUNT(a)", "FIND UNIQUE * AS a RETURN a.name"):
        assert isinstance(decide(call("/j1ql", {"query": query}), restricted), Forward)
        made = plan(call("/j1ql", {"query": query}), restricted, Facts(), doubted, 0)
        assert made.refusal.reason is Reason.UNSUPPORTED_QUERY
        assert "reads the condition of its policy in another way" in made.refusal.message
    for query in ("FIND *", "FIND * AS a RETURN a.name", "FIND * AS a THAT HAS b RETURN TREE"):
        assert isinstance(plan(call("/j1ql", {"query": query}), restricted, Facts(), doubted, 0), Forward)
    other = Rules(doubted=frozenset({Predicate((Condition((("p", ("x",)),)),))}))
    assert isinstance(
        plan(call("/j1ql", {"query": "FIND * AS a RETURN COUNT(a)"}), restricted, Facts(), other, 0), Forward
    )
