"""From the credential to the plan: who is let in, what is read, and that a failure forwards nothing."""

from __future__ import annotations

import json

import jwt
import pytest
from msgspec import structs

from gateway.authz.outcome import Deny, NeedBody
from gateway.http1 import Reason, Refusal
from gateway.keys import digest
from gateway.proxy import ProxyOptions
from gateway.stores.base import Absent, Unavailable

GRAPHQL = b'{"query":"{ getDashboard(dashboardId: \\"7\\") { id } }"}'
CREATE = b'{"query":"mutation { createToken(token: {name: \\"x\\"}) { id } }"}'


@pytest.fixture
def keyed(gateway, secret):
    """Calls with the headers that a test gives, and no credential of its own."""
    own = f"Authorization: Bearer {secret('super')}\r\n".encode()

    async def ask(*headers: str, target: str = "/j1ql", body: bytes = b'{"query":"FIND *"}'):
        call = gateway.call("POST", target, body, "super").replace(own, b"")
        line, _, rest = call.partition(b"\r\n")
        return await gateway.send(b"\r\n".join([line, *(header.encode() for header in headers), rest]))

    return ask


# --- the key ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["Authorization: Bearer {}", "authorization: bearer {}", "X-Api-Key: {}"])
async def test_one_key_means_the_same_in_either_place(keyed, secret, upstream, place):
    assert (await keyed(place.format(secret("super")))).status == 200
    claims = jwt.decode(upstream.received[0].header("gateway-identity")[0], options={"verify_signature": False})
    assert claims["key"] == "key-super"


@pytest.mark.parametrize("target", ["/j1ql", "/graphql"])
async def test_every_unusable_key_is_refused_with_the_same_words(gateway, keyed, secret, upstream, target):
    expired = secret("repos")
    gateway.resolver.found[digest(expired)] = structs.replace(gateway.resolver.found[digest(expired)], expires_at=1)
    revoked = secret("sync")
    gateway.resolver.found[digest(revoked)] = Absent("revoked")
    unknown = secret("nobody")
    sent = [f"Bearer {key}" for key in ("garbage", unknown[:-1], unknown, revoked, expired)] + ["Basic eDp5", "Bearer"]
    answers = [await keyed(f"Authorization: {each}", target=target) for each in sent]
    assert {answer.status for answer in answers} == {401}
    assert {answer.headers["www-authenticate"] for answer in answers} == {
        'Bearer realm="gateway", error="invalid_token"'
    }
    assert len({answer.body.replace(answer.headers["x-request-id"].encode(), b"") for answer in answers}) == 1
    assert upstream.received == []
    details = {record.get("detail") for record in await gateway.records()}
    assert {"malformed", "unknown", "revoked"} <= details


async def test_garbage_is_refused_without_a_look_up(gateway, keyed, secret):
    for key in (secret("super")[:-1], secret("super")[:-1] + "0", "gwl_" + secret("super")[4:], "gwa_garbage"):
        assert (await keyed(f"X-Api-Key: {key}")).status == 401
    assert gateway.resolver.lookups == []


async def test_a_key_that_is_held_is_not_looked_up(gateway, keyed, secret, upstream):
    its = digest(secret("super"))
    gateway.resolver.holds[its] = structs.replace(gateway.resolver.found.pop(its), key_id="key-held")
    assert (await keyed(f"X-Api-Key: {secret('super')}")).status == 200
    assert gateway.resolver.lookups == []
    claims = jwt.decode(upstream.received[0].header("gateway-identity")[0], options={"verify_signature": False})
    assert claims["key"] == "key-held"


async def test_122_what_does_not_look_like_ours_can_be_a_secret_that_its_owner_chose(gateway, keyed):
    chosen = "c2VjcmV0-of.their~own/and+more=="
    assert (await keyed(f"X-Api-Key: {chosen}")).status == 401
    assert gateway.resolver.lookups == [digest(chosen)]


@pytest.mark.parametrize("target", ["/j1ql", "/graphql", "/nowhere"])
async def test_a_call_without_a_key_is_told_how_to_send_one(keyed, upstream, target):
    answer = await keyed(target=target)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="gateway"'
    assert upstream.received == []


async def test_a_key_in_the_query_string_or_the_body_is_none(keyed, secret):
    key = secret("super")
    body = json.dumps({"query": "FIND *", "access_token": key}).encode()
    assert (await keyed(target=f"/j1ql?access_token={key}", body=body)).status == 401


async def test_two_keys_are_one_too_many(keyed, secret, upstream):
    key = secret("super")
    answer = await keyed(f"Authorization: Bearer {key}", f"X-Api-Key: {key}")
    assert answer.status == 400
    assert answer.json["error"]["reason"] == "two_credentials"
    assert upstream.received == []


@pytest.mark.parametrize("target", ["/j1ql", "/graphql"])
async def test_a_store_that_cannot_tell_is_no_answer_about_the_key(gateway, secret, upstream, target):
    gateway.resolver.found[digest(secret("super"))] = Unavailable("sql")
    answer = await gateway.ask("POST", target)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert "store_unavailable" in answer.body.decode()
    assert upstream.received == []


# --- failing closed -----------------------------------------------------------------------------------------------


def planning(setup, plan) -> None:
    setup.changes["plan"] = plan


class TestBug:
    @pytest.fixture
    def setup(self, setup):
        def broken(*_):
            raise ZeroDivisionError("the secret of the bug")

        planning(setup, broken)
        return setup

    async def test_a_bug_while_deciding_forwards_nothing(self, gateway, upstream, caplog):
        answer = await gateway.ask()
        assert answer.status == 500
        assert answer.json["error"]["reason"] == "internal_error"
        assert "secret" not in answer.raw.decode()
        assert upstream.received == []
        assert answer.headers["x-request-id"] in caplog.text
        assert "ZeroDivisionError" in caplog.text


class TestInsatiablePlan:
    @pytest.fixture
    def setup(self, setup):
        planning(setup, lambda *_: NeedBody(100))
        return setup

    async def test_a_plan_that_is_never_made_forwards_nothing(self, gateway, upstream):
        assert (await gateway.ask()).status == 500
        assert upstream.received == []


async def test_a_resolver_with_a_bug_forwards_nothing(gateway, upstream, caplog):
    gateway.resolver.found = None
    assert (await gateway.ask()).status == 500
    assert upstream.received == []


# --- bodies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Content-Type: text/plain"], b"{}"),
        (["Content-Type: application/x-www-form-urlencoded"], b"query=FIND"),
        (["Content-Type: multipart/form-data; boundary=x"], b"--x--"),
        (["Content-Type: application/json; charset=utf-16"], b"{}"),
        (["Content-Type: application/jsonx"], b"{}"),
        (["Content-Type: "], b"{}"),
        ([], b"{}"),
        (["Content-Type: application/json", "Content-Encoding: gzip"], b"\x1f\x8b"),
    ],
)
@pytest.mark.parametrize("target", ["/j1ql", "/graphql"])
async def test_a_body_that_is_not_plain_json_is_not_read(gateway, secret, upstream, headers, body, target):
    call = (
        f"POST {target} HTTP/1.1\r\nHost: a\r\nX-Api-Key: {secret('super')}\r\nConnection: close\r\n"
        + "".join(f"{header}\r\n" for header in headers)
        + f"Content-Length: {len(body)}\r\n\r\n"
    )
    answer = await gateway.send(call.encode() + body)
    assert answer.status == 415
    assert upstream.received == []


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/graphql+json",
    ],
)
async def test_json_goes_by_several_names(gateway, upstream, kind):
    call = gateway.call().replace(b"Content-Type: application/json", f"Content-Type: {kind}".encode())
    assert (await gateway.send(call)).status == 200
    assert upstream.received[0].header("content-type") == ["application/json"]


@pytest.mark.parametrize("framing", [None, "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("target", ["/j1ql", "/graphql"])
async def test_a_body_over_its_limit_is_refused_with_413(gateway, upstream, framing, target):
    body = b'{"query":"' + b"x" * 3_000_000 + b'"}'
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if framing else body
    answer = await gateway.ask("POST", target, sent, framing=framing)
    assert answer.status == 413
    assert upstream.received == []


async def test_a_call_that_is_refused_whatever_its_body_says_is_refused_before_it_comes(gateway, upstream):
    answer = await gateway.ask(body=b"x", framing="Content-Length: 1000", key="dashboard")
    assert answer.status == 403
    assert upstream.received == []


class TestLittleRoom:
    @pytest.fixture
    def setup(self, setup):
        setup.proxy = ProxyOptions(buffered_bytes=1000)
        return setup

    async def test_bodies_beyond_the_process_s_room_are_put_off(self, gateway, upstream):
        answer = await gateway.ask(body=b'{"query":"' + b"x" * 2000 + b'"}')
        assert answer.status == 503
        assert answer.json["error"]["reason"] == "overloaded"
        assert upstream.received == []
        for _ in range(100):  # what a call held is given back when it ends
            assert (await gateway.ask(body=b'{"query":"' + b"x" * 900 + b'"}')).status == 200


# --- answers of our own -------------------------------------------------------------------------------------------


async def test_a_key_can_ask_what_it_may_do(gateway, upstream):
    answer = await gateway.ask("GET", "/whoami", b"", "repos")
    assert answer.status == 200
    assert answer.json["key"]["id"] == "key-repos"
    assert answer.headers["cache-control"] == "no-store"
    assert upstream.received == []


async def test_keys_are_the_control_plane_s_business(gateway, upstream):
    answer = await gateway.ask("POST", "/graphql", CREATE)
    assert answer.status == 200
    assert answer.json == {"data": {"createToken": {"id": "1"}}}
    (request, principal, call_id) = gateway.executed[0]
    assert "createToken" in request.query
    assert principal.key_id == "key-super"
    assert call_id == answer.headers["x-request-id"]
    assert upstream.received == []


class TestControlPlaneRefuses:
    @pytest.fixture
    def setup(self, setup, executed):
        async def execute(*_):
            return executed(
                503, {"data": {}, "errors": [{"message": "m", "extensions": {"reason": "store_unavailable"}}]}
            )

        setup.changes["execute"] = execute
        return setup

    async def test_its_refusals_are_answered_and_logged_as_such(self, gateway):
        answer = await gateway.ask("POST", "/graphql", CREATE)
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        (told,) = await gateway.records()
        assert (told["outcome"], told["reason"], told["action"]) == ("failed", "store_unavailable", "keys")


@pytest.mark.parametrize(
    ("method", "target", "status", "allow"),
    [
        ("GET", "/j1ql", 405, "POST"),
        ("POST", "/whoami", 405, "GET"),
        ("GET", "/graphql", 405, "POST"),
        ("GET", "/J1QL", 404, None),
        ("GET", "/whoami/", 404, None),
    ],
)
async def test_other_paths_and_methods_are_refused(gateway, upstream, method, target, status, allow):
    answer = await gateway.ask(method, target, b"")
    assert answer.status == status
    assert answer.headers.get("allow") == allow
    assert upstream.received == []


async def test_an_organization_without_upstreams_is_told_so(gateway, upstream):
    answer = await gateway.ask(key="unbound")
    assert answer.status == 502
    assert answer.json["error"]["reason"] == "upstream_unreachable"
    assert (await gateway.ask("GET", "/whoami", b"", "unbound")).status == 200


# --- what is left behind ------------------------------------------------------------------------------------------


class TestDenied:
    @pytest.fixture
    def setup(self, setup):
        planning(setup, lambda *_: Deny(Refusal(Reason.NOT_ALLOWED, "no")))
        setup.decisions["bodies"] = True
        return setup

    async def test_a_refusal_can_be_found_by_its_request_id(self, gateway):
        answer = await gateway.ask()
        (told,) = await gateway.records()
        assert told["request"] == answer.json["error"]["requestId"]
        assert told["reason"] == answer.json["error"]["reason"] == "not_allowed"


async def test_calls_are_counted_by_how_they_ended(gateway):
    await gateway.ask()
    await gateway.ask("GET", "/whoami", b"")
    await gateway.ask(key="dashboard")
    await gateway.send(b"GARBAGE\r\n\r\n")
    for labels in (
        dict(route="j1ql", method="POST", code="200", outcome="forwarded", reason=""),
        dict(route="whoami", method="GET", code="200", outcome="answered", reason=""),
        dict(route="j1ql", method="POST", code="403", outcome="refused", reason="not_allowed"),
        dict(route="unknown", method="OTHER", code="400", outcome="refused", reason="malformed_request"),
    ):
        assert gateway.value("gateway_requests_total", **labels) == 1
    assert gateway.value("gateway_overhead_seconds_count", route="j1ql") == 2
    assert gateway.value("gateway_upstream_duration_seconds_count", upstream="j1ql") == 1


async def test_no_secret_is_left_anywhere(gateway, keyed, secret, caplog):
    keys = [secret("super"), secret("nobody")]
    for key in keys:
        await keyed(f"Authorization: Bearer {key}")
        await keyed(f"Authorization: Bearer {key}", f"X-Api-Key: {key}")
        await keyed(f"Authorization: Bearer {key}\x00")
        await keyed(f"X-Api-Key: {key}", target=f"/{key}")
    left = json.dumps(await gateway.records()) + caplog.text + gateway.metrics.text().decode()
    assert not any(key in left for key in (*keys, "upstream-credential", "an identity secret"))
