"""The account API: what becomes of keys when their makers and owners change and go."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from account_calls import Account, reason, user_of
from gateway.control import NewKey, desk_over
from gateway.keys import Operator, Role
from gateway.stores import Organization, StoreOptions, make_store, open_store

POLICY = '{"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]}'


# --- who made a key, and what they are now ------------------------------------------------------------------------


async def test_166_167_whoever_is_no_administrator_any_more_cannot_manage_what_they_made(account, pat, ann):
    made = (await account.generate(ann, "ORGANIZATION", "acme", "hers")).body
    other = await account.user("tim", "acme", Role.ORGANIZATION_ADMIN)
    await account.ask(pat, "PATCH", f"/users/{user_of(ann)}", {"role": "USER"})
    assert await account.names(ann) == {"ann"}
    for method in ("GET", "DELETE"):
        assert reason(await account.ask(ann, method, f"/api-keys/{made['id']}")) == (404, "unknown_key")
    assert await account.works(made["api_key"])
    assert "hers" in await account.names(pat)
    assert "hers" in await account.names(other)
    await account.ask(pat, "PATCH", f"/users/{user_of(ann)}", {"role": "ORGANIZATION_ADMIN"})
    assert "hers" in await account.names(ann)
    assert (await account.ask(ann, "DELETE", f"/api-keys/{made['id']}")).status == 204
    assert not await account.works(made["api_key"])


@pytest.mark.parametrize("who", ["pat", "tim"])
async def test_166_another_administrator_revokes_what_a_former_one_made(account, pat, ann, who):
    made = (await account.generate(ann, "ORGANIZATION", "acme", "hers")).body
    tim = await account.user("tim", "acme", Role.ORGANIZATION_ADMIN)
    await account.ask(pat, "PATCH", f"/users/{user_of(ann)}", {"role": "USER"})
    answer = await account.ask({"pat": pat, "tim": tim}[who], "DELETE", f"/api-keys/{made['id']}")
    assert answer.status == 204
    assert not await account.works(made["api_key"])


async def test_168_an_administrator_who_moves_has_the_keys_of_the_new_organization_alone(account, pat, ann, bob):
    made = (await account.generate(ann, "ORGANIZATION", "acme", "hers")).body
    there = await account.user("ann", "globex", Role.ORGANIZATION_ADMIN)
    await account.ask(pat, "DELETE", f"/users/{user_of(ann)}/organizations/acme")
    assert not await account.works(ann)
    names = await account.names(there)
    assert "bob" in names
    assert "hers" not in names
    assert (await account.ask(there, "DELETE", f"/api-keys/{made['id']}")).status == 404
    assert await account.works(made["api_key"])


async def test_169_what_counts_is_the_role_when_the_button_is_pressed(account, pat, ann, uli):
    opened = await account.caller(ann)
    listed = (await account.ask_as(opened, "GET", "/api-keys")).body
    assert "uli" in {row["name"] for row in listed}
    await account.ask(pat, "PATCH", f"/users/{user_of(ann)}", {"role": "USER"})
    refused = await account.ask_as(opened, "DELETE", f"/api-keys/{uli.key.id}")
    assert refused.status == 404
    assert await account.works(uli)
    wanted = {"name": "n", "type": "ORGANIZATION", "organization_id": "acme"}
    assert reason(await account.ask_as(opened, "POST", "/api-keys", wanted)) == (403, "not_allowed")


async def test_169_a_key_that_ended_meanwhile_changes_nothing(account, ann, uli):
    opened = await account.caller(ann)
    await account.ask(ann, "DELETE", f"/api-keys/{ann.key.id}")
    refused = await account.ask_as(opened, "DELETE", f"/api-keys/{uli.key.id}")
    assert (reason(refused), refused.body) == ((401, "invalid_key"), {"message": "Unauthorized"})
    assert await account.works(uli)


# --- deleting users -----------------------------------------------------------------------------------------------


async def _made_by(account, key):
    """Six keys of an administrator: two of their own beside the first, two of the organization, and two more."""
    tokens, actor = account.desk.tokens, await account.caller(key)
    own = [key, await tokens.create_user_key(actor, NewKey("second"))]
    machines = [
        await tokens.create_organization_key(actor, NewKey("org 1")),
        await tokens.create_organization_key(actor, NewKey("org 2")),
        await tokens.create_account_key(actor, NewKey("account", policy=POLICY)),
        await tokens.create_integration_key(actor, NewKey("sync"), instance="github-1"),
    ]
    return own, machines


async def test_160_161_deleting_a_user_ends_their_user_keys_and_nothing_else(account, pat, ann):
    own, machines = await _made_by(account, ann)
    tim = await account.user("tim", "acme", Role.ORGANIZATION_ADMIN)
    gone = await account.ask(tim, "DELETE", f"/users/{user_of(ann)}")
    assert (gone.status, gone.body) == (204, None)
    assert [await account.works(each) for each in own] == [False, False]
    assert [await account.works(each) for each in machines] == [True] * 4
    assert (await account.ask(tim, "GET", f"/users/{user_of(ann)}")).status == 404
    assert await account.emails(tim) == {"pat", "tim"}
    rows = {row["id"]: row for row in await account.listed(tim)}
    assert set(rows) & {each.key.id for each in own} == set()
    for machine in machines:
        assert rows[machine.key.id]["created_by"] == "deleted user"
        assert (await account.ask(tim, "DELETE", f"/api-keys/{machine.key.id}")).status == 204
        assert not await account.works(machine)


async def test_162_a_new_user_of_the_address_has_nothing_of_the_old_one(account, ann, pat):
    uli = await account.user("uli", "acme")
    await account.ask(ann, "DELETE", f"/users/{user_of(uli)}")
    made = await account.ask(ann, "POST", "/users", {"email": "ULI@example.com"})
    assert made.status == 201
    assert made.body["id"] != user_of(uli)
    assert not await account.works(uli)
    _, identities = await account.desk.people.find_user(Operator(), made.body["id"])
    again = await account.key(identities[0], "again")
    assert await account.names(again) == {"again"}
    assert "uli" not in await account.names(pat)


async def _generated_while_deleted(account, admin, number):
    """Three keys are asked for while their user is being deleted: the secrets that were given out, and the refusals."""
    user = await account.user(f"user{number}", "acme")
    caller = await account.caller(user)
    wanted = {"name": "n", "type": "USER", "organization_id": "acme"}
    calls = [account.ask_as(caller, "POST", "/api-keys", wanted) for _ in range(3)]
    calls.insert(number % 4, account.ask_as(admin, "DELETE", f"/users/{user_of(user)}"))
    answers = await asyncio.gather(*calls)
    deletion = answers.pop(number % 4)
    assert deletion.status == 204
    made = [each.body["api_key"] for each in answers if each.status == 201]
    refused = [reason(each) for each in answers if each.status != 201]
    return made, refused


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_163_a_key_and_the_deletion_of_its_user_at_once(platform, options, request, tmp_path, kind):
    store_options = StoreOptions(platform.path)
    if kind == "postgresql":
        store_options = StoreOptions(tmp_path / "none", url=request.getfixturevalue("postgres").new_database())
        await asyncio.to_thread(lambda: asyncio.run(make_store(store_options)))
    async with open_store(store_options, projects=options.projects) as store:
        account = Account(store, desk_over(store.registry, options, platform.clock, secrets.token_bytes))
        if kind == "postgresql":
            async with store.registry.change() as change:
                await change.add_organization(Organization("acme", "Acme"))
        ann = await account.user("ann", "acme", Role.ORGANIZATION_ADMIN)
        admin = await account.caller(ann)
        refusals = set()
        for number in range(12):
            made, refused = await _generated_while_deleted(account, admin, number)
            assert [await account.works(secret) for secret in made] == [False] * len(made)
            refusals |= set(refused)
        assert refusals == {(401, "invalid_key")}
        assert await account.names(ann) == {"ann"}


async def test_nobody_deletes_whom_they_do_not_manage(account, pat, ann, bob, uli):
    await account.user("uli", "globex")
    assert reason(await account.ask(ann, "DELETE", f"/users/{user_of(uli)}")) == (403, "not_allowed")
    assert reason(await account.ask(ann, "DELETE", f"/users/{user_of(pat)}")) == (403, "not_allowed")
    assert reason(await account.ask(ann, "DELETE", f"/users/{user_of(bob)}")) == (404, "unknown_user")
    assert reason(await account.ask(uli, "DELETE", f"/users/{user_of(ann)}")) == (404, "unknown_user")
    assert await account.emails(pat) == {"pat", "ann", "bob", "uli"}
