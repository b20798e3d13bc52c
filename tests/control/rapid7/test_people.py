"""The account API: users and organizations. Numbers are those of the edge cases."""

from __future__ import annotations

import pytest

from account_calls import reason, user_of
from gateway.control.rapid7 import handlers
from gateway.keys import GroupRights, Role
from gateway.stores.values import Group

# --- looking at users ---------------------------------------------------------------------------------------------


async def test_the_three_levels_see_themselves_their_organization_and_everybody(account, pat, ann, bob, uli):
    await account.user("uli", "globex")
    assert await account.emails(uli) == {"uli"}
    assert await account.emails(ann) == {"pat", "ann", "uli"}
    assert await account.emails(bob) == {"bob", "uli"}
    assert await account.emails(pat) == {"pat", "ann", "bob", "uli"}
    rows = {row["id"]: row for row in (await account.ask(pat, "GET", "/users")).body}
    homes = [each["organization_id"] for each in rows[user_of(uli)]["organizations"]]
    assert homes == ["acme", "globex"]
    (seen,) = [row for row in (await account.ask(ann, "GET", "/users")).body if row["id"] == user_of(uli)]
    assert seen["organizations"] == [{"organization_id": "acme", "role": "USER"}]


async def test_a_user_as_clients_read_one(account, platform, uli):
    await platform.session("uli", "acme")
    row = (await account.ask(uli, "GET", f"/users/{user_of(uli)}")).body
    assert row == {
        "id": user_of(uli),
        "email": "uli@example.com",
        "first_name": "Uli",
        "last_name": "Test",
        "status": "ACTIVE",
        "platform_admin": False,
        "federated": False,
        "last_login": "2023-11-14T22:13:20.000Z",
        "organizations": [{"organization_id": "acme", "role": "USER"}],
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?status=ACTIVE", {"pat", "ann", "bob"}),
        ("?status=DISABLED", {"uli"}),
        ("?status=PENDING", set()),
        ("?platform-admin=true", {"pat"}),
        ("?platform-admin=false", {"ann", "bob", "uli"}),
        ("?email=BOB%40example.com", {"bob"}),
        ("?email=nobody%40example.com", set()),
        ("?email=bob%40example.com&status=DISABLED", set()),
        ("?email=bob%40example.com&organization_id=acme", set()),
        ("?email=bob%40example.com&organization_id=globex", {"bob"}),
        ("?first_name=ANN", {"ann"}),
        ("?last_name=test&organization_id=globex", {"bob"}),
    ],
)
async def test_149_the_filters_of_users(account, pat, ann, bob, uli, query, found):
    await account.ask(pat, "PATCH", f"/users/{user_of(uli)}", {"status": "DISABLED"})
    assert await account.emails(pat, query) == found


async def test_149_a_filter_finds_nobody_whom_the_caller_may_not_see(account, ann, bob, uli):
    for query in ("?email=bob%40example.com", "?first_name=Bob", "?organization_id=globex", "?organization_id=no"):
        assert await account.emails(ann, query) == set()
        assert await account.emails(uli, query) == set()
    assert await account.emails(uli, "?email=ann%40example.com") == set()
    hidden = await account.ask(ann, "GET", f"/users/{user_of(bob)}")
    assert reason(hidden) == (404, "unknown_user")
    assert hidden == await account.ask(ann, "GET", "/users/nobody")


@pytest.mark.parametrize("rows", [2, 3, 1000])
async def test_149_pages_of_users_have_everybody_once_with_all_their_organizations(account, pat, rows, monkeypatch):
    monkeypatch.setattr(handlers, "PAGE", rows)
    for number in range(5):
        for organization in ("acme", "globex"):
            await account.user(f"user{number}", organization)
    pages = await account.pages(pat, "/users?size=2")
    assert all(len(page) <= 2 for page in pages)
    seen = [row for page in pages for row in page]
    assert len({row["id"] for row in seen}) == len(seen) == 6
    assert sorted(len(row["organizations"]) for row in seen) == [1, 2, 2, 2, 2, 2]


# --- adding and changing ------------------------------------------------------------------------------------------


async def test_a_user_is_added_by_an_administrator_and_by_nobody_else(account, ann, bob, uli, pat):
    wanted = {"email": "new@example.com", "first_name": "N", "last_name": "Ew"}
    assert reason(await account.ask(uli, "POST", "/users", wanted)) == (403, "not_allowed")
    made = await account.ask(ann, "POST", "/users", wanted)
    assert (made.status, made.body["organizations"]) == (201, [{"organization_id": "acme", "role": "USER"}])
    assert made.headers == ((b"location", f"/account/api/1/users/{made.body['id']}".encode()),)
    assert reason(await account.ask(ann, "POST", "/users", wanted)) == (409, "already_there")
    elsewhere = await account.ask(ann, "POST", "/users", wanted | {"organization_id": "globex"})
    assert reason(elsewhere) == (404, "unknown_organization")
    assert elsewhere == await account.ask(ann, "POST", "/users", wanted | {"organization_id": "no"})
    assert reason(await account.ask(ann, "POST", "/users", wanted | {"email": "no"})) == (400, "invalid_input")
    powerful = {"email": "p@example.com", "platform_admin": True}
    assert reason(await account.ask(ann, "POST", "/users", powerful)) == (403, "not_allowed")
    made = await account.ask(pat, "POST", "/users", powerful | {"organization_id": "globex"})
    assert (made.body["platform_admin"], made.body["organizations"][0]["role"]) == (True, "PLATFORM_ADMIN")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"status": "ACTIVE", "role": "USER"},
        {"organization_id": "acme"},
        {"status": "ACTIVE", "organization_id": "acme"},
        {"status": "DELETED"},
        {"role": "admin"},
        {"platform_admin": True},
        [],
    ],
)
async def test_a_change_is_one_change(account, ann, uli, change):
    answer = await account.ask(ann, "PATCH", f"/users/{user_of(uli)}", change)
    assert reason(answer) == (400, "invalid_input")


async def test_only_the_platforms_administrator_makes_another_one(account, pat, ann, uli):
    path, wanted = f"/users/{user_of(uli)}", {"role": "PLATFORM_ADMIN"}
    assert reason(await account.ask(uli, "PATCH", path, wanted)) == (403, "not_allowed")
    assert reason(await account.ask(ann, "PATCH", path, wanted)) == (403, "not_allowed")
    assert (await account.ask(pat, "PATCH", path, wanted)).body["platform_admin"] is True
    assert reason(await account.ask(ann, "PATCH", path, {"role": "USER"})) == (403, "not_allowed")
    assert reason(await account.ask(ann, "PATCH", path, {"status": "DISABLED"})) == (403, "not_allowed")


async def test_152_a_key_follows_its_user_from_the_next_call_on(account, ann, uli):
    path = f"/users/{user_of(uli)}"
    assert await account.names(uli) == {"uli"}
    await account.ask(ann, "PATCH", path, {"role": "ORGANIZATION_ADMIN"})
    assert await account.names(uli) == {"uli", "ann"}
    assert (await account.caller(uli)).policy.statements[0].actions == ("*",)
    await account.ask(ann, "PATCH", path, {"role": "USER"})
    assert await account.names(uli) == {"uli"}
    assert (await account.caller(uli)).policy.statements == ()


async def test_152_a_key_follows_the_groups_of_its_user(account, ann, uli):
    admin, groups = await account.caller(ann), account.desk.groups
    group = await groups.add_group(admin, Group("", "acme", "readers", rights=GroupRights(("fullReadAccess",))))
    await groups.add_to_group(admin, group.id, user_of(uli))
    assert "query:ReadGraphData" in {
        action for each in (await account.caller(uli)).policy.statements for action in each.actions
    }
    await groups.delete_group(admin, group.id)
    assert (await account.caller(uli)).policy.statements == ()


async def test_164_a_disabled_users_keys_are_refused_until_the_user_is_enabled(account, ann, uli):
    path = f"/users/{user_of(uli)}"
    changed = await account.ask(ann, "PATCH", path, {"status": "DISABLED"})
    assert changed.body["status"] == "DISABLED"
    assert not await account.works(uli)
    (row,) = [row for row in await account.listed(ann) if row["id"] == uli.key.id]
    assert row["status"] == "SUSPENDED"
    await account.ask(ann, "PATCH", path, {"status": "ACTIVE"})
    assert await account.works(uli)
    assert (await account.ask(ann, "GET", f"/api-keys/{uli.key.id}")).body["status"] == "ACTIVE"


async def test_165_a_user_who_left_an_organization_has_no_keys_of_it(account, ann, bob, uli):
    there = await account.user("uli", "globex")
    gone = await account.ask(ann, "DELETE", f"/users/{user_of(uli)}/organizations/acme")
    assert (gone.status, gone.body) == (204, None)
    assert not await account.works(uli)
    assert await account.works(there)
    assert (await account.ask(ann, "GET", f"/users/{user_of(uli)}")).status == 404
    assert reason(await account.ask(ann, "GET", f"/api-keys/{uli.key.id}")) == (404, "unknown_key")
    again = await account.ask(ann, "DELETE", f"/users/{user_of(uli)}/organizations/acme")
    assert reason(again) == (404, "unknown_user")
    foreign = await account.ask(ann, "DELETE", f"/users/{user_of(uli)}/organizations/globex")
    assert reason(foreign) == (404, "unknown_organization")
    assert await account.works(there)


async def test_what_an_administrator_did_to_a_user_is_in_the_trail_of_the_organization(account, ann, uli):
    for status in ("DISABLED", "ACTIVE"):
        await account.ask(ann, "PATCH", f"/users/{user_of(uli)}", {"status": status})
    await account.ask(ann, "DELETE", f"/users/{user_of(uli)}")
    events = await account.desk.trail.read(await account.caller(ann), limit=3)
    assert [each.event for each in events] == ["user.delete", "user.enable", "user.disable"]


# --- organizations ------------------------------------------------------------------------------------------------


async def test_organizations_that_somebody_is_in_and_those_that_they_manage(account, pat, ann, uli):
    there = await account.user("uli", "globex", Role.ORGANIZATION_ADMIN)

    async def ids(key, path):
        body = (await account.ask(key, "GET", path)).body
        return [each["id"] for each in (body if path == "/organizations" else body["data"])]

    assert await ids(uli, "/organizations") == ["acme", "globex"]
    assert await ids(uli, "/managed-organizations") == []
    assert await ids(there, "/managed-organizations") == ["globex"]
    assert await ids(ann, "/organizations") == await ids(ann, "/managed-organizations") == ["acme"]
    assert await ids(pat, "/managed-organizations") == ["acme", "globex"]
    second = (await account.ask(pat, "GET", "/managed-organizations?index=1&size=1")).body
    assert second == {
        "data": [{"id": "globex", "name": "Globex", "region": None}],
        "metadata": {"index": 1, "size": 1, "total_data": 2, "total_pages": 2},
    }
    assert (await account.ask(ann, "GET", "/managed-organizations?index=9")).body["data"] == []
