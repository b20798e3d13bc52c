"""Bulk export and raw data over sockets."""

from __future__ import annotations

import pytest

EXPORTS = ["/entities?limit=2&includeDeleted=true", "/relationships?cursor=a%3D%3D"]
RAW_DATA = ["/entities/e-1/raw-data", "/entities/e-1/raw-data/default/versions/latest?maxResults=1"]


@pytest.mark.parametrize(("key", "targets"), [("super", EXPORTS + RAW_DATA), ("most", EXPORTS), ("raw", RAW_DATA)])
async def test_what_passes_is_asked_at_the_platforms_rest_address(gateway, upstream, says, key, targets):
    upstream.script = upstream.says(says(b'{"items":[]}'))
    for target in targets:
        answer = await gateway.ask("GET", target, b"", key)
        assert (answer.status, answer.json) == (200, {"items": []})
        assert answer.headers["cache-control"] == "no-store"
    assert [received.line for received in upstream.received] == [f"GET {target} HTTP/1.1" for target in targets]
    assert {tuple(received.header("authorization")) for received in upstream.received} == {
        ("Bearer upstream-credential",)
    }


@pytest.mark.parametrize(
    ("key", "targets"), [("repos", EXPORTS + RAW_DATA), ("dashboard", EXPORTS + RAW_DATA), ("raw", EXPORTS)]
)
async def test_what_does_not_pass_reaches_nobody(gateway, upstream, key, targets):
    for target in targets:
        answer = await gateway.ask("GET", target, b"", key)
        assert answer.status == 403
        assert answer.json["error"]["code"] == "FORBIDDEN"
    assert upstream.received == []
    assert {record["route"] for record in await gateway.records()} <= {"export", "raw_data"}


async def test_a_key_that_sees_a_part_of_the_graph_is_told_where_to_ask(gateway):
    answer = await gateway.ask("GET", "/entities", b"", "repos")
    assert answer.json["error"]["reason"] == "unsupported_query"
    assert "POST /j1ql" in answer.json["error"]["message"]


async def test_the_decision_log_names_the_entity(gateway, upstream, says):
    upstream.script = upstream.says(says(b"{}"))
    await gateway.ask("GET", RAW_DATA[0], b"", "raw")
    (told,) = await gateway.records()
    assert (told["route"], told["action"], told["resource"]) == (
        "raw_data",
        "persister:GetEntityRawData",
        "entity:e-1",
    )
    assert gateway.value("gateway_requests_total", **LABELS) == 1


LABELS = {"route": "raw_data", "method": "GET", "code": "200", "outcome": "forwarded", "reason": ""}


async def test_their_size_does_not_matter(gateway, upstream, says):
    """An export is passed on as it comes."""
    upstream.script = upstream.says(says(b"x" * 3_000_000))
    answer = await gateway.ask("GET", "/entities", b"", "super")
    assert len(answer.body) == 3_000_000
