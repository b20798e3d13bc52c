"""Edge case 47: the list of parameters of a key whose policy names them, and nothing of any other."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from gateway.authz import Rules, assembled, plan
from gateway.authz.outcome import Assemble, Batch, Deny, Facts, Forward, Grounds, More, Pass, Unusable
from gateway.authz.rules import GraphQLLimits
from gateway.http1 import Reason

LIST = "parameters:GetParameterList"
ALL = "{ parameterList { items { name value secret lastUpdatedOn } pageInfo { endCursor hasNextPage } } }"
PAGE = """
query Page($limit: Int, $cursor: String) {
  parameterList(limit: $limit, cursor: $cursor) { items { name } pageInfo { endCursor hasNextPage } }
}
"""


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
    return lambda *names: allow([LIST], [f"parameter:{name}" for name in names])


def asked(made):
    """The names that the upstream is asked for, in order."""
    assert isinstance(made, Forward), made
    variables = json.loads(made.body).get("variables", {})
    return [variables[f"n{number}"] for number in range(len(variables))]


def item(name, value=1):
    return {"name": name, "value": value, "lastUpdatedOn": "2026-01-01T00:00:00.000Z", "secret": False}


def answer(*items, errors=None):
    """The upstream's answer: an item for each name asked for, None for an absent one."""
    return json.dumps(
        {"data": {f"p{n}": each for n, each in enumerate(items)}} | ({"errors": errors} if errors else {})
    )


def put_together(made, body):
    got = assembled(body.encode() if isinstance(body, str) else body, made.answer)
    assert isinstance(got, bytes), got
    return json.loads(got)


def listed(made, there):
    """What the caller gets from an upstream that has the parameters `there`."""
    return put_together(made, answer(*[item(name) if name in there else None for name in asked(made)]))


# --- what is asked ------------------------------------------------------------------------------------------------


def test_047_only_the_named_parameters_are_asked_for_and_shown(decide, grant):
    made = decide(ALL, grant("X"))
    assert asked(made) == ["X"]
    assert b"parameterList" not in made.body
    page = {"endCursor": None, "hasNextPage": False}
    assert listed(made, {"X", "Y"}) == {"data": {"parameterList": {"items": [item("X")], "pageInfo": page}}}


def test_047_the_grounds_tell_of_each_parameter_that_was_asked_for(decide, grant):
    made = decide(ALL, grant("X"), grant("Y", "Z"), grant("Y"))
    grounds = Grounds(LIST, "parameter:X", tuple(f"permissions[{n}]" for n in range(3)))
    assert made.grounds == replace(grounds, also=((LIST, "parameter:Y"), (LIST, "parameter:Z")))


def test_047_names_are_data(decide, grant):
    names = ['a"b', "a:b", "ключ\n", "}{ __schema", "\\u0022", "$n0"]
    made = decide(ALL, grant(*names))
    assert asked(made) == sorted(names)
    document = json.loads(made.body)["query"]
    assert not any(name in document for name in ("ключ", "__schema", 'a"b', "a:b"))
    assert [each["name"] for each in listed(made, set(names))["data"]["parameterList"]["items"]] == sorted(names)


def test_047_a_deny_takes_its_parameter_away(decide, grant, statements):
    _, deny = statements
    assert asked(decide(ALL, grant("X", "Y"), deny([LIST], ["parameter:Y"]))) == ["X"]
    assert asked(decide(ALL, grant("X", "Y"), deny(["*"], ["parameter:Y"]))) == ["X"]
    assert asked(decide(ALL, grant("X"), deny([LIST], ["parameter:Z"]))) == ["X"]


def test_047_other_statements_add_nothing(decide, grant, statements):
    allow, _ = statements
    more = [
        allow(["parameters:GetParameter"], ["parameter:Y"]),
        allow([LIST], ["dashboard:1"]),
        allow(["*"], env="prod"),
        allow(["dashboard:View"]),
    ]
    assert asked(decide(ALL, grant("X"), *more)) == ["X"]
    assert asked(decide(ALL, allow(["*"], ["parameter:Z"]), grant("X"))) == ["X", "Z"]


def test_047_a_key_that_may_list_all_parameters_gets_the_upstreams_own_list(decide, grant, statements):
    allow, _ = statements
    body = json.dumps({"query": ALL}).encode()
    for outright in (allow([LIST]), allow(["*"])):
        made = decide(ALL, outright, grant("X"))
        assert (made.answer, made.body) == (Pass(), body)


def test_047_a_key_without_names_is_refused(decide, grant, statements):
    allow, deny = statements
    for permissions in (
        [grant("X"), deny([LIST], ["parameter:X"])],
        [grant("X"), deny(["*"])],
        [allow([LIST], ["dashboard:1"])],
        [allow(["parameters:GetParameter"], ["parameter:X"])],
    ):
        assert decide(ALL, *permissions).refusal.reason is Reason.NOT_ALLOWED


def test_047_a_name_that_would_print_a_parameter_needs_the_permission_for_it(decide, grant, statements):
    allow, _ = statements
    assert decide(ALL, grant("${param.secret}")).refusal.reason is Reason.NOT_ALLOWED
    reading = allow(["parameters:GetParameter"], ["parameter:secret"])
    assert asked(decide(ALL, grant("${param.secret}"), reading)) == ["${param.secret}"]


# --- what the caller may write ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "query { __typename parameterList { __typename items { __typename name } pageInfo { __typename } } }",
        """query A { ...R } query B { getDashboards { id } }
        fragment R on Query { __typename parameterList { ...L } }
        fragment L on ParameterListPagedResponse { __typename items { ...P } pageInfo { __typename } }
        fragment P on ParameterResponse { ... on ParameterResponse { __typename name value @include(if: false) } }""",
    ],
)
def test_047_fragments_directives_and_typenames_mean_what_graphql_says(decide, grant, query):
    made = decide({"query": query, "operationName": "A" if "query A" in query else None}, grant("X"))
    assert listed(made, {"X"}) == {
        "data": {
            "__typename": "Query",
            "parameterList": {
                "__typename": "ParameterListPagedResponse",
                "items": [{"__typename": "ParameterResponse", "name": "X"}],
                "pageInfo": {"__typename": "PageInfo"},
            },
        }
    }


def test_047_aliases_and_variables_mean_what_graphql_says(decide, grant):
    query = "query ($all: Boolean!) { mine: parameterList { a: items { b: name value @skip(if: $all) } } }"
    made = decide({"query": query, "variables": {"all": True}}, grant("X"))
    assert listed(made, {"X"}) == {"data": {"mine": {"a": [{"b": "X"}]}}}


def test_047_beside_another_field_the_list_is_refused_and_the_refusal_says_so(decide, grant, statements):
    allow, _ = statements
    made = decide(
        '{ parameterList { items { name } } parameter(name: "X") { value } }',
        grant("X"),
        allow(["parameters:GetParameter"], ["parameter:X"]),
    )
    assert made.refusal.reason is Reason.UNSUPPORTED_QUERY
    assert "only field" in made.refusal.message
    twice = decide("{ a: parameterList { items { name } } b: parameterList { items { name } } }", grant("X"))
    assert twice.refusal.reason is Reason.UNSUPPORTED_QUERY


@pytest.mark.parametrize(
    ("query", "variables", "named"),
    [
        ("{ parameterList { items { name owner } } }", {}, "owner"),
        ("{ parameterList { totalCount } }", {}, "totalCount"),
        ("{ parameterList }", {}, "parameterList"),
        ('{ parameterList(search: "x") { items { name } } }', {}, "search"),
        ("{ parameterList(cursor: 1) { items { name } } }", {}, "String"),
        ("{ parameterList(limit: 0) { items { name } } }", {}, "limit"),
        (PAGE, {"limit": -1}, "limit"),
        (PAGE, {"limit": "2"}, "limit"),
        (PAGE, {"cursor": ["x"]}, "cursor"),
        ("mutation { parameterList { items { name } } }", {}, "mutation"),
        ("{ parameterList { items { " + "name " * 300 + "} } }", {}, "tokens"),
    ],
)
def test_047_what_cannot_be_answered_is_refused_before_anything_is_asked(decide, grant, query, variables, named):
    made = decide({"query": query, "variables": variables}, grant("X"))
    assert isinstance(made, Deny)
    assert made.refusal.reason is Reason.MALFORMED_BODY
    assert named in made.refusal.message


def test_047_in_an_array_the_list_is_one_element_among_others(decide, grant, statements):
    allow, _ = statements
    dashboard = {"query": '{ getDashboard(dashboardId: "1") { id } }'}
    made = decide([{"query": ALL}, dashboard], grant("X"), allow(["dashboard:View"], ["dashboard:1"]))
    assert isinstance(made, Batch)
    assert [type(element.answer) for element in made.elements] == [Assemble, Pass]
    assert b"parameterList" not in made.elements[0].body


# --- pages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [None, 1, 2, 3, 4, 5, 100])
@pytest.mark.parametrize("roots", [1, 2, 3, 50])
@pytest.mark.parametrize("there", ["", "a", "e", "ace", "bd", "abcde"])
def test_047_pages_hold_every_visible_parameter_once_in_order(decide, grant, limit, roots, there):
    """Whatever the limit, and however few can be asked for at once; a page is the last one when it says so."""
    seen, cursor = [], None
    for _ in range(10):
        body = {"query": PAGE, "variables": {"limit": limit, "cursor": cursor}}
        made = decide(body, grant(*"ebcad"), limits=GraphQLLimits(roots=roots))
        assert len(asked(made)) <= roots
        page = listed(made, there)["data"]["parameterList"]
        names = [each["name"] for each in page["items"]]
        assert len(names) <= (limit or 5)
        seen += names
        cursor = page["pageInfo"]["endCursor"]
        assert page["pageInfo"]["hasNextPage"] is (cursor is not None)
        if cursor is None:
            break
        if roots >= 5:  # all are known, so that no page is promised in vain
            assert set(there) - set(seen)
    assert cursor is None
    assert seen == sorted(there)


def test_047_a_cursor_is_a_place_among_the_names_and_opens_nothing(decide, grant):
    for cursor, left in (("", ["X", "b"]), ("Y", ["b"]), ("zz", []), ("${param.secret}", ["X", "b"])):
        made = decide({"query": PAGE, "variables": {"cursor": cursor}}, grant("X", "b"))
        assert asked(made) == left
        assert [each["name"] for each in listed(made, "XYbz")["data"]["parameterList"]["items"]] == left


# --- what the upstream answers ------------------------------------------------------------------------------------


def test_047_an_absent_parameter_is_not_in_the_list_and_there_is_no_error(decide, grant):
    made = decide(ALL, grant("X", "Y", "Z"))
    errors = [
        {"message": "Parameter Y not found", "path": ["p1"], "extensions": {"code": "INTERNAL_SERVER_ERROR"}},
        {"message": "of an account with 17 parameters", "path": ["p2"], "extensions": {"code": "BAD_USER_INPUT"}},
    ]
    got = put_together(made, answer(item("X"), None, None, errors=errors))
    page = {"endCursor": None, "hasNextPage": False}
    assert got == {"data": {"parameterList": {"items": [item("X")], "pageInfo": page}}}


def test_047_values_are_passed_on_as_they_came(decide, grant):
    made = decide("{ parameterList { items { value } } }", grant("X"))
    value = b'[1.10, 12345678901234567890123, 1e400, "\\u00e9", {"a":null}]'
    body = b'{"data":{"p0":{"name":"X","value":' + value + b',"lastUpdatedOn":"","secret":false}}}'
    assert value in assembled(body, made.answer)


FAILED = [{"message": "boom", "path": ["p1"], "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'"x"',
        b"\xff",
        b"[" * 100_000,
        b"{}",
        b'{"data":null}',
        b'{"data":null,"errors":[{"message":"Rate limit, 429"}]}',
        b'{"data":{}}',
        b'{"data":{"p0":null}}',
        b'{"data":{"p0":"X","p1":null}}',
        b'{"data":{"p0":{"name":"X"},"p1":null}}',
        answer(item("Y"), None),
        answer(item("X"), item("x")),
        answer(item("X"), item("Z")),
        answer(item("X") | {"secret": None}, None),
        answer(item("X"), None, errors=FAILED),
        answer(item("X"), None, errors=[{"message": "429", "path": ["p1"]}]),
        answer(item("X"), None, errors=[{"message": "no such thing"}]),
        answer(item("X"), None, errors=[{"message": "not found", "path": ["p0", "value"]}]),
        answer(item("X"), None, errors=[{"message": "not found", "path": ["p7"]}]),
        answer(item("X"), None).replace('"value": 1', '"value": "\udcff"').encode("utf-8", "surrogateescape"),
    ],
)
def test_047_no_list_is_made_of_an_answer_that_may_lack_something_or_show_more(decide, grant, body):
    made = decide(ALL, grant("X", "Y"))
    assert isinstance(assembled(body.encode() if isinstance(body, str) else body, made.answer), Unusable)


def test_047_a_few_aliases_of_a_large_value_make_no_endless_answer(decide, grant):
    def size(aliases):
        fields = " ".join(f"a{number}: value" for number in range(aliases))
        made = decide(f"{{ parameterList {{ items {{ {fields} }} }} }}", grant("X"))
        got = assembled(answer(item("X", "x" * 1024 * 1024)).encode(), made.answer)
        return None if isinstance(got, Unusable) else len(got)

    assert size(10) > 10 * 1024 * 1024
    assert size(40) is None


def test_047_what_was_not_asked_for_is_not_passed_on(decide, grant):
    made = decide(ALL, grant("X"))
    more = {"p1": item("Y"), "parameterList": {"items": [item("Y")]}}
    body = json.dumps({"data": {"p0": item("X") | {"owner": "Y"}} | more, "extensions": {"cost": "Y"}})
    assert "Y" not in json.dumps(put_together(made, body))


# --- all but some -------------------------------------------------------------------------------------------------


def upstream_page(names, *, cursor=None):
    """A page of the upstream's own list; with a cursor there are more."""
    info = {"endCursor": cursor, "hasNextPage": cursor is not None}
    return json.dumps({"data": {"parameterList": {"items": [item(name) for name in names], "pageInfo": info}}}).encode()


@pytest.fixture
def all_but(statements):
    """The permissions of a key that may list all parameters but those."""
    allow, deny = statements
    return lambda *names: (allow(["*"]), deny([LIST], [f"parameter:{name}" for name in names]))


def through(made, pages):
    """What the caller gets, and what was asked for each page."""
    asked_for, question, answer = [], made.body, made.answer
    for page in pages:
        asked_for.append(json.loads(question)["variables"])
        got = assembled(page, answer)
        if not isinstance(got, More):
            return got if isinstance(got, Unusable) else json.loads(got), asked_for
        question, answer = got.question, got.answer
    raise AssertionError("more pages were asked for than there are")


def test_047_the_upstreams_list_is_read_to_its_end_and_denied_parameters_are_left_out(decide, all_but):
    made = decide(ALL, *all_but("X", "b"))
    assert b"items { name value lastUpdatedOn secret }" in made.body
    pages = [upstream_page("cX", cursor="2"), upstream_page("", cursor="3"), upstream_page("bXa")]
    got, asked_for = through(made, pages)
    page = {"endCursor": None, "hasNextPage": False}
    assert got == {"data": {"parameterList": {"items": [item("a"), item("c")], "pageInfo": page}}}
    assert asked_for == [{"cursor": None}, {"cursor": "2"}, {"cursor": "3"}]


@pytest.mark.parametrize("denied", [["*"], ["parameters:GetParameterList"], ["parameters:GetParameterList", "*"]])
def test_047_whatever_statement_denies_a_parameter_takes_it_away(decide, statements, denied):
    allow, deny = statements
    made = decide(ALL, allow([LIST]), deny(denied, ["parameter:X"]), deny(["dashboard:View"], ["dashboard:a"]))
    got, _ = through(made, [upstream_page("aX")])
    assert [each["name"] for each in got["data"]["parameterList"]["items"]] == ["a"]


def test_047_a_deny_of_the_list_itself_leaves_nothing_to_show(decide, statements):
    allow, deny = statements
    for more in (deny([LIST]), deny(["*"], ["*"]), deny(["*"], ["*"], a="b")):
        made = decide(ALL, allow([LIST]), deny([LIST], ["parameter:X"]), more)
        assert made.refusal.reason is Reason.NOT_ALLOWED


@pytest.mark.parametrize("limit", [1, 2, 3, None])
@pytest.mark.parametrize("hidden", ["", "X", "abX", "zX", "Xy"])
def test_047_pages_are_the_same_whatever_parameters_are_denied(decide, all_but, limit, hidden):
    """`X`, `y` and `z` are denied; which of them there are changes no byte of any page."""

    def walk(names):
        seen, cursor = [], None
        while True:
            body = {"query": PAGE, "variables": {"limit": limit, "cursor": cursor}}
            got, _ = through(decide(body, *all_but("X", "y", "z")), [upstream_page(names)])
            page = got["data"]["parameterList"]
            seen.append(page)
            cursor = page["pageInfo"]["endCursor"]
            if cursor is None:
                return seen

    visible = sorted(set("abcd"))
    shown = walk(sorted({*visible, *hidden}))
    assert shown == walk(visible)
    assert [each["name"] for page in shown for each in page["items"]] == visible


def test_047_the_grounds_of_all_but_some_name_none_of_them(decide, all_but):
    made = decide(ALL, *all_but("X"))
    assert made.grounds == Grounds(LIST, "parameter:*", ("permissions[0]",))


@pytest.mark.parametrize(
    "pages",
    [
        [b""],
        [b'{"data":null}'],
        [b'{"data":{"parameterList":null}}'],
        [b'{"data":{"parameterList":{"items":[{"name":"a"}],"pageInfo":{"hasNextPage":false}}}}'],
        [b'{"data":{"other":1}}'],
        [upstream_page("a")[:-1] + b',"errors":[{"message":"of X: not found"}]}'],
        [upstream_page("a", cursor="1"), b"<html>"],
        [upstream_page("a", cursor="1")] * 101,
    ],
)
def test_047_no_list_is_made_of_a_list_that_is_not_whole(decide, all_but, pages):
    got, _ = through(decide(ALL, *all_but("X")), pages)
    assert isinstance(got, Unusable)


def test_047_a_list_without_end_is_not_held_without_end(decide, all_but):
    made = decide(ALL, *all_but("X"))
    large = json.dumps(
        {
            "data": {
                "parameterList": {
                    "items": [item("a", "x" * 10_000_000)],
                    "pageInfo": {"endCursor": "1", "hasNextPage": True},
                }
            }
        }
    ).encode()
    got, asked_for = through(made, [large] * 10)
    assert isinstance(got, Unusable)
    assert len(asked_for) == 4
