"""What becomes of secrets, and what upstreams see. Numbers are those of the edge cases of the specification."""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import redis
from aiohttp import web

from gateway.app import Gateway, serving
from gateway.control import NewKey, NewUser, Rejection
from gateway.keys import RANDOM_BYTES, Membership, Operator, Prefix, Principal, Role, issue, prefix_of, worth_looking_up
from gateway.settings import validated
from gateway.stores import Group, IntegrationInstance, Organization, create
from laws.world import Look, Randomness, ServerLook, worker

OPERATOR = Operator()
EVERYTHING = json.dumps({"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]})
KEYS = 1_000_000


def test_177_a_million_keys_are_different_and_say_what_they_are():
    """10^6 in 7 s. That a bad checksum is refused without a look-up on the wire is
    `test_garbage_is_refused_without_a_look_up` in `tests/proxy`."""
    kinds = [each for each in Prefix if each is not Prefix.LOGIN]
    seen: set[str] = set()
    for batch in range(KEYS // 10_000):
        random = secrets.token_bytes(RANDOM_BYTES * 10_000)
        for number in range(10_000):
            prefix = kinds[number % len(kinds)]
            secret = issue(prefix, random[number * RANDOM_BYTES : (number + 1) * RANDOM_BYTES])
            seen.add(secret)
            assert prefix_of(secret) is prefix
        bad = secret[:-1] + ("A" if secret[-1] != "A" else "B")
        assert not worth_looking_up(bad), batch
    assert len(seen) == KEYS


async def test_i15_no_login_is_needed_to_verify_a_key(look: Look):
    """The one thing about logins that is stored is gone, and every key is found, by a worker that starts then, too."""
    randomness, now = Randomness(), lambda: 1_700_000_000_000
    async with worker(look, now, randomness) as one:
        await one.desk.organizations.add_organization(OPERATOR, Organization("acme", "Acme"))
        owner = await one.desk.people.add_user(OPERATOR, NewUser("ann@example.com"), organization="acme")
        issued = await one.desk.tokens.create_user_key(OPERATOR, NewKey("k"), owner=owner)
        await look.by_hand("DROP TABLE logins")
        assert isinstance(await one.find(issued.secret), Principal)
    async with worker(look, now, randomness) as other:
        assert isinstance(await other.find(issued.secret), Principal)
    if isinstance(look, ServerLook):
        await look.close()


# --- a whole gateway ----------------------------------------------------------------------------------------------


@dataclass
class Platform:
    """An upstream that keeps what it was sent, and says `{}` to everything."""

    received: list[str] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.BaseRequest) -> web.Response:
        sent = dict(request.headers)
        self.received.append(f"{request.path_qs}\n{sent}\n{await request.text()}")
        return web.json_response({"type": "list", "data": []})


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    upstream = Platform()
    runner = web.ServerRunner(web.Server(upstream.answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield upstream
    await runner.cleanup()


@dataclass
class Tour:
    """A gateway, and calls to it; every answer is kept, but for the one that made a key."""

    gateway: Gateway
    session: aiohttp.ClientSession
    folder: Path
    answers: list[str] = field(default_factory=list)

    async def call(self, path: str, body: Any, *, at: str = "", **headers: str) -> tuple[int, str]:
        url = f"{at or self.gateway.data}{path}"
        async with self.session.post(url, json=body, headers=headers) as answer:
            said = f"{answer.status} {dict(answer.headers)} {await answer.text()}"
            self.answers.append(said)
            return answer.status, await answer.text()

    async def look(self, url: str) -> None:
        async with self.session.get(url) as answer:
            self.answers.append(f"{dict(answer.headers)} {await answer.text()}")


@pytest.fixture
async def tour(tmp_path: Path, platform: Platform, redis_url: str) -> AsyncIterator[Tour]:
    create(tmp_path / "gateway.db")
    binding = {"j1ql": f"{platform.url}/j1ql", "graphql": f"{platform.url}/graphql", "persister": platform.url}
    reads = {"effect": "ALLOW", "actions": ["query:ReadGraphData"], "resources": ["*"]}
    roles = {"viewer": {"permissions": [reads]}}
    settings = validated({
        **{listener: {"port": 0} for listener in ("data", "admin", "ops")},
        "calibration": {"on": False},
        "secrets": {"identity": "i" * 32, "seal": "s" * 32},
        "store": {"sqlite": tmp_path / "gateway.db", "redis": redis_url},
        "decision_log": {"file": tmp_path / "decisions.jsonl", "bodies": True},
        "organizations": {"acme": {"upstream": {**binding, "account": "acme-there", "credential": "ours"}}},
        "projects": {"my-blog": {"organization": "acme", "roles": roles}},
    })  # fmt: skip
    async with serving(settings) as gateway, aiohttp.ClientSession() as session:
        organizations = gateway.control.desk.organizations
        await organizations.add_organization(OPERATOR, Organization("acme", "Acme"))
        await organizations.add_integration_instance(OPERATOR, IntegrationInstance("one", "acme", "GitHub"))
        yield Tour(gateway, session, tmp_path)


async def test_174_16_the_upstream_sees_neither_the_credential_nor_a_forged_identity(tour, platform):
    """I16; what else does not arrive is in `tests/proxy/test_carrying` and `tests/e2e/test_attacks`."""
    tokens = tour.gateway.control.tokens
    issued = await tokens.create_account_key(OPERATOR, NewKey("k", policy=EVERYTHING), organization="acme")
    forged = {"Gateway-Identity": "forged.by.me", "gateway-identity-key": "forged.too", "X-Gateway-Identity": "forged"}
    for credential in ({"Authorization": f"Bearer {issued.secret}"}, {"X-Api-Key": issued.secret}):
        status, _ = await tour.call("/j1ql", {"query": "FIND *"}, **credential, **forged)
        assert status == 200
    assert len(platform.received) == 2
    for sent in platform.received:
        assert issued.secret not in sent
        assert "forged.by.me" not in sent
        assert "forged.too" not in sent
        assert "Bearer ours" in sent


async def test_175_keys_of_one_face_open_nothing_of_another(tour, platform):
    """An account key that may do everything gets no content of a project; a project key without a membership gets no
    graph. Neither reaches the upstream."""
    tokens = tour.gateway.control.tokens
    account = await tokens.create_account_key(OPERATOR, NewKey("a", policy=EVERYTHING), organization="acme")
    project = await tokens.create_project_key(OPERATOR, NewKey("p"), project="my-blog", memberships=())
    member = await tokens.create_project_key(
        OPERATOR, NewKey("m"), project="my-blog", memberships=(Membership("my-blog", "viewer"),)
    )
    content = {"query": "{ listArticle { id } }"}
    assert (await tour.call("/content/my-blog/live", content, Authorization=f"Bearer {account.secret}"))[0] == 404
    graph = {"query": "FIND *"}
    status, said = await tour.call("/j1ql", graph, Authorization=f"Bearer {project.secret}")
    assert status == 403
    assert json.loads(said)["error"]["reason"] == "not_allowed"
    assert platform.received == []
    assert (await tour.call("/j1ql", graph, Authorization=f"Bearer {member.secret}"))[0] == 200


CREATE = "mutation($t: TokenInput!) { createToken(token: $t) { id token name } }"
REVOKE = "mutation($id: String!) { revokeToken(id: $id) { id token name } }"


async def test_178_no_secret_is_left_anywhere_after_a_tour_of_everything(tour, platform, redis_url, caplog):
    caplog.set_level(logging.DEBUG)
    issued = await every_kind_of_key(tour)
    for secret in issued:
        await calls_of_all_kinds(tour, secret)
    made = await over_http(tour, issued[0])
    for page in ("/metrics", "/readyz"):
        await tour.look(f"{tour.gateway.ops}{page}")
    trail = await tour.gateway.control.desk.trail.read(OPERATOR, limit=1_000)
    server = redis.Redis.from_url(redis_url)
    cached = [server.dump(name) for name in server.scan_iter()]
    places = {
        "answers": "\n".join(tour.answers),
        "audit": repr(trail),
        "database": dumped(tour.folder / "gateway.db"),
        "logs": caplog.text,
        "redis": repr(cached) + repr(sorted(server.scan_iter())),
        "upstream": "\n".join(platform.received),
        "values": repr([await tour.gateway.control.tokens.list_keys(OPERATOR, limit=100)]),
    }
    files = {each.name: each.read_bytes() for each in tour.folder.iterdir()}
    assert len(cached) > 0
    assert b"FIND github_repo" in files["decisions.jsonl"]  # it was switched on
    assert {"gateway.db", "gateway.db-wal"} <= files.keys()
    for secret in (*issued, *made):
        assert [place for place, text in places.items() if secret in text] == []
        assert [name for name, content in files.items() if secret.encode() in content] == []


async def every_kind_of_key(tour: Tour) -> list[str]:
    """The secrets of a key of each kind, two sessions, a login link and of keys that were replaced; the first is a
    platform administrator's."""
    control = tour.gateway.control
    tokens, people = control.tokens, control.desk.people
    owner = await people.add_user(OPERATOR, NewUser("pat@example.com", Role.PLATFORM_ADMIN), organization="acme")
    found = [await tokens.create_user_key(OPERATOR, NewKey("u"), owner=owner)]
    found += [await tokens.create_account_key(OPERATOR, NewKey("a", policy=EVERYTHING), organization="acme")]
    found += [await tokens.create_organization_key(OPERATOR, NewKey("o"), organization="acme")]
    found += [await tokens.create_integration_key(OPERATOR, NewKey("i"), instance="one")]
    given = (Membership("my-blog", "viewer"),)
    found += [await tokens.create_project_key(OPERATOR, NewKey("p"), project="my-blog", memberships=given)]
    found += [await tokens.create_global_key(OPERATOR, NewKey("g"), roles=["monitor"])]
    replaced = [await tokens.rotate_key(OPERATOR, each.key.id, overlap_seconds=60) for each in found]
    await tokens.revoke_key(OPERATOR, replaced[2].key.id)
    link, unused = [await control.logins.create_login("pat@example.com", "acme") for _ in range(2)]
    session = await control.logins.redeem(link.code)
    tour.answers += [repr(each) for each in (*found, *replaced, link, session)]
    with pytest.raises(Rejection) as rejected:
        await control.logins.redeem(link.code)
    tour.answers.append(str(rejected.value))
    group = await control.desk.groups.add_group(OPERATOR, Group("", "acme", "Readers"))
    tour.answers.append(repr(group))
    return [each.secret for each in (*found, *replaced, session)] + [link.code, unused.code]


async def calls_of_all_kinds(tour: Tour, secret: str) -> None:
    """Good ones, and such as are refused for what they are."""
    bearer = {"Authorization": f"Bearer {secret}"}
    for path, body in (
        ("/j1ql", {"query": "FIND github_repo"}),
        ("/j1ql", {"query": "FIND github_repo WITH ${param.x}"}),
        ("/graphql", {"query": "{ nothing { at all } }"}),
        ("/graphql", {"query": "{ unclosed"}),
        ("/tenant", {"query": "{ me { id } }"}),
        ("/persister/synchronization/jobs", {"source": "api"}),
        (f"/{secret}", {}),
        (f"/j1ql?apiKey={secret}", {"query": "FIND *"}),
    ):
        await tour.call(path, body, **bearer)
        await tour.call(path, body, at=tour.gateway.admin, **{"X-Api-Key": secret})
    await tour.call("/j1ql", {}, Authorization=f"Bearer {secret}x")
    await tour.call("/j1ql", {}, Authorization=f"Bearer {secret}", **{"X-Api-Key": secret[::-1]})
    await tour.look(f"{tour.gateway.data}/whoami")


async def over_http(tour: Tour, administrator: str) -> list[str]:
    """Makes keys by the face of the wire; their secrets are in these answers alone, which are not kept."""
    made = []
    for number in range(3):
        kept = len(tour.answers)
        body = {"query": CREATE, "variables": {"t": {"name": f"k{number}", "policy": EVERYTHING}}}
        _, text = await tour.call("/graphql", body, Authorization=f"Bearer {administrator}")
        del tour.answers[kept:]
        token = json.loads(text)["data"]["createToken"]
        made.append(token["token"])
        await calls_of_all_kinds(tour, token["token"])
        ended = {"query": REVOKE, "variables": {"id": token["id"]}}
        await tour.call("/graphql", ended, Authorization=f"Bearer {administrator}")
        await calls_of_all_kinds(tour, token["token"])
    return made


def dumped(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump())
