"""`gateway users`, `groups`, `organizations`, `integrations`, `projects`, `audit list`."""

from __future__ import annotations

import json

import pytest

from gateway.cli import keeping

POLICY = '{"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]}'
NO_LIMITS = {"rate": None, "quota": None, "concurrent": None}


@pytest.fixture
def told(operate):
    """What a command tells programs."""

    def tell(*words):
        result = operate(words[0], words[1], *words[2:], "--json")
        assert result.exit_code == 0, result.stderr
        return [json.loads(line) for line in result.stdout.splitlines()]

    return tell


@pytest.fixture
def ann(operate):
    """Ann, a user of acme with a key."""
    operate("users", "add", "ann@example.com", "--first-name", "Ann", "--last-name", "Lee")
    assert operate("keys", "create", "--name", "hers", "--user", "ann@example.com").exit_code == 0
    return "ann@example.com"


def states(told):
    return {key["name"]: key["state"] for key in told("keys", "list")}


# --- users ---


def test_users_are_listed_and_shown(operate, told, ann):
    listed = {user["email"]: user for user in told("users", "list")}
    assert {email: user["role"] for email, user in listed.items()} == {
        "admin@example.com": "platform_admin",
        ann: "user",
    }
    (shown,) = told("users", "show", ann)
    assert (shown["firstName"], shown["status"], shown["lastLoginAt"]) == ("Ann", "active", None)
    assert [(each["id"], each["role"]) for each in shown["organizations"]] == [("acme", "user")]
    assert told("users", "show", shown["id"]) == [shown]
    assert "ann@example.com" in operate("users", "show", ann).stdout


def test_a_user_of_two_organizations_is_listed_in_each(operate, told, ann):
    operate("organizations", "add", "globex")
    operate("users", "add", ann, "--organization", "globex", "--role", "organization_admin")
    seen = sorted((user["organization"], user["role"]) for user in told("users", "list") if user["email"] == ann)
    assert seen == [("acme", "user"), ("globex", "organization_admin")]
    assert [user["email"] for user in told("users", "list", "--organization", "globex")] == [ann]


def test_a_role_is_given(operate, told, ann):
    assert operate("users", "role", ann, "organization_admin").exit_code == 0
    assert {user["role"] for user in told("users", "list") if user["email"] == ann} == {"organization_admin"}


def test_a_disabled_users_keys_are_dead_until_the_user_is_enabled(operate, told, ann):
    disabled = operate("users", "disable", ann)
    assert (disabled.exit_code, disabled.stderr) == (0, f"{ann} is disabled\n")
    assert {user["status"] for user in told("users", "list") if user["email"] == ann} == {"disabled"}
    assert operate("users", "enable", ann).stderr == f"{ann} is active\n"
    assert {user["status"] for user in told("users", "list")} == {"active"}


@pytest.mark.parametrize("command", ["remove", "delete"])
def test_removing_and_deleting_a_user_wait_for_a_yes(operate, told, ann, command):
    for answer in ("", "n\n"):
        asked = operate("users", command, ann, answer=answer)
        assert (asked.exit_code, len(told("users", "list"))) == (1, 2)
    assert states(told) == {"hers": "live"}
    assert operate("users", command, ann, "--yes").exit_code == 0
    assert [user["email"] for user in told("users", "list")] == ["admin@example.com"]


def test_deleting_a_user_revokes_their_own_keys_alone(operate, told, ann):
    operate("keys", "create", "--name", "super", "--organization-key")
    done = operate("users", "delete", ann, "--yes")
    assert done.stderr == f"deleted {ann}, revoked 1 keys\n"
    assert states(told) == {"hers": "revoked", "super": "live"}


@pytest.mark.parametrize("words", [("show", "x@y.example"), ("disable", "x@y.example"), ("delete", "nobody", "--yes")])
def test_a_user_that_there_is_not_is_told(operate, words):
    result = operate("users", *words)
    assert (result.exit_code, "no user" in result.stderr) == (1, True)


# --- groups ---


def test_a_group_is_made_changed_and_deleted(operate, told, ann):
    made = told("groups", "create", "Readers", "--no-api-keys", "--permission", "readGraph", "--description", "Some")[0]
    assert (made["apiKeys"], made["permissions"], made["everyone"]) == (False, ["readGraph"], False)
    (changed,) = told("groups", "change", "Readers", "--api-keys", "--name", "Callers")
    assert (changed["id"], changed["name"], changed["apiKeys"]) == (made["id"], "Callers", True)
    assert (set(changed["permissions"]), changed["description"]) == ({"readGraph", "apiKeyUser"}, "Some")
    (changed,) = told("groups", "change", made["id"], "--permission", "writeGraph")
    assert set(changed["permissions"]) == {"writeGraph", "apiKeyUser"}
    assert operate("groups", "delete", "Callers", answer="").exit_code == 1
    assert {group["name"] for group in told("groups", "list")} == {"Everyone", "Callers"}
    assert operate("groups", "delete", "Callers", "--yes").exit_code == 0
    assert {group["name"] for group in told("groups", "list")} == {"Everyone"}


def test_the_switch_of_a_users_groups_suspends_and_restores_their_keys(operate, told, ann):
    operate("groups", "create", "Callers", "--api-keys")
    operate("groups", "change", "Everyone", "--no-api-keys")
    assert states(told) == {"hers": "suspended"}
    assert operate("groups", "add", "Callers", ann).stderr == f"{ann} is in Callers\n"
    assert states(told) == {"hers": "live"}
    assert operate("groups", "remove", "Callers", ann).stderr == f"{ann} is not in Callers\n"
    assert states(told) == {"hers": "suspended"}


def test_a_query_policy_is_read_from_a_file(operate, told, tmp_path):
    (tmp_path / "good.json").write_text('[{"_type": "github_repo"}]')
    (tmp_path / "bad.json").write_text('[{"_type": 1}]')
    bad = operate("groups", "create", "Bad", "--query-policy", tmp_path / "bad.json")
    assert (bad.exit_code, "query policy is refused" in bad.stderr) == (1, True)
    words = ("--permission", "readGraph", "--query-policy", tmp_path / "good.json")
    assert told("groups", "create", "Good", *words)[0]["queryPolicy"] == '[{"_type": "github_repo"}]'
    assert {group["name"] for group in told("groups", "list")} == {"Everyone", "Good"}


@pytest.mark.parametrize("words", [("delete", "Everyone", "--yes"), ("change", "Everyone", "--name", "All")])
def test_the_built_in_group_stays(operate, words):
    result = operate("groups", *words)
    assert (result.exit_code, "built-in" in result.stderr) == (1, True)


def test_a_group_that_there_is_not_is_told(operate):
    assert "no group of this name" in operate("groups", "delete", "Nobodies", "--yes").stderr


# --- organizations, integrations, projects ---


def test_organizations_are_added_and_listed(operate, told):
    added = operate("organizations", "add", "globex", "--name", "Globex")
    assert (added.exit_code, "[organizations.globex.upstream]" in added.stderr) == (0, True)
    assert operate("organizations", "add", "globex").exit_code == 1
    operate("organizations", "max-key-days", "globex", "30", "--yes")
    assert told("organizations", "list") == [
        {"id": "acme", "name": "acme", "maxKeyDays": None, "limits": NO_LIMITS},
        {"id": "globex", "name": "Globex", "maxKeyDays": 30, "limits": NO_LIMITS},
    ]
    for days in ("0", "731"):
        refused = operate("organizations", "max-key-days", "globex", days, "--yes")
        assert (refused.exit_code, "1 to 730 days" in refused.stderr) == (1, True)
    assert operate("organizations", "max-key-days", "globex", "soon").exit_code == 2
    unnamed = operate("groups", "list")
    assert (unnamed.exit_code, "say --organization: there are acme, globex" in unnamed.stderr) == (2, True)


def test_deleting_an_integration_instance_revokes_its_keys_after_a_yes(operate, told):
    operate("integrations", "add", "jira-1", "--name", "Jira")
    operate("keys", "create", "--name", "sync", "--integration-instance", "jira-1", "--yes")
    assert told("integrations", "list") == [{"id": "jira-1", "organization": "acme", "name": "Jira"}]
    assert operate("integrations", "delete", "jira-1", answer="").exit_code == 1
    assert states(told) == {"sync": "live"}
    assert operate("integrations", "delete", "jira-1", "--yes").stderr == "deleted jira-1, revoked 1 keys\n"
    assert (told("integrations", "list"), states(told)) == ([], {"sync": "revoked"})


def test_projects_are_those_of_the_settings_with_what_a_membership_must_give(operate, told, config):
    config.write_text(
        config.read_text()
        + """
[projects.my-blog]
organization = "acme"
[projects.my-blog.roles.editor]
variables = { language = {}, me = { predefined = "identityID" } }
[[projects.my-blog.roles.editor.permissions]]
effect = "ALLOW"
actions = ["query:ReadGraphData"]
resources = ["*"]
condition = { stringEquals = { language = { variable = "language" }, owner = { variable = "me" } } }
"""
    )
    expected = {"slug": "my-blog", "organization": "acme", "name": "my-blog", "roles": {"editor": ["language"]}}
    assert told("projects", "list") == [expected]
    assert operate("projects", "list").stdout == "my-blog  acme  my-blog  editor(language)\n"


# --- the audit trail ---


def test_the_audit_trail_is_read_newest_first_over_pages(operate, told, monkeypatch):
    monkeypatch.setattr(keeping, "PAGE", 2)
    operate("organizations", "add", "globex")
    operate("users", "add", "ann@example.com", "--organization", "globex")
    operate("keys", "create", "--name", "super", "--organization-key", "--organization", "acme")
    events = told("audit", "list")
    assert [event["event"] for event in events] == [
        "key.create",
        "login.create",
        "user.add",
        "organization.add",
        "login.create",
        "organization.found",
    ]
    assert [event["number"] for event in events] == sorted((event["number"] for event in events), reverse=True)
    assert told("audit", "list", "--limit", "3") == events[:3]
    assert {event["organization"] for event in told("audit", "list", "--organization", "globex")} == {"globex"}
    assert "key.create" in operate("audit", "list").stdout
