"""No door tells a key what it may not see: every root field and every route, with canaries behind them.

A sandbox holds objects, dashboards, parameters and results with unmistakable values that no condition admits and no
statement grants; whatever it has no rule for, it answers with all of them. Keys walk through every door, with arguments
that name what they were granted, and with the canaries' own names, as if those had been guessed. No canary that the
caller did not say itself is in any byte of an answer or of a log; and where the canaries are not there at all, every
byte is the same. A key that may do everything shows that the canaries are there to be found.
"""

from __future__ import annotations

import base64
import gzip
import json
import logging
from dataclasses import replace

import pytest
from canaries.calls import GRANTED, Said, guessed, rest_calls, root_calls, root_names
from canaries.planted import CATEGORY, DASHBOARD, FRAMEWORK, PARAMETER, REPOSITORY, Canaries
from canaries.scanner import found, without
from canaries.walk import gateway

from gateway.authz.roots import ROOTS
from gateway.sandbox import Fault, Kind
from gateway.sandbox.compression import Compression
from gateway.sandbox.deferred import Contract, Results
from gateway.sandbox.dialect import Dialect, SearchOrder
from gateway.sandbox.queries import Serving
from gateway.sandbox.schema import SCHEMA


def allow(action, resource="*", **more):
    return {"effect": "ALLOW", "actions": [action], "resources": [resource], **more}


def deny(action, **more):
    return allow(action, **more) | {"effect": "DENY"}


NAMED = [
    allow("dashboard:View", f"dashboard:{DASHBOARD}"),
    allow("parameters:GetParameter", f"parameter:{PARAMETER}"),
    allow("parameters:GetParameterList", f"parameter:{PARAMETER}"),
    allow("settings:GetSettings", f"settings-category:{CATEGORY}"),
    allow("compliance:GetStandard", f"compliance-standard:{FRAMEWORK}"),
    allow("compliance:GetSummary", f"compliance-standard:{FRAMEWORK}"),
    allow("persister:GetEntityRawData", f"entity:{REPOSITORY}"),
    allow("query:GetAccountEntity"),
]
"""Of each kind of thing one, by name."""

POLICIES = {
    "conditioned": [allow("query:ReadGraphData", condition={"stringEquals": {"_type": "github_repo"}}), *NAMED],
    "unrelated": NAMED,
    "all but secrets": [
        allow("*"),
        deny("query:ReadGraphData", condition={"stringEquals": {"secret": "yes"}}),
        deny("persister:GetEntityRawData"),  # by a permission of its own, whatever a key may see of the graph
        deny("persister:Synchronize"),
    ],
    "everything": [allow("*")],
}

TELLING = Serving(
    Dialect(search_order=SearchOrder.SCORE),
    walk=2,
    estimates=True,
    results=Results(in_progress=1),
    compression=Compression.ACCEPTED,
    talkative=True,
)
"""An upstream that gives away what it can: by totals, by the sizes of pages, by the order of what it finds."""

DOORS = """
    allEntityCounts alertInstance assetCategories buildCsv buildJson complianceFrameworks edge entityProperties
    entityPropertyValues entityRawDataV2 evaluateQuestion fetchEntityById fetchRelationshipById
    getAllAssetProperties getDashboard getDashboardQueryWidgetData getDashboards getEntityCounts
    getPaginatedQueryWidgetData getSettings integrationInstances listAlertInstances listCollectionResults listVertices
    listVerticesV2 parameter parameterList queryGraph queryProperties queryRelatedEntities queryRelationships
    queryUniqueRelationships queryV1 queryV2 typeCounts vertex listRuleInstances nobodyHasHeardOfThis
""".split()
"""Root fields through which a key that may do everything sees canaries."""


def calls(said: Said):
    return [*rest_calls(said), *root_calls(said)]


async def walked(folder, canaries, key, said, how, **options):
    """What a key sees with the canaries there and without them, and what was logged with them."""
    seen, logged = [], b""
    for present in (True, False):
        async with gateway(folder / f"{present}", canaries, POLICIES, how, present=present, **options) as served:
            seen.append(await served.walk(key, calls(said)))
        logged = logged or served.logged()
    return *seen, logged


@pytest.mark.parametrize("names", ["granted", "guessed"])
@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("conditioned", {"relationships": "strict"}),
        ("conditioned", {"relationships": "induced", "query_fields": "enforce"}),
        ("unrelated", {}),
        ("all but secrets", {"in_account": False}),  # what the account holds is granted to that key
    ],
    ids=["conditioned-strict", "conditioned-induced-enforced", "unrelated", "all-but-secrets"],
)
async def test_no_canary_leaves_by_any_door(tmp_path, caplog, key, options, names):
    caplog.set_level(logging.DEBUG, logger="gateway")
    canaries = Canaries()
    said = GRANTED if names == "granted" else guessed(canaries)
    with_them, without_them, logged = await walked(tmp_path, canaries, key, said, TELLING, **options)
    for (call, seen), (_, other) in zip(with_them, without_them, strict=True):
        assert not found(seen.content, without(canaries.values, [call.said])), (call.name, seen.content)
        assert seen.masked == other.masked, call.name
    unsaid = without(canaries.values, [call.said for call in calls(said)])
    assert not found(logged + caplog.text.encode(), unsaid)
    assert sum(seen.status.startswith("200") for _, seen in with_them) > len(root_names())


async def test_of_what_was_granted_a_key_sees_all(tmp_path):
    """So the walk gets somewhere: what is refused are doors, not calls that nobody would understand."""
    options = {"relationships": "induced", "query_fields": "enforce"}
    async with gateway(tmp_path / "g", Canaries(), POLICIES, TELLING, present=True, **options) as served:
        seen = await served.walk("conditioned", calls(GRANTED))
    answered = {call.root for call, each in seen if call.root and each.json.get("data") and "errors" not in each.json}
    granted = "accountEntity complianceFramework entityRawData getDashboard getSettings parameter parameterList".split()
    assert {*granted, "getDashboards", "queryV1", "queryV2"} <= answered
    deferred = [each.json for call, each in seen if "FORCE" in call.name and "status" in (each.json or {})]
    assert {each["status"] for each in deferred} == {"IN_PROGRESS", "COMPLETED"}
    assert {name for each in deferred for name in shown(each)} == {"one", "two", "three", "four", "five"}
    listed = [
        each.json["data"]["mine"] for call, each in seen if call.name == "query queryV1 {'query': 'FIND CodeRepo'}"
    ]
    assert [name for each in listed for name in shown(each)] == ["one", "two", "three", "four", "five"]


def shown(page):
    """The names in a page of objects, or of a table of names."""
    return [row["entity"]["displayName"] if "entity" in row else row["c.displayName"] for row in page.get("data", ())]


async def test_a_key_that_may_do_everything_sees_every_canary_by_the_same_walk(tmp_path):
    canaries = Canaries()
    roles = {door: set() for door in DOORS}
    async with gateway(tmp_path / "g", canaries, POLICIES, TELLING, present=True) as served:
        for said in (GRANTED, guessed(canaries)):
            doors = [call for call in root_calls(said) if call.root in roles and call.name.endswith(call.root)]
            for call, seen in await served.walk("everything", doors):
                roles[call.root] |= found(seen.content, without(canaries.values, [call.said]))
    assert [door for door in DOORS if not roles[door]] == []
    assert set().union(*roles.values()) == set(canaries.values)


# --- what goes wrong upstream ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("contract", Contract)
async def test_why_a_deferred_query_failed_is_not_told(tmp_path, contract):
    canaries = Canaries()
    results = Results(contract, in_progress=1, failure=f"cannot read {canaries['displayName']}")
    how = replace(TELLING, results=results)
    with_them, without_them, logged = await walked_deferred(tmp_path, canaries, how)
    assert "FAILED" in {seen.json.get("status") for _, seen in with_them}
    for (call, seen), (_, other) in zip(with_them, without_them, strict=True):
        assert not found(seen.content, canaries.values), (call.name, seen.content)
        assert seen.masked == other.masked, call.name
    assert not found(logged, canaries.values)


async def walked_deferred(folder, canaries, how):
    deferred = [call for call in rest_calls(GRANTED) if "FORCE" in call.said]
    seen, logged = [], b""
    for present in (True, False):
        async with gateway(folder / f"{present}", canaries, POLICIES, how, present=present) as served:
            seen.append(await served.walk("conditioned", deferred))
        logged = logged or served.logged()
    return *seen, logged


@pytest.mark.parametrize("status", [200, 400, 404, 500])
@pytest.mark.parametrize("path", ["/j1ql", "/_results/*"])
async def test_an_error_of_the_upstream_is_not_told(tmp_path, caplog, path, status):
    caplog.set_level(logging.DEBUG, logger="gateway")
    canaries = Canaries()
    told = f"no access to {canaries['displayName']}"
    body = json.dumps({"error": {"code": "INTERNAL", "message": told}, "errors": [{"message": told}]})
    headers = {"X-Reason": canaries["key"], "Content-Type": "application/json"}
    async with gateway(tmp_path / "g", canaries, POLICIES, TELLING, present=True) as served:
        served.upstream.faults.inject(Fault(Kind.STATUS, path, times=10**6, status=status, body=body, headers=headers))
        seen = await served.walk("conditioned", rest_calls(GRANTED))
    for call, each in seen:
        assert not found(each.content, canaries.values), (call.name, each.content)
    assert not found(served.logged() + caplog.text.encode(), canaries.values)


# --- the walk itself ------------------------------------------------------------------------------------------------


def test_the_walk_knows_every_root_field_that_anybody_does():
    names = root_names()
    assert len(names["query"]) > 150
    assert set(DOORS) <= {*names["query"], *names["mutation"]}
    called = {call.name for call in root_calls(GRANTED)}
    assert called >= {f"{operation} {name}" for operation, each in names.items() for name in each}
    assert {call.root for call in root_calls(GRANTED)} == {"", *names["query"], *names["mutation"]}


def test_what_may_be_granted_by_name_is_answered_by_its_rule():
    """Else the talkative upstream would answer a call that was rightly passed on."""
    assert set(ROOTS) <= {*SCHEMA.query_type.fields, *SCHEMA.mutation_type.fields}


@pytest.mark.parametrize(
    "pack",
    [
        lambda value: value,
        bytes.upper,
        gzip.compress,
        base64.b64encode,
        base64.urlsafe_b64encode,
        lambda value: base64.b64encode(value).rstrip(b"="),
        lambda value: b"/deferred/abc" + base64.urlsafe_b64encode(b"..." + value),
        lambda value: json.dumps(
            {"cursor": base64.b64encode(json.dumps({"after": value.decode()}).encode()).decode()}
        ).encode(),
        lambda value: b"ETag: " + base64.b64encode(gzip.compress(value)),
        lambda value: "".join(f"%{byte:02x}" for byte in value).encode(),
    ],
    ids="plain upper gzip base64 base64url unpadded in-a-path in-a-cursor gzip-in-base64 percent".split(),
)
def test_a_canary_is_found_however_it_is_packed(pack):
    canaries = Canaries()
    for role, value in canaries.values.items():
        content = b"HTTP/1.1 200 OK\n" + pack(value.encode()) + b"\n{}"
        assert role in found(content, canaries.values)
        assert role not in found(content, without(canaries.values, [f"I asked for {value}"]))
    assert not found(pack(b"nothing of that kind is here"), canaries.values)
