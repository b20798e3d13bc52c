"""Project keys and memberships by the Contember face. Numbers are those of the edge cases of the product."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from contember_calls import (
    ADD_MEMBER,
    ADMIN,
    CHANGE_MEMBER,
    CREATE,
    DOCUMENTED_CREATE,
    GLOBAL_KEYS,
    ME,
    PROJECT_KEYS,
    REMOVE_MEMBER,
    VIEWER,
    Tenant,
    editor,
)
from gateway.control import Contember
from gateway.keys import DAY, Kind, Predefined, Principal, Project, ProjectRole, Variable, digest
from gateway.policy import READ_GRAPH
from gateway.stores import StoreOptions, open_store

CLERK = {"role": "clerk", "variables": [{"name": "shop", "values": ["1"]}]}
NEW: dict[str, Any] = {"projectSlug": "my-blog", "description": "x"}


@pytest.fixture
def tenant(platform) -> Tenant:
    return Tenant(Contember(platform.desk))


def rows(platform, table: str) -> int:
    with closing(sqlite3.connect(platform.path)) as database:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def seen(caller: Principal) -> list[dict[str, tuple[str, ...]]]:
    """The conditions of what a key reads of the graph, of which an object must satisfy one."""
    statements = caller.policy.statements
    assert all(statement.actions == (READ_GRAPH,) for statement in statements)
    return [dict(statement.condition.equals) for statement in statements]


# --- creating -----------------------------------------------------------------------------------------------------


async def test_81_the_documented_call_makes_a_key_that_reads_what_it_says(platform, tenant, root):
    data = await tenant.data(root, DOCUMENTED_CREATE)
    created = data["createApiKey"]
    key = created["result"]["apiKey"]
    assert data == {"createApiKey": {"ok": True, "error": None, "result": {"apiKey": key}}}
    assert set(key) == {"id", "token", "identity"}
    assert key["id"] != key["identity"]["id"]
    caller = await platform.caller(key["token"])
    assert (caller.key_id, caller.identity.id, caller.identity.kind) == (key["id"], key["identity"]["id"], Kind.PROJECT)
    assert (caller.organization, caller.name) == ("acme", "User-friendly description of the key")
    assert seen(caller) == [{"language": ("cs",)}]


async def test_81_a_super_admin_key_makes_it_too(platform, tenant, root):
    world = await platform.caller((await tenant.create_global(root, "super_admin", "monitor"))["token"])
    key = (await tenant.data(world, DOCUMENTED_CREATE))["createApiKey"]["result"]["apiKey"]
    assert seen(await platform.caller(key["token"])) == [{"language": ("cs",)}]


async def test_a_secret_has_forty_characters_and_is_told_once(platform, tenant, root):
    key = await tenant.create(root, VIEWER)
    assert len(key["token"]) == 40
    for query, more in ((PROJECT_KEYS, {"projectSlug": "my-blog"}), (GLOBAL_KEYS, {}), (ME, {})):
        for actor in (root, await platform.caller(key["token"])):
            assert key["token"] not in str(await tenant.data(actor, query, **more))


class TestContembersSecrets:
    @pytest.fixture
    def options(self, options):
        return replace(options, plain_secrets=True)

    async def test_d24_secrets_can_be_forty_hexadecimal_digits_as_on_contembers_server(self, platform, tenant, root):
        for key in (await tenant.create(root, VIEWER), await tenant.create_global(root, "monitor")):
            assert len(key["token"]) == 40
            assert set(key["token"]) <= set("0123456789abcdef")
            assert (await platform.caller(key["token"])).key_id == key["id"]


async def test_85_an_unknown_project_is_told_to_those_who_manage_all(platform, tenant, root):
    world = await platform.caller((await tenant.create_global(root, "project_admin"))["token"])
    for actor in (root, world):
        payload = await tenant.change(actor, CREATE, **NEW | {"projectSlug": "nope", "memberships": [VIEWER]})
        message = "Project nope was not found or you are not allowed to access it."
        assert payload["ok"] is False
        assert payload["error"] == payload["errors"][0] | {"membershipValidation": None}
        assert (payload["error"]["code"], payload["error"]["developerMessage"]) == ("PROJECT_NOT_FOUND", message)
        assert payload["result"] is None


async def test_85_others_cannot_tell_a_missing_project_from_one_that_is_not_theirs(platform, tenant, root, admin, user):
    boss = await platform.caller((await tenant.create(root, ADMIN))["token"])
    viewer = await platform.caller((await tenant.create(root, VIEWER))["token"])
    before = rows(platform, "identities")
    for actor, there in ((admin, "elsewhere"), (boss, "shop"), (viewer, "shop"), (user, "my-blog")):
        missing, existing = [
            await tenant.ask(actor, CREATE, **NEW | {"projectSlug": slug, "memberships": [VIEWER]})
            for slug in ("nope", there)
        ]
        assert missing == existing
        (error,) = missing.body["errors"]
        assert error["message"] == "You are not allowed to create an API key for this project"
        assert error["extensions"]["code"] == "ForbiddenError"
    assert rows(platform, "identities") == before


@pytest.mark.parametrize("role", ["nope", "clerk", "__proto__", "constructor", "", "Editor"])
async def test_86_a_role_that_the_project_does_not_have_is_refused(platform, tenant, root, role):
    payload = await tenant.change(root, CREATE, **NEW, memberships=[{"role": role, "variables": []}])
    assert payload["error"] == {
        "code": "INVALID_MEMBERSHIP",
        "developerMessage": f"Provided membership is invalid: Role {role} is not defined in a schema. "
        "You can also check membershipValidation field for structured details.",
        "endUserMessage": None,
        "membershipValidation": [{"code": "ROLE_NOT_FOUND", "role": role, "variable": None}],
    }
    assert [each["code"] for each in payload["errors"]] == ["INVALID_MEMBERSHIP", "ROLE_NOT_FOUND"]
    assert payload["errors"][1]["endUserMessage"] == "Given role not found"


@pytest.mark.parametrize("name", ["nope", "__proto__", "Language", "shop"])
async def test_87_a_variable_that_the_role_does_not_have_is_refused(tenant, root, name):
    membership = {"role": "editor", "variables": [*editor("cs")["variables"], {"name": name, "values": ["x"]}]}
    payload = await tenant.change(root, CREATE, **NEW, memberships=[membership])
    problem = {"code": "VARIABLE_NOT_FOUND", "role": "editor", "variable": name}
    assert payload["error"]["membershipValidation"] == [problem]
    assert f"Variable {name} of role editor is not defined in a schema" in payload["error"]["developerMessage"]
    assert payload["errors"][1]["endUserMessage"] == "Provided variable does not exist"


@pytest.mark.parametrize("membership", [{"role": "editor", "variables": []}, editor()])
async def test_88_89_a_variable_needs_values(platform, tenant, root, membership):
    before = rows(platform, "identities")
    payload = await tenant.change(root, CREATE, **NEW, memberships=[membership])
    problem = {"code": "VARIABLE_EMPTY", "role": "editor", "variable": "language"}
    assert payload["error"]["membershipValidation"] == [problem]
    assert [each["code"] for each in payload["errors"]] == ["INVALID_MEMBERSHIP", "VARIABLE_EMPTY"]
    assert payload["errors"][1]["endUserMessage"] == "Required variable is empty"
    assert rows(platform, "identities") == before


async def test_a_value_that_no_policy_could_have_is_refused_with_its_reason(tenant, root):
    payload = await tenant.change(root, CREATE, **NEW, memberships=[editor("\u0000")])
    problem = {"code": "VARIABLE_INVALID", "role": "editor", "variable": "language"}
    assert payload["error"]["membershipValidation"] == [problem]
    assert "Variable language of role editor contains invalid value" in payload["error"]["developerMessage"]
    assert [each["code"] for each in payload["errors"]] == ["INVALID_MEMBERSHIP"]  # the old list has no word for it


async def test_90_a_key_without_memberships_says_who_it_is_and_reads_nothing(platform, tenant, root):
    key = await tenant.create(root)
    caller = await platform.caller(key["token"])
    assert (await tenant.data(caller, ME))["me"]["projects"] == []
    assert caller.policy.statements == ()


async def test_91_memberships_add_up_and_do_not_narrow_each_other(platform, tenant, root):
    caller = await platform.caller((await tenant.create(root, editor("cs"), VIEWER))["token"])
    assert seen(caller) == [{"language": ("cs",)}, {"public": ("yes",)}]


async def test_92_the_same_role_twice_adds_up_too(platform, tenant, root):
    caller = await platform.caller((await tenant.create(root, editor("cs"), editor("de")))["token"])
    assert seen(caller) == [{"language": ("cs",)}, {"language": ("de",)}]
    assert (await tenant.data(caller, ME))["me"]["projects"][0]["memberships"] == [editor("cs"), editor("de")]


@pytest.mark.parametrize("values", [("cs", "de"), ("cs' OR '1'='1",), ('") DELETE',), ("x; DROP TABLE keys --",)])
async def test_93_values_are_data_and_nothing_else(platform, tenant, root, values):
    caller = await platform.caller((await tenant.create(root, editor(*values)))["token"])
    assert seen(caller) == [{"language": values}]


async def test_94_a_project_key_has_no_end(platform, tenant, root):
    key = await tenant.create(root, editor("cs"))
    platform.clock.now += 10 * 366 * DAY
    caller = await platform.caller(key["token"])
    assert caller.expires_at is None
    assert (await tenant.data(caller, "{ me { apiKey { id expiresAt } } }"))["me"]["apiKey"] == {
        "id": key["id"],
        "expiresAt": None,
    }


async def test_100_there_is_no_person_behind_a_key(platform, tenant, root):
    key = await tenant.create(root, VIEWER, description="ingest")
    me = (await tenant.data(await platform.caller(key["token"]), ME))["me"]
    assert (me["id"], me["person"], me["description"]) == (key["identity"]["id"], None, "ingest")


async def test_101_one_bad_membership_among_several_leaves_nothing_behind(platform, tenant, root):
    tables = ("identities", "keys", "memberships", "audit_events")
    before = [rows(platform, table) for table in tables]
    wanted = [VIEWER, editor("cs"), {"role": "nope", "variables": []}]
    assert await tenant.code(root, CREATE, **NEW, memberships=wanted) == "INVALID_MEMBERSHIP"
    assert [rows(platform, table) for table in tables] == before


async def test_all_that_is_wrong_is_told_at_once(tenant, root):
    wanted = [editor(), {"role": "nope", "variables": []}, VIEWER]
    payload = await tenant.change(root, CREATE, **NEW, memberships=wanted)
    assert [each["code"] for each in payload["error"]["membershipValidation"]] == ["VARIABLE_EMPTY", "ROLE_NOT_FOUND"]
    told = "Variable language of role editor is empty. Role nope is not defined in a schema"
    assert payload["error"]["developerMessage"].startswith(f"Provided membership is invalid: {told}. You can also")
    assert [each["code"] for each in payload["errors"]] == ["INVALID_MEMBERSHIP", "VARIABLE_EMPTY", "ROLE_NOT_FOUND"]


@pytest.mark.parametrize("description", ["", "x" * 257, "a\x1b[2J"])
async def test_a_description_that_cannot_be_listed_is_refused(platform, tenant, root, description):
    before = rows(platform, "identities")
    error = await tenant.error(root, CREATE, **NEW | {"description": description}, memberships=[VIEWER])
    assert error["extensions"]["code"] == "UserInputError"
    assert rows(platform, "identities") == before


async def test_options_are_taken_as_long_as_they_ask_for_no_trust(platform, tenant, root):
    for options in (None, {}, {"trustForwardedClientInfo": False}, {"trustForwardedClientInfo": None}):
        assert (await tenant.create(root, VIEWER, options=options))["token"]
    before = rows(platform, "identities")
    wanted = {"memberships": [VIEWER], "options": {"trustForwardedClientInfo": True}}
    error = await tenant.error(root, CREATE, **NEW, **wanted)
    assert error["extensions"]["code"] == "UserInputError"
    assert "trustForwardedClientInfo" in error["message"]
    assert rows(platform, "identities") == before


# --- memberships --------------------------------------------------------------------------------------------------


async def test_95_a_change_of_values_binds_the_same_token_from_the_next_call(platform, tenant, root):
    key = await tenant.create(root, editor("cs"))
    wanted = {"projectSlug": "my-blog", "identityId": key["identity"]["id"], "memberships": [editor("de")]}
    assert await tenant.change(root, CHANGE_MEMBER, **wanted) == {"ok": True, "error": None, "errors": []}
    assert seen(await platform.caller(key["token"])) == [{"language": ("de",)}]


async def test_96_the_id_of_a_key_is_not_that_of_its_identity(platform, tenant, root):
    key = await tenant.create(root, editor("cs"))
    wanted = {"projectSlug": "my-blog", "identityId": key["id"]}
    assert await tenant.code(root, ADD_MEMBER, **wanted, memberships=[VIEWER]) == "IDENTITY_NOT_FOUND"
    assert await tenant.code(root, CHANGE_MEMBER, **wanted, memberships=[VIEWER]) == "NOT_MEMBER"
    assert await tenant.code(root, REMOVE_MEMBER, **wanted) == "NOT_MEMBER"
    assert seen(await platform.caller(key["token"])) == [{"language": ("cs",)}]


async def test_97_a_key_whose_membership_is_gone_still_says_who_it_is(platform, tenant, root):
    key = await tenant.create(root, editor("cs"))
    wanted = {"projectSlug": "my-blog", "identityId": key["identity"]["id"]}
    assert await tenant.change(root, REMOVE_MEMBER, **wanted) == {"ok": True, "error": None}
    caller = await platform.caller(key["token"])
    assert seen(caller) == []
    assert (await tenant.data(caller, ME))["me"]["projects"] == []
    assert await tenant.code(root, REMOVE_MEMBER, **wanted) == "NOT_MEMBER"


async def test_98_another_project_and_a_missing_one_are_the_same_to_a_key(platform, tenant, root):
    key = await platform.caller((await tenant.create(root, editor("cs")))["token"])
    boss = await platform.caller((await tenant.create(root, ADMIN))["token"])
    query = "query($slug: String!) { projectBySlug(slug: $slug) { slug apiKeys { id } members { identity { id } } } }"
    member = {"identityId": key.identity.id}
    for actor in (key, boss):
        for document, more in (
            (query, {}),
            (CREATE, {"description": "x", "memberships": [VIEWER]}),
            (ADD_MEMBER, member | {"memberships": [VIEWER]}),
            (CHANGE_MEMBER, member | {"memberships": [VIEWER]}),
            (REMOVE_MEMBER, member),
        ):
            name = "slug" if document is query else "projectSlug"
            other, elsewhere, missing = [
                await tenant.ask(actor, document, **more | {name: slug}) for slug in ("shop", "elsewhere", "nope")
            ]
            assert other == elsewhere == missing
        assert (await tenant.ask(actor, query, slug="shop")).body == {"data": {"projectBySlug": None}}


def _reading(**equals: Any) -> ProjectRole:
    reading: dict[str, Any] = {"effect": "ALLOW", "actions": [READ_GRAPH], "resources": ["*"]}
    return ProjectRole((reading | ({"condition": {"stringEquals": equals}} if equals else {}),))


def _edited(**roles: ProjectRole) -> dict[str, Project]:
    return {"my-blog": Project("my-blog", "acme", "My blog", roles)}


@pytest.mark.parametrize(
    "projects",
    [
        pytest.param(_edited(editor=_reading(language="de")), id="the variable is gone"),
        pytest.param(_edited(viewer=_reading()), id="the role is gone"),
        pytest.param({}, id="the project is gone"),
        pytest.param({"my-blog": Project("my-blog", "globex", "", {})}, id="the project is somebody else's"),
    ],
)
async def test_99_what_the_configuration_no_longer_has_gives_nothing(platform, tenant, root, projects):
    key = await tenant.create(root, editor("cs"))
    assert seen(await platform.caller(key["token"])) == [{"language": ("cs",)}]
    async with open_store(StoreOptions(platform.path), projects=projects) as store:
        found = await store.resolver.find(digest(key["token"]))
        assert isinstance(found, Principal)
        assert found.policy.statements == ()


async def test_the_life_of_a_membership(platform, tenant, root):
    """As Contember's own tests have it: none, added, added again, changed, taken away."""
    key = await tenant.create(root)
    wanted = {"projectSlug": "my-blog", "identityId": key["identity"]["id"]}

    async def roles() -> list[str]:
        me = (await tenant.data(await platform.caller(key["token"]), ME))["me"]
        return [membership["role"] for project in me["projects"] for membership in project["memberships"]]

    assert await roles() == []
    for document in (CHANGE_MEMBER, REMOVE_MEMBER):
        more = {} if document is REMOVE_MEMBER else {"memberships": [VIEWER]}
        payload = await tenant.change(root, document, **wanted, **more)
        assert (payload["error"]["code"], payload["error"]["developerMessage"]) == (
            "NOT_MEMBER",
            "Not a project member",
        )
    done = {"ok": True, "error": None, "errors": []}
    assert await tenant.change(root, ADD_MEMBER, **wanted, memberships=[VIEWER]) == done
    assert await roles() == ["viewer"]
    again = await tenant.change(root, ADD_MEMBER, **wanted, memberships=[VIEWER])
    assert again["error"]["code"] == "ALREADY_MEMBER"
    assert again["error"]["developerMessage"].startswith("This identity is already a project member.")
    assert await tenant.change(root, CHANGE_MEMBER, **wanted, memberships=[editor("cs")]) == done
    assert await roles() == ["editor"]
    assert await tenant.change(root, REMOVE_MEMBER, **wanted) == {"ok": True, "error": None}
    assert await roles() == []


async def test_a_member_cannot_be_given_what_no_key_could_have(platform, tenant, root):
    key = await tenant.create(root, editor("cs"))
    wanted = {"projectSlug": "my-blog", "identityId": key["identity"]["id"]}
    payload = await tenant.change(root, CHANGE_MEMBER, **wanted, memberships=[editor()])
    assert payload["error"]["membershipValidation"] == [
        {"code": "VARIABLE_EMPTY", "role": "editor", "variable": "language"}
    ]
    assert seen(await platform.caller(key["token"])) == [{"language": ("cs",)}]


MANAGING = {
    ADD_MEMBER: "You are not allowed to add a project member",
    CHANGE_MEMBER: "You are not allowed to update project member variables",
    REMOVE_MEMBER: "You are not allowed to remove a project member",
}


@pytest.mark.parametrize("document", MANAGING)
async def test_who_may_not_manage_members_is_told_in_contembers_words(platform, tenant, root, user, document):
    key = await tenant.create(root, editor("cs"))
    wanted = {"projectSlug": "my-blog", "identityId": key["identity"]["id"]}
    more = {} if document == REMOVE_MEMBER else {"memberships": [VIEWER]}
    for actor in (user, await platform.caller(key["token"])):
        error = await tenant.error(actor, document, **wanted, **more)
        assert (error["message"], error["extensions"]["code"]) == (MANAGING[document], "ForbiddenError")
    assert seen(await platform.caller(key["token"])) == [{"language": ("cs",)}]


class TestAnAdministratorOfLittle:
    """One whose own role in the project shows what is in one language."""

    @pytest.fixture
    def options(self, options):
        blog = options.projects["my-blog"]
        narrow = _reading(language="cs")
        mine = replace(_reading(owner={"variable": "me"}), variables={"me": Variable(predefined=Predefined.PERSON)})
        roles = {**blog.roles, "admin": narrow, "owner": mine}
        return replace(options, projects={"my-blog": replace(blog, roles=roles)})

    async def test_nobody_gives_more_than_they_have(self, platform, tenant, root):
        boss = await platform.caller((await tenant.create(root, ADMIN))["token"])
        assert (await tenant.create(boss, editor("cs")))["token"]
        error = await tenant.error(boss, CREATE, **NEW, memberships=[editor("de")])
        assert error["message"] == "You are not allowed to create an API key for this project"
        assert "more than you have" in error["extensions"]["detail"]

    async def test_nor_to_a_person_what_depends_on_who_they_are(self, platform, tenant, root, user):
        boss = await platform.caller((await tenant.create(root, ADMIN))["token"])
        wanted = {"projectSlug": "my-blog", "identityId": user.identity.id}
        mine = {"role": "owner", "variables": []}
        error = await tenant.error(boss, ADD_MEMBER, **wanted, memberships=[mine])
        assert "more than you have" in error["extensions"]["detail"]
        assert (await tenant.change(boss, ADD_MEMBER, **wanted, memberships=[editor("cs")]))["ok"] is True
        assert (await tenant.change(root, CHANGE_MEMBER, **wanted, memberships=[mine]))["ok"] is True


async def test_an_identity_of_another_organization_is_no_member_to_be(platform, tenant, root, stranger):
    wanted = {"projectSlug": "my-blog", "identityId": stranger.identity.id, "memberships": [VIEWER]}
    assert await tenant.code(root, ADD_MEMBER, **wanted) == "IDENTITY_NOT_FOUND"
    assert await tenant.code(root, ADD_MEMBER, **wanted | {"projectSlug": "nope"}) == "PROJECT_NOT_FOUND"
    assert (await platform.desk.grants.identity(root, stranger.identity.id)).memberships == ()
