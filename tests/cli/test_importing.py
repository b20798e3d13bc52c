"""`gateway keys import`: keys that live elsewhere go on working; a file is taken whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest

from gateway.app import opened_control
from gateway.cli.reading import membership
from gateway.control import importing
from gateway.keys import Digest, Membership, Principal
from gateway.settings import load

POLICY = {"permissions": [{"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:1"]}]}
pytestmark = pytest.mark.usefixtures("project")


def digest(secret):
    return hashlib.sha256(secret.encode()).hexdigest()


def account(secret, /, **more):
    return {"digest": digest(secret), "name": secret, "kind": "account", "policy": POLICY} | more


@pytest.fixture
def take(operate, tmp_path):
    """Imports rows (JSON lines), or the text of a CSV file."""

    def imported(rows, *words):
        file = tmp_path / ("keys.csv" if isinstance(rows, str) else "keys.jsonl")
        file.write_text(rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows))
        return operate("keys", "import", file, *words)

    return imported


@pytest.fixture
def names(operate):
    return lambda: [json.loads(line)["name"] for line in operate("keys", "list", "--json").stdout.splitlines()]


def test_keys_of_every_kind_are_taken_over_and_their_bearers_go_on(operate, take, names, config):
    operate("integrations", "add", "jira-1")
    rows = [
        account("old-account", days=30, category="tags"),
        {"digest": digest("old-user"), "name": "u", "kind": "user", "user": "admin@example.com"},
        {"digest": digest("old-super"), "name": "o", "kind": "organization", "organization": "acme"},
        {"digest": digest("old-sync"), "name": "i", "kind": "integration", "integration_instance": "jira-1"},
        {
            "digest": digest("old-editor"),
            "name": "p",
            "kind": "project",
            "project": "my-blog",
            "memberships": ["editor:language=cs"],
        },
        {"digest": digest("old-monitor"), "name": "g", "kind": "global", "roles": ["monitor"]},
    ]

    done = take(rows)

    assert (done.exit_code, done.stderr, done.stdout) == (0, "imported 6 keys\n", "")
    assert names() == ["old-account", "u", "o", "i", "p", "g"]
    secrets = ["old-account", "old-user", "old-super", "old-sync", "old-editor", "old-monitor"]

    async def found():
        async with opened_control(load(config)) as control:
            return [await control.store.resolver.find(Digest(digest(secret))) for secret in secrets]

    principals = asyncio.run(found())
    assert all(isinstance(each, Principal) for each in principals)
    assert [each.identity.kind for each in principals] == [row["kind"] for row in rows]
    assert principals[4].identity.memberships == (Membership("my-blog", "editor", (("language", ("cs",)),)),)


def test_a_table_is_taken_too(take, names):
    lines = [
        "digest,name,kind,project,memberships,roles,days",
        f"{digest('one')},first,project,my-blog,editor:language=cs; editor:language=en,,",
        f'{digest("two")},"second, with a comma",global,,,monitor;login,10',
    ]
    done = take("\n".join(lines))
    assert (done.exit_code, done.stderr) == (0, "imported 2 keys\n")
    assert names() == ["first", "second, with a comma"]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (account("x", name=""), "the name of a key is a text"),
        (account("x", digest="short"), "64 lower-case hexadecimal digits"),
        (account("x", digest=digest("password")), "not that of a word"),
        (account("x", digest=None), "the digest is missing"),
        (account("x", digest=7), "`digest` must be a text"),
        (account("x", kind="emperor"), "`kind` must be one of user, account"),
        (account("x", kind=None), "`kind` must be one of"),
        (account("x", policy=None), "an account key needs a policy"),
        (account("x", policy={"permissions": []}), "permissions"),
        (account("x", days="soon"), "`days` must be a whole number"),
        (account("x", days=True), "`days` must be a whole number"),
        (account("x", days=731), "1 to 730 days"),
        (account("x", expires_at=1), "a key can end from now on"),
        (account("x", organization="nowhere"), "no organization of this id"),
        (account("x", secret="s"), "`secret` is no column"),
        (account("x", roles=["monitor"]), "`roles` is for keys of kind global, not account"),
        ({"digest": digest("x"), "name": "x", "kind": "user", "user": "no@body.example"}, "no user"),
        ({"digest": digest("x"), "name": "x", "kind": "user"}, "no user"),
        ({"digest": digest("x"), "name": "x", "kind": "integration"}, "no integration instance"),
        ({"digest": digest("x"), "name": "x", "kind": "project", "project": "none"}, "no project"),
        (
            {"digest": digest("x"), "name": "x", "kind": "project", "project": "my-blog", "memberships": ["editor"]},
            "needs values",
        ),
        (
            {"digest": digest("x"), "name": "x", "kind": "project", "project": "my-blog", "memberships": ["editor:l"]},
            "is no membership",
        ),
        ({"digest": digest("x"), "name": "x", "kind": "global", "roles": ["emperor"]}, "no global role"),
        ({"digest": digest("x"), "name": "x", "kind": "global", "roles": "monitor"}, "must be a list of texts"),
    ],
)
def test_one_bad_line_is_told_with_its_number_and_nothing_is_kept(take, names, row, fault):
    done = take([account("good"), row, account("better")])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "nothing was imported\nError" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "line 2: " in line]
    assert fault in line
    assert "keys.jsonl, line 1:" not in done.stderr
    assert names() == []


def test_every_bad_line_is_told_at_once(take, names):
    done = take([account("a", days=0), account("b"), account("c", name="\0")])
    assert [line.partition(":")[0] for line in done.stderr.splitlines()[1:]] == [
        "keys.jsonl, line 1",
        "keys.jsonl, line 3",
    ]
    assert names() == []


def test_a_digest_that_occurs_twice_is_refused_with_both_lines(take, names):
    done = take([account("a"), account("b"), account("a")])
    assert "line 3: the digest stands in line 1 already" in done.stderr
    assert names() == []


@pytest.mark.parametrize("revoked", [False, True])
def test_a_digest_that_is_in_use_or_was_is_refused_with_its_line(operate, take, names, revoked):
    assert take([account("a")]).exit_code == 0
    if revoked:
        key = json.loads(operate("keys", "list", "--json").stdout)["id"]
        operate("keys", "revoke", key, "--yes")
    done = take([account("b"), account("a"), account("c")])
    assert (done.exit_code, "line 2: the digest of this secret is in use already" in done.stderr) == (1, True)
    assert names() == ["a"]


def test_each_imported_key_is_in_the_audit_trail_and_a_failed_import_is_not(operate, take):
    take([account("a"), account("b")])
    take([account("c"), account("d", days=0)])
    events = [json.loads(line) for line in operate("audit", "list", "--json").stdout.splitlines()]
    assert [event["details"]["key"] for event in events if event["event"] == "key.create"] == ["b", "a"]
    assert operate("audit", "verify").exit_code == 0


def test_a_file_that_is_too_long_is_refused_unread_by_the_store(take, names, monkeypatch):
    monkeypatch.setattr(importing, "LINES", 2)
    done = take([account("a"), account("b"), account("c")])
    assert "line 3: an import has up to 2 keys: split the file" in done.stderr
    assert names() == []


@pytest.mark.parametrize("text", ["no JSON\n", "[]\n", "\xff\n"])
def test_a_file_that_is_no_list_of_keys_is_told(operate, tmp_path, text):
    (tmp_path / "keys").write_bytes(b"\n" + text.encode("latin-1"))
    done = operate("keys", "import", tmp_path / "keys")
    assert (done.exit_code, "keys, line 2: is no JSON object" in done.stderr) == (1, True)


@pytest.mark.parametrize("text", ['digest,name\n"a', "digest,name\na,b,c\n", "digest,name\n\xff,b\n"])
def test_a_table_that_is_none_is_told(operate, tmp_path, text):
    (tmp_path / "keys.csv").write_bytes(text.encode("latin-1"))
    done = operate("keys", "import", tmp_path / "keys.csv")
    assert (done.exit_code, "nothing was imported\nkeys.csv, line " in done.stderr) == (1, True)


def test_the_organization_is_named_where_there_are_several(operate, take, names):
    operate("organizations", "add", "globex")
    done = take([account("a")])
    assert (done.exit_code, "the organization is missing" in done.stderr) == (1, True)
    assert take([account("a")], "--organization", "globex").exit_code == 0
    assert names() == ["a"]


def test_a_membership_is_a_role_and_values():
    assert membership("viewer", "p") == Membership("p", "viewer")
    assert membership("e:a=1,b==,a=2", "p") == Membership("p", "e", (("a", ("1", "2")), ("b", ("=",))))
