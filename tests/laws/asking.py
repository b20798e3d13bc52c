"""What the machine's calls are made of, good and bad."""

from __future__ import annotations

import hashlib
from typing import Any

from hypothesis import strategies as st

from gateway.keys import Membership, Period, Quota, Rate, Role
from laws.model import ALL_ROLES, Memberships

HOUR = 3_600_000

INDEX = st.integers(0, 60)
WORKER = st.integers(0, 1)
HOMES = st.sampled_from([None, None, "acme", "acme", "globex", "globex", "nowhere"])
ORGANIZATIONS = st.sampled_from(["acme"] * 4 + ["globex"] * 4 + ["nowhere"])
DAYS = st.sampled_from([None, None, None, 1, 30, 365, 0, 731])
DIGESTS = st.sampled_from([None] * 8 + ["one", "two", "three", "password", "ZZ"])
ROLES = st.lists(
    st.sampled_from(["super_admin", "project_admin", "monitor", "login", *sorted(ALL_ROLES), "boss"]), max_size=2
)
FITTING = [
    ("my-blog", [("editor", {"language": ["cs"]})]),
    ("my-blog", [("editor", {"language": ["cs", "de"]}), ("viewer", {})]),
    ("my-blog", [("admin", {})]),
    ("my-blog", []),
    ("shop", [("clerk", {"shop": ["1"]})]),
    ("shop", [("clerk", {"shop": ["2"]})]),
    ("shop", [("admin", {"shop": ["1"]})]),
    ("elsewhere", [("editor", {}), ("admin", {})]),
    ("elsewhere", [("editor", {})]),
]
UNFIT = [
    ("nowhere", []),
    ("shop", [("editor", {"language": ["cs"]})]),
    ("shop", [("clerk", {"shop": ["1"]}), ("boss", {})]),
    ("my-blog", [("editor", {})]),
    ("my-blog", [("editor", {"language": []})]),
    ("my-blog", [("viewer", {"language": ["cs"]})]),
]
SCOPES = st.sampled_from([*FITTING, *FITTING, *UNFIT])
WORDS = st.sets(st.sampled_from(["apiKeyUser", "accessAdmin", "readGraph", "accessInsights", "adminIntegrations"])).map(
    lambda words: words | ({"apiKeyUser"} if len(words) > 1 else set())
)
FILTERS = st.sampled_from([[], [], [{"language": "cs"}], [{"shop": "1"}, {"public": ["yes", "no"]}]])
LIMITS = st.sampled_from(
    [{}, {"rate": Rate(5, 60)}, {"rate": None}, {"quota": Quota(7, Period.DAY), "concurrent": 2}, {"concurrent": 0}]
)
"""What is set of limits, the last one being none that can be."""
EMAILS = st.sampled_from([f"{name}@example.com" for name in ("ann", "bob", "uli", "eve")])
USER_ROLES = st.sampled_from(list(Role))
INSTANCES = st.sampled_from(["one", "two", "three"])


def statement(effect: str, action: str, resource: str, **equals: Any) -> dict[str, Any]:
    said = {"effect": effect, "actions": [action], "resources": [resource]}
    return said | ({"condition": {"stringEquals": equals}} if equals else {})


ACCEPTED = [
    [statement("ALLOW", "*", "*")],
    [statement("ALLOW", "dashboard:View", "dashboard:1")],
    [statement("ALLOW", "query:ReadGraphData", "*", language=["cs", "de"]), statement("ALLOW", "dashboard:View", "*")],
    [statement("ALLOW", "*", "*"), statement("DENY", "query:ReadGraphData", "*", public="no")],
    [statement("ALLOW", "query:ReadGraphData", "*", shop="1"), statement("DENY", "*", "*", language="de")],
    [statement("ALLOW", "dashboard:View", "*"), statement("DENY", "dashboard:View", "dashboard:2")],
]
REFUSED = [
    [statement("ALLOW", "query:ReadGraphData", "entity:1")],
    [{"effect": "ALLOW", "actions": [], "resources": ["*"]}],
    [statement("ALLOW", "dashboard:View", "*", language="cs")],
    None,
]
POLICIES = st.sampled_from([*ACCEPTED, *REFUSED])


def chosen_digest(word: str | None) -> str | None:
    return word if word in (None, "ZZ") else hashlib.sha256(word.encode()).hexdigest()


def held(slug: str, memberships: Memberships) -> tuple[Membership, ...]:
    pairs = ((name, tuple((each, tuple(values)) for each, values in given.items())) for name, given in memberships)
    return tuple(Membership(slug, *pair) for pair in pairs)
