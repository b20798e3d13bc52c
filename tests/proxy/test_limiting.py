"""Limits over real sockets: what is charged, what is refused and in whose words; nothing refused is forwarded."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from msgspec import structs

from gateway.keys import UNLIMITED_CALLS, CallLimits, Period, Principal, Quota, Rate, digest
from gateway.proxy import Limiter, LimitOptions

SLOW = 86_400
"""Seconds of a bucket to which nothing is added while a test runs."""
NOW = 1_700_000_000_000
TWO_FIELDS = b'{"query":"{ a: listRuleInstances { id } b: listRuleInstances { id } }"}'


@pytest.fixture
def limited(gateway, secret):
    """Gives a named key limits of its own, or its organization."""

    def limit(key="super", organization=UNLIMITED_CALLS, **limits):
        its = digest(secret(key))
        found = gateway.resolver.found[its]
        assert isinstance(found, Principal)
        changed = structs.replace(found, limits=CallLimits(**limits), organization_limits=organization)
        gateway.resolver.found[its] = changed

    return limit


def graphql(gateway, body, key="super"):
    return gateway.ask("POST", "/graphql", body, key)


# --- rates --------------------------------------------------------------------------------------------------------


async def test_a_key_makes_as_many_calls_as_its_rate_says(gateway, upstream, limited):
    limited(rate=Rate(3, SLOW))

    assert [(await gateway.ask()).status for _ in range(5)] == [200, 200, 200, 429, 429]
    assert len(upstream.received) == 3
    assert (await gateway.ask(key="uploads", target="/whoami", method="GET", body=b"")).status == 200


async def test_answers_say_what_is_left_as_the_platform_says_it(gateway, limited):
    limited(rate=Rate(10, 600), quota=Quota(500, Period.DAY))

    passed = await gateway.ask()
    assert passed.headers["ratelimit-limit"] == "10, 10;window=600, 500;window=86400"
    assert passed.headers["ratelimit-remaining"] == "9"
    assert passed.headers["ratelimit-reset"] == "60"
    assert passed.headers["ratelimit-requested"] == "1"
    assert "retry-after" not in passed.headers
    for _ in range(9):
        await gateway.ask()
    refused = await gateway.ask()
    assert refused.headers["ratelimit-remaining"] == "0"
    assert refused.headers["retry-after"] == "60"


async def test_a_key_without_limits_is_told_of_none(gateway):
    assert not [name for name in (await gateway.ask()).headers if name.startswith("ratelimit")]


async def test_the_upstreams_own_limits_are_its_own_business_where_a_key_has_some(gateway, upstream, says, limited):
    upstream.script = upstream.says(says(b"{}", "200 OK", "RateLimit-Limit: 7", "RateLimit-Remaining: 1"))
    assert (await gateway.ask()).headers["ratelimit-limit"] == "7"
    limited(rate=Rate(10, SLOW))
    assert (await gateway.ask()).headers["ratelimit-limit"] == f"10, 10;window={SLOW}"


async def test_a_limit_change_takes_effect_on_the_next_call(gateway, limited):
    limited(rate=Rate(2, SLOW))
    assert [(await gateway.ask()).status for _ in range(3)] == [200, 200, 429]
    limited(rate=Rate(3, SLOW))
    assert [(await gateway.ask()).status for _ in range(4)] == [200, 200, 200, 429]
    limited()
    assert (await gateway.ask()).status == 200
    limited(rate=Rate(1, SLOW))
    assert [(await gateway.ask()).status for _ in range(2)] == [200, 429]


async def test_keys_of_one_organization_share_its_limits(gateway, limited):
    shared = CallLimits(rate=Rate(3, SLOW))
    for key in ("super", "dashboard"):
        limited(key, shared, rate=Rate(2, SLOW))
    whoami = dict(method="GET", target="/whoami", body=b"")

    assert [(await gateway.ask(**whoami)).status for _ in range(3)] == [200, 200, 429]
    assert [(await gateway.ask(**whoami, key="dashboard")).status for _ in range(2)] == [200, 429]
    assert "organization" in (await gateway.ask(**whoami, key="dashboard")).json["error"]["message"]


async def test_a_call_that_one_limit_refuses_counts_nowhere(gateway, limited):
    """The key's own bucket must not run dry while its organization's is."""
    limited("dashboard", CallLimits(rate=Rate(1, SLOW)))
    limited("super", CallLimits(rate=Rate(1, SLOW)), rate=Rate(5, SLOW), quota=Quota(5, Period.DAY))
    whoami = dict(method="GET", target="/whoami", body=b"")
    assert (await gateway.ask(**whoami, key="dashboard")).status == 200

    answers = [await gateway.ask() for _ in range(4)]
    assert [answer.status for answer in answers] == [429] * 4
    limited("super", rate=Rate(5, SLOW), quota=Quota(5, Period.DAY))
    assert [(await gateway.ask()).status for _ in range(6)] == [200] * 5 + [429]


class TestDefaults:
    @pytest.fixture
    def setup(self, setup):
        options = LimitOptions(CallLimits(rate=Rate(2, SLOW)), CallLimits(rate=Rate(50, SLOW)))
        setup.changes["limiter"] = Limiter(options)
        return setup

    async def test_the_settings_hold_for_keys_without_limits_of_their_own(self, gateway, limited):
        assert [(await gateway.ask()).status for _ in range(3)] == [200, 200, 429]
        limited(rate=Rate(4, SLOW))
        assert [(await gateway.ask()).status for _ in range(5)] == [200] * 4 + [429]


# --- what counts --------------------------------------------------------------------------------------------------


async def test_each_root_field_counts(gateway, upstream, limited):
    limited(rate=Rate(5, SLOW))

    first = await graphql(gateway, TWO_FIELDS)
    assert (first.headers["ratelimit-requested"], first.headers["ratelimit-remaining"]) == ("2", "3")
    batch = b"[" + TWO_FIELDS + b"," + TWO_FIELDS + b"]"
    refused = await graphql(gateway, batch)
    assert refused.status == 429, "the whole array, since four are more than three"
    assert refused.headers["ratelimit-requested"] == "4"
    assert refused.headers["ratelimit-remaining"] == "3"
    assert (await graphql(gateway, TWO_FIELDS)).status == 200
    assert len(upstream.received) == 2


async def test_a_call_that_counts_for_more_than_the_limit_can_never_pass(gateway, limited):
    limited(rate=Rate(1, SLOW))
    answer = await graphql(gateway, TWO_FIELDS)
    assert answer.status == 429
    assert answer.headers["ratelimit-remaining"] == "1"
    assert "counts 2" in answer.json["errors"][0]["message"]


async def test_181_what_a_key_may_not_do_counts_for_its_rate_and_not_for_its_quota(gateway, upstream, limited):
    limited("repos", rate=Rate(3, SLOW), quota=Quota(1, Period.DAY))
    forbidden = b'{"query":"{ listRuleInstances { id } }"}'

    first = await graphql(gateway, forbidden, "repos")
    assert (first.status, first.json["errors"][0]["extensions"]["code"]) == (200, "FORBIDDEN")
    assert first.headers["ratelimit-remaining"] in "12"
    whoami = dict(method="GET", target="/whoami", body=b"", key="repos")
    assert (await gateway.ask(**whoami)).status == 200, "the quota of one is still there"
    assert (await graphql(gateway, forbidden, "repos")).status == 200
    assert (await graphql(gateway, forbidden, "repos")).status == 429, "it cannot be tried without end"
    assert upstream.received == []


async def test_of_an_array_only_what_may_pass_counts(gateway, limited):
    limited("dashboard", quota=Quota(10, Period.DAY))
    allowed = b'{"query":"{ getDashboard(dashboardId: \\"7\\") { id } }"}'
    forbidden = b'{"query":"{ listRuleInstances { id } }"}'
    answer = await graphql(gateway, b"[" + allowed + b"," + forbidden + b"]", "dashboard")
    assert answer.headers["ratelimit-remaining"] == "9"


async def test_a_call_without_a_valid_key_counts_for_nobody(gateway, limited, secret):
    limited(rate=Rate(1, SLOW))
    for _ in range(3):
        assert (await gateway.ask(key="nobody")).status == 401
    assert (await gateway.ask()).status == 200


# --- quotas -------------------------------------------------------------------------------------------------------


class TestQuotas:
    @pytest.fixture
    def clock(self):
        return {"now": NOW}

    @pytest.fixture
    def setup(self, setup, clock):
        setup.changes["limiter"] = Limiter(now=lambda: clock["now"])
        return setup

    async def test_a_quota_ends_with_its_day(self, gateway, limited, clock):
        limited(quota=Quota(2, Period.DAY))
        assert [(await gateway.ask()).status for _ in range(2)] == [200, 200]
        refused = await gateway.ask()
        assert (refused.status, refused.json["error"]["reason"]) == (429, "quota_used_up")
        left = (86_400_000 - NOW % 86_400_000) // 1000
        assert refused.headers["retry-after"] == refused.headers["ratelimit-reset"] == str(left)

        clock["now"] += left * 1000
        assert [(await gateway.ask()).status for _ in range(3)] == [200, 200, 429]


# --- calls under way ----------------------------------------------------------------------------------------------


async def test_as_many_calls_are_under_way_as_the_limit_says(gateway, upstream, limited):
    limited(concurrent=2)
    upstream.script = upstream.stalls
    waiting = [asyncio.ensure_future(gateway.ask()) for _ in range(2)]
    await gateway.until(lambda: len(upstream.received) == 2)

    refused = await gateway.ask()
    assert (refused.status, refused.json["error"]["reason"]) == (429, "too_many_calls")
    assert refused.headers["retry-after"] == "1"
    upstream.go_on.set()
    await asyncio.gather(*waiting)
    await gateway.until(lambda: not gateway.value("gateway_inflight_requests"))
    upstream.script = upstream.says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert [(await gateway.ask()).status for _ in range(3)] == [200] * 3


async def test_another_limit_does_not_forget_the_calls_under_way(gateway, upstream, limited):
    limited(concurrent=2)
    upstream.script = upstream.stalls
    waiting = [asyncio.ensure_future(gateway.ask()) for _ in range(2)]
    await gateway.until(lambda: len(upstream.received) == 2)
    whoami = dict(method="GET", target="/whoami", body=b"")

    limited(concurrent=1)
    lowered = await gateway.ask(**whoami)
    limited(concurrent=3)
    raised = await gateway.ask(**whoami)
    upstream.go_on.set()
    await asyncio.gather(*waiting)
    assert (lowered.status, raised.status) == (429, 200)


class TestLeaving:
    @pytest.fixture
    def setup(self, setup):
        setup.listener = replace(setup.listener, half_closed_seconds=0.1)
        return setup

    async def test_a_client_that_leaves_gives_its_place_back(self, gateway, upstream, limited):
        limited(concurrent=1)
        upstream.script = upstream.hangs
        for number in range(3):
            _, writer = await gateway.connect()
            writer.write(gateway.call())
            await gateway.until(lambda number=number: len(upstream.received) > number)
            writer.close()
            await gateway.until(lambda: not gateway.value("gateway_inflight_requests"))


# --- in whose words -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/graphql", "/api/graphql", "/"])
async def test_graphql_is_refused_whole_and_in_its_shape(gateway, limited, target):
    limited(rate=Rate(1, SLOW))
    await gateway.ask()
    answer = await gateway.ask("POST", target, TWO_FIELDS[:-1] + b"}")
    assert answer.status == 429
    (error,) = answer.json["errors"]
    assert error["extensions"]["code"] == "TOO_MANY_REQUESTS"
    assert error["extensions"]["reason"] == "rate_limited"
    assert "429" not in error["message"]
    assert int(answer.headers["retry-after"]) >= 1


async def test_rapid7s_client_is_told_when_to_come_back_in_the_header_that_it_reads(gateway, limited):
    limited(rate=Rate(1, SLOW))
    await gateway.ask()
    answer = await gateway.ask("GET", "/validate", b"")
    assert answer.status == 429
    assert "may make 1 calls" in answer.json["message"]
    assert answer.headers["x-ratelimit-reset"] == answer.headers["retry-after"] == str(SLOW)


async def test_contembers_face_is_refused_in_its_shape(gateway, limited):
    limited(rate=Rate(1, SLOW))
    await gateway.ask()
    answer = await gateway.ask("POST", "/tenant", b'{"query":"{ me { id } }"}')
    assert answer.status == 429
    assert [error["code"] for error in answer.json["errors"]] == [429]
    assert (answer.headers["gateway-reason"], answer.headers["retry-after"]) == ("rate_limited", str(SLOW))


async def test_a_limit_whose_number_clients_act_on_is_not_told_in_words_to_graphql(gateway, limited):
    limited(rate=Rate(1, 42_900))
    (error,) = (await graphql(gateway, TWO_FIELDS)).json["errors"]
    assert error["extensions"]["reason"] == "rate_limited"
    assert "429" not in error["message"]


async def test_rest_is_refused_in_its_shape_and_the_log_says_why(gateway, limited):
    limited(rate=Rate(1, SLOW))
    await gateway.ask()
    answer = await gateway.ask()
    assert answer.json["error"] | {"requestId": "", "message": ""} == {
        "code": "TOO_MANY_REQUESTS",
        "reason": "rate_limited",
        "message": "",
        "requestId": "",
    }
    record = (await gateway.records())[-1]
    assert (record["outcome"], record["reason"], record["key"]) == ("refused", "rate_limited", "key-super")
    labels = dict(route="j1ql", method="POST", code="429", outcome="refused", reason="rate_limited")
    assert gateway.value("gateway_requests_total", **labels) == 1


async def test_over_its_limit_a_key_has_no_jobs_looked_up(gateway, upstream, limited, says):
    """To decide, the persister is asked whose job it is; it knows none of these."""
    limited("sync", rate=Rate(2, SLOW), concurrent=1)
    upstream.script = upstream.says(says(b"{}", "404 Not Found"))
    uploads = [
        gateway.ask("POST", f"/persister/synchronization/jobs/{job}/entities", b"{}", "sync") for job in range(4)
    ]

    answers = [await upload for upload in uploads]
    assert [answer.status for answer in answers[2:]] == [429] * 2
    assert len(upstream.received) == 2
    limited("sync", rate=Rate(3, SLOW), concurrent=1)
    assert (await gateway.ask("GET", "/whoami", b"", "sync")).headers["ratelimit-remaining"] == "2"


async def test_the_rest_of_a_refused_upload_is_not_taken_for_a_call(gateway, upstream, limited, says):
    limited("sync", rate=Rate(1, SLOW))
    job = {"job": {"id": "1", "integrationInstanceId": "i1"}}
    upstream.script = upstream.says(says(json.dumps(job).encode()))
    create = b'{"source":"integration-managed","integrationInstanceId":"i1","syncMode":"DIFF"}'
    target = "/persister/synchronization/jobs"
    assert (await gateway.ask("POST", target, create, "sync")).status == 200
    upload = gateway.call("POST", f"{target}/1/entities", b'{"entities":[]}', "sync", close=False)
    smuggled = gateway.call("GET", "/whoami", b"", "super")
    reader, writer = await gateway.connect()
    writer.write(upload.replace(b"Content-Length: 15", b"Content-Length: %d" % (15 + len(smuggled))) + smuggled)
    writer.write(gateway.call("GET", "/whoami", b"", "uploads"))
    got = (await gateway.rest(reader, writer)).raw
    assert got.startswith(b"HTTP/1.1 429 ")
    assert b'"key-super"' not in got, "the body of a call that was refused is no call"
    assert got.count(b"HTTP/1.1 ") == 1 or b'"key-uploads"' in got
