"""Root fields -> permissions, for single operations and batches."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway.authz import Introspection, Needs, Rules, plan
from gateway.authz.outcome import Batch, Deny, Facts, Forward, Local, NeedBody, Pass, Upstream
from gateway.authz.roots import GRAPH, KEYS_DECIDE, NEVER, OURS, ROOTS
from gateway.http1 import Reason

SHARED = Path(__file__).parents[2].parent / "shared"
DASHBOARD = "query D($id: ID!) { getDashboard(dashboardId: $id) { id } }"


@pytest.fixture
def decide(principal, call):
    """Plan one GraphQL body for a key with the given statements."""

    def run(body, *permissions):
        if isinstance(body, str):
            body = {"query": body}
        return plan(call("/graphql", body), principal(*permissions), Facts(), Rules(), 0)

    return run


@pytest.fixture
def everything(statements):
    allow, _ = statements
    return allow(["*"])


def test_the_body_is_asked_for_first(principal, call, everything):
    assert plan(call("/graphql"), principal(everything), Facts(), Rules(), 0) == NeedBody(Rules().graphql_body)


@pytest.mark.parametrize("path", ["/graphql", "/", "/api/graphql", "/rules/graphql"])
def test_every_spelling_of_the_path_decides_alike(principal, call, everything, path):
    made = plan(call(path, {"query": "{ f }"}), principal(everything), Facts(), Rules(), 0)
    assert isinstance(made, Forward)
    assert made.upstream is Upstream.GRAPHQL


def test_what_is_allowed_goes_on_byte_for_byte(principal, call, everything):
    body = b'{ "query" : "{ anything }", "flags":{"x":1} }'
    made = plan(call("/graphql", body), principal(everything), Facts(), Rules(), 0)
    assert (made.body, made.answer) == (body, Pass())


@pytest.mark.parametrize(
    ("dashboard", "passes"), [("123456", True), ("123457", False), ("12345", False), ("1234567", False)]
)
def test_a_dashboard_key_sees_its_dashboard(decide, statements, dashboard, passes):
    """Edge case 27."""
    allow, _ = statements
    made = decide({"query": DASHBOARD, "variables": {"id": dashboard}}, allow(["dashboard:View"], ["dashboard:123456"]))
    assert isinstance(made, Forward) is passes
    assert made.grounds.resource == f"dashboard:{dashboard}"


@pytest.mark.parametrize(
    "query",
    [
        '{ getSettings(category: "x") { a } }',
        '{ queryV1(query: "FIND *") { data } }',
        "{ getDashboardTemplates { name } }",
        "{ getDashboard { id } }",
        "{ somethingUnknown }",
        "{ __schema { types { name } } }",
        '{ a: getDashboard(dashboardId: "123456") { id } parameter(name: "p") { value } }',
        'query { ...F } fragment F on Query { getDashboard(dashboardId: "9") { id } }',
        "{ getDashboard(dashboardId: 123456) { id } }",
    ],
)
def test_a_dashboard_key_sees_nothing_else(decide, statements, query):
    """Edge case 28."""
    allow, _ = statements
    made = decide(query, allow(["dashboard:View"], ["dashboard:123456"]))
    assert isinstance(made, Deny)
    assert made.refusal.status in {400, 403}


def test_typename_alone_needs_nothing(decide, statements):
    allow, _ = statements
    assert isinstance(decide("{ __typename }", allow(["dashboard:View"], ["dashboard:1"])), Forward)


@pytest.mark.parametrize(
    ("permission", "query", "passes"),
    [
        ("parameters:SetParameter", 'mutation { setParameter(name: "X", value: 1) { ok } }', True),
        ("parameters:SetParameter", 'mutation { setParameter(name: "Y", value: 1) { ok } }', False),
        ("parameters:SetParameter", '{ parameter(name: "X") { value } }', False),
        ("parameters:SetParameter", 'mutation { deleteParameter(name: "X") { ok } }', False),
        ("parameters:SetParameter", "{ parameterList { items { name } } }", False),
        ("parameters:GetParameter", '{ parameter(name: "X") { value } }', True),
        ("parameters:DeleteParameter", 'mutation { deleteParameter(name: "X") { ok } }', True),
    ],
)
def test_a_parameter_permission_opens_its_own_field_and_parameter(decide, statements, permission, query, passes):
    """Edge case 46."""
    allow, _ = statements
    assert isinstance(decide(query, allow([permission], ["parameter:X"])), Forward) is passes


def test_raw_data_is_opened_by_entity(decide, statements):
    """Edge case 48."""
    allow, _ = statements
    grant = allow(["persister:GetEntityRawData"], ["entity:e1"])
    assert isinstance(decide('{ entityRawData(entityId: "e1") { payload { name } } }', grant), Forward)
    for query in ('{ entityRawData(entityId: "e2") { payload { name } } }', "{ listVertices { id } }"):
        assert isinstance(decide(query, grant), Deny)


def test_the_account_entity_is_the_callers_own(decide, statements):
    allow, _ = statements
    assert isinstance(
        decide("{ accountEntity { data } }", allow(["query:GetAccountEntity"], ["account:acme"])), Forward
    )
    assert isinstance(decide("{ accountEntity { data } }", allow(["query:GetAccountEntity"], ["account:other"])), Deny)


def test_a_summary_needs_its_own_permission(decide, statements):
    allow, _ = statements
    standard = allow(["compliance:GetStandard"], ["compliance-standard:s1"])
    summary = allow(["compliance:GetSummary"], ["compliance-standard:s1"])
    plain = '{ complianceFramework(input: {id: "s1"}) { name } }'
    deep = '{ complianceFramework(input: {id: "s1"}) { items { frameworkSummary { passed } } } }'
    assert isinstance(decide(plain, standard), Forward)
    assert isinstance(decide(deep, standard), Deny)
    assert isinstance(decide(deep, standard, summary), Forward)


@pytest.mark.parametrize("member", ["summary { id }", "groups { frameworkItems { evaluationResult } }", "auditStatus"])
def test_how_far_a_standard_is_met_is_a_summary(decide, statements, member):
    allow, _ = statements
    standard = allow(["compliance:GetStandard"], ["compliance-standard:s1"])
    query = f'{{ complianceFramework(input: {{id: "s1"}}) {{ {member} }} }}'
    made = decide(query, standard)
    assert made.refusal.reason is Reason.NOT_ALLOWED
    assert "compliance:GetSummary on compliance-standard:s1" in made.refusal.message
    assert isinstance(decide(query, standard, allow(["compliance:GetSummary"], ["compliance-standard:s1"])), Forward)
    assert isinstance(decide(query, standard, allow(["compliance:GetSummary"], ["compliance-standard:s2"])), Deny)


def test_summaries_of_all_standards_need_the_permission_for_all(decide, statements):
    allow, _ = statements
    query = "{ complianceFrameworks { standards { id summary { id } } } }"
    all_standards = allow(["compliance:GetStandard"])
    assert isinstance(decide("{ complianceFrameworks { standards { id } } }", all_standards), Forward)
    assert isinstance(decide(query, all_standards), Deny)
    assert isinstance(decide(query, all_standards, allow(["compliance:GetSummary"], ["compliance-standard:s1"])), Deny)
    assert isinstance(decide(query, all_standards, allow(["compliance:GetSummary"])), Forward)


@pytest.mark.parametrize(
    "member",
    [
        "evidence { allEvidence { id } }",
        "libraryItems { id }",
        "x: questionEvaluations { results }",
        "... @skip(if: true) { evidence { id } }",
    ],
)
def test_evidence_of_a_standard_is_data_of_the_graph(decide, everything, statements, member):
    """Results of queries that nothing narrowed, whatever else the key may read of the standard."""
    allow, deny = statements
    query = f'{{ complianceFramework(input: {{id: "s1"}}) {{ groups {{ frameworkItems {{ {member} }} }} }} }}'
    standards = allow(["compliance:GetStandard", "compliance:GetSummary"])
    assert isinstance(decide(query, everything), Forward)
    for more in ([], [allow(["query:ReadGraphData"])], [allow(["query:ReadGraphData"], _type="x")]):
        made = decide(query, standards, *more)
        assert made.refusal.reason is Reason.NOT_ALLOWED
        assert "evidence" in made.refusal.message
    assert isinstance(decide(query, everything, deny(["query:ReadGraphData"], _type="x")), Deny)


# --- introspection ------------------------------------------------------------------------------------------------

SCHEMA = "{ __schema { types { name } } }"


@pytest.mark.parametrize(
    "query", [SCHEMA, '{ x: __type(name: "Query") { name } }', "{ ...F } fragment F on Query " + SCHEMA]
)
@pytest.mark.parametrize(
    ("setting", "unrestricted", "others"),
    [("nobody", False, False), ("unrestricted", True, False), ("everybody", True, True)],
)
def test_introspection_is_for_those_whom_the_setting_names(
    principal, call, everything, statements, query, setting, unrestricted, others
):
    allow, deny = statements
    rules = Rules(introspection=Introspection(setting))

    def passes(*permissions):
        made = plan(call("/graphql", {"query": query}), principal(*permissions), Facts(), rules, 0)
        assert isinstance(made, Forward) or made.refusal.reason is Reason.NOT_ALLOWED
        return isinstance(made, Forward)

    assert passes(everything) is unrestricted
    assert passes(everything, deny(["query:ReadGraphData"])) is others
    assert passes(allow(["query:ReadGraphData"], _type="x")) is others
    assert passes(allow(["dashboard:View"], ["dashboard:1"])) is others


def test_beside_introspection_everything_else_is_decided_as_ever(principal, call, statements):
    allow, _ = statements
    rules = Rules(introspection=Introspection.EVERYBODY)
    body = {"query": '{ __schema { types { name } } getDashboard(dashboardId: "1") { id } }'}
    for dashboard, kind in (("1", Forward), ("2", Deny)):
        key = principal(allow(["dashboard:View"], [f"dashboard:{dashboard}"]))
        assert isinstance(plan(call("/graphql", body), key, Facts(), rules, 0), kind)


# --- an operator's rows -------------------------------------------------------------------------------------------


def test_a_row_opens_a_field_for_those_who_have_all_that_it_needs(principal, call, everything, statements):
    allow, deny = statements
    needs = (Needs("dashboard:View", "dashboard:{input_1.boardId2}"), Needs("settings:GetSettings"))
    rules = Rules(roots=ROOTS | {"openBoard": needs})
    board, settings = allow(["dashboard:View"], ["dashboard:7"]), allow(["settings:GetSettings"])

    def passes(*permissions, variables=None, query='{ openBoard(input_1: {boardId2: "7"}) { id } }'):
        body = {"query": query, "variables": variables or {}}
        return isinstance(plan(call("/graphql", body), principal(*permissions), Facts(), rules, 0), Forward)

    assert passes(board, settings)
    assert not passes(board)
    assert not passes(settings)
    assert not passes(allow(["dashboard:View"], ["dashboard:8"]), settings)
    assert not passes(board, settings, query="{ openBoard { id } }")
    assert passes(allow(["dashboard:View"]), settings, query="{ openBoard { id } }")
    by_variable = "query ($i: In) { openBoard(input_1: $i) { id } }"
    assert passes(board, settings, query=by_variable, variables={"i": {"boardId2": "7"}})
    assert not passes(board, settings, query=by_variable, variables={"i": {"boardId2": ["7"]}})
    assert passes(everything, deny(["query:ReadGraphData"]))
    assert not passes(everything, deny(["dashboard:View"], ["dashboard:7"]))


def test_a_row_about_the_graph_opens_its_field_to_who_may_read_all_of_it(principal, call, everything, statements):
    allow, deny = statements
    rules = Rules(roots=ROOTS | {"boardData": (Needs("query:ReadGraphData"),)})

    def passes(*permissions):
        made = plan(call("/graphql", {"query": "{ boardData { id } }"}), principal(*permissions), Facts(), rules, 0)
        return isinstance(made, Forward)

    assert passes(everything)
    assert passes(allow(["query:ReadGraphData"]))
    for part in ([allow(["query:ReadGraphData"], a="b")], [allow(["*"], a="b")], [everything, deny(["*"], a="b")]):
        assert not passes(*part)


def test_a_row_about_standards_follows_their_rules(principal, call, statements):
    allow, _ = statements
    needs = (Needs("compliance:GetStandard", "compliance-standard:{frameworkId}"),)
    rules = Rules(roots=ROOTS | {"frameworkById": needs})
    standard = allow(["compliance:GetStandard"], ["compliance-standard:s1"])
    summary = allow(["compliance:GetSummary"], ["compliance-standard:s1"])

    def passes(member, *permissions):
        body = {"query": f'{{ frameworkById(frameworkId: "s1") {{ {member} }} }}'}
        return isinstance(plan(call("/graphql", body), principal(*permissions), Facts(), rules, 0), Forward)

    assert passes("name", standard)
    assert not passes("summary", standard)
    assert passes("summary", standard, summary)
    assert not passes("evidence", standard, summary)


def test_queryv1_is_refused_to_a_graph_reader_and_the_refusal_names_the_way(decide, statements):
    """Edge cases 61 and 63: conditioned or not, the permission opens /j1ql only."""
    allow, _ = statements
    for grant in (
        allow(["query:ReadGraphData"]),
        allow(["query:ReadGraphData"], _type="github_repo"),
        allow(["*"], a="b"),
    ):
        made = decide('{ x: queryV1(query: "FIND *") { data } }', grant)
        assert made.refusal.reason is Reason.QUERYV1_NEEDS_J1QL
        assert "/j1ql" in made.refusal.message


def test_queryv1_is_open_to_a_key_that_may_do_everything(decide, everything, statements):
    """Edge cases 62 and 44."""
    _, deny = statements
    query = '{ queryV1(query: "FIND *") { data } }'
    assert isinstance(decide(query, everything), Forward)
    assert isinstance(decide(query, everything, deny(["query:ReadGraphData"])), Deny)
    assert isinstance(decide(query, everything, deny(["query:ReadGraphData"], a="b")), Deny)
    settings = '{ getSettings(category: "c") { value } }'
    assert isinstance(decide(settings, everything, deny(["query:ReadGraphData"])), Forward)


def test_a_deny_of_one_dashboard_leaves_the_others(decide, everything, statements):
    """Edge case 42."""
    _, deny = statements
    nine = deny(["dashboard:View"], ["dashboard:9"])
    assert isinstance(decide('{ getDashboard(dashboardId: "9") { id } }', everything, nine), Deny)
    assert isinstance(decide('{ getDashboard(dashboardId: "10") { id } }', everything, nine), Forward)
    assert isinstance(decide("{ getDashboardTemplates { name } }", everything, nine), Deny)


def test_an_unknown_field_is_refused_to_a_key_with_any_deny(decide, everything, statements):
    _, deny = statements
    assert isinstance(decide("{ fieldOfNextYear }", everything), Forward)
    assert isinstance(decide("{ fieldOfNextYear }", everything, deny(["dashboard:View"], ["dashboard:9"])), Deny)


@pytest.mark.parametrize("name", sorted(NEVER | KEYS_DECIDE))
def test_what_hands_out_credentials_goes_upstream_for_no_key(decide, everything, name):
    made = decide(f"mutation {{ alias: {name} }}", everything)
    assert made.refusal.reason in {Reason.NEVER_FORWARDED, Reason.KEYS_DECIDE}


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_own_fields_go_to_the_control_plane_whatever_the_policy(decide, everything, statements, name):
    allow, _ = statements
    for grant in (everything, allow(["dashboard:View"], ["dashboard:1"])):
        assert isinstance(decide(f"mutation {{ a: {name} {{ id }} __typename }}", grant), Local)


def test_one_operation_has_one_side(decide, everything):
    made = decide('mutation { createToken { id } setParameter(name: "x") { ok } }', everything)
    assert made.refusal.reason is Reason.MALFORMED_BODY


def test_every_root_of_the_real_schema_stands_in_at_most_one_list():
    lists = [frozenset(ROOTS), GRAPH, OURS, KEYS_DECIDE, NEVER]
    for number, one in enumerate(lists):
        for other in lists[number + 1 :]:
            assert not one & other


@pytest.mark.skipif(not SHARED.exists(), reason="the collection of real root fields is not here")
def test_no_real_root_that_speaks_of_credentials_or_links_is_merely_unknown():
    roots = json.loads((SHARED / "j1ql" / "root_fields.json").read_text())
    listed = set(ROOTS) | GRAPH | OURS | KEYS_DECIDE | NEVER
    risky = re.compile(
        r"token|iam|invit|identityprovider|presigned|download|publicshared|upload|userquery|group$", re.IGNORECASE
    )
    harmless = {
        "createComplianceGroup",
        "deleteComplianceGroup",
        "updateComplianceGroup",
        "setReviewConfigurationsForComplianceGroup",
        "deleteReviewConfigurationsForComplianceGroup",
        "externalUpload",
        "externalUploads",
        "deleteExternalUpload",
        "updateExternalUpload",
    }
    assert {name for name in roots["query"] + roots["mutation"] if risky.search(name)} - listed == harmless


@pytest.mark.skipif(not SHARED.exists(), reason="the collection of real root fields is not here")
def test_every_real_root_is_in_exactly_one_class(decide, everything, statements):
    """Ours, refused to everybody, or the upstream's: each by what happens, to a key for everything and to another."""
    allow, _ = statements
    roots = json.loads((SHARED / "j1ql" / "root_fields.json").read_text())
    assert len(roots["query"]) + len(roots["mutation"]) > 300
    for kind, names in roots.items():
        for name in names:
            refused = name in KEYS_DECIDE | NEVER
            assert (name in OURS) + refused + (name in ROOTS) + (name in GRAPH) <= 1, name
            expected = Local if name in OURS else Deny if refused else Forward
            assert isinstance(decide(f"{kind} {{ {name} {{ id }} }}", everything), expected), name
            little = decide(f"{kind} {{ {name} {{ id }} }}", allow(["dashboard:View"], ["dashboard:1"]))
            assert isinstance(little, Local if name in OURS else Deny), name


@pytest.mark.parametrize(
    "text",
    ["${param.secret}", "\\u0024{param.secret}", "$\\u007bparam.secret}", "${ param.secret }", "${weird thing}"],
)
def test_a_parameter_in_any_text_needs_its_permission(decide, everything, statements, text):
    """For every key, whatever else it may do."""
    _, deny = statements
    no_secret = deny(["parameters:GetParameter"], ["parameter:secret"])
    query = f'{{ getSettings(category: "{text}") {{ value }} }}'
    assert isinstance(decide(query, everything), Forward)
    assert isinstance(decide(query, everything, no_secret), Deny)
    assert isinstance(decide('{ getSettings(category: "${mine}") { value } }', everything, no_secret), Forward)


# --- batches ------------------------------------------------------------------------------------------------------


def test_a_batch_that_is_allowed_goes_on_as_it_is(principal, call, everything):
    body = b'[ {"query":"{ a }"},{"query":"{ b }"} ]'
    assert plan(call("/graphql", body), principal(everything), Facts(), Rules(), 0).body == body


def test_the_elements_of_a_batch_are_decided_one_by_one(decide, statements):
    allow, _ = statements
    allowed = {"query": DASHBOARD, "variables": {"id": "1"}, "operationName": "D", "more": [1]}
    made = decide(
        [{"query": "{ queryV1 { data } }"}, allowed, {"query": "mutation { createToken { id } }"}, 7],
        allow(["dashboard:View"], ["dashboard:1"]),
    )
    assert isinstance(made, Batch)
    assert [type(element) for element in made.elements] == [Deny, Forward, Local, Deny]
    assert json.loads(made.elements[1].body) == allowed


@pytest.mark.parametrize("size", [0, 51])
def test_a_batch_has_a_size(decide, everything, size):
    assert isinstance(decide([{"query": "{ a }"}] * size, everything), Deny)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'"x"',
        b"{}",
        b'{"query": 1}',
        b'{"query": "{ a }", "query": "{ b }"}',
        b'{"query": "{ a }", "variables": "x"}',
        b'{"query": "{ a }", "variables": []}',
        b'{"query": "{ a }", "operationName": 1}',
        b'\xef\xbb\xbf{"query": "{ a }"}',
        b'{"query": "{ a"}',
        b"[[]]",
    ],
)
def test_a_malformed_body_is_refused(principal, call, everything, body):
    made = plan(call("/graphql", body), principal(everything), Facts(), Rules(), 0)
    denied = made.elements[0] if isinstance(made, Batch) else made
    assert denied.refusal.reason is Reason.MALFORMED_BODY


@pytest.mark.parametrize(
    "more",
    [
        {"Query": "{ queryV1 { data } }"},
        {"operationname": "B"},
        {"VARIABLES": {}},
        {"variable\u017f": {}},
        {"__proto__": {"variables": {}}},
        {"id": "stored"},
        {"documentId": "stored"},
        {"extensions": {"persistedQuery": {"sha256Hash": "x"}}},
        {"extensions": {"per\u017fistedQuery": {"sha256Hash": "x"}}},
    ],
)
def test_a_request_with_two_documents_is_refused(decide, everything, more):
    """Some decoders ignore the case of names, and some servers look for a stored document."""
    assert isinstance(decide({"query": "{ a }"} | more, everything), Deny)


def test_members_that_name_no_document_pass(decide, everything):
    assert isinstance(decide({"query": "{ a }", "flags": {}, "extensions": {"tracing": True}}, everything), Forward)


def test_an_input_object_with_a_member_twice_is_refused(decide, everything):
    assert isinstance(decide('{ complianceFramework(input: {id: "a", id: "b"}) { name } }', everything), Deny)
    assert isinstance(decide("{ f(a: [{b: {c: 1, c: 2}}]) }", everything), Deny)


@pytest.mark.parametrize("name", ["HIDDEN", "hidden ", "hidden\\u0000", "\\u{68}idden"])
def test_another_spelling_of_a_denied_name_is_denied(decide, everything, statements, name):
    _, deny = statements
    hidden = deny(["parameters:GetParameter"], ["parameter:hidden"])
    assert isinstance(decide(f'{{ parameter(name: "{name}") {{ value }} }}', everything, hidden), Deny)
    assert isinstance(decide('{ parameter(name: "other") { value } }', everything, hidden), Forward)
