"""Bulk export and raw data over REST, for an unrestricted, a conditioned and an unrelated key."""

from __future__ import annotations

import pytest

from gateway.authz import ROUTE_NAMES, Rules, plan, route_of
from gateway.authz.outcome import Deny, Facts, Forward, Grounds, Pass, Upstream
from gateway.http1 import Call, Reason

EXPORTS = ("/entities", "/relationships")
ENTITY = "280a3ace-1f2e-4d5c-8b9a-000000000001"
RAW_DATA = (
    f"/entities/{ENTITY}/raw-data",
    f"/entities/{ENTITY}/raw-data-versions",
    f"/entities/{ENTITY}/raw-data/default/versions",
    f"/entities/{ENTITY}/raw-data/default/versions/latest",
)
READ = "query:ReadGraphData"
RAW = "persister:GetEntityRawData"


@pytest.fixture
def get(principal):
    def run(path, *permissions, query="", method="GET", headers=()):
        call = Call("request-1", method, path, query, headers, None)
        return plan(call, principal(*permissions), Facts(), Rules(), 0)

    return run


@pytest.fixture
def keys(statements):
    """Permissions by what they make of a key."""
    allow, deny = statements
    everything = allow(["*"])
    return {
        "everything": [everything],
        "the graph": [allow([READ])],
        "a part of the graph": [allow([READ], _type="github_repo")],
        "all actions, a part of the graph": [allow(["*"], _type="github_repo")],
        "everything but a part of the graph": [everything, deny([READ], a="b")],
        "everything but the graph": [everything, deny([READ])],
        "raw data of the entity": [allow([RAW], [f"entity:{ENTITY}"])],
        "raw data of all": [allow([RAW])],
        "raw data of all others": [allow([RAW]), deny([RAW], [f"entity:{ENTITY}"])],
        "raw data of another": [allow([RAW], [f"entity:{ENTITY[:-1]}2"])],
        "a part of the graph, and raw data of the entity": [
            allow([READ], _type="github_repo"),
            allow([RAW], [f"entity:{ENTITY}"]),
        ],
        "a dashboard": [allow(["dashboard:View"], ["dashboard:1"])],
    }


EXPORTED_TO = {"everything", "the graph"}
RAW_DATA_FOR = {
    "everything",
    "everything but the graph",
    "everything but a part of the graph",
    "raw data of the entity",
    "raw data of all",
    "a part of the graph, and raw data of the entity",
}


@pytest.mark.parametrize("path", EXPORTS)
def test_the_export_is_for_who_may_read_all_of_the_graph(get, keys, path):
    passed = {name for name, permissions in keys.items() if isinstance(get(path, *permissions), Forward)}
    assert passed == EXPORTED_TO


@pytest.mark.parametrize("path", EXPORTS)
def test_a_key_that_sees_a_part_is_told_where_to_go(get, keys, path):
    for name in ("a part of the graph", "everything but a part of the graph", "all actions, a part of the graph"):
        made = get(path, *keys[name])
        assert (made.refusal.reason, made.refusal.status) == (Reason.UNSUPPORTED_QUERY, 403)
        assert "POST /j1ql" in made.refusal.message
        assert made.grounds.action == READ
    assert get(path, *keys["a dashboard"]).refusal.reason is Reason.NOT_ALLOWED


@pytest.mark.parametrize("path", RAW_DATA)
def test_raw_data_is_for_who_may_get_that_of_the_entity(get, keys, path):
    passed = {name for name, permissions in keys.items() if isinstance(get(path, *permissions), Forward)}
    assert passed == RAW_DATA_FOR
    assert get(path, *keys["raw data of another"]).refusal.reason is Reason.NOT_ALLOWED


@pytest.mark.parametrize("path", EXPORTS + RAW_DATA)
def test_what_passes_is_asked_of_the_persisters_base_as_it_came(get, keys, path):
    made = get(path, *keys["everything"], query="limit=10&cursor=a%3D")
    assert (made.upstream, made.method, made.path, made.query) == (
        Upstream.PERSISTER,
        "GET",
        path,
        "limit=10&cursor=a%3D",
    )
    assert (made.body, made.answer) == (None, Pass())


def test_the_grounds_name_the_entity(get, keys):
    made = get(RAW_DATA[0], *keys["raw data of the entity"])
    assert made.grounds == Grounds(RAW, f"entity:{ENTITY}", ("permissions[0]",))


KNOWN = [
    ("/entities", "limit=4000&includeDeleted=true&cursor=eyJhIjoxfQ=="),
    ("/relationships", "cursor="),
    (RAW_DATA[0], "source=integration-managed"),
    (RAW_DATA[0], "name=default&versionId=1.2"),
    (RAW_DATA[1], "startVersion=1&maxResults=10"),
]
UNKNOWN = [
    ("/entities", "accountId=other", "accountId"),
    ("/entities", "limit=1&limit=2", "limit"),
    ("/entities", "Limit=1", "Limit"),
    ("/entities", "%6cimit=1", "%6cimit"),
    ("/entities", "limit=1;accountId=other", "limit"),
    ("/entities", "limit=1&", ""),
    ("/entities", "&limit=1", ""),
    ("/entities", "limit[]=1", "limit[]"),
    ("/relationships", "source=x", "source"),
    (RAW_DATA[0], "entityId=other", "entityId"),
    (RAW_DATA[0], "includeDeleted=true", "includeDeleted"),
    (RAW_DATA[3], "name=a&name=b", "name"),
]


@pytest.mark.parametrize(("path", "query"), KNOWN)
def test_parameters_that_are_known_pass(get, keys, path, query):
    for name in ("the graph", "raw data of the entity"):
        made = get(path, *keys[name], *keys["raw data of the entity"], query=query)
        if name == "the graph" or path in RAW_DATA:
            assert made.query == query


@pytest.mark.parametrize(("path", "query", "told"), UNKNOWN)
def test_parameters_that_are_not_known_need_a_key_that_may_do_everything(get, keys, path, query, told):
    """As a root field does that is not known: nobody can say what it reaches."""
    _, narrow = ("", keys["the graph"]) if path in EXPORTS else ("", keys["raw data of the entity"])
    made = get(path, *narrow, query=query)
    assert made.refusal.reason is Reason.UNSUPPORTED_ARGUMENT
    assert f"`{told}`" in made.refusal.message
    assert get(path, *keys["everything"], query=query).query == query


@pytest.mark.parametrize("path", EXPORTS + RAW_DATA)
@pytest.mark.parametrize("header", [(b"content-length", b"3"), (b"transfer-encoding", b"chunked")])
def test_a_body_is_refused(get, keys, path, header):
    """Some servers read one with GET, and it could name what the path does not."""
    assert get(path, *keys["everything"], headers=(header,)).refusal.reason is Reason.MALFORMED_REQUEST


@pytest.mark.parametrize("path", EXPORTS + RAW_DATA)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD"])
def test_they_are_read_only(get, keys, path, method):
    assert get(path, *keys["everything"], method=method).refusal.reason is Reason.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    "path",
    [
        "/entities/",
        "/relationships/",
        f"/entities/{ENTITY}",
        f"/relationships/{ENTITY}",
        f"/entities/{ENTITY}/raw-data/",
        f"/entities/{ENTITY}/Raw-Data",
        f"/entities/{ENTITY}/raw-data/default",
        f"/entities/{ENTITY}/raw-data/default/versions/1",
        f"/entities/{ENTITY}/raw-data/../raw-data",
        f"/entities/{ENTITY}/raw-data/a/b/versions",
        f"/entities/{ENTITY}/../{ENTITY}/raw-data",
        f"/entities/x%2f{ENTITY}/raw-data",
        f"/entities/x;{ENTITY}/raw-data",
        "/entities/./raw-data",
        "/entities/../raw-data",
        "/entities//raw-data",
        "/entities/*/raw-data",
        f"/entities/{'x' * 129}/raw-data",
        f"/entities/{ENTITY}/raw-data/{'x' * 129}/versions",
        f"/entities/{ENTITY}\n/raw-data",
    ],
)
def test_anything_else_is_no_route(get, keys, path):
    made = get(path, *keys["everything"])
    assert isinstance(made, Deny)
    assert made.refusal.reason is Reason.UNKNOWN_ROUTE


def test_their_names_are_labels():
    assert {route_of(path).name for path in EXPORTS} == {"export"}
    assert {route_of(path).name for path in RAW_DATA} == {"raw_data"}
    assert {"export", "raw_data"} <= ROUTE_NAMES
