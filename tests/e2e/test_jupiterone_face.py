"""Keys and groups by `/graphql` over real sockets: a whole gateway in front of the sandbox, with a clock of the test's.

Numbers are those of the edge cases that the product was specified with.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from gateway import sandbox
from gateway.app import Gateway, World, serving
from gateway.control import NewKey, NewUser
from gateway.keys import DAY, CallLimits, Operator, Rate, Role
from gateway.settings import validated
from gateway.stores import IntegrationInstance, Organization, create

ACCOUNT = "acme"
INSTANCE = sandbox.INTEGRATION_INSTANCE
SIBLING = "b7a1c1de-1f04-4a56-9d53-2c1f6a1b8f10"
"""Another configuration, which the upstream knows too."""
JOBS = "/persister/synchronization/jobs"
START = 1_700_000_000_000

CREATE = "mutation ($token: TokenInput!) { createToken(token: $token) { id token createdAt expiresAt } }"
REVOKE = "mutation ($id: String!) { revokeToken(id: $id) { id revoked } }"
DASHBOARD = "query ($id: String!) { getDashboard(dashboardId: $id) { id } }"
SET_RATE = """mutation ($id: ID!, $seconds: Int!, $calls: Int!) {
  tokenRateLimits(tokenId: $id) {
    apiInvocationRateLimit {
      setRateLimitPolicy(rateLimitPolicy: { invocationWindowSeconds: $seconds, invocationCapacity: $calls })
    }
  }
}"""
ASK_RATES = """query ($id: ID!) {
  accountRateLimits {
    apiInvocationRateLimit { rateLimitPolicy { invocationCapacity } }
    tokenRateLimits(tokenId: $id) { apiInvocationRateLimit { rateLimitPolicy { invocationCapacity } } }
  }
}"""
ME = "{ iamGetCurrentUser { id apiKeyAccess } }"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def code(self) -> str | None:
        """Of the only error of a GraphQL answer, None for one without errors."""
        if "errors" not in self.body:
            return None
        (error,) = self.body["errors"]
        return error["extensions"]["code"]


@dataclass
class Installation:
    """A gateway that serves, the sandbox behind it, and secrets by name."""

    gateway: Gateway
    upstream: sandbox.Running
    clock: list[int]
    session: aiohttp.ClientSession
    admin: str = ""

    async def call(self, key: str, path: str, value: Any = None, *, method: str = "POST", **headers: str) -> Answer:
        sent = {"Authorization": f"Bearer {key}", **headers}
        body = None if value is None else json.dumps(value)
        if body is not None:
            sent["Content-Type"] = "application/json"
        async with self.session.request(method, self.gateway.data + path, data=body, headers=sent) as answer:
            return Answer(
                answer.status, {name.lower(): value for name, value in answer.headers.items()}, await answer.json()
            )

    async def ask(self, key: str, query: str, **variables: Any) -> Answer:
        return await self.call(key, "/graphql", {"query": query, "variables": variables})

    async def user(self, name: str, role: Role = Role.USER) -> str:
        """The secret of a key of a new user."""
        wanted = NewUser(f"{name}@acme.example", role)
        owner = await self.gateway.control.people.add_user(Operator(), wanted, organization=ACCOUNT)
        return (await self.gateway.control.tokens.create_user_key(Operator(), NewKey(name), owner=owner)).secret

    async def make(self, *permissions: dict[str, Any], **more: Any) -> dict[str, Any]:
        """What createToken tells of a new key."""
        token = {"name": "made", "policy": json.dumps({"permissions": permissions}), **more}
        answer = await self.ask(self.admin, CREATE, token=token)
        assert "errors" not in answer.body, answer.body
        return answer.body["data"]["createToken"]

    async def key(self, *permissions: dict[str, Any]) -> str:
        return (await self.make(*permissions))["token"]

    async def integration_key(self) -> dict[str, Any]:
        query = "mutation ($id: String!) { createIntegrationInstanceToken(id: $id) { tokenId token } }"
        answer = await self.ask(self.admin, query, id=INSTANCE)
        return answer.body["data"]["createIntegrationInstanceToken"]


def _settings(folder: Any, upstream: sandbox.Running) -> Any:
    binding = {"j1ql": f"{upstream.url}/j1ql", "graphql": f"{upstream.url}/graphql", "persister": upstream.url}
    binding |= {"account": ACCOUNT, "credential": upstream.options.credential}
    return validated(
        {
            "data": {"port": 0},
            "admin": {"port": 0},
            "ops": {"port": 0},
            "calibration": {"on": False},
            "secrets": {"identity": "i" * 32, "seal": "s" * 32},
            "store": {"sqlite": folder / "gateway.db"},
            "decision_log": {"file": folder / "decisions.jsonl"},
            "organizations": {ACCOUNT: {"upstream": binding}},
        }
    )


@pytest.fixture
async def there(tmp_path) -> AsyncIterator[Installation]:
    clock = [START]
    create(tmp_path / "gateway.db")
    async with (
        sandbox.running(sandbox.Options(account=ACCOUNT)) as upstream,
        serving(_settings(tmp_path, upstream), world=World(now=lambda: clock[0])) as gateway,
        aiohttp.ClientSession() as session,
    ):
        await gateway.control.logins.found(Organization(ACCOUNT, "Acme"), "first@acme.example")
        for instance in (INSTANCE, SIBLING):
            added = IntegrationInstance(instance, ACCOUNT, "an integration")
            await gateway.control.organizations.add_integration_instance(Operator(), added)
        made = Installation(gateway, upstream, clock, session)
        made.admin = await made.user("ann", Role.ORGANIZATION_ADMIN)
        yield made


def allow(action: str, resource: str = "*", **equals: str) -> dict[str, Any]:
    made: dict[str, Any] = {"effect": "ALLOW", "actions": [action], "resources": [resource]}
    return made | ({"condition": {"stringEquals": equals}} if equals else {})


def deny(action: str, resource: str = "*") -> dict[str, Any]:
    return {"effect": "DENY", "actions": [action], "resources": [resource]}


# --- account keys -------------------------------------------------------------------------------------------------


async def test_14_17_18_a_key_lives_until_its_very_millisecond_and_is_listed_and_revoked_after_it(there):
    made = await there.make(allow("dashboard:View"), expiresInDays=30)
    assert made["expiresAt"] - made["createdAt"] == 30 * 86_400_000
    statuses = []
    for moment in (made["expiresAt"] - 1, made["expiresAt"], made["expiresAt"] + 1):
        there.clock[0] = moment
        statuses.append((await there.ask(made["token"], DASHBOARD, id="123456")).status)
    assert statuses == [200, 401, 401]
    listed = (await there.ask(there.admin, "{ tokens { items { id expiresAt revoked } } }")).body["data"]["tokens"]
    assert {"id": made["id"], "expiresAt": made["expiresAt"], "revoked": False} in listed["items"]
    revoked = await there.ask(there.admin, REVOKE, id=made["id"])
    assert revoked.body == {"data": {"revokeToken": {"id": made["id"], "revoked": True}}}


async def test_19_21_who_may_revoke_ends_a_key_and_who_may_not_does_not(there):
    made = await there.make(allow("dashboard:View"))
    plain = await there.user("uli")
    assert (await there.ask(plain, REVOKE, id=made["id"])).code == "FORBIDDEN"
    assert (await there.ask(made["token"], DASHBOARD, id="123456")).status == 200

    own = (await there.ask(plain, "{ tokens { items { id type } } }")).body["data"]["tokens"]["items"]
    assert [each["type"] for each in own] == ["USER_API"]
    assert (await there.ask(there.admin, REVOKE, id=own[0]["id"])).code is None
    assert (await there.ask(plain, ME)).status == 401


async def test_22_a_key_for_everything_manages_neither_keys_nor_groups(there):
    everything = await there.key(allow("*"))
    before = (await there.ask(there.admin, "{ tokens { items { id type revoked } } }")).body
    users = next(each["id"] for each in before["data"]["tokens"]["items"] if each["type"] == "USER_API")
    for query in (
        'mutation { createToken(token: {name: "n", policy: "{}"}) { id } }',
        f'mutation {{ revokeToken(id: "{users}") {{ id }} }}',
        'mutation { createIamGroup(name: "g", abacPermissions: ["apiKeyUser"]) { id } }',
        f'mutation {{ createIntegrationInstanceToken(id: "{INSTANCE}") {{ token }} }}',
        'mutation { createCurrentUserToken(input: {name: "n", expiresAt: 1700086400000}) { id } }',
    ):
        assert (await there.ask(everything, query)).code == "FORBIDDEN", query
    assert (await there.ask(everything, "{ tokens { items { id } } }")).body["data"]["tokens"]["items"] == []
    assert (await there.ask(there.admin, "{ tokens { items { id type revoked } } }")).body == before


async def test_23_a_key_with_anothers_account_is_answered_as_with_one_that_there_is_not(there):
    await there.gateway.control.organizations.add_organization(Operator(), Organization("globex", "Globex"))
    key = await there.key(allow("*"))
    answers = []
    for account in ("globex", "nobodys"):
        for path, body in (("/j1ql", {"query": "FIND *"}), ("/graphql", {"query": "{ tokens { items { id } } }"})):
            answer = await there.call(key, path, body, **{"JupiterOne-Account": account})
            answers.append((answer.status, json.dumps(answer.body).replace(answer.headers["x-request-id"], "id")))
    assert answers[:2] == answers[2:]
    assert answers[0][0] == 403
    assert "wrong_account" in answers[0][1]
    assert "wrong_account" in answers[1][1]


async def test_a_rate_limit_is_set_and_told_to_its_key_from_the_next_call_on(there):
    made = await there.make(allow("dashboard:View"))
    none = {"rate": None, "quota": None, "concurrent": None}

    async def told():
        return (await there.call(made["token"], "/whoami", method="GET")).body["limits"]["calls"]

    assert await told() == {"key": none, "organization": none}
    assert (await there.ask(there.admin, SET_RATE, id=made["id"], seconds=60, calls=1000)).body == {
        "data": {"tokenRateLimits": {"apiInvocationRateLimit": {"setRateLimitPolicy": True}}}
    }
    of_key = none | {"rate": {"calls": 1000, "seconds": 60}}
    assert await told() == {"key": of_key, "organization": none}
    limits = CallLimits(Rate(2000, 60))
    await there.gateway.control.desk.limiting.set_organization_limits(Operator(), ACCOUNT, lambda _old: limits)
    assert await told() == {"key": of_key, "organization": none | {"rate": {"calls": 2000, "seconds": 60}}}
    asked = await there.ask(there.admin, ASK_RATES, id=made["id"])
    assert asked.body["data"]["accountRateLimits"] == {
        "apiInvocationRateLimit": {"rateLimitPolicy": {"invocationCapacity": 2000}},
        "tokenRateLimits": {"apiInvocationRateLimit": {"rateLimitPolicy": {"invocationCapacity": 1000}}},
    }
    before = len(there.upstream.received.calls)
    for key in (made["token"], await there.key(allow("*"))):  # whatever their policy
        assert (await there.ask(key, SET_RATE, id=made["id"], seconds=60, calls=5)).code == "FORBIDDEN"
    assert (await there.ask(there.admin, SET_RATE, id=made["id"], seconds=0, calls=5)).code == "BAD_USER_INPUT"
    assert (await told())["key"] == of_key
    assert len(there.upstream.received.calls) == before


async def test_24_a_shorter_longest_life_ends_keys_that_are_there(there):
    made = await there.make(allow("dashboard:View"), expiresInDays=30)
    await there.gateway.control.organizations.set_max_key_days(Operator(), ACCOUNT, 10)
    there.clock[0] = START + 10 * DAY - 1
    assert (await there.ask(made["token"], DASHBOARD, id="123456")).status == 200
    there.clock[0] += 1
    assert (await there.ask(made["token"], DASHBOARD, id="123456")).status == 401


# --- what a policy opens ------------------------------------------------------------------------------------------

SETTINGS = '{ getSettings(resourceType: "account", category: "general") { __typename } }'
GRAPH = '{ queryV1(query: "FIND github_repo") { data } }'


async def opened(there: Installation, key: str, *things: str) -> list[bool]:
    """Whether the key gets at each thing: a dashboard by its number, `graph`, `queryV1`, `settings`."""
    found = []
    for thing in things:
        if thing == "graph":
            found.append((await there.call(key, "/j1ql", {"query": "FIND github_repo"})).status == 200)
            continue
        queries = {"settings": SETTINGS, "queryV1": GRAPH}
        variables = {} if thing in queries else {"id": thing}
        answer = await there.ask(key, queries.get(thing, DASHBOARD), **variables)
        assert answer.status == 200
        found.append("errors" not in answer.body)
    return found


@pytest.mark.parametrize(
    ("number", "permissions", "things"),
    [
        (27, [allow("dashboard:View", "dashboard:123456")], {"123456": 1, "123457": 0, "12345": 0, "1234567": 0}),
        (28, [allow("dashboard:View", "dashboard:123456")], {"settings": 0, "graph": 0, "queryV1": 0}),
        (31, [allow("*")], {"123456": 1, "settings": 1, "graph": 1, "queryV1": 1}),
        (33, [allow("*", "dashboard:123456")], {"123456": 1, "123457": 0, "graph": 0, "settings": 0}),
        (41, [allow("dashboard:View", "dashboard:123456"), deny("dashboard:View", "dashboard:123456")], {"123456": 0}),
        (41, [deny("dashboard:View", "dashboard:123456"), allow("dashboard:View", "dashboard:123456")], {"123456": 0}),
        (42, [allow("*"), deny("dashboard:View", "dashboard:123457")], {"123457": 0, "123456": 1, "settings": 1}),
        (43, [deny("dashboard:View")], {"123456": 0, "settings": 0, "graph": 0}),
        (44, [allow("*"), deny("query:ReadGraphData")], {"graph": 0, "queryV1": 0, "settings": 1}),
        (45, [allow("dashboard:View", "compliance-standard:1")], {"123456": 0, "graph": 0, "settings": 0}),
        (50, [allow("dashboard:View", "dashboard:of-globex")], {"123456": 0, "settings": 0}),
    ],
)
async def test_a_key_opens_what_its_policy_says(there, number, permissions, things):
    """Edge cases 27, 28, 31, 33, 41, 42, 43, 44, 45 and 50."""
    key = await there.key(*permissions)
    assert await opened(there, key, *things) == [bool(each) for each in things.values()], number


async def test_46_48_the_other_permissions_open_their_own_thing(there):
    key = await there.key(allow("parameters:SetParameter", "parameter:X"))
    codes = [
        (await there.ask(key, query)).code
        for query in (
            'mutation { setParameter(name: "X", value: "1") { success } }',
            'mutation { setParameter(name: "Y", value: "1") { success } }',
            '{ parameter(name: "X") { name } }',
            'mutation { deleteParameter(name: "X") { success } }',
            "{ parameterList { items { name } } }",
        )
    ]
    assert codes == [None, *["FORBIDDEN"] * 4]
    key = await there.key(allow("persister:GetEntityRawData", "entity:e1"))
    assert (await there.ask(key, '{ entityRawData(entityId: "e2") { payload } }')).code == "FORBIDDEN"
    assert (await there.call(key, "/j1ql", {"query": "FIND *"})).status == 403


PARAMETERS = """query ($limit: Int, $cursor: String) {
  parameterList(limit: $limit, cursor: $cursor) { items { name value } pageInfo { endCursor hasNextPage } }
}"""


async def test_047_a_list_of_parameters_holds_those_that_the_policy_names(there):
    everything = await there.key(allow("*"))
    for name in ("X", "Y", 'a:b "ü"'):
        query = "mutation ($name: String!) { setParameter(name: $name, value: 1.5) { success } }"
        assert (await there.ask(everything, query, name=name)).code is None
    whole = (await there.ask(everything, PARAMETERS)).body["data"]["parameterList"]["items"]
    assert len(whole) > 3
    action = "parameters:GetParameterList"

    key = await there.key(allow(action, "parameter:X"))
    no_more = {"endCursor": None, "hasNextPage": False}
    only = {"data": {"parameterList": {"items": [{"name": "X", "value": 1.5}], "pageInfo": no_more}}}
    assert (await there.ask(key, PARAMETERS)).body == only
    assert (await there.ask(key, PARAMETERS, limit=1)).body == only
    assert (await there.ask(key, '{ parameter(name: "X") { value } }')).code == "FORBIDDEN"

    named = [allow(action, f"parameter:{name}") for name in ("X", "Y", 'a:b "ü"', "absent")]
    key = await there.key(*named, deny(action, "parameter:Y"))
    first = (await there.ask(key, PARAMETERS, limit=1)).body["data"]["parameterList"]
    assert first == {"items": [{"name": "X", "value": 1.5}], "pageInfo": {"endCursor": "X", "hasNextPage": True}}
    second = (await there.ask(key, PARAMETERS, limit=1, cursor="X")).body["data"]["parameterList"]
    assert second == {"items": [{"name": 'a:b "ü"', "value": 1.5}], "pageInfo": no_more}
    assert (await there.ask(key, PARAMETERS, cursor="z")).body == {
        "data": {"parameterList": {"items": [], "pageInfo": no_more}}
    }
    key = await there.key(allow(action), deny(action, "parameter:Y"))
    left = [item for item in whole if item["name"] != "Y"]
    assert (await there.ask(key, PARAMETERS)).body == {"data": {"parameterList": {"items": left, "pageInfo": no_more}}}


# --- integration keys ---------------------------------------------------------------------------------------------


def creation(instance: str | None) -> dict[str, Any]:
    return {"source": "integration-external"} | ({} if instance is None else {"integrationInstanceId": instance})


def chunk(key: str) -> dict[str, Any]:
    return {"entities": [{"_key": key, "_type": "asset", "_class": "Device"}]}


async def test_75_76_a_key_synchronizes_its_own_configuration_alone(there):
    key = (await there.integration_key())["token"]
    started = await there.call(key, JOBS, creation(INSTANCE))
    assert started.status == 200
    job = f"{JOBS}/{started.body['job']['id']}"
    assert (await there.call(key, f"{job}/entities", chunk("asset-1"))).status == 200
    assert (await there.call(key, f"{job}/finalize", {})).status == 200
    assert [each for each in there.upstream.graph.entities if each.get("_key") == "asset-1"]
    for instance in (SIBLING, "another-integration", None):
        assert (await there.call(key, JOBS, creation(instance))).status in {403, 404}


async def test_77_a_key_of_an_integration_does_nothing_else(there):
    key = (await there.integration_key())["token"]
    assert await opened(there, key, "123456", "settings", "graph", "queryV1") == [False] * 4
    assert (await there.ask(key, CREATE, token={"name": "n", "policy": "{}"})).code == "FORBIDDEN"
    listed = await there.ask(key, f'{{ tokens {{ items {{ id }} }} integrationInstanceTokens(id: "{INSTANCE}") '
                                  "{ tokens { tokenId } } }")  # fmt: skip
    assert listed.body["data"] == {"tokens": {"items": []}, "integrationInstanceTokens": {"tokens": []}}


async def test_78_a_key_revoked_amid_a_job_sends_no_further_chunk(there):
    made = await there.integration_key()
    started = await there.call(made["token"], JOBS, creation(INSTANCE))
    job = f"{JOBS}/{started.body['job']['id']}"
    assert (await there.call(made["token"], f"{job}/entities", chunk("asset-1"))).status == 200
    revoke = "mutation ($id: String!) { revokeIntegrationInstanceToken(tokenId: $id) { success } }"
    answer = await there.ask(there.admin, revoke, id=made["tokenId"])
    assert answer.body == {"data": {"revokeIntegrationInstanceToken": {"success": True}}}
    before = len(there.upstream.received.calls)
    assert (await there.call(made["token"], f"{job}/entities", chunk("asset-2"))).status == 401
    assert (await there.call(made["token"], f"{job}/finalize", {})).status == 401
    assert len(there.upstream.received.calls) == before
    assert not [each for each in there.upstream.graph.entities if each.get("_key") in {"asset-1", "asset-2"}]


async def test_79_a_deleted_configuration_takes_its_keys_with_it_and_never_comes_back(there):
    key = (await there.integration_key())["token"]
    organizations = there.gateway.control.organizations
    await organizations.delete_integration_instance(Operator(), INSTANCE)
    assert (await there.call(key, JOBS, creation(INSTANCE))).status == 401
    again = IntegrationInstance("made-anew", ACCOUNT, "an integration")
    await organizations.add_integration_instance(Operator(), again)
    assert (await there.call(key, JOBS, creation(INSTANCE))).status == 401


# --- one operation, one side --------------------------------------------------------------------------------------


async def test_ours_and_the_upstreams_fields_do_not_mix_in_an_operation_but_in_a_batch(there):
    mixed = "{ iamGetCurrentUser { id } getDashboards { id } }"
    answer = await there.ask(there.admin, mixed)
    assert (answer.status, answer.code) == (400, "BAD_REQUEST")
    batch = [{"query": query} for query in (ME, "{ __typename }", mixed, "{ iamGetAccount { accountId __typename } }")]
    answer = await there.call(there.admin, "/graphql", batch)
    assert answer.status == 200
    mine, typename, refused, account = answer.body
    assert mine["data"]["iamGetCurrentUser"]["apiKeyAccess"] is True
    assert typename == {"data": {"__typename": "Query"}}
    assert refused["errors"][0]["extensions"]["reason"] == "malformed_body"
    assert account == {"data": {"iamGetAccount": {"accountId": ACCOUNT, "__typename": "IamAccountNode"}}}


@pytest.mark.parametrize("name", ["invitations", "iamGetGroupBatch", "iamGetUserBatch", "resourceGroups"])
async def test_what_keys_decide_and_nobody_answers_goes_nowhere(there, name):
    before = len(there.upstream.received.calls)
    assert (await there.ask(there.admin, f"{{ {name} {{ id }} }}")).code == "FORBIDDEN"
    assert len(there.upstream.received.calls) == before
