"""Edge cases 61 to 63 with `graph.query_fields = "enforce"`: query fields of GraphQL are calls of /j1ql."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from msgspec.structs import replace as changed

from collection import needs_collection, real_queries
from gateway.authz import GraphQLLimits, Mode, Rules, plan
from gateway.authz.outcome import Batch, Check, Deny, Facts, Forward, Pass, Queried, counted
from gateway.authz.query_fields import Shown, shown
from gateway.http1 import Reason
from gateway.policy import READ_GRAPH

REPOS = {"_type": "github_repo"}
RULES = Rules(query_fields="enforce")

PYTHON_CURSOR = """
  query J1QL_v2($query: String!, $variables: JSON, $flags: QueryV1Flags, $includeDeleted: Boolean, $cursor: String) {
    queryV1(
      query: $query
      variables: $variables
      deferredResponse: DISABLED
      flags: $flags
      includeDeleted: $includeDeleted
      cursor: $cursor
    ) {
      type
      data
      cursor
      __typename
    }
  }
"""
PYTHON_LIMIT = """
  query J1QL($query: String!, $variables: JSON, $dryRun: Boolean, $includeDeleted: Boolean) {
    queryV1(query: $query, variables: $variables, dryRun: $dryRun, includeDeleted: $includeDeleted) { type data }
  }
"""
NODE = """query QueryLanguageV1($query: String!, $variables: JSON, $includeDeleted: Boolean,
    $deferredResponse: DeferredResponseOption, $deferredFormat: DeferredResponseFormat, $cursor: String,
    $flags: QueryV1Flags) {
  queryV1(query: $query, variables: $variables, includeDeleted: $includeDeleted, deferredResponse: $deferredResponse,
    deferredFormat: $deferredFormat, cursor: $cursor, flags: $flags) { type data url __typename }
}"""
EXAMPLES = """query J1QL($query: String!, $variables: JSON, $cursor: String, $scopeFilters: [JSON!],
    $flags: QueryV1Flags) {
  queryV1(query: $query, variables: $variables, cursor: $cursor, scopeFilters: $scopeFilters, flags: $flags) {
    type data cursor } }"""
WHOLE = """query q($query: String!, $variables: JSON, $cursor: String, $remember: Boolean, $includeDeleted: Boolean) {
  queryV1(query: $query, variables: $variables, remember: $remember, includeDeleted: $includeDeleted, cursor: $cursor,
    sourceMetadata: {appName: "a"}, flags: {variableResultSize: true}, deferredResponse: OPTIONAL) {
    type data url totalCount cursor correlationId } }"""
V2 = """query J1QLv2($query: String!, $variables: JSON, $cursor: String, $scopeFilters: JSON, $includeDeleted: Boolean,
    $returnRowMetadata: Boolean, $returnComputedProperties: Boolean) {
  queryV2(query: $query, variables: $variables, cursor: $cursor, scopeFilters: $scopeFilters,
    includeDeleted: $includeDeleted, returnRowMetadata: $returnRowMetadata,
    returnComputedProperties: $returnComputedProperties) { type url correlationId } }"""


@pytest.fixture
def decide(principal, call, statements):
    """Plans a /graphql body, or a document alone, for a key that reads repositories, or has other `permissions`."""
    allow, _ = statements

    def run(body, *permissions, rules=RULES, **variables):
        body = {"query": body, "variables": variables} if isinstance(body, str) else body
        permissions = permissions or (allow([READ_GRAPH], **REPOS),)
        return plan(call("/graphql", body), principal(*permissions), Facts(), rules, 0)

    return run


@pytest.fixture
def by_j1ql(principal, call, statements):
    """What /j1ql does with the same arguments: a Check, or a Deny."""
    allow, _ = statements

    def run(*permissions, rules=RULES, **arguments):
        permissions = permissions or (allow([READ_GRAPH], **REPOS),)
        made = plan(call("/j1ql", arguments), principal(*permissions), Facts(), rules, 0)
        return made if isinstance(made, Deny) else made.answer

    return run


def checks(made):
    assert isinstance(made, Queried), made
    return dict(made.checks)


def refused(made, reason, *words):
    assert isinstance(made, Deny), made
    assert made.refusal.reason is reason, made.refusal
    for word in words:
        assert word in made.refusal.message


# --- what real clients send ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        (PYTHON_CURSOR, {"includeDeleted": False}),
        (PYTHON_CURSOR, {"includeDeleted": False, "cursor": "c", "flags": {"variableResultSize": True}}),
        (PYTHON_LIMIT, {"includeDeleted": False}),
        (PYTHON_LIMIT, {"includeDeleted": None, "dryRun": None, "variables": None}),
        (NODE, {"includeDeleted": False, "deferredResponse": "DISABLED", "deferredFormat": "JSON"}),
        (NODE, {"deferredResponse": "OPTIONAL", "flags": {"rowMetadata": False, "computedProperties": False}}),
        (EXAMPLES, {}),
        (EXAMPLES, {"flags": {"variableResultSize": True}, "scopeFilters": [], "cursor": "c"}),
        (EXAMPLES, {"variables": {"name": "x"}, "not declared": [1]}),
        (WHOLE, {"remember": False}),
    ],
)
def test_documents_of_real_clients_are_planned_like_calls_of_j1ql(decide, by_j1ql, document, variables):
    made = decide(document, query="FIND *", **variables)
    expected = by_j1ql(query="FIND *", cursor=variables.get("cursor"), variables=variables.get("variables"))
    assert checks(made) == {"queryV1": expected}
    assert (made.mode, made.calls, counted(made)) == ("strict", 1, 1)


def test_an_empty_cursor_is_the_first_page_as_clients_mean_it(decide, by_j1ql):
    assert checks(decide(PYTHON_CURSOR, query="FIND *", cursor=""))["queryV1"].cursor is None
    assert by_j1ql(query="FIND *", cursor="").cursor is None


def test_other_members_of_the_body_change_nothing(decide):
    made = decide({"query": PYTHON_CURSOR, "variables": {"query": "FIND *"}, "flags": {"rowMetadata": True}})
    assert list(checks(made)) == ["queryV1"]


@needs_collection
@pytest.mark.parametrize("mode", Mode)
def test_real_queries_are_planned_as_on_j1ql_or_refused_in_its_words(decide, by_j1ql, statements, mode):
    allow, deny = statements
    rules = replace(RULES, mode=mode)
    permissions = [allow([READ_GRAPH]), deny([READ_GRAPH], classification=["secret", "top secret"])]
    planned = 0
    for query in real_queries()[::7]:
        made = decide(PYTHON_CURSOR, *permissions, rules=rules, query=query)
        expected = by_j1ql(*permissions, rules=rules, query=query)
        if isinstance(expected, Deny):
            assert made == expected
        else:
            assert checks(made) == {"queryV1": expected}
            planned += 1
    assert planned > 100


# --- what GraphQL says --------------------------------------------------------------------------------------------

ROOT = 'queryV1(query: "FIND a") { data }'
OTHER = 'queryV1(query: "FIND b") { data }'
TWO_LINES = '''{ queryV1(query: """
    FIND a
      WITH b = "c"
  """) { data } }'''
FRAGMENTS = """
fragment F on Query { ...G }
query { ...F __typename }
fragment G on Query { queryV1(query: "FIND a") { ...R } }
fragment R on QueryV1Response { data }
"""
MAYBE = 'query ($no: Boolean!) { a: queryV1(query: "FIND a") @include(if: $no) { data } b: ' + OTHER + " }"


def sent(made):
    """The queries by response key, before narrowing."""
    return {key: check.seal.query for key, check in checks(made).items()}


@pytest.mark.parametrize(
    ("document", "variables", "asked"),
    [
        ('{ queryV1(query: "FIND a") { data } }', {}, {"queryV1": "FIND a"}),
        ('{ getDashboard: queryV1(query: "FIND a") { data } }', {}, {"getDashboard": "FIND a"}),
        (f"{{ a: {ROOT} b: {OTHER} }}", {}, {"a": "FIND a", "b": "FIND b"}),
        ('query ($q: String! = "FIND a") { queryV1(query: $q) { data } }', {}, {"queryV1": "FIND a"}),
        ('query ($q: String! = "FIND a") { queryV1(query: $q) { data } }', {"q": "FIND b"}, {"queryV1": "FIND b"}),
        (TWO_LINES, {}, {"queryV1": 'FIND a\n  WITH b = "c"'}),
        (r'{ queryV1(query: "\u0046IND a") { data } }', {}, {"queryV1": "FIND a"}),
        (FRAGMENTS, {}, {"queryV1": "FIND a"}),
        ('{ queryV1(query: "FIND a") { type } ... { queryV1(query: "FIND a") { data } } }', {}, {"queryV1": "FIND a"}),
        ('query ($no: Boolean!) { queryV1(query: "FIND a") @skip(if: $no) { data } }', {"no": True}, {}),
        (MAYBE, {"no": False}, {"b": "FIND b"}),
        (MAYBE, {"no": True}, {"a": "FIND a", "b": "FIND b"}),
    ],
)  # fmt: skip
def test_aliases_fragments_directives_and_defaults_mean_what_graphql_says(decide, document, variables, asked):
    assert sent(decide(document, **variables)) == asked


def test_the_selected_operation_alone_is_planned(decide):
    document = 'query A { queryV1(query: "FIND a") { data } } query B { queryV1(query: "FIND b") { data } }'
    assert sent(decide({"query": document, "operationName": "B"})) == {"queryV1": "FIND b"}
    unknown = 'query A { queryV1(query: "FIND a") { data } } mutation B { createPublicSharedUrl { url } }'
    assert sent(decide({"query": unknown, "operationName": "A"})) == {"queryV1": "FIND a"}
    for name in (None, "", "C"):
        refused(decide({"query": document, "operationName": name}), Reason.MALFORMED_BODY, "operation")
    refused(decide({"query": unknown, "operationName": "B"}), Reason.NEVER_FORWARDED)


def test_variables_reach_the_query_as_literals(decide):
    document = 'query ($n: Int, $s: ID, $gone: Float) { queryV1(query: "FIND a WITH b = ${n} AND c = ${s}", variables: {n: $n, s: $s, gone: $gone}) { data } }'  # noqa: E501
    check = checks(decide(document, n=3, s="x"))["queryV1"]
    assert check.request["query"] == "FIND a WITH _type = 'github_repo' AND (b = 3 AND c = 'x')"
    assert check.request["variables"] == {}
    assert json.loads(check.seal.variables) == {"n": 3, "s": "x"}  # a variable without a value is no member
    listed = '{ queryV1(query: "FIND a WITH b = ${n}", variables: {n: ["x", "y"]}) { data } }'
    assert "('x' OR 'y')" in checks(decide(listed))["queryV1"].request["query"]


# --- attacks ------------------------------------------------------------------------------------------------------

DIGITS = '{ queryV1(query: "FIND a WITH n = ${n}", variables: {n: ' + "9" * 5000 + "}) { data } }"


@pytest.mark.parametrize(
    ("document", "reason", "word"),
    [
        (f"{{ {ROOT} entityCount }}", Reason.UNSUPPORTED_QUERY, "`entityCount`"),
        (f"{{ {ROOT} queryV1: entityCount }}", Reason.UNSUPPORTED_QUERY, "`entityCount`"),
        (f"{{ {ROOT} entityCount @include(if: false) }}", Reason.UNSUPPORTED_QUERY, "`entityCount`"),
        (f"{{ {ROOT} ...F }} fragment F on Query {{ __schema {{ x }} }}", Reason.UNSUPPORTED_QUERY, "__schema"),
        (f'{{ {ROOT} t: queryV1Tree(query: "FIND a") {{ data }} }}', Reason.UNSUPPORTED_QUERY, "queryV1Tree"),
        ('{ queryV1Tree(query: "FIND a") { data } }', Reason.QUERYV1_NEEDS_J1QL, "/j1ql"),
        (f"{{ {ROOT} tokens {{ id }} }}", Reason.MALFORMED_BODY, "own"),
        (f"mutation {{ {ROOT} }}", Reason.MALFORMED_BODY, "mutation"),
        (f"subscription {{ {ROOT} }}", Reason.MALFORMED_BODY, "subscription"),
        ("{ queryV1 { data } }", Reason.MALFORMED_BODY, "query"),
        ("{ queryV1(query: null) { data } }", Reason.MALFORMED_BODY, "null"),
        ("{ queryV1(query: 5) { data } }", Reason.MALFORMED_BODY, "String"),
        ('{ queryV1(query: ["FIND a"]) { data } }', Reason.MALFORMED_BODY, "String"),
        ('{ queryV1(query: "FIND a", query: "FIND b") { data } }', Reason.MALFORMED_BODY, "twice"),
        ('{ queryV1(query: "FIND a", policy: "off") { data } }', Reason.MALFORMED_BODY, "policy"),
        ('{ queryV1(query: "FIND a") { data secret } }', Reason.MALFORMED_BODY, "secret"),
        ('{ queryV1(query: "FIND a") { data { x } } }', Reason.MALFORMED_BODY, "data"),
        ('{ queryV1(query: "FIND a") }', Reason.MALFORMED_BODY, "queryV1"),
        (f"{{ a: {ROOT} a: {OTHER} }}", Reason.MALFORMED_BODY, "conflict"),
        ('{ queryV1(query: "FIND a") @defer { data } }', Reason.MALFORMED_BODY, "defer"),
        (f"{{ ...F }} fragment F on Query {{ {ROOT} ...F }}", Reason.MALFORMED_BODY, "itself"),
        ('{ queryV1(query: "FIND a") { ' + "type " * 300 + "} }", Reason.MALFORMED_BODY, "tokens"),
        ('{ queryV1(query: "FIND a") { a: data b: data } }', Reason.MALFORMED_BODY, "`data` once"),
        (DIGITS, Reason.MALFORMED_BODY, "double"),
        ('{ queryV1(query: "FIND a", variables: ["x"]) { data } }', Reason.UNSUPPORTED_ARGUMENT, "variables"),
        ('{ queryV1(query: "FIND a", includeDeleted: true) { data } }', Reason.UNSUPPORTED_ARGUMENT, "includeDeleted"),
        ('{ queryV1(query: "FIND a", dryRun: true) { data } }', Reason.UNSUPPORTED_ARGUMENT, "dryRun"),
        ('{ queryV1(query: "FIND a", remember: true) { data } }', Reason.UNSUPPORTED_ARGUMENT, "remember"),
        ('{ queryV1(query: "FIND a", deferredFormat: CSV) { data } }', Reason.UNSUPPORTED_ARGUMENT, "deferredFormat"),
        ('{ queryV1(query: "FIND a", flags: {rowMetadata: true}) { data } }', Reason.UNSUPPORTED_ARGUMENT, "flags"),
        ('{ queryV1(query: "FIND a", flags: {more: true}) { data } }', Reason.MALFORMED_BODY, "more"),
        ('{ queryV1(query: "FIND a", scopeFilters: {a: "b"}) { data } }', Reason.UNSUPPORTED_ARGUMENT, "scopeFilters"),
        ('{ queryV1(query: "FIND a") { data } b: queryV1(query: "FIND") { data } }', Reason.INVALID_QUERY, ""),
        ('{ queryV1(query: "FIND a THAT RELATES TO SOMEHOW b") { data } }', Reason.INVALID_QUERY, "SOMEHOW"),
        ('{ queryV1(query: """FIND a WITH x = "/*" """) { data } }', Reason.UNSUPPORTED_QUERY, ""),
        ('{ queryV1(query: """FIND a WITH x = \'\\\') OR (\' """) { data } }', Reason.UNSUPPORTED_QUERY, ""),
    ],
)  # fmt: skip
def test_what_a_document_cannot_smuggle(decide, document, reason, word):
    refused(decide(document), reason, word)


@pytest.mark.parametrize("value", [5, None, ["FIND a"], {"query": "FIND a"}, True, 1.5])
@pytest.mark.parametrize("declared", ["String!", "String", "JSON", "ID!", "[String!]", "Int"])
def test_a_variable_of_a_wrong_type_is_refused(decide, value, declared):
    refused(decide(f"query ($q: {declared}) {{ queryV1(query: $q) {{ data }} }}", q=value), Reason.MALFORMED_BODY)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 5000])
@pytest.mark.parametrize("deferred", ["FORCE", "DISABLED"])
def test_a_number_that_json_cannot_say_is_refused(decide, number, deferred):
    document = '{ queryV1(query: "FIND *", variables: {n: %s}, deferredResponse: %s) { url } }'
    refused(decide(document % (number, deferred)), Reason.MALFORMED_BODY, "double")


def test_nothing_of_the_callers_document_goes_upstream(decide):
    for made in (decide(WHOLE, query="FIND *"), decide(f"{{ mine: {ROOT} }}")):
        for check in checks(made).values():
            assert set(check.request) == {
                "query",
                "variables",
                "includeDeleted",
                "dryRun",
                "remember",
                "deferredResponse",
                "flags",
            }
            assert check.request["deferredResponse"] == "DISABLED"
            assert "queryV1" not in json.dumps(check.request)


def test_parameters_of_the_account_need_their_permission_as_on_j1ql(decide, statements):
    allow, _ = statements
    grant = allow([READ_GRAPH], **REPOS)
    text = "FIND a WITH b = ${param.secret}"
    inline = f'{{ queryV1(query: "{text}") {{ data }} }}'
    for made in (
        decide(inline),
        decide(PYTHON_CURSOR, query=text),
        decide(r'{ queryV1(query: "FIND a WITH b = \u0024{param.secret}") { data } }'),
        decide(PYTHON_CURSOR, query="FIND a WITH b = ${x}", variables={"x": "${param.secret}"}),
        decide(f'query ($q: String! = "{text}") {{ queryV1(query: $q) {{ data }} }}'),
        decide(
            f'query ($q: String! = "{text}") {{ a: queryV1(query: "FIND a") {{ data }} queryV1(query: $q) {{ data }} }}'
        ),
    ):
        refused(made, Reason.NOT_ALLOWED, "parameters:GetParameter", "parameter:secret")
    reading = allow(["parameters:GetParameter"], ["parameter:secret"])
    refused(decide(inline, grant, reading), Reason.UNSUPPORTED_QUERY)  # it rests on a capability, as on /j1ql
    unasked = f'query ($no: Boolean! = false) {{ a: queryV1(query: "{text}") @include(if: $no) {{ data }} {ROOT} }}'
    assert sent(decide(unasked)) == {"queryV1": "FIND a"}


# --- whom the setting concerns ------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", [True, False])
def test_061_without_enforce_query_fields_are_closed_to_keys_that_may_not_do_everything(decide, statements, setting):
    allow, deny = statements
    rules = replace(RULES, query_fields=setting)
    for permissions in (
        [allow([READ_GRAPH], **REPOS)],
        [allow([READ_GRAPH])],
        [allow(["*"]), deny([READ_GRAPH], a="b")],
        [allow(["dashboard:View"])],
    ):
        for document in (PYTHON_CURSOR, V2, f"{{ {ROOT} }}"):
            refused(decide(document, *permissions, rules=rules, query="FIND *"), Reason.QUERYV1_NEEDS_J1QL, "/j1ql")


def test_enforce_leaves_keys_without_a_condition_as_they_are_on_j1ql(decide, statements):
    allow, _ = statements
    for permissions in ([allow(["*"])], [allow([READ_GRAPH])], [allow([READ_GRAPH]), allow([READ_GRAPH], **REPOS)]):
        body = {"query": PYTHON_CURSOR, "variables": {"query": "FIND *", "includeDeleted": True}}
        made = decide(body, *permissions)
        assert isinstance(made, Forward)
        assert (made.answer, made.body) == (Pass(), json.dumps(body).encode())
    mixed = decide(f"{{ {ROOT} entityCount }}", allow(["*"]))
    assert (mixed.answer, mixed.calls) == (Pass(), 2)
    refused(decide(f"{{ {ROOT} entityCount }}", allow([READ_GRAPH])), Reason.QUERYV1_NEEDS_J1QL)


def test_enforce_opens_nothing_to_keys_that_may_not_read_the_graph(decide, statements):
    allow, deny = statements
    for permissions in (
        [allow(["dashboard:View"])],
        [allow(["*"]), deny([READ_GRAPH])],
        [allow(["*"], ["dashboard:1"])],
    ):
        for document in (PYTHON_CURSOR, V2):
            refused(decide(document, *permissions, query="FIND *"), Reason.NOT_ALLOWED, READ_GRAPH)


def test_a_conditioned_deny_and_a_conditioned_grant_of_everything_are_enforced(decide, statements):
    allow, deny = statements
    for permissions in ([allow(["*"]), deny(["*"], a="b")], [allow(["*"], **REPOS)]):
        assert list(checks(decide(PYTHON_CURSOR, *permissions, query="FIND *"))) == ["queryV1"]
        refused(decide("{ entityCount }", *permissions), Reason.QUERYV1_NEEDS_J1QL)


def test_induced_refuses_a_policy_that_denies_a_verb_as_on_j1ql(decide, by_j1ql, statements):
    allow, deny = statements
    rules = replace(RULES, mode=Mode.INDUCED)
    permissions = [allow([READ_GRAPH]), deny([READ_GRAPH], _class="HAS")]
    assert decide(f"{{ {ROOT} }}", *permissions, rules=rules) == by_j1ql(*permissions, rules=rules, query="FIND a")


# --- how many -----------------------------------------------------------------------------------------------------


def test_the_query_fields_of_a_call_are_bounded_over_all_elements_of_an_array(decide):
    rules = replace(RULES, graphql=GraphQLLimits(queries=3))

    def fields(count):
        return {"query": "{ " + " ".join(f'a{n}: queryV1(query: "FIND a") {{ data }}' for n in range(count)) + " }"}

    assert len(checks(decide(fields(3), rules=rules))) == 3
    refused(decide(fields(4), rules=rules), Reason.MALFORMED_BODY, "3 query fields")
    made = decide([fields(2), fields(1), fields(1)], rules=rules)
    assert isinstance(made, Batch)
    assert [type(element) for element in made.elements] == [Queried, Queried, Deny]
    assert counted(made) == 3
    wrong = {"query": '{ a: queryV1(query: "FIND") { data } b: queryV1(query: "FIND a") { data } }'}
    made = decide([wrong, wrong, fields(1)], rules=rules)  # what is refused took as long
    assert [element.refusal.reason for element in made.elements] == [
        Reason.INVALID_QUERY,
        Reason.MALFORMED_BODY,
        Reason.MALFORMED_BODY,
    ]


def test_all_queries_of_a_call_have_the_room_of_one_on_j1ql(decide):
    rules = replace(RULES, query_body=1000)
    long = PYTHON_CURSOR + "#" + "x" * 1000
    refused(decide(long, rules=rules, query="FIND a"), Reason.TOO_LARGE, "1000")
    made = decide([{"query": f"{{ {ROOT} }}"}, {"query": "{ __typename }"}, {"query": "#" * 1000}], rules=rules)
    assert [element.refusal.reason for element in made.elements if isinstance(element, Deny)][0] is Reason.TOO_LARGE  # noqa: RUF015


def test_a_refusal_says_of_which_of_several_queries_it_speaks(decide):
    refused(
        decide('{ a: queryV1(query: "FIND a") { data } b: queryV1(query: "FIND") { data } }'),
        Reason.INVALID_QUERY,
        "`b`: ",
    )
    alone = decide('{ b: queryV1(query: "FIND") { data } }')
    assert "`b`" not in alone.refusal.message


def test_in_an_array_each_operation_is_planned_for_itself(decide, statements):
    allow, _ = statements
    grant = [allow([READ_GRAPH], **REPOS), allow(["dashboard:View"], ["dashboard:1"])]
    dashboard = {"query": '{ getDashboard(dashboardId: "1") { id } }'}
    made = decide(
        [{"query": f"{{ {ROOT} }}"}, dashboard, {"query": "{ entityCount }"}, {"query": "{ queryV1 }"}], *grant
    )
    assert isinstance(made, Batch)
    assert [type(element) for element in made.elements] == [Queried, Forward, Deny, Deny]
    assert counted(made) == 2


# --- deferred -----------------------------------------------------------------------------------------------------


def test_a_deferred_answer_is_planned_as_on_j1ql(decide, by_j1ql):
    expected = by_j1ql(query="FIND *", deferredResponse="FORCE")
    assert expected.deferred
    for made in (
        decide(NODE, query="FIND *", deferredResponse="FORCE", includeDeleted=False),
        decide('{ queryV1(query: "FIND *", deferredResponse: FORCE) { type url } }'),
    ):
        assert checks(made) == {"queryV1": expected}
    for flags in ({}, {"returnRowMetadata": False, "returnComputedProperties": None, "includeDeleted": False}):
        assert checks(decide(V2, query="FIND *", scopeFilters=None, **flags)) == {"queryV2": expected}


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("returnRowMetadata", True, "flags"),
        ("returnComputedProperties", True, "flags"),
        ("includeDeleted", True, "includeDeleted"),
        ("scopeFilters", [{"a": "b"}], "scopeFilters"),
        ("scopeFilters", {"a": "b"}, "scopeFilters"),
    ],
)
def test_what_would_widen_a_deferred_answer_is_refused(decide, name, value, word):
    refused(decide(V2, query="FIND *", **{name: value}), Reason.UNSUPPORTED_ARGUMENT, word)


def test_of_a_deferred_answer_there_is_nothing_but_our_address(decide):
    made = decide("{ " + 'queryV2(query: "FIND *") { type data url cursor totalCount correlationId }' + " }")
    assert answered(made, {"queryV2": Shown("deferred", url="https://ours/1")})["data"]["queryV2"] == {
        "type": "deferred",
        "data": None,
        "url": "https://ours/1",
        "cursor": None,
        "totalCount": None,
        "correlationId": "id-1",
    }


# --- the answer ---------------------------------------------------------------------------------------------------


def answered(made, answers):
    return json.loads(shown(made, answers, "id-1"))


def test_rows_go_on_as_their_bytes_and_what_could_tell_more_is_null(decide):
    made = decide(WHOLE, query="FIND *")
    rows = b'[{"n":1.10,"big":12345678901234567890123,"u":"\\u00e9"}]'
    body = shown(made, {"queryV1": Shown("list", rows, "sealed")}, "id-1")
    assert body == (
        b'{"data":{"queryV1":{"type":"list","data":' + rows + b',"url":null,"totalCount":null,"cursor":"sealed",'
        b'"correlationId":"id-1"}}}'
    )


def test_the_answer_has_the_callers_names_in_the_callers_order(decide):
    a, b = 'queryV1(query: "FIND a") { cursor __typename }', 'queryV1(query: "FIND b") { d: data t: type }'
    made = decide(f"{{ __typename b: {b} a: {a} }}")
    got = answered(made, {"a": Shown("list", b"[]", None), "b": Shown("tree", b'{"vertices":[]}', None)})
    assert got == {
        "data": {
            "__typename": "Query",
            "b": {"d": {"vertices": []}, "t": "tree"},
            "a": {"cursor": None, "__typename": "QueryV1Response"},
        }
    }
    assert list(got["data"]) == ["__typename", "b", "a"]


def test_directives_below_a_query_are_minded_and_a_skipped_query_is_absent(decide):
    document = 'query ($no: Boolean!) { a: queryV1(query: "FIND a") @skip(if: $no) { data } queryV1(query: "FIND b") { type data @skip(if: $no) } }'  # noqa: E501
    made = decide(document, no=True)
    assert answered(made, {"queryV1": Shown("list", b"[1]", None)}) == {"data": {"queryV1": {"type": "list"}}}


def test_what_is_remembered_of_a_document_is_nothing_of_its_variables(decide):
    one, other = (checks(decide(PYTHON_CURSOR, query=query))["queryV1"] for query in ("FIND a", "FIND b"))
    assert isinstance(one, Check)
    assert (one.seal.query, other.seal.query) == ("FIND a", "FIND b")
    assert changed(one, seal=other.seal, request=other.request) == other
