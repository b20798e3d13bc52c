"""`gateway keys`: all six kinds, listings, replacing, revoking; what is not confirmed does not happen."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import time
from contextlib import closing

import pytest

from gateway.cli import keys as keys_module

DAY = 86_400_000
HOUR = 3_600_000
READING = {"effect": "ALLOW", "actions": ["query:ReadGraphData"], "resources": ["*"]}
POLICY = json.dumps({"permissions": [READING]})
pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def listed(operate):
    """The keys, as `keys list --json` tells them."""

    def look(*words):
        return [json.loads(line) for line in operate("keys", "list", "--json", *words).stdout.splitlines()]

    return look


@pytest.fixture
def made(operate):
    """Makes an account key; what `keys create --json` tells."""

    def make(name="reader", *words):
        told = operate("keys", "create", "--json", "--name", name, "--policy", "-", *words, answer=POLICY)
        assert told.exit_code == 0, told.stderr
        return json.loads(told.stdout)

    return make


@pytest.fixture
def ending(tmp_path):
    """Moves the end of a key by hand, as time does."""

    def move(key, expires_at):
        with closing(sqlite3.connect(tmp_path / "gateway.db")) as connection, connection:
            connection.execute("UPDATE keys SET expires_at = ? WHERE id = ?", (expires_at, key))

    return move


def now():
    return time.time_ns() // 1_000_000


# --- creating ---


@pytest.mark.parametrize(
    ("kind", "prefix", "words"),
    [
        ("account", "gwa_", ("--policy", "-")),
        ("user", "gwu_", ("--user", "ADMIN@example.com")),
        ("organization", "gwo_", ("--organization-key",)),
        ("integration", "gwi_", ("--integration-instance", "jira-1", "--yes")),
        ("project", "gwp_", ("--project", "my-blog", "--membership", "editor:language=cs,language=en")),
        ("global", "gwg_", ("--global", "--role", "monitor", "--role", "login")),
    ],
)
def test_a_key_of_each_kind_is_made_and_its_secret_is_nowhere_else(operate, kind, prefix, words):
    operate("integrations", "add", "jira-1")
    result = operate("keys", "create", "--name", "a key", *words, answer=POLICY)
    assert result.exit_code == 0, result.stderr
    secret = result.stdout.strip()
    assert re.fullmatch(prefix + r"\w{36}", secret)
    told = operate("keys", "list", "--json").stdout
    assert secret not in told + operate("audit", "list", "--json").stdout + result.stderr
    key = json.loads(told)
    assert (key["kind"], key["state"], key["start"]) == (kind, "live", secret[:8])
    shown = json.loads(operate("keys", "show", key["id"], "--json").stdout)
    if kind == "project":
        variables = {"language": ["cs", "en"]}
        assert shown["memberships"] == [{"project": "my-blog", "role": "editor", "variables": variables}]
    if kind == "global":
        assert set(shown["globalRoles"]) == {"monitor", "login"}
        assert shown["organization"] is None
    if kind == "account":
        assert shown["policy"] == POLICY


def test_an_owner_may_choose_the_secret_and_tell_its_digest_alone(operate, listed):
    chosen = hashlib.sha256(b"a secret that its owner chose").hexdigest()
    words = ("--name", "mine", "--organization-key", "--digest", chosen)
    made = operate("keys", "create", *words)
    assert (made.exit_code, made.stdout) == (0, "")
    (key,) = listed()
    assert key["start"] is None
    assert "(imported)" in operate("keys", "list").stdout
    again = operate("keys", "create", *words)
    assert (again.exit_code, "in use" in again.stderr, len(listed())) == (1, True, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "say one of"),
        (("--user", "a@b.example", "--organization-key"), "say one of"),
        (("--organization-key", "--membership", "editor"), "--membership goes with --project"),
        (("--organization-key", "--role", "monitor"), "--role with --global"),
        (("--project", "my-blog", "--membership", "editor:language"), "is no membership"),
        (("--project", "my-blog", "--membership", ":language=cs"), "is no membership"),
        (("--global", "--role", "emperor"), "emperor"),
    ],
)
def test_words_that_do_not_fit_are_told_and_nothing_is_made(operate, listed, words, message):
    result = operate("keys", "create", "--name", "x", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert listed() == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--project", "my-blog", "--membership", "editor"), "needs values for the variable `language`"),
        (("--project", "my-blog", "--membership", "owner"), "no role `owner`"),
        (("--project", "shop", "--membership", "editor"), "no project"),
        (("--organization-key", "--digest", "short"), "64 lower-case hexadecimal"),
        (("--organization-key", "--category", "tags"), "only account keys"),
        (("--organization-key", "--days", "0"), "1 to 730 days"),
    ],
)
def test_what_the_rules_refuse_leaves_nothing_behind(operate, listed, words, message):
    result = operate("keys", "create", "--name", "x", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert listed() == []


@pytest.mark.parametrize("answer", ["", "n\n", "\n"])
def test_074_an_integration_key_that_is_not_confirmed_is_not_made(operate, listed, answer):
    operate("integrations", "add", "jira-1")
    words = ("--name", "sync", "--integration-instance", "jira-1")
    asked = operate("keys", "create", *words, answer=answer)
    assert (asked.exit_code, asked.stdout) == (1, "")
    assert listed() == []
    assert operate("keys", "create", *words, answer="y\n").stdout.startswith("gwi_")
    assert len(listed()) == 1


# --- looking ---


def test_a_listing_is_narrowed_by_kind_organization_and_end(operate, made, listed):
    operate("organizations", "add", "globex")
    made("short", "--organization", "acme", "--days", "10")
    made("long", "--organization", "globex", "--days", "20")
    operate("keys", "create", "--name", "super", "--organization-key", "--organization", "acme")

    assert [key["name"] for key in listed()] == ["short", "long", "super"]
    assert [key["name"] for key in listed("--kind", "organization")] == ["super"]
    assert [key["name"] for key in listed("--organization", "globex")] == ["long"]
    assert [key["name"] for key in listed("--expiring", "9")] == []
    assert [key["name"] for key in listed("--expiring", "10")] == ["short"]
    assert [key["name"] for key in listed("--expiring", "21", "--kind", "account")] == ["short", "long"]
    assert {key["name"]: key["expiresSoon"] for key in listed()} == {"short": True, "long": False, "super": False}
    assert [line.count(", soon") for line in operate("keys", "list").stdout.splitlines()] == [1, 0, 0]


def test_a_listing_goes_on_over_pages_and_each_key_is_in_it_once(made, listed, monkeypatch):
    monkeypatch.setattr(keys_module, "PAGE", 2)
    for number in range(5):
        made(f"key {number}")
    assert [key["name"] for key in listed()] == [f"key {number}" for number in range(5)]


def test_018_an_expired_key_is_listed_as_such_can_be_revoked_and_lives_no_longer(operate, made, listed, ending):
    key = made()["id"]
    ending(key, now() - 1)
    assert [each["state"] for each in listed()] == ["expired"]
    assert listed()[0]["expiresSoon"] is False
    assert listed("--expiring", "700") == []
    rotated = operate("keys", "rotate", key, "--yes")
    assert (rotated.exit_code, rotated.stdout, "only a live API key" in rotated.stderr) == (1, "", True)
    assert operate("keys", "revoke", key, "--yes").exit_code == 0
    assert [each["state"] for each in listed()] == ["revoked"]


def test_024_a_lower_maximum_binds_the_keys_that_are_there(operate, made, listed):
    made("old", "--days", "300")
    assert operate("organizations", "max-key-days", "acme", "20", answer="n\n").exit_code == 1
    (before,) = listed()
    assert before["expiresAt"] - before["createdAt"] == 300 * DAY
    assert operate("organizations", "max-key-days", "acme", "20", "--yes").exit_code == 0
    (after,) = listed("--expiring", "20")
    assert after["expiresAt"] - after["createdAt"] == 20 * DAY
    refused = operate("keys", "create", "--name", "new", "--policy", "-", "--days", "21", answer=POLICY)
    assert (refused.exit_code, "1 to 20 days" in refused.stderr) == (1, True)
    assert operate("organizations", "max-key-days", "acme", "none").exit_code == 0
    assert listed() == [before]


def test_a_key_of_a_user_without_access_is_listed_as_suspended(operate, listed):
    operate("keys", "create", "--name", "hers", "--user", "admin@example.com")
    assert operate("groups", "change", "Everyone", "--no-api-keys").exit_code == 0
    assert [key["state"] for key in listed()] == ["suspended"]
    operate("groups", "change", "Everyone", "--api-keys")
    assert [key["state"] for key in listed()] == ["live"]


def test_a_key_of_a_disabled_user_is_listed_as_suspended(operate, listed):
    operate("keys", "create", "--name", "hers", "--user", "admin@example.com")
    assert operate("users", "disable", "admin@example.com").exit_code == 0
    assert [key["state"] for key in listed()] == ["suspended"]


@pytest.mark.parametrize("command", ["show", "rotate", "revoke"])
def test_a_key_that_there_is_not_is_told(operate, command):
    result = operate("keys", command, "some-key-id")
    assert (result.exit_code, "no key of this id" in result.stderr) == (1, True)


# --- ending, replacing ---


@pytest.mark.parametrize("answer", ["", "n\n", "\n"])
@pytest.mark.parametrize("command", ["revoke", "rotate"])
def test_137_what_is_not_confirmed_does_not_happen(operate, made, listed, command, answer):
    key = made()["id"]
    before = listed()
    result = operate("keys", command, key, answer=answer)
    assert (result.exit_code, result.stdout) == (1, "")
    assert key in result.stderr
    assert listed() == before
    assert operate("keys", command, key, answer="y\n").exit_code == 0
    assert listed() != before


@pytest.mark.parametrize(("overlap", "left"), [("0", None), ("1h", 600_000), ("5m", 300_000)])
def test_180_replacing_a_key_never_lengthens_its_life(operate, made, ending, overlap, left):
    key = made("reader", "--days", "30", "--category", "tags")["id"]
    end = now() + 600_000
    ending(key, end)
    before = json.loads(operate("keys", "show", key, "--json").stdout)

    result = operate("keys", "rotate", key, "--overlap", overlap, "--yes", "--json")

    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["secret"].startswith("gwa_")
    old, new = (json.loads(operate("keys", "show", each, "--json").stdout) for each in (key, told["id"]))
    assert {name: new[name] for name in ("identity", "policy", "name", "category", "kind")} == {
        name: before[name] for name in ("identity", "policy", "name", "category", "kind")
    }
    assert new["id"] != old["id"]
    if left is None:
        assert old["state"] == "revoked"
    else:
        assert (old["state"], old["revokedAt"]) == ("live", None)
        assert abs(old["expiresAt"] - (end - 600_000 + left)) < 60_000
    assert old["expiresAt"] <= end


@pytest.mark.parametrize("overlap", ["1 day", "-1h", "h", "1w", "²h", "99999999999h"])
def test_an_overlap_that_is_no_time_is_refused(operate, made, listed, overlap):
    key = made()["id"]
    result = operate("keys", "rotate", key, "--yes", "--overlap", overlap)
    assert (result.exit_code, "no length of time" in result.stderr) == (2, True)
    assert len(listed()) == 1


def test_an_overlap_that_is_too_long_is_refused(operate, made, listed):
    result = operate("keys", "rotate", made()["id"], "--yes", "--overlap", "8d")
    assert (result.exit_code, "the overlap is 0 to 604800 seconds" in result.stderr) == (1, True)
    assert [key["state"] for key in listed()] == ["live"]
