"""Every root field that is known of the platform, by what happens to it, for keys of all sorts.

`cases/root_fields.txt` says a second time, and not from the code, what the lists in `roots` say.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.authz import Rules, plan
from gateway.authz.outcome import Assemble, Facts, Forward, Grounds, Local, Pass, Relink
from gateway.authz.rules import ENFORCE
from gateway.http1 import Reason

SHARED = Path(__file__).parents[2].parent / "shared"
CASES = (Path(__file__).parent / "cases" / "root_fields.txt").read_text().split("== ")
SECTIONS = {name: body for name, _, body in (section.partition("\n") for section in CASES)}
HERE, PEOPLE, LINKS, GRAPH, REST = (
    SECTIONS[name].split()
    for name in (
        "answered here",
        "about keys and people, for nobody",
        "credentials and public addresses, for nobody",
        "the graph",
        "everything",
    )
)


class Row(NamedTuple):
    field: str
    action: str
    resource: str

    @property
    def name(self):
        return self.field.partition("(")[0]


TABLE = SECTIONS["with a row: the field, the action, the resource"].split("\n")
ROWS = [Row(*line.rsplit(maxsplit=2)) for line in TABLE if line]
FIELDS = {
    "here": HERE,
    "people": PEOPLE,
    "links": LINKS,
    "graph": GRAPH,
    "row": [row.field for row in ROWS],
    "everything": REST,
}

EXPECTED = {
    #                                          here  people links  graph  row    everything
    "everything":                              "ours keys   never  passed passed passed",
    "everything but the graph":                "ours keys   never  graph  passed not",
    "everything but a part of the graph":      "ours keys   never  graph  passed not",
    "everything but an unheard-of dashboard":  "ours keys   never  passed other  not",
    "the graph":                               "ours keys   never  graph  not    not",
    "a part of the graph":                     "ours keys   never  graph  not    not",
    "all actions, a part of the graph":        "ours keys   never  graph  not    not",
    "all resources of no action that is here": "ours keys   never  graph  not    not",
    "something unrelated":                     "ours keys   never  graph  not    not",
    "nothing":                                 "ours keys   never  graph  not    not",
}  # fmt: skip
"""What happens to the fields of each class for each key, in the order of FIELDS."""

REASONS = {
    "keys": Reason.KEYS_DECIDE,
    "never": Reason.NEVER_FORWARDED,
    "graph": Reason.QUERYV1_NEEDS_J1QL,
    "not": Reason.NOT_ALLOWED,
}


@pytest.fixture
def keys(statements):
    allow, deny = statements
    everything, graph = allow(["*"]), "query:ReadGraphData"
    return {
        "everything": [everything],
        "everything but the graph": [everything, deny([graph])],
        "everything but a part of the graph": [everything, deny([graph], classification="secret")],
        "everything but an unheard-of dashboard": [everything, deny(["dashboard:View"], ["dashboard:unheard"])],
        "the graph": [allow([graph])],
        "a part of the graph": [allow([graph], _type="github_repo")],
        "all actions, a part of the graph": [allow(["*"], _type="github_repo")],
        "all resources of no action that is here": [allow(["persister:Synchronize"])],
        "something unrelated": [allow(["settings:GetSettings"], ["settings-category:unrelated"])],
        "nothing": [deny(["*"])],
    }


@pytest.fixture
def decide(principal, call):
    def run(field, *permissions, kind="query", rules=None):
        field = field if isinstance(field, str) else field.field
        body = {"query": f"{kind} {{ renamed: {field} {{ __typename }} }}"}
        return plan(call("/graphql", body), principal(*permissions), Facts(), rules or Rules(), 0)

    return run


def ending(made):
    if isinstance(made, Local):
        return "ours"
    if isinstance(made, Forward):
        return "passed" if isinstance(made.answer, Pass | Relink) else "list"
    return next(name for name, reason in REASONS.items() if reason is made.refusal.reason)


def expected(outcome, field):
    """`other`: as the rows say for a key that may do all but view one dashboard."""
    if outcome != "other":
        return outcome
    of_all = {"getDashboardTemplates": "not", 'dashboardParameter(id: "x")': "not"}
    return {"getDashboards": "list", **of_all}.get(field, "passed")


@pytest.mark.parametrize("key", EXPECTED)
@pytest.mark.parametrize("kind", ["query", "mutation"])
def test_each_root_field_ends_as_its_class_says(decide, keys, key, kind):
    found, wanted = {}, {}
    for (_, fields), outcome in zip(FIELDS.items(), EXPECTED[key].split(), strict=True):
        for field in fields:
            if kind == "mutation" and expected(outcome, field) == "list":
                continue  # lists are made of queries
            found[field] = ending(decide(field, *keys[key], kind=kind))
            wanted[field] = expected(outcome, field)
    assert found == wanted
    assert len(found) > 340


@pytest.mark.parametrize("key", ["a part of the graph", "everything but the graph", "something unrelated"])
def test_enforcing_policies_on_query_fields_opens_nothing_else(decide, keys, key):
    enforced = Rules(query_fields=ENFORCE)
    for fields in FIELDS.values():
        for field in set(fields) - {"queryV1", "queryV2"}:
            assert ending(decide(field, *keys[key], rules=enforced)) == ending(decide(field, *keys[key])), field


def test_there_is_an_expectation_for_every_key(keys):
    assert keys.keys() == EXPECTED.keys()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_opens_its_field_for_its_own_action_and_resource(decide, statements, row):
    allow, deny = statements
    for resources in ([row.resource], ["*"]):
        made = decide(row, allow([row.action], resources))
        assert isinstance(made, Forward)
        assert made.grounds == Grounds(row.action, row.resource, ("permissions[0]",))
        assert isinstance(decide(row, allow(["*"], resources)), Forward)
        assert ending(decide(row, allow(["*"], resources), deny([row.action], [row.resource]))) == "not"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_nothing_else_opens_it(decide, statements, row):
    allow, _ = statements
    actions = {other.action for other in ROWS} | {"query:ReadGraphData", "persister:Synchronize"}
    for action in actions - {row.action}:
        assert ending(decide(row, allow([action]))) == "not", action
    kind, _, name = row.resource.partition(":")
    near = {f"{kind}:{name}2", f"{kind}:y"} if name else set()
    for resource in ({other.resource for other in ROWS} - {row.resource, "*"}) | near:
        assert ending(decide(row, allow([row.action], [resource]))) == ("list" if _lists(row, resource) else "not")
    assert ending(decide(row, allow(["*"], _type="github_repo"))) == "not"


def _lists(row, resource):
    """Two lists are made of what a policy names."""
    return (row.name, resource.partition(":")[0]) in {("getDashboards", "dashboard"), ("parameterList", "parameter")}


@pytest.mark.parametrize(
    ("field", "action", "resource"),
    [
        ("getDashboards", "dashboard:View", "dashboard:x"),
        ("parameterList", "parameters:GetParameterList", "parameter:x"),
    ],
)
def test_two_lists_are_made_here_for_names_and_for_all_but_some(decide, statements, field, action, resource):
    allow, deny = statements
    for permissions in ([allow([action], [resource])], [allow(["*"]), deny([action], [resource])]):
        assert isinstance(decide(field, *permissions).answer, Assemble)


def test_a_download_link_of_a_notification_is_a_public_address(decide, keys):
    for name in ("inAppNotifications", "readNotification"):
        skipped = f"{name} {{ notifications {{ ... on N @skip(if: true) {{ x: downloadLink }} }} }} other"
        assert ending(decide(skipped, *keys["everything"])) == "never"


def test_each_field_is_in_one_class():
    names = [*HERE, *PEOPLE, *LINKS, *GRAPH, *REST, *(row.name for row in ROWS)]
    assert len(names) == len(set(names))


@pytest.mark.skipif(not SHARED.exists(), reason="the collection of real root fields is not here")
def test_every_real_root_field_is_in_a_class():
    roots = json.loads((SHARED / "j1ql" / "root_fields.json").read_text())
    names = {*HERE, *PEOPLE, *LINKS, *GRAPH, *REST, *(row.name for row in ROWS)}
    assert set(roots["query"]) | set(roots["mutation"]) <= names
    newer = """
    queryV2 getEntityCounts entityRawDataV2 getAllAssetProperties getDashboard getDashboards createDashboard
    createWidget patchDashboard integrationInstancesV2 ruleEvaluationDetails controls resourceGroups dropRules
    j1qlFromNaturalLanguage integrationFileTransferUploadUrl getResourcePermissions
    """
    assert set(newer.split()) <= names
