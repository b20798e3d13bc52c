"""Deferred results over real sockets: for keys with and without a condition, in all contracts, and what goes wrong."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest
from e2e.conftest import Client
from e2e.test_conditions import entity, running

from gateway import sandbox
from gateway.control import NewKey
from gateway.keys import Operator
from gateway.sandbox.compression import Compression
from gateway.sandbox.deferred import Contract, Results
from gateway.sandbox.faults import Fault, Kind
from gateway.sandbox.queries import Serving

QUERY = "FIND github_repo ORDER BY github_repo.name"
ALL = ["api", "bare", "lab", "old", "web"]
BLUE = ["api", "web"]
DOCUMENT = "query Q($q: String!) { found: queryV1(query: $q, deferredResponse: FORCE) { kind: type at: url url } }"


def options(**results):
    return sandbox.Options(account="acme", serving=Serving(results=Results(**results)))


@pytest.fixture(params=Contract)
def contract(request):
    return request.param


@pytest.fixture
def both(tmp_path, contract):
    with running(tmp_path, options(contract=contract, in_progress=1), relationships="induced") as made:
        yield made


@pytest.fixture
def plain(tmp_path):
    with running(tmp_path, options(), relationships="induced") as made:
        yield made


@pytest.fixture
def blue(plain):
    return plain.key({"team": "blue"})


def super_key(both):
    policy = json.dumps({"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]})
    made = both._gateway.control.tokens.create_account_key(Operator(), NewKey("k", policy=policy), organization="acme")
    return both.wait(made)


def deferred(both, key, text=QUERY, **more):
    """The address that a query is given."""
    answer = both.client.query(key, text, deferredResponse="FORCE", **more)
    assert (answer.status, answer.json["type"], answer.json["data"]) == (200, "deferred", None), answer.body
    assert answer.json["url"].startswith(both.client.url + "/deferred/")
    return answer.json["url"]


def fetched(url, **headers):
    """What lies at an address, asked for as clients do: without a key."""
    parts = urlsplit(url)
    return Client(f"http://{parts.netloc}").call("GET", parts.path, headers=headers)


def polled(url):
    """The document of a result that is there."""
    for _ in range(20):
        document = fetched(url).json
        if document["status"] != "IN_PROGRESS":
            return document
        assert document.keys() == {"status", "correlationId"}
    raise AssertionError("it never was there")


def names(page):
    return [row["properties"]["name"] for row in page["data"]]


# --- both contracts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restricted", [True, False])
def test_a_result_is_there_in_the_document_and_at_its_second_address(both, restricted):
    key = both.key({"_type": "github_repo"}) if restricted else super_key(both).secret
    document = polled(deferred(both, key))
    assert document["status"] == "COMPLETED"
    wanted = ALL[:2] if restricted else ALL  # pages of a key with a condition have two rows here
    assert names(document) == wanted  # the newer clients read the document itself, whatever the platform's contract is
    assert document["url"].startswith(both.client.url + "/deferred/")
    assert names(fetched(document["url"]).json) == wanted  # the older ones its second address


def test_a_restricted_key_reads_all_pages_of_deferred_results(both):
    key, read, cursor = both.key({"_type": "github_repo"}), [], None
    while True:
        page = polled(deferred(both, key, **({"cursor": cursor} if cursor else {})))
        read += names(page)
        if "cursor" not in page:
            break
        cursor = page["cursor"]
    assert read == ALL


def test_no_byte_of_an_upstream_s_address_goes_on(both):
    for key in (both.key({"_type": "github_repo"}), super_key(both).secret):
        address = deferred(both, key)
        asked = [address, json.dumps(polled(address))]
        graphql = both.client.graphql(super_key(both).secret, DOCUMENT, q=QUERY).body.decode()
        for told in (*asked, graphql):
            assert "_results" not in told
            assert "X-Amz" not in told
            assert urlsplit(both.upstream.url).netloc not in told


def test_the_graphql_field_gives_addresses_of_ours_under_any_name(both):
    answer = both.client.graphql(super_key(both).secret, DOCUMENT, q=QUERY).json["data"]["found"]
    assert answer["kind"] == "deferred"
    assert answer["at"] != answer["url"]  # sealed twice
    for address in (answer["at"], answer["url"]):
        assert address.startswith(both.client.url + "/deferred/")
        assert polled(address)["status"] == "COMPLETED"


def test_so_do_the_elements_of_an_array(both):
    body = [{"query": '{ queryV1(query: "FIND *", deferredResponse: FORCE) { url } }'}, {"query": "{ __typename }"}]
    first, second = both.client.post("/graphql", body, super_key(both).secret).json
    assert polled(first["data"]["queryV1"]["url"])["status"] == "COMPLETED"
    assert second == {"data": {"__typename": "Query"}}


# --- what a restricted key may learn ------------------------------------------------------------------------------


@pytest.mark.parametrize("contract", [Contract.BOTH])
def test_hidden_objects_change_no_byte_and_no_length(both):
    key = both.key({"_type": "github_repo", "team": "blue"})
    first = deferred(both, key)
    before = polled(first)
    both.change(entity("more", "github_repo", team="green", secret="canary"))
    second = deferred(both, key)
    after = polled(second)
    assert len(first) == len(second)
    assert before["data"] == after["data"]
    assert list(before) == list(after)
    assert len(json.dumps(before)) == len(json.dumps(after))
    assert "canary" not in json.dumps(after)


def test_an_upstream_s_words_about_a_failure_are_not_passed_on(tmp_path):
    with running(tmp_path, options(failure="canary is no number"), relationships="induced") as both:
        document = polled(deferred(both, both.key({"team": "blue"})))
        assert document.keys() == {"status", "correlationId", "error"}
        assert (document["status"], "canary" in document["error"]) == ("FAILED", False)
        assert polled(deferred(both, super_key(both).secret))["error"] == "canary is no number"


def test_a_result_with_a_foreign_row_is_withheld(plain, blue):
    url = deferred(plain, blue)
    row = {"id": "v", "entity": {"_id": "x", "_type": ["canary"], "_class": ["Thing"]}, "properties": {"team": "red"}}
    plain.upstream.faults.inject(Fault(Kind.EXTRA_ROW, row=row, times=9))
    answer = fetched(url)
    assert answer.status == 502
    assert answer.json["error"]["reason"] == "answer_withheld"
    assert b"canary" not in answer.body


def test_after_that_no_result_of_the_class_is_fetched_or_asked_for(plain, blue):
    url = deferred(plain, blue)
    row = {"id": "v", "entity": {"_id": "x", "_type": ["canary"], "_class": ["Thing"]}, "properties": {"team": "red"}}
    plain.upstream.faults.inject(Fault(Kind.EXTRA_ROW, row=row, times=2))
    assert fetched(url).json["error"]["reason"] == "answer_withheld"
    asked = len(plain.upstream.received.calls)
    again = fetched(url)
    direct = plain.client.query(blue, QUERY)
    forced = plain.client.query(blue, QUERY, deferredResponse="FORCE")
    for answer in (again, direct, forced):
        assert (answer.status, answer.json["error"]["reason"]) == (403, "query_class_refused")
    assert len(plain.upstream.received.calls) == asked


def test_only_json_can_be_checked(plain, blue):
    answer = plain.client.query(blue, QUERY, deferredResponse="FORCE", deferredFormat="CSV")
    assert (answer.status, answer.json["error"]["reason"]) == (403, "unsupported_argument")


def test_a_key_without_a_condition_has_its_csv(plain):
    query = "FIND github_repo AS r RETURN r.name"
    document = polled(deferred(plain, super_key(plain).secret, query, deferredFormat="CSV"))
    answer = fetched(document["url"])
    assert answer.headers["content-type"].startswith("text/csv")
    assert sorted(answer.body.decode().split()) == sorted(["r.name", *ALL])


# --- whose address it is ------------------------------------------------------------------------------------------


def test_the_key_is_looked_up_at_every_poll(plain):
    made = super_key(plain)
    url = deferred(plain, made.secret)
    assert fetched(url).status == 200
    plain.wait(plain._gateway.control.tokens.revoke_key(Operator(), made.key.id))
    answer = fetched(url)
    assert (answer.status, answer.json["error"]["reason"]) == (401, "invalid_key")


def test_an_address_is_no_good_when_its_time_is_over(tmp_path):
    with running(tmp_path, options(), sections={"deferred": {"seconds": 0.001}}, relationships="induced") as both:
        for key in (both.key({"team": "blue"}), super_key(both).secret):
            answer = fetched(deferred(both, key))
            assert (answer.status, answer.json["error"]["reason"]) == (404, "unknown_result")


@pytest.mark.parametrize("part", [slice(0, -9), slice(60), slice(1), slice(0)], ids=str)
def test_nobody_makes_an_address(plain, blue, part):
    base, _, sealed = deferred(plain, blue).rpartition("/")
    answer = fetched(f"{base}/{sealed[part]}")
    assert answer.status == 404
    assert answer.json["error"]["reason"] in {"unknown_result", "unknown_route"}


def test_a_key_that_is_sent_along_must_be_the_one_that_asked(plain, blue):
    url = deferred(plain, blue)
    assert fetched(url, Authorization=f"Bearer {blue}").status == 200
    other = fetched(url, Authorization=f"Bearer {super_key(plain).secret}")
    assert (other.status, other.json["error"]["reason"]) == (401, "invalid_key")


# --- where results lie --------------------------------------------------------------------------------------------


def test_a_result_at_a_host_that_nobody_named_is_not_fetched(plain, blue):
    plain.upstream.results.origin = "http://127.0.0.1:9"
    for key in (blue, super_key(plain).secret):
        answer = plain.client.query(key, QUERY, deferredResponse="FORCE")
        assert (answer.status, answer.json["error"]["reason"]) == (502, "upstream_failed")
        assert b"127.0.0.1:9" not in answer.body


@pytest.mark.parametrize(
    "place", ["http://[", "https://[:::]/x", "https://a..example.com/x", f"https://{'a' * 64}.example.com/x"]
)
def test_an_address_that_is_none_is_the_upstream_s_failure(tmp_path, place):
    sections = {"deferred": {"hosts": ["*.example.com"]}}
    with running(tmp_path, options(), sections=sections, relationships="induced") as both:
        body = json.dumps({"type": "deferred", "url": place})
        for key in (both.key({"team": "blue"}), super_key(both).secret):
            both.upstream.faults.inject(Fault(Kind.STATUS, path="/j1ql", status=200, body=body))
            answer = both.client.query(key, QUERY, deferredResponse="FORCE")
            assert (answer.status, answer.json["error"]["reason"]) == (502, "upstream_failed")


@pytest.mark.parametrize("compression", Compression)
def test_no_address_hides_behind_what_else_a_caller_asks_for(tmp_path, compression):
    serving = Serving(compression=compression)
    with running(tmp_path, sandbox.Options(account="acme", serving=serving), relationships="induced") as both:
        for number in range(300):
            both.change(entity(f"more{number}", "github_repo", text="x" * 1000))
        document = """query ($q: String!) {
            rows: queryV1(query: "FIND *") { data } found: queryV1(query: $q, deferredResponse: FORCE) { url }
        }"""
        answer = both.client.graphql(super_key(both).secret, document, q=QUERY)
        assert len(answer.json["data"]["rows"]["data"]) > 200
        assert len(answer.body) > 256 * 1024
        assert b"_results" not in answer.body
        assert polled(answer.json["data"]["found"]["url"])["status"] == "COMPLETED"


def test_nor_behind_a_long_name(plain):
    plain.upstream.faults.inject(Fault(Kind.STALL, path="/graphql", after=80_000, seconds=0.2))
    name = "x" * 90_000
    document = f"query ($q: String!) {{ queryV1(query: $q, deferredResponse: FORCE) {{ {name}: type url }} }}"
    answer = plain.client.graphql(super_key(plain).secret, document, q=QUERY)
    assert len(answer.body) > len(name)
    assert polled(answer.json["data"]["queryV1"]["url"])["status"] == "COMPLETED"


def test_results_that_are_gone_are_asked_for_again(plain, blue):
    for key in (blue, super_key(plain).secret):
        url = deferred(plain, key)
        plain.upstream.results._results.clear()
        answer = fetched(url)
        assert (answer.status, answer.json["error"]["reason"]) == (404, "unknown_result")


def test_nothing_of_ours_goes_to_where_results_lie(plain, blue):
    polled(deferred(plain, blue))
    [call] = [each for each in plain.upstream.received.calls if each.path.startswith("/_results/")]
    assert not {name.lower() for name, _ in call.headers} & {"authorization", "gateway-identity", "jupiterone-account"}
