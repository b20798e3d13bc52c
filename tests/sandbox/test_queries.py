from __future__ import annotations

import pytest

from gateway.sandbox import Graph
from gateway.sandbox.account import example_account
from gateway.sandbox.queries import QueryError, answer, read_call, read_call_v2


@pytest.fixture
def ask(entity):
    graph = Graph([entity(str(number), kind="odd" if number % 2 else "even") for number in range(7)])
    account = example_account("acct", 0)

    def ask(query, page=3, **arguments):
        return answer(read_call({"query": query, **arguments}), graph, account, page=page, now=0)

    return ask


def pages(ask, query, **arguments):
    """All pages of an answer."""
    cursor = None
    while True:
        page = ask(query, **arguments, **({"cursor": cursor} if cursor else {}))
        yield page
        cursor = page.get("cursor")
        if cursor is None:
            return


def test_pages_together_are_the_answer_in_order(ask):
    got = list(pages(ask, "FIND *"))
    assert [len(page["data"]) for page in got] == [3, 3, 1]
    assert [row["id"] for page in got for row in page["data"]] == [f"v-{number}" for number in range(7)]
    assert {page["totalCount"] for page in got} == {7}


def test_the_last_page_has_no_cursor_even_when_it_is_full(ask):
    assert "cursor" not in ask("FIND odd")
    assert "cursor" not in ask("FIND * LIMIT 3")


def test_a_cursor_belongs_to_its_query_and_variables(ask):
    cursor = ask("FIND *")["cursor"]
    for query, variables in (("FIND even", None), ("FIND *", {"a": 1})):
        with pytest.raises(QueryError, match="Invalid cursor"):
            ask(query, cursor=cursor, variables=variables)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "bnVsbA==", "e30=", "žluť"])
def test_a_cursor_that_we_did_not_make_is_refused(ask, cursor):
    with pytest.raises(QueryError, match="Invalid cursor"):
        ask("FIND *", cursor=cursor)


def test_a_tree_has_no_pages(ask):
    assert len(ask("FIND * RETURN TREE", page=1)["data"]["vertices"]) == 7


def test_a_dry_run_says_the_shape_and_no_data(ask):
    assert ask("FIND * AS a RETURN a.displayName", dryRun=True) == {"type": "table", "data": [], "totalCount": 0}


def test_variables_and_parameters_reach_the_query(ask):
    assert len(ask("FIND * WITH displayName = ${name}", variables={"name": "3"})["data"]) == 1
    assert ask("FIND * WITH displayName = ${param.loginUrl}")["data"] == []
    with pytest.raises(QueryError) as refused:
        ask("FIND * WITH displayName = ${name}")
    assert refused.value.code == "VALIDATION_ERROR"


def test_row_metadata_say_what_the_aliases_of_a_row_stand_for(ask):
    query = "FIND odd AS o RETURN o.displayName AS name LIMIT 1"
    row = {"name": "1", "_meta": {"byAlias": {"o": {"id": "v-1", "entity": {"_id": "id-1"}}}}}
    assert ask(query, flags={"rowMetadata": True})["data"] == [row]
    assert ask(query, flags={"rowMetadata": False})["data"] == [{"name": "1"}]
    assert ask("FIND odd", flags={"rowMetadata": True}) == ask("FIND odd")


@pytest.mark.parametrize("query", ["FIND UNIQUE odd AS o RETURN o._type", "FIND odd AS o RETURN COUNT(o)"])
def test_rows_of_several_matches_have_no_metadata(ask, query):
    assert ask(query, flags={"rowMetadata": True}) == ask(query)


def test_a_text_that_is_no_query_is_a_parser_error_that_says_where(ask):
    with pytest.raises(QueryError, match=r"Error parsing query\..* at line 2 column \d+") as refused:
        ask("FIND *\nWITH AND")
    assert refused.value.code == "PARSER_ERROR"


@pytest.mark.parametrize(
    "arguments",
    [
        {"deferredFormat": "XML"},
        {"deferredResponse": "SOON"},
        {"scopeFilters": [{"org": "a"}]},
        {"flags": {"unknown": True}},
        {"unknown": 1},
        {"cursor": 5},
        {"variables": []},
        {"query": None},
        {"query": ""},
    ],
)
def test_what_the_sandbox_cannot_do_it_refuses(arguments):
    with pytest.raises(QueryError) as refused:
        read_call({"query": "FIND *", **arguments})
    assert refused.value.code == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    "arguments", [{"deferredResponse": "FORCE"}, {"flags": {}}, {"returnRowMetadata": 1}, {"scopeFilters": [{}]}]
)
def test_the_arguments_of_query_v2_are_its_own(arguments):
    with pytest.raises(QueryError) as refused:
        read_call_v2({"query": "FIND *", **arguments})
    assert refused.value.code == "VALIDATION_ERROR"


def test_what_changes_nothing_is_accepted(ask):
    everything = {
        "includeDeleted": True,
        "deferredResponse": "DISABLED",
        "deferredFormat": "JSON",
        "remember": False,
        "flags": {"computedProperties": False, "rowMetadata": False, "variableResultSize": True},
        "scopeFilters": [],
        "sourceMetadata": {"appName": "tests"},
        "variables": None,
        "cursor": None,
    }
    assert ask("FIND odd", **everything) == ask("FIND odd")
