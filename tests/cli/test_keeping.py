"""`gateway audit verify` and `gateway migrate`."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

VERSION_1 = Path(__file__).parents[1] / "stores" / "version_1.sql"


@pytest.fixture
def by_hand(tmp_path):
    def act(statement):
        with closing(sqlite3.connect(tmp_path / "gateway.db")) as connection, connection:
            connection.execute(statement)

    return act


def test_a_trail_that_fits_is_told_by_its_heads(operate):
    result = operate("audit", "verify")

    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    told = json.loads(line)
    assert (told["organization"], told["events"], len(told["hash"])) == ("acme", 2, 64)


def test_the_first_event_that_does_not_fit_is_named(operate, by_hand):
    by_hand("UPDATE audit_events SET actor = 'nobody' WHERE id = 2")

    result = operate("audit", "verify")

    assert result.exit_code == 1
    assert "organization acme: event 2 (`login.create` of " in result.stderr
    assert result.stdout == ""


def test_a_trail_that_was_cut_off_is_told_by_heads_of_an_earlier_check(operate, by_hand, tmp_path):
    heads = tmp_path / "heads"
    heads.write_text(operate("audit", "verify").stdout)
    assert operate("audit", "verify", "--heads", heads).exit_code == 0
    by_hand("DELETE FROM audit_events")
    by_hand("DELETE FROM audit_chains")

    assert operate("audit", "verify").exit_code == 0  # what the database alone cannot tell
    result = operate("audit", "verify", "--heads", heads)

    assert result.exit_code == 1
    assert "2 events were noted, 0 are there: the newest were removed" in result.stderr


@pytest.mark.parametrize("text", ["not JSON", '["a list"]', '{"organization": "acme"}', "17"])
def test_heads_that_are_none_are_refused(operate, tmp_path, text):
    (tmp_path / "heads").write_text(text)

    result = operate("audit", "verify", "--heads", tmp_path / "heads")

    assert result.exit_code == 2
    assert "--heads wants what" in result.stderr


def test_an_older_database_is_migrated_when_it_is_told_so(gateway, config, tmp_path):
    with closing(sqlite3.connect(tmp_path / "gateway.db")) as connection:
        connection.executescript(VERSION_1.read_text("utf-8"))
    refused = gateway("keys", "list", "--config", config)
    assert refused.exit_code == 1
    assert "run `gateway migrate`" in refused.stderr

    result = gateway("migrate", "--config", config)

    assert (result.exit_code, result.stderr) == (0, "the database: from version 1 to 5\n")
    assert "key-live" in gateway("keys", "list", "--config", config).stdout
    assert gateway("audit", "verify", "--config", config).exit_code == 0
    assert gateway("migrate", "--config", config).stderr == "the database: version 5 already\n"


def test_without_a_database_there_is_nothing_to_migrate(gateway, config):
    result = gateway("migrate", "--config", config)

    assert result.exit_code == 1
    assert "there is no database at" in result.stderr


def test_tables_are_made_where_there_are_none_and_left_alone_where_there_are(gateway, config):
    result = gateway("migrate", "--create", "--config", config)
    assert (result.exit_code, result.stderr) == (0, "the database: version 5 already\n")
    founding = ("init", "--config", config, "--organization", "acme", "--email", "admin@example.com")
    assert gateway(*founding).exit_code == 0

    assert gateway("migrate", "--create", "--config", config).exit_code == 0
    assert "acme" in gateway("organizations", "list", "--config", config).stdout


def test_tables_are_made_in_an_empty_postgresql(gateway, config, postgres):
    text = config.read_text()
    config.write_text(text.replace("[store]", f'[store]\nurl = "{postgres.new_database()}"'))
    assert "is not a database of the gateway" in gateway("migrate", "--config", config).stderr

    assert gateway("migrate", "--create", "--config", config).exit_code == 0
    assert gateway("organizations", "list", "--config", config).exit_code == 0


def test_an_installation_on_postgresql(gateway, config, postgres):
    text = config.read_text()
    config.write_text(text.replace("[store]", f'[store]\nurl = "{postgres.new_database()}"'))

    made = gateway("init", "--config", config, "--organization", "acme", "--email", "admin@example.com")

    assert made.exit_code == 0, made.stderr
    assert not (config.parent / "gateway.db").exists()
    policy = config.parent / "policy.json"
    policy.write_text('{"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]}')
    key = gateway("keys", "create", "--config", config, "--name", "reader", "--policy", policy)
    assert key.stdout.startswith("gwa_")
    assert "reader" in gateway("keys", "list", "--config", config).stdout
    assert gateway("audit", "verify", "--config", config).exit_code == 0
    assert gateway("migrate", "--config", config).stderr == "the database: version 5 already\n"
    again = gateway("init", "--config", config, "--organization", "acme", "--email", "admin@example.com")
    assert "has its first organization already" in again.stderr


def test_a_postgresql_that_cannot_be_reached_is_told_without_its_password(gateway, config):
    text = config.read_text()
    config.write_text(text.replace("[store]", '[store]\nurl = "postgresql://gateway:hunter2@127.0.0.1:9/gateway"'))

    for words in (("keys", "list"), ("migrate",), ("init", "--organization", "acme", "--email", "admin@example.com")):
        result = gateway(*words, "--config", config)
        assert result.exit_code == 1
        assert "the PostgreSQL database of `store.url` cannot be used: the database cannot be reached" in result.stderr
        assert "hunter2" not in result.stderr
