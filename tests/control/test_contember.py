"""The Contember face as a protocol: shapes, statuses, limits, and what it tells of identities, people and projects."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from graphql import build_client_schema, build_schema, get_introspection_query, parse, validate, validate_schema

import contember_calls
from contember_calls import (
    CREATE,
    DISABLE,
    GLOBAL_KEYS,
    ME,
    MEMBERS,
    MEMBERSHIPS,
    PROJECT_KEYS,
    ROLES,
    VIEWER,
    Tenant,
    editor,
)
from gateway import answers
from gateway.control import Contember, NewKey, TokenOptions
from gateway.control.contember.resolvers import iso
from gateway.control.contember.schema import SCHEMA
from gateway.control.graphql_execution import DocumentLimits
from gateway.http1 import Reason, Refusal
from gateway.keys import Membership, Predefined, Project, ProjectRole, Variable
from gateway.stores.base import StoreUnavailable
from gateway.stores.values import KeyUse

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.fixture
def tenant(platform) -> Tenant:
    return Tenant(Contember(platform.desk))


# --- outside GraphQL ----------------------------------------------------------------------------------------------


def refused(reason: Reason, message: str):
    reply = answers.refused(Refusal(reason, message), "call-1", "/tenant")
    return reply.status, reply.body


def test_without_a_key_the_answer_is_that_of_contembers_server():
    body = b'{"errors":[{"code":401,"message":"Authentication required"}]}'
    assert refused(Reason.NO_CREDENTIAL, "send an API key") == (401, body)


def test_every_unusable_key_gets_the_same_bytes():
    body = b'{"errors":[{"code":401,"message":"Authorization failure: the API key is not valid"}]}'
    assert refused(Reason.INVALID_KEY, "unknown") == refused(Reason.INVALID_KEY, "revoked yesterday") == (401, body)


def test_other_refusals_have_the_shape_of_contembers_server():
    status, body = refused(Reason.TOO_LARGE, "at most 5 bytes")
    assert (status, json.loads(body)) == (413, {"errors": [{"code": 413, "message": "at most 5 bytes"}]})


# --- requests -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"{}", b"[]", b'""', b'{"query": ""}', b'{"query": null}', b'{"variables": {}}'])
async def test_a_request_without_a_query_is_told_so(tenant, root, body):
    answer = await tenant.send(root, body)
    assert (answer.status, answer.body) == (400, {"errors": [{"message": "Missing request query"}]})
    assert answer.reason is Reason.MALFORMED_BODY


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"query": "{me{id}}", "query": "{projects{id}}"}',
        b'{"query": "{me{id}}", "variables": []}',
        b'{"query": "{me{id}}", "operationName": 1}',
        b'{"query": "{me{"}',
        b'{"query": "{me{secret}}"}',
        b'{"query": "query($a: Nope) {me{id}}"}',
        b'{"query": "query($id: String!) { projectBySlug(slug: $id) {id} }"}',
        b'{"query": "subscription { me }"}',
    ],
)
async def test_what_cannot_be_executed_is_a_400_that_says_why(tenant, root, body):
    answer = await tenant.send(root, body)
    assert (answer.status, answer.reason) == (400, Reason.MALFORMED_BODY)
    assert "data" not in answer.body
    assert all(error["message"] for error in answer.body["errors"])


async def test_the_operation_is_chosen_by_name(tenant, root):
    both = "query A { me { id } } query B { projects { slug } }"
    chosen = await tenant.send(root, json.dumps({"query": both, "operationName": "B"}).encode())
    assert chosen.body == {"data": {"projects": [{"slug": "elsewhere"}, {"slug": "my-blog"}, {"slug": "shop"}]}}
    for name in ("C", None):
        answer = await tenant.send(root, json.dumps({"query": both, "operationName": name}).encode())
        assert (answer.status, answer.body) == (400, {"errors": [{"message": "Must provide an operation."}]})


async def test_clients_find_the_schema_by_introspection(tenant, root):
    found = build_client_schema(await tenant.data(root, get_introspection_query(input_value_deprecation=True)))
    assert validate_schema(found) == []
    documents = [text for name, text in vars(contember_calls).items() if name.isupper() and isinstance(text, str)]
    assert len(documents) > 20
    for text in documents:
        if not text.startswith(("mutation", "query")):
            continue
        assert validate(found, parse(text)) == []


def test_the_schema_is_valid():
    assert validate_schema(build_schema(SCHEMA)) == []


# --- limits -------------------------------------------------------------------------------------------------------

DEEP = "{me{" + "apiKey{identity{" * 12 + "id" + "}}" * 12 + "}}"
WIDE = "{" + " ".join(f"a{number}: me {{ id }}" for number in range(51)) + "}"
MANY = "{ me {" + " ".join(f"a{number}: id" for number in range(501)) + "} }"
LONG = "{ me { " + "id " * 2000 + "} }"
REPEATED = "{ ...A } fragment A on Query { ...B ...B } " + " ".join(
    f"fragment {a} on Query {{ ...{b} ...{b} }}" for a, b in zip("BCDEFGHIJKLMNOPQR", "CDEFGHIJKLMNOPQRS", strict=True)
)


@pytest.mark.parametrize(
    "query",
    [
        DEEP,
        WIDE,
        MANY,
        LONG,
        REPEATED + " fragment S on Query { me { id } }",
        REPEATED,
        REPEATED + " fragment S on Query { ...A }",
        "{" + "me{" * 900 + "id" + "}" * 900 + "}",
        "{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }",
    ],
)
async def test_a_document_is_bounded_however_it_is_written(tenant, root, query):
    answer = await tenant.ask(root, query)
    assert (answer.status, answer.reason) == (400, Reason.MALFORMED_BODY)


async def test_each_limit_on_documents_holds_exactly(platform, root):
    tenant = Tenant(Contember(platform.desk, DocumentLimits(tokens=16, fields=4, depth=3, roots=2)))
    inside = ["{ me { id roles } }", "{ me { apiKey { id } } }", "{ a: me { id } b: me { id } }"]
    beyond = [
        "{ me { a: id b: id c: id d: id } }",
        "{ me { apiKey { identity { id } } } }",
        "{ ...on Query { a: __typename } b: __typename c: __typename }",
    ]
    assert [(await tenant.ask(root, query)).status for query in inside + beyond] == [200] * 3 + [400] * 3


async def test_an_answer_is_bounded_by_what_is_selected_of_all_items(platform, tenant, root, monkeypatch):
    for _ in range(5):
        await tenant.create(root, VIEWER)
    wanted = '{ projectBySlug(slug: "my-blog") { apiKeys { id description identity { id } } } }'
    monkeypatch.setattr("gateway.control.contember.reading._VALUES", 20)
    assert (await tenant.ask(root, wanted)).status == 200
    monkeypatch.setattr("gateway.control.contember.reading._VALUES", 19)
    answer = await tenant.ask(root, wanted)
    assert answer.body["data"] == {"projectBySlug": None}
    assert answer.body["errors"][0]["extensions"]["code"] == "UserInputError"


async def test_lists_in_lists_cannot_multiply(platform, tenant, root, monkeypatch):
    for _ in range(10):
        await tenant.create(root, VIEWER)
    monkeypatch.setattr("gateway.control.contember.reading._VALUES", 150)
    looked_at, knows = [], platform.desk.grants.knows
    monkeypatch.setattr(platform.desk.grants, "knows", lambda *given: looked_at.append(1) or knows(*given))
    below = "members { identity { projects { project { members { identity { id } } } } } }"
    answer = await tenant.ask(root, f'{{ projectBySlug(slug: "my-blog") {{ {below} }} }}')
    assert {error["extensions"]["code"] for error in answer.body["errors"]} == {"UserInputError"}
    assert 10 <= len(looked_at) <= 50


async def test_look_ups_of_one_request_are_bounded(platform, tenant, root, monkeypatch):
    wanted = " ".join(
        f'a{number}: projectMemberships(projectSlug: "p{number}", identityId: "x") {{ role }}' for number in range(4)
    )
    monkeypatch.setattr("gateway.control.contember.reading._LOOKUPS", 3)
    answer = await tenant.ask(root, "{" + wanted + "}")
    assert (answer.status, answer.body["data"]) == (400, None)
    assert {error["extensions"]["code"] for error in answer.body["errors"]} == {"UserInputError"}


async def test_listings_are_whole_however_many_pages_they_take(platform, tenant, root, monkeypatch):
    monkeypatch.setattr("gateway.control.contember.reading._PAGE", 2)
    made = [await tenant.create(root, VIEWER) for _ in range(5)]
    found = await tenant.data(root, PROJECT_KEYS, projectSlug="my-blog")
    assert {key["id"] for key in found["projectBySlug"]["apiKeys"]} == {key["id"] for key in made}


# --- a store that is away -----------------------------------------------------------------------------------------


async def test_a_store_that_is_away_is_never_a_refusal(platform, tenant, root, monkeypatch):
    def away(*_args, **_more):
        raise StoreUnavailable

    monkeypatch.setattr(platform.store.registry, "change", away)
    monkeypatch.setattr(platform.store.registry, "keys", away)
    changed = await tenant.ask(root, DISABLE, id="x")
    listed = await tenant.ask(root, GLOBAL_KEYS)
    assert [(each.status, each.reason) for each in (changed, listed)] == [(503, Reason.STORE_UNAVAILABLE)] * 2
    assert changed.body["data"] == {"mutation": None}
    assert listed.body["data"] is None
    assert changed.body["errors"][0]["extensions"]["code"] == "ServiceUnavailable"


async def test_what_was_done_before_the_store_went_away_is_told(platform, tenant, root, monkeypatch):
    key = await tenant.create(root, VIEWER)
    real = platform.store.registry.change

    def once():
        monkeypatch.setattr(platform.store.registry, "change", away)
        return real()

    def away():
        raise StoreUnavailable

    monkeypatch.setattr(platform.store.registry, "change", once)
    query = "mutation($id: String!) { a: disableApiKey(id: $id) { ok } b: disableApiKey(id: $id) { ok } }"
    answer = await tenant.ask(root, query, id=key["id"])
    assert (answer.status, answer.body["data"]) == (200, {"a": {"ok": True}, "b": None})


async def test_a_store_that_is_away_is_asked_once_for_a_document(platform, tenant, root, monkeypatch):
    asked = []

    def away(*_args, **_more):
        asked.append(1)
        raise StoreUnavailable

    monkeypatch.setattr(platform.store.registry, "change", away)
    monkeypatch.setattr(platform.store.registry, "identity", away)
    changes = " ".join(f'a{number}: disableApiKey(id: "x") {{ ok }}' for number in range(10))
    reads = " ".join(
        f'a{number}: projectMemberships(projectSlug: "{slug}", identityId: "x") {{ role }}'
        for number, slug in enumerate(("my-blog", "shop", "elsewhere"))
    )
    for query in ("mutation {" + changes + "}", "{" + reads + "}"):
        asked.clear()
        assert (await tenant.ask(root, query)).status == 503
        assert len(asked) == 1


async def test_a_fault_of_ours_is_told_without_its_words(platform, tenant, root, monkeypatch, caplog):
    async def broken(*_args, **_more):
        raise RuntimeError("/srv/secret")

    monkeypatch.setattr(platform.store.registry, "keys", broken)
    answer = await tenant.ask(root, GLOBAL_KEYS)
    assert (answer.status, answer.reason) == (500, Reason.INTERNAL)
    assert answer.body == {"data": None, "errors": [{"message": "Internal server error"}]}
    assert "call-1" in caplog.text


async def test_a_refusal_is_noted_for_the_decision_log(tenant, root, user):
    assert (await tenant.ask(root, DISABLE, id="nope")).reason is Reason.UNKNOWN_KEY
    forbidden = await tenant.ask(user, CREATE, projectSlug="my-blog", description="x", memberships=[])
    assert (forbidden.status, forbidden.reason) == (200, Reason.NOT_ALLOWED)
    assert (await tenant.ask(user, ME)).reason is None


# --- identities and people ----------------------------------------------------------------------------------------


async def test_a_person_is_told_who_they_are(tenant, root, user):
    me = (await tenant.data(root, ME))["me"]
    person = {"id": root.identity.user, "email": "pat@example.com", "name": None}
    assert me == {
        "id": root.identity.id,
        "description": None,
        "roles": [],
        "person": person | {"otpEnabled": False, "emailOtpEnabled": False},
        "projects": [],
        "permissions": {"canCreateProject": False, "canDeployEntrypoint": False},
    }
    assert (await tenant.data(user, ME))["me"]["person"]["email"] == "uli@example.com"


async def test_whatever_key_calls_me_answers(platform, tenant, admin):
    tokens = platform.tokens
    policy = '{"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]}'
    account = await tokens.create_account_key(admin, NewKey("account", policy=policy))
    integration = await tokens.create_integration_key(admin, NewKey("integration"), instance="github-1")
    organization = await tokens.create_organization_key(admin, NewKey("organization"))
    for issued in (account, integration, organization):
        caller = await platform.caller(issued)
        found = (await tenant.data(caller, "{ me { id person { id } roles apiKey { id type expiresAt } } }"))["me"]
        key = {"id": issued.key.id, "type": "PERMANENT", "expiresAt": iso(issued.key.expires_at)}
        assert found == {"id": caller.identity.id, "person": None, "roles": [], "apiKey": key}


async def test_a_member_is_told_of_as_far_as_the_caller_may_know(platform, tenant, root, admin, user):
    await platform.desk.grants.add_member(admin, "my-blog", user.identity.id, [Membership("my-blog", "viewer")])
    key = await tenant.create(root, editor("cs"), description="ingest")
    boss = await platform.caller((await tenant.create(root, contember_calls.ADMIN))["token"])

    def by_id(found):
        return {each["identity"]["id"]: each for each in found["projectBySlug"]["members"]}

    seen = by_id(await tenant.data(admin, MEMBERS, projectSlug="my-blog"))
    assert set(seen) == {user.identity.id, key["identity"]["id"], boss.identity.id}
    assert seen[user.identity.id]["identity"]["person"]["email"] == "uli@example.com"
    assert seen[user.identity.id]["identity"]["apiKey"] is None
    assert seen[key["identity"]["id"]] == {
        "identity": {
            "id": key["identity"]["id"],
            "description": "ingest",
            "roles": [],
            "person": None,
            "apiKey": {"id": key["id"]},
        },
        "memberships": [editor("cs")],
    }
    of_boss = by_id(await tenant.data(boss, MEMBERS, projectSlug="my-blog"))
    assert set(of_boss) == set(seen)
    assert of_boss[user.identity.id]["identity"]["roles"] is None
    assert of_boss[user.identity.id]["identity"]["person"] is None
    assert of_boss[key["identity"]["id"]]["identity"]["apiKey"] == {"id": key["id"]}
    simple = await platform.caller(key["token"])
    assert await tenant.data(simple, MEMBERS, projectSlug="my-blog") == {"projectBySlug": {"members": []}}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (None, {"user", "one", "two"}),
        ({"filter": {"memberType": "PERSON"}}, {"user"}),
        ({"filter": {"memberType": "API_KEY"}}, {"one", "two"}),
        ({"filter": {"email": ["ULI@example.com", "x@example.com"]}}, {"user"}),
        ({"filter": {"email": []}}, set()),
        ({"limit": 0}, set()),
        ({"offset": 3}, set()),
        ({"filter": {"memberType": "PERSON"}, "limit": 5, "offset": 0}, {"user"}),
    ],
)
async def test_members_are_narrowed_as_asked(platform, tenant, root, admin, user, wanted, found):
    await platform.desk.grants.add_member(admin, "my-blog", user.identity.id, [Membership("my-blog", "viewer")])
    ids = {user.identity.id: "user"}
    for name in ("one", "two"):
        ids[(await tenant.create(root, VIEWER))["identity"]["id"]] = name
    data = await tenant.data(root, MEMBERS, projectSlug="my-blog", membersInput=wanted)
    assert {ids[each["identity"]["id"]] for each in data["projectBySlug"]["members"]} == found


async def test_members_come_in_pages(platform, tenant, root):
    made = {(await tenant.create(root, VIEWER))["identity"]["id"] for _ in range(5)}
    pages = []
    for offset in (0, 2, 4):
        page = await tenant.data(root, MEMBERS, projectSlug="my-blog", membersInput={"limit": 2, "offset": offset})
        pages.append([each["identity"]["id"] for each in page["projectBySlug"]["members"]])
    assert [len(page) for page in pages] == [2, 2, 1]
    assert {each for page in pages for each in page} == made


async def test_members_by_identity_and_by_person(platform, tenant, root, admin, user):
    await platform.desk.grants.add_member(admin, "my-blog", user.identity.id, [Membership("my-blog", "viewer")])
    key = await tenant.create(root, VIEWER)
    for wanted, found in (
        ({"identityId": [key["identity"]["id"], "x"]}, key["identity"]["id"]),
        ({"personId": [user.identity.user]}, user.identity.id),
    ):
        data = await tenant.data(root, MEMBERS, projectSlug="my-blog", membersInput={"filter": wanted})
        assert [each["identity"]["id"] for each in data["projectBySlug"]["members"]] == [found]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("input: {filter: {memberType: API_KEY, email: []}}", "Cannot use email filter for ApiKey member type."),
        ("input: {filter: {memberType: API_KEY, personId: []}}", "Cannot use personId  filter for ApiKey member type."),
        ("input: {}, memberType: PERSON", "Cannot use both deprecated memberType parameter and new input parameter"),
        ("input: {limit: -1}", "`limit` and `offset` of members cannot be negative"),
        ("input: {offset: -1}", "`limit` and `offset` of members cannot be negative"),
    ],
)
async def test_filters_that_make_no_sense_are_refused(tenant, root, arguments, message):
    answer = await tenant.ask(
        root, f'{{ projectBySlug(slug: "my-blog") {{ members({arguments}) {{ identity {{ id }} }} }} }}'
    )
    assert answer.status == 200
    (error,) = answer.body["errors"]
    assert (error["message"], error["extensions"]["code"]) == (message, "UserInputError")
    assert answer.body["data"] == {"projectBySlug": None}


async def test_the_old_way_to_name_the_type_of_members_works(tenant, root):
    await tenant.create(root, VIEWER)
    for kind, number in (("PERSON", 0), ("API_KEY", 1)):
        data = await tenant.data(
            root, f'{{ projectBySlug(slug: "my-blog") {{ members(memberType: {kind}) {{ identity {{ id }} }} }} }}'
        )
        assert len(data["projectBySlug"]["members"]) == number


async def test_memberships_of_an_identity(platform, tenant, root, stranger):
    key = await tenant.create(root, editor("cs"), VIEWER)
    wanted = {"projectSlug": "my-blog", "identityId": key["identity"]["id"]}
    both = {"projectMemberships": [editor("cs"), VIEWER]}
    assert await tenant.data(root, MEMBERSHIPS, **wanted) == both
    assert await tenant.data(await platform.caller(key["token"]), MEMBERSHIPS, **wanted) == both
    nothing = {"projectMemberships": []}
    assert await tenant.data(stranger, MEMBERSHIPS, **wanted) == nothing
    for other in ({"projectSlug": "shop"}, {"projectSlug": "nope"}, {"identityId": key["id"]}, {"identityId": "'"}):
        assert await tenant.data(root, MEMBERSHIPS, **wanted | other) == nothing


async def test_a_person_who_left_the_organization_is_no_member_of_its_projects(platform, tenant, root, admin, user):
    person = user.identity
    await platform.desk.grants.add_member(admin, "my-blog", person.id, [Membership("my-blog", "viewer")])
    await platform.desk.people.remove_member(admin, person.user, organization="acme")
    assert await tenant.data(root, MEMBERS, projectSlug="my-blog") == {"projectBySlug": {"members": []}}
    wanted = {"projectSlug": "my-blog", "identityId": person.id}
    assert await tenant.code(root, contember_calls.REMOVE_MEMBER, **wanted) == "NOT_MEMBER"


async def test_somebody_elses_memberships_are_told_where_the_caller_sees_members(platform, tenant, root):
    shared = await tenant.create(root, VIEWER)
    identity = shared["identity"]["id"]
    clerk = {"role": "clerk", "variables": [{"name": "shop", "values": ["1"]}]}
    await tenant.change(root, contember_calls.ADD_MEMBER, projectSlug="shop", identityId=identity, memberships=[clerk])
    boss = await tenant.create(root, contember_calls.ADMIN)
    await tenant.change(
        root, contember_calls.ADD_MEMBER, projectSlug="shop", identityId=boss["identity"]["id"], memberships=[clerk]
    )
    query = """{ projectBySlug(slug: "my-blog") { apiKeys { identity { id projects { project { slug } } } } } }"""

    async def projects(actor):
        found = (await tenant.data(actor, query))["projectBySlug"]["apiKeys"]
        (its,) = [each["identity"] for each in found if each["identity"]["id"] == identity]
        return [each["project"]["slug"] for each in its["projects"]]

    assert await projects(root) == ["my-blog", "shop"]
    assert await projects(await platform.caller(boss["token"])) == ["my-blog"]


# --- keys and projects --------------------------------------------------------------------------------------------


async def test_a_key_is_listed_with_all_but_its_secret(platform, tenant, root):
    key = await tenant.create(root, editor("cs"), description="ingest")
    used = platform.clock.now + 5
    await platform.store.registry.note_uses({key["id"]: KeyUse(used_at=used)})
    (found,) = (await tenant.data(root, PROJECT_KEYS, projectSlug="my-blog"))["projectBySlug"]["apiKeys"]
    project = {"id": "my-blog", "name": "My blog", "slug": "my-blog", "config": {}}
    assert found == {
        "id": key["id"],
        "description": "ingest",
        "type": "PERMANENT",
        "enabled": True,
        "createdAt": "2023-11-14T22:13:20.000Z",
        "lastUsedAt": "2023-11-14T22:13:20.005Z",
        "expiresAt": None,
        "identity": {
            "id": key["identity"]["id"],
            "description": "ingest",
            "roles": [],
            "projects": [{"project": project, "memberships": [editor("cs")]}],
        },
    }


async def test_listings_are_empty_for_who_may_not_see(platform, tenant, root, admin, stranger, user):
    await tenant.create(root, VIEWER)
    await tenant.create_global(root, "monitor")
    key = await platform.caller((await tenant.create(root, VIEWER))["token"])
    for actor, number in ((root, 2), (admin, 2), (key, 0)):
        data = await tenant.data(actor, PROJECT_KEYS, projectSlug="my-blog")
        assert len(data["projectBySlug"]["apiKeys"]) == number
    for actor in (stranger, user):
        assert await tenant.data(actor, PROJECT_KEYS, projectSlug="my-blog") == {"projectBySlug": None}
    for actor in (admin, stranger, user, key):
        assert await tenant.data(actor, GLOBAL_KEYS) == {"globalApiKeys": []}


async def test_a_monitor_sees_everything_and_changes_nothing(platform, tenant, root):
    key = await tenant.create(root, VIEWER)
    monitor = await platform.caller((await tenant.create_global(root, "monitor"))["token"])
    assert len((await tenant.data(monitor, GLOBAL_KEYS))["globalApiKeys"]) == 1
    data = await tenant.data(monitor, PROJECT_KEYS, projectSlug="my-blog")
    assert [each["id"] for each in data["projectBySlug"]["apiKeys"]] == [key["id"]]
    error = await tenant.error(monitor, DISABLE, id=key["id"])
    assert error["message"] == "You are not allowed to disable api key"
    assert error["extensions"]["code"] == "ForbiddenError"
    assert (await platform.caller(key["token"])).key_id == key["id"]


async def test_a_key_of_no_project_any_more_is_listed_with_the_global_ones(platform, tenant, root):
    key = await tenant.create(root)
    kept = await tenant.create(root, VIEWER)
    world = await tenant.create_global(root, "login")
    found = (await tenant.data(root, GLOBAL_KEYS))["globalApiKeys"]
    assert {each["id"] for each in found} == {key["id"], world["id"]}
    assert kept["id"] not in {each["id"] for each in found}


async def test_each_sees_the_projects_that_are_theirs(platform, tenant, root, admin, stranger, user):
    key = await platform.caller((await tenant.create(root, VIEWER))["token"])
    everyone = ((root, ["elsewhere", "my-blog", "shop"]), (admin, ["my-blog", "shop"]))
    for actor, slugs in (*everyone, (stranger, ["elsewhere"]), (user, []), (key, ["my-blog"])):
        data = await tenant.data(actor, "{ projects { id slug name secrets { key } } }")
        assert [each["slug"] for each in data["projects"]] == slugs


WITH_VARIABLES = Project(
    "my-blog",
    "acme",
    "My blog",
    {
        "author": ProjectRole(
            (
                {
                    "effect": "ALLOW",
                    "actions": ["query:ReadGraphData"],
                    "resources": ["*"],
                    "condition": {"stringEquals": {"author": {"variable": "me"}, "language": {"variable": "language"}}},
                },
            ),
            {"me": Variable(predefined=Predefined.IDENTITY), "language": Variable(fallback=("cs",))},
        )
    },
)


class TestRolesWithVariables:
    @pytest.fixture
    def options(self) -> TokenOptions:
        return TokenOptions(projects={"my-blog": WITH_VARIABLES})

    async def test_roles_are_told_with_their_variables_and_the_built_in_one(self, tenant, root):
        data = await tenant.data(root, ROLES, slug="my-blog")
        me = {"__typename": "RolePredefinedVariableDefinition", "name": "me", "value": "identityID"}
        language = {"__typename": "RoleConditionVariableDefinition", "name": "language"}
        author = {"name": "author", "variables": [me, language]}
        assert data == {"projectBySlug": {"roles": [author, {"name": "admin", "variables": []}]}}

    async def test_87_a_predefined_variable_cannot_be_set(self, tenant, root):
        mine = {"role": "author", "variables": [{"name": "me", "values": ["somebody else"]}]}
        wanted = {"projectSlug": "my-blog", "description": "x", "memberships": [mine]}
        payload = await tenant.change(root, CREATE, **wanted)
        problem = {"code": "VARIABLE_NOT_FOUND", "role": "author", "variable": "me"}
        assert payload["error"]["membershipValidation"] == [problem]

    async def test_88_a_variable_with_a_fallback_need_not_be_given(self, tenant, root):
        assert (await tenant.create(root, {"role": "author", "variables": []}))["token"]


@pytest.mark.parametrize("milliseconds", [0, 1, 999, 1_000, 1_700_000_000_123, 253_402_300_799_999])
def test_times_are_written_as_javascript_writes_them(milliseconds):
    text = iso(milliseconds)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    seconds, rest = divmod(milliseconds, 1000)
    read = datetime.fromisoformat(text)
    assert (read.replace(microsecond=0) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() == seconds
    assert read.microsecond == rest * 1000


def test_no_time_and_one_beyond_the_calendar_are_null():
    assert iso(None) is iso(253_402_300_800_000) is None
