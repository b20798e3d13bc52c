"""An operator's life: first start, keys, users, integration instances."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from urllib.parse import urlsplit

import aiohttp
import pytest

from gateway.app import serving
from gateway.settings import load

POLICY = '{"permissions": [{"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:123456"]}]}'


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.json"
    path.write_text(POLICY)
    return path


# --- init ---


def test_init_prints_a_login_link_alone_and_makes_a_database_for_its_owner_only(gateway, config, tmp_path):
    result = gateway("init", "--config", config, "--organization", "acme", "--email", "admin@example.com")
    assert result.exit_code == 0
    link = urlsplit(result.stdout.strip())
    assert (link.path, link.query) == ("/login", "")
    assert re.fullmatch(r"gwl_\w{36}", link.fragment)
    assert (tmp_path / "gateway.db").stat().st_mode & 0o777 == 0o600


def test_init_refuses_an_installation_that_has_its_first_organization(operate, gateway, config):
    result = gateway("init", "--config", config, "--organization", "other", "--email", "x@example.com")
    assert result.exit_code == 1
    assert "first organization already" in result.stderr
    assert result.stdout == ""


def test_init_can_be_tried_again_after_a_mistake(gateway, config):
    wrong = gateway("init", "--config", config, "--organization", "acme", "--email", "nobody")
    assert (wrong.exit_code, "email address" in wrong.stderr) == (1, True)
    assert gateway("init", "--config", config, "--organization", "acme", "--email", "a@example.com").exit_code == 0


def test_init_says_when_the_organization_has_no_upstream_yet(gateway, config):
    result = gateway("init", "--config", config, "--organization", "other", "--email", "a@example.com")
    assert "[organizations.other.upstream]" in result.stderr


def test_init_does_not_take_a_file_that_is_something_else(gateway, config, tmp_path):
    (tmp_path / "gateway.db").write_text("precious")
    result = gateway("init", "--config", config, "--organization", "acme", "--email", "a@example.com")
    assert result.exit_code == 1
    assert (tmp_path / "gateway.db").read_text() == "precious"


async def test_the_login_link_of_init_lets_its_administrator_in(gateway, config):
    result = await asyncio.to_thread(
        gateway, "init", "--config", config, "--organization", "acme", "--email", "admin@example.com"
    )
    code = urlsplit(result.stdout.strip()).fragment
    async with (
        serving(load(config)) as running,
        aiohttp.ClientSession() as session,
        session.post(f"{running.admin}/login", json={"code": code}) as answer,
    ):
        assert answer.status == 200
        assert (await answer.json())["role"] == "platform_admin"


# --- keys ---


def test_a_key_is_created_listed_and_revoked(operate, policy):
    made = operate("keys", "create", "--name", "mine", "--policy", policy, "--days", "7")
    assert made.exit_code == 0
    secret = made.stdout.strip()
    assert re.fullmatch(r"gwa_\w{36}", secret)
    assert secret not in made.stderr

    listed = operate("keys", "list")
    (line,) = listed.stdout.splitlines()
    key = line.split()[0]
    assert key in made.stderr
    assert secret not in listed.output
    assert {"account", "acme", "live", "mine", f"{secret[:8]}…"} <= set(line.split())

    kept = operate("keys", "revoke", key, answer="n\n")
    assert kept.exit_code == 1
    assert "live" in operate("keys", "list").stdout
    revoked = operate("keys", "revoke", key, "--yes")
    assert (revoked.exit_code, revoked.stderr) == (0, f"revoked {key}\n")
    assert "revoked" in operate("keys", "list").stdout
    assert operate("keys", "revoke", key, answer="y\n").exit_code == 0


def test_keys_are_listed_as_json_with_all_but_the_secret(operate, policy):
    secret = operate("keys", "create", "--name", "ž", "--policy", policy, "--category", "tags").stdout.strip()
    key = json.loads(operate("keys", "list", "--json").stdout)
    assert (key["name"], key["category"], key["kind"], key["state"]) == ("ž", "tags", "account", "live")
    assert key["expiresAt"] - key["createdAt"] == 365 * 24 * 60 * 60 * 1000
    assert secret not in json.dumps(key)


def test_a_policy_is_read_from_standard_input_too(operate):
    made = operate("keys", "create", "--name", "mine", "--policy", "-", answer=POLICY)
    assert made.exit_code == 0


def test_a_policy_that_is_refused_names_the_path_to_its_fault(operate, tmp_path):
    (tmp_path / "policy.json").write_text(POLICY.replace("ALLOW", "allow"))
    made = operate("keys", "create", "--name", "mine", "--policy", tmp_path / "policy.json")
    assert (made.exit_code, made.stdout) == (1, "")
    assert "permissions[0].effect" in made.stderr


def test_a_user_key_and_an_integration_key_are_created(operate):
    assert operate("keys", "create", "--name", "a", "--user", "ADMIN@example.com").stdout.startswith("gwu_")
    unknown = operate("keys", "create", "--name", "i", "--integration-instance", "jira-1", "--yes")
    assert (unknown.exit_code, "no integration instance" in unknown.stderr) == (1, True)
    assert operate("integrations", "add", "jira-1").exit_code == 0
    again = operate("integrations", "add", "jira-1")
    assert (again.exit_code, "already" in again.stderr) == (1, True)
    made = operate("keys", "create", "--name", "i", "--integration-instance", "jira-1", "--yes")
    assert made.stdout.startswith("gwi_")
    assert "without an end" in made.stderr


@pytest.mark.parametrize("words", [(), ("--user", "a@b", "--integration-instance", "x")])
def test_a_key_is_of_one_kind(operate, words):
    result = operate("keys", "create", "--name", "x", *words)
    assert result.exit_code == 2
    assert "say one of" in result.stderr


def test_a_key_of_nobody_is_refused(operate):
    result = operate("keys", "create", "--name", "x", "--user", "nobody@example.com")
    assert (result.exit_code, result.stdout) == (1, "")
    result = operate("keys", "create", "--name", "x", "--organization", "nowhere", "--policy", "-", answer=POLICY)
    assert (result.exit_code, result.stdout) == (1, "")


def test_a_key_that_there_is_not_cannot_be_revoked(operate):
    result = operate("keys", "revoke", "some-key-id", "--yes")
    assert (result.exit_code, "no key of this id" in result.stderr) == (1, True)


# --- users ---


def test_a_user_is_added_and_can_be_given_another_login_link(operate):
    first = operate("users", "add", "ann@example.com", "--role", "organization_admin")
    second = operate("users", "login", "ann@example.com")
    codes = {urlsplit(result.stdout.strip()).fragment for result in (first, second)}
    assert len(codes) == 2
    assert all(code.startswith("gwl_") for code in codes)
    assert operate("keys", "create", "--name", "hers", "--user", "ann@example.com").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("add", "admin@example.com"), "already"),
        (("add", "nobody"), "email"),
        (("add", "ann@example.com", "--organization", "nowhere"), "no organization"),
        (("login", "nobody@example.com"), "no user"),
    ],
)
def test_what_cannot_be_done_with_a_user_is_said(operate, words, message):
    result = operate("users", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr


# --- around all of them ---


@pytest.mark.parametrize(
    "words", [("keys", "list"), ("keys", "revoke", "x", "--yes"), ("users", "login", "x"), ("serve",)]
)
def test_without_a_database_every_command_says_what_makes_one(gateway, config, words):
    result = gateway(*words, "--config", config)
    assert result.exit_code == 1
    assert "gateway init" in result.stderr


def test_a_database_that_is_damaged_is_a_message_not_a_traceback(operate, tmp_path):
    (tmp_path / "gateway.db").write_bytes(b"\0" * 4096)
    result = operate("keys", "list")
    assert result.exit_code == 1
    assert "gateway.db" in result.stderr


@pytest.mark.parametrize("command", ["init", "keys list", "serve", "check", "users login"])
def test_faults_of_the_settings_end_every_command_with_all_of_them(gateway, tmp_path, command):
    (tmp_path / "bad.toml").write_text("[data]\nport = 'x'\nprot = 1\n")
    more = {"init": ("--organization", "a", "--email", "a@b"), "users login": ("a@b",)}.get(command, ())
    result = gateway(*command.split(), "--config", tmp_path / "bad.toml", *more)
    assert result.exit_code == 2
    faults = {line.split(": ")[0] for line in result.stderr.splitlines()[1:]}
    assert faults == {"data.port", "data.prot", "secrets.identity", "secrets.seal"}


def test_check_prints_the_effective_settings_with_secrets_masked(gateway, config, monkeypatch):
    monkeypatch.setenv("GATEWAY_DATA__PORT", "7070")
    result = gateway("check", "--config", config)
    assert result.exit_code == 0
    assert "data.port = 7070\n" in result.stdout
    assert 'secrets.seal = "**********"\n' in result.stdout
    assert "not-a-secret" not in result.output


def test_check_prints_the_table_for_the_readme(gateway):
    assert "| `data.port` | `8080` |" in gateway("check", "--markdown").stdout


def test_serve_says_which_port_is_taken(operate, gateway, config, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("GATEWAY_DATA__PORT", str(taken.getsockname()[1]))
        result = gateway("serve", "--config", config)
    assert result.exit_code == 1
    assert "the data listener cannot have" in result.stderr
