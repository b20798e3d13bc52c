"""The account API: which keys everybody sees, page by page. Numbers are those of the edge cases."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from account_calls import reason
from gateway.control import NewKey, paging
from gateway.control.rapid7 import handlers
from gateway.keys import Kind, Membership, Operator, Role

POLICY = '{"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]}'


# --- looking ------------------------------------------------------------------------------------------------------


async def _twelve_keys(account, platform, pat, ann, bob, uli):
    """The keys of four users and eight more, of every type and both organizations."""
    tokens = account.desk.tokens
    for who, organization in ((ann, "acme"), (bob, "globex")):
        platform.clock.now += 1
        actor = await account.caller(who)
        await tokens.create_organization_key(actor, NewKey(f"{organization} super"))
        await tokens.create_account_key(actor, NewKey(f"{organization} account", policy=POLICY))
    await tokens.create_integration_key(await account.caller(ann), NewKey("acme sync"), instance="github-1")
    membership = Membership("shop", "clerk", (("shop", ("1",)),))
    await tokens.create_project_key(
        await account.caller(ann), NewKey("acme project"), project="shop", memberships=(membership,)
    )
    await tokens.create_global_key(await account.caller(pat), NewKey("everywhere"), roles=("monitor",))
    await account.generate(uli, "USER", "acme", "uli again")


async def test_147_everybody_lists_what_they_may_see(account, platform, pat, ann, bob, uli):
    await _twelve_keys(account, platform, pat, ann, bob, uli)
    everything = await account.listed(pat)
    assert len(everything) == 12
    assert {row["type"] for row in everything} == {kind.value.upper() for kind in Kind}
    assert await account.names(uli) == {"uli", "uli again"}
    acme = {"pat", "ann", "uli", "uli again", "acme super", "acme account", "acme sync", "acme project"}
    assert await account.names(ann) == acme
    assert {row["organization_id"] for row in await account.listed(ann)} == {"acme"}
    assert await account.names(bob) == {"bob", "globex super", "globex account"}
    assert len({tuple(row) for row in everything}) == 1, "clients take the columns from the first row"


async def test_148_an_administrator_in_one_organization_is_a_plain_user_in_the_next(account, ann, bob):
    there = await account.user("ann", "globex")
    assert await account.names(ann) == {"ann"}
    assert {row["organization_id"] for row in await account.listed(ann)} == {"acme", "globex"}
    own = await account.listed(ann, "?organization_id=globex")
    assert [row["id"] for row in own] == [there.key.id]
    assert (await account.ask(ann, "GET", f"/api-keys/{bob.key.id}")).status == 404
    assert {row["user_id"] for row in await account.listed(there)} == {ann.key.identity.user}


async def test_149_pages_and_searches_hold_only_what_the_caller_may_see(account, platform, pat, ann, bob, uli):
    await _twelve_keys(account, platform, pat, ann, bob, uli)
    whole = await account.listed(ann)
    pages = await account.pages(ann, "/api-keys?size=3")
    assert [len(page) for page in pages] == [3, 3, 2]
    assert [row for page in pages for row in page] == whole
    assert all(one["created_at"] <= other["created_at"] for one, other in pairwise(whole))
    assert await account.names(ann, "?search=SUPER") == {"acme super"}
    assert await account.names(pat, "?search=super") == {"acme super", "globex super"}
    assert await account.names(uli, "?search=super") == set()
    assert await account.names(ann, "?type=USER") == {"pat", "ann", "uli", "uli again"}
    searched = await account.pages(pat, "/api-keys?size=1&search=super&type=ORGANIZATION")
    assert [[row["name"] for row in page] for page in searched] == [["acme super"], ["globex super"]]


async def test_149_a_search_reads_so_much_at_once_and_can_be_gone_on_with(account, platform, pat, uli, monkeypatch):
    for module in (paging, handlers):
        monkeypatch.setattr(module, "PAGE", 2)
    monkeypatch.setattr(paging, "_PAGES", 1)
    for number in range(5):
        platform.clock.now += 1
        await account.generate(uli, "USER", "acme", f"key {number}")
    pages = await account.pages(pat, "/api-keys?search=key+4")
    assert [[row["name"] for row in page] for page in pages] == [[], [], [], ["key 4"]]


async def test_a_cursor_of_somebody_else_shows_nothing_more(account, platform, ann):
    platform.clock.now += 1
    uli = await account.user("uli", "acme")
    answer = await account.ask(ann, "GET", "/api-keys?size=1")
    path = answer.headers[0][1].decode().removeprefix("</account/api/1").partition(">")[0]
    assert {row["name"] for row in (await account.ask(uli, "GET", path)).body} == {"uli"}


@pytest.mark.parametrize(
    "query",
    [
        "size=0",
        "size=1001",
        "size=x",
        "type=user",
        "cursor=x",
        "cursor=%ff",
        "cursor=MQ",
        "cursor=%E2%82%AC",
        "sise=2",
        "size=2&size=3",
        "search=%ff",
        "&".join(f"p{number}=" for number in range(17)),
    ],
)
async def test_a_query_that_is_not_understood_is_refused(account, ann, query):
    answer = await account.ask(ann, "GET", f"/api-keys?{query}")
    assert reason(answer) == (400, "invalid_input")
    assert set(answer.body) == {"message"}


async def test_who_made_a_key_is_told_to_those_who_may_know_them(account, pat, ann):
    await account.user("zoe", "globex", Role.PLATFORM_ADMIN)
    zoe = await account.user("eve", "globex", Role.PLATFORM_ADMIN)
    await account.generate(zoe, "ORGANIZATION", "acme", "from outside")
    made = await account.desk.tokens.create_account_key(Operator(), NewKey("cli", policy=POLICY), organization="acme")
    row = {row["name"]: row for row in await account.listed(ann)}["from outside"]
    assert (row["created_by"], row["created_by_id"]) == ("user of another organization", None)
    row = {row["name"]: row for row in await account.listed(pat)}["from outside"]
    assert (row["created_by"], row["created_by_id"]) == ("eve@example.com", zoe.key.identity.user)
    row = (await account.ask(ann, "GET", f"/api-keys/{made.key.id}")).body
    assert (row["created_by"], row["created_by_id"]) == ("operator", None)


# --- routing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/api-keys/", "/api-key", "/API-KEYS", "/api-keys/a/b", "/users//", "/products", "/users/a/b/c"]
)
async def test_179_what_is_not_in_the_table_is_not_there(account, pat, path):
    for method in ("GET", "POST", "DELETE"):
        assert reason(await account.ask(pat, method, path, {})) == (404, "unknown_route")


async def test_validate_says_that_a_key_works(account, uli):
    answer = await account.ask(uli, "GET", "/validate")
    assert (answer.status, answer.body) == (200, {"message": "Authorized"})
    assert reason(await account.ask(uli, "GET", "/validate?key=x")) == (400, "invalid_input")


async def test_an_answer_is_json(account, pat):
    for path in ("/api-keys", "/users", "/organizations", "/managed-organizations"):
        answer = await account.ask(pat, "GET", path)
        assert json.loads(json.dumps(answer.body)) == answer.body
