"""The account API: generating and revoking keys. Numbers are those of the edge cases."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from account_calls import Account, reason
from gateway.control import TokenOptions, desk_over
from gateway.keys import Role, Switches
from gateway.stores import StoreOptions, open_store

DAY = 24 * 60 * 60 * 1000


# --- generating ---------------------------------------------------------------------------------------------------


async def test_142_the_secret_is_in_the_answer_that_made_it_and_nowhere_else(account, platform, ann, pat):
    made = await account.generate(ann, "ORGANIZATION", "acme")
    assert made.status == 201
    secret = made.body["api_key"]
    assert (await account.caller(secret)).key_id == made.body["id"]
    later = [
        await account.ask(who, "GET", path)
        for who in (ann, pat)
        for path in (f"/api-keys/{made.body['id']}", "/api-keys", "/users", "/organizations")
    ]
    assert all(answer.status == 200 for answer in later)
    assert secret not in repr(later)
    assert all("api_key" not in row for row in later[1].body)
    assert secret.encode() not in b"".join(each.read_bytes() for each in platform.path.parent.iterdir())


async def test_what_was_generated_has_a_place_where_it_can_be_looked_at(account, ann):
    made = await account.generate(ann, "USER", "acme", "second")
    ((header, place),) = made.headers
    assert header == b"location"
    looked = await account.ask(ann, "GET", place.decode().removeprefix("/account/api/1"))
    assert looked.body == {name: value for name, value in made.body.items() if name != "api_key"}
    assert looked.body | {"id": "", "created_at": "", "expires_at": "", "start": ""} == {
        "id": "",
        "name": "second",
        "type": "USER",
        "status": "ACTIVE",
        "organization_id": "acme",
        "user_id": ann.key.identity.user,
        "start": "",
        "created_at": "",
        "created_by": "ann@example.com",
        "created_by_id": ann.key.identity.user,
        "created_via_key_id": ann.key.id,
        "expires_at": "",
        "expires_soon": False,
        "last_used_at": None,
    }


@pytest.mark.parametrize("powerful", ["ann", "pat"])
async def test_143_nobody_generates_a_user_key_for_somebody_else(account, ann, pat, uli, powerful):
    who = {"ann": ann, "pat": pat}[powerful]
    before = await account.names(pat)
    wanted = {"name": "n", "type": "USER", "organization_id": "acme", "user_id": uli.key.identity.user}
    answer = await account.ask(who, "POST", "/api-keys", wanted)
    assert reason(answer) == (403, "not_allowed")
    assert "its own user" in answer.body["message"]
    hidden = await account.ask(who, "POST", "/api-keys", wanted | {"user_id": "nobody"})
    assert reason(hidden) == (404, "unknown_user")
    assert await account.names(pat) == before


async def test_143_naming_oneself_is_fine_and_an_organization_key_has_no_user(account, ann):
    wanted = {"name": "n", "type": "USER", "organization_id": "acme", "user_id": ann.key.identity.user}
    assert (await account.ask(ann, "POST", "/api-keys", wanted)).status == 201
    answer = await account.ask(ann, "POST", "/api-keys", wanted | {"type": "ORGANIZATION"})
    assert reason(answer) == (400, "invalid_input")


async def test_144_a_plain_user_generates_no_organization_key(account, pat, uli):
    answer = await account.generate(uli, "ORGANIZATION", "acme")
    assert reason(answer) == (403, "not_allowed")
    assert "administrator" in answer.body["message"]
    assert await account.names(pat) == {"pat", "uli"}


async def test_145_an_administrator_has_no_say_elsewhere(account, pat, ann, bob):
    theirs = (await account.generate(bob, "ORGANIZATION", "globex", "theirs")).body
    assert await account.listed(ann, "?organization_id=globex") == []
    assert "theirs" not in await account.names(ann)
    for method in ("GET", "DELETE"):
        guessed = await account.ask(ann, method, f"/api-keys/{theirs['id']}")
        unknown = await account.ask(ann, method, "/api-keys/7d1c3c6e-1111-4c4f-9c0e-4b7a6a0c1d11")
        assert reason(guessed) == (404, "unknown_key")
        assert guessed == unknown
    for kind in ("USER", "ORGANIZATION"):
        hidden = await account.generate(ann, kind, "globex")
        assert reason(hidden) == (404, "unknown_organization")
        assert hidden == await account.generate(ann, kind, "nowhere")
    assert await account.works(theirs["api_key"])
    assert await account.names(pat, "?organization_id=globex") == {"bob", "theirs"}


async def test_146_the_platforms_administrator_acts_in_every_organization(account, pat, bob):
    made = await account.generate(pat, "ORGANIZATION", "globex", "by pat")
    assert made.status == 201
    assert (await account.caller(made.body["api_key"])).organization == "globex"
    assert await account.names(pat) == {"pat", "bob", "by pat"}
    assert (await account.ask(pat, "DELETE", f"/api-keys/{made.body['id']}")).status == 204
    assert not await account.works(made.body["api_key"])
    assert reason(await account.generate(pat, "ORGANIZATION", "nowhere")) == (404, "unknown_organization")


@pytest.mark.parametrize(
    ("wanted", "status", "word"),
    [
        ({"type": "USER", "organization_id": "acme"}, 400, "`name`"),
        ({"name": "", "type": "USER", "organization_id": "acme"}, 400, "$.name"),
        ({"name": "  ", "type": "USER", "organization_id": "acme"}, 400, "name"),
        ({"name": "n", "type": "USER"}, 400, "`organization_id`"),
        ({"name": "n", "type": "USER", "organization_id": None}, 400, "$.organization_id"),
        ({"name": "n", "type": "USER", "organization_id": "globex"}, 404, "organization"),
        ({"name": "n", "type": "USER", "organization_id": "\x00"}, 404, "organization"),
        ({"name": "n", "organization_id": "acme"}, 400, "`type`"),
        ({"name": "n", "type": "SUPER", "organization_id": "acme"}, 400, "$.type"),
        ({"name": "n", "type": "USER", "organization_id": "acme", "expires_in_days": 0}, 400, "$.expires_in_days"),
        ({"name": "n", "type": "USER", "organization_id": "acme", "expires_in_days": 10**9}, 400, "730 days"),
        ({"name": "n", "type": "USER", "organization_id": "acme", "expires": 1}, 400, "`expires`"),
        (["name"], 400, "object"),
        (b"", 400, "JSON"),
        (b'{"name": "a", "name": "b"}', 400, "`name` occurs twice"),
    ],
)
async def test_150_what_a_key_needs(account, uli, wanted, status, word):
    answer = await account.ask(uli, "POST", "/api-keys", wanted)
    assert answer.status == status
    assert word in answer.body["message"]
    assert await account.names(uli) == {"uli"}


async def test_a_key_ends_when_it_was_told_to(account, platform, ann):
    wanted = {"name": "n", "type": "ORGANIZATION", "organization_id": "acme"}
    lasting = (await account.ask(ann, "POST", "/api-keys", wanted)).body
    assert lasting["expires_at"] is None
    made = (await account.ask(ann, "POST", "/api-keys", wanted | {"expires_in_days": 2})).body
    assert made["expires_soon"]
    assert (made["created_at"], made["expires_at"]) == ("2023-11-14T22:13:20.000Z", "2023-11-16T22:13:20.000Z")
    platform.clock.now += 2 * DAY
    assert (await account.ask(ann, "GET", f"/api-keys/{made['id']}")).body["status"] == "EXPIRED"


async def test_159_a_key_generates_keys_and_it_is_told_which_did(account, ann, uli):
    second = await account.generate(uli, "USER", "acme", "second")
    assert second.status == 201
    assert second.body["created_via_key_id"] == uli.key.id
    third = await account.generate(second.body["api_key"], "USER", "acme", "third")
    assert third.body["created_via_key_id"] == second.body["id"]
    assert (await account.caller(third.body["api_key"])).identity.user == uli.key.identity.user
    organization = await account.generate(ann, "ORGANIZATION", "acme", "org")
    assert (organization.status, organization.body["created_via_key_id"]) == (201, ann.key.id)


# --- revoking -----------------------------------------------------------------------------------------------------


async def test_140_a_revoked_key_is_gone_for_its_owner_and_everybody(account, platform, pat, ann, uli):
    made = (await account.generate(uli, "USER", "acme", "short")).body
    assert (await account.ask(uli, "DELETE", f"/api-keys/{made['id']}")).body is None
    for who in (uli, ann, pat):
        assert "short" not in await account.names(who)
        gone = await account.ask(who, "GET", f"/api-keys/{made['id']}")
        assert gone == await account.ask(who, "GET", "/api-keys/nothing")
        assert reason(gone) == (404, "unknown_key")
    assert "key.revoke" in await platform.audited()


async def test_127_deleting_twice_is_fine_and_is_one_event(account, platform, ann, uli):
    for _ in range(2):
        assert (await account.ask(ann, "DELETE", f"/api-keys/{uli.key.id}")).status == 204
    assert (await platform.audited()).count("key.revoke") == 1


async def test_135_nothing_brings_a_revoked_key_back(account, ann, uli):
    await account.ask(ann, "DELETE", f"/api-keys/{uli.key.id}")
    for method in ("PATCH", "PUT", "POST"):
        answer = await account.ask(ann, method, f"/api-keys/{uli.key.id}", {"status": "ACTIVE"})
        assert reason(answer) == (405, "method_not_allowed")
        assert (b"allow", b"DELETE, GET") in answer.headers
    assert not await account.works(uli)


# --- organization keys --------------------------------------------------------------------------------------------


@pytest.fixture
async def super_key(account, ann):
    return (await account.generate(ann, "ORGANIZATION", "acme", "super")).body


class TestOrganizationKeysManageNothing:
    async def test_157_an_organization_key_generates_no_user_key(self, account, super_key, uli):
        assert reason(await account.generate(super_key["api_key"], "USER", "acme")) == (403, "not_allowed")
        wanted = {"name": "n", "type": "USER", "organization_id": "acme", "user_id": uli.key.identity.user}
        assert (await account.ask(super_key["api_key"], "POST", "/api-keys", wanted)).status == 404

    async def test_158_an_organization_key_is_no_administrator(self, account, super_key, uli):
        secret = super_key["api_key"]
        assert await account.listed(secret) == []
        assert reason(await account.generate(secret, "ORGANIZATION", "acme")) == (403, "not_allowed")
        assert (await account.ask(secret, "DELETE", f"/api-keys/{uli.key.id}")).status == 404
        assert (await account.ask(secret, "GET", "/users")).body == []
        assert (await account.ask(secret, "GET", "/managed-organizations")).body["data"] == []
        assert (await account.ask(secret, "DELETE", f"/users/{uli.key.identity.user}")).status == 404
        assert reason(await account.ask(secret, "POST", "/users", {"email": "x@example.com"})) == (403, "not_allowed")


class TestOrganizationKeysManageKeys:
    @pytest.fixture
    def options(self, options) -> TokenOptions:
        return replace(options, switches=Switches(organization_keys_manage=True))

    async def test_157_an_organization_key_still_generates_no_user_key(self, account, super_key):
        assert reason(await account.generate(super_key["api_key"], "USER", "acme")) == (403, "not_allowed")

    async def test_158_an_organization_key_manages_its_own_organizations_keys(self, account, bob, super_key, uli):
        secret = super_key["api_key"]
        await account.generate(bob, "ORGANIZATION", "globex", "theirs")
        made = await account.generate(secret, "ORGANIZATION", "acme", "next")
        assert made.status == 201
        assert made.body["created_by"] == "organization key"
        assert await account.names(secret) == {"super", "next"}
        assert reason(await account.generate(secret, "ORGANIZATION", "globex")) == (404, "unknown_organization")
        assert (await account.ask(secret, "DELETE", f"/api-keys/{made.body['id']}")).status == 204
        assert (await account.ask(secret, "DELETE", f"/api-keys/{uli.key.id}")).status == 404
        assert await account.works(uli)


# --- a key and its organization -----------------------------------------------------------------------------------


async def test_153_a_key_of_one_organization_does_not_lead_into_the_next(account, uli, bob):
    there = await account.user("uli", "globex", Role.ORGANIZATION_ADMIN)
    assert reason(await account.generate(uli, "USER", "globex")) == (404, "unknown_organization")
    assert reason(await account.generate(uli, "ORGANIZATION", "globex")) == (403, "not_allowed")
    assert (await account.ask(uli, "DELETE", f"/api-keys/{bob.key.id}")).status == 404
    assert (await account.generate(there, "ORGANIZATION", "globex")).status == 201


async def test_153_a_login_chooses_the_organization_of_its_key(account, platform, uli):
    await account.user("uli", "globex")
    session = await platform.session("uli", "acme")
    wanted = {"name": "n", "type": "USER", "organization_id": "globex"}
    made = await account.ask_as(session, "POST", "/api-keys", wanted)
    assert (made.status, made.body["organization_id"]) == (201, "globex")
    assert (await account.caller(made.body["api_key"])).organization == "globex"


@pytest.mark.usefixtures("bob")
async def test_154_a_platform_administrators_key_manages_keys_everywhere(account, pat):
    assert await account.names(pat) == {"pat", "bob"}


class TestUserKeysStayAtHome:
    @pytest.fixture
    def options(self, options) -> TokenOptions:
        return replace(options, switches=Switches(user_keys_reach_all=False))

    @pytest.mark.usefixtures("ann")
    async def test_154_a_platform_administrators_key_manages_its_own_organizations_keys(
        self, account, platform, pat, bob
    ):
        assert await account.names(pat) == {"pat", "ann"}
        assert (await account.ask(pat, "DELETE", f"/api-keys/{bob.key.id}")).status == 404
        assert (await account.generate(pat, "ORGANIZATION", "acme")).status == 201
        session = await platform.session("pat", "acme")
        rows = (await account.ask_as(session, "GET", "/api-keys")).body
        assert {"bob"} < {row["name"] for row in rows}


# --- the store is away --------------------------------------------------------------------------------------------


async def test_141_a_store_that_is_away_is_a_503_and_nothing_was_done(platform, account, options, ann, uli):
    caller = await account.caller(ann)
    wanted = {"name": "n", "type": "ORGANIZATION", "organization_id": "acme"}
    async with open_store(StoreOptions(platform.path, sql_wait=0.05), projects=options.projects) as store:
        hurried = Account(store, desk_over(store.registry, options, platform.clock, secrets.token_bytes))
        with closing(sqlite3.connect(platform.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for method, path, body in (("POST", "/api-keys", wanted), ("DELETE", f"/api-keys/{uli.key.id}", None)):
                answer = await hurried.ask_as(caller, method, path, body)
                assert reason(answer) == (503, "store_unavailable")
                assert (b"retry-after", b"1") in answer.headers
    assert await account.names(ann) == {"ann", "uli"}
    assert await account.works(uli)
