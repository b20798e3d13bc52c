"""The admin listener: a one-time code becomes a session, and nothing is forwarded."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from gateway.app import World, serving
from gateway.stores import Organization

CREATE = "mutation M($t: TokenInput!) { createToken(token: $t) { token } }"
MINUTE = 60_000


@dataclass
class Admin:
    """The admin listener of a running gateway, a login code, and a clock that the test moves."""

    url: str
    code: str
    clock: list[int]
    registry: Any

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with aiohttp.ClientSession() as session, session.request(method, self.url + path, **options) as answer:
            return answer.status, await answer.json()

    async def login(self, code: str) -> tuple[int, Any]:
        return await self.call("POST", "/login", json={"code": code})


@pytest.fixture
async def admin(database, make_settings: Callable[..., Any], upstream) -> AsyncIterator[Admin]:
    clock = [1_700_000_000_000]
    async with serving(make_settings(), world=World(now=lambda: clock[0])) as gateway:
        login = await gateway.control.logins.found(Organization("acme", "Acme"), "admin@example.com")
        yield Admin(gateway.admin, login.code, clock, gateway.control.store.registry)


async def test_a_code_becomes_a_session_that_makes_keys_here(admin):
    status, session = await admin.login(admin.code)
    assert status == 200
    assert (session["organization"], session["role"]) == ("acme", "platform_admin")
    assert session["expiresAt"] == admin.clock[0] + 8 * 60 * MINUTE
    policy = '{"permissions": [{"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:1"]}]}'
    body = {"query": CREATE, "variables": {"t": {"name": "n", "category": "c", "policy": policy}}}
    headers = {"Authorization": f"Bearer {session['token']}"}
    status, made = await admin.call("POST", "/graphql", json=body, headers=headers)
    assert (status, list(made)) == (200, ["data"])
    assert made["data"]["createToken"]["token"].startswith("gwa_")


async def test_a_code_works_once(admin):
    assert (await admin.login(admin.code))[0] == 200
    status, answer = await admin.login(admin.code)
    assert (status, answer["error"]["reason"]) == (401, "invalid_key")
    assert "ask for a new one" in answer["error"]["message"]
    assert answer["error"]["requestId"]


@pytest.mark.parametrize("code", ["", "x", "gwl_" + "0" * 33, "\ud800".encode("utf-16", "surrogatepass").hex()])
async def test_an_unknown_code_is_refused_in_the_same_words(admin, code):
    used = (await admin.login(admin.code), await admin.login(admin.code))[1]
    status, answer = await admin.login(code)
    assert (status, answer["error"]["message"]) == (used[0], used[1]["error"]["message"])


async def test_a_code_ends_by_itself(admin):
    admin.clock[0] += 60 * MINUTE
    assert (await admin.login(admin.code))[0] == 401


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"data": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"json": {"code": 1}}, 400),
        ({"json": {"code": "x", "more": 1}}, 400),
        ({"data": b'{"code":"a","code":"b"}', "headers": {"Content-Type": "application/json"}}, 400),
        ({"json": {"code": "x" * 2000}}, 413),
        ({"data": {"code": "x"}}, 415),  # what a form of another site can send
        ({"data": b""}, 400),
    ],
)
async def test_anything_but_a_code_in_json_is_refused_and_uses_nothing_up(admin, options, status):
    assert (await admin.call("POST", "/login", **options))[0] == status
    assert (await admin.login(admin.code))[0] == 200


async def test_the_login_takes_no_other_method(admin):
    status, answer = await admin.call("DELETE", "/login")
    assert (status, answer["error"]["reason"]) == (405, "method_not_allowed")


async def test_when_the_store_is_away_the_login_is_not_used_up(admin, tmp_path):
    (tmp_path / "gateway.db").rename(tmp_path / "away.db")
    status, answer = await admin.login(admin.code)
    assert (status, answer["error"]["reason"]) == (503, "store_unavailable")


async def test_the_page_runs_its_own_script_and_nothing_else(admin):
    async with aiohttp.ClientSession() as session, session.get(f"{admin.url}/login") as answer:
        page, headers = await answer.text(), answer.headers
    (script,) = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = headers["Content-Security-Policy"]
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert 'fetch("/login"' in script


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/j1ql", {"query": "FIND *"}),
        ("/persister/synchronization/jobs", {"source": "api", "scope": "x"}),
        ("/persister/synchronization/jobs/1/finalize", {}),
        ("/graphql", {"query": '{ getDashboard(dashboardId: "1") { id } }'}),
        (
            "/graphql",
            [{"query": '{ getDashboard(dashboardId: "1") { id } }'}, {"query": "{ parameterList { items } }"}],
        ),
    ],
)
async def test_nothing_is_forwarded_from_here(admin, upstream, path, body):
    session = (await admin.login(admin.code))[1]["token"]
    status, answer = await admin.call("POST", path, json=body, headers={"X-Api-Key": session})
    assert "send this call to the data listener" in json.dumps(answer)
    assert status == (200 if path == "/graphql" else 403)
    assert not upstream.arrived.is_set()


async def test_whoami_is_answered_here_too(admin):
    session = (await admin.login(admin.code))[1]["token"]
    status, told = await admin.call("GET", "/whoami", headers={"X-Api-Key": session})
    assert (status, told["account"], told["role"]) == (200, "acme", "platform_admin")


async def test_a_code_that_is_refused_changes_nothing(admin):
    await admin.login("x")
    events = await admin.registry.audit_events(None, limit=10)
    assert [event.event for event in events] == ["login.create", "organization.found"]
