"""Numbers are those of the edge cases that the product was specified with."""

from __future__ import annotations

import json
import secrets
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from gateway.authz.outcome import GraphQLRequest
from gateway.control import NewKey, TokenOptions, desk_over
from gateway.control.jupiterone import GraphQLAnswer, JupiterOne
from gateway.keys import Principal, Role
from gateway.policy import Allowed, Refused, decide
from gateway.stores import StoreOptions, open_store

# The two calls of the JupiterOne documentation, "Creating User and Account API Keys", byte for byte.
CREATE = """mutation CreateToken($token: TokenInput!) {
  createToken(token: $token) {
    token
    id
    name
    category
    policy
    revoked
    createdAt
    expiresAt
    __typename
  }
}
"""
REVOKE = """mutation RevokeToken($id: String!) {
  revokeToken(id: $id) {
    token
    id
    name
    category
    policy
    revoked
    createdAt
    expiresAt
    __typename
  }
}
"""
TOKEN = json.loads(r"""{
        "name": "Token Name",
        "category": "tags",
        "policy": "{\n\t\"permissions\": [{\n\t\t\"effect\":\"ALLOW\",\n\t\t\"actions\":[ \"dashboard:View\" ],\n\t\t\"resources\": [ \"dashboard:123456\" ]\n\t}]\n}"
    }""")  # noqa: E501


@pytest.fixture
def face(platform) -> JupiterOne:
    return JupiterOne(platform.desk)


async def ask(face: JupiterOne, actor: Principal, query: str, **variables: Any) -> GraphQLAnswer:
    return await face.execute(GraphQLRequest(query, variables, None), actor, "call-1")


async def create(face: JupiterOne, actor: Principal, **changes: Any) -> dict[str, Any]:
    answer = await ask(face, actor, CREATE, token=TOKEN | changes)
    assert answer.status == 200
    return answer.body


async def revoke(face: JupiterOne, actor: Principal, key_id: str) -> dict[str, Any]:
    answer = await ask(face, actor, REVOKE, id=key_id)
    assert answer.status == 200
    return answer.body


def only_error(body: dict[str, Any]) -> dict[str, Any]:
    (error,) = body["errors"]
    return error


# --- the documented calls -----------------------------------------------------------------------------------------


async def test_26_the_documented_call_makes_a_key(platform, face, admin):
    body = await create(face, admin)
    assert set(body) == {"data"}
    token = body["data"]["createToken"]
    assert list(token) == [
        "token",
        "id",
        "name",
        "category",
        "policy",
        "revoked",
        "createdAt",
        "expiresAt",
        "__typename",
    ]
    assert (token["name"], token["category"], token["policy"]) == ("Token Name", "tags", TOKEN["policy"])
    assert "\n\t\t" in token["policy"]
    assert (token["revoked"], token["__typename"]) == (False, "IamToken")
    assert token["createdAt"] == platform.clock.now
    assert token["expiresAt"] > token["createdAt"]
    assert (await platform.caller(token["token"])).key_id == token["id"]


async def test_27_the_documented_key_views_its_dashboard_and_nothing_else(platform, face, admin):
    policy = (await platform.caller((await create(face, admin))["data"]["createToken"]["token"])).policy
    assert decide(policy, "dashboard:View", "dashboard:123456") == Allowed(("permissions[0]",))
    assert decide(policy, "dashboard:View", "dashboard:123457") == Refused(())
    assert decide(policy, "settings:GetSettings", "*") == Refused(())


async def test_129_the_documented_revocation_ends_the_key_and_shows_no_secret(platform, face, admin):
    created = (await create(face, admin))["data"]["createToken"]
    body = await revoke(face, admin, created["id"])
    assert body == {"data": {"revokeToken": created | {"token": None, "revoked": True}}}
    assert await revoke(face, admin, created["id"]) == body
    key = await platform.store.registry.key(created["id"])
    assert key is not None
    assert key.revoked_at == platform.clock.now


async def test_every_field_tells_the_truth(face, admin, user, platform):
    selection = "{ token id name category type accountId policy revoked createdAt expiresAt }"
    integration = await platform.tokens.create_integration_key(admin, NewKey("sync"), instance="github-1")
    for key_id, expected in {
        integration.key.id: {"type": "RESOURCE", "expiresAt": None, "name": "sync"},
        user.key_id: {"type": "USER_API", "expiresAt": user.expires_at, "name": "uli"},
    }.items():
        answer = await ask(face, admin, "mutation ($id: String!) { revokeToken(id: $id) " + selection + " }", id=key_id)
        assert answer.body["data"]["revokeToken"] == {
            "token": None,
            "id": key_id,
            "category": None,
            "accountId": "acme",
            "policy": None,
            "revoked": True,
            "createdAt": platform.clock.now,
            **expected,
        }


async def test_aliases_fragments_literals_and_several_operations_are_understood(face, admin):
    query = """
        fragment Parts on IamToken { name }
        mutation Other { revokeToken(id: "x") { id } }
        mutation Mine($skip: Boolean!) {
          one: createToken(token: {name: "one", policy: $policy}) { ...Parts }
          two: createToken(token: {name: "two", policy: $policy}) @skip(if: $skip) { ...Parts }
        }
    """.replace("$policy", json.dumps(TOKEN["policy"]))
    answer = await face.execute(GraphQLRequest(query, {"skip": True}, "Mine"), admin)
    assert answer == GraphQLAnswer(200, {"data": {"one": {"name": "one"}}})


# --- refusals -----------------------------------------------------------------------------------------------------


async def test_8_a_plain_user_is_refused_and_told_whom_to_ask(face, user, platform):
    body = await create(face, user)
    assert body["data"] == {"createToken": None}
    error = only_error(body)
    assert error["extensions"] == {"code": "FORBIDDEN", "reason": "not_allowed", "requestId": "call-1"}
    assert error["path"] == ["createToken"]
    assert "contact a platform administrator" in error["message"]


async def test_22_a_key_for_everything_makes_and_revokes_no_keys(platform, face, admin):
    policy = '{"permissions":[{"effect":"ALLOW","actions":["*"],"resources":["*"]}]}'
    everything = await platform.caller((await create(face, admin, policy=policy))["data"]["createToken"]["token"])
    assert only_error(await create(face, everything))["extensions"]["code"] == "FORBIDDEN"
    assert only_error(await revoke(face, everything, admin.key_id))["extensions"]["code"] == "FORBIDDEN"
    key = await platform.store.registry.key(admin.key_id)
    assert key is not None
    assert key.revoked_at is None


async def test_130_a_foreign_key_and_no_key_get_the_same_answer(platform, face, admin, stranger):
    created = (await create(face, admin))["data"]["createToken"]
    foreign, missing, odd = [await revoke(face, stranger, key_id) for key_id in (created["id"], "<tokenId>", "\0'")]
    assert foreign == missing == odd
    assert foreign["data"] == {"revokeToken": None}
    await platform.caller(created["token"])


@pytest.mark.parametrize("changes", [{"policy": None}, "left out"])
async def test_38_a_missing_policy_has_a_code_of_its_own(face, admin, changes):
    token = {"name": "n"} if changes == "left out" else TOKEN | changes
    body = (await ask(face, admin, CREATE, token=token)).body
    assert only_error(body)["extensions"]["code"] == "POLICY_REQUIRED"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": ""}, "name of a key"),
        ({"name": None}, "name of a key"),
        ({"category": "\n"}, "category of a key"),
        ({"policy": ""}, "policy is refused"),
        ({"policy": "[]"}, "`permissions`"),
        ({"policy": TOKEN["policy"].replace("ALLOW", "allow")}, "permissions[0].effect"),
        ({"policy": TOKEN["policy"].replace('"effect"', '"effect": "DENY", "effect"')}, "`effect` occurs twice"),
    ],
)
async def test_39_bad_input_is_refused_with_what_is_wrong(platform, face, admin, changes, told):
    error = only_error(await create(face, admin, **changes))
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert told in error["message"]
    assert len(await platform.tokens.list_keys(admin, limit=100)) == 1


@pytest.mark.parametrize("as_variable", [True, False])
async def test_40_a_policy_that_is_an_object_does_not_fit_the_schema(platform, face, admin, as_variable):
    if as_variable:
        answer = await ask(face, admin, CREATE, token=TOKEN | {"policy": json.loads(TOKEN["policy"])})
    else:
        answer = await ask(
            face, admin, 'mutation { createToken(token: {name: "n", policy: {permissions: []}}) { id } }'
        )
    assert answer.status == 400
    assert "data" not in answer.body
    assert "String cannot represent a non string value" in only_error(answer.body)["message"]
    assert len(await platform.tokens.list_keys(admin, limit=100)) == 1


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("mutation {", "GRAPHQL_PARSE_FAILED"),
        ("", "GRAPHQL_PARSE_FAILED"),
        ("{" * 1_999, "GRAPHQL_PARSE_FAILED"),
        ("mutation {" + "createToken " * 2_000 + "}", "GRAPHQL_PARSE_FAILED"),
        ('mutation { revokeToken(id: "x") { hash } }', "GRAPHQL_VALIDATION_FAILED"),
        ('mutation { revokeToken(id: "x") }', "GRAPHQL_VALIDATION_FAILED"),
        ("mutation { revokeToken { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("mutation { deleteEverything }", "GRAPHQL_VALIDATION_FAILED"),
        ("mutation ($id: String!) { revokeToken(id: $id) { id } }", "BAD_USER_INPUT"),
        ('mutation A { revokeToken(id: "x") { id } } mutation B { revokeToken(id: "x") { id } }', "BAD_USER_INPUT"),
        ("query { createToken }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_what_does_not_fit_is_not_executed(face, admin, query, code):
    answer = await ask(face, admin, query)
    assert answer.status == 400
    assert set(answer.body) == {"errors"}
    assert {error["extensions"]["code"] for error in answer.body["errors"]} == {code}


async def test_an_error_of_one_field_does_not_take_the_secret_of_another(platform, face, admin):
    query = """mutation ($token: TokenInput!) {
      good: createToken(token: $token) { id token }
      bad: revokeToken(id: "nothing") { id }
      worse: createToken(token: {name: "no policy"}) { id }
    }"""
    answer = await ask(face, admin, query, token=TOKEN)
    assert answer.status == 200
    assert (answer.body["data"]["bad"], answer.body["data"]["worse"]) == (None, None)
    assert [error["path"] for error in answer.body["errors"]] == [["bad"], ["worse"]]
    await platform.caller(answer.body["data"]["good"]["token"])


@pytest.mark.parametrize("word", ["429", "not found", "Not Found", "does not exist", "Could not find"])
async def test_no_message_has_words_that_clients_act_on(face, admin, word):
    policy = TOKEN["policy"].replace('"effect"', f'"{word}": 1, "effect"')
    bodies = [
        await create(face, admin, policy=policy),
        await create(face, admin, policy="\n" * 428 + "x"),
        await revoke(face, admin, word),
        (await ask(face, admin, CREATE, token=TOKEN | {"policy": [word]})).body,
        (await ask(face, admin, CREATE, token=TOKEN | {word: "x"})).body,
        (await ask(face, admin, f'mutation {{ createToken(token: {{policy: ["{word}"]}}) {{ id }} }}')).body,
    ]
    messages = " ".join(error["message"] for body in bodies for error in body["errors"]).lower()
    for forbidden in ("429", "not found", "does not exist", "could not find"):
        assert forbidden not in messages
    assert "permissions[0]" in messages


# --- the store is away --------------------------------------------------------------------------------------------


async def test_141_a_locked_database_is_no_refusal_and_nothing_was_done(platform, admin):
    async with open_store(StoreOptions(platform.path, sql_wait=0.05)) as store:
        face = JupiterOne(desk_over(store.registry, TokenOptions(), platform.clock, secrets.token_bytes))
        with closing(sqlite3.connect(platform.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answer = await ask(face, admin, CREATE, token=TOKEN)
        assert answer.status == 503
        assert answer.body["data"] == {"createToken": None}
        error = only_error(answer.body)
        assert error["extensions"] | {"requestId": ""} == {
            "code": "SERVICE_UNAVAILABLE",
            "reason": "store_unavailable",
            "requestId": "",
        }
        assert (await ask(face, admin, CREATE, token=TOKEN)).status == 200
    assert len(await platform.tokens.list_keys(admin, limit=100)) == 2


async def test_a_fault_of_ours_is_logged_and_not_told(platform, admin, caplog):
    def broken(_count: int) -> bytes:
        raise OSError("the secret of the matter")

    face = JupiterOne(desk_over(platform.store.registry, TokenOptions(), platform.clock, broken))
    error = only_error(await create(face, admin))
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "secret of the matter" not in json.dumps(error)
    assert "secret of the matter" in caplog.text


async def test_the_platforms_administrator_revokes_in_every_organization(platform, face, stranger):
    root = await platform.user("pat", "acme", Role.PLATFORM_ADMIN)
    created = (await create(face, stranger))["data"]["createToken"]
    assert (await revoke(face, root, created["id"]))["data"]["revokeToken"]["revoked"] is True
