"""Disabling keys by the Contember face. Numbers are those of the edge cases of the product."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from graphql import build_schema

from contember_calls import (
    ADD_MEMBER,
    ADMIN,
    CREATE,
    DISABLE,
    DOCUMENTED_DISABLE,
    GLOBAL_KEYS,
    PROJECT_KEYS,
    VIEWER,
    Tenant,
)
from gateway.control import Contember
from gateway.control.contember.schema import SCHEMA

DONE = {"ok": True, "error": None}
CLERK = {"role": "clerk", "variables": [{"name": "shop", "values": ["1"]}]}


@pytest.fixture
def tenant(platform) -> Tenant:
    return Tenant(Contember(platform.desk))


async def alive(platform, key) -> bool:
    return getattr(await platform.find(key["token"]), "key_id", None) == key["id"]


async def test_125_a_disabled_key_is_dead_at_once_and_stays_listed(platform, tenant, root):
    key = await tenant.create(root, VIEWER)
    document = DOCUMENTED_DISABLE.replace("some-api-key-id", key["id"])
    assert await tenant.data(root, document) == {"disableApiKey": {"ok": True}}
    assert not await alive(platform, key)
    (listed,) = (await tenant.data(root, PROJECT_KEYS, projectSlug="my-blog"))["projectBySlug"]["apiKeys"]
    assert (listed["id"], listed["enabled"]) == (key["id"], False)


async def test_126_the_id_of_an_identity_is_not_that_of_its_key(platform, tenant, root):
    key = await tenant.create(root, VIEWER)
    assert await tenant.code(root, DISABLE, id=key["identity"]["id"]) == "KEY_NOT_FOUND"
    assert await alive(platform, key)


async def test_127_disabling_again_is_fine_and_changes_nothing(platform, tenant, root):
    key = await tenant.create(root, VIEWER)
    assert await tenant.change(root, DISABLE, id=key["id"]) == DONE
    first = (await platform.tokens.find_key(root, key["id"])).revoked_at
    platform.clock.now += 1000
    assert await tenant.change(root, DISABLE, id=key["id"]) == DONE
    assert (await platform.tokens.find_key(root, key["id"])).revoked_at == first
    assert (await platform.audited()).count("key.revoke") == 1


async def test_127_two_who_disable_at_once_are_both_told_yes(platform, tenant, root):
    key = await tenant.create(root, VIEWER)
    assert await asyncio.gather(*(tenant.change(root, DISABLE, id=key["id"]) for _ in range(2))) == [DONE] * 2
    assert (await platform.audited()).count("key.revoke") == 1


@pytest.mark.parametrize(
    "key_id", ["some-api-key-id", "", "'", "00000000-0000-0000-0000-000000000000", "x" * 1000, "\u00e4", "\x00"]
)
async def test_128_an_id_of_any_form_is_told_as_an_unknown_one(tenant, root, key_id):
    payload = await tenant.change(root, DISABLE, id=key_id)
    error = {"code": "KEY_NOT_FOUND", "developerMessage": "API key not found", "endUserMessage": None}
    assert payload == {"ok": False, "error": error}


async def test_128_the_documented_call_is_answered(tenant, root):
    assert await tenant.data(root, DOCUMENTED_DISABLE) == {"disableApiKey": {"ok": False}}


async def test_131_a_projects_administrator_disables_the_keys_of_that_project_alone(platform, tenant, root):
    boss = await platform.caller((await tenant.create(root, ADMIN))["token"])
    own, shared = await tenant.create(root, VIEWER), await tenant.create(root, VIEWER)
    other = await tenant.create(root, CLERK, projectSlug="shop")
    await tenant.change(root, ADD_MEMBER, projectSlug="shop", identityId=shared["identity"]["id"], memberships=[CLERK])
    assert await tenant.change(boss, DISABLE, id=own["id"]) == DONE
    assert await tenant.code(boss, DISABLE, id=other["id"]) == "KEY_NOT_FOUND"
    error = await tenant.error(boss, DISABLE, id=shared["id"])
    assert error["message"] == "You are not allowed to disable api key"
    assert error["extensions"]["code"] == "ForbiddenError"
    assert [await alive(platform, key) for key in (own, other, shared)] == [False, True, True]


async def test_132_nobody_disables_a_key_of_higher_rank(platform, tenant, root):
    lower = await platform.caller((await tenant.create_global(root, "project_admin"))["token"])
    higher, equal = await tenant.create_global(root, "super_admin"), await tenant.create_global(root, "login")
    assert await tenant.code(lower, DISABLE, id=higher["id"]) == "KEY_NOT_FOUND"
    assert await tenant.change(lower, DISABLE, id=equal["id"]) == DONE
    assert [await alive(platform, key) for key in (higher, equal)] == [True, False]


async def test_133_a_key_can_end_itself_and_is_told_so(platform, tenant, root):
    for key in (await tenant.create(root), await tenant.create_global(root)):
        caller = await platform.caller(key["token"])
        assert await tenant.change(caller, DISABLE, id=key["id"]) == DONE
        assert not await alive(platform, key)


async def test_133_what_follows_in_the_same_document_is_refused(platform, tenant, root):
    key = await tenant.create_global(root, "super_admin")
    query = """mutation($id: String!) {
      own: disableApiKey(id: $id) { ok }
      next: createGlobalApiKey(description: "x", roles: ["super_admin"]) { ok result { apiKey { token } } }
    }"""
    answer = await tenant.ask(await platform.caller(key["token"]), query, id=key["id"])
    assert answer.body["data"] == {"own": {"ok": True}, "next": None}
    assert answer.body["errors"][0]["extensions"]["code"] == "ForbiddenError"
    assert len((await tenant.data(root, GLOBAL_KEYS))["globalApiKeys"]) == 1


async def test_134_other_keys_of_the_identity_live_on(platform, tenant, root):
    first = await tenant.create(root, VIEWER)
    second = await platform.tokens.rotate_key(root, first["id"], overlap_seconds=3600)
    assert second.key.identity.id == first["identity"]["id"]
    assert await tenant.change(root, DISABLE, id=first["id"]) == DONE
    assert not await alive(platform, first)
    assert (await platform.caller(second)).key_id == second.key.id
    data = await tenant.data(root, '{ projectBySlug(slug: "my-blog") { members { identity { apiKey { id } } } } }')
    assert data == {"projectBySlug": {"members": [{"identity": {"apiKey": {"id": second.key.id}}}]}}


async def test_135_there_is_no_way_back():
    fields = build_schema(SCHEMA).mutation_type.fields
    assert set(fields) == {
        "createApiKey",
        "createGlobalApiKey",
        "disableApiKey",
        "addGlobalIdentityRoles",
        "removeGlobalIdentityRoles",
        "addProjectMember",
        "updateProjectMember",
        "removeProjectMember",
    }
    assert list(fields["disableApiKey"].args) == ["id"]


async def test_135_no_change_of_rights_brings_a_key_back(platform, tenant, root):
    key = await tenant.create(root, VIEWER)
    await tenant.change(root, DISABLE, id=key["id"])
    for query in (
        'mutation { enableApiKey(id: "x") { ok } }',
        'mutation { disableApiKey(id: "x", enabled: true) { ok } }',
    ):
        assert (await tenant.ask(root, query)).status == 400
    wanted = {"projectSlug": "shop", "identityId": key["identity"]["id"], "memberships": [CLERK]}
    assert (await tenant.change(root, ADD_MEMBER, **wanted))["ok"] is True
    assert not await alive(platform, key)


async def test_136_a_name_is_free_again_and_a_secret_never(platform, tenant, root):
    digest = hashlib.sha256(b"a token of my own, 40 characters or so").hexdigest()
    old = await tenant.create(root, VIEWER, tokenHash=digest)
    await tenant.change(root, DISABLE, id=old["id"])
    new = await tenant.create(root, VIEWER)
    assert new["id"] != old["id"]
    assert await alive(platform, new)
    wanted = {"projectSlug": "my-blog", "description": "backend ingest", "memberships": [VIEWER]}
    error = await tenant.error(root, CREATE, **wanted, tokenHash=digest)
    assert error["extensions"]["code"] == "UserInputError"
