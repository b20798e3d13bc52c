"""Deferred results, fetched as clients fetch them: without a credential, in both contracts."""

from __future__ import annotations

import csv
import io
import json

import aiohttp

from gateway.sandbox.deferred import Contract, Results, Store, csv_text
from gateway.sandbox.queries import Serving

V2 = "query($q: String!, $c: String) { queryV2(query: $q, cursor: $c) { type url correlationId } }"


async def fetch(url, headers=()):
    """Status, content type and body, as a stranger gets them."""
    async with aiohttp.ClientSession(headers=dict(headers)) as session, session.get(url) as answer:
        return answer.status, answer.content_type, await answer.read()


async def document(url):
    status, content_type, body = await fetch(url)
    assert (status, content_type) == (200, "application/json"), body
    return json.loads(body)


def deferring(**options):
    return Serving(results=Results(**options))


async def deferred(upstream, query="FIND team", **arguments):
    answer = await upstream.query(query, deferredResponse="FORCE", **arguments)
    assert (answer["type"], answer["data"]) == ("deferred", None)
    return answer["url"]


async def test_both_contracts_are_served_by_one_state(upstream):
    direct = await upstream.query("FIND github_repo")
    state = await document(await deferred(upstream, "FIND github_repo"))
    assert state["status"] == "COMPLETED"
    assert {name: state[name] for name in direct} == direct
    assert await document(state["url"]) == direct


async def test_each_contract_alone(started):
    two_hop = await document(await deferred(await started(deferring(contract=Contract.TWO_HOP))))
    assert set(two_hop) == {"status", "correlationId", "url"}
    one_hop = await document(await deferred(await started(deferring(contract=Contract.ONE_HOP))))
    assert set(one_hop) == {"status", "correlationId", "type", "data", "totalCount"}


async def test_pages_are_deferred_one_by_one_and_the_last_has_no_cursor(upstream):
    rows, cursor = [], None
    while True:
        page = await document(await deferred(upstream, "FIND *", **({"cursor": cursor} if cursor else {})))
        rows += page["data"]
        if "cursor" not in page:
            break
        cursor = page["cursor"]
    assert [row["id"] for row in rows] == [thing.id for thing in upstream.graph.entities]


async def test_graphql_defers_alike(upstream):
    query = 'query { queryV1(query: "FIND team", deferredResponse: FORCE) { type data url } }'
    answer = (await upstream.graphql(query))["data"]["queryV1"]
    assert (answer["type"], answer["data"]) == ("deferred", None)
    assert (await document(answer["url"]))["data"] == (await upstream.query("FIND team"))["data"]


async def test_query_v2_is_always_deferred_and_its_state_tells_more(upstream):
    direct = await upstream.query("FIND github_repo")
    answer = (await upstream.graphql(V2, q="FIND github_repo"))["data"]["queryV2"]
    state = await document(answer["url"])
    assert (answer["type"], answer["correlationId"]) == ("deferred", state["correlationId"])
    assert {name: state[name] for name in direct} == direct
    assert {"estimate", "duration", "messages", "status", "url"} <= state.keys()
    again = (await upstream.graphql(V2, q="FIND github_repo", c=state["cursor"]))["data"]["queryV2"]
    assert "cursor" not in await document(again["url"])


async def test_query_v2_gives_row_metadata_when_asked(upstream):
    query = "FIND team AS t THAT HAS AS h Person AS p RETURN t.name LIMIT 1"
    asked = "query($q: String!) { queryV2(query: $q, returnRowMetadata: true) { url } }"
    (row,) = (await document((await upstream.graphql(asked, q=query))["data"]["queryV2"]["url"]))["data"]
    named = row["_meta"]["byAlias"]
    assert set(named) == {"t", "h", "p"}
    assert upstream.graph.entity(named["t"]["id"]).get("_id") == named["t"]["entity"]["_id"]
    assert upstream.graph.relationship(named["h"]["id"]).get("_id") == named["h"]["relationship"]["_id"]


async def test_a_result_is_waited_for_as_often_as_asked(started):
    url = await deferred(await started(deferring(in_progress=2)))
    assert [(await document(url))["status"] for _ in range(4)] == ["IN_PROGRESS"] * 2 + ["COMPLETED"] * 2


async def test_a_failed_result_says_why(started):
    state = await document(await deferred(await started(deferring(failure="cannot read aws_s3_bucket payroll"))))
    assert (state["status"], state["error"]) == ("FAILED", "cannot read aws_s3_bucket payroll")
    assert not state.keys() & {"data", "url"}


async def test_a_fault_of_a_deferred_query_is_told_at_once(bare):
    status, answer = await bare.call("POST", "/j1ql", json={"query": "FIND * WITH", "deferredResponse": "FORCE"})
    assert (status, answer["error"]["code"]) == (400, "PARSER_ERROR")


async def test_optional_is_answered_at_once(bare):
    assert (await bare.query("FIND team", deferredResponse="OPTIONAL"))["type"] == "list"


async def test_an_address_that_we_did_not_give_leads_nowhere(bare):
    url = await deferred(bare)
    forged = url[:-1] + ("0" if url[-1] != "0" else "1")
    for other in (url.partition("?")[0], forged, url.replace("state.json", "results.json")):
        status, content_type, body = await fetch(other)
        assert (status, content_type) == (403, "application/xml")
        assert b"<Code>SignatureDoesNotMatch</Code>" in body


async def test_an_address_is_no_place_for_a_credential(bare):
    got, _, body = await fetch(await deferred(bare), {"Authorization": "Bearer x"})
    assert got == 400
    assert b"<Code>InvalidArgument</Code>" in body


async def test_only_so_many_results_are_kept_and_the_newest_always(started):
    few = await started(deferring(kept=2))
    urls = [await deferred(few) for _ in range(3)]
    assert [(await fetch(url))[0] for url in urls] == [404, 200, 200]
    small = await started(deferring(kept_bytes=1))
    urls = [await deferred(small) for _ in range(2)]
    assert [(await fetch(url))[0] for url in urls] == [404, 200]


async def test_the_addresses_may_lie_elsewhere(bare):
    bare.running.results.origin = "http://elsewhere.example"
    assert (await deferred(bare)).startswith("http://elsewhere.example/_results/")


# --- CSV ----------------------------------------------------------------------------------------------------------


async def test_a_csv_result_lies_at_an_address_of_its_own(upstream):
    query = "FIND okta_user AS u RETURN u.displayName AS name, u.active, u.mfa ORDER BY name LIMIT 3"
    state = await document(await deferred(upstream, query, deferredFormat="CSV"))
    assert set(state) == {"status", "correlationId", "url"}
    status, content_type, body = await fetch(state["url"])
    assert (status, content_type) == (200, "text/csv")
    shown = list(csv.DictReader(io.StringIO(body.decode())))
    assert [row["name"] for row in shown] == [row["name"] for row in (await upstream.query(query))["data"]]


def test_an_object_is_a_flat_row_and_what_is_absent_an_empty_cell(entity):
    rows = [entity("a", size=1, tags=["x", "y"]).wire(), entity("b", open=True, note='say "no", twice\n').wire()]
    first, second = csv.DictReader(io.StringIO(csv_text({"type": "list", "data": rows}), newline=""))
    assert (first["id"], first["displayName"], first["size"], first["tags"]) == ("v-a", "a", "1", '["x", "y"]')
    assert (first["open"], second["open"], second["note"]) == ("", "true", 'say "no", twice\n')


async def test_a_tree_is_no_csv(bare):
    body = {"query": "FIND * RETURN TREE", "deferredResponse": "FORCE", "deferredFormat": "CSV"}
    status, answer = await bare.call("POST", "/j1ql", json=body)
    assert (status, answer["error"]["code"]) == (400, "VALIDATION_ERROR")


def test_neither_results_nor_the_secret_of_their_addresses_are_shown():
    store = Store(Results())
    store.keep({"type": "list", "data": [{"id": "4711"}]}, as_csv=False)
    assert "secret" not in repr(store)
    assert "4711" not in repr(store)
