"""A gateway that finds out about its upstream while it serves: plans follow what was found, and so do its operators."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest

from calibration.interview import company
from gateway.app import Gateway, serving
from gateway.control import NewKey
from gateway.keys import Operator
from gateway.sandbox.dialect import Dialect, OptionalGroup, Window
from gateway.sandbox.graph import Entity, Graph
from gateway.sandbox.queries import PLAINLY, Serving
from gateway.sandbox.server import Options, Running, running
from gateway.settings import validated
from gateway.stores import Organization, create

OPTIONAL = "FIND aws_s3_bucket AS b (THAT HAS AS r Finding)? RETURN b.displayName"
LIMITED = "FIND * AS b THAT HAS AS r * RETURN b.displayName LIMIT 5"
COUNTED = "FIND * AS a RETURN COUNT(a) AS n"


def only(**equals: str) -> str:
    statement = {"effect": "ALLOW", "actions": ["query:ReadGraphData"], "resources": ["*"]}
    return json.dumps({"permissions": [statement | {"condition": {"stringEquals": equals}}]})


@dataclass
class Served:
    gateway: Gateway
    upstream: Running
    keys: dict[str, str]

    async def query(self, text: str, organization: str = "acme") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.keys[organization]}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{self.gateway.data}/j1ql", json={"query": text}) as answer,
        ):
            return answer.status, await answer.json()

    async def told(self, path: str) -> str:
        async with aiohttp.ClientSession() as session, session.get(f"{self.gateway.ops}{path}") as answer:
            return await answer.text()

    async def known(self, organization: str = "acme") -> str:
        """Its line of `/readyz`, once the first round has ended."""
        while True:
            lines = (await self.told("/readyz?verbose")).splitlines()
            line = next(line for line in lines if line.startswith(f"{organization}/capabilities"))
            if not line.endswith("not probed yet"):
                return line
            await asyncio.sleep(0.02)


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., Any]:
    """A gateway in front of sandboxes, one for each organization, as they are served."""

    @asynccontextmanager
    async def serve(
        graph: Graph | None = None,
        policy: str = only(_class="DataStore"),
        servings: dict[str, Serving] = MappingProxyType({"acme": PLAINLY}),
        settings: dict[str, Any] = MappingProxyType({}),
    ) -> AsyncIterator[Served]:
        async with opened(servings, graph or company()) as upstreams:
            bindings = {name: {"upstream": binding(upstream)} for name, upstream in upstreams.items()}
            content = {
                **{listener: {"port": 0} for listener in ("data", "admin", "ops")},
                "secrets": {"identity": "i" * 32, "seal": "s" * 32},
                "store": {"sqlite": tmp_path / "gateway.db"},
                "decision_log": {"file": tmp_path / "decisions.jsonl"},
                "calibration": {"pause": 0.001},
                "organizations": bindings,
            }
            create(tmp_path / "gateway.db")
            async with serving(validated(content | settings)) as gateway:
                keys = {name: await key(gateway, name, policy) for name in upstreams}
                yield Served(gateway, upstreams["acme"], keys)

    return serve


@asynccontextmanager
async def opened(servings: dict[str, Serving], graph: Graph) -> AsyncIterator[dict[str, Running]]:
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(running(Options(serving=serving), graph))
            for name, serving in servings.items()
        }


def binding(upstream: Running) -> dict[str, str]:
    urls = {"j1ql": f"{upstream.url}/j1ql", "graphql": f"{upstream.url}/graphql", "persister": upstream.url}
    return {**urls, "account": upstream.options.account, "credential": upstream.options.credential}


async def key(gateway: Gateway, organization: str, policy: str) -> str:
    organizations = gateway.control.desk.organizations
    await organizations.add_organization(Operator(), Organization(organization, organization))
    tokens = gateway.control.tokens
    return (await tokens.create_account_key(Operator(), NewKey("one", policy=policy), organization=organization)).secret


async def test_what_was_refused_as_unknown_is_answered_once_it_was_seen_to_hold(serve):
    async with serve() as served:
        line = await served.known()
        assert line.startswith("acme/capabilities: 13 verified, 3 unwitnessed, 0 failed")
        assert [(await served.query(text))[0] for text in (OPTIONAL, LIMITED)] == [200, 200]


async def test_without_calibration_nothing_is_asked_and_all_is_as_the_settings_say(serve):
    async with serve(settings={"calibration": {"on": False}}) as served:
        assert (await served.query(OPTIONAL))[0] == 403
        assert "capabilities" not in await served.told("/readyz?verbose")
        assert not served.upstream.received.calls


async def test_what_fails_at_one_organizations_upstream_is_refused_to_its_keys_alone(serve, caplog):
    wrong = Serving(Dialect(negated_with=False, optional_group=OptionalGroup.LEFT_JOIN, window=Window.STARTS))
    negated = "FIND DataStore THAT !HAS Finding"
    induced = {"graph": {"relationships": "induced"}}
    async with serve(servings={"acme": wrong, "other": PLAINLY}, settings=induced) as served:
        assert (await served.known("other")).endswith("0 failed")
        assert "(negation_binds, optional_is_union, limit_after_where)" in await served.known("acme")
        assert (await served.query(negated, "other"))[0] == 200
        status, answer = await served.query(negated, "acme")
        assert (status, answer["error"]["reason"]) == (403, "unsupported_query")
        metrics = await served.told("/metrics")
        assert (await served.told("/readyz")).strip() == "ok"
    sample = 'gateway_upstream_capability{capability="negation_binds",organization="%s",state="%s"} 1.0'
    assert sample % ("acme", "failed") in metrics
    assert sample % ("other", "verified") in metrics
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record for record in told if "`negation_binds` at the upstream of `acme` is failed" in record.getMessage()]


async def test_the_operators_word_wins_and_its_opposite_is_told(serve, caplog):
    wrong = Serving(Dialect(window=Window.STARTS))
    said = {"verified": ["limit_after_where"], "failed": ["optional_is_union"]}
    async with serve(servings={"acme": wrong}, settings={"graph": said}) as served:
        await served.known()
        assert (await served.query(LIMITED))[0] == 200
        assert (await served.query(OPTIONAL))[0] == 403
    assert "`limit_after_where` is verified by the settings, but does not hold at the upstream of `acme`" in caplog.text


async def test_a_condition_that_the_upstream_reads_in_another_way_has_its_aggregates_refused(serve, caplog):
    """A number is taken for the text that is written so: lists are withheld by the check, and counts would not be."""
    port = {"_id": "e1", "_key": "e1", "_type": ["port"], "_class": ["Host"]}
    objects = [
        Entity("v1", port, {"port": 22}),
        Entity("v2", port | {"_id": "e2", "_key": "e2"}, {"port": "22"}),
    ]
    wrong = {"acme": Serving(Dialect(coercion=True))}
    async with serve(Graph(objects), only(port="22"), servings=wrong) as served:
        assert await served.query(COUNTED) == (200, {"type": "table", "data": [{"n": 2}]})
        while (await served.query(COUNTED))[0] == 200:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        status, answer = await served.query(COUNTED)
        assert (status, answer["error"]["reason"]) == (403, "unsupported_query")
        assert (await served.query("FIND UNIQUE * AS a RETURN a.port"))[0] == 403
        assert await served.query("FIND * WITH _id = 'e2' AS a RETURN a.port") == (
            200,
            {"type": "table", "data": [{"a.port": "22"}]},
        )
        assert 'gateway_policy_conditions_probed_total{organization="acme",state="failed"} 1.0' in await served.told(
            "/metrics"
        )
    assert "reads a policy's condition in another way" in caplog.text


async def test_a_condition_is_probed_once_and_no_call_of_others_waits(serve):
    async with serve(policy=only(_class="DataStore")) as served:
        for _ in range(5):
            assert (await served.query(COUNTED))[0] == 200
        done = 'gateway_policy_conditions_probed_total{organization="acme",state="verified"} 1.0'
        while done not in await served.told("/metrics"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert (await served.query(COUNTED))[0] == 200
        assert done in await served.told("/metrics")
