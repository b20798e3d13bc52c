"""Global keys, their roles, and secrets that their owner chose. Numbers are those of the edge cases of the product."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from contextlib import closing

import pytest

from contember_calls import (
    ADD_ROLES,
    CREATE,
    CREATE_GLOBAL,
    DISABLE,
    DOCUMENTED_ADD_ROLES,
    DOCUMENTED_CREATE_GLOBAL,
    DOCUMENTED_REMOVE_ROLES,
    GLOBAL_KEYS,
    ME,
    PROJECT_KEYS,
    REMOVE_ROLES,
    VIEWER,
    Tenant,
)
from gateway.control import Contember
from gateway.keys import Kind


@pytest.fixture
def tenant(platform) -> Tenant:
    return Tenant(Contember(platform.desk))


def rows(platform, table: str) -> int:
    with closing(sqlite3.connect(platform.path)) as database:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


async def roles_of(platform, key) -> list[str]:
    return list((await platform.caller(key["token"])).identity.roles)


# --- roles --------------------------------------------------------------------------------------------------------


async def test_102_the_documented_call_makes_a_global_key(platform, tenant, root):
    data = await tenant.data(root, DOCUMENTED_CREATE_GLOBAL)
    key = data["createGlobalApiKey"]["result"]["apiKey"]
    assert data == {"createGlobalApiKey": {"ok": True, "error": None, "result": {"apiKey": key}}}
    assert key["id"] != key["identity"]["id"]
    caller = await platform.caller(key["token"])
    assert (caller.key_id, caller.identity.id, caller.identity.kind) == (key["id"], key["identity"]["id"], Kind.GLOBAL)
    me = (await tenant.data(caller, ME))["me"]
    assert (me["roles"], me["person"], me["projects"]) == (["super_admin", "monitor"], None, [])
    assert caller.policy.statements == ()
    (listed,) = (await tenant.data(caller, GLOBAL_KEYS))["globalApiKeys"]
    assert (listed["id"], listed["identity"]["roles"]) == (key["id"], ["super_admin", "monitor"])


async def test_103_nobody_gives_roles_that_are_not_theirs_to_give(platform, tenant, root, admin, user):
    world = await platform.caller((await tenant.create_global(root, "project_admin"))["token"])
    before = rows(platform, "identities"), rows(platform, "keys")
    for actor in (world, admin, user):
        error = await tenant.error(actor, CREATE_GLOBAL, description="x", roles=["super_admin"])
        assert error["message"] == "You are not allowed to create a global API key"
        assert error["extensions"]["code"] == "ForbiddenError"
    assert (rows(platform, "identities"), rows(platform, "keys")) == before
    assert (await tenant.create_global(world, "login", "project_admin", "entrypoint_deployer"))["token"]


async def test_104_a_word_that_is_no_role_makes_no_key(platform, tenant, root):
    before = rows(platform, "identities")
    for roles in (["nope"], ["monitor", "nope"], ["Monitor"], ["__proto__"]):
        payload = await tenant.change(root, CREATE_GLOBAL, description="x", roles=roles)
        assert payload["ok"] is False
        assert payload["result"] is None
        assert payload["error"]["code"] == "INVALID_ROLE"
        assert payload["error"]["developerMessage"] == f"Role {roles[-1]} is not valid"
    assert rows(platform, "identities") == before


@pytest.mark.parametrize("given", [{}, {"roles": None}, {"roles": []}])
async def test_105_a_key_without_roles_says_who_it_is_and_may_do_nothing(platform, tenant, root, given):
    payload = await tenant.change(root, CREATE_GLOBAL, description="bare", **given)
    key = payload["result"]["apiKey"]
    caller = await platform.caller(key["token"])
    assert (await tenant.data(caller, ME))["me"]["roles"] == key["identity"]["roles"] == []
    assert caller.policy.statements == ()
    assert await tenant.data(caller, "{ projects { id } globalApiKeys { id } }") == {
        "projects": [],
        "globalApiKeys": [],
    }
    assert (await tenant.error(caller, CREATE_GLOBAL, description="x"))["extensions"]["code"] == "ForbiddenError"


async def test_106_a_role_is_held_once_however_often_it_is_given(platform, tenant, root):
    key = await tenant.create_global(root, "monitor", "monitor")
    assert key["identity"]["roles"] == ["monitor"]
    for _ in range(2):
        payload = await tenant.change(root, ADD_ROLES, identityId=key["identity"]["id"], roles=["login", "login"])
        assert payload["ok"] is True
        assert payload["result"]["identity"] == key["identity"] | {"roles": ["login", "monitor"]}
    assert await roles_of(platform, key) == ["login", "monitor"]


async def test_roles_are_told_in_the_order_of_contembers_server(tenant, root):
    key = await tenant.create_global(root, "person")
    wanted = {"identityId": key["identity"]["id"], "roles": ["project_admin", "super_admin"]}
    added = await tenant.change(root, ADD_ROLES, **wanted)
    assert added["result"]["identity"]["roles"] == ["person", "project_admin", "super_admin"]
    removed = await tenant.change(root, REMOVE_ROLES, **wanted)
    assert removed["result"]["identity"]["roles"] == ["person"]


async def test_107_a_role_that_is_taken_away_is_gone_with_the_next_call(platform, tenant, root):
    key = (await tenant.data(root, DOCUMENTED_CREATE_GLOBAL))["createGlobalApiKey"]["result"]["apiKey"]
    document = DOCUMENTED_REMOVE_ROLES.replace("some-identity-id", key["identity"]["id"])
    assert await tenant.data(root, document) == {"removeGlobalIdentityRoles": {"ok": True, "error": None}}
    assert await roles_of(platform, key) == ["super_admin"]
    assert (await tenant.data(await platform.caller(key["token"]), ME))["me"]["roles"] == ["super_admin"]
    document = DOCUMENTED_ADD_ROLES.replace("some-identity-id", key["identity"]["id"])
    assert await tenant.data(root, document) == {"addGlobalIdentityRoles": {"ok": True, "error": None}}
    assert await roles_of(platform, key) == ["monitor", "super_admin"]


async def test_108_the_last_role_can_be_taken_away(platform, tenant, root):
    key = await tenant.create_global(root, "monitor")
    payload = await tenant.change(root, REMOVE_ROLES, identityId=key["identity"]["id"], roles=["monitor"])
    assert payload["result"]["identity"]["roles"] == []
    assert await roles_of(platform, key) == []


async def test_109_a_role_that_is_not_held_is_taken_away_without_ado_and_it_is_written_down(platform, tenant, root):
    key = await tenant.create_global(root, "monitor")
    payload = await tenant.change(root, REMOVE_ROLES, identityId=key["identity"]["id"], roles=["login"])
    assert (payload["ok"], payload["result"]["identity"]["roles"]) == (True, ["monitor"])
    (event, *_) = await platform.store.registry.audit_events(None, limit=1)
    assert (event.event, event.subject) == ("roles.remove", key["identity"]["id"])
    assert dict(event.details)["before"] == dict(event.details)["after"] == "monitor"


async def test_110_the_ids_of_the_documentation_are_nobodys(tenant, root):
    for document, name in ((DOCUMENTED_ADD_ROLES, "add"), (DOCUMENTED_REMOVE_ROLES, "remove")):
        error = {"code": "IDENTITY_NOT_FOUND"}
        assert await tenant.data(root, document) == {f"{name}GlobalIdentityRoles": {"ok": False, "error": error}}


@pytest.mark.parametrize("identity", ["", "'", "x" * 1000, "00000000-0000-0000-0000-000000000000", "\u00e4"])
async def test_110_an_id_of_any_form_is_told_as_an_unknown_one(tenant, root, identity):
    for document in (ADD_ROLES, REMOVE_ROLES):
        payload = await tenant.change(root, document, identityId=identity, roles=["monitor"])
        message = f"Identity {identity} not found"
        assert payload["error"] == {"code": "IDENTITY_NOT_FOUND", "developerMessage": message}


async def test_111_one_unknown_role_among_others_changes_nothing(platform, tenant, root):
    key = await tenant.create_global(root, "monitor")
    before = rows(platform, "audit_events")
    for document in (ADD_ROLES, REMOVE_ROLES):
        wanted = {"identityId": key["identity"]["id"], "roles": ["login", "monitor", "nope"]}
        payload = await tenant.change(root, document, **wanted)
        assert payload["error"] == {"code": "INVALID_ROLE", "developerMessage": "Role nope is not valid"}
    assert await roles_of(platform, key) == ["monitor"]
    assert rows(platform, "audit_events") == before


async def test_112_the_id_of_a_key_is_not_that_of_its_identity(platform, tenant, root):
    key = await tenant.create_global(root, "monitor")
    for document in (ADD_ROLES, REMOVE_ROLES):
        assert await tenant.code(root, document, identityId=key["id"], roles=["login"]) == "IDENTITY_NOT_FOUND"
    assert await roles_of(platform, key) == ["monitor"]


async def test_113_who_gives_a_role_up_cannot_take_it_back(platform, tenant, root):
    key = await tenant.create_global(root, "super_admin")
    own = {"identityId": key["identity"]["id"], "roles": ["super_admin"]}
    stale = await platform.caller(key["token"])
    assert (await tenant.change(stale, REMOVE_ROLES, **own))["ok"] is True
    for caller in (stale, await platform.caller(key["token"])):
        error = await tenant.error(caller, ADD_ROLES, **own)
        assert error["message"] == "You are not allowed to add global roles"
        assert error["extensions"]["code"] == "ForbiddenError"
    assert await roles_of(platform, key) == []


async def test_113_nor_in_the_same_document(platform, tenant, root):
    key = await tenant.create_global(root, "super_admin")
    query = """mutation($id: String!) {
      away: removeGlobalIdentityRoles(identityId: $id, roles: ["super_admin"]) { ok }
      back: addGlobalIdentityRoles(identityId: $id, roles: ["super_admin"]) { ok }
    }"""
    answer = await tenant.ask(await platform.caller(key["token"]), query, id=key["identity"]["id"])
    assert answer.body["data"] == {"away": {"ok": True}, "back": None}
    assert answer.body["errors"][0]["extensions"]["code"] == "ForbiddenError"
    assert await roles_of(platform, key) == []


async def test_114_changes_of_different_roles_at_once_are_all_made(platform, tenant, root):
    key = await tenant.create_global(root, "monitor")
    identity = key["identity"]["id"]
    added = ("login", "project_admin", "entrypoint_deployer", "person")
    changes = [tenant.change(root, ADD_ROLES, identityId=identity, roles=[role]) for role in added]
    changes.append(tenant.change(root, REMOVE_ROLES, identityId=identity, roles=["monitor"]))
    assert all(payload["ok"] for payload in await asyncio.gather(*changes))
    assert await roles_of(platform, key) == sorted(added)


async def test_115_people_and_project_keys_can_hold_global_roles_and_their_keys_have_them_at_once(
    platform, tenant, root, user
):
    key = await tenant.create(root, VIEWER)
    await tenant.create_global(root, "login")
    caller = await platform.caller(key["token"])
    login = await platform.session("uli", "acme")
    for identity in (user.identity.id, caller.identity.id):
        payload = await tenant.change(root, ADD_ROLES, identityId=identity, roles=["monitor"])
        assert payload["result"]["identity"]["roles"] == ["monitor"]
    for actor in (await platform.caller(key["token"]), await platform.session("uli", "acme")):
        assert actor.identity.roles == ("monitor",)
        assert len((await tenant.data(actor, GLOBAL_KEYS))["globalApiKeys"]) == 1
    assert login.identity.roles == ()


async def test_115_only_who_deals_in_roles_may_give_them(platform, tenant, root, admin, user):
    for actor in (admin, user):
        error = await tenant.error(actor, ADD_ROLES, identityId=user.identity.id, roles=["monitor"])
        assert error["message"] == "You are not allowed to add global roles"
        error = await tenant.error(actor, REMOVE_ROLES, identityId=user.identity.id, roles=["monitor"])
        assert error["message"] == "You are not allowed to remove global roles"


# --- secrets of one's own -----------------------------------------------------------------------------------------

OWN = "a_token_of_ones_own_0123456789_abcdefghij"


async def test_116_a_secret_that_its_owner_chose_is_known_by_its_hash_alone(platform, tenant, root):
    project = await tenant.create(root, VIEWER, tokenHash=sha256(OWN))
    world = await tenant.create_global(root, "monitor", tokenHash=sha256(OWN + "2"))
    assert project["token"] is world["token"] is None
    assert (await platform.caller(OWN)).key_id == project["id"]
    assert (await platform.caller(OWN + "2")).key_id == world["id"]


@pytest.mark.parametrize(
    "text",
    [
        sha256(OWN).upper(),
        sha256(OWN)[:-1],
        sha256(OWN) + "0",
        "g" + sha256(OWN)[1:],
        "",
        "0x" + sha256(OWN)[2:],
        hashlib.sha512(OWN.encode()).hexdigest(),
        sha256(OWN) + "\n",
        "\u0661" * 64,
    ],
)
async def test_117_what_is_no_hash_is_an_error_of_input(platform, tenant, root, text):
    before = rows(platform, "identities"), rows(platform, "keys"), rows(platform, "audit_events")
    for document, more in (
        (CREATE, {"projectSlug": "my-blog", "memberships": [VIEWER]}),
        (CREATE_GLOBAL, {"roles": ["monitor"]}),
    ):
        error = await tenant.error(root, document, description="x", tokenHash=text, **more)
        assert error["message"] == "Invalid format of tokenHash. Must be hex-encoded sha256."
        assert error["extensions"]["code"] == "UserInputError"
    assert (rows(platform, "identities"), rows(platform, "keys"), rows(platform, "audit_events")) == before


async def test_118_null_is_no_hash_and_a_secret_is_made(platform, tenant, root):
    for key in (
        await tenant.create(root, VIEWER, tokenHash=None),
        await tenant.create_global(root, "monitor", tokenHash=None),
    ):
        assert (await platform.caller(key["token"])).key_id == key["id"]


async def test_119_a_hash_in_use_is_refused_in_the_same_words_whosever_it_is(platform, tenant, root, admin, stranger):
    await tenant.create(root, VIEWER, tokenHash=sha256(OWN))
    dead = await tenant.create(root, VIEWER, tokenHash=sha256(OWN + "2"))
    assert (await tenant.change(root, DISABLE, id=dead["id"]))["ok"] is True
    other = {"projectSlug": "elsewhere", "memberships": [{"role": "editor", "variables": []}]}
    await tenant.create(stranger, *other["memberships"], projectSlug="elsewhere", tokenHash=sha256(OWN + "3"))
    before = rows(platform, "identities"), rows(platform, "audit_events")
    wanted = {"projectSlug": "my-blog", "memberships": [VIEWER], "description": "x"}
    found = [
        await tenant.error(admin, CREATE, **wanted, tokenHash=sha256(secret)) for secret in (OWN, OWN + "2", OWN + "3")
    ]
    assert found[0] == found[1] == found[2]
    assert found[0]["extensions"]["code"] == "UserInputError"
    assert "in use" in found[0]["message"]
    error = await tenant.error(root, CREATE_GLOBAL, description="x", tokenHash=sha256(OWN))
    assert error["message"] == found[0]["message"]
    assert (rows(platform, "identities"), rows(platform, "audit_events")) == before


async def test_120_a_hash_is_no_secret(platform, tenant, root):
    await tenant.create(root, VIEWER, tokenHash=sha256(OWN))
    assert not hasattr(await platform.find(sha256(OWN)), "key_id")


@pytest.mark.parametrize("secret", ["", "test", "password", "token", "changeme"])
async def test_121_the_hash_of_what_anybody_guesses_makes_no_key(platform, tenant, root, secret):
    before = rows(platform, "identities")
    wanted = {"projectSlug": "my-blog", "memberships": [VIEWER], "description": "x", "tokenHash": sha256(secret)}
    error = await tenant.error(root, CREATE, **wanted)
    assert error["extensions"]["code"] == "UserInputError"
    assert rows(platform, "identities") == before


async def test_124_no_listing_tells_a_secret_or_its_hash(platform, tenant, root):
    key = await tenant.create(root, VIEWER, tokenHash=sha256(OWN))
    caller = await platform.caller(OWN)
    told = [await tenant.data(root, PROJECT_KEYS, projectSlug="my-blog"), await tenant.data(caller, ME)]
    assert told[0]["projectBySlug"]["apiKeys"][0]["id"] == key["id"]
    assert OWN not in json.dumps(told)
    assert sha256(OWN) not in json.dumps(told)
    assert (await platform.tokens.find_key(root, key["id"])).start == ""
