"""The list of dashboards of a key that may see some of them."""

from __future__ import annotations

import json

import pytest
from graphql import parse, print_ast

from gateway.authz import Rules, assembled, plan
from gateway.authz.outcome import Assemble, Batch, Deny, Facts, Forward, Grounds, Pass, Unusable
from gateway.authz.rules import GraphQLLimits
from gateway.http1 import Reason

VIEW = "dashboard:View"
LIST = "{ getDashboards { id name } }"
OWN = "gatewayDashboardId"


@pytest.fixture
def decide(principal, call):
    def run(body, *permissions, limits=None):
        body = {"query": body} if isinstance(body, str) else body
        rules = Rules(graphql=limits or GraphQLLimits())
        return plan(call("/graphql", body), principal(*permissions), Facts(), rules, 0)

    return run


@pytest.fixture
def grant(statements):
    allow, _ = statements
    return lambda *ids: allow([VIEW], [f"dashboard:{each}" for each in ids])


@pytest.fixture
def all_but(statements):
    allow, deny = statements
    return lambda *ids: (allow([VIEW]), deny([VIEW], [f"dashboard:{each}" for each in ids]))


def sent(made):
    """The document that goes upstream, in one spelling, and its variables."""
    assert isinstance(made, Forward), made
    body = json.loads(made.body)
    return print_ast(parse(body["query"])), body["variables"]


def spelt(query):
    return print_ast(parse(query))


def made_of(made, data, **more):
    got = assembled(json.dumps({"data": data} | more).encode(), made.answer)
    return got if isinstance(got, Unusable) else json.loads(got)


# --- what is asked ------------------------------------------------------------------------------------------------


def test_only_the_named_dashboards_are_asked_for(decide, grant):
    made = decide(LIST, grant("7", "3"))
    one = f'p0: getDashboard(dashboardId: "3") {{ {OWN}: id id name }}'
    other = f'p1: getDashboard(dashboardId: "7") {{ {OWN}: id id name }}'
    assert sent(made) == (spelt(f"{{ {one} {other} }}"), {})
    assert made.grounds == Grounds(VIEW, "dashboard:3", ("permissions[0]",), ((VIEW, "dashboard:7"),))


def test_what_the_caller_selects_goes_along_with_all_that_it_uses_and_nothing_else(decide, grant):
    query = """
    query A($deep: Boolean!, $options: DashboardsOptions, $size: Int = 5, $unused: Int) {
      __typename
      ...Root
    }
    query B { other }
    fragment Root on Query { mine: getDashboards(options: $options) { ...Each widgets(first: $size) { id } } }
    fragment Each on InsightsDashboard { title: name ... on InsightsDashboard @include(if: $deep) { ...More } }
    fragment More on InsightsDashboard { category }
    """
    variables = {"deep": True, "options": {"includeAllJ1ManagedDashboards": True}, "unused": 1, "surplus": 2}
    made = decide({"query": query, "variables": variables, "operationName": "A", "extra": 1}, grant("7"))
    expected = f"""
    query ($deep: Boolean!, $size: Int = 5) {{
      p0: getDashboard(dashboardId: "7") {{ {OWN}: id ...Each widgets(first: $size) {{ id }} }}
    }}
    fragment Each on InsightsDashboard {{ title: name ... on InsightsDashboard @include(if: $deep) {{ ...More }} }}
    fragment More on InsightsDashboard {{ category }}
    """
    assert sent(made) == (spelt(expected), {"deep": True})
    got = made_of(made, {"p0": {OWN: "7", "title": "T", "category": None}})
    assert got == {"data": {"__typename": "Query", "mine": [{"title": "T", "category": None}]}}


def test_ids_are_data(decide, grant):
    ids = ['a"b', "a:b", "ключ\n", "}{ __schema", "\\u0022", "$n0", '"""']
    document, variables = sent(decide(LIST, grant(*ids)))
    found = [
        argument.value.value
        for node in parse(document).definitions[0].selection_set.selections
        for argument in node.arguments
    ]
    assert (found, variables) == (sorted(ids), {})


def test_all_but_some_are_found_in_the_upstreams_list_as_it_was_asked_for(decide, all_but):
    query = "query ($o: DashboardsOptions) { l: getDashboards(options: $o) { name } }"
    made = decide({"query": query, "variables": {"o": {"includeAllJ1ManagedDashboards": True}}}, *all_but("9"))
    expected = f"query ($o: DashboardsOptions) {{ getDashboards(options: $o) {{ {OWN}: id name }} }}"
    assert sent(made) == (spelt(expected), {"o": {"includeAllJ1ManagedDashboards": True}})
    assert made.grounds == Grounds(VIEW, "dashboard:*", ("permissions[0]",))
    there = [{OWN: str(number), "name": f"n{number}"} for number in (8, 9, 10)]
    assert made_of(made, {"getDashboards": there}) == {"data": {"l": [{"name": "n8"}, {"name": "n10"}]}}


@pytest.mark.parametrize(
    "arguments",
    ["limit: 1", "options: {limit: 1}", "options: [{limit: 1}]", "options: $o", "options: null, after: null"],
)
def test_pages_of_a_list_out_of_which_items_are_taken_are_refused(decide, all_but, arguments):
    """A page of one, less those that may not be seen, tells where these stand."""
    query = f"query ($o: DashboardsOptions = {{offset: 1}}) {{ getDashboards({arguments}) {{ name }} }}"
    made = decide(query, *all_but("9"))
    assert isinstance(made, Deny)
    assert made.refusal.reason is Reason.UNSUPPORTED_ARGUMENT
    assert isinstance(decide("{ getDashboards(options: null) { name } }", *all_but("9")), Forward)


@pytest.mark.parametrize("limits", [{"roots": 2}, {"characters": 80}])
def test_more_names_than_one_question_may_have_are_found_in_the_upstreams_list(decide, grant, limits):
    made = decide(LIST, grant("1", "2", "3"), limits=GraphQLLimits(**limits))
    assert "getDashboards" in sent(made)[0]
    there = [{OWN: str(number), "id": str(number)} for number in range(5)]
    assert made_of(made, {"getDashboards": there}) == {"data": {"getDashboards": [{"id": n} for n in "123"]}}


def test_a_key_that_may_view_all_dashboards_gets_the_upstreams_own_list(decide, statements, grant):
    allow, deny = statements
    for outright in (allow([VIEW]), allow(["*"])):
        made = decide(LIST, outright, grant("3"), deny([VIEW], ["parameter:x"]))
        assert made.answer == Pass()


def test_a_key_that_may_view_none_is_refused(decide, statements, grant):
    allow, deny = statements
    for permissions in (
        [allow(["query:ReadGraphData"], a="b")],
        [allow([VIEW], ["parameter:1"])],
        [grant("3"), deny([VIEW], ["dashboard:3"])],
        [allow([VIEW]), deny([VIEW])],
        [allow(["*"], a="b")],
    ):
        assert decide(LIST, *permissions).refusal.reason is Reason.NOT_ALLOWED


def test_a_parameter_in_the_callers_words_or_in_a_name_needs_its_permission(decide, grant, statements):
    allow, _ = statements
    query = '{ getDashboards { widgets(search: "${param.secret}") { id } } }'
    for body, key in ((query, grant("3")), (LIST, grant("${param.secret}"))):
        assert decide(body, key).refusal.reason is Reason.NOT_ALLOWED
        reading = allow(["parameters:GetParameter"], ["parameter:secret"])
        assert isinstance(decide(body, key, reading), Forward)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ('{ getDashboards { id } getDashboard(dashboardId: "3") { id } }', "only field"),
        ("{ a: getDashboards { id } b: getDashboards { name } }", "only field"),
        ("{ getDashboards { id } __schema { types { name } } }", "only field"),
        ("{ getDashboards @include(if: false) { id } }", "directives"),
        ("{ ... @skip(if: true) { getDashboards { id } } }", "directives"),
        ("{ ...F @x } fragment F on Query { getDashboards { id } }", "directives"),
        ("query @x { getDashboards { id } }", "directives"),
        ("{ __typename @x getDashboards { id } }", "directives"),
        ("mutation { getDashboards { id } }", "queries"),
        ("{ getDashboards }", "what is wanted"),
        (f"{{ getDashboards {{ {OWN}: name }} }}", "own"),
    ],
)
def test_what_cannot_be_made_here_is_refused_with_the_reason(decide, grant, all_but, query, told):
    for permissions in ([grant("3")], all_but("9")):
        made = decide(query, *permissions)
        assert isinstance(made, Deny)
        assert made.refusal.reason is Reason.UNSUPPORTED_QUERY
        assert told in made.refusal.message


def test_in_an_array_the_list_is_one_element_among_others(decide, grant):
    made = decide([{"query": LIST}, {"query": '{ getDashboard(dashboardId: "3") { id } }'}], grant("3"))
    assert isinstance(made, Batch)
    assert [type(element.answer) for element in made.elements] == [Assemble, Pass]


# --- what the upstream answers ------------------------------------------------------------------------------------


def test_a_dashboard_that_is_not_there_is_not_in_the_list(decide, grant):
    made = decide(LIST, grant("1", "2"))
    errors = [{"message": "Dashboard not found", "path": ["p0"], "extensions": {"code": "NOT_FOUND"}}]
    got = made_of(made, {"p0": None, "p1": {OWN: "2", "id": "2", "name": "n"}}, errors=errors)
    assert got == {"data": {"getDashboards": [{"id": "2", "name": "n"}]}}


def test_values_are_passed_on_as_they_came(decide, grant):
    made = decide("{ getDashboards { layout } }", grant("1"))
    layout = b'{"a":1.10,"b":12345678901234567890123,"c":"\\u00e9"}'
    body = b'{"data":{"p0":{"%s":"1","layout":%s}}}' % (OWN.encode(), layout)
    assert assembled(body, made.answer) == b'{"data":{"getDashboards":[{"layout":%s}]}}' % layout


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"data":null}',
        b'{"data":{"p0":{"id":"1"}}}',
        b'{"data":{"p0":{"gatewayDashboardId":"2","id":"2"}}}',
        b'{"data":{"p0":{"gatewayDashboardId":1,"id":"1"}}}',
        b'{"data":{"p0":[]}}',
        b'{"data":{"p1":{"gatewayDashboardId":"1"}}}',
        b'{"data":{"p0":{"gatewayDashboardId":"1","id":"1"}},"errors":[{"message":"of 9","path":["p0","id"]}]}',
        b'{"data":{"p0":null},"errors":[{"message":"boom","path":["p0"],"extensions":{"code":"FORBIDDEN"}}]}',
    ],
)
def test_no_list_is_made_of_an_answer_that_may_lack_something_or_show_more(decide, grant, body):
    made = decide(LIST, grant("1"))
    assert isinstance(assembled(body, made.answer), Unusable)


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":{"getDashboards":null}}',
        b'{"data":{"getDashboards":[null]}}',
        b'{"data":{"getDashboards":[{"id":"1"}]}}',
        b'{"data":{"getDashboards":[{"gatewayDashboardId":"1"}]},"errors":[{"message":"of 9"}]}',
        b'{"data":{"getDashboards":{}}}',
        b'{"data":{}}',
    ],
)
def test_no_list_is_filtered_that_is_not_whole(decide, all_but, body):
    made = decide(LIST, *all_but("9"))
    assert isinstance(assembled(body, made.answer), Unusable)
