"""The root fields about limits. Documents are those that the platform's schema takes, but for metrics."""

from __future__ import annotations

from dataclasses import replace

import pytest
from control.jupiterone_client import ask, given, refused

from gateway.control import NewKey
from gateway.control.jupiterone import JupiterOne
from gateway.keys import CallLimits, GlobalRole, Operator, Period, Quota, Rate

POLICY = '{"permissions": [{"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:1"]}]}'
SET = """mutation ($id: ID!, $policy: SetRateLimitPolicyOptions!) {
  tokenRateLimits(tokenId: $id) { apiInvocationRateLimit { setRateLimitPolicy(rateLimitPolicy: $policy) } }
}"""
CLEAR = "mutation ($id: ID!) { tokenRateLimits(tokenId: $id) { apiInvocationRateLimit { clearRateLimitPolicy } } }"
POLICY_OF = "apiInvocationRateLimit { rateLimitPolicy { invocationWindowSeconds invocationCapacity } }"
TOKEN = f"query ($id: ID!) {{ tokenRateLimits(tokenId: $id) {{ {POLICY_OF} }} }}"
ACCOUNT = f"{{ accountRateLimits {{ {POLICY_OF} }} }}"
BOTH = f"query ($id: ID!) {{ accountRateLimits {{ tokenRateLimits(tokenId: $id) {{ {POLICY_OF} }} }} }}"
CREATE = """mutation ($token: TokenInput) {
  createToken(token: $token) {
    id secret rateLimit { invocationWindowSeconds invocationCapacity } quota { calls period } concurrentCalls
  }
}"""
ONE = """query ($id: ID!) {
  token(id: $id) {
    rateLimit { invocationWindowSeconds invocationCapacity } quota { calls period } concurrentCalls
  }
}"""
WISH = {"invocationWindowSeconds": 60, "invocationCapacity": 1000}
OTHERS = CallLimits(quota=Quota(5, Period.MONTH), concurrent=2)


@pytest.fixture
def face(platform) -> JupiterOne:
    return JupiterOne(platform.desk)


@pytest.fixture
async def issued(platform, admin):
    return await platform.tokens.create_account_key(admin, NewKey("robot", policy=POLICY))


async def test_a_rate_limit_is_set_read_and_cleared_and_what_is_ours_stays(platform, face, admin, issued):
    key_id = issued.key.id
    await platform.desk.limiting.set_key_limits(Operator(), key_id, lambda _old: OTHERS)
    none = {"apiInvocationRateLimit": {"rateLimitPolicy": None}}
    assert await given(face, admin, TOKEN, id=key_id) == none
    done = await given(face, admin, SET, id=key_id, policy=WISH)
    assert done == {"apiInvocationRateLimit": {"setRateLimitPolicy": True}}
    assert (await platform.caller(issued)).limits == replace(OTHERS, rate=Rate(1000, 60))
    there = {"apiInvocationRateLimit": {"rateLimitPolicy": WISH}}
    assert await given(face, admin, TOKEN, id=key_id) == there
    assert await given(face, admin, BOTH, id=key_id) == {"tokenRateLimits": there}
    told = {"rateLimit": WISH, "quota": {"calls": 5, "period": "MONTH"}, "concurrentCalls": 2}
    assert await given(face, admin, ONE, id=key_id) == told
    done = await given(face, admin, CLEAR, id=key_id)
    assert done == {"apiInvocationRateLimit": {"clearRateLimitPolicy": True}}
    assert await given(face, admin, TOKEN, id=key_id) == none
    assert (await platform.caller(issued)).limits == OTHERS
    assert (await platform.audited()).count("key.limits") == 3


async def test_a_key_is_made_with_its_rate_limit(platform, face, admin):
    made = await given(face, admin, CREATE, token={"name": "n", "policy": POLICY, "rateLimit": WISH})
    assert (made["rateLimit"], made["quota"], made["concurrentCalls"]) == (WISH, None, None)
    assert (await platform.caller(made["secret"])).limits == CallLimits(Rate(1000, 60))
    plain = await given(face, admin, CREATE, token={"name": "n", "policy": POLICY, "rateLimit": None})
    assert plain["rateLimit"] is None


@pytest.mark.parametrize(
    ("policy", "fault"),
    [
        (WISH | {"invocationCapacity": 0}, "a rate is 1 to 1000000000 calls, not 0"),
        (WISH | {"invocationCapacity": -1}, "a rate is 1 to 1000000000 calls, not -1"),
        (WISH | {"invocationWindowSeconds": 86_401}, "not 86401"),
        (WISH | {"invocationWindowSeconds": 0}, "1 to 86400 seconds"),
    ],
)
async def test_a_rate_limit_that_cannot_be_is_refused_with_its_number(platform, face, admin, issued, policy, fault):
    before = await platform.audited()
    answer = await ask(face, admin, SET, id=issued.key.id, policy=policy)
    (error,) = answer.body["errors"]
    assert (answer.status, error["extensions"]["code"]) == (200, "BAD_USER_INPUT")
    assert error["path"] == ["tokenRateLimits", "apiInvocationRateLimit", "setRateLimitPolicy"]
    assert fault in error["message"]
    made = await refused(face, admin, CREATE, token={"name": "n", "policy": POLICY, "rateLimit": policy})
    assert fault in made["message"]
    assert await platform.audited() == before


@pytest.mark.parametrize("policy", [{}, {"invocationCapacity": 1}, WISH | {"invocationCapacity": 2**31}, "1000/60"])
async def test_what_is_no_rate_limit_does_not_fit_the_schema(platform, face, admin, issued, policy):
    before = await platform.audited()
    assert (await ask(face, admin, SET, id=issued.key.id, policy=policy)).status == 400
    assert await platform.audited() == before


async def test_metrics_are_left_out_rather_than_made_up(face, admin):
    metrics = '{ accountRateLimits { apiInvocationRateLimit { metrics { timeRange(startTime: "", slices: 1) } } } }'
    assert (await ask(face, admin, metrics)).status == 400


async def test_who_may_not_set_a_rate_limit_is_refused(platform, face, issued, user, stranger):
    before = await platform.audited()
    for actor in (user, stranger, await platform.caller(issued)):
        for document, variables in ((SET, {"policy": WISH}), (CLEAR, {})):
            answer = await ask(face, actor, document, id=issued.key.id, **variables)
            assert [error["extensions"]["code"] for error in answer.body["errors"]] == ["FORBIDDEN"]
    assert await platform.audited() == before


async def test_a_user_reads_the_rate_limit_of_an_own_key_and_sets_none(platform, face, admin, user, stranger):
    await given(face, admin, SET, id=user.key_id, policy=WISH)
    there = {"apiInvocationRateLimit": {"rateLimitPolicy": WISH}}
    assert await given(face, user, TOKEN, id=user.key_id) == there
    assert await given(face, user, BOTH, id=user.key_id) == {"tokenRateLimits": there}
    answer = await ask(face, user, SET, id=user.key_id, policy=WISH | {"invocationCapacity": 9})
    assert answer.body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    answer = await ask(face, stranger, TOKEN, id=user.key_id)
    assert answer.body["data"]["tokenRateLimits"]["apiInvocationRateLimit"] == {"rateLimitPolicy": None}
    assert answer.body["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_an_administrator_sees_the_rate_limit_of_the_own_account_alone(
    platform, face, admin, user, root, stranger
):
    await platform.desk.limiting.set_organization_limits(root, "acme", lambda _old: CallLimits(Rate(1000, 60)))
    assert await given(face, admin, ACCOUNT) == {"apiInvocationRateLimit": {"rateLimitPolicy": WISH}}
    assert await given(face, stranger, ACCOUNT) == {"apiInvocationRateLimit": {"rateLimitPolicy": None}}
    assert (await refused(face, user, ACCOUNT))["code"] == "FORBIDDEN"
    everywhere = await platform.tokens.create_global_key(root, NewKey("g"), roles=[GlobalRole.SUPER_ADMIN])
    assert (await refused(face, await platform.caller(everywhere), ACCOUNT))["code"] == "NOT_FOUND"


@pytest.mark.parametrize("document", [SET, CLEAR, TOKEN, BOTH, ACCOUNT])
async def test_without_its_database_nothing_is_refused_and_nothing_done(platform, face, admin, issued, document):
    platform.path.rename(platform.path.with_name("elsewhere.db"))
    answer = await ask(face, admin, document, id=issued.key.id, policy=WISH)
    assert answer.status == 503
    assert [error["extensions"]["code"] for error in answer.body["errors"]] == ["SERVICE_UNAVAILABLE"]


async def test_changes_of_one_document_are_made_in_its_order(platform, face, admin, issued):
    rates = [f"a{number}: setRateLimitPolicy(rateLimitPolicy: {{invocationWindowSeconds: 60, invocationCapacity: "
             f"{number + 1}}})" for number in range(20)]  # fmt: skip
    limits = f"tokenRateLimits(tokenId: $id) {{ apiInvocationRateLimit {{ {' '.join(rates)} }} }}"
    answer = await ask(face, admin, f"mutation ($id: ID!) {{ {limits} }}", id=issued.key.id)
    assert "errors" not in answer.body
    assert (await platform.caller(issued)).limits.rate == Rate(20, 60)
    told = [dict(event.details)["limits"] for event in await platform.store.registry.audit_events("acme", limit=20)]
    assert told == [f"rate {number}/60" for number in range(20, 0, -1)]
